"""A network that is built for weights at hand takes no more memory than they do.

A run folder may be a stranger's, or damaged, and its configuration ask for a network of any size.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from oneglance.errors import WeightsError

LARGEST = 1_000_000_000  # bytes that one layer may make of one picture
SPARE = 64_000_000  # bytes besides the weights: what is not kept in the file
MAKERS = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn}


class _TooLarge(BaseException):
    """Not an Exception: libraries that build networks catch all of those, and tell another cause."""


@contextmanager
def no_larger_than(shapes: Mapping[str, tuple[int, ...]], *, location: str) -> Iterator[None]:
    """A block that builds a network, in this thread.

    Args:
        shapes: of the tensors in the file of weights, by name.
        location: that file.

    Raises:
        WeightsError: the network would be larger than the file, or one layer too large to run.
    """
    most = 2 * 4 * sum(map(math.prod, shapes.values())) + SPARE
    held, own = [0], threading.get_ident()

    def count(module: nn.Module, name: str, parameter: Tensor | None) -> None:
        if threading.get_ident() == own and parameter is not None:
            held[0] += parameter.nbytes
            if held[0] > most:
                raise _TooLarge("the network of its configuration has more weights than there are here")

    def look(module: nn.Module, inputs: object, output: object) -> None:
        if threading.get_ident() == own and isinstance(output, Tensor) and output.nbytes > LARGEST:
            size = f"{LARGEST / 1e9:g} GB"
            raise _TooLarge(f"one picture would take more than {size} in a single layer of this network")

    handles = [
        nn.modules.module.register_module_parameter_registration_hook(count),
        nn.modules.module.register_module_forward_hook(look),
    ]
    try:
        with _Budget(most):
            yield
    except _TooLarge as error:
        raise WeightsError(str(error), location=location) from None
    finally:
        for handle in handles:
            handle.remove()


class _Budget(TorchFunctionMode):
    """Refuses single tensors of more than so many bytes before they are made."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in MAKERS and args and 4 * _numbers(args) > self._most:
            raise _TooLarge("the network of its configuration has more weights than there are here")
        return func(*args, **(kwargs or {}))


def _numbers(args: Any) -> int:
    """Of a tensor whose sides are given one by one, or together."""
    sides = args[0] if isinstance(args[0], list | tuple) else args
    return math.prod(side for side in sides if isinstance(side, int))
