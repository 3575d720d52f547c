"""The processes of a training, and what they tell each other. One alone, the usual case, has nobody to tell.

Each process takes its share of a batch through the network. The raw outputs and targets of all are gathered,
and every process computes the losses of the whole batch: a loss may compare pictures with each other or
divide by the number of known answers, a balancer may ask for anything, and all of it is what one process
would have with the whole batch. Backward goes through the own share alone, and the gradients of the weights
are summed. Only batch norm sees the share instead of the batch.

Why not DistributedDataParallel: it takes the mean of losses that each process computed from its share, which
is another function where answers are missing or pictures are compared; and it takes one backward pass, while
balancers take one for each task.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from torch import Tensor, nn

from oneglance.batch_transform import Mix
from oneglance.errors import ConfigError

Value = TypeVar("Value")
Targets = dict[str, dict[str, Tensor]]


class Ranks:
    """This process, alone. ``ProcessGroup`` is one of several."""

    number = 0  # of this process
    count = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes, shows and decides."""
        return self.number == 0

    def seed(self, seed: int) -> int:
        """For what each process draws for its own pictures."""
        return seed

    def share(self, rows: np.ndarray) -> np.ndarray:
        """Those of this process, of the rows of a batch or a split. The shares differ by at most one."""
        return rows

    @contextmanager
    def first_on_machine_first(self) -> Iterator[None]:
        """Within the block the first process of each machine makes what the others then find there."""
        yield

    def same(self, value: Value) -> Value:
        """The value of the first process."""
        return value

    def joined(
        self, raw: Mapping[str, Tensor], targets: Targets, mix: Mix | None, views: int = 1
    ) -> tuple[Mapping[str, Tensor], Targets, Mix | None]:
        """Raw outputs, targets and mix of the whole batch; backward goes to the own rows of ``raw``.

        Args:
            views: how often each picture comes, one view of all after the other.
        """
        return raw, targets, mix

    def gathered(self, rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Arrays [k, ...] of the shares of a split as those of the whole split."""
        return dict(rows)

    def sum_(self, tensor: Tensor) -> Tensor:
        """``tensor``, now the sum over all processes."""
        return tensor

    def sum_gradients(self, network: nn.Module) -> None:
        """The gradient of every weight becomes the sum over all processes."""

    def average_statistics(self, *networks: nn.Module) -> None:
        """The statistics of the batch norms become the mean over all processes."""

    def start_alike(self, *networks: nn.Module) -> None:
        """All processes go on from the weights of the first."""


ALONE = Ranks()


def refuse_small_shares(count: int, pictures: int) -> None:
    """Batch norm needs two pictures in every process.

    Raises:
        ConfigError: ``count`` processes cannot share batches of so many ``pictures``.
    """
    if count > 1 and pictures < 2 * count:
        raise ConfigError(
            f"{count} processes cannot share batches of {pictures} pictures: each needs two of them",
            hint="fewer --workers, or a larger training.batch",
        )
