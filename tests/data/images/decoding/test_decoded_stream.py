"""Pictures of tars and Parquet files that are decoded in every epoch are read in turn, once, and mixed."""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from oneglance.data.images.archives import members
from oneglance.data.images.decode import Limits
from oneglance.data.images.decoding import surveyed_sizes
from oneglance.data.images.decoding.decoded_stream import Stream
from oneglance.data.images.letterbox import Fit
from oneglance.data.images.references import FileImage, MemberImage, TarMember
from oneglance.data.parsing import parquet
from oneglance.data.parsing.parquet import ParquetImage
from oneglance.data.record import ImageRef
from oneglance.training.data_loader import BatchLoader

FIT = Fit(8)
CPU = torch.device("cpu")


def encoded(number: int) -> bytes:
    """A picture of one colour, by which it is known again."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (number % 256, number // 256, 77)).save(file, "PNG")
    return file.getvalue()


def numbers(pixels: np.ndarray) -> list[int]:
    """Of uint8 [n, h, w, 3]."""
    return [int(red) + 256 * int(green) for red, green in pixels[:, 4, 4, :2]]


def flat(batches: list[list[int]]) -> list[int]:
    return [number for batch in batches for number in batch]


@pytest.fixture(scope="module")
def in_tars(tmp_path_factory: pytest.TempPathFactory) -> list[ImageRef]:
    """Three tars of 200."""
    folder = tmp_path_factory.mktemp("tars")
    refs: list[ImageRef] = []
    for shard in range(3):
        with tarfile.open(folder / f"{shard}.tar", "w") as archive:
            for number in range(200 * shard, 200 * shard + 200):
                content = encoded(number)
                info = tarfile.TarInfo(f"{number:04}.png")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        refs += [one for one in members(folder / f"{shard}.tar") if isinstance(one, MemberImage)]
    return refs


@pytest.fixture(scope="module")
def in_parquet(tmp_path_factory: pytest.TempPathFactory) -> list[ImageRef]:
    """Ten groups of 60 rows."""
    path = tmp_path_factory.mktemp("parquet") / "set.parquet"
    table = pa.table({"image": [encoded(number) for number in range(600)]})
    pq.write_table(table, path, row_group_size=60)
    return [ParquetImage(str(path), n // 60, n % 60, "image", n + 1) for n in range(600)]


def stream(refs: list[ImageRef], waiting: int = 150, workers: int = 1) -> Stream:
    return Stream(refs, FIT, Limits(), workers, buffer=waiting * FIT.nbytes)


def loader(store: Stream, rows: np.ndarray | None = None, batch: int = 32) -> BatchLoader:
    rows = np.arange(len(store)) if rows is None else rows
    return BatchLoader(store, rows, {"kind": {"class": rows}}, batch, CPU)


def pictures(batches: BatchLoader, start: int = 0, epoch: int = 0) -> list[list[int]]:
    """Batch by batch; the answers have to fit."""
    result = []
    for batch in batches.shuffled(5, epoch, start):
        shown = numbers(batch.pictures.permute(0, 2, 3, 1).numpy())
        assert batch.targets["kind"]["class"].tolist() == shown
        result.append(shown)
    return result


@pytest.mark.parametrize("kind", ["in_tars", "in_parquet"])
def test_every_picture_once_and_the_rest_after_a_stop(kind: str, request: pytest.FixtureRequest) -> None:
    store = stream(request.getfixturevalue(kind))
    rows = np.random.default_rng(0).permutation(600)[:500]
    batches = loader(store, rows)
    whole = pictures(batches)
    assert sorted(flat(whole)) == sorted(rows.tolist()) != flat(whole)
    for start in (0, 1, 7, len(whole) - 1):
        assert pictures(batches, start) == whole[start:]
    assert pictures(batches, epoch=1) != whole


def test_processes_change_nothing(in_parquet: list[ImageRef]) -> None:
    alone, together = stream(in_parquet), stream(in_parquet, workers=2)
    assert pictures(loader(together)) == pictures(loader(alone))
    together.close()


def test_two_that_share_each_batch_have_it_together(in_tars: list[ImageRef]) -> None:
    whole = pictures(loader(stream(in_tars)))
    halves = []
    for number in (0, 1):
        batches = loader(stream(in_tars))
        batches.share = lambda rows, n=number: rows[len(rows) * n // 2 : len(rows) * (n + 1) // 2]  # type: ignore[misc]
        halves.append(pictures(batches))
    assert [one + two for one, two in zip(*halves, strict=True)] == whole


def test_a_tar_is_read_forward(in_tars: list[ImageRef], monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[str, int]] = []
    own = TarMember._read
    monkeypatch.setattr(TarMember, "_read", lambda ref: read.append((ref.path, ref.offset)) or own(ref))  # type: ignore[func-returns-value]
    pictures(loader(stream(in_tars)))
    assert len(read) == len(set(read)) == 600
    jumps = sum(one[0] != two[0] or two[1] < one[1] for one, two in pairwise(read))
    assert jumps <= 600 // 64 + 3


def test_a_group_of_rows_is_unpacked_once_in_an_epoch(
    in_parquet: list[ImageRef], monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked: Counter[int] = Counter()
    own = parquet._Window._restart
    monkeypatch.setattr(
        parquet._Window,
        "_restart",
        lambda window: unpacked.update([window._group]) or own(window),  # type: ignore[func-returns-value]
    )
    parquet._window.cache_clear()
    batches = loader(stream(in_parquet))
    pictures(batches)
    assert unpacked == Counter(range(10))
    pictures(batches, epoch=1)
    assert max(unpacked.values()) <= 2
    store = Stream(in_parquet, FIT, Limits(), 1)  # no buffer: any order
    unpacked.clear()
    pictures(loader(store))
    assert min(unpacked.values()) > 10


@pytest.mark.parametrize("workers", [1, 2])
def test_what_waits_is_bounded(in_tars: list[ImageRef], workers: int) -> None:
    store, most = stream(in_tars, 100, workers), 0
    for _ in loader(store).shuffled(0, 0):
        most = max(most, len(store._held))
    assert 30 < most <= 100
    store.close()


def test_an_unreadable_picture_is_left_out_of_its_batch(in_tars: list[ImageRef], tmp_path: Path) -> None:
    refs = [*in_tars]
    refs[7] = TarMember(str(tmp_path / "gone.tar"), "7.png", 0, 10)
    store = stream(refs)
    shown = flat(pictures(loader(store)))
    assert sorted(shown) == [number for number in range(600) if number != 7]
    assert list(store.failures) == [7]


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of any stream, as they are decoded."""
    rows_asked: list[int] = []
    chunks = Stream._chunks

    def asking(self: Stream, rows: np.ndarray) -> list[list[ImageRef]]:
        rows_asked.extend(rows.tolist())
        return chunks(self, rows)

    monkeypatch.setattr(Stream, "_chunks", asking)
    return rows_asked


