"""One training from the first picture to the finished run folder."""

from __future__ import annotations

import errno
import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from support.toy import VALIDATION, begin, go_on, hidden_files, results, train

from oneglance.errors import DataError, DivergedError, MissingExtraError, RunError
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder, kept_of
from oneglance.training.trainer import Trainer

TASKS = ["kind", "weight", "style", "verdict"]


class Listening(Screen):
    """Calls ``hear`` after every step, with the number of steps so far, and keeps what is said."""

    def __init__(self, hear: Callable[[int], Any] = lambda step: None) -> None:
        self.hear, self.steps = hear, 0
        self.said: list[str] = []
        self.rows: list[dict[str, Any]] = []

    def step(self, epoch: int, epochs: int, step: int, steps: int, pictures: int) -> None:
        self.steps += 1
        self.hear(self.steps)

    def say(self, text: str) -> None:
        self.said.append(text)

    def epoch(self, row: Any, epochs: int, brief: Any) -> None:
        self.rows.append({**row, "brief": brief})


# A whole training.


def test_a_finished_run_explains_itself(tmp_path: Path) -> None:
    train(tmp_path / "run", "augment.mixup=0")
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert names == sorted(
        [
            "config.toml",
            "environment.json",
            "fitted.json",
            "history.jsonl",
            "losses.safetensors",
            "novelty.safetensors",
            "overrides.json",
            "tasks.json",
            "weights.safetensors",
        ]
    )
    rows = RunFolder(tmp_path / "run").history()
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    for row in rows:
        assert list(row["loss"]) == TASKS and list(row["validation"]) == TASKS
        assert {"accuracy", "log_loss"} <= row["validation"]["kind"].keys()
        assert row["seconds"] > 0 and math.isfinite(row["skill"])
    assert rows[0]["rate"] > rows[2]["rate"] > 0


def test_it_learns(tmp_path: Path) -> None:
    trainer = train(tmp_path / "run", "training.epochs=15", "training.ema=0.9", "augment.mixup=0")
    losses = [sum(row["loss"].values()) for row in trainer.history]
    assert losses[-1] < 0.75 * losses[0]
    assert trainer.selection.skills[0] > 0.2


def test_what_is_shown_is_what_is_written(tmp_path: Path) -> None:
    screen = Listening()
    trainer = begin(tmp_path / "run", screen=screen)
    trainer.run()
    assert screen.steps == 9
    written = trainer.folder.history()
    assert [{k: v for k, v in row.items() if k != "brief"} for row in screen.rows] == written
    assert list(screen.rows[0]["brief"]) == TASKS and "g" in screen.rows[0]["brief"]["weight"]


def test_the_network_of_the_folder_is_the_best_one(tmp_path: Path) -> None:
    trainer = train(tmp_path / "run")
    network = trainer.folder.network(trainer.config, trainer.folder.tasks(trainer.config))
    assert not network.training
    batch = next(trainer.loaders[1].in_order())
    with torch.inference_mode():
        ours, theirs = network(batch.pictures), trainer.learner.average.eval()(batch.pictures)
    for name in TASKS:
        torch.testing.assert_close(ours[name], theirs[name])


def scripted(trainer: Trainer, monkeypatch: pytest.MonkeyPatch, accuracies: list[float]) -> list[int]:
    """Let the validation of each epoch say what the test wants; returns the epochs judged."""
    judged: list[int] = []

    def scores(raw: dict[str, np.ndarray], weights: np.ndarray) -> list[dict[str, dict[str, float]]]:
        judged.append(len(judged) + 1)
        told: dict[str, dict[str, float]] = {name: {} for name in TASKS}
        return [told | {"kind": {"accuracy": accuracies[len(judged) - 1]}} for _ in weights]

    monkeypatch.setattr(trainer.validation, "scores", scores)
    trainer.validation.constants["kind"] = 0.5
    return judged


def averages(trainer: Trainer) -> list[dict[str, torch.Tensor]]:
    """The averaged weights after each epoch, filled while the session runs."""
    found: list[dict[str, torch.Tensor]] = []

    def keep(step: int) -> None:
        if step % 3 == 0:
            state = trainer.learner.average.state_dict()
            found.append({name: value.clone() for name, value in state.items()})

    trainer.screen = Listening(keep)
    return found


nan = float("nan")


