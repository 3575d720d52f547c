"""Results as tables in the terminal."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from oneglance.errors import command
from oneglance.evaluation.comparison import wording
from oneglance.features.results import Clusters, Matches
from oneglance.metrics.calibration import OF_CONFIDENCE
from oneglance.result import Score, cell
from oneglance.results.comparison import Comparison, Cost
from oneglance.results.distilled import Distilled
from oneglance.results.exported import Exported
from oneglance.results.grouping import Grouping
from oneglance.results.overview import Overview
from oneglance.results.report import Report
from oneglance.results.robustness import Robustness
from oneglance.results.runs import Runs
from oneglance.results.suspects import Suspects
from oneglance.results.tuning import Tuning
from oneglance.results.weights import Weights

WIDEST = 10_000  # characters of a line where there is no terminal
MOST_SUSPECTS = 20  # that are shown; the files hold all
SUSPECTS_LEFT = ("image", "task", "said", "proposed", "why")


def show_report(report: Report, folder: Path) -> None:
    """Every score beside the constant baseline."""
    scores = table(["task", "metric", "value", "95 % interval", "constant", "n"], left=("task", "metric"))
    for name, task in report.tasks.items():
        for row, (metric, score) in enumerate(task.metrics.items()):
            interval = "" if score.low is None else f"{cell(score.low)} – {cell(score.high)}"
            of_confidence = metric.rpartition(".")[2] in OF_CONFIDENCE  # says nothing of a constant answer
            constant = "" if of_confidence else cell(task.constant.get(metric))
            first = "" if row else name
            named = metric if row else f"{metric} {task.unit}".rstrip()
            scores.add_row(first, named, cell(score.value), interval, constant, f"{score.n:,}")
    console = standard_output()
    console.print(scores)
    console.print(f"{report.pictures:,} pictures of the {report.split} split, {times(report.reads)}")
    console.print(f"look at {folder / 'report.html'}", soft_wrap=True)


def show_overview(overview: Overview) -> None:
    """A row for each task: its answers, its gaps and its classes."""
    console = standard_output()
    console.print(overview.headline(), soft_wrap=True)
    tasks = table(["task", "answered", "unknown", "answers"], left=("task", "answers"))
    for row in overview.rows():
        tasks.add_row(row["task"], f"{row['answered']:,}", f"{row['unknown']:,}", row["answers"])
    console.print(tasks)


def show_comparison(comparison: Comparison) -> None:
    """A row for each task, then what each variant took, and what the differences amount to."""
    tasks, summaries = comparison.tasks, comparison["summary"]
    variants = [name for name in wording.VARIANTS if any(name in task.scores for task in tasks.values())]
    probed = any(wording.probe(entry) for entry in comparison["tasks"].values())
    columns = [*(name.replace("_", " ") for name in variants), *(["frozen probe"] if probed else [])]
    pairings = [wording.PAIRINGS[key].column for key in summaries]
    scores = table(["task", "metric", *columns, *pairings], left=("task", "metric", *pairings))
    for name, task in tasks.items():
        values = [with_half_interval(task.scores.get(variant)) for variant in variants]
        if probed:
            values.append(with_half_interval(task.baselines.get(wording.PROBE)))
        differences = [str(task.differences[key]) for key in summaries]
        scores.add_row(name, wording.metric(comparison["tasks"][name]), *values, *differences)
    console = standard_output()
    console.print(scores)
    if comparison.robustness:
        console.print(worse_pictures(comparison))
    ways = wording.baseline_seconds(comparison["tasks"])
    if comparison.cost or ways:
        console.print(costs(comparison.cost, ways))
    for key, summary in summaries.items():
        change = summary["mean_error_change"]
        worse = ", ".join(summary["worse"]) or "none"
        mean = "" if change is None else f"mean change of the error {100 * change:+.1f} %, "
        condition = wording.PAIRINGS[key].condition
        console.print(f"{condition}: {mean}significantly worse: {worse}", soft_wrap=True)
    for name, entry in comparison["balancers"].items():
        if "helps" in entry:
            says = "helps" if entry["helps"] else "does not help: no better than random weights beyond noise"
            console.print(f"{name} {says}", soft_wrap=True)
    for line in (*wording.sentences(comparison["advice"]), *comparison.notes):
        console.print(line, soft_wrap=True)


def worse_pictures(comparison: Comparison) -> Table:
    """Two rows for each task, clean and corrupted, and one for what is lost, of joint against single."""
    variants = list(
        dict.fromkeys(variant for task in comparison.robustness.values() for variant in task.scores)
    )
    rows = table(
        ["task", "pictures", *variants, "joint − single"], left=("task", "pictures", "joint − single")
    )
    for name, task in comparison.robustness.items():
        metric = wording.metric(comparison["tasks"][name])
        for row, pictures in enumerate(("clean", "corrupted", "lost")):
            cells = [
                with_half_interval(getattr(task.scores[variant], pictures, None))
                if variant in task.scores
                else ""
                for variant in variants
            ]
            first = "" if row else f"{name} {metric}"
            difference = task.differences.get(pictures)
            if difference is not None or any(cells):
                rows.add_row(first, pictures, *cells, str(difference or ""))
    return rows


def show_grouping(grouping: Grouping) -> None:
    """The cosines, and a row for each number of networks."""
    console = standard_output()
    cosines = table(["pair of tasks", "cosine"], left=("pair of tasks",))
    for pair, value in sorted(grouping.cosines.items(), key=lambda entry: entry[1]):
        cosines.add_row(pair, f"{value:+.3f}")
    console.print(cosines)
    columns = ["networks", "groups", "score", "gain", "± between epochs", ""]
    networks = table(columns, left=("groups", ""))
    for row in grouping.rows():
        error = "" if row["error"] is None else f"{row['error']:.3f}"
        proposed = "proposed" if row["proposed"] else ""
        signed = (f"{row['score']:+.3f}", f"{row['gain']:+.3f}")
        networks.add_row(str(row["networks"]), row["groups"], *signed, error, proposed)
    console.print(networks)
    seen = f"from the last {grouping['epochs']} epochs that measured gradients, in {grouping['run']}"
    for line in (seen, *grouping.notes):
        console.print(line, soft_wrap=True)


def show_tuning(tuning: Tuning) -> None:
    """A row for each set of weights, those that were trained longest first."""
    tasks = tuning["tasks"]
    candidates = table(["weights", *tasks, "epochs", "skill", ""], left=("weights", ""))
    for row in tuning.rows():
        weights = [f"{row[f'{task} weight']:g}" for task in tasks]
        best = "best" if row["best"] else ""
        candidates.add_row(row["name"], *weights, str(row["epochs"]), cell(row["skill"]), best)
    console = standard_output()
    console.print(candidates)
    if tuning.overrides:
        error = "" if tuning["error"] is None else f" ± {cell(tuning['error'])}"
        console.print(f"gain over the weights as they are: {cell(tuning.gain)}{error}", soft_wrap=True)
        settings = " ".join(f"--set {shlex.quote(setting)}" for setting in tuning.overrides)
        console.print(f"use: {settings}", soft_wrap=True)
    for note in tuning.notes:
        console.print(note, soft_wrap=True)


def show_distilled(distilled: Distilled) -> None:
    """Each task's score of teacher and student, and what both cost."""
    columns = ["task", "metric", "teacher", "student", "student − teacher", "95 % interval", "", "n"]
    scores = table(columns, left=("task", "metric", ""))
    for row in distilled.rows():
        interval = "" if row["low"] is None else f"{cell(row['low'])} – {cell(row['high'])}"
        values = [cell(row[key]) for key in ("teacher", "student", "difference")]
        scores.add_row(row["task"], row["metric"], *values, interval, row["verdict"], f"{row['n']:,}")
    costs_of = table(["", "parameters", "ms per picture"], left=("",))
    for name, one in distilled.cost.items():
        costs_of.add_row(name, cell(one["parameters"]), cell(one["ms_per_picture"]))
    console = standard_output()
    console.print(scores)
    console.print(costs_of)
    for note in distilled.notes:
        console.print(note, soft_wrap=True)
    console.print(f"now run: {command('predict', distilled.run, 'PICTURES')}", soft_wrap=True)


