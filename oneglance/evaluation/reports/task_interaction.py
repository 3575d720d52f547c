"""What the report shows of tasks in joint training: conflicts of their gradients, and the share of each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oneglance.evaluation import gradient_conflicts
from oneglance.evaluation.gradient_conflicts import Cosines, History
from oneglance.evaluation.reports.svg_plots import HeatMap, Plot, plot, short, signed_map


@dataclass(frozen=True)
class Share:
    """What one task has of the last third of the training, as a person reads it."""

    name: str
    answers: int | None  # in the training split
    loss: str
    gradient: str
    against: str  # the task that it conflicts with most


@dataclass(frozen=True)
class TaskInteraction:
    """What the page shows of the tasks' gradients."""

    map: HeatMap | None
    rows: list[Share]
    plots: list[Plot]


def task_interaction(
    history: History, weights: Mapping[str, float], answers: Mapping[str, int]
) -> TaskInteraction | None:
    """None for a single task, or where the history tells nothing of gradients.

    Args:
        weights: of the tasks' losses; 1 where missing.
        answers: how many training pictures have an answer to each task; unknown where missing.
    """
    cosines = gradient_conflicts.cosines(history)
    if cosines is None:
        return None
    losses, norms = (gradient_conflicts.shares(history, weights, of=what) for what in ("loss", "norms"))
    last = len(cosines.epochs)
    rows = [
        Share(
            name,
            answers.get(name),
            _mean(losses[-last:], name),
            _mean(norms[-last:], name),
            _against(cosines, name),
        )
        for name in cosines.names
    ]
    drawn = [
        _lines("Share of the loss", history, cosines.names, losses),
        _lines("Share of the gradient", history, cosines.names, norms),
    ]
    return TaskInteraction(_map(cosines), rows, [one for one in drawn if one])


def _map(cosines: Cosines) -> HeatMap | None:
    mean, spread = cosines.mean(), cosines.spread()

    def caption(row: int, column: int) -> str:
        names = " and ".join(short(cosines.names[index], 60) for index in (row, column))
        apart = spread[row, column]
        between = f", ± {apart:.2f} between epochs" if math.isfinite(apart) else ""
        return f"{names}: {mean[row, column]:+.3f}{between}"

    return signed_map("Cosines between the tasks' gradients", cosines.names, mean, caption)


def _lines(
    title: str, history: History, names: Sequence[str], shares: Sequence[Mapping[str, float]]
) -> Plot | None:
    epochs = [row["epoch"] for row in history]
    series = [(name, epochs, [share.get(name) for share in shares]) for name in names]
    return plot(title, ("epoch", "share"), series, include=(0.0,), least_step=1)


def _mean(rows: Sequence[Mapping[str, float]], name: str) -> str:
    recorded = [row[name] for row in rows if name in row]
    return f"{100 * sum(recorded) / len(recorded):.0f} %" if recorded else "–"


def _against(cosines: Cosines, name: str) -> str:
    opponent = cosines.worst(name)
    return f"{short(opponent[0])} (−{abs(opponent[1]):.2f})" if opponent else ""
