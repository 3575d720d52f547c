"""A label, boxes with attributes and embeddings in one network, on pictures of one bright square each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.squares import CONFIG, TRAINING, squares, trainer
from support.toy import results

from oneglance import config as configuration
from oneglance.data.dataset import SplitData
from oneglance.data.record import Box, BoxAnnotations
from oneglance.errors import ConfigError
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder
from oneglance.task import build_tasks
from oneglance.tasks.boxes import Boxes
from oneglance.training.trainer import Trainer


def test_answers_are_placed_on_the_canvas(tmp_path: Path) -> None:
    made = trainer(tmp_path / "run")
    _, records = squares()
    placed = made.training.answers("things")[1]
    assert placed is not None
    box = placed.boxes[0]
    there = records[1].answers["things"].boxes[0]
    assert (box.x0, box.y1) == (there.x0 / 2, there.y1 / 2)
    assert made.training.answers("kind") == [record.answers["kind"] for record in records[:TRAINING]]


def test_what_nobody_looked_for_in_one_picture_is_lost_in_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mosaic that holds one picture of unknown boxes would have unknown boxes in all its quarters."""
    known, loss = [], Boxes.loss
    monkeypatch.setattr(
        Boxes,
        "loss",
        lambda task, raw, target: known.append(target["labelled"]) or loss(task, raw, target),  # type: ignore[func-returns-value]
    )
    made = trainer(tmp_path / "run", "augment.mosaic=1", "augment.mixup=0")
    known.clear()
    for batch in made.loaders[0].shuffled(0, 0):
        made.learner.update(batch, 100)
        assert 0 < batch.targets["things"]["labelled"].sum() < 8
        assert torch.equal(known.pop()[:8], batch.targets["things"]["labelled"])


@pytest.mark.parametrize("freeze", [False, True])
def test_everything_learns_together(tmp_path: Path, freeze: bool) -> None:
    made = trainer(tmp_path / "run", f"backbone.freeze={str(freeze).lower()}")
    before = {name: tensor.clone() for name, tensor in made.learner.network.state_dict().items()}
    made.run()
    after = made.learner.network.state_dict()
    moved = {name.split(".")[0] for name in after if not torch.equal(before[name], after[name])}
    assert moved == ({"heads"} if freeze else {"backbone", "heads"})
    moved_heads = {name.split(".")[1] for name in after if not torch.equal(before[name], after[name])}
    assert {f"{name} head" for name in made.tasks} <= moved_heads
    row = made.history[-1]
    assert all(np.isfinite(loss) for loss in row["loss"].values())
    assert {"ap", "ap50", "ap75", "ar100", "colour.accuracy", "side.mae"} <= set(row["validation"]["things"])
    assert set(row["validation"]["look"]) == {"recall_at_1", "map_at_r", "knn_accuracy"}
    assert row["validation"]["own"] == {}


def test_resuming_changes_nothing(tmp_path: Path) -> None:
    trainer(tmp_path / "whole").run()
    first = trainer(tmp_path / "parts")
    steps = first._steps(None, lambda row: None)
    for _ in range(3):
        next(steps)
    first.save()
    second = trainer(tmp_path / "parts", anew=False)
    assert second.resume()
    second.run()
    assert results(tmp_path / "parts") == results(tmp_path / "whole")


@pytest.mark.slow  # boxes take many steps to learn
def test_boxes_are_found_in_the_end(tmp_path: Path) -> None:
    """Slow enough to be worth one test only."""
    made = trainer(
        tmp_path / "run",
        "training.epochs=40",
        "augment.mosaic=0",
        "augment.mixup=0",
        "training.learning_rate=0.01",
    )
    made.run()
    best = made.selection.validation["things"]
    assert best["ap50"] is not None and best["ap50"] > 0.5
    assert best["colour.accuracy"] == 1.0


def test_a_class_that_was_not_looked_for_is_unknown() -> None:
    task = build_tasks({"things": {"type": "boxes"}})["things"]
    looked = BoxAnnotations((Box(0, 0, 9, 9, "square"),), frozenset({"square"}))
    whole = BoxAnnotations((Box(0, 0, 9, 9, "circle"),))
    task.fit_target([looked, whole])
    target = task.encode([looked, whole, None])
    assert target["labelled"].tolist() == [[0, 1], [1, 1], [0, 0]]


def test_an_embedding_without_answers_counts_as_it_is(tmp_path: Path) -> None:
    """No two pictures are alike without being looked at twice, so there is no constant loss to divide by."""
    made = trainer(tmp_path / "run")
    assert made.learner.loss_scales[list(made.tasks).index("own")] == 1
    assert (made.learner.loss_scales > 1e-3).all()


def test_kept_features_have_one_view_only(tmp_path: Path) -> None:

    config = configuration.parse(CONFIG, base=tmp_path, overrides=("backbone.freeze=true",))
    tasks = build_tasks({name: table for name, table in config.tasks.items() if name in ("kind", "own")})
    store, records = squares()
    rows = np.arange(len(records))
    parts = SplitData(records[:TRAINING], rows[:TRAINING]), SplitData(records[TRAINING:], rows[TRAINING:])
    with pytest.raises(ConfigError, match=r"\[tasks.own\] compares changed views"):
        Trainer.build(RunFolder.create(tmp_path / "run", config), config, tasks, store, *parts, Screen())
