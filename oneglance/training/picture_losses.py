"""How large the losses of each training picture are, epoch by epoch. Those of wrong answers stay large, for
they are learned last (Pleiss et al. 2020, arXiv 2001.10528, who take the margin of a label; every type of
task has a loss).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from pydantic import TypeAdapter
from safetensors.torch import save
from torch import Tensor

from oneglance.data.dataset import SplitData
from oneglance.storage.atomic_files import write_bytes
from oneglance.storage.run_files import OtherForm, in_form
from oneglance.storage.run_folder import RunFolder

MOST = 1_000_000  # pictures; of more, nothing is kept
LARGEST = 60_000.0  # that float16 holds, and more
FILE = "losses.safetensors"
TEXTS = TypeAdapter(list[str])
NAMES, TASK = "names", "task "  # of the tensors: the pictures, and what goes before the name of a task


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


def write_losses(run: RunFolder, losses: KeptLosses) -> None:
    """Replace the file at once."""
    text = bytearray(json.dumps(losses.names).encode())
    tensors = {NAMES: torch.frombuffer(text, dtype=torch.uint8)}
    tensors |= {TASK + name: torch.from_numpy(values) for name, values in losses.tasks.items()}
    write_bytes(run / FILE, save(tensors))


def read_losses(run: RunFolder) -> KeptLosses | None:
    """None for a run that kept none.

    Raises:
        RunError: the file is damaged.
    """
    if not (run / FILE).exists():
        return None
    tensors = run.tensors(FILE)
    with run.whole(FILE):
        names = in_form(json.loads(tensors.pop(NAMES).numpy().tobytes()), TEXTS)
        tasks = {name.removeprefix(TASK): tensor.numpy() for name, tensor in tensors.items()}
        if any(values.dtype != np.float16 or values.shape[1:] != (len(names),) for values in tasks.values()):
            raise OtherForm("it holds something else than a loss for each picture")
    return KeptLosses(names, tasks)


class LossLog:
    """All epochs of a training so far, in its run folder."""

    def __init__(self, folder: RunFolder, tasks: Sequence[str], training: SplitData) -> None:
        self._folder, self._tasks, self._training = folder, tasks, training
        self._epochs: list[np.ndarray] = []

    @cached_property
    def _names(self) -> list[str]:
        return [record.image.name for record in self._training.records]

    def go_on(self, epochs: int) -> None:
        """After so many of those that the folder knows; what is about other pictures or tasks is forgotten.

        Raises:
            RunError: the file is damaged.
        """
        kept = read_losses(self._folder)
        if kept is not None and set(kept.tasks) == set(self._tasks) and kept.names == self._names:
            whole = np.stack([kept.tasks[name] for name in self._tasks], axis=1)
            self._epochs = list(whole[:epochs])
        # Those of which nothing was known were not written.
        nothing = np.full((len(self._tasks), len(self._names)), np.nan, dtype=np.float16)
        self._epochs[:0] = [nothing] * (epochs - len(self._epochs))

    def add(self, losses: np.ndarray | None) -> None:
        """One more, as ``PictureLosses.take`` gives it; None where nothing is kept."""
        if losses is not None:
            self._epochs.append(losses)
        if any(np.isfinite(epoch).any() for epoch in self._epochs):  # not where all pictures are mixed
            whole = np.stack(self._epochs, axis=1)  # [tasks, epochs, pictures]
            write_losses(self._folder, KeptLosses(self._names, dict(zip(self._tasks, whole, strict=True))))
