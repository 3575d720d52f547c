"""Classes of boxes that a finished task learns besides: what it found before stays the same to the bit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import squares
from support.drawn import own_cache
from support.everything import Made, made, refs  # noqa: F401
from support.toy import results

import oneglance
from oneglance import config as configuration
from oneglance.data.record import BoxAnnotations, Record
from oneglance.errors import ConfigError, DataError
from oneglance.inference.combined.opening import open_answering
from oneglance.inference.predictor import Predictor
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder
from oneglance.task import build_tasks

RINGS = """\
[[sources]]
path = "rings.csv"
images = "scenes"
annotates = { things = ["ring"] }
[tasks.things]
type = "boxes"
added = ["ring"]
[training]
epochs = 2
"""
_made: list[Path] = []


@pytest.fixture(scope="session")
def rings(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """What a finished run with every type of task became by a class more; nobody changes it."""
    if not _made:
        out = tmp_path_factory.mktemp("rings") / "more"
        table = (made.folder / "scenes/boxes.csv").read_text(encoding="utf-8")
        (out.parent / "rings.csv").write_text(table.replace("circle", "ring"), encoding="utf-8")
        text = RINGS.replace("rings.csv", str(out.parent / "rings.csv"))
        text = text.replace('"scenes"', f'"{made.folder / "scenes"}"')
        with own_cache(tmp_path_factory):
            oneglance.extend(made.run, configuration.parse(text, base=out.parent), out=out, screen=Screen())
        _made.append(out)
    return _made[0]


def told(model: Path, made: Made) -> tuple[str, int]:  # noqa: F811
    """What is found in some pictures but for rings, however unsure, and how many rings."""
    count, rows = 0, []
    answering = open_answering(model, device="cpu")
    for row in answering.predict(refs(made, 9), complete=True):
        boxes = row["answers"]["things"]["boxes"]
        row["answers"]["things"]["boxes"] = [box for box in boxes if box["label"] != "ring"]
        count += len(boxes) - len(row["answers"]["things"]["boxes"])
        rows.append(row)
    return json.dumps(rows, sort_keys=True), count


@pytest.mark.slow  # two trainings and two exports
def test_old_boxes_stay_the_same_to_the_bit(made: Made, rings: Path, tmp_path: Path) -> None:  # noqa: F811
    oneglance.export(rings, out=tmp_path / "new.onnx", screen=Screen())
    for old, new in ((made.run, rings), (made.file, tmp_path / "new.onnx")):
        (before, none), (after, some) = told(old, made), told(new, made)
        assert before.count('"confidence"') > 50
        assert after == before and none == 0 and some > 0


def test_so_do_rows_of_its_raw_output(made: Made, rings: Path) -> None:  # noqa: F811
    canvases = np.random.default_rng(0).integers(0, 256, (5, 32, 40, 3), np.uint8)
    before, after = (Predictor.open(RunFolder.open(run)).forward(canvases).raw for run in (made.run, rings))
    for name in before.keys() - {"things"}:
        assert after[name].tobytes() == before[name].tobytes()
    old, new = before["things"], after["things"]
    classes = len(RunFolder.open(made.run).read_json("tasks.json")["things"]["classes"])  # type: ignore[index]
    assert new.shape == (5, 2 * old.shape[1], old.shape[2] + 1)
    assert np.delete(new[:, : old.shape[1]], 4 + classes, axis=2).tobytes() == old.tobytes()
    assert new[:, old.shape[1] :, 4 + classes].std() > 0


def test_its_state_and_scores_are_those_of_all_classes(
    made: Made,  # noqa: F811
    rings: Path,
    tmp_path: Path,
) -> None:
    old: Any = RunFolder.open(made.run).read_json("tasks.json")
    new: Any = RunFolder.open(rings).read_json("tasks.json")
    assert new["things"]["classes"] == [*old["things"]["classes"], "ring"]
    same = ("threshold", "attributes", "levels", "canvas")
    assert all(new["things"][key] == old["things"][key] for key in same)
    assert new["things"]["usual"][:-1] == old["things"]["usual"]
    oneglance.evaluate(rings, out=tmp_path, screen=Screen())
    assert ", of added classes 0." in (tmp_path / "report.html").read_text(encoding="utf-8")


# In a tiny world.

ADDED = 'tasks.things.added=["ember"]'
WORLD = squares.squares


def embers() -> tuple[squares.Squares, list[Record]]:
    """The same pictures, in which red squares are called otherwise."""
    store, records = WORLD()
    for record in records:
        found = record.answers.get("things")
        if found is not None:
            boxes = [
                replace(box, label="ember" if box.attributes["colour"] == "red" else box.label)
                for box in found.boxes
            ]
            record.answers["things"] = BoxAnnotations(tuple(boxes))  # type: ignore[index]
    return store, records


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "old"
    squares.trainer(folder, "training.epochs=4").run()
    return folder


@pytest.fixture
def world() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(squares, "squares", embers)
        yield


def growing(old: Path) -> tuple[str, ...]:
    keep = 'training.keep=["kind", "things", "look", "own", "verdict"]'
    return f"training.from={old}", keep, "backbone.freeze=true", ADDED


@pytest.mark.slow  # a detector learns
@pytest.mark.usefixtures("world")
def test_a_new_class_is_learned_in_a_branch(old: Path, tmp_path: Path) -> None:
    steady = "augment.mosaic=0", "augment.mixup=0", "training.learning_rate=0.02"
    trainer = squares.trainer(tmp_path / "run", *growing(old), *steady, "training.epochs=15")
    network = trainer.learner.network.train()
    head = network.heads["things head"]
    assert {name for name, one in head.named_parameters() if one.requires_grad} == {
        name for name, _ in head.named_parameters() if name.startswith("added.")
    }
    trainer.run()
    store, records = embers()
    folder = RunFolder.open(tmp_path / "run")
    tasks = folder.tasks(folder.config())
    with torch.inference_mode():
        pictures = torch.from_numpy(store.pixels).permute(0, 3, 1, 2)
        raw = folder.network(folder.config(), tasks)(pictures)["things"].numpy()
    best = [
        max((box["confidence"] for box in one["boxes"] if box["label"] == "ember"), default=0.0)
        for one in tasks["things"].decode(raw)
    ]
    red = np.array([record.answers["kind"] == "red" for record in records])
    assert np.mean(np.array(best)[red]) > 2 * np.mean(np.array(best)[~red])


@pytest.mark.usefixtures("world")
def test_it_goes_on_where_it_was_stopped(old: Path, tmp_path: Path) -> None:
    squares.trainer(tmp_path / "whole", *growing(old)).run()
    squares.trainer(tmp_path / "stopped", *growing(old)).run(until=1)
    again = squares.trainer(tmp_path / "stopped", *growing(old), anew=False)
    assert again.resume()
    again.run()
    assert results(tmp_path / "whole") == results(tmp_path / "stopped")


@pytest.mark.usefixtures("world")
def test_a_kept_branch_learns_nothing_where_another_task_uses_it(old: Path, tmp_path: Path) -> None:
    squares.trainer(tmp_path / "one", *growing(old), "training.epochs=1").run()
    keep = 'training.keep=["kind", "things", "look", "own"]'
    again = f"training.from={tmp_path / 'one'}", keep, "backbone.freeze=true", ADDED
    network = squares.trainer(tmp_path / "two", *again).learner.network.train()
    assert not any(module.training for module in network.heads["things head"].modules())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('tasks.things.added=["square"]', 'things.*has the class "square" already — take it out of `added`'),
        ('tasks.things.added=["blob"]', 'no training picture has the added class "blob" — add pictures'),
    ],
)
@pytest.mark.usefixtures("world")
def test_what_cannot_be_learned(old: Path, tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        squares.trainer(tmp_path / "run", *growing(old), change)


def test_one_name_for_every_box_has_no_further_class() -> None:
    table = {"type": "boxes", "single": "thing", "added": ["ring"]}
    with pytest.raises(ConfigError, match=r"added names further classes, and single .* task of their own"):
        build_tasks({"things": table})
