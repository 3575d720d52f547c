"""compare.html: what compare.json holds, drawn. It loads nothing from anywhere and runs no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from oneglance.evaluation.comparison.recommendations import CALLED as REMEDIES
from oneglance.evaluation.comparison.variants import AGAINST, NETWORKS
from oneglance.evaluation.reports.evaluation import Bar, ScoreRow
from oneglance.evaluation.reports.pages import environment, figure, percent, signed, write_html
from oneglance.evaluation.reports.svg_plots import Plot, plot

ARMS = (*NETWORKS, "classical", "constant")
CALLED = {
    "joint_long": "joint, as long as all singles",
    "parted": "parted, together as long as all singles",
    "single": "single networks",
    "single_same_size": "single networks, together as large as joint",
}


class Called(NamedTuple):
    """A fair way to compare, as a person reads it."""

    title: str  # on the page
    column: str  # the head of one in a terminal
    words: str  # in a sentence


FAIR = {
    "equal_steps": Called("Joint − single, at equal steps", "joint − single", "at equal steps"),
    "equal_time": Called("Joint − single, at equal total time", "at equal time", "at equal total time"),
    "equal_time_parted": Called(
        "Parted − single, at equal total time", "parted − single", "parted, at equal total time"
    ),
    "equal_size": Called("Joint − single, at equal total size", "at equal size", "at equal total size"),
}


@dataclass(frozen=True)
class Difference:
    """Joint - single, on an axis whose middle is no difference and whose right is better; per cent."""

    task: str
    metric: str
    text: str
    interval: str
    change: str  # of the error
    verdict: str
    low: float
    high: float
    value: float


@dataclass(frozen=True)
class FairPart:
    """One fair way to compare, over all tasks."""

    title: str
    rows: list[Difference]
    summary: Mapping[str, Any]


@dataclass(frozen=True)
class TaskPart:
    """One task: every way to answer it, on one axis."""

    name: str
    type: str
    metric: str
    rows: list[ScoreRow]
    clusters: Mapping[str, Mapping[str, Any]]


def write_page(path: Path, found: Mapping[str, Any], *, title: str) -> None:
    """Write the page of ``found``, which compare.json holds.

    Raises:
        RunError: the place cannot be written.
    """
    write_html(path, page_of(found, title))


def page_of(found: Mapping[str, Any], title: str) -> str:
    """The page as HTML."""
    return (
        environment()
        .get_template("compare.html.j2")
        .render(
            title=title,
            found=found,
            fair=[_fair(found, key) for key in FAIR if key in found["summary"]],
            tasks=[_part(name, entry) for name, entry in found["tasks"].items()],
            remedies=REMEDIES,
            cost={called(arm): entry for arm, entry in found["cost"].items()},
            quality=quality(found),
        )
    )


def _fair(found: Mapping[str, Any], key: str) -> FairPart:
    return FairPart(FAIR[key].title, _differences(found["tasks"], key), found["summary"][key])


def called(arm: str) -> str:
    """An arm as a person reads it."""
    return CALLED.get(arm, arm)


def _differences(tasks: Mapping[str, Any], key: str) -> list[Difference]:
    chosen = {name: entry if key == "equal_steps" else entry[key] for name, entry in tasks.items()}
    single = AGAINST[key][1]
    return [
        _difference(name, tasks[name], entry, tasks[name][single]["value"]) for name, entry in chosen.items()
    ]


def _difference(
    name: str, task: Mapping[str, Any], entry: Mapping[str, Any], single: float | None
) -> Difference:
    value, low, high = (entry["difference"][key] for key in ("value", "low", "high"))
    up = 1.0 if single is None or task["best"] >= single else -1.0
    known = [up * number for number in (value, low, high) if number is not None]
    reach = 1.05 * max([abs(number) for number in known], default=0.0) or 1.0
    places = [50 + 50 * number / reach for number in known] or [50.0]
    return Difference(
        name,
        f"{task['metric']} {task['unit']}".rstrip(),
        signed(value),
        "no interval" if low is None else f"{signed(low, like=value)} to {signed(high, like=value)}",
        percent(entry["error_change"]),
        entry["verdict"],
        min(places),
        max(places),
        places[0],
    )


def _part(name: str, entry: Mapping[str, Any]) -> TaskPart:
    scores = {called(arm): entry[arm] for arm in ARMS if arm in entry}
    scores |= entry["baselines"]
    ends = [s[key] for s in scores.values() for key in ("value", "low", "high") if s[key] is not None]
    start, stop = (min(ends), max(ends)) if ends else (0.0, 1.0)
    constant = entry.get("constant", {}).get("value")
    rows = [_row(arm, score, constant, start, stop) for arm, score in scores.items()]
    return TaskPart(
        name, entry["type"], f"{entry['metric']} {entry['unit']}".rstrip(), rows, entry["clusters"]
    )


def _row(arm: str, score: Mapping[str, Any], constant: float | None, start: float, stop: float) -> ScoreRow:
    value, low, high = score["value"], score["low"], score["high"]
    length = stop - start or 1.0

    def place(number: float) -> float:
        return 100 * (number - start) / length

    bar = None
    if value is not None:
        ends = (value, value) if low is None else (low, high)
        bar = Bar(place(ends[0]), place(ends[1]), place(value), None if constant is None else place(constant))
    return ScoreRow(
        metric=arm,
        meaning="",
        value=figure(value),
        half="" if low is None else f"± {figure((high - low) / 2, like=value)}",
        interval="" if low is None else f"95 % interval {figure(low)} to {figure(high)}",
        constant=figure(constant),
        n=f"{score['n']:,}" + (f" × {score['seeds']}" if score["seeds"] > 1 else ""),
        bar=bar,
    )


def quality(found: Mapping[str, Any]) -> Plot | None:
    """Seconds of training against the mean skill over the tasks; None without a constant answer."""
    tasks = list(found["tasks"].values())
    points = []
    for arm, cost in found["cost"].items():
        skills = [_skill(entry, arm) for entry in tasks]
        points.append((called(arm), cost["seconds"], _mean(skills)))
    classical = [_skill(entry, "classical") for entry in tasks]
    spent = sum(
        s["seconds"] for entry in tasks for way, s in entry["baselines"].items() if "classical" in way
    )
    points.append(("classical", spent, _mean(classical)))
    series = [(name, [cost], [skill]) for name, cost, skill in points if skill is not None]
    labels = ("seconds of training", "mean skill: 0 constant, 1 perfect")
    return plot("Cost against quality", labels, series, joined=False, include=(0.0,)) if series else None


def _skill(entry: Mapping[str, Any], arm: str) -> float | None:
    value, constant = (entry.get(key, {}).get("value") for key in (arm, "constant"))
    if value is None or constant is None or entry["best"] == constant:
        return None
    return float((value - constant) / (entry["best"] - constant))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
