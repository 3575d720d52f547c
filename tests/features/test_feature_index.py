"""The index of features: whole batches, its own files only, of one network only."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from oneglance.errors import RunError
from oneglance.features.index import ASKED, BLOCK, FeatureIndex


def stamps(count: int, first: int = 0) -> list[bytes]:
    return [number.to_bytes(16, "big") for number in range(first, first + count)]


def test_what_was_added_comes_back_in_any_order(tmp_path: Path) -> None:
    count = 2 * ASKED + 3
    vectors = np.random.default_rng(0).normal(size=(count, 5)).astype(np.float32)
    names, path = stamps(count), tmp_path / "i.sqlite"
    index = FeatureIndex.open(path, "n", "runs/a")
    index.add("", names, vectors, [{"answers": {"kind": f"ü{row}"}} for row in range(count)])
    index.add("kind", names[:1], vectors[:1, :2], [{}])
    index.close()
    again = FeatureIndex.open(path, "n", "runs/a")
    assert again.known("", [*names, *stamps(4, first=count)]) == set(names)
    order = np.random.default_rng(1).permutation(count)[: ASKED + 9]
    (block,) = again.vectors("", [names[row] for row in order])
    assert block.dtype == np.float32
    np.testing.assert_array_equal(block, vectors[order])
    assert list(again.answers("", names[1:2])) == [{"answers": {"kind": "ü1"}}]
    assert again.known("kind", names) == set(names[:1])
    again.close()


def test_few_vectors_are_in_memory_at_once(tmp_path: Path) -> None:
    index = FeatureIndex.open(tmp_path / "i.sqlite", "n", "a")
    names = stamps(BLOCK + 1)
    index.add("", names, np.zeros((len(names), 1), np.float32), [{}] * len(names))
    assert [len(block) for block in index.vectors("", names)] == [BLOCK, 1]
    index.close()


def test_a_batch_is_in_it_whole_or_not_at_all(tmp_path: Path) -> None:
    index = FeatureIndex.open(tmp_path / "i.sqlite", "n", "a")
    with pytest.raises(RunError):
        index.add("", [b"a", None], np.zeros((2, 1), np.float32), [{}, {}])  # type: ignore[list-item]
    assert index.known("", [b"a"]) == set()
    index.close()


def test_features_of_another_network_are_refused_and_stay(tmp_path: Path) -> None:
    path = tmp_path / "i.sqlite"
    index = FeatureIndex.open(path, "first", "runs/a")
    index.add("", stamps(1), np.zeros((1, 1), np.float32), [{}])
    index.close()
    with pytest.raises(RunError, match=r"features of another network, runs/a.*--index, or delete this one"):
        FeatureIndex.open(path, "second", "runs/b")
    kept = FeatureIndex.open(path, "first", "runs/a")
    assert kept.known("", stamps(1))
    kept.close()
    renewed = FeatureIndex.open(path, "second", "runs/b", renew=True)
    assert not renewed.known("", stamps(1))
    renewed.close()


def test_what_is_no_index_is_refused_and_stays(tmp_path: Path) -> None:
    text, other = tmp_path / "notes.txt", tmp_path / "other.sqlite"
    text.write_text("these are notes, and no database at all\n" * 100)
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE about (network TEXT, run TEXT)")
    for path in (text, other):
        before = path.read_bytes()
        with pytest.raises(RunError, match=r"is no index of features.*--index"):
            FeatureIndex.open(path, "n", "a", renew=True)
        assert path.read_bytes() == before
    with pytest.raises(RunError, match="--index"):
        FeatureIndex.open(tmp_path, "n", "a")
    with pytest.raises(RunError, match=r"cannot be opened.*--index"):
        FeatureIndex.open(tmp_path / "no" / "folder", "n", "a")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RunError, match="pipe"):
        FeatureIndex.open(tmp_path / "pipe", "n", "a")


def test_a_damaged_index_says_so(tmp_path: Path) -> None:
    path = tmp_path / "i.sqlite"
    index = FeatureIndex.open(path, "n", "a")
    index.add("", stamps(400), np.zeros((400, 50), np.float32), [{}] * 400)
    index.close()
    data = bytearray(path.read_bytes())
    data[8192:] = b"\xff" * (len(data) - 8192)
    path.write_bytes(data)
    with pytest.raises(RunError, match=r"is damaged — delete it"):
        index = FeatureIndex.open(path, "n", "a")
        try:
            list(index.vectors("", stamps(400)))
        finally:
            index.close()
