"""[training] hold: tasks of an earlier run that learn on and may not get worse: ``oneglance extend --tune``.

Both networks, that of the run and the new one, answer the same validation pictures. The new one may not score
below the 95 % interval of the old one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from oneglance.data.dataset import SplitData
from oneglance.errors import DataError, RunError, command
from oneglance.network import Network
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder
from oneglance.task import Task
from oneglance.training.checkpoint_selection import resamples
from oneglance.training.data_loader import BatchLoader
from oneglance.training.learner import raw_outputs
from oneglance.training.validation import task_metrics

RESAMPLES = 400  # of the validation pictures, for an interval
LEAST = 10  # validation pictures with an answer, fewer say nothing
# Over the number of pictures: the 95 % bound of the share of mistakes where there was none (Hanley and
# Lippman-Hand 1983, JAMA 249)
NO_MISTAKE = 3.0


def refuse_unseen(held: Sequence[str], validation: SplitData, run: RunFolder) -> None:
    """
    Raises:
        DataError: too few validation pictures answer one of the tasks for anybody to see it get worse.
    """
    for name in held:
        count = sum(answer is not None for answer in validation.answers(name))
        if count < LEAST:
            raise DataError(
                f"{count} validation pictures answer it, so nobody could see whether it gets worse",
                location=name,
                hint=f"put the pictures of {run.address} back where they were, add answers to your own, or "
                "extend without --tune, which leaves it as it is",
            )


def scores_held(
    held: Mapping[str, Task],
    run: RunFolder,
    raw: Mapping[str, np.ndarray],
    loader: BatchLoader,
    validation: SplitData,
) -> dict[str, Any]:
    """``{"kind": {"metric", "before": {"value", "low", "high", "n"}, "after", "worse"}}``.

    Args:
        held: the tasks as they are now, calibrated.
        raw: what the new network answers to the validation pictures.
        loader: of these pictures.
    """  # fmt: skip
    then = run.answering_config()
    tasks = run.tasks(then)
    before = _raw(run.network(then, tasks).to(loader.device), loader)
    weights = _resamples(validation.groups)
    scores = {}
    for name, task in held.items():
        answers = validation.answers(name)
        rows = [row for row, answer in enumerate(answers) if answer is not None]
        old = _primary(tasks[name], before[name][rows], answers, rows, weights)
        now = float(_primary(task, raw[name][rows], answers, rows, weights[:1])[0])
        low, high = np.nanpercentile(old[1:], [2.5, 97.5]).tolist()
        if task.best == 1 and low > 1 - 1e-9:  # resampled, no mistake stays none: the rule of three
            low = max(0.0, 1 - NO_MISTAKE / len(rows))
        worst = max(low, high, key=lambda end: abs(end - task.best))
        scores[name] = {
            "metric": task.primary_metric,
            "before": {"value": float(old[0]), "low": low, "high": high, "n": len(rows)},
            "after": now,
            "worse": not abs(now - task.best) <= abs(worst - task.best),
        }
    return scores


def refuse_loss(scores: Mapping[str, Any], folder: RunFolder, epochs: int, screen: Screen) -> None:
    """Say how each task did before and does now.

    Args:
        epochs: that were trained.

    Raises:
        RunError: one of them has become worse.
    """
    lines = [
        f"{name}: {one['metric']} {one['after']:.4g}, before {one['before']['value']:.4g} "
        f"({one['before']['low']:.4g} to {one['before']['high']:.4g}, {one['before']['n']:,} pictures)"
        for name, one in scores.items()
    ]
    for line in lines:
        screen.say(line)
    if lost := [line for line, one in zip(lines, scores.values(), strict=True) if one["worse"]]:
        raise RunError(
            f"is not finished, for it has become worse at what it knew: {'; '.join(lost)}",
            location=folder.address,
            hint="extend anew with more of the old pictures (--set training.rehearsal=1), a lower "
            "training.learning_rate, or without --tune; or train it longer: "
            + command("train", folder.address, "--resume", "--set", f"training.epochs={2 * epochs}"),
        )


@torch.inference_mode()
def _raw(network: Network, loader: BatchLoader) -> dict[str, np.ndarray]:
    return raw_outputs(network, loader, "fp32")


def _primary(
    task: Task, raw: np.ndarray, answers: Sequence[Any], rows: Sequence[int], weights: np.ndarray
) -> np.ndarray:
    """The primary metric for each row of weights [k, pictures]."""
    metrics = task_metrics(task, task.decode(raw), answers, rows, weights)
    return np.array([one[task.primary_metric] for one in metrics])


def _resamples(groups: Sequence[str]) -> np.ndarray:
    """Weights of the pictures [1 + RESAMPLES, pictures], those of a group alike; a picture without one is a
    group of its own.
    """
    own = [(group, "") if group else ("", row) for row, group in enumerate(groups)]
    numbers = {group: number for number, group in enumerate(dict.fromkeys(own))}
    return resamples(len(numbers), RESAMPLES)[:, [numbers[group] for group in own]]
