"""Weights from a file, without running anything that is in it."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
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
    if not path.is_file():
        raise WeightsError("there is no such file of weights", where=str(path))
    try:
        if path.suffix == ".safetensors":
            tensors: dict[str, Tensor] = load_safetensors(path)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
            tensors = tensors.get("state_dict", tensors)  # type: ignore[assignment]
    except (OSError, SafetensorError, RuntimeError, ValueError) as error:
        raise WeightsError(f"cannot be read as weights ({type(error).__name__})", where=str(path)) from None
    except Exception as error:
        if type(error).__name__ != "UnpicklingError":
            raise
        raise WeightsError("holds more than tensors and is not loaded", where=str(path)) from None
    fill(network, {k: v for k, v in tensors.items() if not k.startswith(ignore or ("\0",))}, where=str(path))


def fill(network: nn.Module, tensors: dict[str, Tensor], *, where: str) -> None:
    """Load ``tensors`` strictly, with a plain message where they do not fit."""
    own = network.state_dict()
    lacking = [name for name in own if name not in tensors]
    foreign = [name for name in tensors if name not in own]
    other = [name for name in own if name in tensors and own[name].shape != tensors[name].shape]
    for names, what in (
        (lacking, "lacks"),
        (foreign, "has, unknown to the network,"),
        (other, "has in another shape"),
    ):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise WeightsError(
                f"{what} {names[0]}{more}", where=where, cure="these weights belong to another network"
            )
    network.load_state_dict(tensors)
