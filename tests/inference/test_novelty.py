"""How unfamiliar a picture is: on drawn vectors, and in the run folder."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from support import toy
from support.user import home, trained  # noqa: F401

from oneglance.data.images.references import FileImage
from oneglance.errors import ConfigError, RunError
from oneglance.inference import novelty
from oneglance.inference.novelty import NEIGHBOURS, Novelty
from oneglance.inference.predictor import open_predictor
from oneglance.storage.run_folder import RunFolder

WIDTH = 6


def cloud(count: int, seed: int, middle: int = 0) -> np.ndarray:
    """Vectors around the direction of axis ``middle``."""
    drawn = np.random.default_rng(seed).normal(0, 0.15, (count, WIDTH))
    drawn[:, middle] += 1
    return drawn


def test_what_lies_elsewhere_is_unfamiliar() -> None:
    known = Novelty.learned(cloud(300, 0), cloud(200, 1))
    near, far = known.unfamiliar(cloud(100, 2)), known.unfamiliar(cloud(100, 3, middle=4))
    assert 0.35 < near.mean() < 0.65
    assert (far == 1).mean() > 0.95
    assert known.is_unknown(far, 0.01).mean() > 0.95


def test_it_is_the_distance_to_the_nth_nearest_of_the_directions() -> None:
    known = Novelty.learned(cloud(20, 0), cloud(5, 1))
    (distance,) = known.distances(7 * cloud(1, 2))  # its length says nothing
    (wanted,) = novelty.unit(cloud(1, 2))
    every = np.sort(np.linalg.norm(known.sample - wanted, axis=1))
    assert distance == pytest.approx(every[NEIGHBOURS - 1], abs=1e-5)


def test_false_alarms_are_as_rare_as_promised() -> None:
    """The mean over validation splits: without the + 1 of the rank test small ones would alarm too often."""
    shares = []
    for seed in range(40):
        known = Novelty.learned(cloud(60, 3 * seed), cloud(30, 3 * seed + 1))
        fresh = known.unfamiliar(cloud(200, 3 * seed + 2))
        shares.append(known.is_unknown(fresh, 0.05).mean())
    assert 0.01 < np.mean(shares) < 0.07


def test_a_small_validation_part_tells_no_rare_false_alarm() -> None:
    known = Novelty.learned(cloud(60, 0), cloud(12, 1))
    far = known.unfamiliar(cloud(5, 2, middle=3))
    assert not known.is_unknown(far, 0.01).any()
    assert known.is_unknown(far, 0.1).all()
    known.refuse(0.1)
    with pytest.raises(
        ConfigError, match=r"12 validation pictures cannot resolve .* 0\.01 — choose 0\.077 or more"
    ):
        known.refuse(0.01)
    known.refuse(0.077)
    for nonsense in (0, 1, -0.1, float("nan")):
        with pytest.raises(ConfigError, match="between 0 and 1"):
            known.refuse(nonsense)


def test_it_is_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Novelty.learned(cloud(50, 0), cloud(20, 1))
    whole = known.distances(cloud(10, 2))
    monkeypatch.setattr(novelty, "ROWS", 3)
    np.testing.assert_allclose(known.distances(cloud(10, 2)), whole, atol=1e-6)


def test_what_is_kept_says_the_same() -> None:
    known = Novelty.learned(cloud(50, 0), cloud(20, 1))
    again = Novelty.restored(known.arrays())
    np.testing.assert_array_equal(again.distances(cloud(10, 2)), known.distances(cloud(10, 2)))
    np.testing.assert_array_equal(again.unfamiliar(cloud(10, 2)), known.unfamiliar(cloud(10, 2)))


def test_the_engines_rounding_does_not_move_a_rank() -> None:
    known = Novelty.learned(cloud(50, 0), cloud(20, 1))
    moved = cloud(20, 1) + np.random.default_rng(5).uniform(-1e-6, 1e-6, (20, WIDTH))
    np.testing.assert_array_equal(known.unfamiliar(moved), known.unfamiliar(cloud(20, 1)))


@pytest.mark.parametrize("training", [np.zeros((4, WIDTH)), cloud(1, 0)])
def test_odd_vectors_have_distances_too(training: np.ndarray) -> None:
    """A network that sees nothing, a single training picture."""
    known = Novelty.learned(training, np.zeros((3, WIDTH)))
    assert np.isfinite(known.unfamiliar(np.zeros((2, WIDTH)))).all()


@pytest.mark.parametrize("name", ["sample", "familiar"])
@pytest.mark.parametrize(
    "array", [np.zeros((0, 3)), np.zeros(0), np.full((2, 3), np.nan), np.full(2, np.inf)]
)
def test_nonsense_is_refused(name: str, array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="no sample"):
        Novelty.restored({**Novelty.learned(cloud(5, 0), cloud(5, 1)).arrays(), name: array})


# In the run folder.


@pytest.mark.parametrize("freeze", ["false", "true"])
def test_a_training_keeps_vectors_of_both_parts(tmp_path: Path, freeze: str) -> None:
    session = toy.train(tmp_path / "run", "training.epochs=1", f"backbone.freeze={freeze}")
    kept = session.folder.novelty()
    assert kept is not None
    assert [len(part) for part in kept] == [toy.TRAINING, toy.VALIDATION]
    predictor = open_predictor(session.folder.path, device="cpu")
    pixels, _ = toy.world()
    output = predictor.forward(pixels.pixels[toy.TRAINING :])
    np.testing.assert_allclose(novelty.unit(output.vectors), kept[1], atol=2e-3)


def test_of_many_pictures_some_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oneglance.training.trainer.FAMILIAR", 5)
    kept = toy.train(tmp_path / "run", "training.epochs=1").folder.novelty()
    assert kept is not None and [len(part) for part in kept] == [5, 5]


def pictures(folder: Path) -> list[FileImage]:
    return [FileImage(str(folder / f"scenes/images/0000{n}.png"), f"{n}.png") for n in range(3)]


def test_a_run_of_before_says_nothing_of_it(home: Path) -> None:
    before = list(open_predictor(home / "runs/a").predict(pictures(home)))
    (home / "runs/a/novelty.safetensors").unlink()
    after = list(open_predictor(home / "runs/a").predict(pictures(home)))
    assert all(0 <= row.pop("unfamiliar") <= 1 for row in before)
    assert after == before


def test_a_share_that_cannot_be_resolved_is_refused(trained: Path) -> None:
    with pytest.raises(ConfigError, match="cannot resolve a share of false alarms"):
        open_predictor(trained / "runs/a", false_alarm=0.01)
    rows = list(open_predictor(trained / "runs/a", false_alarm=0.5).predict(pictures(trained)))
    assert all(row.get("unknown", True) is True for row in rows)


def test_damage_is_refused(home: Path) -> None:
    file = home / "runs/a/novelty.safetensors"
    whole = load_file(file)
    for wrong in ({"training": whole["training"]}, {**whole, "validation": whole["validation"][:, 1:]}):
        save_file({name: np.ascontiguousarray(part) for name, part in wrong.items()}, file)
        with pytest.raises(RunError, match=r"novelty.safetensors: is damaged"):
            RunFolder.open(home / "runs/a").novelty()
    file.write_bytes(b"torn")
    with pytest.raises(RunError, match=r"novelty.safetensors: cannot be read"):
        RunFolder.open(home / "runs/a").novelty()
