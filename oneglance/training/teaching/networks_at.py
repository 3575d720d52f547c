"""The finished networks that a path holds: a run folder, a folder of ``combine`` or an .onnx file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from oneglance.errors import RunError
from oneglance.inference.combined.opening import open_answering
from oneglance.inference.predictor import Predictor
from oneglance.storage.combined_folder import CombinedFolder
from oneglance.storage.plain_files import is_file, is_folder
from oneglance.storage.run_files import COMBINED
from oneglance.storage.run_folder import RunFolder


@dataclass(frozen=True)
class NetworkAt:
    """One of them, not opened yet."""

    title: str
    path: Path
    run: RunFolder | None  # None: an .onnx file
    rename: Mapping[str, str] = field(default_factory=dict)  # own name of a task -> its name among all

    def opened_file(self, device: str, passes: int = 0) -> Predictor:
        """The network of an .onnx file.

        Raises:
            RunError: there is none, or several.
        """
        answering = open_answering(self.path, device=device, passes=passes)
        if not isinstance(answering, Predictor):
            raise RunError(
                "holds several networks in one file, which cannot teach",
                location=str(self.path),
                hint="name the folder of combine that it was written from, or the runs in it",
            )
        return answering

    def task_names(self) -> Collection[str]:
        """The names of its tasks among all."""
        if self.run is None:
            return list(self.opened_file("cpu", passes=1).tasks)
        return [self.rename.get(name, name) for name in self.run.answering_config().tasks]


def networks_at(path: Path, title: str) -> list[NetworkAt]:
    """Those at ``path``, which is called ``title`` in messages.

    Raises:
        RunError: there is none.
    """
    if is_file(path / COMBINED):
        return [
            NetworkAt(f"{title}/networks/{one.name}", one.run.path, one.run, one.rename)
            for one in CombinedFolder.open(path).networks
        ]
    if path.suffix.lower() == ".onnx" and not is_folder(path):
        return [NetworkAt(title, path, None)]
    return [NetworkAt(title, path, RunFolder.open(path))]
