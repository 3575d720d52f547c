"""What ``export`` gives back: the file, and how its answers compare with the run's."""

from __future__ import annotations

from pathlib import Path

from oneglance.result import Result, Row


class Exported(Result):
    """``exported.file`` is the file that was written."""

    @property
    def file(self) -> Path:
        """Where it is."""
        return Path(self["file"])

    @property
    def format(self) -> str:
        """``onnx`` or ``torch``."""
        return str(self["format"])

    @property
    def precision(self) -> str:
        """``fp32``, ``fp16`` or ``int8``."""
        return str(self["precision"])

    @property
    def bytes(self) -> int:
        """Its size."""
        return int(self["bytes"])

    def headline(self) -> str:
        pictures = f"{self['pictures']} {'drawn' if self['drawn'] else 'validation'} pictures"
        return f"{self.file}: {self.bytes / 1e6:.1f} MB, compared with the run on {pictures}"

    def rows(self) -> list[Row]:
        """One for each task: ``task, metric, run, file, disagreement``: its primary metric in the run and
        in the file, and by how much their raw outputs differ at most, as a share of the largest.
        """
        tasks = dict.fromkeys([*self["scores"], *self["disagreement"]])
        return [
            {
                "task": task,
                "metric": self["scores"].get(task, {}).get("metric"),
                "run": self["scores"].get(task, {}).get("run"),
                "file": self["scores"].get(task, {}).get("file"),
                "disagreement": self["disagreement"].get(task),
            }
            for task in tasks
        ]
