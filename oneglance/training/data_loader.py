"""Pictures and encoded answers of one split, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from oneglance.data.images.decoding.streamed_order import StreamedOrder
from oneglance.errors import DataError, PictureError
from oneglance.nn.repeated_rows import Encoded, Rows, rows_on
from oneglance.training.source_sampler import Sampler, SourceSampler

Targets = dict[str, dict[str, Tensor]]


class Batch(NamedTuple):
    """n pictures and their targets."""

    pictures: Tensor  # uint8 [n, 3, h, w] on the device (channels last), or features [n, d]
    targets: Targets  # by task and name; the first axis is the picture
    places: np.ndarray | None = None  # int64 [n]: which pictures of the split they are


class Store(Protocol):
    """Where batches come from: the cache, a stream of files, or features kept in memory."""

    @property
    def order(self) -> StreamedOrder | None:
        """How an epoch is mixed where pictures are read in turn; None: in any way."""

    @property
    def failures(self) -> Mapping[int, PictureError]:
        """By row: pictures that cannot be decoded, as far as is known."""

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """What lies in int64 ``rows`` [k]: uint8 pictures [k, h, w, 3] or float32 features [k, d]."""

    def announce(self, batches: Sequence[np.ndarray], reading: np.ndarray | None = None) -> None:
        """The int64 rows [k] of each batch that is asked for next, so that it can be fetched ahead.

        Args:
            reading: int64, of each row of all of them: when it is best read.
        """


class PictureStore(Store, Protocol):
    """One that holds pictures."""

    def sizes(self, rows: np.ndarray) -> np.ndarray:
        """Width and height in pixels of the upright pictures: int32 [k, 2]."""


class BatchLoader:
    """One split of the data.

    Args:
        rows: int64 [n], the split's rows in ``store``.
        targets: encoded answers of the split, by task, aligned with ``rows``.
        size: pictures per batch, unless the sampler has quotas; the batches of an epoch differ by at most
            one picture.
        sampler: which pictures an epoch holds; default: each once.
    """

    def __init__(
        self,
        store: Store,
        rows: np.ndarray,
        targets: Mapping[str, Encoded],
        size: int,
        device: torch.device,
        sampler: Sampler | None = None,
    ) -> None:
        self.store, self.rows, self.device = store, rows, device
        self.sampler: Sampler = sampler or SourceSampler([""] * len(rows))
        self.size = size
        self.steps: int | None = None  # of an epoch, where that is to be less than what the sampler draws
        self.share: Callable[[np.ndarray], np.ndarray] = np.asarray  # of each batch, what this process takes
        self.targets: Mapping[str, Mapping[str, Rows]] = {
            name: {key: rows_on(device, value) for key, value in target.items()}
            for name, target in targets.items()
        }

    def __len__(self) -> int:
        """Batches of an epoch."""
        return min(self.steps or self.whole, self.whole)

    @property
    def whole(self) -> int:
        """Batches of all that the sampler draws."""
        return self.sampler.steps(self.size)

    @property
    def largest(self) -> int:
        """Pictures of the largest batch of an epoch."""
        return -(-len(self.sampler) // max(1, self.whole))

    def shuffled(self, seed: int, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of ``epoch`` from ``start`` on; the order depends on seed and epoch alone. A picture
        that turns out to be unreadable is left out of its batch. An epoch that is less than all the sampler
        draws goes on where the one before it ended.

        Raises:
            DataError: fewer than two pictures of a batch can be read.
        """
        step, end = epoch * len(self) + start, (epoch + 1) * len(self)
        while step < end:
            draw, first = divmod(step, self.whole)
            count = min(self.whole - first, end - step)
            yield from self._drawn(np.random.default_rng([seed, draw]), first, count)
            step += count

    def _drawn(self, random: np.random.Generator, start: int, count: int) -> Iterator[Batch]:
        """``count`` batches from ``start`` on of what the sampler draws with ``random``."""
        order, reading = self.sampler.epoch(random), None
        if self.store.order is not None:
            kinds = self.sampler.kinds
            kinds = None if kinds is None else kinds[order]
            places, reading = self.store.order.arranged(self.rows[order], kinds, random)
            order = order[places]
        parts = self._shares(order, start, count)
        if reading is not None:
            reading = np.concatenate(self._shares(reading, start, count))
        yield from self._batches(parts, reading, leave_out=True)

    def _shares(self, pictures: np.ndarray, start: int, count: int) -> list[np.ndarray]:
        """What this process takes of each of ``count`` batches from ``start`` on; views of ``pictures``."""
        return [self.share(each) for each in np.array_split(pictures, self.whole)[start : start + count]]

    def in_order(self, share: Callable[[np.ndarray], np.ndarray] = np.asarray) -> Iterator[Batch]:
        """Every picture once, in the order of ``rows``; or of ``share`` of these places [k]."""
        places = share(np.arange(len(self.rows)))
        count = -(-len(places) // self.size)
        yield from self._batches(np.array_split(places, max(1, count)))

    def targets_at(self, places: np.ndarray) -> Targets:
        """The targets of the pictures at ``places`` of ``rows``, int64 [k]."""
        chosen = torch.from_numpy(places).to(self.device)
        return {
            name: {key: value[chosen] for key, value in target.items()}
            for name, target in self.targets.items()
        }

    def _batches(
        self, batches: list[np.ndarray], reading: np.ndarray | None = None, leave_out: bool = False
    ) -> Iterator[Batch]:
        self.store.announce([self.rows[indices] for indices in batches], reading)
        for indices in batches:
            gathered = self.store.gather(self.rows[indices])
            kept = self._readable(self.rows[indices]) if leave_out else slice(None)
            pictures = torch.from_numpy(gathered[kept])
            if pictures.ndim == 4:
                pictures = pictures.permute(0, 3, 1, 2)  # stays channels last in memory
            places = indices[kept]
            yield Batch(pictures.to(self.device, non_blocking=True), self.targets_at(places), places)

    def _readable(self, rows: np.ndarray) -> np.ndarray | slice:
        """Which pictures of a batch, whose rows are given, can be learned from."""
        if not self.store.failures:
            return slice(None)
        kept: np.ndarray = np.isin(rows, list(self.store.failures), invert=True)
        if kept.sum() < min(2, len(kept)):
            lost = self.store.failures[int(rows[~kept][0])]
            what = (
                f"{(~kept).sum()} of the {len(kept)} pictures of a batch cannot be read; this one {lost.what}"
            )
            raise DataError(what, location=lost.location, hint="is the drive or the network still there?")
        return kept