def show_exported(exported: Exported) -> None:
    """The file, and how its answers compare with the run's."""
    console = standard_output()
    console.print(f"wrote {exported.headline()}", soft_wrap=True)
    for name, differs in exported["disagreement"].items():
        console.print(f"{name}: raw answers differ by at most {differs:.1g} of the largest", soft_wrap=True)
    for name, score in exported["scores"].items():
        both = f"{cell(score['run'])} in the run, {cell(score['file'])} in the file"
        console.print(f"{name}: {score['metric']} {both}", soft_wrap=True)


def show_weights(weights: Weights) -> None:
    """A row for each set, those at hand first."""
    columns = ["name", "at hand", "pixels", "million parameters", "pictures/s", "licence", "good for"]
    rows = table(columns, left=("name", "at hand", "licence", "good for"))
    for one in weights:
        count = one["parameters"]
        rows.add_row(
            one["name"],
            one["origin"] or "no",
            cell(one["pixels"]),
            "" if count is None else f"{count / 1e6:.1f}",
            cell(one["pictures_per_second"]),
            one["licence"],
            one["good_for"],
        )
    console = standard_output()
    console.print(rows)
    console.print("get one with: oneglance weights get NAME")


def show_runs(runs: Runs, places: Sequence[Path]) -> None:
    """A row for each run, the primary validation metric of each task in a column."""
    console = standard_output()
    if not runs:
        console.print(f"no runs in {' '.join(map(str, places))}")
        return
    tasks = list(dict.fromkeys(task for run in runs for task in run["scores"]))
    columns = ["run", "state", "epochs", "best", "skill", *tasks, "minutes"]
    overview = table(columns, left=("run", "state"))
    for run in runs:
        scores = [cell(run["scores"].get(task)) for task in tasks]
        cells = (run["state"], str(run["epochs"]), str(run["best_epoch"] or ""), cell(run["skill"]))
        overview.add_row(run["run"], *cells, *scores, f"{run['seconds'] / 60:.1f}")
    console.print(overview)
    console.print("scores are of the validation split, at the epoch that is kept")


