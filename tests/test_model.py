"""A network that stays loaded: what may be asked, and what comes back."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import builtins
import io
import json
import re
import zipfile
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.everything import Made, agree, made  # noqa: F401

import oneglance
from oneglance.errors import DataError, MissingExtraError
from oneglance.inference.predictor import Predictor
from oneglance.model import Model
from oneglance.progress import Screen
from oneglance.results.answers import Answers

SILENT = Screen()


@pytest.fixture(scope="module", params=["run", "file"])
def model(made: Made, request: pytest.FixtureRequest) -> Model:
    return oneglance.load(getattr(made, request.param), device="cpu")


@pytest.fixture(scope="module")
def path(made: Made) -> Path:
    return sorted((made.folder / "scenes/images").iterdir())[0]


FORMS: dict[str, Callable[[Path], Any]] = {
    "text": str,
    "path": lambda path: path,
    "bytes": Path.read_bytes,
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "Pillow": Image.open,
    "array": lambda path: np.array(Image.open(path).convert("RGB")),
    "with alpha": lambda path: np.array(Image.open(path).convert("RGBA")),
    "a view of an array": lambda path: np.array(Image.open(path).convert("RGB"))[::-1][::-1],
}


@pytest.mark.parametrize("form", FORMS)
def test_one_picture_in_any_form_gets_the_answers_of_its_file(model: Model, path: Path, form: str) -> None:
    (expected,) = model.predict(path, screen=SILENT)
    (alone,) = model.predict(FORMS[form](path), screen=SILENT)
    (in_a_list,) = model.predict([FORMS[form](path)], screen=SILENT)
    agree(alone.answers, expected.answers)
    assert in_a_list == alone
    assert (alone.width, alone.height, alone.unfamiliar) == (32, 32, expected.unfamiliar)


def test_grey_arrays_are_pictures(model: Model) -> None:
    grey = np.arange(40 * 30, dtype=np.uint32).astype(np.uint8).reshape(30, 40)
    rows = model.predict([grey, grey[..., None], np.repeat(grey[..., None], 3, axis=2)], screen=SILENT)
    assert [(row.width, row.height) for row in rows] == [(40, 30)] * 3
    for row in rows:
        agree(row.answers, rows[0].answers)


def test_forms_may_be_mixed_and_keep_their_order(model: Model, path: Path) -> None:
    with zipfile.ZipFile(path.parent.parent / "two.zip", "w") as archive:
        archive.write(path, "b.png")
        archive.write(path, "c.png")
    opened = Image.open(path)
    found = model.predict(
        [path.read_bytes(), path, path.parent.parent / "two.zip", opened.copy(), opened], screen=SILENT
    )
    assert [answer.image for answer in found] == [
        *("picture 1", path.as_posix(), "two.zip/b.png", "two.zip/c.png", "picture 4", str(path)),
    ]


def test_a_stranger_among_others_is_an_answer_with_an_error(model: Model, path: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text(f"{path}\n")
    opened: list[Any] = [path, tmp_path / "notes.txt", tmp_path / "lost.png", np.zeros((8, 8, 3), np.uint8)]
    found = model.predict(opened, screen=SILENT)
    assert [bool(answer.error) for answer in found] == [False, True, True, False]
    assert [answer.error for answer in model.predict(opened[1:], screen=SILENT)][2] == ""
    assert not model.predict([tmp_path / "notes.txt"], screen=SILENT)[0].error, "alone it is a list"


def test_a_turned_photograph_lies_as_a_person_sees_it(model: Model, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (64, 32), "red").save(tmp_path / "turned.png", exif=exif)
    by_path, by_pillow = model.predict(
        [tmp_path / "turned.png", Image.open(tmp_path / "turned.png")], screen=SILENT
    )
    assert (by_pillow.width, by_pillow.height) == (by_path.width, by_path.height) == (32, 64)
    agree(by_pillow.answers, by_path.answers)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "picture 1: is None, which is no picture — give a path, a Pillow picture"),
        (7, "picture 1: is an object of type int, which is no picture"),
        ([None], "picture 1: is None, which is no picture"),
        ([b"", {"a": 1}], "picture 2: is an object of type dict, which is no picture"),
        (np.zeros((4, 4, 3)), r"is an array of float64 \[4, 4, 3\] — give uint8 \[height, width\]"),
        (np.zeros((4,), np.uint8), r"is an array of uint8 \[4\]"),
        (np.zeros((4, 4, 2), np.uint8), r"is an array of uint8 \[4, 4, 2\]"),
        (np.zeros((0, 4, 3), np.uint8), r"is an array of uint8 \[0, 4, 3\]"),
        (np.zeros((3, 8, 8), np.uint8), "channels last"),
        (np.zeros((2, 8, 8, 3), np.uint8), r"give a batch of pictures as a list: list\(array\)"),
        ([], "no pictures are given"),
        ("nowhere.png", "nowhere.png: there is no such file or folder"),
    ],
)
def test_what_is_no_picture_is_refused_in_plain_words(model: Model, value: Any, message: str) -> None:
    for ask in (model.predict, model.embed):
        with pytest.raises(DataError, match=message):
            ask(value, screen=SILENT)


def test_a_batch_in_one_array_works_as_the_message_says(model: Model) -> None:
    assert len(model.predict(list(np.zeros((2, 8, 8, 3), np.uint8)), screen=SILENT)) == 2


def test_damaged_pictures_are_answers_with_an_error(model: Model, path: Path) -> None:
    torn = Image.open(io.BytesIO(path.read_bytes()[:200]))
    found = model.predict([b"no picture", b"", torn, path], screen=SILENT)
    assert [answer.error for answer in found] == ["is not a picture", "is empty", "is cut short", ""]
    assert found[0].to_dict() == {"image": "picture 1", "error": "is not a picture"}
    assert found[0].answers == {} and found[0].width is None and not found[0].unknown
    assert "is cut short" in repr(found) and "3 of them cannot be read" in repr(found)
    (alone,) = model.predict(b"no picture", screen=SILENT)
    assert alone == found[0]


def test_features_come_as_rows(model: Model, path: Path) -> None:
    one = model.embed(path, screen=SILENT)
    assert one.dtype == np.float32 and one.ndim == 2 and len(one) == 1
    pixels = np.array(Image.open(path).convert("RGB"))
    several = model.embed([pixels, 255 - pixels, path], screen=SILENT)
    np.testing.assert_allclose(several[[0, 2]], np.concatenate([one, one]), rtol=1e-3, atol=1e-4)
    assert np.abs(several[1] - several[0]).max() > 1e-3
    with pytest.raises(DataError, match="picture 2: is not a picture"):
        model.embed([pixels, b"no picture"], screen=SILENT)


def test_the_tasks_are_there(model: Model) -> None:
    assert model.tasks["covered"].type == "number"
    assert "digit" in repr(model)


def test_a_lone_picture_starts_no_process_and_opens_nothing_again(
    model: Model, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = model.predict(path, screen=SILENT)

    def forbidden(*_: Any, **__: Any) -> Any:
        raise AssertionError("something was started or opened again")

    monkeypatch.setattr("subprocess.Popen.__init__", forbidden)
    monkeypatch.setattr("oneglance.model.open_answering", forbidden)
    monkeypatch.setattr(Predictor, "for_single_images", forbidden)
    assert model.predict(path, screen=SILENT) == first
    assert model.predict(path.read_bytes(), screen=SILENT)[0].answers == first[0].answers


def test_a_run_keeps_its_network(made: Made, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = oneglance.Run(made.run)
    first = run.predict(path, device="cpu", screen=SILENT)
    monkeypatch.setattr("oneglance.model.open_answering", None)
    assert run.predict(path, device="cpu", screen=SILENT) == first
    assert run.model(device="cpu") is run.model(device="cpu")


def test_answers_are_read_like_the_json_of_today(model: Model, path: Path) -> None:
    answers = model.predict([path, path], screen=SILENT)
    assert isinstance(answers, Answers) and isinstance(answers[0], Mapping)
    rows = answers.to_dict()
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows and type(rows[0]) is dict
    assert answers == rows and answers[0] == rows[0] and list(answers[0]) == list(rows[0])
    assert answers[0]["answers"]["digit"]["value"] == rows[0]["answers"]["digit"]["value"]
    assert isinstance(answers[:1], Answers) and len(answers[:1]) == 1


def test_answers_are_shown_as_a_table(model: Model, path: Path) -> None:
    text = repr(model.predict([path, path], screen=SILENT))
    first, head, *rows = text.splitlines()
    assert first == "answers to 2 pictures" and len(rows) == 2
    assert head.split()[:2] == ["image", "digit"]
    assert re.search(r"\d \(\d+%\)", rows[0])


def test_a_notebook_shows_pictures_and_bars_and_asks_nobody(model: Model, path: Path) -> None:
    hostile = path.parent.parent / "<img src=x>.png"
    hostile.write_bytes(path.read_bytes())
    for shown in (model.predict([hostile, path, b"no"], screen=SILENT), model.predict(hostile)[0]):
        page = shown._repr_html_()
        assert "data:image/jpeg;base64," in page and "%" in page
        assert "<img src=x>" not in page and "&lt;img src=x&gt;" in page
        assert not re.search(r"https?://|<script|@import|url\(", page)


def test_a_picture_that_is_gone_is_named_where_it_would_be_drawn(model: Model, path: Path) -> None:
    copy = path.parent.parent / "gone.png"
    copy.write_bytes(path.read_bytes())
    (answer,) = model.predict(copy, screen=SILENT)
    assert max(answer.draw().size) >= 320
    copy.unlink()
    with pytest.raises(DataError, match=r"gone.png: cannot be read any more"):
        answer.draw()
    assert "cannot be read any more" in answer._repr_html_()


def test_without_pandas_a_frame_is_refused_in_plain_words(
    model: Model, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name == "pandas":
            raise ModuleNotFoundError("No module named 'pandas'", name="pandas")
        return usual(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MissingExtraError, match="pip install pandas"):
        model.predict(path, screen=SILENT).to_frame()


def test_a_frame_has_the_columns_of_the_table(model: Model, path: Path) -> None:
    pytest.importorskip("pandas")
    frame = model.predict([path, b"no"], screen=SILENT).to_frame()
    assert list(frame["image"]) == [path.as_posix(), "picture 2"]
    assert {"digit", "digit_confidence", "covered", "error"} <= set(frame.columns)


def test_a_stream_takes_pictures_as_they_are_needed(
    model: Model, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a large folder does not fill the memory."""
    loaded = 0
    usual = type(path).read_bytes

    def counted(self: Path) -> bytes:
        nonlocal loaded
        loaded += 1
        return usual(self)

    monkeypatch.setattr(type(path), "read_bytes", counted)
    monkeypatch.setattr("oneglance.data.images.decoding.decode_pool.processes", lambda workers: 0)
    stream = model.stream([path] * 300, screen=SILENT)
    assert isinstance(stream, Generator)
    next(stream)
    assert loaded < 200
    stream.close()