def test_what_one_process_has_looked_at_another_need_not(tmp_path: Path, looked_at: list[int]) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for number, path in enumerate(paths):
        path.write_bytes(b"no picture" if number == 4 else encoded(number))
    refs = [FileImage(str(path), path.name) for path in paths]
    rows = np.array([0, 4, 2, 1])  # of one split

    def asked(rows: np.ndarray, limits: Limits = Limits()) -> list[int]:  # noqa: B008 - it is frozen
        looked_at.clear()
        stream = Stream(refs, FIT, limits, folder=tmp_path / "cache")
        stream.survey(rows)
        sizes = [[0, 0] if paths[row].read_bytes() == b"no picture" else [8, 8] for row in rows.tolist()]
        assert stream.sizes(rows).tolist() == sizes
        assert list(stream.failures) == [
            row for row, size in zip(rows.tolist(), sizes, strict=True) if not size[0]
        ]
        return list(looked_at)

    assert asked(rows) == [0, 4, 2, 1]
    assert asked(rows) == [4]  # which may be readable by now
    assert asked(rows[:3]) == [0, 4, 2]
    assert asked(rows, Limits(megapixels=100)) == [0, 4, 2, 1]
    paths[4].write_bytes(encoded(4))
    assert asked(rows) == [0, 4, 2, 1]  # it is another picture
    assert asked(rows) == []
    for kept in (tmp_path / "cache").glob("*.sizes"):
        kept.write_bytes(kept.read_bytes()[:-1])
    assert asked(rows) == [0, 4, 2, 1]
    paths[2].write_bytes(b"no picture")
    assert asked(rows) == [0, 4, 2, 1]


def test_few_of_what_was_looked_at_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surveyed_sizes, "MOST", 2)
    (tmp_path / "0.png").write_bytes(encoded(0))
    ref = FileImage(str(tmp_path / "0.png"), "0.png")
    for count in (1, 2, 3):
        Stream([ref] * count, FIT, Limits(), folder=tmp_path).survey(np.arange(count))
    assert len([*tmp_path.glob("*.sizes")]) == 2


def test_a_folder_that_cannot_be_written_costs_time_alone(tmp_path: Path, looked_at: list[int]) -> None:
    (tmp_path / "0.png").write_bytes(encoded(0))
    for _ in range(2):
        stream = Stream(
            [FileImage(str(tmp_path / "0.png"), "0.png")], FIT, Limits(), folder=tmp_path / "0.png" / "cache"
        )
        stream.survey(np.arange(1))
        assert stream.sizes(np.arange(1)).tolist() == [[8, 8]]
    assert looked_at == [0, 0]
