"""suspects.json, suspects.csv and suspects.html."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from oneglance.config import Config
from oneglance.data.csv_text import csv_text
from oneglance.data.images.decode import Limits
from oneglance.evaluation.kept_arrays import digest
from oneglance.evaluation.reports.suspects import Shown, write_page
from oneglance.evaluation.suspects.findings import Findings, Plan, entry_of, report
from oneglance.storage.atomic_files import make_folder, write_json, write_text

COLUMNS = ("image", "task", "said", "proposed", "score", "reason", "box", "location")


WORDS = 300  # of a task that are offered on the page, at most


def write(findings: Findings, plan: Plan, config: Config, out: Path) -> dict[str, Any]:
    """Write all that was found to ``out``.

    Args:
        config: corrections are to lie beside it.

    Returns:
        What suspects.json holds.

    Raises:
        RunError: they cannot be written.
    """
    values = report(findings, plan)
    make_folder(out)
    write_json(out / "suspects.json", values)
    rows = [{column: _cell(one.get(column, "")) for column in COLUMNS} for one in values["suspects"]]
    write_text(out / "suspects.csv", csv_text(COLUMNS, rows))
    shown = [
        Shown(entry_of(one, doubt), one.task, one.records[doubt.row], doubt)
        for one, doubt in findings.ranked()[: plan.count]
    ]
    write_page(
        out / "suspects.html",
        values,
        findings.headline(plan.count),
        shown,
        _words(findings),
        base=config.base,
        file=config.file,
        limits=Limits.declared(config),
        key=digest([values["suspects"]]),
    )
    return values


def _words(findings: Findings) -> dict[str, list[str]]:
    """Of each task whose answers have classes, the answers as cells."""
    words: dict[str, list[str]] = {}
    for one in findings.judged:
        given = [record.answers[one.task.name] for record in one.records if not one.task.is_spatial]
        answers = {
            one.task.format(answer): answer for answer in given if any(one.task.stratify_labels(answer))
        }
        with_classes = list(answers.values())
        cells = (one.task.correction(one.task.raw_value(answer)) for answer in with_classes[:WORDS])
        words[one.task.name] = sorted(
            {next(iter(cell.values())) for cell in cells if cell and len(cell) == 1}
        )
    return words


def _cell(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