def costs(cost: dict[str, Cost], ways: dict[str, float]) -> Table:
    """What each variant took: of all single networks together; and what each way that trains no network."""
    columns = ["", "seconds of training", "MB at most", "parameters", "ms per picture"]
    rows = table(columns, left=("",))
    for variant, one in cost.items():
        values = (one.seconds, one.peak_mb, one.parameters, one.ms_per_picture)
        cells = ["" if v is None else f"{v:,.4g}" if v < 100 else f"{v:,.0f}" for v in values]
        rows.add_row(variant.replace("_", " "), *cells)
    for way, seconds in ways.items():
        rows.add_row(way, f"{seconds:,.4g}" if seconds < 100 else f"{seconds:,.0f}", "", "", "")
    return rows


def show_robustness(result: Robustness) -> None:
    """A row for each task: clean, corrupted, each family."""
    families = next((list(task.families) for task in result.tasks.values()), [])
    scores = table(["task", "metric", "clean", "corrupted", *families, "error"], left=("task", "metric"))
    for name, task in result.tasks.items():
        values = [task.clean, task.corrupted, *task.families.values()]
        error = f"× {cell(task.relative_error)}" if task.relative_error is not None else ""
        metric = " ".join(filter(None, (task.metric, task.unit)))
        scores.add_row(name, metric, *map(with_half_interval, values), error)
    console = standard_output()
    console.print(result.headline(), soft_wrap=True)
    console.print(scores)


def show_suspects(result: Suspects) -> None:
    """The most suspicious answers, how each task was judged, and what could not be."""
    rows = table(SUSPECTS_LEFT, left=SUSPECTS_LEFT)
    for row in result.rows()[:MOST_SUSPECTS]:
        rows.add_row(*(row[key] for key in SUSPECTS_LEFT[:-1]), row["reason"])
    console = standard_output()
    console.print(rows)
    for name, entry in result["tasks"].items():
        counted = f"{name}  {entry['suspected']:,} contradicted confidently"
        console.print("; ".join([counted, *entry["methods"]]), soft_wrap=True)
    for note in result.notes:
        console.print(note, soft_wrap=True)
    console.print(result.headline(), soft_wrap=True)


def show_clusters(clusters: Clusters) -> None:
    """A row for each cluster, the largest first."""
    rows = clusters.rows()
    columns = list(dict.fromkeys(column for row in rows for column in row))
    shown = table(columns, left=[column for column in columns if column != "pictures"])
    for row in rows:
        shown.add_row(*(cell(row.get(column)) for column in columns))
    console = standard_output()
    console.print(clusters.headline(), soft_wrap=True)
    console.print(shown)


def show_matches(matches: Matches) -> None:
    """A row for each match, the most alike first."""
    rows = table(["score", "image"], left=("image",))
    for image, score in matches.matches:
        rows.add_row(cell(score), image)
    console = standard_output()
    console.print(matches.headline(), soft_wrap=True)
    console.print(rows)


def with_half_interval(score: Score | None) -> str:
    """A value with half its interval."""
    if score is None or score.value is None:
        return ""
    if score.low is None or score.high is None:
        return cell(score.value)
    return f"{cell(score.value)} ± {cell((score.high - score.low) / 2)}"


def table(columns: Sequence[str], left: Sequence[str]) -> Table:
    """An empty one; all columns but those of ``left`` hold numbers."""
    empty = Table(box=None, pad_edge=False)
    for column in columns:
        empty.add_column(column, justify="left" if column in left else "right")
    return empty


def standard_output() -> Console:
    """As wide as the terminal, and as wide as it takes in a file or pipe."""
    width = None if sys.stdout.isatty() else WIDEST
    return Console(highlight=False, markup=False, emoji=False, width=width)


def times(reads: int) -> str:
    """How often the split was read, with the reason to care."""
    return "read for the first time" if reads == 1 else f"read {reads} times: it is no longer quite untouched"
