"""cluster: groups that are there are found again, and what cannot be divided is refused."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from support.user import Shell, home, shell, trained  # noqa: F401

import oneglance
from oneglance.errors import ConfigError, DataError
from oneglance.features import clusters, reduction
from oneglance.features.clusters import clustered
from oneglance.features.reduction import reduced
from oneglance.progress import Screen

QUIET: dict[str, Any] = {"screen": Screen(), "device": "cpu"}


def blobs(sizes: tuple[int, ...] = (40, 25, 60, 30), noise: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of length about 1 in as many groups, mixed, and to which each belongs."""
    draw = np.random.default_rng(0)
    middles = np.eye(12)[: len(sizes)]
    truth = draw.permutation(np.repeat(np.arange(len(sizes)), sizes))
    vectors = middles[truth] + draw.normal(scale=0.05, size=(len(truth), 12))
    far = draw.normal(size=(noise, 12)) * (np.arange(12) >= len(sizes))  # at right angles to all groups
    return np.concatenate([vectors, far]).astype(np.float32), np.append(truth, np.full(noise, -1))


@pytest.mark.parametrize("method", ["kmeans", "hdbscan"])
def test_groups_that_are_there_are_found(method: str) -> None:
    vectors, truth = blobs()
    rows = reduced(lambda: iter([vectors[:50], vectors[50:]]), len(vectors))
    result = clustered(rows, method, None)
    assert result.count == 4
    assert adjusted_rand_score(truth, result.labels) == 1
    sizes = [len(result.members(number)) for number in range(4)]
    assert sizes == [60, 40, 30, 25]
    first = result.members(0)
    middle = rows[first].mean(axis=0)
    assert first[0] == min(first, key=lambda row: np.linalg.norm(rows[row] - middle))
    assert np.all(np.diff(result.distances[first]) >= 0)


@pytest.mark.parametrize("method", ["kmeans", "hdbscan"])
def test_of_many_pictures_a_part_decides(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, truth = blobs((200, 150, 100))
    monkeypatch.setattr(clusters, "DENSE_ON", 120)
    monkeypatch.setattr(clusters, "MANY", 120)
    monkeypatch.setattr(clusters, "TRIED_ON", 80)
    monkeypatch.setattr(reduction, "MANY", 90)
    rows = reduced(lambda: iter(np.array_split(vectors, 7)), len(vectors))
    assert adjusted_rand_score(truth, clustered(rows, method, None).labels) == 1


def test_what_lies_in_between_is_in_no_cluster() -> None:
    vectors, truth = blobs((60, 60), noise=4)
    result = clustered(reduced(lambda: iter([vectors]), len(vectors)), "hdbscan", None)
    assert (result.labels[truth < 0] < 0).all()
    assert np.isnan(result.distances[result.labels < 0]).all()


def test_a_number_that_is_asked_for_is_kept_to() -> None:
    vectors, _ = blobs()
    result = clustered(vectors, "kmeans", 7)
    assert (result.count, result.chosen_by, result.silhouette) == (7, "asked for", None)


def test_what_cannot_be_divided_is_refused() -> None:
    vectors, _ = blobs((3, 2))
    with pytest.raises(ConfigError, match=r"5 different pictures cannot be divided into 9.*ask for 2 to 5"):
        clustered(vectors, "kmeans", 9)
    with pytest.raises(ConfigError, match=r"into 1 clusters"):
        clustered(vectors, "kmeans", 1)
    with pytest.raises(ConfigError, match=r"finds the number.*leave --clusters out"):
        clustered(vectors, "hdbscan", 2)
    with pytest.raises(ConfigError, match=r'"dbscan" is no method — choose kmeans or hdbscan'):
        clustered(vectors, "dbscan", None)
    with pytest.raises(DataError, match=r"one picture cannot be divided.*name more"):
        clustered(vectors[:1], "kmeans", None)
    with pytest.raises(DataError, match=r"4 pictures that all look the same"):
        clustered(np.ones((4, 3), np.float32), "kmeans", 2)
    with pytest.raises(DataError, match=r"no part of the 4.*--method kmeans"):
        clustered(vectors[:4], "hdbscan", None)


@pytest.mark.parametrize("method", ["kmeans", "hdbscan"])
def test_two_pictures_are_two_clusters_or_none(method: str) -> None:
    rows = np.eye(2, dtype=np.float32)
    if method == "kmeans":
        assert clustered(rows, method, None).count == 2
    else:
        with pytest.raises(DataError, match="kmeans"):
            clustered(rows, method, None)


def test_the_files_say_it(home: Path, shell: Shell) -> None:
    (home / "scenes/images/broken.png").write_bytes(b"no picture")
    response = shell("cluster", "runs/a", "scenes/images", "--clusters", 3, "--out", "c", "--json")
    assert response.code == 3 and "broken.png" in response.err
    report = json.loads(response.out)
    assert report == json.loads(Path("c/clusters.json").read_text())
    assert [one["name"] for one in report["clusters"]] == [one["typical"][0] for one in report["clusters"]]
    assert sum(one["pictures"] for one in report["clusters"]) == report["pictures"] == 60
    assert set(report["clusters"][0]["answers"]) == {"digit", "background"}
    with Path("c/clusters.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    named = {row["image"]: row["cluster"] for row in rows}
    assert len(rows) == 60 and all(named[name] == name for name in {row["cluster"] for row in rows})
    page = Path("c/clusters.html").read_text()
    shown = sum(len(one["typical"]) for one in report["clusters"])
    assert page.count('<img src="data:image/jpeg') == shown and "http:" not in page
    names = [one["name"].removeprefix("scenes/images/") for one in report["clusters"]]
    assert re.findall(r"<h2>(\S+) ", page) == names and "Those shown lie in scenes/images/." in page
    response = shell("cluster", "runs/a", "scenes/images", "--clusters", 3)
    assert "60 pictures in 3 clusters" in response.out and Path("runs/a/clusters.html").is_file()
    with pytest.raises(ConfigError, match=r"cannot be divided into 99"):
        oneglance.cluster("runs/a", "scenes/images", clusters=99, **QUIET)
