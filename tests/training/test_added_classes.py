"""Classes that a finished task learns besides, in a branch of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import toy
from support.toy import begin, results, train

from oneglance import config as configuration
from oneglance.data.record import Record
from oneglance.errors import ConfigError, DataError
from oneglance.storage.run_folder import RunFolder
from oneglance.tasks.tags import TagAnnotations
from oneglance.training.preparation.early_checks import refuse_impossible
from oneglance.training.preparation.extension import extended

ADDED = ('tasks.kind.added=["red"]', 'tasks.style.added=["blue"]')
FEW = ("training.epochs=20", "training.learning_rate=0.05", *toy.PLAIN)


def more() -> tuple[toy.Pixels, list[Record]]:
    """The same pictures, of which some have a kind that the finished run does not know, and a further tag."""
    store, records = WORLD()
    for row, record in enumerate(records):
        red, _, blue = store.pixels[row].reshape(-1, 3).mean(axis=0)
        answers: dict[str, Any] = record.answers  # type: ignore[assignment]
        if "kind" in answers and red > 150:
            answers["kind"] = "red"
        if "style" in answers and row % 2:
            answers["style"] = TagAnnotations(
                frozenset({"blue"} if blue > 120 else ()), queried=frozenset({"blue"})
            )
        elif "style" in answers:
            answers["style"] = TagAnnotations(answers["style"].present, queried=frozenset({"red", "green"}))
    return store, records


WORLD = toy.world


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; nobody changes it."""
    folder = tmp_path_factory.mktemp("runs") / "old"
    train(folder, "training.epochs=8", *toy.PLAIN)
    return folder


@pytest.fixture
def world() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toy, "world", more)
        yield


def growing(old: Path) -> tuple[str, ...]:
    keep = 'training.keep=["kind", "weight", "style", "verdict"]'
    return f"training.from={old}", keep, "backbone.freeze=true", *ADDED


def answered(run: Path) -> tuple[dict[str, np.ndarray], dict[str, list[dict[str, Any]]]]:
    """Raw output, and what is told, of all pictures."""
    folder = RunFolder.open(run)
    config = folder.config()
    tasks = folder.tasks(config)
    with torch.inference_mode():
        network = folder.network(config, tasks)
        raw = network(torch.from_numpy(WORLD()[0].pixels).permute(0, 3, 1, 2))
    arrays = {name: value.numpy() for name, value in raw.items()}
    return arrays, {name: tasks[name].decode(arrays[name]) for name in tasks}


@pytest.mark.usefixtures("world")
def test_what_it_knew_stays_and_what_is_new_is_learned(old: Path, tmp_path: Path) -> None:
    trainer = train(tmp_path / "run", *growing(old), *FEW)
    assert set(trainer.tasks) == {"kind", "style"}
    (raw_before, before), (raw_after, after) = answered(old), answered(tmp_path / "run")
    for name in ("weight", "verdict"):  # verdict uses what kind and style know of the picture
        assert raw_after[name].tobytes() == raw_before[name].tobytes() and after[name] == before[name]
    for name, width in (("kind", 2), ("style", 2)):
        assert raw_after[name].shape[1] > width
        assert raw_after[name][:, :width].tobytes() == raw_before[name].tobytes()
    for one, other in zip(before["style"], after["style"], strict=True):  # each tag by itself: to the bit
        assert {tag: other["probabilities"][tag] for tag in one["probabilities"]} == one["probabilities"]
        assert [tag for tag in other["values"] if tag != "blue"] == one["values"]
    for one, other in zip(before["kind"], after["kind"], strict=True):  # among old classes: as before
        chances = other["probabilities"]
        assert sum(chances.values()) == pytest.approx(1)
        rest = 1 - chances["red"]
        for name, chance in one["probabilities"].items():
            assert chances[name] / rest == pytest.approx(chance, rel=1e-6)
    _, records = more()
    told = [
        (one["value"], record.answers.get("kind")) for one, record in zip(after["kind"], records, strict=True)
    ]
    right = [value == truth for value, truth in told if truth == "red"]
    wrong = [value == "red" for value, truth in told if truth not in (None, "red")]
    assert len(right) >= 5 and np.mean(right) > np.mean(wrong) + 0.3
    blue = [one["probabilities"]["blue"] for one in after["style"]]
    assert np.corrcoef(blue, WORLD()[0].pixels[..., 2].mean(axis=(1, 2)))[0, 1] > 0.5


