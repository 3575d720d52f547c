"""What the report shows of tasks that learn together: who disturbs whom, and who has how large a share."""

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
    answers: int | None  # in the training part
    loss: str
    gradient: str
    against: str  # the task that disturbs it most


@dataclass(frozen=True)
class Together:
    """What the page shows of the tasks' gradients."""

    map: HeatMap | None
    rows: list[Share]
    plots: list[Plot]


def together(history: History, weights: Mapping[str, float], answers: Mapping[str, int]) -> Together | None:
    """None for a single task, or where the history tells nothing of gradients.

    Args:
        weights: of the tasks' losses; 1 where missing.
        answers: how many training pictures have an answer to each task; unknown where missing.
    """
    found = gradient_conflicts.cosines(history)
    if found is None:
        return None
    losses, norms = (gradient_conflicts.shares(history, weights, of=what) for what in ("loss", "norms"))
    last = len(found.epochs)
    rows = [
        Share(
            name,
            answers.get(name),
            _mean(losses[-last:], name),
            _mean(norms[-last:], name),
            _against(found, name),
        )
        for name in found.names
    ]
    drawn = [
        _lines("Share of the loss", history, found.names, losses),
        _lines("Share of the gradient", history, found.names, norms),
    ]
    return Together(_map(found), rows, [one for one in drawn if one])


def _map(found: Cosines) -> HeatMap | None:
    mean, spread = found.mean(), found.spread()

    def said(row: int, column: int) -> str:
        names = " and ".join(short(found.names[place], 60) for place in (row, column))
        apart = spread[row, column]
        between = f", ± {apart:.2f} between epochs" if math.isfinite(apart) else ""
        return f"{names}: {mean[row, column]:+.3f}{between}"

    return signed_map("Cosines between the tasks' gradients", found.names, mean, said)


def _lines(
    title: str, history: History, names: Sequence[str], shares: Sequence[Mapping[str, float]]
) -> Plot | None:
    epochs = [row["epoch"] for row in history]
    series = [(name, epochs, [share.get(name) for share in shares]) for name in names]
    return plot(title, ("epoch", "share"), series, include=(0.0,), least_step=1)


def _mean(rows: Sequence[Mapping[str, float]], name: str) -> str:
    known = [row[name] for row in rows if name in row]
    return f"{100 * sum(known) / len(known):.0f} %" if known else "–"


def _against(found: Cosines, name: str) -> str:
    worst = found.worst(name)
    return f"{short(worst[0])} (−{abs(worst[1]):.2f})" if worst else ""
