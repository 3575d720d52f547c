"""The tasks' gradients at the shared features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from toy import PLAIN, begin

from oneglance.balancer import gram_matrix
from oneglance.training.batches import Batch
from oneglance.training.gradients import Shared, Watch
from oneglance.training.loop import Learner
from oneglance.training.session import Session

GRAM = ["upgrad", "mgda", "pcgrad"]


def one_batch(session: Session) -> Batch:
    return next(session.batches[0].in_order())


def gradients(learner: Learner) -> dict[str, Tensor]:
    return {n: p.grad.clone() for n, p in learner.network.named_parameters() if p.grad is not None}


def test_looking_changes_no_gradient(tmp_path: Path) -> None:
    """The first step looks at the gradients of each task, the second does not; both are the same."""
    session = begin(tmp_path / "run", *PLAIN)
    learner, batch = session.learner, one_batch(session)
    found = []
    for updates in (0, 1):
        learner.place.updates = updates
        torch.manual_seed(0)
        learner.backward(batch.pictures.float(), batch.targets, None)
        found.append(gradients(learner))
    assert found[0].keys() == found[1].keys()
    for name, gradient in found[0].items():
        torch.testing.assert_close(gradient, found[1][name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", GRAM)
def test_the_backbone_learns_the_mixture(tmp_path: Path, name: str) -> None:
    """Weighted by hand, the losses give the backbone what the balancer's weights of the gradients give."""
    session = begin(tmp_path / name, *PLAIN, f"training.balancer={name}")
    learner, batch = session.learner, one_batch(session)
    pictures = batch.pictures.float()
    torch.manual_seed(0)
    learner.backward(pictures, batch.targets, None)
    found = gradients(learner)
    shared = Shared(learner.network.features(pictures))
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


def test_norms_and_cosines_are_told() -> None:
    watch = Watch(3, torch.device("cpu"))
    rows = torch.tensor([[3.0, 4.0], [4.0, -3.0], [0.0, 0.0]])
    watch.add(rows @ rows.T)
    watch.add(rows @ rows.T)
    told = watch.told(["a", "b", "c"])
    assert told["norms"] == pytest.approx({"a": 5.0, "b": 5.0})
    assert told["cosines"] == pytest.approx({"a | b": 0.0})


def test_the_history_tells_them(tmp_path: Path) -> None:
    session = begin(tmp_path / "run")
    session.run()
    row = session.history[0]["gradients"]
    assert set(row["norms"]) <= set(session.tasks)
    assert all(-1.001 <= cosine <= 1.001 for cosine in row["cosines"].values())
    assert np.isfinite(list(row["norms"].values())).all() and len(row["cosines"]) >= 3
