"""A number with given gradients."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from oneglance.nn.inner_product import inner_product


@given(st.integers(0, 2**32 - 1), st.lists(st.lists(st.integers(1, 4), max_size=3), min_size=1, max_size=4))
def test_its_gradients_are_those_given(seed: int, shapes: list[list[int]]) -> None:
    generator = torch.Generator().manual_seed(seed)
    tensors = [torch.randn(shape, generator=generator, requires_grad=True) for shape in shapes]
    gradients = [torch.randn(shape, generator=generator, requires_grad=True) for shape in shapes]
    torch.autograd.backward(inner_product(tensors, gradients))
    for tensor, gradient in zip(tensors, gradients, strict=True):
        assert tensor.grad is not None and torch.equal(tensor.grad, gradient)
        assert gradient.grad is None
