"""How unfamiliar a picture is: on drawn vectors, and in the run folder."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from support import toy
from support.user import home, trained  # noqa: F401

from oneglance.data.images.decode import Canvas
from oneglance.data.images.references import FileImage
from oneglance.errors import ConfigError, RunError
from oneglance.inference.familiarity import novelty
from oneglance.inference.familiarity.novelty import NEIGHBOURS, Novelty, unit
from oneglance.inference.familiarity.principal_directions import DIMENSIONS, in_principal_directions
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
    (wanted,) = unit(cloud(1, 2))
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


LONG = 300


def features(count: int, seed: int, rank: int = 40) -> np.ndarray:
    """Long vectors that lie near a space of ``rank`` directions, as those of a network do."""
    space = np.random.default_rng(99).normal(size=(rank, LONG)) / np.arange(1, rank + 1)[:, None]
    random = np.random.default_rng(seed)
    return unit(random.normal(size=(count, rank)) @ space + random.normal(0, 0.01, (count, LONG)))


@pytest.fixture
def shortened() -> Novelty:
    half = [features(count, seed).astype(np.float16) for count, seed in ((500, 0), (200, 1))]
    training, validation, directions = in_principal_directions(*half)
    assert directions is not None and directions.shape == (LONG, DIMENSIONS)
    return Novelty.learned(training, validation, directions)


def test_long_vectors_are_compared_along_few_directions(shortened: Novelty) -> None:
    assert shortened.directions is not None
    np.testing.assert_allclose(shortened.directions.T @ shortened.directions, np.eye(DIMENSIONS), atol=1e-5)
    whole = Novelty.learned(features(500, 0), features(200, 1))
    old = Novelty.restored(as_before(shortened))
    np.testing.assert_allclose(old.distances(features(50, 2)), whole.distances(features(50, 2)), atol=0.02)
    np.testing.assert_allclose(old.unfamiliar(features(50, 2)), whole.unfamiliar(features(50, 2)), atol=0.1)


def as_before(known: Novelty) -> dict[str, np.ndarray]:
    """What an .onnx file of before holds: neighbours in the same directions."""
    old = Novelty(known.kept, np.zeros(1), known.directions, outside=False)
    familiar = old.distances(features(200, 1))
    return {"sample": known.kept, "familiar": familiar, "directions": known.directions}  # type: ignore[dict-item]


def test_long_vectors_are_as_far_as_they_lie_outside_of_the_directions(shortened: Novelty) -> None:
    vectors, space = features(50, 2), shortened.directions
    assert space is not None
    outside = vectors - vectors @ space @ space.T
    np.testing.assert_allclose(
        shortened.distances(3 * vectors), np.linalg.norm(outside, axis=1), atol=novelty.SAME
    )
    assert len(shortened.arrays()["sample"]) == 1


def test_strangers_among_familiar_pictures_lie_outside() -> None:
    """A network that knows few classes: a stranger is nearer to them than they are to each other, yet has a
    little of its own.
    """
    draw = np.random.default_rng(0)
    axes = np.linalg.qr(draw.normal(size=(LONG, 6)))[0].T

    def pictures(count: int, own: float) -> np.ndarray:
        classes = np.eye(5)[draw.integers(5, size=count)] + draw.normal(0, 0.4, (count, 5))
        inside = (classes if not own else 0.3 + 0 * classes) @ axes[:5]
        return unit(inside + own * axes[5] + draw.normal(0, 0.002, (count, LONG)))

    training, validation, directions = in_principal_directions(
        *(pictures(count, 0).astype(np.float16) for count in (400, 200))
    )
    known = Novelty.learned(training, validation, directions)
    neighbours = Novelty.learned(training, validation.astype(np.float16), directions)  # of a run of before
    assert known.outside and not neighbours.outside
    strange = pictures(100, 0.2)
    assert known.is_unknown(known.unfamiliar(strange), 0.05).mean() > 0.95
    assert neighbours.is_unknown(neighbours.unfamiliar(strange), 0.05).mean() < 0.5


def test_what_lies_outside_of_the_directions_is_far(shortened: Novelty) -> None:
    """It would be as near as any if what remains of it were brought to length 1 again."""
    assert shortened.directions is not None
    outside = np.random.default_rng(5).normal(size=(20, LONG))
    outside -= outside @ shortened.directions @ shortened.directions.T
    strange = unit(outside) * 0.9 + features(20, 2) * 0.1
    assert (shortened.unfamiliar(strange) == 1).all()


def test_one_picture_is_as_far_as_among_many(shortened: Novelty) -> None:
    many = features(30, 3)
    alone = np.concatenate([shortened.distances(vector[None]) for vector in many])
    np.testing.assert_allclose(alone, shortened.distances(many), atol=novelty.SAME)


def test_short_vectors_and_few_pictures_stay_as_they_are() -> None:
    for shape in ((500, DIMENSIONS), (DIMENSIONS, 500)):
        training = np.ones(shape, np.float16)
        same, _, directions = in_principal_directions(training, training[:3])
        assert same is training and directions is None


def test_directions_are_kept_too(shortened: Novelty) -> None:
    again = Novelty.restored(shortened.arrays())
    np.testing.assert_array_equal(again.distances(features(9, 2)), shortened.distances(features(9, 2)))
    for strange in (np.zeros(3), np.zeros((LONG, 3)), np.full((LONG, DIMENSIONS), np.nan)):
        with pytest.raises(ValueError, match="no sample"):
            Novelty.restored({**shortened.arrays(), "directions": strange})


def test_a_run_folder_keeps_the_directions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oneglance.inference.familiarity.principal_directions.DIMENSIONS", 3)
    session = toy.train(tmp_path / "run", "training.epochs=1")
    kept = session.folder.novelty()
    assert kept is not None and [part.shape[1] for part in kept.values()] == [3, 3, 3]
    predictor = open_predictor(session.folder.path, device="cpu")
    assert predictor.novelty is not None
    pixels, _ = toy.world()
    validation = predictor.forward(pixels.pixels[toy.TRAINING :]).vectors
    shares = np.sort(predictor.novelty.unfamiliar(validation))
    np.testing.assert_allclose(shares, np.arange(len(shares)) / len(shares), atol=1.01 / len(shares))


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
    assert {name: len(part) for name, part in kept.items()} == {
        "training": toy.TRAINING,
        "validation": toy.VALIDATION,
    }
    predictor = open_predictor(session.folder.path, device="cpu")
    pixels, _ = toy.world()
    output = predictor.forward(pixels.pixels[toy.TRAINING :])
    np.testing.assert_allclose(unit(output.vectors), kept["validation"], atol=2e-3)


def test_of_many_pictures_some_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oneglance.training.preparation.feature_cache.FAMILIAR", 5)
    kept = toy.train(tmp_path / "run", "training.epochs=1").folder.novelty()
    assert kept is not None and [len(part) for part in kept.values()] == [5, 5]


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


@pytest.mark.parametrize(("validation", "unknown"), [(18, False), (19, True)])
def test_one_in_twenty_familiar_pictures_may_be_called_unknown_where_nobody_says_another_rate(
    trained: Path, validation: int, unknown: bool
) -> None:
    predictor = open_predictor(trained / "runs/a")
    assert predictor.novelty is not None
    near = np.zeros(validation)  # nearer to the training pictures than any picture is
    predictor.novelty = Novelty(predictor.novelty.sample, near, predictor.novelty.directions)
    white = predictor.answer(["w"], [Canvas(np.full(predictor.fit.shape, 255, np.uint8), 32, 32)])
    (row,) = white
    assert row["unfamiliar"] == 1 and row.get("unknown", False) is unknown


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
