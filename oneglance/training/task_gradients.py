"""The gradient of each task's loss at the features that the tasks share: its direction and its norm."""

from __future__ import annotations

import torch
from torch import Tensor

from oneglance.backbone import Features
from oneglance.nn.inner_product import inner_product

EVERY = 16  # steps between two measurements of the gradients where the balancer needs none


class SharedFeatures:
    """Features cut off from the backbone: each task's gradient can be taken there by itself, and one backward
    pass through the backbone does for whatever mixture of them.

    Where some heads read the vector and others maps, their gradients are comparable at the last map, of which
    the vector is made: see ``at_last_map``. A task with a last stage of its own has no gradient there; to
    compare it, that of each other task would have to go back through the shared last stage by itself.
    """

    def __init__(self, features: Features) -> None:
        self.features = features
        tensors = [features.vector, *features.maps]
        tensors += [] if features.below is None else [features.below]
        # By identity: what a stage builds on may be one of the maps.
        self.shared = list({id(tensor): tensor for tensor in tensors if tensor.requires_grad}.values())
        cut = {id(tensor): tensor.detach().requires_grad_() for tensor in self.shared}
        self.leaves = list(cut.values())
        self.cut = Features(
            cut.get(id(features.vector), features.vector),
            tuple(cut.get(id(tensor), tensor) for tensor in features.maps),
            cut.get(id(features.below), features.below),
        )

    def gradients(self, losses: Tensor, present: Tensor) -> list[Tensor]:
        """For each shared tensor the gradient of each loss there: [tasks, ...]; zeros of absent tasks."""
        rows = []
        for loss, is_present in zip(losses, present.tolist(), strict=True):
            own = (
                torch.autograd.grad(loss, self.leaves, retain_graph=True, allow_unused=True)
                if is_present and loss.requires_grad
                else [None] * len(self.leaves)
            )
            rows.append(
                [
                    torch.zeros_like(leaf) if gradient is None else gradient
                    for leaf, gradient in zip(self.leaves, own, strict=True)
                ]
            )
        return [torch.stack(column) for column in zip(*rows, strict=True)]

    def at_last_map(self, gradients: list[Tensor]) -> list[Tensor]:
        """The same gradients with that of the vector taken back to the last map: what to compare tasks by.

        At the vector, a label and boxes have no coordinate in common: their cosine would be 0 whatever they
        want. Going back from the vector to the map costs a pooling, with some backbones one more layer, and
        never the backbone. It changes what tasks are compared by; what the backbone learns is the same.

        Boxes also read finer maps; these remain coordinates of their own. All that the backbone learns comes
        through the shared tensors, so the joined gradients hold all of it. But the last map
        is made of the finer ones, and what the vector wants of those is not known without going further back.
        The cosine of a label and boxes is thus that in the last map, made smaller by what boxes ask of the
        others alone: it has the sign of the first, and understates.

        What a vector takes from finer maps by itself, as the means in that of ``small``, is left out.

        Where a backbone makes its vector of something else than its last map, as transformers do whose maps
        are rearranged tokens, the gradients stay as they are.
        """
        vector, maps = self.features.vector, self.features.maps
        indices = {id(tensor): index for index, tensor in enumerate(self.shared)}
        if not maps or id(vector) not in indices or id(maps[-1]) not in indices:
            return gradients
        own, last = indices[id(vector)], indices[id(maps[-1])]
        if own == last:
            return gradients
        taken = []
        for gradient in gradients[own]:
            along = inner_product([vector], [gradient])
            back = torch.autograd.grad(along, maps[-1], retain_graph=True, allow_unused=True)[0]
            if back is None:
                return gradients
            taken.append(back)
        comparable = list(gradients)
        comparable[last] = comparable[last] + torch.stack(taken)
        return [gradient for index, gradient in enumerate(comparable) if index != own]

    def backward(self, gradients: list[Tensor]) -> None:
        """Let the backbone learn from one gradient for each shared tensor."""
        torch.autograd.backward(inner_product(self.shared, gradients))


def mixed(gradients: list[Tensor], weights: Tensor) -> list[Tensor]:
    """The weighted sum of the tasks' gradients [tasks, ...] at each of the shared tensors."""
    return [torch.tensordot(weights, each.float(), dims=1).to(each.dtype) for each in gradients]


class GradientMonitor:
    """Running sums over an epoch of the norms of the tasks' gradients and of the cosines between them."""

    def __init__(self, tasks: int, device: torch.device) -> None:
        self.sums = torch.zeros(
            3, tasks, tasks, device=device
        )  # of cosines, of their counts, of norms (diagonal)

    def add(self, gram: Tensor) -> None:
        """The inner products of one more step; a task whose gradient is zero does not count in it."""
        norms = gram.diagonal().clamp(min=0).sqrt()
        present = (norms > 0).float()
        both = torch.outer(present, present)
        cosines = gram / torch.outer(norms, norms).clamp(min=1e-30)
        self.sums += torch.stack([cosines * both, both, torch.diag(norms)])

    def summary(self, names: list[str]) -> dict[str, dict[str, float]]:
        """``{"norms": {task: mean}, "cosines": {"a | b": mean}}``; what was never measured is left out."""
        cosines, counts, norms = self.sums.cpu().unbind()
        pairs = [(i, j) for i in range(len(names)) for j in range(i + 1, len(names)) if counts[i, j] > 0]
        return {
            "norms": {
                name: float(norms[i, i] / counts[i, i]) for i, name in enumerate(names) if counts[i, i] > 0
            },
            "cosines": {f"{names[i]} | {names[j]}": float(cosines[i, j] / counts[i, j]) for i, j in pairs},
        }
