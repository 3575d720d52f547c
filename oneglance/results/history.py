"""What a training left behind: a row per epoch, as history.jsonl holds it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oneglance.result import ResultList, Row


class History(ResultList[dict[str, Any]]):
    """Epochs of a training, the first first: ``history[-1]["loss"]["kind"]``."""

    def __init__(self, items: Sequence[dict[str, Any]], path: Path | None = None) -> None:
        """
        Args:
            path: the run folder.
        """
        super().__init__(items)
        self.path = path

    @property
    def kept(self) -> dict[str, Any] | None:
        """The row of the epoch whose weights are kept; None before the first."""
        return next((row for row in reversed(self) if row["kept"]), None)

    def headline(self) -> str:
        kept = self.kept
        end = f"; the weights of epoch {kept['epoch']} are kept" if kept else ""
        return f"{len(self)} epoch{'s' if len(self) != 1 else ''}{end}"

    def rows(self) -> list[Row]:
        """One for each epoch: ``epoch, skill, kept, seconds``, the loss of each task as ``kind loss`` and its
        validation metrics as ``kind accuracy``.
        """
        return [
            {
                "epoch": row["epoch"],
                "skill": row["skill"],
                "kept": row["kept"],
                "seconds": row["seconds"],
                **{f"{task} loss": value for task, value in (row.get("loss") or {}).items()},
                **{
                    f"{task} {metric}": value
                    for task, metrics in (row.get("validation") or {}).items()
                    for metric, value in metrics.items()
                },
            }
            for row in self
        ]

    def shown_rows(self) -> list[Row]:
        """Of the validation metrics only the primary one of each task: a prompt has no room for more."""
        primary = {
            f"{task} {metric}"
            for row in self
            for task, metrics in (row.get("validation") or {}).items()
            for metric in list(metrics)[:1]
        }
        fixed = {"epoch", "skill", "kept", "seconds"}
        return [{key: value for key, value in row.items() if key in fixed | primary} for row in self.rows()]

    def page(self) -> str:
        """The curves of the training."""
        from oneglance.evaluation.reports.learning_curves import history_page

        return history_page(self, title=self.path.resolve().name if self.path else "training")
