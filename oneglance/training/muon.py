"""Muon: momentum whose every direction counts the same."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import unwrap
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the iteration; Jordan 2024
ITERATIONS = 4
BETAS, EPS = (0.9, 0.99), 1e-8  # of Adam


class Muon(torch.optim.Optimizer):
    """Momentum that is made orthogonal, for the matrices and convolutions of a network; torch's AdamW for the
    rest (Jordan et al. 2024, Muon: an optimizer for hidden layers; the iteration is that of Newton and
    Schulz).

    A step turns each matrix by ``lr``, relative to its size, and keeps its size, as in the same author's fast
    CIFAR-10 training (Jordan 2024, arXiv 2404.00498): behind a norm only its direction matters.

    Args:
        groups: of parameters, with "lr", "weight_decay" and "turns": Muon, else AdamW.
    """

    # Without the decorator by which torch imports its compiler: three seconds, and nothing is compiled here.
    add_param_group = unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = unwrap(torch.optim.Optimizer.zero_grad)
    state_dict = unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = unwrap(torch.optim.Optimizer.load_state_dict)

    def __init__(self, groups: Iterable[dict[str, Any]], momentum: float = 0.6) -> None:
        super().__init__(groups, {"momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            change = _turn if group["turns"] else _adamw
            for parameter in group["params"]:
                if parameter.grad is not None:
                    change(parameter, parameter.grad, self.state[parameter], group)


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
    a, b, c = COEFFICIENTS
    tall = len(matrix) > matrix.shape[1]
    x = (matrix.T if tall else matrix).float()
    x = x / x.norm().clamp(min=1e-12)
    square = x @ x.T
    whole = torch.eye(len(x), device=x.device)
    for _ in range(ITERATIONS):
        factor = torch.addmm(square, square, square, beta=b, alpha=c)
        factor.diagonal().add_(a)
        whole = factor @ whole
        square = factor @ square @ factor
    x = whole @ x
    return x.T if tall else x


def _adamw(weight: Tensor, grad: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> None:
    if not state:
        state["step"] = torch.zeros(())
        state["mean"], state["square"] = torch.zeros_like(grad), torch.zeros_like(grad)
    adamw(
        [weight],
        [grad],
        [state["mean"]],
        [state["square"]],
        [],
        [state["step"]],
        lr=group["lr"],
        weight_decay=group["weight_decay"],
        beta1=BETAS[0],
        beta2=BETAS[1],
        eps=EPS,
        amsgrad=False,
        maximize=False,
    )
