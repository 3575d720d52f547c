"""The tasks' gradients at the shared features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.toy import PLAIN, begin
from torch import Tensor

from oneglance.backbone import Features, build_backbone
from oneglance.balancer import build_balancer, gram_matrix
from oneglance.config import AugmentTable, BackboneTable, TrainingTable
from oneglance.data.record import Box, BoxAnnotations
from oneglance.network import Network
from oneglance.task import build_tasks
from oneglance.training.augment import Augment
from oneglance.training.data_loader import Batch
from oneglance.training.learner import Learner
from oneglance.training.task_gradients import GradientMonitor, SharedFeatures
from oneglance.training.trainer import Trainer

GRAM = ["upgrad", "mgda", "pcgrad"]


def one_batch(trainer: Trainer) -> Batch:
    return next(trainer.loaders[0].in_order())


def gradients(learner: Learner) -> dict[str, Tensor]:
    return {n: p.grad.clone() for n, p in learner.network.named_parameters() if p.grad is not None}


def test_looking_changes_no_gradient(tmp_path: Path) -> None:
    """The first step looks at the gradients of each task, the second does not; both are the same."""
    trainer = begin(tmp_path / "run", *PLAIN)
    learner, batch = trainer.learner, one_batch(trainer)
    found = []
    for updates in (0, 1):
        learner.position.updates = updates
        torch.manual_seed(0)
        learner.backward(batch.pictures.float(), batch.targets, None)
        found.append(gradients(learner))
    assert found[0].keys() == found[1].keys()
    for name, gradient in found[0].items():
        torch.testing.assert_close(gradient, found[1][name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", GRAM)
def test_the_backbone_learns_the_mixture(tmp_path: Path, name: str) -> None:
    """Weighted by hand, the losses give the backbone what the balancer's weights of the gradients give."""
    trainer = begin(tmp_path / name, *PLAIN, f"training.balancer={name}")
    learner, batch = trainer.learner, one_batch(trainer)
    pictures = batch.pictures.float()
    torch.manual_seed(0)
    learner.backward(pictures, batch.targets, None)
    found = gradients(learner)
    shared = SharedFeatures(learner.network.features(pictures))
    torch.manual_seed(0)
    losses, present = learner.losses(learner.network.answer(shared.cut), batch.targets, None)
    gram = gram_matrix(shared.gradients(losses, present))
    weights = learner.balancer.weights(losses.detach(), present, gram) * learner.weights
    learner.optimizer.zero_grad()
    torch.manual_seed(0)
    losses, _ = learner.losses(learner.network(pictures), batch.targets, None)
    (weights * losses).sum().backward()  # type: ignore[no-untyped-call]
    for place, parameter in learner.network.backbone.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(found[f"backbone.{place}"], parameter.grad, rtol=1e-3, atol=1e-5)


# A label looks at the vector, boxes at maps.

SIDE = 32
BOXED = {"type": "boxes", "levels": 2, "width": 8, "depth": 1, "bins": 4}
ANSWERS: dict[str, list[Any]] = {
    "kind": ["a", "b", "a", "b"],
    "amount": [1.0, 2.0, 3.0, None],
    "things": [
        BoxAnnotations((Box(4, 4, 20, 20, "apple"),)),
        BoxAnnotations(()),
        None,
        BoxAnnotations((Box(9, 2, 30, 18, "apple"),)),
    ],
}


def boxed(name: str, method: str) -> tuple[Learner, Tensor, dict[str, dict[str, Tensor]]]:
    """A learner of a label, a number and boxes, with one batch of pictures and targets."""
    torch.manual_seed(0)
    tasks = build_tasks({"kind": {"type": "label"}, "amount": {"type": "number"}, "things": BOXED})
    for place, task in tasks.items():
        task.fit_target([answer for answer in ANSWERS[place] if answer is not None])
    options = {"width": 4, "depth": 2} if name == "small" else {}
    table = BackboneTable(name=name, weights="none", size=SIDE, options=options)
    network = Network(build_backbone(table, Path()), tasks)
    augment = Augment(AugmentTable(), network.mean, 20)
    learner = Learner(
        network, tasks, build_balancer(method, {}), augment, TrainingTable(), torch.device("cpu")
    )
    arrays = {place: task.encode(ANSWERS[place]) for place, task in tasks.items()}
    targets = {
        place: {key: torch.from_numpy(value) for key, value in array.items()}
        for place, array in arrays.items()
    }
    return learner, 255 * torch.rand(4, 3, SIDE, SIDE), targets


