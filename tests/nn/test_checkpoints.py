"""Weights from a file: tensors and nothing else, and only where they fit."""

from __future__ import annotations

import io
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file
from torch import nn

from oneglance.errors import WeightsError
from oneglance.nn.checkpoints import fill, load_file, read_plain, read_tensors

RAN: list[str] = []


def run_code(word: str) -> None:
    RAN.append(word)


class Evil:
    """A pickle that runs code when it is read."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return run_code, ("evil",)


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))


def same(a: nn.Module, b: nn.Module) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return all(torch.equal(ours[name], theirs[name]) for name in theirs)


WRITERS: dict[str, Callable[[Any, Path], Any]] = {
    "a.safetensors": save_file,
    "a.pt": torch.save,
    "a.pth": torch.save,
    "a.bin": torch.save,
    "nested.pt": lambda state, path: torch.save({"state_dict": state, "epoch": 3}, path),
    "old.pt": lambda state, path: torch.save(state, path, _use_new_zipfile_serialization=False),
}


@pytest.mark.parametrize("name", WRITERS)
def test_there_and_back(tmp_path: Path, name: str) -> None:
    WRITERS[name](network(1).state_dict(), tmp_path / name)
    found = network(2)
    assert not same(found, network(1))
    load_file(found, tmp_path / name)
    assert same(found, network(1))


def test_what_is_ignored_may_be_anything(tmp_path: Path) -> None:
    state = {**network(1).state_dict(), "fc.weight": torch.zeros(9, 9), "fcx.weight": torch.zeros(1)}
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match=r"has, unknown to the network, fcx\.weight —"):
        load_file(network(), tmp_path / "a.safetensors", ignore=("fc.",))
    load_file(found := network(), tmp_path / "a.safetensors", ignore=("fc.", "fcx."))
    assert same(found, network(1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("0.bias"), "lacks 0.bias —"),
        (lambda s: [s.pop("0.bias"), s.pop("2.bias")], "lacks 0.bias and 1 more —"),
        (lambda s: s.update(extra=torch.zeros(1)), "has, unknown to the network, extra —"),
        (lambda s: s.update({"2.weight": torch.zeros(3, 4)}), "has in another shape 2.weight —"),
    ],
    ids=["lacking", "two lacking", "foreign", "other shape"],
)
def test_what_does_not_fit_is_named_and_nothing_is_loaded(
    change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    state, found = network(1).state_dict(), network(2)
    change(state)
    with pytest.raises(WeightsError) as caught:
        fill(found, state, location="mine.pt")
    assert str(caught.value) == f"mine.pt: {message} these weights belong to another network"
    assert same(found, network(2))


# Files that are not to be trusted.


def evil_in_a_zip(path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, whole := io.BytesIO())
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
        for item in old.namelist():
            content = old.read(item)
            new.writestr(item, pickle.dumps(Evil()) if item.endswith("data.pkl") else content)


EVIL: dict[str, Callable[[Path], Any]] = {
    "saved": lambda path: torch.save({"a": torch.zeros(2), "b": Evil()}, path),
    "old": lambda path: torch.save({"b": Evil()}, path, _use_new_zipfile_serialization=False),
    "plain": lambda path: path.write_bytes(pickle.dumps({"b": Evil()})),
    "protocol 0": lambda path: path.write_bytes(pickle.dumps(Evil(), protocol=0)),
    "zip": evil_in_a_zip,
}


@pytest.mark.parametrize("name", EVIL)
def test_code_is_refused_and_not_run(tmp_path: Path, name: str) -> None:
    RAN.clear()
    EVIL[name](tmp_path / "a.pt")
    with pytest.raises(WeightsError, match="it is damaged or holds more than tensors and plain values"):
        read_plain(tmp_path / "a.pt")
    assert RAN == []


def test_the_evil_is_real(tmp_path: Path) -> None:
    RAN.clear()
    EVIL["saved"](tmp_path / "a.pt")
    torch.load(tmp_path / "a.pt", weights_only=False)
    assert RAN == ["evil"]


def test_a_whole_network_is_more_than_tensors(tmp_path: Path) -> None:
    torch.save(network(), tmp_path / "a.pt")
    with pytest.raises(WeightsError, match="more than tensors"):
        load_file(network(), tmp_path / "a.pt")


@pytest.mark.parametrize(
    "content",
    [[1, 2], torch.zeros(3), {"a": 1}, {1: torch.zeros(2)}, {"state_dict": [3]}, {"state_dict": {"a": "b"}}],
    ids=str,
)
def test_plain_values_are_no_weights(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match=r"a\.pt: holds something else than named tensors"):
        read_tensors(tmp_path / "a.pt")


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\0" * 100, b"\xff" * 100, b"PK\3\4 and no more"], ids=str
)
def test_rubbish(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match="cannot be read: it is damaged"):
        read_tensors(tmp_path / name)


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
def test_nothing_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightsError, match="there is no such file of weights"):
        read_tensors(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(WeightsError, match="cannot be read"):
        read_tensors(tmp_path / name)


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
def test_cut_short_anywhere(tmp_path: Path, name: str) -> None:
    state = network().state_dict()
    WRITERS[name](state, tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    for length in range(0, len(whole), max(1, len(whole) // 40)):
        (tmp_path / name).write_bytes(whole[:length])
        with pytest.raises(WeightsError, match="cannot be read"):
            read_tensors(tmp_path / name)


def torch_bytes() -> bytes:
    torch.save(network().state_dict(), whole := io.BytesIO())
    return whole.getvalue()


WHOLE = {"pt": torch_bytes(), "safetensors": save(network().state_dict())}


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(sorted(WHOLE)), st.integers(0, 2**32), st.sampled_from([1, 3, 40]))
def test_damage_is_an_error_of_ours_or_only_in_the_numbers(
    tmp_path_factory: pytest.TempPathFactory, kind: str, seed: int, count: int
) -> None:
    draw = random.Random(seed)
    damaged = bytearray(WHOLE[kind])
    for _ in range(count):
        damaged[draw.randrange(len(damaged))] = draw.randrange(256)
    path = tmp_path_factory.mktemp("damaged") / f"a.{kind}"
    path.write_bytes(damaged)
    try:
        found = read_tensors(path)
    except WeightsError as error:
        assert error.location == str(path)
    else:
        assert all(isinstance(tensor, torch.Tensor) for tensor in found.values())
