"""The tasks' gradients at the features that they share: who pulls where, and how hard."""

from __future__ import annotations

import torch
from torch import Tensor

from oneglance.backbone import Features

EVERY = 16  # steps between two looks at the gradients where the balancer needs none


class Shared:
    """Features cut off from the backbone, so that the tasks' gradients can be looked at one by one and the
    backbone then goes back once, with whatever mixture of them.

    Where some tasks look at the vector and others at maps, both meet in the last map, of which the vector is
    made: see ``meeting``. A task with a last stage of its own does not meet the others; to see it do so, each
    of the others would have to go back through the shared last stage by itself.
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

    def meeting(self, gradients: list[Tensor]) -> list[Tensor]:
        """The same gradients with that of the vector taken back to the last map: what to compare tasks by.

        At the vector, a label and boxes have no coordinate in common: their cosine would be 0 whatever they
        want. Going back from the vector to the map costs a pooling, with some backbones one more layer, and
        never the backbone. It changes what tasks are compared by; what the backbone learns is the same.

        Boxes also look at finer maps; these remain coordinates of their own. All that the backbone learns
        comes through the tensors that are looked at, so the joined gradients hold all of it. But the last map
        is made of the finer ones, and what the vector wants of those is not known without going further back.
        The cosine of a label and boxes is thus that in the last map, made smaller by what boxes ask of the
        others alone: it has the sign of the first, and understates.

        What a vector takes from finer maps by itself, as the means in that of ``small``, is left out.

        Where a backbone makes its vector of something else than its last map, as transformers do whose maps
        are rearranged tokens, the gradients stay as they are.
        """
        vector, maps = self.features.vector, self.features.maps
        places = {id(part): place for place, part in enumerate(self.seen)}
        if not maps or id(vector) not in places or id(maps[-1]) not in places:
            return gradients
        own, last = places[id(vector)], places[id(maps[-1])]
        if own == last:
            return gradients
        taken = []
        for gradient in gradients[own]:
            found = torch.autograd.grad(vector, maps[-1], gradient, retain_graph=True, allow_unused=True)[0]
            if found is None:
                return gradients
            taken.append(found)
        met = list(gradients)
        met[last] = met[last] + torch.stack(taken)
        return [part for place, part in enumerate(met) if place != own]

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
