"""What a training is foretold to take."""

from __future__ import annotations

from oneglance import config as configuration
from oneglance.config import Config
from oneglance.starting.forecast import Forecast, forecast
from oneglance.task import Task, build_tasks, fit_targets

PICTURES = 64


def declared(**backbone: object) -> tuple[Config, dict[str, Task]]:
    config = configuration.load(
        {
            "sources": [{"path": "photos"}],
            "tasks": {"kind": {"type": "label"}},
            "backbone": {"name": "small", "size": 128, "weights": "none", **backbone},
            "training": {"batch": PICTURES, "epochs": 10},
        }
    )
    tasks = build_tasks(config.tasks, config.file)
    fit_targets(tasks, lambda name: ["cat", "dog"] * 8)
    return config, tasks


def foretold(**backbone: object) -> Forecast:
    return forecast(*declared(**backbone), training=PICTURES, validation=8)


def test_a_frozen_backbone_keeps_nothing_for_a_way_back() -> None:
    learns, frozen = foretold(), foretold(freeze=True)
    assert frozen.mb < learns.mb - 100  # 64 pictures of 128 pixels, forwards and backwards
    assert frozen.seconds < learns.seconds / 10  # each picture once, in place of ten epochs
