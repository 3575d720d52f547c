"""How a training went, epoch by epoch, as plots; and a page of them alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oneglance.evaluation.reports.pages import environment
from oneglance.evaluation.reports.svg_plots import Plot, plot

History = Sequence[Mapping[str, Any]]


def history_page(history: History, *, title: str) -> str:
    """The whole page of a training, as HTML; it loads nothing.

    Args:
        history: the rows of history.jsonl; may be empty.
        title: how the run is called.
    """
    return (
        environment()
        .get_template("history.html.j2")
        .render(title=title, history=history, plots=plots(history))
    )


def plots(history: History) -> list[Plot]:
    """All of them: the skill, the losses, and of each task its deciding metric."""
    metrics = [
        (task, next(iter(scores)))
        for task, scores in (history[-1].get("validation") or {} if history else {}).items()
        if scores
    ]
    every = [skill(history), losses(history), *(validation(history, *metric) for metric in metrics)]
    return [drawn for drawn in every if drawn]


def skill(history: History) -> Plot | None:
    """The mean skill over the tasks."""
    series = [("", _epochs(history), [row.get("skill") for row in history])]
    label = "0: the constant baseline, 1: perfect"
    return plot("Skill on the validation split", ("epoch", label), series, include=(0.0, 1.0), least_step=1)


def losses(history: History) -> Plot | None:
    """One line per task, relative to the loss of the constant baseline."""
    names = list(dict.fromkeys(name for row in history for name in row.get("loss") or {}))
    series = [
        (name, _epochs(history), [(row.get("loss") or {}).get(name) for row in history]) for name in names
    ]
    labels = ("epoch", "relative to the constant baseline")
    return plot("Loss", labels, series, include=(0.0,), least_step=1)


def validation(history: History, task: str, metric: str) -> Plot | None:
    """One metric of one task."""
    values = [((row.get("validation") or {}).get(task) or {}).get(metric) for row in history]
    title = f"{task}: {metric} on the validation split"
    return plot(title, ("epoch", metric), [("", _epochs(history), values)], least_step=1)


def _epochs(history: History) -> list[int]:
    return [row["epoch"] for row in history]
