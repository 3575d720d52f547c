"""[training] keep: tasks of a finished run that stay as they are while others learn beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import toy
from support.toy import Interrupter, begin, go_on, results, train

from oneglance.errors import ConfigError, OneglanceError, RunError, StoppedError
from oneglance.storage.run_folder import RunFolder
from oneglance.training.preparation.early_checks import refuse_impossible
from oneglance.training.preparation.feature_cache import FeatureCache

OLD = toy.CONFIG.replace('[tasks.verdict]\ntype = "label"\nfrom = "kind"\nuses = ["kind", "style"]\n', "")
STAGE = 'training.task_stage=["verdict"]'


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of three tasks; nobody changes it."""
    folder = tmp_path_factory.mktemp("runs") / "old"
    train(folder, "training.epochs=2", text=OLD)
    return folder


def keeping(old: Path, names: str = '["kind", "weight", "style"]') -> tuple[str, ...]:
    return f"training.from={old}", f"training.keep={names}", "backbone.freeze=true"


def raw(run: Path) -> dict[str, bytes]:
    """What the network answers to some pictures."""
    folder = RunFolder.open(run)
    config = folder.config()
    pictures = torch.from_numpy(toy.world()[0].pixels[:6]).permute(0, 3, 1, 2)
    with torch.inference_mode():
        vectors, answers = folder.network(config, folder.tasks(config)).forward_with_features(pictures)
    return {"": vectors.numpy().tobytes(), **{n: value.numpy().tobytes() for n, value in answers.items()}}


@pytest.mark.parametrize("changes", [(), (STAGE,), ("training.ema=0.5", "training.balancer=famo")])
def test_they_are_the_same_to_the_bit(old: Path, tmp_path: Path, changes: tuple[str, ...]) -> None:
    before = raw(old)
    trainer = train(tmp_path / "run", *keeping(old), *changes)
    after = raw(tmp_path / "run")
    assert {name: after[name] for name in before} == before
    kept: Any = RunFolder.open(old).read_json("tasks.json")
    states: Any = RunFolder.open(tmp_path / "run").read_json("tasks.json")
    assert {name: states[name] for name in kept} == kept
    assert trainer.history[-1]["loss"]["verdict"] < trainer.history[0]["loss"]["verdict"]
    assert list(trainer.history[0]["loss"]) == ["verdict"]


def test_features_are_computed_once_unless_a_stage_learns(old: Path, tmp_path: Path) -> None:
    assert isinstance(begin(tmp_path / "heads", *keeping(old)).store, FeatureCache)
    assert not isinstance(begin(tmp_path / "stage", *keeping(old), STAGE).store, FeatureCache)


def test_a_new_stage_begins_as_the_last_one_of_the_run(old: Path, tmp_path: Path) -> None:
    network = begin(tmp_path / "run", *keeping(old), STAGE).learner.network
    stage, backbone = network.branches["verdict stage"].state_dict(), network.backbone.state_dict()
    assert stage
    for name, tensor in stage.items():
        assert torch.equal(tensor, backbone[name.replace("part.", "parts.1.", 1)])
    network.train()
    assert [m.training for m in network.backbone.modules()] == [False] * len(list(network.backbone.modules()))
    assert network.branches["verdict stage"].training
    assert not network.heads["style head"].training  # it has dropout, and verdict looks at what it knows
    assert network.left_out == {"weight"}


def test_it_goes_on_where_it_was_stopped(old: Path, tmp_path: Path) -> None:
    train(tmp_path / "whole", *keeping(old), STAGE)
    train(tmp_path / "stopped", *keeping(old), STAGE, stops=[4])
    assert results(tmp_path / "whole") == results(tmp_path / "stopped")


def test_it_does_not_go_on_without_what_it_keeps(old: Path, tmp_path: Path) -> None:
    train(tmp_path / "old", "training.epochs=1", text=OLD)
    with pytest.raises(StoppedError):
        begin(tmp_path / "run", *keeping(tmp_path / "old"), screen=Interrupter(2)).run()
    (tmp_path / "old").rename(tmp_path / "moved")
    with pytest.raises(RunError, match="there is no such run folder"):
        go_on(tmp_path / "run")


def test_a_run_with_kept_tasks_can_be_kept_itself(old: Path, tmp_path: Path) -> None:
    train(tmp_path / "one", *keeping(old), STAGE)
    text = toy.CONFIG + '[tasks.again]\ntype = "label"\nfrom = "kind"\n'
    world = toy.world

    def more() -> Any:
        store, records = world()
        for record in records:
            record.answers["again"] = record.answers.get("kind", "dark")  # type: ignore[index]
        return store, records

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toy, "world", more)
        names = '["kind", "weight", "style", "verdict"]'
        train(tmp_path / "two", *keeping(tmp_path / "one", names), STAGE, text=text)
    before, after = raw(tmp_path / "one"), raw(tmp_path / "two")
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"again"}


def test_what_is_unfamiliar_is_that_of_the_run(old: Path, tmp_path: Path) -> None:
    train(tmp_path / "run", *keeping(old), "training.epochs=1")
    theirs, ours = RunFolder.open(old).novelty(), RunFolder.open(tmp_path / "run").novelty()
    assert theirs is not None and ours is not None
    assert all(np.array_equal(theirs[name], ours[name]) for name in theirs)


# What cannot be.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["training.from="],
         r"\[training\] keep: needs the run whose tasks they are — .*oneglance extend"),
        (["backbone.freeze=false"], r"needs a backbone that does not learn — set backbone\.freeze = true"),
        (['training.keep=["kinds"]'], r'keep: names "kinds", which is no task\. Did you mean "kind"\?'),
        (['training.keep=["verdict"]'], r'names "verdict", which is no task of .*old\.'),
        (["tasks.verdict.weight=0"],
         r"gives every task the weight 0 or keeps it, so there is nothing to learn"),
        (["tasks.weight.unit=kg"],
         r'\[tasks\.weight\] is another task in .*old: unit is "g" there and "kg" here — write what it is'),
        (['tasks.kind.classes=["a", "b"]'],
         r'classes is \["bright", "dark"\] there and \["a", "b"\] here — .*another name'),
        (["tasks.weight.type=label", "tasks.weight.unit="], r'type is "number" there and "label" here'),
        (["tasks.weight.low=0"], r"low is not set there and 0\.0 here"),
        (["tasks.style.hidden=[6]"], r"hidden is \[5\] there and \[6\] here"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_told_before_anything_is_read(
    old: Path, changes: list[str], message: str
) -> None:
    from oneglance import config as configuration
    from oneglance.toml.overrides import Changes

    overrides = [*keeping(old), *changes]
    if "tasks.weight.unit=" in overrides:
        overrides.remove("tasks.weight.unit=")
        overrides = Changes.of(overrides).followed_by(Changes({"tasks.weight.unit": None}))  # type: ignore[assignment]
    with pytest.raises(ConfigError, match=message):
        refuse_impossible(configuration.parse(toy.CONFIG, base=old.parent, overrides=overrides))


def test_what_may_be_written_otherwise(old: Path, tmp_path: Path) -> None:
    """How data are read, and classes that are written down are those that were learned."""
    changes = ['tasks.kind.classes=["bright", "dark"]', "tasks.kind.from=genre", 'tasks.kind.unknown=["?"]']
    begin(tmp_path / "run", *keeping(old), *changes)
    with pytest.raises(OneglanceError):
        begin(tmp_path / "other", *keeping(old), "tasks.kind.ordinal=true")
