"""The checks for members of others pass what is sound, and find what is broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor, nn

from oneglance.backbone import Features
from oneglance.backbones.small import Small
from oneglance.balancer import Balancer, Step
from oneglance.balancers.equal import Equal
from oneglance.data.sources.folder import Folder
from oneglance.tasks.number import Number
from oneglance.testing import ContractError, check_backbone, check_balancer, check_source, check_task

NUMBERS = [1.0, 2.0, 3.0]


class BatchLoss(Number):
    """Its loss depends on the rest of the batch."""

    def loss(self, raw: Tensor, target: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        loss, labelled = super().loss(raw, target)
        return loss + 0 * loss.sum() + loss.mean(), labelled


class Forgetful(Number):
    """It forgets its calibration."""

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore({**state, "middle": 0.0})


class Guessing(Number):
    """It reads what is unknown as 0."""

    def read(self, raw_value: Any, queried: Sequence[str] | None = None) -> float | None:
        return super().read(raw_value, queried) or 0.0


class Favourite(Balancer):
    """The first task has all the weight."""

    def share(self, step: Step) -> np.ndarray:
        return np.eye(len(step.losses))[0]


class Negative(Balancer):
    def share(self, step: Step) -> np.ndarray:
        return np.ones(len(step.losses)) * (2 - step.tasks)


class OneStamp(Folder):
    """It says of no picture that it is that one."""

    def entries(self) -> Any:
        items = list(super().entries())
        return iter([items[0]] * 2)


class Greedy(Folder):
    """It claims everything."""

    rank = 0

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return True


class SharedStages(Small):
    def stages(self) -> Any:
        yield from (self.parts[0], *self.parts)


class BatchFeatures(Small):
    """Features depend on the rest of the batch."""

    def forward(self, pictures: Tensor) -> Features:
        features = super().forward(pictures)
        return features._replace(vector=features.vector + features.vector.mean(0))


class NoTraining(Small):
    def __init__(self, *rest: Any) -> None:
        super().__init__(*rest)
        self.requires_grad_(False)
        self.extra = nn.Linear(1, 1)


def two_photos(base: Path) -> Path:
    for n, kind in enumerate(("cat", "dog")):
        (base / "photos" / kind).mkdir(parents=True)
        Image.new("RGB", (8, 6), (n, 0, 0)).save(base / "photos" / kind / f"{n}.png")
    return base / "photos"


def test_sound_members_pass_and_what_was_checked_comes_back() -> None:
    checked = check_task({"type": "number"}, NUMBERS)
    assert len(checked) >= 20 and "the loss of a row is its own" in checked
    assert len(check_task(Number, NUMBERS, per_image=False)) < len(checked)
    assert len(check_balancer(Equal, ignores_losses=True)) >= 12
    assert len(check_source(Folder, two_photos)) >= 9
    assert len(check_backbone(Small, {"width": 4}, sizes=[28])) >= 10


@pytest.mark.parametrize(
    ("member", "broken"),
    [
        (BatchLoss, "the loss of a row is its own (mixing adds shares"),
        (Forgetful, "state is json and restores the task: "),
        (Guessing, "what is unknown reads as none: '' reads as 0.0"),
    ],
)
def test_a_broken_task_is_found(member: type[Number], broken: str) -> None:
    with pytest.raises(ContractError) as caught:
        check_task(member, NUMBERS)
    assert f"- {broken}" in str(caught.value)
    assert str(caught.value).startswith("the task ")


def test_a_broken_balancer_is_found() -> None:
    with pytest.raises(ContractError, match="the order of the tasks does not matter") as caught:
        check_balancer(Favourite)
    assert "weights are sound" not in str(caught.value)
    with pytest.raises(ContractError, match=r"weights are sound: losses .* weights "):
        check_balancer(Negative)


def test_a_broken_source_is_found() -> None:
    with pytest.raises(ContractError, match="pictures load and have stamps: two pictures have one stamp"):
        check_source(OneStamp, two_photos)
    with pytest.raises(
        ContractError, match=r"does not claim what it cannot know: it recognises strange\.xyz"
    ):
        check_source(Greedy, two_photos)
    with pytest.raises(ContractError, match="rank is 0, no more than that of folder"):
        check_source(Greedy, two_photos)


@pytest.mark.parametrize(
    ("member", "broken"),
    [
        (SharedStages, "stages share no parameter: two stages share a parameter"),
        (BatchFeatures, "a picture does not depend on the rest of its batch: "),
        (NoTraining, "it starts in training mode and learns: "),
    ],
)
def test_a_broken_backbone_is_found(member: type[Small], broken: str) -> None:
    with pytest.raises(ContractError) as caught:
        check_backbone(member, {"width": 4}, sizes=[28])
    assert f"- {broken}" in str(caught.value)


def test_an_unknown_member_is_a_broken_promise() -> None:
    with pytest.raises(ContractError, match='has no balancer "equals"'):
        check_balancer("equals")
