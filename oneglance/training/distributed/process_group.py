"""One of several processes of a training, which a launcher has started: torchrun, SLURM, Ray or ours.

They find each other by the environment that torch defines: ``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``,
``LOCAL_WORLD_SIZE``, ``MASTER_ADDR`` and ``MASTER_PORT``. Gloo connects CPUs, NCCL GPUs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from itertools import accumulate
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from oneglance.batch_transform import Mix
from oneglance.errors import ConfigError, RunError
from oneglance.training.distributed.ranks import ALONE, Ranks, Targets, Value

PATIENCE = timedelta(hours=12)  # with others: one may read and decode all pictures, or score a large split
NUMBER, COUNT = "RANK", "WORLD_SIZE"


class ConnectionLostError(RunError):
    """Another process of the training ended, or cannot be reached any more."""


@contextmanager
def _connected() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # gloo raises nothing more special
        if "out of memory" in str(error):
            raise
        raise ConnectionLostError(
            "the connection to another process of this training is lost",
            hint="the message of the process that ended first says why; then go on with --resume",
        ) from error


@contextmanager
def ranks_of_environment() -> Iterator[Ranks]:
    """All processes of this training; this one alone where no launcher started it.

    Raises:
        ConfigError: the environment names a process group that cannot be.
    """
    count, number = _number(COUNT, 1), _number(NUMBER, 0)
    if count == 1:
        yield ALONE
        return
    if not number < count:
        raise ConfigError(f"{NUMBER} is {number} and {COUNT} is {count}", hint="a launcher sets both")
    local = _number("LOCAL_RANK", number)
    here = _number("LOCAL_WORLD_SIZE", count)
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(local % torch.cuda.device_count())
    if "OMP_NUM_THREADS" not in os.environ:  # else somebody has said how many each process may take
        torch.set_num_threads(max(1, torch.get_num_threads() // here))
    if dist.is_initialized():  # by Ray, which also ends it
        yield ProcessGroup(number, count, local)
        return
    with _connected():
        dist.init_process_group("nccl" if on_gpu else "gloo", timeout=PATIENCE)
    try:
        yield ProcessGroup(number, count, local)
    finally:
        dist.destroy_process_group()


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdigit() else default


class ProcessGroup(Ranks):
    """One process of a group that torch has connected."""

    def __init__(self, number: int, count: int, local: int) -> None:
        self.number, self.count, self._local = number, count, local

    def seed(self, seed: int) -> int:
        if self.is_first:
            return seed
        return int(np.random.SeedSequence([seed, self.number]).generate_state(1)[0])

    def share(self, rows: np.ndarray) -> np.ndarray:
        first, end = (len(rows) * number // self.count for number in (self.number, self.number + 1))
        return rows[first:end]

    @contextmanager
    def first_on_machine_first(self) -> Iterator[None]:
        if self._local:
            self._barrier()
        yield
        if not self._local:
            self._barrier()

    def same(self, value: Value) -> Value:
        holder: list[Any] = [value]
        with _connected():
            dist.broadcast_object_list(holder, src=0)
        return holder[0]  # type: ignore[no-any-return]

    def joined(
        self, raw: Mapping[str, Tensor], targets: Targets, mix: Mix | None, views: int = 1
    ) -> tuple[Mapping[str, Tensor], Targets, Mix | None]:
        columns = [*(each.detach() for each in raw.values())]
        columns += [value for target in targets.values() for value in target.values()]
        own = len(columns[0])
        columns.append(mix.partner if mix is not None else torch.arange(own, device=columns[0].device))
        counts, parts = self._exchanged(columns)
        starts = [0, *accumulate(counts)]
        for rows, start in zip(parts, starts, strict=False):
            rows[-1] = rows[-1] + start
        parts[self.number][: len(raw)] = list(raw.values())  # these alone lead backward
        order = _view_by_view(counts, starts, views)
        whole = iter([torch.cat(column) for column in zip(*parts, strict=True)])
        turned = [column if order is None else column[order.to(column.device)] for column in whole]
        answers = dict(zip(raw, turned, strict=False))
        rest = iter(turned[len(raw) :])
        known = {name: {key: next(rest) for key in target} for name, target in targets.items()}
        if mix is None:
            return answers, known, None
        partner = next(rest)
        if order is not None:
            partner = torch.argsort(order).to(partner.device)[partner]
        return answers, known, Mix(partner, mix.share)

    def gathered(self, rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        columns = [torch.from_numpy(np.ascontiguousarray(each)) for each in rows.values()]
        if torch.cuda.is_available():
            columns = [each.cuda() for each in columns]
        parts = zip(*self._exchanged(columns)[1], strict=True)
        return {name: torch.cat(part).cpu().numpy() for name, part in zip(rows, parts, strict=True)}

    def sum_(self, tensor: Tensor) -> Tensor:
        with _connected():
            dist.all_reduce(tensor)
        return tensor

    def sum_gradients(self, network: nn.Module) -> None:
        learned = [weight for weight in network.parameters() if weight.requires_grad]
        for weight in learned:
            if weight.grad is None:  # what had no answer in this share may have one in another
                weight.grad = torch.zeros_like(weight)
        gradients = [weight.grad for weight in learned if weight.grad is not None]
        sums = self.sum_(torch.cat([each.flatten() for each in gradients]))  # in one message
        # Copied: fused optimizers take it for granted that gradients lie in memory as their weights do.
        for each, summed in zip(gradients, sums.split([each.numel() for each in gradients]), strict=True):
            each.copy_(summed.view_as(each))

    def average_statistics(self, *networks: nn.Module) -> None:
        buffers = [each for network in networks for each in network.buffers() if each.is_floating_point()]
        if buffers:
            flat = self.sum_(torch.cat([each.flatten().float() for each in buffers]))
            means = (flat / self.count).split([each.numel() for each in buffers])
            for each, mean in zip(buffers, means, strict=True):
                each.copy_(mean.view_as(each))

    def start_alike(self, *networks: nn.Module) -> None:
        for network in networks:
            for tensor in network.state_dict().values():
                with _connected():
                    dist.broadcast(tensor, src=0)

    def _barrier(self) -> None:
        with _connected():
            dist.barrier()

    def _of_all(self, tensor: Tensor) -> list[Tensor]:
        """``tensor`` of every process, all of the same shape."""
        received = [torch.empty_like(tensor) for _ in range(self.count)]
        with _connected():
            dist.all_gather(received, tensor)
        return received

    def _exchanged(self, columns: list[Tensor]) -> tuple[list[int], list[list[Tensor]]]:
        """The rows of every process, and its ``columns`` [rows, ...]: as bytes, in one message."""
        own = len(columns[0])
        flat = [column.contiguous().view(own, column[0].numel()).view(torch.uint8) for column in columns]
        packed = torch.cat(flat, dim=1)
        counts_here = torch.tensor([own], device=packed.device)
        counts = [int(each) for each in self._of_all(counts_here)]
        padded = packed.new_zeros(max(counts), packed.shape[1])
        padded[:own] = packed
        received = self._of_all(padded)
        widths = [each.shape[1] for each in flat]
        parts = []
        for count, rows in zip(counts, received, strict=True):
            cut = rows[:count].split(widths, dim=1)
            parts.append(
                [
                    piece.clone().view(column.dtype).view(count, *column.shape[1:])
                    for piece, column in zip(cut, columns, strict=True)
                ]
            )
        return counts, parts


def _view_by_view(counts: list[int], starts: list[int], views: int) -> Tensor | None:
    """The order of gathered rows in which the first view of all pictures comes before the second."""
    if views == 1:
        return None
    return torch.cat(
        [
            torch.arange(start + count * view // views, start + count * (view + 1) // views)
            for view in range(views)
            for count, start in zip(counts, starts, strict=False)
        ]
    )
