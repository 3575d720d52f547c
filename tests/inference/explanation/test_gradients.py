"""Maps from gradients, of networks of which one knows where they look."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from oneglance.backbone import Backbone, Features, measure
from oneglance.inference.explanation.gradients import GradientPass, has_positions, watched
from oneglance.network import Network
from oneglance.task import Task, build_tasks

CELL = 8  # pixels
WIDTH, HEIGHT = 48, 32


class Mixed(nn.Module):
    """Positions in some layout."""

    def __init__(self, layout: str) -> None:
        super().__init__()
        self.layout = layout

    def forward(self, maps: Tensor) -> Tensor:
        if self.layout == "channels last":
            return maps.permute(0, 2, 3, 1)
        if self.layout == "tokens":
            tokens = maps.flatten(2).transpose(1, 2)
            return torch.cat([tokens.mean(dim=1, keepdim=True), tokens], dim=1)
        return maps * 1


class Colours(Backbone):
    """The mean colour of each cell, and of all cells together."""

    mean, std, pretrained = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), False

    def __init__(self, layout: str = "maps") -> None:
        super().__init__()
        self.pool, self.mixed = nn.AvgPool2d(CELL), Mixed(layout)
        self.shape = measure(self, WIDTH, HEIGHT)

    def forward(self, pictures: Tensor) -> Features:
        maps = self.pool(pictures)
        mixed = self.mixed(maps)
        vector = mixed[:, 1:].mean(dim=1) if self.mixed.layout == "tokens" else mixed.flatten(2).mean(dim=2)
        if self.mixed.layout == "channels last":
            vector = mixed.mean(dim=(1, 2))
        return Features(vector, (maps,))

    def stages(self) -> Iterator[nn.Module]:
        return iter(())


class NoPositions(Colours):
    def forward(self, pictures: Tensor) -> Features:
        return Features(pictures.mean(dim=(2, 3)))


def network_of(
    backbone: Backbone,
    table: dict[str, Any],
    answers: list[Any],
    weight: list[list[float]],
    mirror: bool = False,
) -> tuple[Network, Task]:
    task = build_tasks({"asked": table})["asked"]
    task.fit_target(answers)
    network = Network(backbone, {"asked": task}, mirror=mirror).eval()
    with torch.no_grad():
        network.heads["asked head"].last.weight.copy_(torch.tensor(weight))  # type: ignore[union-attr, operator]
    return network, task


def spotted(row: int, column: int, colour: tuple[int, int, int]) -> np.ndarray:
    """A grey canvas with one cell of another colour."""
    canvas = np.full((HEIGHT, WIDTH, 3), 20, np.uint8)
    canvas[CELL * row : CELL * (row + 1), CELL * column : CELL * (column + 1)] = colour
    return canvas


def hottest(heat: np.ndarray) -> tuple[int, int]:
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    return int(row) // CELL, int(column) // CELL


RED = [[1.0, 0, 0], [0, 1.0, 0]]


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("layout", ["maps", "channels last", "tokens"])
def test_a_label_rests_on_what_speaks_for_it(layout: str, mirror: bool) -> None:
    network, task = network_of(Colours(layout), {"type": "label"}, ["red", "green"] * 5, RED[::-1], mirror)
    passed = GradientPass(network, spotted(2, 4, (250, 20, 20)))
    (answer,) = task.explained_answers(passed.raw["asked"])
    assert answer.words.startswith("red")
    heat = passed.heat("asked", answer)
    assert heat.shape == (HEIGHT, WIDTH) and heat.min() >= 0 and heat.max() == pytest.approx(1)
    assert hottest(heat) == (2, 4)
    assert np.median(heat) < 0.2
    other = GradientPass(network, spotted(1, 0, (20, 250, 20)))
    (answer,) = task.explained_answers(other.raw["asked"])
    assert answer.words.startswith("green") and hottest(other.heat("asked", answer)) == (1, 0)


def test_each_tag_has_a_map_of_its_own() -> None:
    from oneglance.tasks.tags import TagAnnotations

    answers = [TagAnnotations(frozenset(tags)) for tags in (["red"], ["green"], []) * 4]
    network, task = network_of(Colours(), {"type": "tags"}, answers, [[0, 99.0, 0], [99.0, 0, 0]])
    canvas = spotted(0, 0, (250, 20, 20))
    canvas[-CELL:, -CELL:] = (20, 250, 20)
    passed = GradientPass(network, canvas)
    maps = {one.words.split()[0]: one for one in task.explained_answers(passed.raw["asked"])}
    assert hottest(passed.heat("asked", maps["red"])) == (0, 0)
    assert hottest(passed.heat("asked", maps["green"])) == (3, 5)


def test_a_number_rests_on_what_lowers_it_too() -> None:
    network, task = network_of(Colours(), {"type": "number"}, [1.0, 2.0, 3.0], [[-1.0, 0, 0]])
    passed = GradientPass(network, spotted(3, 1, (250, 0, 0)))
    (answer,) = task.explained_answers(passed.raw["asked"])
    assert hottest(passed.heat("asked", answer)) == (3, 1)


def test_the_slope_is_that_of_the_support() -> None:
    network, task = network_of(Colours(), {"type": "label"}, ["a", "b", "c"] * 4, [*RED, [0, 0, 1.0]])
    raw = GradientPass(network, spotted(0, 0, (90, 30, 60))).raw["asked"]
    (answer,) = task.explained_answers(raw)
    assert answer.slope is not None
    odds = np.exp(raw[0].astype(np.float64))
    best = int(raw[0].argmax())
    expected = -odds / (odds.sum() - odds[best])
    expected[best] = 1
    assert answer.slope == pytest.approx(expected, abs=1e-3)


def test_where_features_have_no_positions_nothing_is_hot() -> None:
    network, _ = network_of(NoPositions(), {"type": "number"}, [1.0, 2.0], [[1.0, 0, 0]])
    assert not has_positions(network)
    assert has_positions(network_of(Colours(), {"type": "number"}, [1.0, 2.0], [[1.0, 0, 0]])[0])


def test_the_network_is_left_as_it_was() -> None:
    network, _ = network_of(Colours(), {"type": "number"}, [1.0, 2.0], [[1.0, 0, 0]])
    with watched(network):
        assert network.backbone.pool._forward_hooks  # type: ignore[union-attr]
    assert not any(module._forward_hooks for module in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())
