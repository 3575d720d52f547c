"""embed and search on a finished run: tables, the index, broken pictures, interruptions."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.user import Shell, home, shell, trained  # noqa: F401

import oneglance
from oneglance.errors import ConfigError, DataError, OneglanceError, RunError
from oneglance.inference.predictor import Predictor
from oneglance.progress import Screen

QUIET: dict[str, Any] = {"screen": Screen(), "device": "cpu"}


def pool(home: Path, count: int = 9) -> Path:
    folder = home / "pool"
    folder.mkdir()
    for path in sorted((home / "scenes/images").iterdir())[:count]:
        shutil.copyfile(path, folder / path.name)
    return folder


def test_every_table_holds_what_the_network_sees(home: Path) -> None:
    folder = pool(home)
    vectors = oneglance.Run("runs/a").embed("pool", screen=Screen())
    names = [f"pool/{path.name}" for path in sorted(folder.iterdir())]
    for ending in ("parquet", "csv", "npy"):
        result = oneglance.embed("runs/a", "pool", out=f"f.{ending}", **QUIET)
        assert (result["pictures"], result["values"]) == vectors.shape
    table = pq.read_table("f.parquet")
    assert table.column_names == ["image", "vector"]
    assert str(table.schema.field("vector").type) == "list<element: float>"
    assert table["image"].to_pylist() == names
    np.testing.assert_allclose(np.array(table["vector"].to_pylist()), vectors, atol=1e-5)
    with Path("f.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["image", *map(str, range(vectors.shape[1]))] and [row[0] for row in rows] == names
    np.testing.assert_allclose(np.array([row[1:] for row in rows], float), vectors, atol=1e-5)
    np.testing.assert_allclose(np.load("f.npy"), vectors, atol=1e-5)
    assert Path("f.npy.txt").read_text().splitlines() == names


def test_a_task_has_features_of_its_own(home: Path) -> None:
    pool(home, 3)
    result = oneglance.embed("runs/a", "pool", out="f.npy", task="shapes", **QUIET)
    own = oneglance.Run("runs/a").embed("pool", task="shapes", screen=Screen())
    assert result["values"] == own.shape[1] != oneglance.Run("runs/a").embed("pool").shape[1]
    np.testing.assert_allclose(np.load("f.npy"), own, atol=1e-5)
    with pytest.raises(ConfigError, match=r'there is no task "shape".*"shapes"'):
        oneglance.embed("runs/a", "pool", out="f.npy", task="shape", **QUIET)


def test_only_new_and_changed_pictures_are_looked_at(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, looked_at = pool(home), []
    both = Predictor.rows_and_vectors

    def counted(self: Predictor, decoded: Any, task: str = "") -> Any:
        looked_at.append(len(decoded))
        return both(self, decoded, task)

    monkeypatch.setattr(Predictor, "rows_and_vectors", counted)
    assert oneglance.embed("runs/a", "pool", out="f.npy", **QUIET)["new"] == 9
    first = np.load("f.npy")
    one, other = sorted(folder.iterdir())[:2]
    shutil.copyfile(other, folder / "zzz.png")
    Path(one).write_bytes(other.read_bytes())
    assert oneglance.embed("runs/a", "pool", out="f.npy", **QUIET)["new"] == 2
    assert oneglance.search("runs/a", str(other), "pool", **QUIET)["new"] == 0
    assert looked_at == [9, 2]
    again = np.load("f.npy")
    np.testing.assert_allclose(again[[0, -1]], first[[1, 1]], atol=1e-5)
    np.testing.assert_array_equal(again[1:-1], first[1:])


def test_an_interruption_costs_a_batch(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oneglance.features.extraction.BATCH", 4)
    pool(home)
    both, left = Predictor.rows_and_vectors, [2]

    def stopped(self: Predictor, decoded: Any, task: str = "") -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return both(self, decoded, task)

    monkeypatch.setattr(Predictor, "rows_and_vectors", stopped)
    with pytest.raises(KeyboardInterrupt):
        oneglance.embed("runs/a", "pool", out="f.npy", **QUIET)
    assert not Path("f.npy").exists()
    monkeypatch.setattr(Predictor, "rows_and_vectors", both)
    assert oneglance.embed("runs/a", "pool", out="f.npy", **QUIET)["new"] == 1
    assert len(np.load("f.npy")) == 9


def test_broken_pictures_are_named_and_left_out(home: Path, shell: Shell) -> None:
    folder = pool(home, 3)
    (folder / "broken.png").write_bytes(b"no picture")
    response = shell("embed", "runs/a", "pool", "--out", "f.npy", "--json")
    assert response.code == 3 and "broken.png" in response.err
    assert json.loads(response.out)["unreadable"] == 1
    assert len(np.load("f.npy")) == 3
    with pytest.raises(DataError, match="no picture can be read"):
        oneglance.embed("runs/a", ["pool/broken.png", "pool/gone.png"], out="g.npy", **QUIET)


def test_search_finds_the_same_picture_first(home: Path, shell: Shell) -> None:
    folder = pool(home)
    one = sorted(folder.iterdir())[4]
    shutil.copyfile(one, "query.png")
    response = shell("search", "runs/a", "query.png", "pool", "--count", "4", "--json")
    assert response.code == 0
    matches = json.loads(response.out)["matches"]
    assert len(matches) == 4
    assert matches[0] == {"image": f"pool/{one.name}", "score": pytest.approx(1)}
    assert [match["score"] for match in matches] == sorted((m["score"] for m in matches), reverse=True)
    assert shell("search", "runs/a", "query.png", "pool").out.count("pool/") == 9
    inside = oneglance.search("runs/a", one, "pool", **QUIET)
    assert len(inside.matches) == 8 and f"pool/{one.name}" not in dict(inside.matches)


def test_what_cannot_be_searched_is_refused(home: Path) -> None:
    pool(home, 2)
    with pytest.raises(DataError, match="is 2 pictures — search for one"):
        oneglance.search("runs/a", "pool", "pool", **QUIET)
    with pytest.raises(ConfigError, match="0 matches"):
        oneglance.search("runs/a", "pool", "pool", count=0, **QUIET)
    with pytest.raises(OneglanceError, match=r"\.parquet, \.csv or \.npy"):
        oneglance.embed("runs/a", "pool", out="f.txt", **QUIET)


def test_an_index_of_another_run_is_refused_where_it_was_named(home: Path) -> None:
    pool(home, 2)
    oneglance.embed("runs/a", "pool", out="f.npy", index="my.sqlite", **QUIET)
    state = json.loads(Path("runs/a/tasks.json").read_text())
    state["digit"]["temperature"] *= 1.5
    shutil.copytree("runs/a", "runs/b")
    Path("runs/b/tasks.json").write_text(json.dumps(state))
    with pytest.raises(RunError, match=r"features of another network, a .*--index, or delete this one"):
        oneglance.search("runs/b", sorted(Path("pool").iterdir())[0], "pool", index="my.sqlite", **QUIET)
    oneglance.embed("runs/a", "pool", out="f.npy", **QUIET)
    shutil.copyfile("runs/a/features.sqlite", "runs/b/features.sqlite")
    assert oneglance.embed("runs/b", "pool", out="f.npy", **QUIET)["new"] == 2  # the run's own is begun anew
