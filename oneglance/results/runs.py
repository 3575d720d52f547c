"""What ``runs`` gives back: the run folders of a folder."""

from __future__ import annotations

from typing import Any

from oneglance.result import ResultList, Row


class Runs(ResultList[dict[str, Any]]):
    """A row for each run folder, by name."""

    def headline(self) -> str:
        return f"{len(self)} run{'s' if len(self) != 1 else ''}"

    def rows(self) -> list[Row]:
        """One for each run: ``run, state, backbone, epochs, best_epoch, skill``, the primary validation
        metric of each task at that epoch, and ``seconds``.
        """
        plain = ("run", "state", "backbone", "epochs", "best_epoch", "skill")
        return [
            {**{key: run[key] for key in plain}, **run["scores"], "seconds": run["seconds"]} for run in self
        ]
