from __future__ import annotations

import errno
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from support.strange_refs import Broken, Drawn, Killed, Missing

from oneglance.config import CacheTable
from oneglance.data.images.content_hash import content_digest, digests
from oneglance.data.images.decode import Limits, canvas_of
from oneglance.data.images.decoding.decoded_cache import Canvases, cache_folder, open_canvases
from oneglance.data.images.decoding.decoded_stream import Stream
from oneglance.data.images.letterbox import Fit
from oneglance.data.record import ImageRef
from oneglance.errors import DataError

FIT, LIMITS = Fit(16), Limits()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    directory = tmp_path / "cache"
    directory.mkdir()
    return directory


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of every Drawn that is loaded in this process."""
    numbers: list[int] = []
    monkeypatch.setattr(Drawn, "happen", lambda self: numbers.append(self.number))
    return numbers


def opened(
    refs: Sequence[ImageRef], folder: Path, gigabytes: float = 1, workers: int = 1
) -> Canvases | Stream:
    return open_canvases(
        refs, FIT, LIMITS, CacheTable(folder=str(folder), gigabytes=gigabytes, workers=workers)
    )


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".sqlite")


def rows(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


# ---- the cache


@pytest.mark.parametrize("workers", [1, 2])
def test_gather_gives_what_was_decoded(folder: Path, workers: int) -> None:
    refs = [Drawn(number, width=20 + number) for number in range(100)]
    canvases = opened(refs, folder, workers=workers)
    assert isinstance(canvases, Canvases) and len(canvases) == 100
    rows_asked = rows(99, 0, 57, 57, 3)
    batch = canvases.gather(rows_asked)
    assert batch.dtype == np.uint8 and type(batch) is np.ndarray and batch.flags.writeable
    expected = [canvas_of(refs[row], FIT, LIMITS).pixels for row in rows_asked]
    assert np.array_equal(batch, np.stack(expected))
    sizes = canvases.sizes(rows_asked)
    assert sizes.dtype == np.int32 and sizes.tolist() == [[20 + number, 30] for number in rows_asked]
    assert canvases.failures == {} and canvases.readable(rows_asked).all()


def test_the_second_time_nothing_is_read(folder: Path, loaded: list[int]) -> None:
    refs = [Drawn(number) for number in range(10)]
    first = opened(refs, folder)
    assert sorted(loaded) == sorted([*range(10), *range(10)])  # once to digest, once to decode
    del loaded[:]
    second = opened(refs, folder)
    assert loaded == []
    assert np.array_equal(first.gather(np.arange(10)), second.gather(np.arange(10)))
    assert np.array_equal(first.sizes(np.arange(10)), second.sizes(np.arange(10)))


def test_a_moved_picture_is_found_by_its_content(folder: Path, loaded: list[int]) -> None:
    class Moved(Drawn):
        @property
        def name(self) -> str:
            return f"elsewhere:{self.number}"

        def stamp(self) -> tuple[object, ...]:
            return "elsewhere", self.number

    opened([Drawn(1), Drawn(2)], folder)
    del loaded[:]
    opened([Moved(1), Moved(2)], folder)
    assert loaded == [1, 2]  # digested, not decoded
    assert len(kept(folder)) == 1


def test_other_pictures_order_size_fit_and_limits_are_other_caches(folder: Path) -> None:
    a, b = Drawn(1), Drawn(2)
    assert opened([a, b], folder).gather(rows(0))[0, 8, 8, 0] == 1
    assert opened([b, a], folder).gather(rows(0))[0, 8, 8, 0] == 2
    for fit, limits in (
        (Fit(24), LIMITS),
        (Fit((16, 24)), LIMITS),
        (Fit((24, 16)), LIMITS),
        (Fit(16, "crop"), LIMITS),
        (FIT, Limits(megapixels=1)),
    ):
        Canvases.build([a, b], fit, limits, folder)
    assert len(kept(folder)) == 7


@pytest.mark.parametrize("gigabytes", [1, 0])
def test_rectangles_are_kept_and_streamed(folder: Path, gigabytes: float) -> None:
    fit, refs = Fit((24, 16)), [Drawn(number, width=20 + number, height=30) for number in range(70)]
    table = CacheTable(folder=str(folder), gigabytes=gigabytes, workers=2)
    rows_asked = rows(69, 0, 3)
    for _ in range(2):  # built, then found
        store = open_canvases(refs, fit, LIMITS, table)
        expected = [canvas_of(refs[row], fit, LIMITS).pixels for row in rows_asked]
        assert np.array_equal(store.gather(rows_asked), np.stack(expected))
        assert store.gather(rows()).shape == (0, 16, 24, 3)
        sizes = store.sizes(rows_asked)  # known before anything is gathered
        assert sizes.dtype == np.int32 and sizes.tolist() == [[89, 30], [20, 30], [23, 30]]
        store.close()


def test_a_changed_file_is_decoded_anew(tmp_path: Path, folder: Path) -> None:
    from oneglance.data.images.references import FileImage

    path = tmp_path / "a.png"
    for number in (1, 2):
        path.write_bytes(Drawn(number, width=40 + number).load())  # type: ignore[arg-type]
        canvases = opened([FileImage(str(path), "a.png")], folder)
        assert canvases.gather(rows(0))[0, 8, 8, 0] == number
    assert len(kept(folder)) == 2


def test_unreadable_pictures_are_named_and_left_empty(folder: Path, loaded: list[int]) -> None:
    refs = [Drawn(1), Broken(2), Missing(3), Drawn(4)]
    for _ in range(2):  # built, then found
        canvases = opened(refs, folder)
        assert {row: str(error) for row, error in canvases.failures.items()} == {
            1: "drawn:2: is not a picture",
            2: "drawn:3: cannot be read (No such file or directory)",
        }
        assert canvases.readable(np.arange(4)).tolist() == [True, False, False, True]
        assert not canvases.gather(rows(1, 2)).any() and canvases.gather(rows(0, 3)).all(axis=3).any()
        assert canvases.sizes(rows(1, 2)).tolist() == [[0, 0], [0, 0]]
        assert loaded.count(1) == 2  # decoded once only


def test_a_crash_costs_one_picture(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oneglance.data.images.decoding.decoded_cache.FEW", 0)
    monkeypatch.setattr("oneglance.data.images.content_hash._digest_of", lambda ref: ref.number.to_bytes(16))
    canvases = opened([Drawn(1), Killed(2), Drawn(3)], folder, workers=2)
    assert {row: str(error) for row, error in canvases.failures.items()} == {
        1: "drawn:2: makes the decoder crash"
    }
    assert canvases.gather(np.arange(3))[:, 8, 8, 0].tolist() == [1, 0, 3]


def test_a_picture_that_became_readable_is_decoded_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refs = [Drawn(1), Drawn(2)]
    monkeypatch.setattr(Drawn, "load", lambda self: (_ for _ in ()).throw(OSError(5, "I/O error")))
    monkeypatch.setattr(
        "oneglance.data.images.content_hash._digest_of", lambda ref: bytes(15) + bytes([ref.number])
    )
    assert len(opened(refs, folder).failures) == 2
    monkeypatch.undo()
    canvases = opened(refs, folder)  # the same digests, from the memory
    assert canvases.failures == {}
    assert canvases.gather(np.arange(2))[:, 8, 8, 0].tolist() == [1, 2]


def test_no_pictures_at_all(folder: Path) -> None:
    canvases = opened([], folder)
    assert len(canvases) == 0 and canvases.gather(rows()).shape == (0, 16, 16, 3)


# ---- what can go wrong


class Stop(BaseException):
    """As KeyboardInterrupt, which pytest would take for itself."""


def test_an_interrupted_build_leaves_nothing_to_trust(folder: Path) -> None:
    refs = [Drawn(number) for number in range(200)]

    def interrupt(done: int, total: int, what: str) -> None:
        if what == "decoding pictures":
            assert len(list(folder.glob("*.unfinished"))) == 1
            raise Stop

    with pytest.raises(Stop):
        Canvases.build(refs, FIT, LIMITS, folder, workers=2, progress=interrupt)
    assert kept(folder) == []
    assert opened(refs, folder).gather(rows(199))[0, 8, 8, 0] == 199


def test_progress_counts_to_the_end(folder: Path) -> None:
    calls: list[tuple[int, int, str]] = []
    refs = [Drawn(number) for number in range(130)]
    Canvases.build(refs, FIT, LIMITS, folder, 1, lambda *args: calls.append(args))
    for what in ("reading pictures", "decoding pictures"):
        steps = [done for done, total, of in calls if of == what and total == 130]
        assert steps == sorted(steps) and steps[-1] == 130


def test_leftovers_of_killed_runs_are_removed_after_a_day(folder: Path) -> None:
    old, new = folder / "a.1.b.unfinished", folder / "c.1.d.unfinished"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 90_000,) * 2)
    opened([Drawn(1)], folder)
    assert not old.exists() and new.exists()


@pytest.mark.parametrize("damage", ["cut", "lengthened", "other", "empty"])
def test_a_damaged_file_is_made_again(folder: Path, damage: str) -> None:
    refs = [Drawn(1), Drawn(2)]
    opened(refs, folder).close()
    (path,) = folder.glob("*.canvases")
    whole = path.read_bytes()
    other = json.dumps({"version": 2, "pictures": 3, "canvas": [16, 16], "failures": []}).encode()
    path.write_bytes(
        {"cut": whole[:-7], "lengthened": whole + b"x", "other": whole[:1552] + other, "empty": b""}[damage]
    )
    assert opened(refs, folder).gather(np.arange(2))[:, 8, 8, 0].tolist() == [1, 2]
    assert path.read_bytes() == whole


def test_a_full_disk_is_reported_with_its_hint(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(DataError) as caught:
        opened([Drawn(1)], folder)
    assert str(caught.value).startswith(f"{folder}: has ")
    assert "GB free, but the decoded pictures need 0.00 GB — name another [cache] folder" in str(caught.value)
    assert kept(folder) == []


def test_without_fallocate_real_zeros_are_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    for replacement in (unknown, None):
        with monkeypatch.context() as patch:
            if replacement:
                patch.setattr(os, "posix_fallocate", replacement, raising=False)
            else:
                patch.delattr(os, "posix_fallocate", raising=False)
            assert opened([Drawn(1), Broken(2)], folder).gather(rows(0, 1))[:, 8, 8, 0].tolist() == [1, 0]
        for path in folder.glob("*.canvases"):
            path.unlink()


BUILD = """
import sys
from pathlib import Path
from support.strange_refs import Drawn
from oneglance.data.images.decoding.decoded_cache import Canvases
from oneglance.data.images.decode import Limits
from oneglance.data.images.letterbox import Fit
refs = [Drawn(number) for number in range(300)]
canvases = Canvases.build(refs, Fit(16), Limits(), Path(sys.argv[1]), workers=1)
print(canvases.gather(range(300))[:, 8, 8, 0].tolist() == [number % 256 for number in range(300)])
"""


def test_two_runs_build_the_same_set_at_once(folder: Path) -> None:
    places = os.pathsep.join([str(Path(__file__).parents[2]), str(Path(__file__).parents[3])])
    runs = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", BUILD, str(folder)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": places},
        )
        for _ in range(2)
    ]
    assert [run.communicate(timeout=60)[0] for run in runs] == ["True\n", "True\n"]
    assert [Path(name).suffix for name in kept(folder)] == [".canvases"]


# ---- the limit, the folder


def test_the_least_recently_used_make_room(folder: Path) -> None:
    sets = [[Drawn(10 * number + row) for row in range(10)] for number in range(4)]
    room = 3.5 * 10 * (16 * 16 * 3 + 8) / 1e9  # three and a half of them, without their ends
    names: list[str] = []
    for number, refs in enumerate(sets[:3]):
        opened(refs, folder, room)
        (name,) = set(kept(folder)) - set(names)
        names.append(name)
        os.utime(folder / name, (time.time() - 1000 + number,) * 2)
    opened(sets[0], folder, room)  # used again: now the youngest
    opened(sets[3], folder, room)
    assert names[1] not in kept(folder)
    assert {names[0], names[2]} <= set(kept(folder)) and len(kept(folder)) == 3


def test_a_set_beyond_the_limit_streams_the_same_pixels(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refs: list[ImageRef] = [Drawn(number, width=20 + number) for number in range(70)]
    refs[5] = Broken(5)
    canvases, stream = opened(refs, folder), opened(refs, folder, gigabytes=0, workers=2)
    assert isinstance(canvases, Canvases) and isinstance(stream, Stream)
    assert len(stream) == 70 and stream.problem is None
    order = np.random.default_rng(0).permutation(70)
    batches = [order[start : start + 16] for start in range(0, 70, 16)]
    for announced in (batches, iter(batches), batches[2:], []):
        stream.announce(announced)
        canvases.announce(announced)
        for batch in batches:
            assert np.array_equal(stream.gather(batch), canvases.gather(batch))
            assert np.array_equal(stream.readable(batch), canvases.readable(batch))
    assert np.array_equal(stream.sizes(order), canvases.sizes(order))
    assert {row: str(error) for row, error in stream.failures.items()} == {5: "drawn:5: is not a picture"}
    stream.close()


def test_announced_batches_are_decoded_ahead_but_not_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream([Drawn(number) for number in range(100)], FIT, LIMITS, workers=2)
    rows_asked: list[int] = []
    chunks = stream._chunks
    monkeypatch.setattr(stream, "_chunks", lambda some: rows_asked.extend(some.tolist()) or chunks(some))  # type: ignore[func-returns-value]
    stream.announce(rows(number) for number in range(100))
    assert rows_asked == list(range(8))
    assert stream.gather(rows(0))[0, 8, 8, 0] == 0 and stream.gather(rows(1))[0, 8, 8, 0] == 1
    assert rows_asked == list(range(10))  # none was decoded twice
    assert stream.gather(rows(50))[0, 8, 8, 0] == 50  # not announced: decoded on the spot
    assert stream.gather(rows(2))[0, 8, 8, 0] == 2
    assert rows_asked == [*range(10), 50, 10]
    stream.close()


def test_an_impossible_folder_streams_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    stream = opened([Drawn(7)], tmp_path / "file" / "cache")
    assert isinstance(stream, Stream) and stream.gather(rows(0))[0, 8, 8, 0] == 7
    assert stream.problem is not None and not stream.problem.fatal
    assert "cannot be written" in str(stream.problem) and "[cache] folder" in str(stream.problem)


def test_where_the_cache_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEGLANCE_CACHE", str(tmp_path / "env"))
    assert cache_folder(CacheTable(folder=str(tmp_path / "table"))) == tmp_path / "table"
    assert cache_folder(CacheTable()) == tmp_path / "env"
    monkeypatch.delenv("ONEGLANCE_CACHE")
    for platform, variable in (("linux", "XDG_CACHE_HOME"), ("win32", "LOCALAPPDATA")):
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.setenv(variable, str(tmp_path))
        assert cache_folder(CacheTable()) == tmp_path / "oneglance"
        monkeypatch.delenv(variable)
        assert cache_folder(CacheTable()).is_relative_to(Path.home())
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder(CacheTable()) == Path.home() / "Library/Caches/oneglance"


# ---- digests


def test_digests_are_of_the_content_and_remembered(folder: Path, loaded: list[int]) -> None:
    refs = [Drawn(1), Missing(2), Drawn(3), Drawn(1, width=41)]
    first = digests(refs, folder)
    assert first[1] is None
    recalled = [digest for digest in first if digest is not None]
    assert len(set(recalled)) == 3 and {len(digest) for digest in recalled} == {16}
    assert first[0] == content_digest(Drawn(1).load())
    del loaded[:]
    assert digests(refs, folder) == first
    assert loaded == []


def test_an_array_is_its_shape_too() -> None:
    flat = np.arange(12, dtype=np.uint8)
    assert (
        len(
            {content_digest(flat.reshape(shape)) for shape in ((3, 4), (4, 3), (2, 2, 3))}
            | {content_digest(flat.tobytes())}
        )
        == 4
    )
    assert content_digest(flat.reshape(3, 4)) == content_digest(np.asfortranarray(flat.reshape(3, 4)))


def test_an_interruption_keeps_what_was_digested(folder: Path, loaded: list[int]) -> None:
    refs = [Drawn(number) for number in range(200)]

    def interrupt(done: int, total: int, what: str) -> None:
        raise Stop

    with pytest.raises(Stop):
        digests(refs, folder, interrupt)
    done = len(loaded)
    assert 0 < done < 200
    digests(refs, folder)
    assert len(loaded) == 200


@pytest.mark.parametrize("harm", ["rubbish", "cut", "folder"])
def test_a_damaged_memory_costs_time_only(folder: Path, loaded: list[int], harm: str) -> None:
    refs = [Drawn(number) for number in range(2500)]
    expected = digests(refs, folder)
    path = folder / "digests.sqlite"
    whole = path.read_bytes()
    if harm == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(b"rubbish" * 1000 if harm == "rubbish" else whole[: len(whole) // 2])
    assert digests(refs, folder) == expected
    assert digests(refs, folder) == expected
    del loaded[:]
    assert digests(refs, folder) == expected
    assert (loaded == []) == (harm != "folder")


def test_a_memory_that_another_run_is_writing_is_not_removed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = digests([Drawn(1)], folder)
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, timeout: connect(path, timeout=0))
    with closing(connect(folder / "digests.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert digests([Drawn(1)], folder) == expected
        other.execute("COMMIT")
        assert other.execute("SELECT count(*) FROM digests").fetchone() == (1,)
