"""Several runs side by side on one page: their scores, the settings in which they differ, their curves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from oneglance.evaluation.reports.pages import environment, write_html
from oneglance.evaluation.reports.svg_plots import Plot, plot
from oneglance.storage.run_folder import RunFolder, overview
from oneglance.task import build_tasks

# Where things lie and how fast they are read changes nothing that is learned.
UNSHOWN = frozenset({"cache", "text", "base", "file", "overrides"})


def write_page(path: Path, runs: Sequence[RunFolder], *, title: str) -> None:
    """Write the page of these runs.

    Raises:
        RunError: it cannot be written, or one of the runs is damaged.
    """
    write_html(path, page_of(runs, title))


def page_of(runs: Sequence[RunFolder], title: str) -> str:
    """The page as HTML. It loads nothing from anywhere and runs no script."""
    rows = [overview(run) for run in runs]
    tasks = list(dict.fromkeys(task for row in rows for task in row["scores"]))
    metrics = [_metric(runs, task) for task in tasks]
    best = {task: _best(runs, rows, task) for task in tasks}
    return (
        environment()
        .get_template("runs.html.j2")
        .render(
            title=title,
            rows=rows,
            tasks=list(zip(tasks, metrics, strict=True)),
            best=best,
            settings=differences(runs),
            plots=_plots(runs, [*zip(tasks, metrics, strict=True)]),
        )
    )


def differences(runs: Sequence[RunFolder]) -> list[tuple[str, list[str]]]:
    """(dotted key, its value in each run) of every setting that is not the same in all of them."""
    tables = [dict(_flat(run.config().model_dump(mode="json"))) for run in runs]
    keys = list(dict.fromkeys(key for table in tables for key in table))
    values = {key: [table.get(key, "") for table in tables] for key in keys}
    return [(key, each) for key, each in values.items() if len(set(each)) > 1]


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if not above and key in UNSHOWN:
            continue
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", _words(value)


def _words(value: Any) -> str:
    """A value as TOML would have it; what nobody set is chosen by the training."""
    if value is None:
        return "chosen by itself"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _metric(runs: Sequence[RunFolder], task: str) -> str:
    """The deciding metric of a task, as the first history that has one calls it."""
    scores = ((row.get("validation") or {}).get(task) for run in runs for row in run.history()[-1:])
    return next((next(iter(each)) for each in scores if each), "")


def _best(runs: Sequence[RunFolder], rows: Sequence[Mapping[str, Any]], task: str) -> str:
    """The run with the best score of a task; "" where it is not the only one."""
    scores = [(row["scores"][task], row["run"]) for row in rows if row["scores"].get(task) is not None]
    declared = (run.config().tasks for run in runs)
    table = next((tables[task] for tables in declared if task in tables), None)
    if len(scores) < 2 or table is None:
        return ""
    perfect = build_tasks({task: {"type": table["type"]}})[task].best
    scores.sort(key=lambda each: abs(perfect - each[0]))
    return str(scores[0][1]) if scores[0][0] != scores[1][0] else ""


def _plots(runs: Sequence[RunFolder], tasks: Sequence[tuple[str, str]]) -> list[Plot]:
    histories = [(run.name, run.history()) for run in runs]
    skill = [(name, _epochs(rows), [row.get("skill") for row in rows]) for name, rows in histories]
    labels = ("epoch", "0: the constant baseline, 1: perfect")
    drawn = [plot("Skill on the validation split", labels, skill, include=(0.0, 1.0), least_step=1)]
    for task, metric in tasks:
        series = [
            (name, _epochs(rows), [((r.get("validation") or {}).get(task) or {}).get(metric) for r in rows])
            for name, rows in histories
        ]
        drawn.append(
            plot(f"{task}: {metric} on the validation split", ("epoch", metric), series, least_step=1)
        )
    return [each for each in drawn if each]


def _epochs(rows: Sequence[Mapping[str, Any]]) -> list[int]:
    return [row["epoch"] for row in rows]
