"""An epoch that is read in turn and mixed: every picture, in stretches, through a buffer that is bounded."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from oneglance.data.images.decoding.streamed_order import STRETCH, StreamedOrder
from oneglance.data.images.references import FileImage, TarGzMember, TarMember
from oneglance.data.parsing.parquet import ParquetImage
from oneglance.data.record import ImageRef

quick = settings(deadline=None, max_examples=60)


def tars(count: int, each: int) -> list[ImageRef]:
    """``count`` tars with as many pictures."""
    return [TarMember(f"{n // each}.tar", f"{n}.jpg", 1000 * (n % each), 900) for n in range(count * each)]


def groups(count: int, each: int) -> list[ImageRef]:
    """One Parquet file with so many groups of rows."""
    return [ParquetImage("a.parquet", n // each, n % each, "image", n + 1) for n in range(count * each)]


def order_of(refs: list[ImageRef], buffer: int) -> StreamedOrder:
    order = StreamedOrder.of(refs, buffer)
    assert order is not None
    return order


def most_held(reading: np.ndarray) -> int:
    """Pictures that have been read and not used, at most, when each is read as late as possible."""
    return int((np.maximum.accumulate(reading) + 1 - np.arange(len(reading))).max())


drawn = st.tuples(
    st.integers(1, 400), st.integers(1, 300), st.integers(0, 99), st.integers(1, 3), st.booleans()
)


@quick
@given(drawn)
def test_every_picture_once_in_the_place_of_one_of_its_kind(case: tuple[int, int, int, int, bool]) -> None:
    count, buffer, seed, kinds, twice = case
    refs: list[ImageRef] = [*tars(2, 80), *groups(3, 50), *(FileImage(f"{n}.jpg", "") for n in range(90))]
    random = np.random.default_rng(seed)
    rows = random.permutation(len(refs))[:count]
    rows = np.concatenate([rows, rows[::3]]) if twice else rows
    kind = rows % kinds
    places, reading = order_of(refs, buffer).arranged(rows, kind, random)
    for numbers in (places, reading):
        assert sorted(numbers.tolist()) == list(range(len(rows)))
    assert (kind[places] == kind).all()
    assert most_held(reading) <= buffer + kinds * (STRETCH + 1)
    if kinds == 1:
        assert most_held(reading) <= buffer + 1


def test_seed_and_epoch_decide_the_order_alone() -> None:
    order, rows = order_of(tars(4, 500), 256), np.arange(2000)
    results = [order.arranged(rows, None, np.random.default_rng(each)) for each in ([1, 2], [1, 2], [1, 3])]
    assert all(map(np.array_equal, results[0], results[1]))
    assert not np.array_equal(results[0][0], results[2][0])


def read_in_order(refs: list[ImageRef], buffer: int, rows: np.ndarray) -> list[ImageRef]:
    places, reading = order_of(refs, buffer).arranged(rows, None, np.random.default_rng(0))
    return [refs[row] for row in rows[places][np.argsort(reading)].tolist()]


def test_tars_are_read_in_stretches_of_neighbours() -> None:
    refs = tars(8, 1000)
    rows = np.random.default_rng(0).permutation(8000)[:6400]  # the others are for validation
    read = read_in_order(refs, 1000, rows)
    pairs = pairwise(read)
    jumps = sum(one.path != two.path or not 0 < two.offset - one.offset < 30_000 for one, two in pairs)  # type: ignore[attr-defined]
    assert jumps <= 6400 / STRETCH + 8
    assert len({ref.path for ref in read[:1000]}) > 4  # type: ignore[attr-defined]  # from all over


def test_what_is_read_from_its_beginning_is_read_to_its_end() -> None:
    packed: list[ImageRef] = [TarGzMember(f"{n // 300}.tar.gz", f"{n}.jpg", n, 9) for n in range(900)]
    for refs in (groups(9, 100), packed):
        read = read_in_order(refs, 50, np.random.default_rng(0).permutation(900))
        parts = [ref.place[:2] for ref in read if ref.place is not None]
        changes = sum(one != two for one, two in pairwise(parts))
        assert changes == len(set(parts)) - 1
        for part in set(parts):
            at = [ref.place[2] for ref in read if ref.place is not None and ref.place[:2] == part]
            assert at == sorted(at)


def entropy(order: np.ndarray, labels: np.ndarray, batch: int = 64) -> float:
    """The mean over the batches, in bits."""
    values = []
    for start in range(0, len(order) - batch + 1, batch):
        shares = np.array(list(Counter(labels[order[start : start + batch]].tolist()).values())) / batch
        values.append(-(shares * np.log2(shares)).sum())
    return float(np.mean(values))


def test_classes_that_lie_one_after_the_other_are_mixed() -> None:
    """Tars sorted by class, ten classes: batches are nearly as mixed as in random order."""
    refs, labels = tars(10, 2000), np.repeat(np.arange(10), 2000)
    rows = np.arange(len(refs))
    random = entropy(np.random.default_rng(0).permutation(rows), labels)
    mixed = {
        buffer: entropy(order_of(refs, buffer).arranged(rows, None, np.random.default_rng(0))[0], labels)
        for buffer in (1, 500, 4000)
    }
    assert mixed[1] < 0.2 * random  # a stretch is a batch
    assert mixed[1] < mixed[500] < mixed[4000]
    assert mixed[4000] > 0.95 * random


def test_files_of_their_own_and_no_buffer_need_no_order() -> None:
    assert StreamedOrder.of([FileImage(f"{n}.jpg", "") for n in range(9)], 100) is None
    assert StreamedOrder.of(tars(1, 9), 0) is None


def test_as_they_lie() -> None:
    refs = groups(4, 25)
    rows = np.random.default_rng(0).permutation(100)
    assert order_of(refs, 9).as_they_lie(rows).tolist() == list(range(100))
