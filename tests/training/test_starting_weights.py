"""A training that starts from a finished run: what it takes, what it says of it, and that it stays honest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from support import toy
from support.toy import begin, go_on, results, train

from oneglance.errors import ConfigError, OneglanceError, RunError, StoppedError, WeightsError
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder
from oneglance.training.preparation.early_checks import refuse_impossible

LONG = ("training.epochs=12", "augment.mixup=0", "augment.erase=0")
SHORT = ("training.epochs=1", "augment.mixup=0", "augment.erase=0")


class Heard(Screen):
    """Remembers what is said."""

    def __init__(self) -> None:
        self.lines = list[str]()

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; nobody changes it."""
    folder = tmp_path_factory.mktemp("runs") / "old"
    train(folder, *LONG)
    return folder


def starting(old: Path) -> str:
    return f"training.from={old}"


def test_all_weights_are_taken_where_all_is_the_same(old: Path, tmp_path: Path) -> None:
    screen = Heard()
    network = begin(tmp_path / "run", starting(old), screen=screen).learner.network
    own = network.state_dict()
    assert all(torch.equal(own[name], tensor) for name, tensor in RunFolder(old).network_tensors().items())
    assert screen.lines == [
        f"starting from {old}: its backbone and the heads of kind, weight, style, verdict"
    ]
    assert network.backbone.pretrained
    kept = json.loads((tmp_path / "run" / "start.json").read_text())
    assert (kept["run"], kept["heads"], kept["new"]) == (str(old), toy_tasks(), {})


def toy_tasks() -> list[str]:
    return ["kind", "weight", "style", "verdict"]


