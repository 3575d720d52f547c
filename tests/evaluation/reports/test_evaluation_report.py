"""report.html stands alone, escapes what it shows, and survives whatever the data hold."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from oneglance.data.images.decode import Limits
from oneglance.data.record import ImageRef
from oneglance.errors import RunError
from oneglance.evaluation.reports.evaluation import ROWS, SHOWN, Wrong, write_page
from oneglance.evaluation.reports.pages import figure, measured
from oneglance.report_items import Curve, Detail, Grid, Matrix

EVIL = '<script>alert("x")</script>&"\''
VOID = {"meta", "link", "br", "img", "hr"}


@dataclass(frozen=True)
class Drawn(ImageRef):
    """A grey picture, or none at all."""

    width: int = 64
    height: int = 48
    name: str = "drawn"

    def load(self) -> np.ndarray:
        if not self.width:
            raise FileNotFoundError(2, "No such file")
        return np.full((self.height, self.width, 3), 90, dtype=np.uint8)

    def stamp(self) -> tuple[Any, ...]:
        return (self.width,)


class Page(HTMLParser):
    """The page as a browser reads it: its elements, what it would fetch, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.raw, self.words = text, ""
        self.open: list[str] = []
        self.seen: list[str] = []
        self.links: list[str | None] = []
        self.feed(text)
        self.close()
        assert self.open == [], "elements that are not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.links += [value for key, value in attrs if key in ("src", "href", "xlink:href", "data")]
        assert not [key for key, _ in attrs if key.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    def pictures(self) -> list[Image.Image]:
        result = [link for link in self.links if link and link.startswith("data:image/jpeg;base64,")]
        return [Image.open(io.BytesIO(base64.b64decode(link.partition(",")[2]))) for link in result]


def entry(**changes: Any) -> dict[str, Any]:
    scores = {"value": 0.913, "low": 0.887, "high": 0.936, "n": 412}
    return {
        "type": "label",
        "answered": 412,
        "brief": "0.913",
        "metrics": {"accuracy": scores, "log_loss": {**scores, "value": 2.5, "low": 2.0, "high": 3.0}},
        "constant": {"accuracy": 0.34, "log_loss": 4.0},
        **changes,
    }


def history(epochs: int = 3, task: str = "kind") -> list[dict[str, Any]]:
    return [
        {
            "epoch": epoch,
            "loss": {task: 1 / epoch},
            "validation": {task: {"accuracy": 1 - 1 / (1 + epoch)}},
            "skill": 0.1 * epoch,
            "rate": 0.002,
            "seconds": 3.0,
        }
        for epoch in range(1, epochs + 1)
    ]


def page(
    folder: Path,
    tasks: Mapping[str, Any] | None = None,
    details: Mapping[str, Sequence[Detail]] | None = None,
    rows: Sequence[Mapping[str, Any]] | None = None,
    wrong: Mapping[str, Sequence[Wrong]] | None = None,
    title: str = "clothing-2",
    answers: Mapping[str, int] | None = None,
    **changes: Any,
) -> Page:
    report = {
        "oneglance": "0.1.0",
        "split": "test",
        "pictures": 1412,
        "unreadable": 0,
        "reads": 1,
        "date": "2031-02-03T04:05:06+00:00",
        "tasks": {"kind": entry()} if tasks is None else tasks,
        **changes,
    }
    path = folder / "report.html"
    write_page(
        path,
        report,
        details or {},
        history() if rows is None else rows,
        wrong or {},
        title=title,
        limits=Limits(),
        answers=answers,
    )
    assert [place.name for place in folder.iterdir()] == ["report.html"]
    return Page(path.read_text(encoding="utf-8"))


def confusion(count: int, names: Sequence[str] = ()) -> Matrix:
    values = np.random.default_rng(0).integers(0, 3, size=(count, count)) + 20 * np.eye(count, dtype=int)
    return Matrix("Confusion", "truth", "answer", tuple(names or (f"c{n}" for n in range(count))), values)


ALL_DETAILS: list[Detail] = [
    confusion(4),
    Grid("Per class", ("class", "pictures", "F1"), (("a", 1200, 0.5), ("b", 3, float("nan")))),
    Curve(
        "Calibration", "confidence", "share right", np.array([0.2, 0.9]), np.array([0.3, 0.8]), diagonal=True
    ),
]


def test_it_says_what_was_scored(tmp_path: Path) -> None:
    result = page(tmp_path, unreadable=2)
    for words in (
        "clothing-2",
        "1,412 pictures of the test split",
        "2 more could not be read",
        "2031-02-03",
    ):
        assert words in result.words
    for words in ("0.913", "± 0.025", "0.340", "412", "accuracy", "share of right answers"):
        assert words in result.words


@pytest.mark.parametrize(("count", "opened"), [(1, 3), (2, 2), (3, 0), (9, 0)])
def test_the_page_of_many_tasks_is_folded(tmp_path: Path, count: int, opened: int) -> None:
    names = [f"task {number}" for number in range(count)]
    result = page(tmp_path, {name: entry() for name in names}, dict.fromkeys(names, ALL_DETAILS))
    folds = re.findall("<details( open)?>", result.raw)
    assert folds.count(" open") == opened
    assert len(folds) == 1 + 4 * count  # the learning; each task, its curves, matrix and table
    # A link to a task leads into its fold, which a browser then opens.
    for number in range(1, 1 + count):
        before, _, _ = result.raw.partition(f'id="task-{number}"')
        assert before.count("<details") > before.count("</details>")


def test_the_calibration_of_a_constant_answer_is_no_rival(tmp_path: Path) -> None:
    """It is right as often as it says, and says nothing."""
    score = {"value": 0.04, "low": 0.02, "high": 0.06, "n": 412}
    metrics = {"accuracy": {**score, "value": 0.9}, "ece": score, "colour.ece": score}
    constant = {"accuracy": 0.123, "ece": 0.001, "colour.ece": 0.002}
    words = page(tmp_path, {"kind": entry(metrics=metrics, constant=constant)}).words
    assert "0.123" in words and "0.001" not in words and "0.002" not in words


@pytest.mark.parametrize(("reads", "words"), [(1, "read once"), (4, "read 4 times"), (None, "")])
def test_it_says_how_often_the_part_was_read(tmp_path: Path, reads: int | None, words: str) -> None:
    result = " ".join(page(tmp_path, reads=reads).words.split())
    assert words in result
    assert ("too good" in result) == (words == "read 4 times")


def test_it_loads_nothing_and_runs_nothing(tmp_path: Path) -> None:
    wrong = {"kind": [Wrong("a.jpg", Drawn(), "shirt", "hat (90%)")]}
    result = page(tmp_path, details={"kind": ALL_DETAILS}, wrong=wrong)
    assert all(link and link.startswith(("#", "data:")) for link in result.links)
    assert "script" not in result.seen
    assert not re.search(r"url\(|@import|://", result.raw)
    assert "default-src 'none'" in result.raw


def test_what_the_data_say_is_escaped_everywhere(tmp_path: Path) -> None:
    names = (EVIL, "b", "c")
    details: list[Detail] = [
        confusion(3, names),
        Grid(EVIL, (EVIL, EVIL), ((EVIL, 0.5),)),
        Curve(EVIL, EVIL, EVIL, np.arange(3.0), np.arange(3.0)),
    ]
    result = page(
        tmp_path,
        tasks={EVIL: entry(brief=EVIL)},
        details={EVIL: details},
        rows=history(task=EVIL),
        wrong={EVIL: [Wrong(EVIL, Drawn(name=EVIL), EVIL, EVIL)]},
        title=EVIL,
    )
    assert "script" not in result.seen
    assert "<script" not in result.raw
    assert result.words.count(EVIL) >= 8


def test_details_are_drawn(tmp_path: Path) -> None:
    result = page(tmp_path, details={"kind": ALL_DETAILS})
    assert "Most frequent mistakes" in result.words
    assert "1,200" in result.words and "–" in result.words
    assert result.words.count("Calibration") == 1
    assert "truth c1, answer c1" in result.raw


@pytest.mark.parametrize("count", [2, 25, 100])
def test_every_cell_of_a_matrix_is_there(tmp_path: Path, count: int) -> None:
    matrix = confusion(count)
    result = page(tmp_path, details={"kind": [matrix]})
    assert result.raw.count('fill-opacity="') == np.count_nonzero(matrix.values)
    assert len(result.raw) < 1_500_000


def test_a_matrix_too_large_to_see_shows_its_mistakes(tmp_path: Path) -> None:
    result = page(tmp_path, details={"kind": [confusion(300)]})
    assert 'fill-opacity="' not in result.raw
    assert "Most frequent mistakes" in result.words
    assert len(result.raw) < 100_000


def test_long_tables_and_names_are_cut(tmp_path: Path) -> None:
    rows = tuple(("x" * 5000, 0.5) for _ in range(ROWS + 7))
    result = page(tmp_path, details={"kind": [Grid("Per class", ("class", "F1"), rows)]})
    assert f"The first {ROWS} of {ROWS + 7} rows." in result.words
    assert "x" * 200 not in result.words


def test_an_unanswered_task_says_so(tmp_path: Path) -> None:
    nothing = {"value": None, "low": None, "high": None, "n": 0}
    empty = entry(answered=0, brief="", metrics={"accuracy": nothing}, constant={"accuracy": None})
    result = page(tmp_path, tasks={"kind": empty, "other": entry()})
    assert "nothing to score" in result.words


def test_scores_without_an_interval_are_shown_without(tmp_path: Path) -> None:
    alone = {"accuracy": {"value": 0.5, "low": None, "high": None, "n": 1}}
    result = page(tmp_path, tasks={"kind": entry(metrics=alone, constant={"accuracy": None})})
    assert "0.500" in result.words
    assert "± 0" not in result.words


@pytest.mark.parametrize("rows", [[], history(1), history(2000)], ids=["none", "one", "many"])
def test_any_number_of_epochs_is_drawn(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    result = page(tmp_path, rows=rows)
    assert ("Skill on the validation split" in result.words) == bool(rows)
    assert "nan" not in result.raw
    assert len(result.raw) < 300_000


def test_epochs_without_a_value_are_left_out(tmp_path: Path) -> None:
    rows = history(4)
    rows[1] = {**rows[1], "loss": {"kind": None}, "validation": {}, "skill": None}
    result = page(tmp_path, rows=rows)
    assert "nan" not in result.raw and "None" not in result.raw


def test_the_worst_pictures_are_shown_whole_and_small(tmp_path: Path) -> None:
    wrong = [
        Wrong("wide.jpg", Drawn(2000, 500), "shirt", "hat (90%)"),
        Wrong("gone.jpg", Drawn(0), "hat", "shoe"),
    ]
    result = page(tmp_path, wrong={"kind": wrong})
    (picture,) = result.pictures()
    assert picture.size == (192, 48)
    assert np.abs(np.asarray(picture).astype(int) - 90).max() <= 3  # no rim
    for words in ("wide.jpg", "shirt", "hat (90%)", "gone.jpg", "cannot be read"):
        assert words in result.words


def test_only_so_many_pictures_are_shown(tmp_path: Path) -> None:
    wrong = [Wrong(f"{n}.jpg", Drawn(), "shirt", "hat") for n in range(SHOWN + 5)]
    assert len(page(tmp_path, wrong={"kind": wrong}).pictures()) == SHOWN


def test_file_names_that_are_not_utf_8_do_not_stop_it(tmp_path: Path) -> None:
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    result = page(tmp_path, wrong={"kind": [Wrong(name, Drawn(), "shirt", "hat")]})
    assert "caf?.jpg" in result.words


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    report = {"oneglance": "0.1.0", "split": "test", "pictures": 0, "tasks": {}}
    with pytest.raises(RunError, match=r"report\.html"):
        write_page(tmp_path / "nowhere" / "report.html", report, {}, [], {}, title="x", limits=Limits())


def joint_history(task: str, other: str, cosine: float = -0.25) -> list[dict[str, Any]]:
    gradients = {"norms": {task: 3.0, other: 1.0}, "cosines": {f"{task} | {other}": cosine}}
    return [{**row, "loss": {task: 1.0, other: 1.0}, "gradients": gradients} for row in history()]


def test_it_says_where_tasks_conflict(tmp_path: Path) -> None:
    result = page(tmp_path, rows=joint_history("kind", "price"), answers={"kind": 1200})
    assert "Conflicts between tasks" in result.words and "predict only poorly" in result.words
    assert result.raw.count(">−0.25<") == 2
    for words in ("1,200", "75 %", "25 %", "50 %", "price (−0.25)", "Share of the loss"):
        assert words in result.words
    assert "kind and price: -0.250" in result.raw


def test_without_gradients_it_does_not(tmp_path: Path) -> None:
    assert "Conflicts between tasks" not in page(tmp_path).words


def test_names_of_tasks_are_escaped_there_too(tmp_path: Path) -> None:
    result = page(tmp_path, rows=joint_history(EVIL, "b"))
    assert "<script" not in result.raw and "Conflicts between tasks" in result.words


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (0.0, "0.000"),
        (0.9134, "0.913"),
        (0.00012, "0.00012"),
        (31.234, "31.23"),
        (312.34, "312.3"),
        (12345.6, "12,346"),
        (1.2e12, "1.2e+12"),
        (1234, "1,234"),
        ("shirt", "shirt"),
    ],
)
def test_figures_have_as_many_digits_as_a_person_reads(value: Any, shown: str) -> None:
    assert figure(value) == shown


