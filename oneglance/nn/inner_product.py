"""A number that has given gradients."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def inner_product(tensors: Iterable[Tensor], gradients: Iterable[Tensor]) -> Tensor:
    """The sum of the products of ``tensors`` and ``gradients``, in pairs of one shape: its gradient with
    respect to each tensor is the one given. Autograd would take these as they are, but imports torch's
    symbolic shapes for it, one to two seconds.
    """
    pairs = zip(tensors, gradients, strict=True)
    return torch.stack([(tensor * gradient.detach()).sum().float() for tensor, gradient in pairs]).sum()
