"""Muon: momentum whose every direction counts the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from oneglance.training.optimizers.eager import Eager

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the iteration; Jordan 2024
ITERATIONS = 4
BETAS, EPS = (0.9, 0.99), 1e-8  # of Adam


class Muon(Eager):
    """Momentum that is made orthogonal, for the matrices and convolutions of a network; torch's AdamW for the
    rest (Jordan et al. 2024, Muon: an optimizer for hidden layers; the iteration is that of Newton and
    Schulz).

    A step turns each matrix by ``lr``, relative to its size, and keeps its size, as in the same author's fast
    CIFAR-10 training (Jordan 2024, arXiv 2404.00498): behind a norm only its direction matters.

    Args:
        groups: of parameters, with "lr", "weight_decay" and "turns": Muon, else AdamW.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], momentum: float = 0.6) -> None:
        super().__init__(groups, {"momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if group["turns"]:
                for weight in weights:
                    _turn(weight, weight.grad, self.state[weight], group)
            elif weights:
                _adamw(weights, [self.state[weight] for weight in weights], group)


def _turn(weight: Tensor, grad: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> None:
    if not state:
        state["momentum"] = torch.zeros_like(grad)
    state["momentum"].mul_(group["momentum"]).add_(grad)
    ahead = grad.add(state["momentum"], alpha=group["momentum"])
    change = orthogonal(ahead.flatten(1)).view_as(weight).to(weight.dtype)
    size = weight.norm()
    weight.sub_(change * (group["lr"] * size / change.norm().clamp(min=1e-12)))
    weight.mul_(size / weight.norm().clamp(min=1e-12))


def orthogonal(matrix: Tensor) -> Tensor:
    """Nearly U V^T of the singular value decomposition U S V^T of ``matrix`` [a, b]: singular values of 0.005
    of its norm or more become 0.6 to 1.21, smaller ones grow 130 times, relative to the norm.

    The iteration X <- (a + b X X^T + c (X X^T)^2) X goes over the squares G = X X^T, with P the polynomial of
    G: G <- P G P, and the product of all P is brought to X in the end. That is as much the same as the
    numbers are exact, and costs two products with X in place of two in each iteration.
    """
    tall = len(matrix) > matrix.shape[1]
    x = (matrix.T if tall else matrix).float()
    x = x / x.norm().clamp(min=1e-12)
    square = x @ x.T
    whole = factor = _polynomial(square)
    for _ in range(ITERATIONS - 1):
        square = factor @ square @ factor
        factor = _polynomial(square)
        whole = factor @ whole
    x = whole @ x
    return x.T if tall else x


def _polynomial(square: Tensor) -> Tensor:
    a, b, c = COEFFICIENTS
    factor = torch.addmm(square, square, square, beta=b, alpha=c)
    factor.diagonal().add_(a)
    return factor


def _adamw(weights: list[Tensor], states: list[dict[str, Tensor]], group: dict[str, Any]) -> None:
    grads = [weight.grad for weight in weights if weight.grad is not None]
    for grad, state in zip(grads, states, strict=True):
        if not state:
            state["step"] = torch.zeros(())
            state["mean"], state["square"] = torch.zeros_like(grad), torch.zeros_like(grad)
    adamw(
        weights,
        grads,
        [state["mean"] for state in states],
        [state["square"] for state in states],
        [],
        [state["step"] for state in states],
        fused=True if weights[0].device.type == "cpu" else None,
        lr=group["lr"],
        weight_decay=group["weight_decay"],
        beta1=BETAS[0],
        beta2=BETAS[1],
        eps=EPS,
        amsgrad=False,
        maximize=False,
    )
