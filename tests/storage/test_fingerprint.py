"""What a run was begun with: it goes on with the same, or says what has changed."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.tiny import Ref
from support.user import CONFIG, home, trained  # noqa: F401

import oneglance
from oneglance import config as configuration
from oneglance.data.columns.record_columns import columns_of
from oneglance.data.dataset import Dataset
from oneglance.data.record import Box, BoxAnnotations, Record
from oneglance.data.splitting.split import SplitIndices
from oneglance.errors import RunError, StoppedError
from oneglance.progress import Screen
from oneglance.storage.fingerprint import Fingerprint, counted, row_changes
from oneglance.storage.run_folder import RunFolder
from oneglance.tasks.tags import TagAnnotations

CONFIGURATION = configuration.parse(CONFIG, base=Path())


class Heard(Screen):
    """Stops the training in a step, and remembers what is said."""

    def __init__(self, stop: int = 0) -> None:
        self.left, self.lines = stop, list[str]()

    def say(self, text: str) -> None:
        self.lines.append(text)

    def step(self, epoch: int, epochs: int, step: int, steps: int, pictures: int) -> None:
        self.left -= 1
        if not self.left:
            signal.raise_signal(signal.SIGINT)


def dataset(*answers: dict[str, Any], splits: str = "", contents: str = "") -> Dataset:
    """A record for each, ``a.png``, ``b.png``, …; digests and splits (t, v, e) by letter."""
    names = {"t": "train", "v": "validation", "e": "test"}
    records = [Record(f"x:{row}", Ref(f"{chr(97 + row)}.png"), one) for row, one in enumerate(answers)]
    chosen = SplitIndices.of([names[letter] for letter in splits or "t" * len(answers)])
    return Dataset(
        columns_of(records), chosen, [], [letter.encode() * 16 for letter in contents or "x" * len(answers)]
    )


def changes(before: Dataset, now: Dataset) -> list[str]:
    kept = json.loads(json.dumps(Fingerprint.of(CONFIGURATION, before).to_dict()))
    return Fingerprint(**kept).changes(Fingerprint.of(CONFIGURATION, now), before.rows())


BOX = Box(1.0, 2, 3, 4, "cat", {"colour": "red"})


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("hat", "shirt"),
        ("hat", None),
        (None, "hat"),
        (1.0, 1.0000000001),
        (TagAnnotations(frozenset("ab")), TagAnnotations(frozenset("a"))),
        (TagAnnotations(frozenset("ab")), TagAnnotations(frozenset("ab"), frozenset("abc"))),
        (BoxAnnotations((BOX,)), BoxAnnotations(())),
        (BoxAnnotations(()), BoxAnnotations((), frozenset("a"))),
        (BoxAnnotations((BOX,)), BoxAnnotations((Box(1.0, 2, 3, 4.01, "cat", {"colour": "red"}),))),
        (BoxAnnotations((BOX,)), BoxAnnotations((Box(1.0, 2, 3, 4, "cat", {"colour": "blue"}),))),
        (BoxAnnotations((BOX,)), BoxAnnotations((Box(1.0, 2, 3, 4, "cat", {"colour": "red"}, ignore=True),))),
    ],
)
def test_another_answer_is_another(before: Any, now: Any) -> None:
    assert changes(dataset({"kind": before}), dataset({"kind": now})) == ["1 changed answer to kind (a.png)"]
    assert changes(dataset({"kind": before}), dataset({"kind": before})) == []


def test_what_is_said() -> None:
    before = dataset(*[{"kind": "hat"}] * 6, splits="tttvve", contents="abcdef")
    now = dataset(*[{"kind": "cap"}] * 5, {}, splits="tttvve", contents="ABcdeF")
    assert changes(before, now) == [
        "2 changed pictures (a.png, b.png)",
        "5 changed answers to kind (a.png, b.png, c.png, …)",
    ], "those of the test split take no part in training"
    assert counted("picture that is gone", ["a"]) == "1 picture that is gone (a)"
    assert counted("picture that is gone", ["a", "b"]) == "2 pictures that are gone (a, b)"


def test_pictures_that_come_and_go() -> None:
    rows = [("a", "", "train"), ("b", "", "train")]
    assert row_changes(rows, [("b", "g", "train"), ("c", "", "train")]) == [
        "1 picture that is gone (a)",
        "1 new picture (c)",
        "1 picture of another group (b)",
    ]
    assert row_changes(rows, rows[::-1]) == ["the pictures come in another order"]


def test_the_configuration_counts_but_where_things_lie() -> None:
    text = CONFIG.replace("scenes/labels.csv", "moved/labels.csv")
    elsewhere = configuration.parse(text, base=Path("/x"), overrides=["cache.gigabytes=1"])
    other = configuration.parse(CONFIG, base=Path(), overrides=["training.learning_rate=0.5", "split.seed=3"])
    data = dataset({"kind": "hat"})
    before = Fingerprint.of(CONFIGURATION, data)
    assert before.changes(Fingerprint.of(elsewhere, data), data.rows()) == []
    assert before.changes(Fingerprint.of(other, data), data.rows()) == [
        "[split] seed was not set, is 3",
        "[training] learning_rate was not set, is 0.5",
    ]


def test_digests_do_not_depend_on_the_process() -> None:
    """The order of a set does."""
    code = """
