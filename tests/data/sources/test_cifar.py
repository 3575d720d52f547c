"""CIFAR in all its forms, made here as its authors made it; its pickles are read, never obeyed."""

from __future__ import annotations

import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oneglance.data.record import Record
from oneglance.data.source import open_source
from oneglance.errors import DataError, Problem

COUNT = 4  # pictures per batch
TEN = [f"class {n}" for n in range(10)]
COARSE, FINE = [f"coarse{n}" for n in range(20)], [f"fine{n}" for n in range(100)]


def planes(batch: int) -> np.ndarray:
    """Rows as the files have them: all red, then green, then blue."""
    return np.random.default_rng(batch).integers(0, 256, (COUNT, 3072), np.uint8)


def upright(batch: int, index: int) -> np.ndarray:
    """[32, 32, 3], worked out pixel by pixel."""
    row = planes(batch)[index]
    return np.array([[[row[c * 1024 + y * 32 + x] for c in range(3)] for x in range(32)] for y in range(32)])


def labels(batch: int, count: int) -> list[int]:
    return [(7 * batch + n) % count for n in range(COUNT)]


def python_10(folder: Path, protocol: int = 2, text: Any = str) -> Path:
    folder.mkdir(parents=True)
    for n, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        values = {
            "data": planes(n),
            "labels": labels(n, 10),
            "batch_label": "x",
            "filenames": ["a.png"] * COUNT,
        }
        dump(folder / name, {text(key): value for key, value in values.items()}, protocol)
    dump(folder / "batches.meta", {text("label_names"): [text(name) for name in TEN]}, protocol)
    return folder


def python_100(folder: Path, protocol: int = 2, text: Any = str) -> Path:
    folder.mkdir(parents=True)
    for n, name in enumerate(["train", "test"]):
        values = {"data": planes(n), "fine_labels": labels(n, 100), "coarse_labels": labels(n, 20)}
        dump(folder / name, {text(key): value for key, value in values.items()}, protocol)
    dump(folder / "meta", {text("fine_label_names"): FINE, text("coarse_label_names"): COARSE}, protocol)
    (folder / "file.txt~").touch()
    return folder


