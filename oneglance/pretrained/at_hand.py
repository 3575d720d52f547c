"""Which pretrained weights lie on this machine: in packages, in caches of the hub and of torch, in a folder.

Nothing is loaded, and nothing is asked of the internet.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from oneglance.nn.packaged_weights import PACKAGED

FOLDER = "ONEGLANCE_WEIGHTS"  # the variable of the environment that names a folder of files of weights
FILES = (".safetensors", ".pth", ".pt")
IN_THE_HUB = ("model.safetensors", "pytorch_model.bin")  # what timm looks for, the first first


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A file of pretrained weights."""

    name: str  # of [backbone]; "": the file's name is that of no model
    origin: str  # "package", "hub", "torch" or "folder"
    path: Path

    @property
    def weights(self) -> str:
        """What [backbone] weights says of it; "": nothing, for the name alone finds it."""
        return "" if self.origin in ("package", "hub", "torch") else str(self.path)


def weights_files() -> Iterator[WeightsFile]:
    """All that is at hand, those of packages first; of each place in the order of names."""
    for name, packaged in PACKAGED.items():
        if path := packaged.path():
            yield WeightsFile(name, "package", path)
    yield from _of_the_hub()
    yield from _of_torch()
    yield from _of_the_folder()


def _of_the_hub() -> Iterator[WeightsFile]:
    from huggingface_hub import constants

    for repository in _sorted(Path(constants.HF_HUB_CACHE), "models--timm--*"):
        name = repository.name.removeprefix("models--timm--")
        files = (path for file in IN_THE_HUB for path in sorted(repository.glob(f"snapshots/*/{file}")))
        if path := next((path for path in files if path.is_file()), None):
            yield WeightsFile(name if _is_model(name) else "", "hub", path)


def _of_torch() -> Iterator[WeightsFile]:
    """Files that timm fetched from addresses of its own; they have the names that these end in."""
    import timm
    import torch

    files = [path for path in _sorted(Path(torch.hub.get_dir()) / "checkpoints", "*") if path.suffix in FILES]
    if not files:
        return
    names: dict[str, str] = {}
    for name in timm.list_pretrained():
        config = timm.get_pretrained_cfg(name)
        if config is not None and config.url:
            names.setdefault(config.url.rpartition("/")[2], name)
    for path in files:
        yield WeightsFile(names.get(path.name, ""), "torch", path)


def _of_the_folder() -> Iterator[WeightsFile]:
    named = os.environ.get(FOLDER, "")
    for path in _sorted(Path(named).expanduser(), "*") if named else ():
        if path.suffix in FILES:
            yield WeightsFile(path.stem if _is_model(path.stem) else "", "folder", path)


def _sorted(folder: Path, pattern: str) -> list[Path]:
    """What lies there; nothing where the folder is missing or closed to us."""
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def _is_model(name: str) -> bool:
    import timm

    return name in PACKAGED or bool(timm.is_model(name))