@pytest.mark.parametrize(
    ("accuracies", "best"),
    [
        ([0.9, 0.6, 0.7], 1),
        ([0.6, 0.9, 0.7], 2),
        ([0.6, 0.7, 0.9], 3),
        ([0.9, 0.9, 0.9], 3),
        ([nan, 0.6, 0.5], 2),
        ([0.6, nan, 0.5], 1),
        ([nan, nan, nan], 3),
    ],
)
def test_the_best_epoch_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accuracies: list[float], best: int
) -> None:
    """Of equal ones the last; the last, too, where nothing can be scored."""
    trainer = begin(tmp_path / "run")
    scripted(trainer, monkeypatch, accuracies)
    found = averages(trainer)
    trainer.run()
    assert trainer.selection.epoch == best
    assert kept_of(trainer.history) == trainer.history[best - 1]
    for name, tensor in trainer.folder.network_tensors().items():
        assert torch.equal(tensor, found[best - 1][name])
    told = [row["validation"]["kind"]["accuracy"] for row in trainer.history]
    assert told == [None if math.isnan(value) else value for value in accuracies]


def test_patience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Listening()
    trainer = begin(tmp_path / "run", "training.patience=2", "training.epochs=9", screen=screen)
    judged = scripted(trainer, monkeypatch, [0.6, 0.7, 0.7, 0.65, 0.9, 0.9, 0.9, 0.9, 0.9])
    trainer.run()
    assert judged == [1, 2, 3, 4]
    assert trainer.selection.epoch == 3 and trainer.folder.finished  # as good as the best, the second
    assert screen.said == ["no better for 2 epochs: stopping"]


def test_a_task_without_validation_answers_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support import toy

    store, records = toy.world()
    for record in records[toy.TRAINING :]:
        record.answers.pop("weight", None)  # type: ignore[attr-defined]
    monkeypatch.setattr(toy, "world", lambda: (store, records))
    trainer = train(tmp_path / "run")
    assert trainer.history[0]["validation"]["weight"] == {}
    assert math.isfinite(trainer.history[0]["skill"])


def test_all_that_cannot_be_learned_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from support import toy

    store, records = toy.world()
    for record in records:
        record.answers.pop("weight", None)  # type: ignore[attr-defined]
        if "kind" in record.answers:
            record.answers["kind"] = "bright"  # type: ignore[index]
    monkeypatch.setattr(toy, "world", lambda: (store, records))
    with pytest.raises(DataError) as caught:
        begin(tmp_path / "run")
    assert "kind: the training split has only the class" in str(caught.value)
    assert "weight: the training split has no answer" in str(caught.value)


# Precision.


def test_precision_is_chosen_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def faster(step: Callable[[str], Any], *args: Any, key: str, memory: Path) -> str:
        for precision in ("fp32", "bf16"):
            step(precision)
        asked.append((key, memory.name))
        return "bf16"

    monkeypatch.setattr("oneglance.training.resources.precision_choice.faster_precision", faster)
    trainer = begin(tmp_path / "run", "training.precision=auto")
    before = {name: value.clone() for name, value in trainer.learner.network.state_dict().items()}
    trainer._choose_precision()
    for name, value in trainer.learner.network.state_dict().items():
        assert torch.equal(value, before[name])  # measured on a copy
    assert asked == [("train | small {'width': 4, 'depth': 2} 16 | batch 8", "precision.json")]
    told = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert told["training_precision"] == "bf16"
    trainer.learner.position.updates = 4
    trainer.save()
    resumed = go_on(tmp_path / "run")
    resumed._choose_precision()
    assert resumed.learner.precision == "bf16" and len(asked) == 1


# NaN.


def make_nan(trainer: Trainer) -> None:
    values = trainer.loaders[0].targets["weight"]["value"]
    assert isinstance(values, torch.Tensor)
    values.fill_(nan)


def poison(trainer: Trainer, step: int) -> None:
    """Every weight becomes NaN after ``step``."""

    def hear(now: int) -> None:
        if now == step:
            make_nan(trainer)

    trainer.screen = Listening(hear)


@pytest.mark.parametrize("step", [3, 4, 7])
def test_a_loss_of_nan_ends_the_run_at_its_best_epoch(tmp_path: Path, step: int) -> None:
    trainer = begin(tmp_path / "run")
    poison(trainer, step)
    epoch, within = step // 3 + 1, step % 3 + 1
    with pytest.raises(DivergedError) as caught:
        trainer.run()
    message = str(caught.value)
    assert f"the loss of weight became NaN or infinite in epoch {epoch}, step {within};" in message
    assert (
        f"keeps the weights of epoch {trainer.selection.epoch}" in message
        and "training.learning_rate" in message
    )
    run = RunFolder.open(tmp_path / "run")
    assert run.finished and not (run / "resume.pt").exists()
    assert len(run.history()) == step // 3
    network = run.network(run.config(), run.tasks(run.config()))
    assert all(value.isfinite().all() for value in network.state_dict().values())


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_loss_of_nan_in_the_first_epoch_leaves_nothing_finished(tmp_path: Path, step: int) -> None:
    trainer = begin(tmp_path / "run")
    poison(trainer, step)
    if not step:
        make_nan(trainer)
    with pytest.raises(DivergedError, match=r"loss of weight.*nothing was learned before that"):
        trainer.run()
    assert not trainer.folder.finished
    assert not (tmp_path / "run" / "weights.safetensors").exists()
    with pytest.raises(RunError, match="not finished"):
        trainer.folder.tasks(trainer.config)


