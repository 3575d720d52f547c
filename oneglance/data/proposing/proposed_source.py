"""One source that ``init`` proposes, with its records and a guess for each of its fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from oneglance.data.image_inputs import opened, read, read_all
from oneglance.data.inspection.checks import summary
from oneglance.data.inspection.missing_files import absent
from oneglance.data.inspection.suggest_config import Proposal, guess
from oneglance.data.tag_rows import are_tags
from oneglance.errors import DataError, Problem

# Problems that are told in the file.
NOTED = ("picture names", "column names", "columns", "boxes as edges", "no names", "masks", "values of masks")


def there(proposal: Proposal) -> int:
    """How many of its pictures are there."""
    return len(proposal.records) - len(absent(proposal.records))


def proposed(path: Path, keys: Mapping[str, Any], base: Path) -> Proposal:
    """What ``path`` is, read as the keys of [[sources]] say.

    Raises:
        DataError: nothing there can be read.
    """
    source = opened(path, keys, base)
    records, problems = read_all(source)
    if not records:
        raise _unread(problems)
    more, reasons = source.proposes_after(records)
    if more and not more.items() <= keys.items():
        keys = {**keys, **more}
        records, problems = read(path, keys, base)
    notes = [*reasons]
    if encoding := keys.get("encoding"):
        notes.append(f"is no UTF-8 text: read as {encoding}; look whether its letters are right")
    notes += [f"{p.what}; {p.hint}" for p in problems if p.kind in NOTED]
    notes += _lost(problems)
    if are_tags(records):
        try:
            records, _ = read(path, {**keys, "rows": "tags"}, base)
            keys = {**keys, "rows": "tags"}
            notes.insert(0, "a picture has a row for each of its tags")
        except DataError:
            pass  # a format without such rows
    misfits = len({problem.location for problem in problems if problem.kind == "box outside"})
    proposal = Proposal(keys, records, guess(records), notes, misfits)
    return proposal if proposal.fits_its_pictures else replace(proposal, notes=[*notes, _outside(proposal)])


def _outside(proposal: Proposal) -> str:
    return (
        f"{proposal.misfits:,} of {len(proposal.records):,} rows have a box that lies outside the picture: "
        "were they drawn in other pictures of these names? Name their folder before the table: "
        "oneglance init FOLDER TABLE"
    )


def _unread(problems: Sequence[Problem]) -> DataError:
    return DataError("\n".join(summary(problems)), problems=problems)


def _lost(problems: Sequence[Problem]) -> Iterator[str]:
    """Rows that cannot be read, counted, with the lines of the first."""
    kinds = ("too many cells", "quotes")
    rows = [problem for problem in problems if problem.kind in kinds and not problem.fatal]
    if rows:
        lines = ", ".join(problem.location.rpartition(":")[2] for problem in rows[:10])
        more = ", …" if len(rows) > 10 else ""
        line = "line" if len(rows) == 1 else "lines"
        first = f"the first {rows[0].what}; {rows[0].hint}"
        yield f"{len(rows):,} rows are left out ({line} {lines}{more}): {first}"
