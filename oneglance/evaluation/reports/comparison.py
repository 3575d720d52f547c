"""compare.html: what compare.json holds, drawn. It loads nothing from anywhere and runs no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oneglance.evaluation.comparison import wording
from oneglance.evaluation.comparison.variants import AGAINST
from oneglance.evaluation.reports.evaluation import Bar, ScoreRow
from oneglance.evaluation.reports.pages import environment, figure, measured, percent, signed, write_html
from oneglance.evaluation.reports.svg_plots import Plot, plot


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
class PairingPart:
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


@dataclass(frozen=True)
class WorsePart:
    """One task on pictures that were made worse."""

    name: str
    metric: str
    variants: list[str]
    rows: list[tuple[str, list[str]]]  # pictures, and the score of each variant
    differences: list[tuple[str, Mapping[str, Any], str, str, str]]  # joint - single: value, low, high


def write_page(path: Path, comparison: Mapping[str, Any], *, title: str) -> None:
    """Write the page of ``comparison``, which compare.json holds.

    Raises:
        RunError: it cannot be written.
    """
    write_html(path, page_of(comparison, title))


def page_of(comparison: Mapping[str, Any], title: str) -> str:
    """The page as HTML."""
    return (
        environment()
        .get_template("compare.html.j2")
        .render(
            title=title,
            comparison=comparison,
            pairings=[_pairing(comparison, key) for key in wording.PAIRINGS if key in comparison["summary"]],
            tasks=[_part(name, entry) for name, entry in comparison["tasks"].items()],
            remedies=wording.REMEDIES,
            cost={wording.title(variant): entry for variant, entry in comparison["cost"].items()},
            quality=quality(comparison),
            ways=wording.baseline_seconds(comparison["tasks"]),
            results=_results(comparison["tasks"]),
            worse=_worse(comparison),
        )
    )


def _worse(comparison: Mapping[str, Any]) -> list[WorsePart]:
    """Pictures that were made worse; nothing where nobody asked."""
    measured_worse = comparison.get("robustness", {"tasks": {}})
    differences = measured_worse.get("differences", {})
    parts = []
    for name, variants in measured_worse["tasks"].items():
        rows = [
            (pictures, [" ".join(_shown(score)).strip() for score in scores])
            for pictures, scores in (
                ("clean", [variant["clean"] for variant in variants.values()]),
                ("corrupted", [variant["corrupted"] for variant in variants.values()]),
                *(
                    (family, [variant["families"][family] for variant in variants.values()])
                    for family in next(iter(variants.values()), {"families": ()})["families"]
                ),
            )
        ]
        compared = [
            (
                pictures,
                entry[name],
                *(signed(entry[name]["difference"][end]) for end in ("value", "low", "high")),
            )
            for pictures, entry in differences.items()
        ]
        task = comparison["tasks"][name]
        parts.append(WorsePart(name, wording.metric(task), list(variants), rows, compared))
    return parts


def _results(tasks: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, str, list[str]]]]:
    """(ways to answer, rows of (task, metric, a value for each way)): all at a glance, before any detail."""
    scores = {name: _scores(entry, probe=True) for name, entry in tasks.items()}
    ways = list(dict.fromkeys(way for entry in scores.values() for way in entry))
    rows = [
        (name, wording.metric(tasks[name]), [" ".join(_shown(entry.get(way))).strip() for way in ways])
        for name, entry in scores.items()
    ]
    return ways, rows


def _scores(entry: Mapping[str, Any], *, probe: bool = False) -> dict[str, Mapping[str, Any]]:
    """Of one task, by variant as a person reads it; with the frozen probe before what it is compared with."""
    scores: dict[str, Mapping[str, Any]] = {}
    for variant in wording.VARIANTS:
        if probe and variant == "classical" and (tried := wording.probe(entry)):
            scores["frozen probe"] = tried
        if variant in entry:
            scores[wording.title(variant)] = entry[variant]
    return scores


def _shown(score: Mapping[str, Any] | None) -> tuple[str, str]:
    return ("", "") if score is None else measured(score["value"], score["low"], score["high"])


def _pairing(comparison: Mapping[str, Any], key: str) -> PairingPart:
    return PairingPart(
        wording.PAIRINGS[key].title, _differences(comparison["tasks"], key), comparison["summary"][key]
    )


def _differences(tasks: Mapping[str, Any], key: str) -> list[Difference]:
    chosen = {name: wording.difference(entry, key) for name, entry in tasks.items()}
    single = AGAINST[key][1]
    return [
        _difference(name, tasks[name], entry, tasks[name][single]["value"]) for name, entry in chosen.items()
    ]


def _difference(
    name: str, task: Mapping[str, Any], entry: Mapping[str, Any], single: float | None
) -> Difference:
    value, low, high = (entry["difference"][key] for key in ("value", "low", "high"))
    up = 1.0 if single is None or task["best"] >= single else -1.0
    numbers = [up * number for number in (value, low, high) if number is not None]
    reach = 1.05 * max([abs(number) for number in numbers], default=0.0) or 1.0
    places = [50 + 50 * number / reach for number in numbers] or [50.0]
    return Difference(
        name,
        wording.metric(task),
        signed(value),
        "no interval" if low is None else f"{signed(low, like=value)} to {signed(high, like=value)}",
        percent(entry["error_change"]),
        entry["verdict"],
        min(places),
        max(places),
        places[0],
    )


def _part(name: str, entry: Mapping[str, Any]) -> TaskPart:
    scores = {**_scores(entry), **entry["baselines"]}
    ends = [s[key] for s in scores.values() for key in ("value", "low", "high") if s[key] is not None]
    start, stop = (min(ends), max(ends)) if ends else (0.0, 1.0)
    constant = entry.get("constant", {}).get("value")
    rows = [_row(variant, score, constant, start, stop) for variant, score in scores.items()]
    return TaskPart(name, entry["type"], wording.metric(entry), rows, entry["clusters"])


def _row(
    variant: str, score: Mapping[str, Any], constant: float | None, start: float, stop: float
) -> ScoreRow:
    value, low, high = score["value"], score["low"], score["high"]
    length = stop - start or 1.0

    def position(number: float) -> float:
        return 100 * (number - start) / length

    bar = None
    if value is not None:
        ends = (value, value) if low is None else (low, high)
        bar = Bar(
            position(ends[0]),
            position(ends[1]),
            position(value),
            None if constant is None else position(constant),
        )
    return ScoreRow(
        metric=variant,
        meaning="",
        value=measured(value, low, high)[0],
        half=measured(value, low, high)[1],
        interval="" if low is None else f"95 % interval {figure(low)} to {figure(high)}",
        constant=figure(constant),
        n=f"{score['n']:,}" + (f" × {score['seeds']}" if score["seeds"] > 1 else ""),
        bar=bar,
    )


def quality(comparison: Mapping[str, Any]) -> Plot | None:
    """Seconds of training against the mean skill over the tasks; None without a constant baseline."""
    tasks = list(comparison["tasks"].values())
    points = []
    for variant, cost in comparison["cost"].items():
        skills = [_skill(entry, variant) for entry in tasks]
        points.append((wording.title(variant), cost["seconds"], _mean(skills)))
    classical = [_skill(entry, "classical") for entry in tasks]
    spent = sum(
        s["seconds"] for entry in tasks for way, s in entry["baselines"].items() if "classical" in way
    )
    points.append(("classical", spent, _mean(classical)))
    series = [(name, [cost], [skill]) for name, cost, skill in points if skill is not None]
    labels = ("seconds of training", "mean skill: 0 constant, 1 perfect")
    return plot("Cost against quality", labels, series, joined=False, include=(0.0,)) if series else None


def _skill(entry: Mapping[str, Any], variant: str) -> float | None:
    value, constant = (entry.get(key, {}).get("value") for key in (variant, "constant"))
    if value is None or constant is None or entry["best"] == constant:
        return None
    return float((value - constant) / (entry["best"] - constant))


def _mean(values: Sequence[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return sum(numbers) / len(numbers) if numbers else None
