"""Weights from a file, without running anything that is in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file as load_safetensors
from torch import Tensor, nn

from oneglance.errors import WeightsError


def load_file(network: nn.Module, path: Path, *, ignore: tuple[str, ...] = ()) -> None:
    """Fill ``network`` from a .safetensors file, or a .pt/.pth of tensors alone.

    ``ignore`` names the beginnings of keys of the file that the network may do without, such as the
    classifier of another set.

    Raises:
        WeightsError: the file is missing or damaged, or does not fit.
    """
    tensors = read_tensors(path)
    fill(network, {k: v for k, v in tensors.items() if not k.startswith(ignore)}, location=str(path))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The named tensors of a .safetensors file, or of a .pt/.pth that holds nothing else.

    Raises:
        WeightsError: the file is missing or damaged, or holds something else.
    """
    if path.suffix == ".safetensors":
        with _readable(path):
            return load_safetensors(path)
    tensors = read_plain(path)
    if isinstance(tensors, dict):
        tensors = tensors.get("state_dict", tensors)
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in tensors.items()
    ):
        raise WeightsError("holds something else than named tensors", location=str(path))
    return tensors


def shapes_in(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the tensors of a .safetensors file, without reading them.

    Raises:
        WeightsError: the file is missing or damaged.
    """
    with _readable(path), safe_open(path, framework="pt") as file:
        names = file.keys()
        return {name: tuple(file.get_slice(name).get_shape()) for name in names}


def read_plain(path: Path) -> Any:
    """The tensors and plain values that torch.save wrote; anything else in the file is refused, not run.

    Raises:
        WeightsError: the file is missing or damaged, or holds something else.
    """
    with _readable(path):
        return torch.load(path, map_location="cpu", weights_only=True)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise WeightsError("there is no such file of weights", location=str(path)) from None
    except Exception:
        # A damaged file makes its reader fail anywhere: nearly every error of Python has been seen.
        what = "cannot be read: it is damaged or holds more than tensors and plain values"
        raise WeightsError(what, location=str(path)) from None


def _kind(tensor: Tensor) -> str:
    if tensor.is_complex():
        return "complex"
    return "float" if tensor.is_floating_point() else "whole"


def fill(network: nn.Module, tensors: dict[str, Tensor], *, location: str) -> None:
    """Load ``tensors`` strictly, with a plain message where they do not fit."""
    own = network.state_dict()
    lacking = [name for name in own if name not in tensors]
    foreign = [name for name in tensors if name not in own]
    both = [name for name in own if name in tensors]
    other = [name for name in both if own[name].shape != tensors[name].shape]
    unlike = [name for name in both if _kind(own[name]) != _kind(tensors[name])]
    for names, what in (
        (lacking, "lacks"),
        (foreign, "has, unknown to the network,"),
        (other, "has in another shape"),
        (unlike, "has as another kind of numbers"),
    ):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise WeightsError(
                f"{what} {names[0]}{more}", location=location, hint="these weights belong to another network"
            )
    try:
        network.load_state_dict(tensors)
    except (RuntimeError, NotImplementedError):  # numbers of a form that torch cannot turn into others
        raise WeightsError("holds numbers that cannot be used here", location=location) from None