@pytest.mark.parametrize("name", ["small", "mobilenetv2_050", "resnet18"])
def test_tasks_of_the_vector_and_of_maps_meet_in_the_last_map(name: str) -> None:
    """There, each has the gradient that it would have without any cut; of the finer maps, the direct one."""
    learner, pictures, targets = boxed(name, "equal")
    network = learner.network
    features = network.features(pictures)
    whole, _ = learner.losses(network.answer(features), targets, None)
    expected = [torch.autograd.grad(loss, features.maps[-1], retain_graph=True)[0] for loss in whole]
    shared = SharedFeatures(features)
    losses, present = learner.losses(network.answer(shared.cut), targets, None)
    apart = shared.gradients(losses, present)
    met = shared.at_last_map(apart)
    assert len(met) == len(apart) - 1 == len(features.maps)
    torch.testing.assert_close(met[-1], torch.stack(expected), rtol=1e-3, atol=1e-6)
    finer = met[-2].flatten(1).norm(dim=1)
    assert finer[2] > 0 and (finer[:2] == 0).all()
    before, after = gram_matrix(apart), gram_matrix(met)
    assert (before[:2, 2] == 0).all() and (after[:2, 2] != 0).all()


@pytest.mark.parametrize("method", GRAM)
@pytest.mark.parametrize("name", ["small", "mobilenetv2_050"])
def test_with_boxes_too_the_backbone_learns_the_mixture(name: str, method: str) -> None:
    learner, pictures, targets = boxed(name, method)
    network = learner.network
    learner.backward(pictures, targets, None)
    found = gradients(learner)
    shared = SharedFeatures(network.features(pictures))
    losses, present = learner.losses(network.answer(shared.cut), targets, None)
    gram = gram_matrix(shared.at_last_map(shared.gradients(losses, present)))
    weights = learner.balancer.weights(losses.detach(), present, gram)
    learner.optimizer.zero_grad()
    losses, _ = learner.losses(network(pictures), targets, None)
    (weights * losses).sum().backward()  # type: ignore[no-untyped-call]
    for place, parameter in network.backbone.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(found[f"backbone.{place}"], parameter.grad, rtol=1e-2, atol=1e-4)


def test_without_a_task_that_asks_where_all_meet_in_the_vector(tmp_path: Path) -> None:
    trainer = begin(tmp_path / "run", *PLAIN)
    learner, batch = trainer.learner, one_batch(trainer)
    shared = SharedFeatures(learner.network.features(batch.pictures.float()))
    losses, present = learner.losses(learner.network.answer(shared.cut), batch.targets, None)
    apart = shared.gradients(losses, present)
    assert len(apart) == 1 and apart[0].shape[1:] == shared.features.vector.shape
    assert shared.at_last_map(apart) is apart


def test_a_vector_of_something_else_stays_where_it_is() -> None:
    """As with transformers, whose maps are rearranged tokens."""
    seen = torch.rand(2, 6, 3, 3, requires_grad=True) * 1
    shared = SharedFeatures(Features(seen.mean(dim=(2, 3)), (seen * 1,)))
    apart = [torch.rand(3, 2, 6), torch.rand(3, 2, 6, 3, 3)]
    assert shared.at_last_map(apart) is apart


def test_norms_and_cosines_are_told() -> None:
    monitor = GradientMonitor(3, torch.device("cpu"))
    rows = torch.tensor([[3.0, 4.0], [4.0, -3.0], [0.0, 0.0]])
    monitor.add(rows @ rows.T)
    monitor.add(rows @ rows.T)
    told = monitor.summary(["a", "b", "c"])
    assert told["norms"] == pytest.approx({"a": 5.0, "b": 5.0})
    assert told["cosines"] == pytest.approx({"a | b": 0.0})


def test_the_history_tells_them(tmp_path: Path) -> None:
    trainer = begin(tmp_path / "run")
    trainer.run()
    row = trainer.history[0]["gradients"]
    assert set(row["norms"]) <= set(trainer.tasks)
    assert all(-1.001 <= cosine <= 1.001 for cosine in row["cosines"].values())
    assert np.isfinite(list(row["norms"].values())).all() and len(row["cosines"]) >= 3