from pathlib import Path
from oneglance.storage.fingerprint import _digest
from oneglance.tasks.tags import TagAnnotations
print(_digest(TagAnnotations(frozenset("abcdefghij"), frozenset("xyz"))))
"""
    said = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(said) == 1


@dataclass(frozen=True)
class Answer:
    """That of another package."""

    degrees: float
    later: tuple[str, ...] = field(default_factory=tuple)


class Silent:
    """That of a package which does not say what is in it."""


def test_answers_of_other_packages() -> None:
    assert changes(dataset({"a": Answer(1.0)}), dataset({"a": Answer(1.0)})) == []
    assert changes(dataset({"a": Answer(1.0)}), dataset({"a": Answer(2.0)}))
    assert changes(dataset({"a": Silent()}), dataset({"a": Silent()})) == []
    assert changes(dataset({"a": np.arange(3)}), dataset({"a": np.arange(3) + 1}))


# A training that was stopped.


def stopped() -> RunFolder:
    with pytest.raises(StoppedError):
        oneglance.train("oneglance.toml", out="runs/b", screen=Heard(2))
    return RunFolder("runs/b")


def going_on(source: str = "runs/b", *, accept: bool = False) -> list[str]:
    screen = Heard()
    oneglance.train(source, resume=True, accept_changes=accept, screen=screen)
    return screen.lines


def of_split(run: RunFolder, split: str) -> list[str]:
    return [row[0] for row in run.split() if row[2] == split]


def answer(picture: str, task: str, cell: str) -> None:
    """Change one cell of the table."""
    table = Path("scenes/labels.csv")
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = [row for row in rows if picture.endswith(row["image"])]
    assert len(found) == 1 and found[0][task] != cell
    found[0][task] = cell
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def same_as_whole(trained: Path, home: Path) -> bool:
    whole, ours = (folder / "weights.safetensors" for folder in (trained / "runs/a", home / "runs/b"))
    return whole.read_bytes() == ours.read_bytes()


def test_a_picture_that_was_replaced_is_noticed(trained: Path, home: Path) -> None:
    run = stopped()
    names = of_split(run, "train")
    one, other = (home / "scenes" / name for name in names[:2])
    before = one.read_bytes()
    one.write_bytes(other.read_bytes())
    with pytest.raises(RunError) as caught:
        going_on()
    assert str(caught.value) == (
        f"runs/b: the data have changed since this run began: 1 changed picture ({names[0]}) — put them "
        "back, train anew, or go on all the same: oneglance train runs/b --resume --accept-changes"
    )
    one.write_bytes(before)
    assert "going on in epoch 1 after step 2" in going_on()
    assert same_as_whole(trained, home)


def test_an_answer_that_was_changed_is_noticed_or_accepted(home: Path) -> None:
    run = stopped()
    picture = of_split(run, "train")[0]
    answer(picture, "covered", "12.25")
    with pytest.raises(RunError, match="1 changed answer to covered"):
        going_on()
    assert f"going on with what has changed: 1 changed answer to covered ({picture})" in going_on(accept=True)
    assert run.finished


def test_what_was_accepted_once_is_what_is_compared_next(home: Path) -> None:
    run = stopped()
    answer(of_split(run, "train")[0], "covered", "12.25")
    with pytest.raises(StoppedError):
        oneglance.train("runs/b", resume=True, accept_changes=True, screen=Heard(1))
    assert not any("has changed" in line for line in going_on())


def test_a_class_that_is_new_does_not_shift_the_others(home: Path) -> None:
    """The head keeps its outputs: what was learned of `sea` is not taken for another ground."""
    run = stopped()
    answer(of_split(run, "train")[0], "background", "beach")
    before = list(run.split())
    with pytest.raises(RunError, match="1 changed answer to background"):
        going_on()
    going_on(accept=True)
    kept = json.loads((run / "tasks.json").read_text())["background"]["classes"]
    assert "beach" not in kept
    assert run.split() == before, "no picture changes sides"


def test_a_test_picture_takes_no_part(trained: Path, home: Path) -> None:
    run = stopped()
    answer(of_split(run, "test")[0], "covered", "12.25")
    lines = going_on()
    assert not any("changed" in line for line in lines)
    assert same_as_whole(trained, home)


def test_pictures_that_are_gone_are_named(home: Path) -> None:
    stopped()
    table = Path("scenes/labels.csv")
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    for accept in (False, True):
        with pytest.raises(RunError, match=r"began: 1 picture that is gone \(.*\.png\) — put them back"):
            going_on(accept=accept)


def test_a_run_folder_whose_configuration_was_edited(home: Path) -> None:
    run = stopped()
    (run / "config.toml").write_text(CONFIG.replace("epochs = 2", "epochs = 3"))
    with pytest.raises(RunError, match=r"the configuration has changed .*: \[training\] epochs was 2, is 3"):
        going_on()
    assert len(going_on(accept=True)) and len(run.history()) == 3


def test_a_configuration_that_was_edited_beside_the_run(home: Path) -> None:
    stopped()
    Path("oneglance.toml").write_text("# a remark\n" + CONFIG)
    screen = Heard()
    oneglance.train("oneglance.toml", out="runs/b", resume=True, screen=screen)
    Path("oneglance.toml").write_text(CONFIG.replace("batch = 16", "batch = 8"))
    with pytest.raises(
        RunError, match=r"configuration than .* is now: \[training\] batch was 16, is 8 — train"
    ):
        oneglance.train("oneglance.toml", out="runs/b", resume=True, screen=screen)


def test_a_run_without_digests_goes_on_with_a_note(trained: Path, home: Path) -> None:
    run = stopped()
    for name in ("fingerprint.json", "fitted.json"):
        (run / name).unlink()
    with pytest.raises(StoppedError):
        oneglance.train("runs/b", resume=True, screen=Heard(1))
    assert run.fingerprint() is not None
    (run / "fingerprint.json").unlink()
    lines = going_on()
    assert "runs/b keeps no digests of its data: only names and splits are compared" in lines
    assert same_as_whole(trained, home)


def test_damaged_digests_are_named(home: Path) -> None:
    run = stopped()
    (run / "fingerprint.json").write_text('{"configuration": {}, "pictures": [3], "answers": {}}')
    with pytest.raises(RunError, match=r"fingerprint\.json: is damaged: pictures\.0 is 3 instead of text"):
        going_on()
