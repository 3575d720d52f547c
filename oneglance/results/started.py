"""What ``start`` gives back."""

from __future__ import annotations

from oneglance.result import Result, Row
from oneglance.results.report import Report


class Started(Result):
    """``{"config", "run", "report", "chosen", "seconds", "peak_mb"}``: the configuration that was written or
    used, the run folder, the scores as ``evaluate`` gives them, what was chosen, and what it took.
    """

    @property
    def report(self) -> Report:
        """The scores."""
        return Report(self["report"])

    def longer(self) -> str:
        """A ``--set`` with which the run goes on to twice as many epochs, or minutes."""
        key = "minutes" if self["chosen"].get("minutes") else "epochs"
        return f"training.{key}={2 * self['chosen'][key]:g}"

    def headline(self) -> str:
        return f"{self['run']}: {self.report.headline()}, {self['seconds']:.0f} s, {self['peak_mb']:.0f} MB"

    def rows(self) -> list[Row]:
        """The scores, as those of ``Report``."""
        return self.report.rows()
