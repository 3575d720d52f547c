"""A frozen backbone: each picture is looked at once, and the backbone does not move by a bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support import toy
from support.toy import CONFIG, TRAINING, VALIDATION, Pixels, begin, train, world
from torch import Tensor

from oneglance.evaluation.comparison.variants import feature_seconds
from oneglance.progress import Screen
from oneglance.training.preparation.feature_cache import FeatureCache, cached_features
from oneglance.training.trainer import Trainer

FROZEN = ("backbone.freeze=true", "training.batch=7")


def backbone(trainer: Trainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in trainer.learner.network.backbone.state_dict().items()}


def test_the_backbone_does_not_move(tmp_path: Path) -> None:
    before = backbone(begin(tmp_path / "same seed", *FROZEN))
    trainer = train(tmp_path / "run", *FROZEN)
    kept = trainer.folder.network_tensors()
    for name, value in before.items():
        assert torch.equal(trainer.learner.network.backbone.state_dict()[name], value)
        assert torch.equal(kept[f"backbone.{name}"], value)
    heads = trainer.learner.network.heads
    first = begin(tmp_path / "again", *FROZEN).learner.network.heads
    kept_last, first_last = (each["kind head"].get_parameter("last.weight") for each in (heads, first))
    assert not torch.equal(kept_last, first_last)


def test_the_optimizer_keeps_nothing_for_it(tmp_path: Path) -> None:
    learner = begin(tmp_path / "run", *FROZEN).learner
    held = {id(parameter) for group in learner.optimizer.param_groups for parameter in group["params"]}
    assert held == {id(parameter) for parameter in learner.network.heads.parameters()}


def test_each_picture_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, records = world()
    monkeypatch.setattr(toy, "world", lambda: (store, records))
    trainer = begin(tmp_path / "run", *FROZEN)
    before = list(store.asked)
    # Once for the features, and the training split once more to prepare a new backbone.
    assert sorted(before) == sorted([*range(TRAINING), *range(TRAINING + VALIDATION)])
    looked: list[int] = []
    trainer.learner.network.backbone.register_forward_hook(lambda *_: looked.append(1))
    trainer.learner.average.backbone.register_forward_hook(lambda *_: looked.append(1))
    trainer.run()
    assert looked == [] and store.asked == before


def test_it_answers_as_the_whole_network_does(tmp_path: Path) -> None:
    trainer = train(tmp_path / "run", *FROZEN)
    learner = trainer.learner
    network = trainer.folder.network(trainer.config, trainer.folder.tasks(trainer.config))
    pixels = torch.from_numpy(world()[0].pixels[TRAINING:]).permute(0, 3, 1, 2)
    with torch.inference_mode():
        expected = network(pixels)
    for name, raw in learner.validate(trainer.loaders[1]).items():
        np.testing.assert_allclose(raw, expected[name].numpy(), atol=1e-5)


def test_the_heads_learn(tmp_path: Path) -> None:
    trainer = train(tmp_path / "run", *FROZEN, "training.epochs=20", "training.learning_rate=0.05")
    first, last = trainer.history[0]["loss"], trainer.history[-1]["loss"]
    assert sum(last.values()) < 0.9 * sum(first.values())


def test_precision_is_chosen_on_the_heads_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = []

    def faster(step: object, device: object, *, key: str, **rest: object) -> str:
        step("fp32")  # type: ignore[operator]
        keys.append(key)
        return "fp32"

    monkeypatch.setattr("oneglance.training.resources.precision_choice.faster_precision", faster)
    begin(tmp_path / "run", *FROZEN, "training.precision=auto").run()
    begin(tmp_path / "thawed", "training.precision=auto").run()
    assert keys[0].startswith("train | heads |") and keys[1].startswith("train | small {")


def test_without_freeze_the_store_stays_itself(tmp_path: Path) -> None:
    trainer = begin(tmp_path / "run")
    store = Pixels(np.zeros((1, 16, 16, 3), dtype=np.uint8))
    found = cached_features(
        trainer.learner.network, store, [], trainer.config, trainer.learner.device, Screen()
    )
    assert found is store
    assert not trainer.learner.network.frozen


def test_rows_find_their_features() -> None:
    store = FeatureCache(np.array([4, 9, 2]), np.array([[0.4], [0.9], [0.2]], dtype=np.float32))
    assert store.gather(np.array([2, 4, 2])).ravel().tolist() == pytest.approx([0.2, 0.4, 0.2])


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []

    class Listening(Screen):
        def progress(self, done: int, total: int, what: str) -> None:
            told.append((done, total, what))

    begin(tmp_path / "run", *FROZEN, text=CONFIG, screen=Listening())
    total = TRAINING + VALIDATION
    assert told[-1] == (total, total, "features")
    assert [done for done, *_ in told] == sorted(done for done, *_ in told)


@pytest.mark.parametrize("freeze", [True, False])
def test_what_the_pass_took_is_kept_and_counted(tmp_path: Path, freeze: bool) -> None:
    session = toy.train(tmp_path / "run", f"backbone.freeze={str(freeze).lower()}", "training.epochs=1")
    passed = feature_seconds(session.folder)
    assert (0 < passed < 60) if freeze else passed == 0