@pytest.mark.usefixtures("world")
def test_it_goes_on_where_it_was_stopped(old: Path, tmp_path: Path) -> None:
    train(tmp_path / "whole", *growing(old), "training.epochs=2")
    train(tmp_path / "stopped", *growing(old), "training.epochs=2", stops=[3])
    assert results(tmp_path / "whole") == results(tmp_path / "stopped")
    state: Any = RunFolder.open(tmp_path / "whole").read_json("tasks.json")
    theirs: Any = RunFolder.open(old).read_json("tasks.json")
    assert state["kind"]["classes"] == [*theirs["kind"]["classes"], "red"]
    assert state["kind"]["temperature"] == theirs["kind"]["temperature"]
    assert state["style"]["thresholds"][:2] == theirs["style"]["thresholds"]
    assert sum(state["kind"]["shares"]) == pytest.approx(1)


@pytest.mark.usefixtures("world")
def test_what_was_added_is_kept_by_the_next_extension(old: Path, tmp_path: Path) -> None:
    train(tmp_path / "one", *growing(old), "training.epochs=1")
    text = toy.CONFIG + '[tasks.again]\ntype = "label"\n'

    def third() -> Any:
        store, records = more()
        for row, record in enumerate(records):
            record.answers["again"] = "ab"[row % 2]  # type: ignore[index]
        return store, records

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toy, "world", third)
        train(tmp_path / "two", *growing(tmp_path / "one"), "training.epochs=1", text=text)
    (one, _), (two, _) = answered(tmp_path / "one"), answered(tmp_path / "two")
    assert all(two[name].tobytes() == value.tobytes() for name, value in one.items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (['tasks.kind.added=["dark"]'], 'kind.*has the class "dark" already — take it out of `added`'),
        (['tasks.kind.added=["mauve"]'], 'no training picture has the added class "mauve" — add pictures'),
        (['tasks.style.added=["mauve"]'], 'style.*no training picture has the added class "mauve"'),
    ],
)
@pytest.mark.usefixtures("world")
def test_what_cannot_be_learned(old: Path, tmp_path: Path, changes: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        begin(tmp_path / "run", *growing(old), *changes)


def test_pictures_of_new_classes_alone_do_not_do(old: Path, tmp_path: Path) -> None:
    def alone() -> Any:
        store, records = more()
        for record in records:
            if record.answers.get("kind") != "red":
                record.answers.pop("kind", None)  # type: ignore[attr-defined]
        return store, records

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toy, "world", alone)
        with pytest.raises(DataError, match="no training picture is of a class that it has already"):
            begin(tmp_path / "run", *growing(old))


def test_what_is_told_before_anything_is_read(old: Path, tmp_path: Path) -> None:
    config = configuration.parse(toy.CONFIG, base=tmp_path, overrides=ADDED)
    with pytest.raises(ConfigError, match=r"\[tasks.kind\] added names classes .* oneglance extend RUN"):
        refuse_impossible(config)
    text = '[[sources]]\npath = "x"\n[tasks.kind]\ntype = "label"\nadded = ["red"]\n'
    named = configuration.parse(text, base=tmp_path)
    run = RunFolder.open(old)
    both = extended(named, run)
    assert both.tasks["kind"]["added"] == ["red"] and set(both.training.keep) == set(both.tasks)
    with pytest.raises(ConfigError, match="in a branch of its own, and --tune has all learn on"):
        extended(named, run, tune=True)
    listed = configuration.parse(text.replace("added", "classes"), base=tmp_path)
    with pytest.raises(ConfigError, match=r"names no task .* further classes of one with added"):
        extended(listed, run)
