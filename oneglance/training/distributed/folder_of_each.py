"""The run folder, which one process writes; each other one works in a copy that nobody keeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from oneglance.storage.run_folder import RunFolder
from oneglance.training.distributed.ranks import Ranks

LEFT_OUT = {".html", ".onnx", ".lock", ".png"}  # endings of what no training reads


@contextmanager
def folder_of_each(ranks: Ranks, opened: AbstractContextManager[RunFolder]) -> Iterator[RunFolder]:
    """The folder to read from and write to in this process. The copy comes through the connection, so
    machines need no disk in common.

    Args:
        opened: the run folder, for the first process alone.
    """
    if ranks.is_first:
        with opened as folder:
            if ranks.count > 1:
                ranks.same(_files(folder.path))
            yield folder
        return
    files: dict[str, bytes] = ranks.same({})
    with TemporaryDirectory(prefix="oneglance-") as scratch:
        for name, content in files.items():
            (Path(scratch) / name).write_bytes(content)
        yield RunFolder(scratch)


def _files(folder: Path) -> dict[str, bytes]:
    plain = (path for path in folder.iterdir() if path.is_file() and path.suffix not in LEFT_OUT)
    return {path.name: path.read_bytes() for path in plain}
