"""The distance of Mahalanobis, against scikit-learn's covariance."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf

from oneglance.inference.familiarity.spread import DIRECTIONS, Spread


def drawn(count: int, width: int, seed: int = 0) -> np.ndarray:
    """Vectors some of whose values go together, of unlike sizes."""
    random = np.random.default_rng(seed)
    mixed = random.normal(size=(count, width)) @ np.random.default_rng(7).normal(size=(width, width))
    return 5 + mixed * np.geomspace(0.1, 10, width)


@pytest.mark.parametrize(("count", "width"), [(200, 6), (20, 50), (900, DIRECTIONS)])
def test_it_is_mahalanobis_distance_with_the_covariance_of_ledoit_and_wolf(count: int, width: int) -> None:
    training, fresh = drawn(count, width), drawn(9, width, seed=1)
    mean, deviation = training.mean(axis=0), training.std(axis=0)
    covariance, _ = ledoit_wolf((training - mean) / deviation, assume_centered=True)
    scaled = (fresh - mean) / deviation
    wanted = np.sqrt(np.einsum("ni,ij,nj->n", scaled, np.linalg.inv(covariance), scaled) / width)
    np.testing.assert_allclose(Spread.of(training).distances(fresh), wanted, rtol=2e-3)


def test_of_more_values_the_last_directions_share_one_variance() -> None:
    width = DIRECTIONS + 40
    spread = Spread.of(drawn(400, width))
    assert spread.directions.shape == (width, DIRECTIONS) and spread.weights.shape == (DIRECTIONS + 1,)
    near, far = spread.distances(drawn(200, width, seed=1)), spread.distances(-drawn(200, width, seed=1))
    assert 0.8 < np.median(near) < 1.5 and far.min() > near.max()


def test_values_that_are_always_the_same_and_single_vectors_are_no_problem() -> None:
    training = drawn(30, 5)
    training[:, 2] = 3.0
    spread = Spread.of(training)
    fresh = drawn(9, 5, seed=1)
    fresh[:, 2] = 3.0
    together = spread.distances(fresh)
    np.testing.assert_allclose(together, [spread.distances(one[None])[0] for one in fresh], rtol=1e-4)
    alike = fresh.copy()
    alike[:, 2] += 1e-4  # hardly more than it always was
    np.testing.assert_allclose(spread.distances(alike), together, rtol=0.05)
    assert np.isfinite(spread.distances(np.full((1, 5), 1e18))).all()
    assert np.isfinite(together).all() and np.isfinite(Spread.of(training[:1]).distances(fresh)).all()


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("mean", np.zeros(3)),
        ("scale", np.full(5, np.nan)),
        ("directions", np.zeros((4, 5))),
        ("weights", np.full(6, -1.0)),
        ("weights", np.zeros((6, 1))),
    ],
)
def test_nonsense_is_refused(name: str, array: np.ndarray) -> None:
    arrays = Spread.of(drawn(30, 5))._asdict()
    assert Spread.restored(arrays).mean.shape == (5,)
    with pytest.raises(ValueError, match=r"spread|unpack"):
        Spread.restored({**arrays, name: array})