def test_after_one_epoch_it_knows_more_than_one_from_scratch(old: Path, tmp_path: Path) -> None:
    fresh = train(tmp_path / "fresh", *SHORT).history[0]
    going = train(tmp_path / "going", *SHORT, starting(old)).history[0]
    assert going["skill"] > fresh["skill"] + 0.1
    assert going["loss"]["kind"] < fresh["loss"]["kind"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (toy.CONFIG.replace("[tasks.kind]", '[tasks.kind]\nclasses = ["dark", "bright"]'),
         {"kind": "other classes"}),
        (toy.CONFIG.replace("hidden = [5]", "hidden = [6]"),
         {"style": "another shape", "verdict": "another shape"}),
        (toy.CONFIG.replace('uses = ["kind", "style"]', 'uses = ["style", "kind"]'),
         {"verdict": "it uses other tasks there"}),
        (toy.CONFIG.replace("[tasks.weight]", "[tasks.mass]\nfrom = \"weight\"").replace('unit = "g"', ""),
         {"mass": "not there"}),
    ],
    ids=["classes", "shape", "uses", "name"],
)  # fmt: skip
def test_heads_of_other_meaning_start_anew(
    old: Path, tmp_path: Path, text: str, left: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = toy.world

    def renamed() -> Any:
        store, records = world()
        for record in records:
            if "weight" in record.answers:
                record.answers["mass"] = record.answers["weight"]  # type: ignore[index]
        return store, records

    monkeypatch.setattr(toy, "world", renamed)
    screen = Heard()
    fresh = begin(tmp_path / "fresh", text=text).learner.network.state_dict()
    found = begin(tmp_path / "run", starting(old), text=text, screen=screen).learner.network.state_dict()
    theirs = RunFolder(old).network_tensors()
    for name, tensor in found.items():
        anew = any(name.startswith(f"heads.{task} head.") for task in left)
        assert torch.equal(tensor, (fresh if anew else theirs)[name]), name
    why = ", ".join(f"{task} ({reason})" for task, reason in left.items())
    assert screen.lines[1:] == [f"heads that start anew: {why}"]


def test_a_task_of_another_type(old: Path, tmp_path: Path) -> None:
    text = toy.CONFIG.replace('[tasks.weight]\ntype = "number"\nunit = "g"', '[tasks.weight]\ntype = "label"')
    screen = Heard()
    begin(tmp_path / "run", starting(old), text=text, screen=screen)
    assert screen.lines[1] == "heads that start anew: weight (its type is number there)"


def test_only_the_heads_on_features_of_a_frozen_backbone(old: Path, tmp_path: Path) -> None:
    trainer = train(tmp_path / "run", starting(old), "backbone.freeze=true", "training.epochs=2")
    theirs, ours = RunFolder(old).network_tensors(), trainer.folder.network_tensors()
    same = [name for name in ours if name.startswith("backbone.")]
    assert same and all(torch.equal(ours[name], theirs[name]) for name in same)


@pytest.mark.parametrize("freeze", ["true", "false"])
def test_stopped_it_goes_on_as_if_it_had_not(old: Path, tmp_path: Path, freeze: str) -> None:
    ours = (starting(old), f"backbone.freeze={freeze}")
    train(tmp_path / "whole", *ours)
    train(tmp_path / "run", *ours, stops=[2, 4])
    assert results(tmp_path / "run") == results(tmp_path / "whole")
    assert results(tmp_path / "run")["weights"] != results(old)["weights"]


def test_what_it_began_with_is_remembered(tmp_path: Path) -> None:
    train(tmp_path / "old", *SHORT)
    frozen = (starting(tmp_path / "old"), "backbone.freeze=true")
    with pytest.raises(StoppedError):
        begin(tmp_path / "run", *frozen, screen=toy.Interrupter(2)).run()
    with pytest.raises(StoppedError):
        begin(tmp_path / "free", frozen[0], screen=toy.Interrupter(2)).run()
    begin(tmp_path / "killed", frozen[0])
    train(tmp_path / "other", *SHORT, "training.seed=5")
    (tmp_path / "other" / "weights.safetensors").replace(tmp_path / "old" / "weights.safetensors")
    for name in ("run", "killed"):
        with pytest.raises(RunError, match=r"old: is not what this run began with: .* — train anew"):
            go_on(tmp_path / name)
    go_on(tmp_path / "free").run()  # its own checkpoint holds all that it needs


# What cannot be.


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        (["backbone.options.width=6"], ConfigError,
         r"another backbone: options is \{ width = 4, depth = 2 \} there and \{ width = 6, depth = 2 \} here "
         r"— set backbone\.options"),
        (["backbone.name=classical", "backbone.options={}"], ConfigError,
         r'name is "small" there and "classical" here — set backbone\.name'),
        (["training.from=nothing"], RunError, "there is no such run folder"),
    ],
)  # fmt: skip
def test_what_cannot_be_started_from_is_refused_early(
    old: Path, changes: list[str], kind: type[OneglanceError], message: str
) -> None:
    from oneglance import config as configuration

    config = configuration.parse(toy.CONFIG, base=old.parent, overrides=[starting(old), *changes])
    with pytest.raises(kind, match=message):
        refuse_impossible(config)
    if kind is ConfigError:
        refuse_impossible(config, load_weights=False)


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    begin(tmp_path / "old")
    with pytest.raises(RunError, match="this run is not finished"):
        begin(tmp_path / "run", starting(tmp_path / "old"))


def test_pictures_that_enter_in_another_way_are_refused(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = RunFolder.network

    def other(*arguments: Any) -> Any:
        network = build(*arguments)
        network.backbone.mean = (0.5, 0.5, 0.5)
        return network

    monkeypatch.setattr(RunFolder, "network", other)
    with pytest.raises(ConfigError, match=r"sees pictures with another mean: \[0\.5, 0\.5, 0\.5\] there"):
        begin(tmp_path / "run", starting(old))


def test_weights_of_another_shape_are_refused(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of a transformer for pictures of another size."""
    begin(tmp_path / "wide", "backbone.options.width=6").run()
    monkeypatch.setattr(
        "oneglance.training.preparation.starting_weights.starting_run",
        lambda _: (RunFolder(tmp_path / "wide"), RunFolder(tmp_path / "wide").config()),
    )
    with pytest.raises(WeightsError, match=r"its backbone does not fit this one: .* set backbone\.size"):
        begin(tmp_path / "run", starting(old))
