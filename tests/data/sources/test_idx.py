"""The idx files of MNIST: whole, packed, cut short, and lying about their sizes."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oneglance.data.record import Record
from oneglance.data.source import open_source
from oneglance.errors import DataError, Problem


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape) + array.tobytes()


def write(folder: Path, name: str, data: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


def pictures(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, *shape), np.uint8)


def mnist(folder: Path, end: str = "-idx3-ubyte.gz", train: int = 5, test: int = 3) -> None:
    labels = end.replace("idx3", "idx1")
    for split, count in (("train", train), ("t10k", test)):
        write(folder, f"{split}-images{end}", idx(pictures(count, 4, 5)))
        write(folder, f"{split}-labels{labels}", idx(np.arange(count, dtype=np.uint8)))


def read(path: Path, **keys: Any) -> tuple[list[Record], list[Problem]]:
    source = open_source({"path": path.name, **keys}, path.parent)
    assert source.format == "idx"
    items = list(source.read())
    return [i for i in items if not isinstance(i, Problem)], [i for i in items if isinstance(i, Problem)]


def only_error(path: Path, **keys: Any) -> str:
    with pytest.raises(DataError) as error:
        read(path, **keys)
    return str(error.value)


@pytest.mark.parametrize("end", ["-idx3-ubyte.gz", "-idx3-ubyte", ".idx3-ubyte", ".idx3-ubyte.gz"])
@pytest.mark.parametrize("below", ["", "raw", "MNIST/raw"])
def test_mnist_as_it_comes(tmp_path: Path, end: str, below: str) -> None:
    mnist(tmp_path / "set" / below, end)
    records, problems = read(tmp_path / "set")
    assert problems == []
    assert [record.split for record in records] == ["test"] * 3 + ["train"] * 5
    assert [record.answers["label"] for record in records] == list("01201234")
    assert records[3].location == records[3].image.name == f"train-images{end}:1"
    for index, record in enumerate(records[3:]):
        np.testing.assert_array_equal(record.image.load(), pictures(5, 4, 5)[index])
        assert type(record.image.load()) is np.ndarray
    assert "split" not in read(tmp_path / "set", split="")[0][0].answers


def test_packed_and_unpacked_beside_each_other_are_read_once(tmp_path: Path) -> None:
    mnist(tmp_path / "raw", "-idx3-ubyte.gz")
    mnist(tmp_path / "raw", "-idx3-ubyte")
    records, _ = read(tmp_path / "raw")
    assert len(records) == 8
    assert records[0].location == "t10k-images-idx3-ubyte:1"


def test_colour_and_a_single_file_without_labels(tmp_path: Path) -> None:
    write(tmp_path, "street-images-idx4-ubyte", idx(pictures(2, 4, 5, 3)))
    records, problems = read(tmp_path / "street-images-idx4-ubyte")
    assert [record.image.load().shape for record in records] == [(4, 5, 3)] * 2  # type: ignore[union-attr]
    assert [(record.answers, record.split) for record in records] == [({}, "")] * 2
    assert str(problems[0]).startswith("street-images-idx4-ubyte  has no labels beside it")
    assert not problems[0].fatal


def test_class_names(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    mnist(folder)
    names = ["zero", "one", "two", "three", "four"]
    assert [r.answers["label"] for r in read(folder, classes=names)[0]] == [
        names[n] for n in (0, 1, 2, 0, 1, 2, 3, 4)
    ]
    (folder / "words.txt").write_text("\n".join(reversed(names)) + "\n")
    assert read(folder, classes="words.txt")[0][0].answers["label"] == "four"
    (folder / "classes.txt").write_text("\ufeff" + "\r\n".join(names), encoding="utf-8")
    assert read(folder)[0][0].answers["label"] == "zero"
    message = "train-images-idx3-ubyte.gz: has the label 4, but there are names for 0 to 2 — name every class"
    assert only_error(folder, classes=names[:3]).startswith(message)
    assert only_error(folder, classes="no.txt").startswith("no.txt: cannot be read")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("train-images-idx3-ubyte", b"", "is cut short or damaged"),
        ("train-images-idx3-ubyte.gz", b"", "is cut short or damaged"),
        ("train-images-idx3-ubyte", b"not idx at all", "is no idx file of bytes"),
        ("train-images-idx3-ubyte", idx(pictures(2, 4), 8), "is no idx file of bytes"),
        ("train-images-idx3-ubyte", idx(pictures(2, 4, 4), 0x0D), "is no idx file of bytes"),
        ("train-images-idx3-ubyte", idx(pictures(2, 4, 0)), "declares impossible sizes: 2 x 4 x 0"),
        ("train-images-idx4-ubyte", idx(pictures(2, 4, 4, 4)), "declares impossible sizes: 2 x 4 x 4 x 4"),
        (
            "train-images-idx3-ubyte",
            idx(pictures(2, 4, 4))[:-1],
            "should be 48 bytes long by its head, but is 47",
        ),
        (
            "train-images-idx3-ubyte",
            idx(pictures(2, 4, 4)) + b"x",
            "should be 48 bytes long by its head, but is 49",
        ),
        (
            "train-images-idx3-ubyte.gz",
            idx(pictures(2, 4, 4))[:-1],
            "should be 48 bytes long by its head, but is not",
        ),
        (
            "train-images-idx3-ubyte",
            struct.pack(">HBB3I", 0, 8, 3, *[2**32 - 1] * 3),
            "declares impossible sizes",
        ),
        (
            "train-images-idx3-ubyte.gz",
            struct.pack(">HBB3I", 0, 8, 3, *[2**32 - 1] * 3),
            "declares impossible sizes",
        ),
        ("train-labels-idx1-ubyte", idx(np.zeros(4, np.uint8)), "has 5 pictures, but 4 labels lie beside it"),
        ("train-labels-idx1-ubyte", idx(np.zeros((5, 1), np.uint8)), "is no idx file of bytes"),
    ],
)
def test_a_damaged_file_is_one_message(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    folder = tmp_path / "set"
    mnist(folder, "-idx3-ubyte")
    if name.endswith(".gz"):
        (folder / name.removesuffix(".gz")).unlink()
    if "idx4" in name:
        (folder / name.replace("idx4", "idx3")).unlink()
    write(folder, name, data)
    assert message in only_error(folder)


def test_a_packed_file_cut_short_is_noticed_before_and_while_reading(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    mnist(folder)
    path = folder / "train-images-idx3-ubyte.gz"
    records, _ = read(folder)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "train-images-idx3-ubyte.gz: " in only_error(folder)
    with pytest.raises(OSError):
        records[-1].image.load()
    # Even with an end that looks right, what is missing in the middle is noticed.
    path.write_bytes(whole[: len(whole) // 2] + whole[-8:])
    with pytest.raises(OSError):
        records[-1].image.load()
    path.unlink()
    with pytest.raises(FileNotFoundError):
        records[-1].image.load()


def test_several_sets_must_be_told_apart(tmp_path: Path) -> None:
    mnist(tmp_path / "data" / "MNIST" / "raw")
    mnist(tmp_path / "data" / "FashionMNIST" / "raw")
    message = only_error(tmp_path / "data")
    assert message == 'data: holds several sets: "FashionMNIST/raw" and "MNIST/raw" — name one file or folder'
    assert len(read(tmp_path / "data" / "MNIST")[0]) == 8


def test_real_fashion(shared: Path) -> None:
    records, problems = read(shared / "data" / "fashion_mnist")
    assert (len(records), problems) == (35_000, [])
    assert sum(record.split == "test" for record in records) == 5_000
    assert {record.answers["label"] for record in records} >= {"Sneaker", "Bag"}
    assert records[-1].image.load().shape == (28, 28)  # type: ignore[union-attr]
