"""What ``merge`` gives back: the file, and what went into it."""

from __future__ import annotations

from pathlib import Path

from oneglance.result import Result, Row


class Merged(Result):
    """``{"file": "answers.csv", "shards": 16, "pictures": 120000}``."""

    @property
    def file(self) -> Path:
        """Where it is."""
        return Path(self["file"])

    def headline(self) -> str:
        return f"{self.file}: {self['pictures']:,} pictures from {self['shards']} shards"

    def rows(self) -> list[Row]:
        """None: the line says it all."""
        return []
