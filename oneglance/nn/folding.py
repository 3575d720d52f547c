"""Batch norms that only scale and shift become part of the convolutions before them.

In eval mode a batch norm multiplies each channel by one number and adds another; a convolution can do both
with other weights (Jacob et al. 2018, Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference, section 3.2), and a pass over all values is spared.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

CLOSE = 1e-4  # of the largest value: what other sums may differ by


Module = TypeVar("Module", bound=nn.Module)


def folded(network: Module, answers: Callable[[Module], object]) -> Module:
    """A copy of a network in eval mode that answers alike, sooner; itself where there is nothing to fold.

    Args:
        answers: the tensors that a network makes of some input. They show whether it applies its modules in
            the order in which it has them: where not, it stays as it is.
    """
    if not any(True for _ in _pairs(network)):
        return network
    changed = copy.deepcopy(network)
    for parent, conv, norm in list(_pairs(changed)):
        _fold(parent, conv, norm)
    with torch.inference_mode():
        return changed if _alike(answers(network), answers(changed)) else network


def _pairs(network: nn.Module) -> Iterator[tuple[nn.Module, str, str]]:
    """Where a batch norm comes next after a convolution: (parent, name of one, name of the other)."""
    used = Counter(id(module) for _, module in network.named_modules(remove_duplicate=False))
    for parent in network.modules():
        children = list(parent.named_children())
        for (first, conv), (second, norm) in pairwise(children):
            if (
                isinstance(conv, nn.Conv2d)
                and isinstance(norm, nn.BatchNorm2d)
                and norm.running_mean is not None
                and norm.num_features == conv.out_channels
                and used[id(conv)] == used[id(norm)] == 1  # one place: shared ones would be folded twice
            ):
                yield parent, first, second


def _fold(parent: nn.Module, conv: str, norm: str) -> None:
    old = getattr(parent, norm)
    setattr(parent, conv, fuse_conv_bn_eval(getattr(parent, conv), _plain(old)))
    # Norms of timm hold the activation that follows.
    rest = [each for name, each in old.named_children() if name in ("drop", "act")]
    rest = [each for each in rest if not isinstance(each, nn.Identity)]
    setattr(parent, norm, rest[0] if len(rest) == 1 else nn.Sequential(*rest))


def _plain(norm: _BatchNorm) -> _BatchNorm:
    """The same numbers without what a kind of its own does beside."""
    plain = nn.BatchNorm2d(norm.num_features, norm.eps, affine=norm.affine).to(norm.running_mean)  # type: ignore[arg-type]
    plain.load_state_dict({name: value for name, value in norm.state_dict().items() if "." not in name})
    return plain.eval()


def _alike(before: object, after: object) -> bool:
    pairs = list(zip(_tensors(before), _tensors(after), strict=True))
    return all(
        bool(((a - b).abs().max() <= CLOSE * a.abs().max().clamp(min=1e-6)).item())
        for a, b in pairs
        if a.numel()
    )


def _tensors(output: object) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output.float()
    elif isinstance(output, dict):
        for value in output.values():
            yield from _tensors(value)
    elif isinstance(output, list | tuple):
        for value in output:
            yield from _tensors(value)