@pytest.mark.parametrize(
    ("score", "shown"),
    [
        ((31.2434, 27.1, 35.4), ("31.2", "± 4.1")),
        ((1234.5, 1100.0, 1400.0), ("1,234", "± 150")),
        ((0.9134, 0.887, 0.936), ("0.913", "± 0.025")),
        ((0.5, 0.2, 0.8), ("0.50", "± 0.30")),
        ((0.99999, 0.9999, 1.0), ("1.000", "± 0.000")),
        ((0.0001, 0.00005, 0.0002), ("0.0001", "± 7.5e-05")),
        ((3.0, 3.0, 3.0), ("3.000", "± 0.000")),
        ((None, None, None), ("–", "")),
        ((2.5, None, None), ("2.500", "")),
    ],
)
def test_a_value_has_the_digits_that_its_interval_lets_stand(score: Any, shown: tuple[str, str]) -> None:
    assert measured(*score) == shown


def test_half_an_interval_has_the_digits_of_its_value() -> None:
    assert figure(2.6954, like=15.42) == "2.70"


def test_a_unit_stands_beside_the_metric_that_has_it(tmp_path: Path) -> None:
    scores = {"value": 3.1, "low": 2.8, "high": 3.4, "n": 40}
    metrics = {"mae": scores, "r2": scores}
    price = entry(type="number", brief="±3.1 EUR", unit="EUR", metrics=metrics, constant={})
    result = page(tmp_path, {"kind": entry(), "price": price})
    assert result.words.count("mae EUR") == 2, "at a glance, and in its section"
    assert "r2 EUR" not in result.words and "accuracy EUR" not in result.words
