"""The tasks' gradients at the features that they share: who pulls where, and how hard."""

from __future__ import annotations

import torch
from torch import Tensor

from oneglance.backbone import Features

EVERY = 16  # steps between two looks at the gradients where the balancer needs none


class Shared:
    """Features cut off from the backbone, so that the tasks' gradients can be looked at one by one and the
    backbone then goes back once, with whatever mixture of them.
    """

    def __init__(self, features: Features) -> None:
        self.features = features
        parts = [features.vector, *features.maps]
        parts += [] if features.below is None else [features.below]
        # By identity: what a stage builds on may be one of the maps.
        self.seen = list({id(part): part for part in parts if part.requires_grad}.values())
        cut = {id(part): part.detach().requires_grad_() for part in self.seen}
        self.leaves = list(cut.values())
        self.cut = Features(
            cut.get(id(features.vector), features.vector),
            tuple(cut.get(id(part), part) for part in features.maps),
            cut.get(id(features.below), features.below),
        )

    def gradients(self, losses: Tensor, present: Tensor) -> list[Tensor]:
        """For each shared tensor the gradient of each loss there: [tasks, ...]; zeros of absent tasks."""
        rows = []
        for loss, there in zip(losses, present.tolist(), strict=True):
            found = (
                torch.autograd.grad(loss, self.leaves, retain_graph=True, allow_unused=True)
                if there and loss.requires_grad
                else [None] * len(self.leaves)
            )
            rows.append(
                [
                    torch.zeros_like(leaf) if gradient is None else gradient
                    for leaf, gradient in zip(self.leaves, found, strict=True)
                ]
            )
        return [torch.stack(column) for column in zip(*rows, strict=True)]

    def back(self, gradients: list[Tensor], weights: Tensor) -> None:
        """Let the backbone learn the weighted sum of the tasks' gradients."""
        mixed = [torch.tensordot(weights, each.float(), dims=1).to(each.dtype) for each in gradients]
        torch.autograd.backward(self.seen, mixed)


class Watch:
    """Running sums over an epoch of the norms of the tasks' gradients and of the cosines between them."""

    def __init__(self, tasks: int, device: torch.device) -> None:
        self.sums = torch.zeros(3, tasks, tasks, device=device)  # of cosines, of looks, of norms (diagonal)

    def add(self, gram: Tensor) -> None:
        """One more look; a task whose gradient is zero is not there."""
        norms = gram.diagonal().clamp(min=0).sqrt()
        there = (norms > 0).float()
        both = torch.outer(there, there)
        cosines = gram / torch.outer(norms, norms).clamp(min=1e-30)
        self.sums += torch.stack([cosines * both, both, torch.diag(norms)])

    def told(self, names: list[str]) -> dict[str, dict[str, float]]:
        """``{"norms": {task: mean}, "cosines": {"a | b": mean}}``; what was never seen is left out."""
        cosines, looks, norms = self.sums.cpu().unbind()
        pairs = [(i, j) for i in range(len(names)) for j in range(i + 1, len(names)) if looks[i, j] > 0]
        return {
            "norms": {
                name: float(norms[i, i] / looks[i, i]) for i, name in enumerate(names) if looks[i, i] > 0
            },
            "cosines": {f"{names[i]} | {names[j]}": float(cosines[i, j] / looks[i, j]) for i, j in pairs},
        }
