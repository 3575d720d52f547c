"""[training] hold: tasks of a finished run that learn on, and a training that is refused where they lose."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from support import toy
from support.everything import Made, made  # noqa: F401
from support.toy import begin, go_on, train

from oneglance import config as configuration
from oneglance.data.record import Record
from oneglance.errors import ConfigError, DataError, RunError
from oneglance.storage.run_folder import RunFolder
from oneglance.training.preparation import held_tasks
from oneglance.training.preparation.early_checks import refuse_impossible
from oneglance.training.preparation.extension import extended
from oneglance.training.source_sampler import RehearsalSampler

OLD = toy.CONFIG.replace('[tasks.verdict]\ntype = "label"\nfrom = "kind"\nuses = ["kind", "style"]\n', "")
CALM = ("training.learning_rate=1e-5", "training.epochs=1")
WILD = ("training.learning_rate=0.5", "training.warmup=0", "training.clip=0", "training.epochs=1")


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of three tasks; nobody changes it."""
    folder = tmp_path_factory.mktemp("runs") / "old"
    train(folder, "training.epochs=8", *toy.PLAIN, text=OLD)
    return folder


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_tasks, "LEAST", 5)


def holding(old: Path) -> tuple[str, ...]:
    return f"training.from={old}", 'training.hold=["kind", "weight", "style"]', *toy.PLAIN


def test_who_does_not_lose_is_finished_and_the_scores_are_kept(old: Path, tmp_path: Path) -> None:
    train(tmp_path / "run", *holding(old), *CALM)
    run = RunFolder.open(tmp_path / "run")
    assert run.finished
    held, kept = run.held(), RunFolder.open(old).history()[-1]["validation"]
    assert set(held) == {"kind", "weight", "style"}
    for name, one in held.items():
        assert not one["worse"]
        assert one["before"]["low"] <= one["before"]["value"] <= one["before"]["high"]
        assert one["before"]["n"] == sum(name in r.answers for r in toy.world()[1][toy.TRAINING :])
    assert held["weight"]["metric"] == "mae"
    assert held["kind"]["after"] == pytest.approx(kept["kind"]["accuracy"], abs=0.2)


def test_who_loses_is_not_finished_and_is_told_by_how_much(old: Path, tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"worse at what it knew: .*weight: mae .*, before .* \(.* to .*, \d+ pi"
    ):
        train(tmp_path / "run", *holding(old), *WILD)
    run = RunFolder.open(tmp_path / "run")
    assert not run.finished and run.held()["weight"]["worse"]
    with pytest.raises(RunError, match="is not finished, for it has become worse"):
        go_on(tmp_path / "run").finish()


def test_one_mistake_after_none_is_no_loss(old: Path, tmp_path: Path) -> None:
    """A bootstrap of answers that are all right knows no other: 9 pictures say 0.667 to 1."""
    train(tmp_path / "run", *holding(old), *CALM)
    before = RunFolder.open(tmp_path / "run").held()["kind"]["before"]
    assert (before["value"], before["n"]) == (1, 9)
    assert before["low"] == pytest.approx(1 - 3 / 9)


def test_what_the_tasks_mean_does_not_change(old: Path, tmp_path: Path) -> None:
    """Though the data at hand would give another scale."""
    world = toy.world

    def heavier() -> tuple[toy.Pixels, list[Record]]:
        store, records = world()
        for record in records:
            if "weight" in record.answers:
                record.answers["weight"] *= 7  # type: ignore[index]
        return store, records

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toy, "world", heavier)
        trainer = begin(tmp_path / "run", *holding(old))
        other = begin(tmp_path / "other", *toy.PLAIN)
    theirs = RunFolder.open(old).tasks(RunFolder.open(old).config())["weight"].state()
    assert trainer.tasks["weight"].state() == theirs != other.tasks["weight"].state()


def test_tasks_that_nobody_can_see_get_worse_are_refused(old: Path, tmp_path: Path) -> None:
    begun = begin(tmp_path / "run", *holding(old))
    unseen = begun.validation.split
    for record in unseen.records:
        record.answers.pop("kind", None)  # type: ignore[attr-defined]
    with pytest.raises(DataError, match=r"kind.*0 validation pictures answer it.*without --tune"):
        held_tasks.refuse_unseen(["kind"], unseen, RunFolder.open(old))


def test_old_pictures_come_along_for_each_new_one() -> None:
    sampler = RehearsalSampler([True] * 40 + [False] * 20, 0.5)
    assert (len(sampler), sampler.steps(8)) == (30, 4)
    epochs = [Counter(sampler.epoch(np.random.default_rng(seed)).tolist()) for seed in range(3)]
    for epoch in epochs:
        assert all(epoch[row] == 1 for row in range(40, 60))
        assert sum(epoch[row] for row in range(40)) == 10 == sum(epoch[row] > 0 for row in range(40))
    assert epochs[0] != epochs[1]
    assert len(RehearsalSampler([True] * 4 + [False] * 20, 9)) == 24


def test_the_run_teaches_and_its_pictures_come_along(made: Made, tmp_path: Path) -> None:  # noqa: F811
    text = '[[sources]]\npath = "new.csv"\n[tasks.mood]\ntype = "label"\n'
    config = extended(configuration.parse(text, base=tmp_path), RunFolder.open(made.run), tune=True)
    assert config.training.teachers == [str(made.run)] == [config.training.from_]
    assert set(config.training.hold) == set(config.tasks) - {"mood"}
    assert not config.training.keep and not config.backbone.freeze
    new, labels, boxes = config.sources
    assert new == {"path": "new.csv"}
    assert labels["path"] == str((made.folder / "scenes/labels.csv").resolve())
    assert boxes["annotates"] == ["things"]
    gone = configuration.parse(text, base=tmp_path)
    run = RunFolder.open(made.run)
    kept = run.config().model_copy(update={"base": tmp_path})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "config", lambda self: kept)
        assert extended(gone, run, tune=True).sources == [{"path": "new.csv"}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["training.from="], r"\[training\] hold: needs the run whose tasks they are"),
        (['training.keep=["kind"]', "backbone.freeze=true"], r"keep: and hold cannot be had together"),
        (["training.source_quota=true"], r"hold: has a mixture of pictures of its own"),
    ],
)
def test_what_cannot_be_held(old: Path, changes: list[str], message: str) -> None:
    config = configuration.parse(toy.CONFIG, base=old.parent, overrides=[*holding(old), *changes])
    with pytest.raises(ConfigError, match=message):
        refuse_impossible(config)
