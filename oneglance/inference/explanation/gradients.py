"""Maps from gradients: one pass forward and one back for each answer.

Features are weighed, position by position, by how much more of each would add to the answer (LayerCAM, Jiang
et al. 2021, IEEE TIP 30, equations 3 and 4). Of each resolution the last features are taken that the answer
depends on, found by watching a pass: no backbone has to name them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from oneglance.inference.explanation.grids import Grid, joined
from oneglance.network import Network
from oneglance.nn.feature_shape import Level
from oneglance.nn.inner_product import inner_product
from oneglance.report_items import ExplainedAnswer

PREFIX = 8  # tokens of a transformer at most that belong to no position


class Watched(NamedTuple):
    """Features that a pass went through."""

    features: Tensor
    level: Level  # the resolution that they have
    mirrored: bool  # of the picture's mirror image


class GradientPass:
    """One picture in a network, ready to be asked about its answers.

    Args:
        canvas: uint8 [h, w, 3].
    """

    def __init__(self, network: Network, canvas: np.ndarray) -> None:
        self._network, self._size = network, (canvas.shape[1], canvas.shape[0])
        device = network.mean.device
        picture = torch.from_numpy(np.ascontiguousarray(canvas)).permute(2, 0, 1)[None].to(device).float()
        self._watched: list[Watched] = []
        self._outputs = [self._pass(picture, mirrored=False)]
        if network.mirror and network.whole:
            self._outputs.append(self._pass(picture.flip(3), mirrored=True))

    @property
    def raw(self) -> dict[str, np.ndarray]:
        """The raw output [1, ...] of every task."""
        return {
            name: np.mean([one[name].detach().float().cpu().numpy() for one in self._of(name)], axis=0)
            for name in self._outputs[0]
        }

    def heat(self, task: str, answer: ExplainedAnswer) -> np.ndarray:
        """What the answer rests on: float32 [h, w] of the canvas, from 0 to 1."""
        assert answer.slope is not None
        outputs = [one[task] for one in self._of(task)]
        slope = torch.as_tensor(answer.slope, dtype=torch.float32, device=outputs[0].device)[None]
        along = inner_product([output.float() for output in outputs], [slope / len(outputs)] * len(outputs))
        gradients = torch.autograd.grad(
            along, [one.features for one in self._watched], retain_graph=True, allow_unused=True
        )
        grids: dict[tuple[Level, bool], Grid] = {}
        for one, gradient in reversed(list(zip(self._watched, gradients, strict=True))):
            key = one.level, one.mirrored
            # Behind the last layer in which positions see each other, none of them may count.
            if key in grids or gradient is None or not by_position(gradient.abs(), one.level).any():
                continue
            gain = gradient.abs() if answer.either_way else gradient.clamp(min=0)
            values = by_position(one.features.detach() * gain, one.level).float().cpu().numpy().clip(min=0)
            grids[key] = Grid(values[:, ::-1] if one.mirrored else values, one.level.stride)
        return joined(list(grids.values()), self._size)

    def _of(self, task: str) -> list[dict[str, Tensor]]:
        return self._outputs if task in self._network.whole else self._outputs[:1]

    def _pass(self, picture: Tensor, *, mirrored: bool) -> dict[str, Tensor]:
        with torch.enable_grad(), watched(self._network) as seen:
            raw = self._network.answer(self._network.features(picture.requires_grad_()))
        self._watched += [Watched(features, level, mirrored) for features, level in seen]
        return raw


def has_positions(network: Network) -> bool:
    """Whether the backbone's features have positions at all."""
    return bool(network.backbone.shape.maps)


@contextmanager
def watched(network: Network) -> Iterator[list[tuple[Tensor, Level]]]:
    """The features with positions that this thread's passes through the backbone go through, in order."""
    levels, seen, thread = network.backbone.shape.maps, list[tuple[Tensor, Level]](), threading.get_ident()

    def record(module: nn.Module, inputs: Any, output: Any) -> None:
        if threading.get_ident() == thread and isinstance(output, Tensor) and output.requires_grad:
            seen.extend((output, level) for level in levels if has_level(output, level))

    handles = [
        module.register_forward_hook(record)
        for part in (network.backbone, network.branches)
        for module in part.modules()
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def has_level(features: Tensor, level: Level) -> bool:
    """Whether features of one picture lie at the positions of ``level``: as maps [1, c, h, w], with the
    channels last, or as tokens [1, n, c] of which the last are positions.
    """
    size, shape = (level.height, level.width), tuple(features.shape)
    if len(shape) == 4:
        return shape[2:] == size or (shape[1:3] == size and shape[3] == level.channels)
    tokens = shape[1] - size[0] * size[1] if len(shape) == 3 else -1
    return 0 <= tokens <= PREFIX and shape[2] == level.channels


def by_position(values: Tensor, level: Level) -> Tensor:
    """The sum over channels at each position: [h, w]."""
    if values.ndim == 3:
        return values[0, -level.height * level.width :].sum(dim=1).view(level.height, level.width)
    return values[0].sum(dim=0 if tuple(values.shape[2:]) == (level.height, level.width) else 2)


def heats(
    passed: GradientPass, answers: Mapping[str, Sequence[ExplainedAnswer]]
) -> Iterator[tuple[str, ExplainedAnswer, np.ndarray]]:
    """The heat of each answer of each task."""
    for task, several in answers.items():
        for answer in several:
            yield task, answer, passed.heat(task, answer)
