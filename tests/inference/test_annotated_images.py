"""predict --draw: pictures with the answers to them on them."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.boxed import boxed, trained_boxes  # noqa: F401
from support.user import Shell, shell  # noqa: F401

import oneglance
from oneglance.data.images.decode import Limits
from oneglance.data.images.references import FileImage
from oneglance.data.record import Box, BoxAnnotations, ImageRef
from oneglance.errors import RunError
from oneglance.inference.annotated_images import write_annotated
from oneglance.inference.drawing import colour_of, drawing_name
from oneglance.progress import Screen
from oneglance.task import Task, build_tasks

WIDTH, HEIGHT = 400, 320  # of the upright picture
CORNERS = (40.0, 80.0, 160.0, 280.0)
CLASSES = ["apple", "pear"]


def tasks() -> dict[str, Task]:
    tables: dict[str, Any] = {
        "things": {"type": "boxes", "attributes": {"ripe": {"type": "label"}}},
        "kind": {"type": "label"},
        "look": {"type": "embedding", "like": "kind", "size": 2},
    }
    built = build_tasks(tables)
    built["things"]._classes = CLASSES  # type: ignore[attr-defined]
    return built


def answers(*labels: str) -> dict[str, Any]:
    ripe = {"ripe": {"value": "yes", "confidence": 0.75, "probabilities": {}}}
    boxes = [
        {"box": list(CORNERS), "label": label, "confidence": 0.5, "attributes": ripe} for label in labels
    ]
    return {
        "things": {"boxes": boxes},
        "kind": {"value": "still life", "confidence": 0.9, "probabilities": {}},
        "look": {"vector": [0.6, 0.8]},
    }


def row(name: str, *labels: str, width: int = WIDTH, height: int = HEIGHT) -> dict[str, Any]:
    return {"image": name, "width": width, "height": height, "answers": answers(*labels)}


def stored(folder: Path, orientation: int = 1, scale: int = 1) -> FileImage:
    """A black picture, upright 400 x 320 times ``scale``, stored with that EXIF orientation."""
    size = (WIDTH * scale, HEIGHT * scale)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = folder / f"{orientation}-{scale}.png"
    Image.new("RGB", size if orientation < 5 else size[::-1]).save(path, exif=exif)
    return FileImage(str(path), path.name)


def drawn(folder: Path, rows: list[dict[str, Any]], refs: list[ImageRef]) -> list[dict[str, Any]]:
    return list(write_annotated(rows, refs, tasks(), folder, Limits()))


def drawing_of(folder: Path, name: str) -> np.ndarray:
    """int64 [h, w, 3]: what was written for the picture ``name``."""
    with Image.open(folder / f"{drawing_name(name)}.jpg") as drawing:
        return np.asarray(drawing).astype(np.int64)


def outline(folder: Path, name: str, number: int) -> np.ndarray:
    """Where the colour of a class begins as one walks out from the middle of CORNERS: x0, y0, x1, y1."""
    pixels = drawing_of(folder, name)
    near = np.abs(pixels - np.array(colour_of(number))).sum(2) < 60
    scale = pixels.shape[1] / WIDTH
    x, y = (round(scale * middle) for middle in (100, 180))
    left, right = np.flatnonzero(near[y, :x]).max(), x + np.flatnonzero(near[y, x:]).min()
    above, below = np.flatnonzero(near[:y, x]).max(), y + np.flatnonzero(near[y:, x]).min()
    return np.array([left, above, right, below]) / scale


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_lie_where_they_are_in_the_upright_picture(tmp_path: Path, orientation: int) -> None:
    ref = stored(tmp_path, orientation)
    drawn(tmp_path / "out", [row(ref.name, "apple")], [ref])
    height, width, _ = drawing_of(tmp_path / "out", ref.name).shape
    assert width == WIDTH and height > HEIGHT, "a strip of words below the picture"
    measured = outline(tmp_path / "out", ref.name, 0)
    assert np.abs(measured - CORNERS).max() <= 4, measured


def test_a_large_picture_is_drawn_smaller_with_its_boxes(tmp_path: Path) -> None:
    ref = stored(tmp_path, scale=8)
    large = row(ref.name, "apple", width=8 * WIDTH, height=8 * HEIGHT)
    large["answers"]["things"]["boxes"][0]["box"] = [8 * edge for edge in CORNERS]
    drawn(tmp_path / "out", [large], [ref])
    assert drawing_of(tmp_path / "out", ref.name).shape[1] == 1280
    measured = outline(tmp_path / "out", ref.name, 0)
    assert np.abs(measured - CORNERS).max() <= 4, measured


def test_each_class_has_a_colour_of_its_own(tmp_path: Path) -> None:
    ref = stored(tmp_path)
    drawn(tmp_path / "out", [row(ref.name, "pear")], [ref])
    measured = outline(tmp_path / "out", ref.name, 1)
    assert np.abs(measured - CORNERS).max() <= 4, measured


def test_rows_are_handed_on_as_they_are_and_when_they_come(tmp_path: Path) -> None:
    refs = [stored(tmp_path, turn) for turn in (1, 6, 3)]
    rows = [row(ref.name, "apple") for ref in refs]
    rows[1] = {"image": refs[1].name, "error": "is cut short"}
    given = []

    def coming() -> Iterator[dict[str, Any]]:
        for one in rows:
            given.append(one)
            yield one

    measured = write_annotated(coming(), refs, tasks(), tmp_path / "out", Limits())
    assert given == []
    for count, one in enumerate(rows, 1):
        assert next(measured) is one
        assert len(given) == count
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"{drawing_name(refs[0].name)}.jpg",
        f"{drawing_name(refs[2].name)}.jpg",
    }


def test_words_are_those_that_somebody_could_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result: list[tuple[Any, list[str]]] = []

    def noted(picture: Image.Image, overlays: Any, lines: list[str]) -> Image.Image:
        result.append((overlays, lines))
        return picture

    monkeypatch.setattr("oneglance.inference.annotated_images.draw", noted)
    drawn(tmp_path / "out", [row("a", "apple", "plum")], [stored(tmp_path)])
    ((overlays, lines),) = result
    assert lines == ["kind: still life (90%)"], "the numbers of an embedding are not for reading"
    assert [(caption, number) for _, caption, number in overlays] == [
        ("apple (50%), yes (75%)", 0),
        ("plum (50%), yes (75%)", 2),
    ]


def test_of_the_truth_only_what_counts_is_drawn() -> None:
    pear = Box(*CORNERS, "pear", {"ripe": "no"})
    overlays = tasks()["things"].overlays(
        BoxAnnotations((pear, Box(*CORNERS, ""), Box(*CORNERS, "apple", ignore=True)))
    )
    assert overlays == [(CORNERS, "pear, no", 1), (CORNERS, "?", 2)]


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(RunError, match="out"):
        drawn(tmp_path / "out", [row("a", "apple")], [stored(tmp_path)])


def test_a_picture_that_has_changed_since_is_an_error_in_its_row(tmp_path: Path) -> None:
    refs = [stored(tmp_path, turn) for turn in (1, 6, 3)]
    Path(refs[0].path).unlink()
    Path(refs[2].path).write_bytes(b"II*\0")
    rows = drawn(tmp_path / "out", [row(ref.name, "apple") for ref in refs], list(refs))
    assert [one.get("error") for one in rows] == [
        "cannot be read any more (No such file or directory)",
        None,
        "cannot be read any more (is damaged)",
    ]
    assert "answers" in rows[1] and "answers" not in rows[0]
    assert len(list((tmp_path / "out").iterdir())) == 1


# End to end.


def test_predict_draws_all_pictures_that_can_be_read(boxed: Path, shell: Shell) -> None:
    folder = boxed / "new"
    folder.mkdir()
    with Image.open("scenes/images/00001.png") as upright:
        upright.load()
    upright.save(folder / "a.png")
    (folder / "b.png").write_bytes((folder / "a.png").read_bytes()[:300])
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by a quarter when shown
    upright.transpose(Image.Transpose.ROTATE_90).save(folder / "c.png", exif=exif)
    result = shell("predict", "runs/a", "new", "--draw", "drawn", "--out", "a.json")
    assert result.code == 3, "one picture cannot be read"
    assert "b.png" in result.err
    first, turned = (drawing_of(boxed / "drawn", f"new/{name}.png") for name in "ac")
    assert len(list((boxed / "drawn").iterdir())) == 2
    assert np.array_equal(first, turned), "the same picture, once upright, once lying"


def test_drawing_changes_no_answer(boxed: Path) -> None:
    pictures = ["scenes/images/00000.png", "scenes/images/00003.png"]
    bare = oneglance.predict("runs/a", pictures, screen=Screen())
    assert oneglance.predict("runs/a", pictures, draw="drawn", screen=Screen()) == bare
    assert all(one["answers"]["objects"]["boxes"] for one in bare), "else there was nothing to draw"
    assert len(list(Path("drawn").iterdir())) == 2
