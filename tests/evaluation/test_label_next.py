"""Pictures to label next, of a trained run, and what tools for labelling read of the network's answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.annotated import read
from support.boxed import trained_boxes as trained_boxes

import oneglance
from oneglance.data.synthetic import write_scenes
from oneglance.errors import ConfigError, DataError
from oneglance.progress import Screen

SIX = 6


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight new pictures, and one that cannot be read."""
    folder = tmp_path_factory.mktemp("pool")
    write_scenes(folder / "new", count=8, size=32, seed=77)
    pictures = folder / "images"
    shutil.copytree(folder / "new" / "images", pictures)
    (pictures / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return pictures


def chosen(run: Path, pool: Path, **more: Any) -> dict[str, Any]:
    return oneglance.label_next(run / "runs" / "a", str(pool), count=SIX, screen=Screen(), **more).to_dict()


def test_each_task_gets_its_share_and_no_picture_comes_twice(trained_boxes: Path, pool: Path) -> None:
    result = chosen(trained_boxes, pool)
    tasks = [one["task"] for one in result["pictures"]]
    assert tasks == ["background", "objects"] * 3
    assert len({one["image"] for one in result["pictures"]}) == SIX
    assert all(set(one) == {"image", "task", "score", "reason"} for one in result["pictures"])
    assert (result["pool"], result["unreadable"], result["known"]) == (9, 1, 0)
    only = chosen(trained_boxes, pool, tasks=["background"])
    assert {one["task"] for one in only["pictures"]} == {"background"}


def test_what_the_run_knows_is_left_out(trained_boxes: Path, pool: Path) -> None:
    with pytest.raises(DataError, match="45 are in the run's data already"):
        chosen(trained_boxes, trained_boxes / "scenes" / "images")
    with pytest.raises(ConfigError, match='no task "look" that people answer'):
        chosen(trained_boxes, pool, tasks=["look"])
    with pytest.raises(ConfigError, match='no tool "lable-studio"'):
        chosen(trained_boxes, pool, out="x.json", tool="lable-studio")


@pytest.mark.parametrize("tool", ["coco", "cvat", "label-studio"])
def test_tools_read_the_answers(trained_boxes: Path, pool: Path, tmp_path: Path, tool: str) -> None:
    out = tmp_path / ("next.xml" if tool == "cvat" else "next.json")
    result = chosen(trained_boxes, pool, out=out, tool=tool)
    if tool == "label-studio":  # predictions count once a person has accepted them
        out.write_text(out.read_text().replace('"predictions"', '"annotations"'))
        assert len(json.loads(out.read_text())) == SIX
    records, _ = read(out)
    assert len(records) == SIX == len({record.image.name for record in records})
    assert {Path(one["image"]).name for one in result["pictures"]} == {
        Path(record.image.name).name for record in records
    }
    assert all("objects" in record.answers for record in records)
    assert any(record.answers["objects"].boxes for record in records)
    field = {"coco": "background", "cvat": "background.value", "label-studio": "background"}[tool]
    assert all(str(record.answers[field]) for record in records)
