"""Every picture once per epoch, with its own answers, in an order that seed and epoch decide."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oneglance.data.images.decoding.streamed_order import StreamedOrder
from oneglance.errors import PictureError
from oneglance.training.data_loader import Batch, BatchLoader

CPU = torch.device("cpu")
quick = settings(deadline=None, max_examples=50)


class Numbered:
    """A store whose picture ``row`` is full of ``row``; it notes what was announced."""

    order: StreamedOrder | None = None

    def __init__(self) -> None:
        self.announced: list[list[int]] = []
        self.failures: dict[int, PictureError] = {}

    def gather(self, rows: np.ndarray) -> np.ndarray:
        return np.broadcast_to(rows.astype(np.uint8)[:, None, None, None], (len(rows), 4, 4, 3)).copy()

    def announce(self, batches: Sequence[np.ndarray], reading: np.ndarray | None = None) -> None:
        self.announced.append([row for rows in batches for row in rows.tolist()])


def batches(rows: np.ndarray, size: int, store: object | None = None) -> BatchLoader:
    targets = {
        "kind": {"class": np.asarray(rows) * 10},
        "style": {"present": np.stack([rows, rows + 1], axis=1), "labelled": np.ones((len(rows), 2))},
    }
    return BatchLoader(store or Numbered(), rows, targets, size, CPU)  # type: ignore[arg-type]


def rows_of(batch: Batch) -> list[int]:
    return batch.pictures[:, 0, 0, 0].tolist()


def order(found: list[Batch]) -> list[int]:
    return [row for batch in found for row in rows_of(batch)]


some = st.integers(1, 60), st.integers(1, 20), st.integers(0, 2**40), st.integers(0, 50)


@quick
@given(*some)
def test_every_picture_once_per_epoch(count: int, size: int, seed: int, epoch: int) -> None:
    rows = np.random.default_rng(1).permutation(100)[:count]
    part = batches(rows, size)
    found = list(part.shuffled(seed, epoch))
    assert sorted(order(found)) == sorted(rows.tolist())
    sizes = [len(batch.pictures) for batch in found]
    assert max(sizes) <= size and max(sizes) - min(sizes) <= 1
    assert len(found) == len(part) == -(-count // size)


@quick
@given(*some, st.integers(0, 60))
def test_a_start_goes_on_where_it_stopped(count: int, size: int, seed: int, epoch: int, start: int) -> None:
    part = batches(np.arange(count), size)
    found = [rows_of(batch) for batch in part.shuffled(seed, epoch)]
    assert [rows_of(batch) for batch in part.shuffled(seed, epoch, start)] == found[start:]


@quick
@given(*some)
def test_answers_stay_with_their_pictures(count: int, size: int, seed: int, epoch: int) -> None:
    part = batches(np.random.default_rng(2).permutation(100)[:count], size)
    for batch in [*part.shuffled(seed, epoch), *part.in_order()]:
        rows = torch.tensor(rows_of(batch))
        assert torch.equal(batch.targets["kind"]["class"], rows * 10)
        assert torch.equal(batch.targets["style"]["present"], torch.stack([rows, rows + 1], dim=1))


def test_seed_and_epoch_decide_the_order_and_nothing_else() -> None:
    rows = np.arange(50)
    first = order(list(batches(rows, 8).shuffled(3, 4)))
    np.random.default_rng(0).random(5)
    torch.rand(3)
    assert order(list(batches(rows, 8).shuffled(3, 4))) == first
    assert order(list(batches(rows, 13).shuffled(3, 4))) == first
    others = [order(list(batches(rows, 8).shuffled(*pair))) for pair in ((3, 5), (4, 4), (4, 3))]
    assert first not in others and first != rows.tolist()


def test_in_order() -> None:
    rows = np.array([7, 3, 9, 1, 4])
    assert order(list(batches(rows, 2).in_order())) == rows.tolist()


def test_pictures_are_channels_last() -> None:
    batch = next(batches(np.arange(4), 4).in_order())
    assert batch.pictures.shape == (4, 3, 4, 4) and batch.pictures.dtype == torch.uint8
    assert batch.pictures.is_contiguous(memory_format=torch.channels_last)


def test_features_come_as_they_are() -> None:
    class FeatureCache:
        order, failures = None, dict[int, PictureError]()

        def announce(self, batches: Sequence[np.ndarray], reading: np.ndarray | None = None) -> None:
            pass

        def gather(self, rows: np.ndarray) -> np.ndarray:
            return np.stack([rows, -rows], axis=1).astype(np.float32)

    batch = next(batches(np.array([2, 5]), 2, FeatureCache()).in_order())
    assert batch.pictures.tolist() == [[2, -2], [5, -5]]


@pytest.mark.parametrize("start", [0, 2])
def test_a_store_is_told_what_will_be_asked_of_it(start: int) -> None:
    """A stream decodes ahead."""
    store = Numbered()
    found = order(list(batches(np.arange(10), 3, store).shuffled(0, 0, start)))
    assert store.announced == [found]