def test_answers_of_nan_at_the_end_of_an_epoch(tmp_path: Path) -> None:
    """The losses were fine, but the last step of the epoch was one too wide."""
    trainer = begin(tmp_path / "run")

    def hear(step: int) -> None:
        if step == 5:
            trainer.learner.average.heads["kind head"].last.bias.data.fill_(nan)  # type: ignore[operator, union-attr]

    trainer.screen = Listening(hear)
    with pytest.raises(
        DivergedError, match=r"answers to kind, verdict became NaN.* after epoch 2; .*epoch 1"
    ):
        trainer.run()
    assert trainer.folder.finished and len(trainer.folder.history()) == 1


def test_a_rate_beyond_reason_is_an_error_with_a_cure(tmp_path: Path) -> None:
    trainer = begin(tmp_path / "run", "training.learning_rate=1e30", "training.clip=0", "training.warmup=0")
    with pytest.raises(DivergedError, match=r"lower training\.learning_rate"):
        trainer.run()


# Disks.


@pytest.mark.parametrize("call", [1, 2, 3, 5])
@pytest.mark.parametrize(
    ("number", "what", "hint"),
    [
        (errno.ENOSPC, "the disk is full", "free some space"),
        (errno.EROFS, "cannot be written: not allowed", "name another folder"),
    ],
    ids=["full", "read-only"],
)
def test_a_disk_that_takes_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int, number: int, what: str, hint: str
) -> None:
    trainer = begin(tmp_path / "run")
    calls, fsync = [], os.fsync

    def refuse(file: int) -> None:
        calls.append(file)
        if len(calls) >= call:
            raise OSError(number, os.strerror(number))
        fsync(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(RunError) as caught:
            trainer.run()
    assert what in str(caught.value) and hint in str(caught.value)
    assert str(tmp_path / "run") in caught.value.location
    assert hidden_files(tmp_path / "run") == []
    go_on(tmp_path / "run").run()  # once there is room again
    train(tmp_path / "whole")
    assert results(tmp_path / "run") == results(tmp_path / "whole")


# TensorBoard.


def test_tensorboard_shows_the_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, list[tuple[int, float]]] = {}
    folders: list[str] = []

    class Writer:
        def __init__(self, folder: str) -> None:
            folders.append(folder)

        def __enter__(self) -> Writer:
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def add_scalar(self, name: str, value: float, epoch: int) -> None:
            told.setdefault(name, []).append((epoch, value))

        def flush(self) -> None:
            pass

    stub = ModuleType("torch.utils.tensorboard")
    stub.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", stub)
    trainer = train(tmp_path / "run", "training.tensorboard=true")
    assert folders == [str(tmp_path / "run" / "tensorboard")]
    rows = trainer.history
    assert told["kind/accuracy"] == [(row["epoch"], row["validation"]["kind"]["accuracy"]) for row in rows]
    assert told["loss/weight"] == [(row["epoch"], row["loss"]["weight"]) for row in rows]
    assert told["rate"] == [(row["epoch"], row["rate"]) for row in rows]


def test_tensorboard_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingExtraError, match=r'pip install "oneglance\[tensorboard\]"'):
        train(tmp_path / "run", "training.tensorboard=true")


def test_every_validation_picture_is_scored(tmp_path: Path) -> None:
    trainer = begin(tmp_path / "run")
    raw = trainer.learner.validate(trainer.loaders[1])
    assert {len(values) for values in raw.values()} == {VALIDATION}
    weights = np.stack([np.ones(VALIDATION), np.arange(1.0, VALIDATION + 1)])
    scores, weighted = trainer.validation.scores(raw, weights)
    answers = trainer.validation.split.answers("kind")
    decoded = trainer.tasks["kind"].decode(raw["kind"])
    right = [p["value"] == a for p, a in zip(decoded, answers, strict=True) if a is not None]
    assert scores["kind"]["accuracy"] == pytest.approx(np.mean(right))
    counts = [w for w, answer in zip(weights[1], answers, strict=True) if answer is not None]
    assert weighted["kind"]["accuracy"] == pytest.approx(np.average(right, weights=counts))
