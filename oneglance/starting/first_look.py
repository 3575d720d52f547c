"""What ``start`` says before it trains: what there is, what looks suspicious, and what it will take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from oneglance.config import Config
from oneglance.data.dataset import Dataset, load_dataset, refuse
from oneglance.data.inspection.checks import summary
from oneglance.data.inspection.overview import overview
from oneglance.data.quoting import quoted
from oneglance.errors import command
from oneglance.progress import Screen
from oneglance.results.overview import Overview, answers
from oneglance.starting.forecast import forecast
from oneglance.task import Task, build_tasks, fit_targets

MOST = 3  # kinds of problems that are said before the training, which says all
LONG = 30 * 60  # seconds of training from which it is said how to have a shorter one


def first_look(declared: Config, file: Path, used: bool, screen: Screen) -> dict[str, Any]:
    """Say in a few lines what there is and what will be done with it.

    Args:
        file: the configuration.
        used: whether it was there already.

    Returns:
        What was chosen, for programs; and ``test pictures``, how many are kept for the scores.

    Raises:
        DataError: the data cannot be learned from.
    """
    tasks = build_tasks(declared.tasks, declared.file)
    dataset = load_dataset(declared, list(tasks.values()), screen.progress, strict=False)
    screen.close()
    refuse(dataset.problems)
    held = Overview(overview(dataset.records, list(tasks.values()), dataset.splits))
    screen.say(held.headline())
    for name, task in held["tasks"].items():
        keys = declared.tasks[name]
        gaps = _gaps(task["unknown"], keys.get("unknown", ()))
        screen.say(f"{name} ({keys['type']}): {answers(task) or task['answered']}{gaps}")
    screen.say(_suspicious(dataset, file))
    _fit(tasks, dataset)
    training, validation = len(dataset.splits.train), len(dataset.splits.validation)
    took = forecast(declared, tasks, training, validation)
    network, table = declared.backbone, declared.training
    epochs = f"{table.epochs:,} epoch{'s' if table.epochs > 1 else ''}"
    length = f"{epochs}: about {_duration(took.seconds)} of training here"
    if table.minutes is not None:
        took = replace(took, seconds=60 * table.minutes)
        length = f"as many epochs as fit into {_duration(took.seconds)}"
    width, height = network.canvas
    screen.say(
        f"{file} {'is used' if used else 'is written'}: {network.name} at {width} × {height} pixels, "
        f"{length}, about {took.mb / 1000:.1f} GB of memory"
    )
    if table.minutes is None and took.seconds > LONG:
        screen.say("for a shorter training, the same command with --set training.minutes=20")
    return {
        "backbone": network.name,
        "weights": network.weights,
        "size": [width, height],
        "freeze": network.freeze,
        "epochs": table.epochs,
        "minutes": table.minutes,
        "batch": declared.batch,
        "tasks": {name: keys["type"] for name, keys in declared.tasks.items()},
        "foretold": {"seconds": round(took.seconds, 1), "peak_mb": round(took.mb)},
        "test pictures": len(dataset.splits.test),
    }


def _fit(tasks: dict[str, Task], dataset: Dataset) -> None:
    training = dataset.split("train", 0, ())
    if wrong := fit_targets(tasks, training.answers):
        raise wrong[0]


def _gaps(count: int, words: Sequence[str]) -> str:
    """How many pictures have no answer, and some words that count as none."""
    if not count:
        return ""
    named = ", ".join(quoted(word, 30) for word in words[:2])
    among = f", {named} among them" if words else ""
    return f"; {count:,} picture{'s' if count > 1 else ''} without an answer{among}"


def _suspicious(dataset: Dataset, file: Path) -> str:
    """The first problems of each kind, in one line each, or that there are none."""
    lines = [line for line in summary(dataset.problems) if not line.startswith("    ")]
    if not lines:
        return "nothing looks suspicious"
    shown = "\n".join(f"  {line}" for line in lines[:MOST])
    more = f"\n  and {len(lines) - MOST:,} more: {command('check', file)}" if len(lines) > MOST else ""
    return f"what looks suspicious:\n{shown}{more}"


def _duration(seconds: float) -> str:
    """``40 seconds``, ``12 minutes``, ``3.5 hours``."""
    if seconds < 100:
        return f"{max(round(seconds), 1)} second{'s' if seconds >= 1.5 else ''}"
    return f"{seconds / 60:.0f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"
