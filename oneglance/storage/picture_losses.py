"""losses.safetensors of a run folder: the loss of each training picture in each epoch, for ``suspects``."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import TypeAdapter
from safetensors.torch import save

from oneglance.storage.atomic_files import write_bytes
from oneglance.storage.run_files import OtherForm, in_form
from oneglance.storage.run_folder import RunFolder

FILE = "losses.safetensors"
TEXTS = TypeAdapter(list[str])
NAMES, TASK = "names", "task "  # of the tensors: the pictures, and what goes before the name of a task


@dataclass(frozen=True)
class KeptLosses:
    """What is kept of a training."""

    names: list[str]  # of n pictures
    tasks: dict[str, np.ndarray]  # float16 [epochs, n], relative to nothing; NaN: unknown

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
