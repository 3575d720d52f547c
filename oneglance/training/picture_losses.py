"""How large the losses of each training picture are, epoch by epoch. Those of wrong answers stay large, for
they are learned last (Pleiss et al. 2020, arXiv 2001.10528, who take the margin of a label; every type of
task has a loss).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from oneglance.data.dataset import SplitData
from oneglance.storage.picture_losses import KeptLosses, read_losses, write_losses
from oneglance.storage.run_folder import RunFolder

MOST = 1_000_000  # pictures; of more, nothing is kept


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
        values = self.values.cpu().numpy().astype(np.float16)
        self.values.fill_(torch.nan)
        return values


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

    def add(self, losses: np.ndarray | None) -> None:
        """One more, as ``PictureLosses.take`` gives it; None where nothing is kept."""
        if losses is not None:
            self._epochs.append(losses)
        if any(np.isfinite(epoch).any() for epoch in self._epochs):  # not where all pictures are mixed
            whole = np.stack(self._epochs, axis=1)  # [tasks, epochs, pictures]
            write_losses(self._folder, KeptLosses(self._names, dict(zip(self._tasks, whole, strict=True))))
