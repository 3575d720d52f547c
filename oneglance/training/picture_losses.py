"""How large the losses of each training picture are, epoch by epoch. Those of wrong answers stay large, for
they are learned last (Pleiss et al. 2020, arXiv 2001.10528, who take the margin of a label; every type of
task has a loss).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from pydantic import TypeAdapter
from safetensors.torch import save
from torch import Tensor

from oneglance.data.dataset import SplitData
from oneglance.storage.atomic_files import make_folder, write_bytes
from oneglance.storage.run_files import OtherForm, in_form
from oneglance.storage.run_folder import RunFolder

MOST = 1_000_000  # pictures; of more, nothing is kept
LARGEST = 60_000.0  # that float16 holds, and more
FILE = "losses.safetensors"
FOLDER = "losses"  # of the epochs that are not in it yet
TEXTS = TypeAdapter(list[str])
NAMES, TASK = "names", "task "  # of the tensors: the pictures, or a digest; and what goes before a task


class PictureLosses:
    """Those of the epoch under way.

    Args:
        tasks, pictures: how many there are.
    """

    def __init__(self, tasks: int, pictures: int, device: torch.device) -> None:
        # float32 [tasks, pictures]; NaN: not yet seen, not answered, or mixed with another picture
        self.values = torch.full((tasks, pictures), torch.nan, device=device)

    def note(self, task: int, places: Tensor, loss: Tensor, labelled: Tensor) -> None:
        """
        Args:
            task: its number.
            places: int64 [n], of the first n pictures of a batch; further ones are other views of these.
            loss, labelled: [n or more, ...], as ``Task.loss`` gives them.
        """
        count = len(places)
        weight = labelled.detach()[:count].reshape(count, -1).float()
        sums = (loss.detach()[:count].reshape(count, -1).float() * weight).sum(1)
        total = weight.sum(1)
        self.values[task, places] = torch.where(total > 0, sums / total.clamp(min=1e-12), torch.nan)

    def take(self) -> np.ndarray:
        """All that was noted, float16 [tasks, pictures]; from now on nothing is."""
        values = self.values.clamp(max=LARGEST).cpu().numpy().astype(np.float16)
        self.values.fill_(torch.nan)
        return values


@dataclass(frozen=True)
class KeptLosses:
    """What is kept of a training."""

    names: list[str]  # of n pictures
    tasks: dict[str, np.ndarray]  # float16 [epochs, n], as the task counts them; NaN: unknown

    def mean(self, task: str) -> dict[str, float]:
        """The mean over all epochs, of each picture of which something is known. Where two pictures have one
        name nobody can tell them apart, and neither is there.
        """
        if task not in self.tasks:
            return {}
        values = self.tasks[task].astype(np.float64)
        known = np.isfinite(values)
        sums, counts = np.where(known, values, 0).sum(axis=0), known.sum(axis=0)
        named, rows = Counter(self.names), zip(self.names, sums.tolist(), counts.tolist(), strict=True)
        return {name: total / count for name, total, count in rows if count and named[name] == 1}


def read_losses(run: RunFolder) -> KeptLosses | None:
    """None for a run that kept none, or is not finished.

    Raises:
        RunError: the file is damaged.
    """
    if not (run / FILE).exists():
        return None
    tensors = run.tensors(FILE)
    with run.whole(FILE):
        names = in_form(json.loads(tensors.pop(NAMES).numpy().tobytes()), TEXTS)
        return KeptLosses(names, _by_task(tensors, len(names), dimensions=2))


def _by_task(tensors: Mapping[str, Tensor], pictures: int, dimensions: int) -> dict[str, np.ndarray]:
    tasks = {name.removeprefix(TASK): tensor.numpy() for name, tensor in tensors.items()}
    for values in tasks.values():
        if values.dtype != np.float16 or values.ndim != dimensions or values.shape[-1] != pictures:
            raise OtherForm("it holds something else than a loss for each picture")
    return tasks


class LossLog:
    """All epochs of a training so far, in its run folder: ``losses.safetensors``, and beside it a file for
    each epoch since that was written, so that an epoch costs the same however many came before.
    """

    def __init__(self, folder: RunFolder, tasks: Sequence[str], training: SplitData) -> None:
        self._folder, self._tasks, self._training = folder, tasks, training

    @cached_property
    def _names(self) -> list[str]:
        return [record.image.name for record in self._training.records]

    @cached_property
    def _text(self) -> bytes:
        return json.dumps(self._names).encode()

    @cached_property
    def _digest(self) -> bytes:
        """By it an epoch is known to be about these pictures."""
        return hashlib.blake2b(self._text, digest_size=16).digest()

    def add(self, epoch: int, losses: np.ndarray | None) -> None:
        """Keep one epoch.

        Args:
            epoch: its number, from 1.
            losses: as ``PictureLosses.take`` gives them; None where nothing is kept.
        """
        path = self._folder / _file_of(epoch)
        if losses is None or not np.isfinite(losses).any():  # all pictures were mixed
            path.unlink(missing_ok=True)
            return
        make_folder(path.parent)
        _write(path, self._digest, dict(zip(self._tasks, losses, strict=True)))

    def join(self, epochs: int) -> None:
        """The first so many epochs become one file, and nothing else stays: later ones come again, and what
        is about other pictures or tasks is forgotten.

        Raises:
            RunError: a file is damaged.
        """
        kept, folder = read_losses(self._folder), self._folder / FOLDER
        if kept is None and not folder.exists():
            return
        whole = {name: np.full((epochs, len(self._names)), np.nan, np.float16) for name in self._tasks}
        if kept is not None and kept.names == self._names and set(kept.tasks) == set(whole):
            for name, values in kept.tasks.items():
                whole[name][: len(values)] = values[:epochs]
        for epoch in range(1, epochs + 1):
            for name, losses in self._of(epoch).items():
                whole[name][epoch - 1] = losses
        if any(np.isfinite(values).any() for values in whole.values()):
            _write(self._folder / FILE, self._text, whole)
        else:
            (self._folder / FILE).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)

    def _of(self, epoch: int) -> dict[str, np.ndarray]:
        """float16 [pictures] by task, if the file of that epoch is there and about these."""
        name = _file_of(epoch)
        if not (self._folder / name).exists():
            return {}
        tensors = self._folder.tensors(name)
        with self._folder.whole(name):
            if tensors.pop(NAMES).numpy().tobytes() != self._digest:
                return {}
            tasks = _by_task(tensors, len(self._names), dimensions=1)
        return tasks if set(tasks) == set(self._tasks) else {}


def _file_of(epoch: int) -> str:
    return f"{FOLDER}/{epoch}.safetensors"


def _write(path: Path, names: bytes, tasks: Mapping[str, np.ndarray]) -> None:
    """Replace the file at once."""
    tensors = {NAMES: torch.frombuffer(bytearray(names), dtype=torch.uint8)}
    write_bytes(
        path, save(tensors | {TASK + name: torch.from_numpy(values) for name, values in tasks.items()})
    )
