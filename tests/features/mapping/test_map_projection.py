"""Places on the map: neighbours stay neighbours, few pictures are no problem."""

from __future__ import annotations

import numpy as np
import pytest

from oneglance.errors import ConfigError
from oneglance.features.mapping import projection
from oneglance.features.mapping.projection import projected


def rows(count: int = 90) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    group = np.arange(count) % 3
    return (np.eye(3)[group] + draw.normal(scale=0.05, size=(count, 3))).astype(np.float32), group


@pytest.mark.parametrize("method", ["tsne", "pca"])
@pytest.mark.parametrize("landmarks", [90, 30])
def test_groups_lie_apart(method: str, landmarks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "LANDMARKS", landmarks)
    vectors, group = rows()
    made = projected(vectors, method)
    assert made.places.shape == (90, 2) and made.places.dtype == np.float32
    assert made.places.min() >= -1e-6 and made.places.max() <= 1 + 1e-6
    distances = np.linalg.norm(made.places[:, None] - made.places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (group[distances.argmin(axis=1)] == group).all()
    assert made.trustworthiness is not None and made.trustworthiness > 0.8
    assert ("30 of them" in made.how) == (method == "tsne" and landmarks == 30)
    np.testing.assert_array_equal(projected(vectors, method).places, made.places)


@pytest.mark.parametrize("count", [1, 2, 4, 5, 12])
def test_few_pictures_have_places_too(count: int) -> None:
    for vectors in (rows(count)[0], np.ones((count, 3), np.float32)):
        made = projected(vectors, "tsne")
        assert made.places.shape == (count, 2) and np.isfinite(made.places).all()


def test_another_method_is_refused() -> None:
    with pytest.raises(ConfigError, match=r'"mds" is no method — choose tsne, pca, umap'):
        projected(rows()[0], "mds")
