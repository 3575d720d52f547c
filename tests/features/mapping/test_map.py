"""map: one page that loads nothing, for the run's own pictures and for others."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.user import Shell, home, shell, trained  # noqa: F401

import oneglance
from oneglance.errors import ConfigError, DataError, RunError
from oneglance.features.mapping.page import common_folder
from oneglance.progress import Screen

QUIET: dict[str, Any] = {"screen": Screen(), "device": "cpu", "method": "pca"}


def held(page: str) -> dict[str, Any]:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    data: dict[str, Any] = json.loads(text)
    return data


def test_the_runs_own_pictures_with_truths_and_mistakes(home: Path, shell: Shell) -> None:
    response = shell("map", "runs/a", "--json")
    assert response.code == 0
    report = json.loads(response.out)
    assert (report["pictures"], report["thumbnails"], report["new"]) == (60, 60, 60)
    page = Path("runs/a/map.html").read_text()
    assert "http:" not in page and "https:" not in page
    data = held(page)
    titles = [column["title"] for column in data["columns"]]
    assert {"digit: answer", "digit: truth", "digit: mistake", "covered: mistake", "split"} <= set(titles)
    assert len(data["names"]) == 60 and all("/" not in name for name in data["names"])


def test_one_split_and_other_pictures(home: Path, shell: Shell) -> None:
    whole = oneglance.map("runs/a", **QUIET)
    parts = [oneglance.map("runs/a", split=name, **QUIET) for name in ("train", "validation", "test")]
    assert sum(part["pictures"] for part in parts) == whole["pictures"]
    assert [part["new"] for part in parts] == [0, 0, 0]
    Path("pool").mkdir()
    shutil.copyfile(next(Path("scenes/images").iterdir()), "pool/<!--<script>.png")
    Path("pool/broken.png").write_bytes(b"none")
    response = shell("map", "runs/a", "pool", "--out", "new/map.html")
    assert response.code == 3 and "1 pictures, 1 with a thumbnail" in response.out
    page = Path("new/map.html").read_text()
    assert held(page)["names"] == ["<!--<script>.png"] and "<!--<script>" not in page
    assert [one["title"] for one in held(page)["columns"] if "truth" in one["title"]] == []


def test_what_cannot_be_drawn_is_refused(home: Path) -> None:
    with pytest.raises(ConfigError, match=r"beside test — leave --split or the pictures out"):
        oneglance.map("runs/a", "scenes/images", split="test", **QUIET)
    with pytest.raises(ConfigError, match=r'no split "tests". Did you mean "test"'):
        oneglance.map("runs/a", split="tests", **QUIET)
    with pytest.raises(ConfigError, match=r"is no method"):
        oneglance.map("runs/a", screen=Screen(), method="mds")
    Path("scenes").rename("moved")
    with pytest.raises(DataError, match=r"own pictures cannot be read.*oneglance map runs/a PICTURES"):
        oneglance.map("runs/a", **QUIET)
    oneglance.combine(["runs/a", shutil.copytree("runs/a", "runs/b")], out="runs/c", rename=RENAMED)
    with pytest.raises(RunError, match="several runs"):
        oneglance.map("runs/c", **QUIET)
    assert oneglance.map("runs/c", "moved/images", **QUIET)["pictures"] == 60


RENAMED = {f"b.{name}": f"{name}2" for name in ("digit", "background", "shapes", "covered")}


@pytest.mark.parametrize(
    ("names", "folder"),
    [
        (["a/b/c.jpg", "a/b/d.jpg"], "a/b/"),
        (["a/bc.jpg", "a/bd.jpg"], "a/"),
        (["a/b.jpg"], "a/"),
        (["a.jpg", "b/a.jpg"], ""),
        (["a/b", "a/b/c"], "a/"),
        (["x/a", "x/b", "y/a"], ""),
    ],
)
def test_the_folder_that_all_share(names: list[str], folder: str) -> None:
    assert common_folder(names) == folder
