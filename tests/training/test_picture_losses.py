"""What a training keeps of each picture's losses, and that wrong answers are seen in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support.doubted import TASKS, coloured
from support.toy import PLAIN, TRAINING, begin, train, world

import oneglance
from oneglance.data.dataset import SplitData
from oneglance.data.images.references import FileImage
from oneglance.data.record import Record
from oneglance.errors import RunError
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder
from oneglance.training.distributed.ranks import Ranks
from oneglance.training.picture_losses import LossLog, PictureLosses, read_losses

WRONG = (3, 30)  # rows


def test_a_mean_over_what_was_annotated() -> None:
    noted = PictureLosses(2, 5, torch.device("cpu"))
    loss = torch.tensor([[1.0, 3.0], [5.0, 7.0], [9.0, 9.0]])
    labelled = torch.tensor([[1.0, 1.0], [0.0, 2.0], [0.0, 0.0]])
    noted.note(0, torch.tensor([3]), torch.tensor([1e9]), torch.ones(1))
    noted.note(1, torch.tensor([4, 0, 2]), torch.cat([loss, 100 * loss]), torch.cat([labelled, labelled]))
    expected = np.full((2, 5), np.nan)
    expected[1, [4, 0]], expected[0, 3] = [2, 7], 60_000
    np.testing.assert_array_equal(noted.take(), expected.astype(np.float16))
    assert np.isnan(noted.take()).all()


def test_the_losses_of_an_epoch_are_those_of_its_steps(tmp_path: Path) -> None:
    trainer = begin(tmp_path / "run", *PLAIN, "training.epochs=1", "tasks.style.dropout=0")
    learner, (training, _) = trainer.learner, trainer.loaders
    assert learner.picture_losses is not None
    for batch in training.shuffled(0, 0):
        (losses,) = learner.update(batch, 10)[None]
        assert batch.places is not None
        noted = learner.picture_losses.values[:, torch.from_numpy(batch.places)]
        means = torch.nanmean(noted, dim=1) / learner.loss_scales
        torch.testing.assert_close(means[0], losses[0])  # a label: every answer counts the same
        answered = [["kind" in trainer.training.records[place].answers for place in batch.places.tolist()]]
        assert torch.isfinite(noted[:1]).tolist() == answered


def test_a_run_keeps_them_by_picture_and_epoch(tmp_path: Path) -> None:
    train(tmp_path / "run", "augment.mixup=0")
    kept = read_losses(RunFolder(tmp_path / "run"))
    records = world()[1][:TRAINING]
    assert kept is not None and kept.names == [record.image.name for record in records]
    assert list(kept.tasks) == ["kind", "style", "verdict", "weight"]
    for name, values in kept.tasks.items():
        answered = [record.answers.get(name) is not None for record in records]
        assert np.isfinite(values).tolist() == [answered] * 3
        known = {record.image.name for record in records if record.answers.get(name) is not None}
        assert kept.mean(name).keys() == known
    assert kept.mean("kind")["1.png"] == pytest.approx(kept.tasks["kind"][:, 1].astype(float).mean())


def test_an_epoch_costs_the_same_after_many(tmp_path: Path) -> None:
    folder, log, epochs = RunFolder(tmp_path), *some_log(tmp_path, 50)
    for epoch, losses in enumerate(epochs, 1):
        log.add(epoch, losses)
    files = [tmp_path / "losses" / f"{epoch}.safetensors" for epoch in range(1, 51)]
    assert sorted(tmp_path.rglob("*.safetensors")) == sorted(files)  # each written once, and no other
    assert len({file.stat().st_size for file in files}) == 1
    log.join(50)
    kept = read_losses(folder)
    assert kept is not None and [path.name for path in tmp_path.iterdir()] == ["losses.safetensors"]
    for place, name in enumerate(kept.tasks):
        np.testing.assert_array_equal(kept.tasks[name], [epoch[place] for epoch in epochs])


@pytest.mark.parametrize("joined", [0, 2, 4])
@pytest.mark.parametrize("kept", range(5))
def test_epochs_that_come_again_count_once(tmp_path: Path, kept: int, joined: int) -> None:
    """A process was killed after four epochs, of which the checkpoint knows some; another goes on to six."""
    log, epochs = some_log(tmp_path, 6)
    epochs[1][:] = np.nan  # every picture was mixed
    for epoch in range(1, 5):
        log.add(epoch, np.full_like(epochs[0], 9) if epoch > kept else epochs[epoch - 1])
        if epoch == joined:
            log.join(joined)
    log, _ = some_log(tmp_path, 0)
    log.join(kept)
    for epoch in range(kept + 1, 7):
        log.add(epoch, epochs[epoch - 1])
    log.join(6)
    found = read_losses(RunFolder(tmp_path))
    assert found is not None
    np.testing.assert_array_equal(np.stack([*found.tasks.values()], axis=1), epochs)


def test_what_is_about_other_pictures_is_forgotten(tmp_path: Path) -> None:
    log, epochs = some_log(tmp_path, 2)
    log.add(1, epochs[0])
    log.join(1)
    log.add(2, epochs[1])
    other, _ = some_log(tmp_path, 0, first=1)
    other.join(2)
    assert read_losses(RunFolder(tmp_path)) is None and not [*tmp_path.iterdir()]


def some_log(folder: Path, epochs: int, first: int = 0) -> tuple[LossLog, list[np.ndarray]]:
    records = [Record("", FileImage("", f"{number}.png"), {}) for number in range(first, first + 7)]
    log = LossLog(RunFolder(folder), ["kind", "weight"], SplitData(records, np.arange(7)))
    draw = np.random.default_rng(0)
    return log, [draw.random((2, 7)).astype(np.float16) for _ in range(epochs)]


def test_only_the_first_of_several_processes_keeps_them(tmp_path: Path) -> None:
    class Second(Ranks):
        number = 1

    trainer = begin(tmp_path / "run", "augment.mixup=0", "training.epochs=2")
    trainer.share_among(Second())
    trainer.run()
    assert len(trainer.history) == 2
    assert not [*(tmp_path / "run").glob("losses*"), *(tmp_path / "run").glob("resume.pt")]


def test_nothing_is_kept_where_every_picture_is_mixed(tmp_path: Path) -> None:
    train(tmp_path / "run", "augment.rest=0")
    assert read_losses(RunFolder(tmp_path / "run")) is None


def test_pictures_of_one_name_cannot_be_told_apart(tmp_path: Path) -> None:
    train(tmp_path / "run", "augment.mixup=0", "training.epochs=1")
    kept = read_losses(RunFolder(tmp_path / "run"))
    assert kept is not None
    kept.names[2] = kept.names[1]
    assert "1.png" not in kept.mean("kind") and "3.png" in kept.mean("kind")


@pytest.mark.parametrize("damage", ["no names", "another length", "text"])
def test_a_damaged_file_is_told(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "losses.safetensors"
    if damage == "text":
        file.write_text("losses")
    elif damage == "no names":
        save_file({"task kind": torch.zeros(2, 3, dtype=torch.float16)}, file)
    else:
        names = torch.frombuffer(bytearray(b'["a", "b"]'), dtype=torch.uint8)
        save_file({"names": names, "task kind": torch.zeros(2, 3, dtype=torch.float16)}, file)
    with pytest.raises(RunError, match=r"losses\.safetensors: "):
        read_losses(RunFolder(tmp_path))


def test_wrong_answers_are_learned_last_and_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEGLANCE_CACHE", str(tmp_path / "cache"))
    config = coloured(tmp_path, tasks=TASKS.split("[tasks.style]")[0], wrong=False)
    table = tmp_path / "labels.csv"
    lines = table.read_text().splitlines()
    for row in WRONG:
        name, kind, *rest = lines[row + 1].split(",")
        lines[row + 1] = ",".join([name, "cold" if kind == "warm" else "warm", *rest])
    table.write_text("\n".join(lines) + "\n")
    keys = ["split.test=0", "training.epochs=10", "training.batch=8", "training.learning_rate=0.01"]
    keys += ["backbone.name=small", "backbone.options={ width = 4, depth = 2 }", "augment.colour=0"]
    run = oneglance.train(config, out=tmp_path / "run", overrides=keys, screen=Screen())
    kept = read_losses(RunFolder(run.path))
    assert kept is not None
    losses = kept.mean("kind")
    trained = [f"{row}.png" for row in WRONG if f"{row}.png" in losses]
    assert trained
    highest = sorted(losses, key=lambda name: -losses[name])
    assert set(highest[: len(trained)]) == set(trained)
    suspects = oneglance.suspects(run.path, folds=3, out=tmp_path / "out", screen=Screen())
    assert set(trained) == {one["image"] for one in suspects["suspects"][: len(trained)]}
    methods = suspects["tasks"]["kind"]["methods"]
    assert any("how late the run learned them" in one for one in methods)
