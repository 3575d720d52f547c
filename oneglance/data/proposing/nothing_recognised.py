"""The message where nothing in a folder is understood: what was seen, and what comes nearest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from oneglance.data.inspection.suggest_config import Proposal, by_reason
from oneglance.data.proposing.nearest_layouts import nearest_layouts
from oneglance.data.proposing.seen_files import SeenFiles
from oneglance.data.quoting import plain
from oneglance.errors import DataError
from oneglance.storage.plain_files import is_folder

MOST_REASONS = 6
NOT_READ = "not read: "  # begins notes on tables
EMPTY = ("empty source", "empty folder")  # kinds of problems


def nothing_read(pictures: Path, error: DataError) -> DataError:
    """``error``, or what was seen where ``pictures`` is a folder that holds none."""
    if not is_folder(pictures) or not all(problem.kind in EMPTY for problem in error.problems):
        return error
    hint = "put some into it, or give another path"
    return (
        DataError(f"{pictures}  holds no pictures — {_details(pictures, hint)}") if error.problems else error
    )


def nothing_recognised(pictures: Path, proposals: Sequence[Proposal]) -> DataError:
    """The error for ``pictures``, of which ``proposals`` hold nothing that may be asked."""
    hint = "name a table of answers, or sort the pictures into a folder per class"
    unread = [
        note.removeprefix(NOT_READ) for one in proposals for note in one.notes if note.startswith(NOT_READ)
    ]
    asked = (guess for one in proposals for guess in one.guesses)
    reasons = [(one.field, one.reason) for one in asked if not one.reason.startswith("says the same")]
    details = _details(pictures, hint, unread, list(map(" ".join, by_reason(reasons))))
    return DataError("nothing there looks like an answer", location=str(pictures), hint=details)


def _details(pictures: Path, hint: str, unread: Sequence[str] = (), fields: Sequence[str] = ()) -> str:
    """The hint, with what was seen and the nearest layouts in further lines.

    Args:
        unread: why tables are not read.
        fields: why what was read is no answer.
    """
    seen = SeenFiles.of(pictures)
    lines = [hint, "seen there:", *seen.lines()]
    if reasons := [f"  {plain(reason, 200)}" for reason in (*unread, *fields)]:
        lines += ["what was read there and is not asked:", *reasons[:MOST_REASONS]]
    lines += ["the nearest layouts:", *nearest_layouts(seen, [plain(reason, 200) for reason in unread])]
    return "\n".join(lines)
