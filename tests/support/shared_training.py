"""Trains by hand in one of several processes: ``python -m support.shared_training FOLDER``, with the
environment that a launcher sets. Leaves weights and losses of each case in FOLDER.

With a "batch norm" that looks at each picture by itself, several processes must learn what one does.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from support import squares, toy
from torch import nn

from oneglance.training.distributed.process_group import ranks_of_environment
from oneglance.training.distributed.ranks import Ranks
from oneglance.training.optimizer import build_optimizer
from oneglance.training.trainer import Trainer

STEPS = 3
# SGD, for AdamW takes a full step however small a gradient is, also where it is but rounding.
STILL = (*toy.PLAIN, "augment.mosaic=0", "training.ema=0", "training.clip=0.5", "training.optimizer=sgd")
TAUGHT = ('training.teachers=["TEACHER"]', "training.teacher_features=1")
CASES = {
    "answers": (toy, (*STILL, "tasks.style.dropout=0")),
    "pcgrad": (toy, (*STILL, "tasks.style.dropout=0", "training.balancer=pcgrad")),
    "famo": (toy, (*STILL, "tasks.style.dropout=0", "training.balancer=famo")),
    "features": (toy, (*STILL, "tasks.style.dropout=0", *TAUGHT)),
    "places": (squares, STILL),
    "mgda": (squares, (*STILL, "training.balancer=mgda")),
}


def without_batch_norm(module: nn.Module) -> None:
    """Each picture is normalised by itself."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            setattr(module, name, nn.GroupNorm(1, child.num_features))
        without_batch_norm(child)


def train(made: Trainer, ranks: Ranks) -> dict[str, object]:
    learner = made.learner
    for network in (learner.network, learner.average):
        without_batch_norm(network)
    learner.optimizer = build_optimizer(learner.network, learner.table)
    made.share_among(ranks)
    learner.ranks = ranks
    losses = []
    for batch in made.loaders[0].shuffled(0, 0):
        losses.append(learner.update(batch, 30))
        if len(losses) == STEPS:
            break
    raw = {name: torch.from_numpy(value) for name, value in learner.validate(made.loaders[1]).items()}
    weights = dict(learner.network.state_dict())
    assert learner.picture_losses is not None
    return {
        "losses": torch.stack(losses),
        "noted": learner.picture_losses.values,
        "norms": learner.monitor.sums,
        "raw": raw,
        "weights": weights,
    }


def main() -> None:
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    with ranks_of_environment() as ranks:
        teacher = folder / f"teacher-{os.environ.get('RANK', 'alone')}"
        toy.train(teacher, "training.epochs=1")
        for name, (world, settings) in CASES.items():
            made = folder / f"{name}-{os.environ.get('RANK', 'alone')}"
            begin = world.begin if world is toy else world.trainer  # type: ignore[attr-defined]
            torch.manual_seed(0)
            settings = tuple(each.replace("TEACHER", str(teacher)) for each in settings)
            kept = train(begin(made, *settings), ranks)
            torch.save(kept, made / "kept.pt")


if __name__ == "__main__":
    main()
