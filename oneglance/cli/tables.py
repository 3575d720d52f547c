"""Scores and runs as tables in the terminal."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from oneglance.evaluation.comparison import wording

WIDEST = 10_000  # characters of a line where there is no terminal


def show_report(report: dict[str, Any], folder: Path) -> None:
    """What ``evaluate`` found, beside the constant baseline."""
    table = Table(box=None, pad_edge=False)
    for column in ("task", "metric", "value", "95 % interval", "constant", "n"):
        table.add_column(column, justify="left" if column in ("task", "metric") else "right")
    for name, task in report["tasks"].items():
        for place, (metric, found) in enumerate(task["metrics"].items()):
            between = "" if found["low"] is None else f"{shown(found['low'])} – {shown(found['high'])}"
            constant = task["constant"].get(metric)
            table.add_row(
                "" if place else name,
                metric,
                shown(found["value"]),
                between,
                shown(constant),
                f"{found['n']:,}",
            )
    console = paper()
    console.print(table)
    read = times(report["reads"])
    console.print(f"{report['pictures']:,} pictures of the {report['split']} part, {read}")
    console.print(f"look at {folder / 'report.html'}", soft_wrap=True)


def show_comparison(found: dict[str, Any]) -> None:
    """What ``compare`` found: a line per task."""
    variants = [name for name in wording.VARIANTS if any(name in task for task in found["tasks"].values())]
    table = Table(box=None, pad_edge=False)
    columns = [name.replace("_", " ") for name in variants]
    for column in ("task", "metric", *columns, *(wording.PAIRINGS[key].column for key in found["summary"])):
        table.add_column(column, justify="right" if column in columns else "left")
    for name, task in found["tasks"].items():
        scores = [between(task.get(variant)) for variant in variants]
        verdicts = [verdict(wording.difference(task, key)) for key in found["summary"]]
        table.add_row(name, wording.metric(task), *scores, *verdicts)
    console = paper()
    console.print(table)
    if found["cost"]:
        console.print(costs(found["cost"]))
    for key, summary in found["summary"].items():
        change = summary["mean_error_change"]
        worse = ", ".join(summary["worse"]) or "none"
        mean = "" if change is None else f"mean change of the error {100 * change:+.1f} %, "
        console.print(
            f"{wording.PAIRINGS[key].condition}: {mean}significantly worse: {worse}", soft_wrap=True
        )
    for name, entry in found["balancers"].items():
        if "helps" in entry:
            says = "helps" if entry["helps"] else "does not help: no better than random weights beyond noise"
            console.print(f"{name} {says}", soft_wrap=True)
    for line in (*wording.sentences(found["advice"]), *found["notes"]):
        console.print(line, soft_wrap=True)


def show_grouping(found: dict[str, Any]) -> None:
    """What ``group`` found: the cosines, and a line per number of networks."""
    from oneglance.evaluation.task_grouping import words  # imports torch, as the search has

    console = paper()
    table = Table(box=None, pad_edge=False)
    for column in ("pair of tasks", "cosine"):
        table.add_column(column, justify="right" if column == "cosine" else "left")
    for pair, value in sorted(found["cosines"].items(), key=lambda entry: entry[1]):
        table.add_row(pair, f"{value:+.3f}")
    console.print(table)
    table = Table(box=None, pad_edge=False)
    for column in ("networks", "groups", "score", "gain", "± between epochs", ""):
        table.add_column(column, justify="left" if column in ("groups", "") else "right")
    for option in found["groupings"]:
        error = "" if option["error"] is None else f"{option['error']:.3f}"
        cells = (f"{option['score']:+.3f}", f"{option['gain']:+.3f}", error)
        mark = "proposed" if option["groups"] == found["proposed"] else ""
        table.add_row(str(option["networks"]), words(option["groups"]), *cells, mark)
    console.print(table)
    console.print(
        f"from the last {found['epochs']} epochs that looked at gradients, in {found['run']}", soft_wrap=True
    )
    for note in found["notes"]:
        console.print(note, soft_wrap=True)


def show_tuning(found: dict[str, Any]) -> None:
    """What ``tune`` found: a line per set of weights, those that came furthest first."""
    table = Table(box=None, pad_edge=False)
    for column in ("weights", *found["tasks"], "epochs", "skill", ""):
        table.add_column(column, justify="left" if column in ("weights", "") else "right")
    order = sorted(found["candidates"], key=lambda one: (-one["epochs"], -(one["skill"] or 0.0)))
    for one in order:
        weights = [f"{weight:g}" for weight in one["weights"].values()]
        mark = "best" if one["name"] == found["best"] else ""
        table.add_row(one["name"], *weights, str(one["epochs"]), shown(one["skill"]), mark)
    console = paper()
    console.print(table)
    if found["set"]:
        error = "" if found["error"] is None else f" ± {shown(found['error'])}"
        console.print(f"gain over the weights as they are: {shown(found['gain'])}{error}", soft_wrap=True)
        settings = " ".join(f"--set {shlex.quote(setting)}" for setting in found["set"])
        console.print(f"use: {settings}", soft_wrap=True)
    for note in found["notes"]:
        console.print(note, soft_wrap=True)


def costs(found: dict[str, Any]) -> Table:
    """What each variant took: of all single networks together."""
    table = Table(box=None, pad_edge=False)
    keys = {"seconds": "seconds of training", "peak_mb": "MB at most", "parameters": "parameters"}
    columns = {**keys, "ms_per_picture": "ms per picture"}
    for column in ("", *columns.values()):
        table.add_column(column, justify="right" if column else "left")
    for variant, cost in found.items():
        values = (cost[key] for key in columns)
        table.add_row(
            variant.replace("_", " "),
            *(
                "" if value is None else f"{value:,.4g}" if value < 100 else f"{value:,.0f}"
                for value in values
            ),
        )
    return table


def between(score: dict[str, Any] | None) -> str:
    """A value with half its interval."""
    if score is None or score["value"] is None:
        return ""
    half = "" if score["low"] is None else f" ± {shown((score['high'] - score['low']) / 2)}"
    return shown(score["value"]) + half


def verdict(entry: Mapping[str, Any]) -> str:
    """A difference and what it amounts to."""
    value = entry["difference"]["value"]
    if value is None:
        return ""
    return f"{'−' if value < 0 else '+'}{shown(abs(value))}  {entry['verdict']}"


def show_runs(found: Sequence[dict[str, Any]], folder: Path) -> None:
    """One line per run, the deciding validation metric of each task in a column."""
    console = paper()
    if not found:
        console.print(f"no runs in {folder}")
        return
    tasks = list(dict.fromkeys(task for run in found for task in run["scores"]))
    table = Table(box=None, pad_edge=False)
    for column in ("run", "state", "epochs", "best", "skill", *tasks, "minutes"):
        table.add_column(column, justify="left" if column in ("run", "state") else "right")
    for run in found:
        scores = [shown(run["scores"].get(task)) for task in tasks]
        cells = (run["state"], str(run["epochs"]), str(run["best_epoch"] or ""), shown(run["skill"]))
        table.add_row(run["run"], *cells, *scores, f"{run['seconds'] / 60:.1f}")
    console.print(table)
    console.print("scores are of the validation part, at the epoch that is kept")


def paper() -> Console:
    """What a table is written on: as wide as the terminal, and as wide as it takes in a file or pipe."""
    width = None if sys.stdout.isatty() else WIDEST
    return Console(highlight=False, markup=False, emoji=False, width=width)


def times(reads: int) -> str:
    """How often the part was read, with the reason to care."""
    return "read for the first time" if reads == 1 else f"read {reads} times: it is no longer quite untouched"


def shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}" if abs(value) < 1000 else f"{value:,.0f}"
