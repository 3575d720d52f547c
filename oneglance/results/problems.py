"""What ``check`` and ``convert`` give back: everything that is wrong with a data set."""

from __future__ import annotations

import html
from pathlib import Path

from oneglance.data.inspection.checks import summary
from oneglance.errors import Problem
from oneglance.result import ResultList, Row, framed
from oneglance.results.overview import Overview


class Problems(ResultList[Problem]):
    """Problems, each with ``location``, ``what``, ``hint``, ``kind`` and ``fatal``. Empty where all is
    well. ``overview`` counts what was looked at: pictures, parts and answers; None where nobody asked.
    ``fixed`` is the table that ``check`` wrote; None where it wrote none.
    """

    overview: Overview | None = None
    fixed: Path | None = None

    @property
    def fatal(self) -> Problems:
        """Those that stop a training."""
        return Problems([problem for problem in self if problem.fatal])

    def summary(self) -> list[str]:
        """Lines for people: fatal ones first, and those of one kind together."""
        return summary(self)

    def headline(self) -> str:
        count = {0: "no problems", 1: "1 problem"}.get(len(self), f"{len(self):,} problems")
        fatal = len(self.fatal)
        return f"{count}, {fatal:,} of them fatal" if fatal else count

    def rows(self) -> list[Row]:
        """One for each: ``location, what, hint, kind, fatal``."""
        return [
            {
                "location": problem.location,
                "what": problem.what,
                "hint": problem.hint,
                "kind": problem.kind,
                "fatal": problem.fatal,
            }
            for problem in self
        ]

    def __repr__(self) -> str:
        return "\n".join([self.headline(), *self.summary()])

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{html.escape(line)}</li>" for line in self.summary())
        return framed(f"<p>{html.escape(self.headline())}</p>" + (f"<ul>{lines}</ul>" if lines else ""))