def binary_10(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for n, name in enumerate([*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]):
        rows(folder / name, n, labels(n, 10))
    (folder / "batches.meta.txt").write_text("\n".join(name.replace(" ", "_") for name in TEN) + "\n\n")
    return folder


def binary_100(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for n, name in enumerate(["train.bin", "test.bin"]):
        rows(folder / name, n, labels(n, 20), labels(n, 100))
    (folder / "fine_label_names.txt").write_text("\n".join(FINE) + "\n")
    (folder / "coarse_label_names.txt").write_text("\n".join(COARSE) + "\n")
    return folder


def rows(path: Path, batch: int, *columns: list[int]) -> None:
    path.write_bytes(np.hstack([*(np.array(c, np.uint8)[:, None] for c in columns), planes(batch)]).tobytes())


def dump(path: Path, value: Any, protocol: int = 2) -> None:
    path.write_bytes(pickle.dumps(value, protocol))


def packed(folder: Path) -> Path:
    path = folder.parent / f"{folder.name}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, folder.name)
    return path


def read(path: Path, **keys: Any) -> tuple[list[Record], list[Problem]]:
    source = open_source({"path": path.name, **keys}, path.parent)
    assert source.format == "cifar"
    items = list(source.read())
    return [i for i in items if not isinstance(i, Problem)], [i for i in items if isinstance(i, Problem)]


def only_error(path: Path) -> str:
    with pytest.raises(DataError) as error:
        read(path)
    return str(error.value)


@pytest.mark.parametrize("as_archive", [False, True])
@pytest.mark.parametrize(
    ("make", "usual"), [(python_10, "cifar-10-batches-py"), (binary_10, "cifar-10-batches-bin")]
)
def test_cifar_10(tmp_path: Path, make: Any, usual: str, as_archive: bool) -> None:
    path = make(tmp_path / usual)
    records, problems = read(packed(path) if as_archive else path)
    assert problems == []
    assert [record.split for record in records] == ["train"] * 5 * COUNT + ["test"] * COUNT
    names = TEN if make is python_10 else [name.replace(" ", "_") for name in TEN]
    expected = [names[label] for batch in range(6) for label in labels(batch, 10)]
    assert [record.answers["label"] for record in records] == expected
    for index in (0, COUNT, 6 * COUNT - 1):
        loaded = records[index].image.load()
        assert isinstance(loaded, np.ndarray)
        assert loaded.flags.c_contiguous
        np.testing.assert_array_equal(loaded, upright(*divmod(index, COUNT)))


@pytest.mark.parametrize("as_archive", [False, True])
@pytest.mark.parametrize(
    ("make", "usual"), [(python_100, "cifar-100-python"), (binary_100, "cifar-100-binary")]
)
def test_cifar_100_has_both_levels(tmp_path: Path, make: Any, usual: str, as_archive: bool) -> None:
    path = make(tmp_path / usual)
    records, problems = read(packed(path) if as_archive else path)
    assert problems == []
    assert [record.split for record in records] == ["train"] * COUNT + ["test"] * COUNT
    for index, record in enumerate(records):
        batch, folder = divmod(index, COUNT)
        fine, coarse = FINE[labels(batch, 100)[folder]], COARSE[labels(batch, 20)[folder]]
        split = record.split
        values = {"label": fine, "fine_label": fine, "coarse_label": coarse, "split": split}
        assert record.answers == values
    np.testing.assert_array_equal(records[-1].image.load(), upright(1, COUNT - 1))


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("text", [str, str.encode])
def test_batches_written_again_by_python_3(tmp_path: Path, protocol: int, text: Any) -> None:
    ten = read(python_10(tmp_path / "a", protocol, text))[0]
    assert ten[0].answers == {"label": TEN[0], "split": "train"}
    hundred = read(python_100(tmp_path / "b", protocol, text))[0]
    assert hundred[0].answers["coarse_label"] == COARSE[0]
    np.testing.assert_array_equal(hundred[0].image.load(), upright(0, 0))


def test_names_of_places(tmp_path: Path) -> None:
    folder = python_10(tmp_path / "data" / "cifar-10-batches-py")
    packed(folder)  # as torchvision leaves both
    records, _ = read(folder.parent)
    assert records[COUNT].location == records[COUNT].image.name == "data_batch_2:1"
    assert (
        read(packed(folder))[0][0].location == "cifar-10-batches-py.tar.gz/cifar-10-batches-py/data_batch_1:1"
    )
    python_100(tmp_path / "data" / "cifar-100-python")
    assert only_error(folder.parent).startswith("data: holds several versions of CIFAR — name one")


def test_a_pickle_that_acts_is_refused(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> Any:
            return os.system, (f"echo > {tmp_path / 'trace'}",)

    folder = python_10(tmp_path / "set")
    dump(folder / "data_batch_3", {"data": planes(2), "labels": Harmful()})
    assert "data_batch_3: is a pickle that asks for more than plain values" in only_error(folder)
    dump(folder / "batches.meta", Harmful())
    assert "batches.meta: is a pickle that asks for more than plain values" in only_error(folder)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("data_batch_1", [1], "holds no table of values"),
        ("data_batch_1", {"labels": [1]}, "holds no pictures of 32 x 32"),
        ("data_batch_1", {"data": planes(0)[:, :-1], "labels": [0] * COUNT}, "holds no pictures of 32 x 32"),
        ("data_batch_1", {"data": planes(0)}, "has no label"),
        (
            "data_batch_1",
            {"data": planes(0), "labels": [0] * (COUNT - 1)},
            "has not one label for each of its 4",
        ),
        ("data_batch_1", {"data": planes(0), "labels": ["0"] * COUNT}, "has not one label for each of its 4"),
        ("data_batch_1", {"data": planes(0), "labels": [0, 1, 2, 10]}, "has a label outside 0 to 9"),
        ("data_batch_1", {"data": planes(0), "labels": [0, 1, 2, -1]}, "has a label outside 0 to 9"),
        ("batches.meta", {}, "holds no label_names"),
        ("batches.meta", b"", "holds no table"),
    ],
)
def test_an_odd_batch_is_one_message(tmp_path: Path, name: str, value: Any, message: str) -> None:
    folder = python_10(tmp_path / "set")
    dump(folder / name, value)
    assert f"{name}: {message}" in only_error(folder)


def test_a_batch_cut_short_or_missing(tmp_path: Path) -> None:
    folder = binary_10(tmp_path / "set")
    records, _ = read(folder)
    path = folder / "data_batch_2.bin"
    path.write_bytes(path.read_bytes()[:-1])
    assert "data_batch_2.bin: is not a whole number of pictures" in only_error(folder)
    with pytest.raises(OSError, match="whole number"):
        records[COUNT].image.load()
    path.unlink()
    with pytest.raises(FileNotFoundError):
        records[COUNT].image.load()
    left, problems = read(folder)
    assert len(left) == 5 * COUNT
    assert [(str(p), p.fatal) for p in problems] == [
        ("set/data_batch_2.bin  is missing — download it again", False)
    ]
    folder = python_10(tmp_path / "other")
    (folder / "test_batch").write_bytes((folder / "test_batch").read_bytes()[:-100])
    assert "test_batch: is damaged or no pickle" in only_error(folder)


def test_without_names_the_classes_are_numbers(tmp_path: Path) -> None:
    folder = python_100(tmp_path / "set")
    (folder / "meta").unlink()
    assert read(folder)[0][1].answers == {
        "fine_label": "1",
        "label": "1",
        "coarse_label": "1",
        "split": "train",
    }


def test_folders_called_train_and_test_are_not_cifar(tmp_path: Path) -> None:
    for name in ("train", "test", "meta"):
        (tmp_path / "set" / name).mkdir(parents=True)
    assert open_source({"path": "set"}, tmp_path).format == "folder"
