"""Public sets, without the internet: torchvision's own downloads are replaced."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import gzip
import sys
import urllib.error
from http.client import IncompleteRead
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.user import Said, Shell, shell  # noqa: F401
from torchvision import datasets

import oneglance
from oneglance.data.download import SETS, download
from oneglance.errors import OneglanceError
from oneglance.progress import Screen


@pytest.mark.parametrize("name", sorted(SETS))
def test_the_download_is_torchvisions_own(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, inside = SETS[name]
    roots: list[str] = []
    monkeypatch.setattr(getattr(datasets, kind), "download", lambda fetcher: roots.append(fetcher.root))
    assert download(name, tmp_path, Screen()) == tmp_path / name / inside
    assert roots == [str(tmp_path / name)]


@pytest.mark.parametrize(("name", "kind"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
def test_the_folder_is_where_torchvision_puts_mnist(name: str, kind: str, tmp_path: Path) -> None:
    fetcher: Any = object.__new__(getattr(datasets, kind))
    fetcher.root = str(tmp_path / name)
    assert Path(fetcher.raw_folder) == tmp_path / name / SETS[name][1]


@pytest.mark.parametrize(("name", "kind"), [("cifar10", "CIFAR10"), ("cifar100", "CIFAR100")])
def test_the_folder_is_where_torchvision_puts_cifar(name: str, kind: str) -> None:
    assert getattr(datasets, kind).base_folder == SETS[name][1]


def mnist(fetcher: Any) -> None:
    """What torchvision's download leaves, with a few pictures of noise."""
    print("chatter of a library")
    folder = Path(fetcher.raw_folder)
    folder.mkdir(parents=True)
    draw = np.random.default_rng(0)
    for part, count in (("train", 40), ("t10k", 10)):
        pixels = draw.integers(0, 255, (count, 28, 28)).astype(np.uint8)
        head = np.array([0x803, count, 28, 28], ">i4").tobytes()
        (folder / f"{part}-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
        labels = np.arange(count, dtype=np.uint8) % 10
        head = np.array([0x801, count], ">i4").tobytes()
        with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(head + labels.tobytes())


def test_what_came_can_be_used_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: Shell) -> None:
    monkeypatch.setattr(datasets.MNIST, "download", mnist)
    monkeypatch.chdir(tmp_path)
    result: Said = shell("get", "mnist", "sets")
    folder = Path("sets/mnist/MNIST/raw")
    assert result.code == 0
    assert result.out == f"mnist is in {folder}: now run: oneglance init {folder}\n"
    assert result.err == f"fetching mnist into {Path('sets/mnist')}\n"
    assert shell("init", folder).code == 0
    assert shell("check", "oneglance.toml").code == 0


@pytest.mark.parametrize(
    "fault",
    [
        urllib.error.URLError("no route to host"),
        ConnectionResetError("reset by peer"),
        RuntimeError("File not found or corrupted."),
        IncompleteRead(b"half"),
        EOFError("Compressed file ended"),
    ],
)
def test_no_connection_is_a_message(
    fault: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fetcher: Any) -> None:
        raise fault

    monkeypatch.setattr(datasets.CIFAR10, "download", fail)
    with pytest.raises(OneglanceError) as error:
        oneglance.get("cifar10", tmp_path, screen=Screen())
    message = str(error.value)
    assert message.startswith("cifar10 cannot be fetched")
    assert "check the connection" in message


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OneglanceError, match='there is no set "mnits"'):
        download("mnits", tmp_path / "sets", Screen())
    assert not (tmp_path / "sets").exists()


def test_a_full_disk_is_not_called_a_bad_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(fetcher: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(datasets.CIFAR10, "download", fail)
    with pytest.raises(OneglanceError, match="the disk is full"):
        download("cifar10", tmp_path, Screen())


def test_without_torchvision_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "oneglance.data.download")
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(OneglanceError, match="get needs the package torchvision"):
        oneglance.get("mnist", screen=Screen())
