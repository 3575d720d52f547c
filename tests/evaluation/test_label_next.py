"""Pictures to label next, of a trained run, and what tools for labelling read of the network's answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.annotated import read

import oneglance
from oneglance.data.images.content_hash import content_digest, short
from oneglance.data.synthetic import write_scenes
from oneglance.errors import ConfigError, DataError
from oneglance.evaluation.labelling import label_next
from oneglance.progress import Screen
from oneglance.storage.fingerprint import Fingerprint
from oneglance.storage.run_folder import RunFolder

RUN = Path(__file__).resolve().parents[1] / "support" / "run_of_0_1_0"
TASKS = ["digit", "background", "shapes", "covered", "objects"]
SIX = 6


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight new pictures, and one that cannot be read."""
    folder = tmp_path_factory.mktemp("pool")
    write_scenes(folder / "new", count=8, size=64, seed=77)
    pictures = folder / "images"
    shutil.copytree(folder / "new" / "images", pictures)
    (pictures / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return pictures


def chosen(pool: Path, **more: Any) -> dict[str, Any]:
    return oneglance.label_next(RUN, str(pool), count=SIX, screen=Screen(), **more).to_dict()


def test_each_task_gets_its_share_and_no_picture_comes_twice(pool: Path) -> None:
    result = chosen(pool)
    assert [one["task"] for one in result["pictures"]] == [*TASKS, TASKS[0]]
    assert len({one["image"] for one in result["pictures"]}) == SIX
    assert all(set(one) == {"image", "task", "score", "reason"} for one in result["pictures"])
    assert (result["pool"], result["unreadable"], result["known"]) == (9, 1, 0)
    only = chosen(pool, tasks=["background"])
    assert {one["task"] for one in only["pictures"]} == {"background"}


def test_with_many_answers_the_network_is_asked_what_it_doubts(
    pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_next, "_answers", lambda run: dict.fromkeys(TASKS, 10_000))
    reasons = {one["task"]: one["reason"] for one in chosen(pool)["pictures"]}
    assert "typical" in reasons.pop("covered")  # a number cannot say how sure it is
    assert all("unsure" in reason for reason in reasons.values()) and len(reasons) == 4


def test_what_the_run_knows_is_left_out(pool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = sorted(pool.glob("0*.png"))
    own = [short(content_digest(name.read_bytes())) for name in names]
    monkeypatch.setattr(RunFolder, "fingerprint", lambda run: Fingerprint({}, own[:2], {}))
    result = chosen(pool)
    assert result["known"] == 2
    assert not {Path(one["image"]).name for one in result["pictures"]} & {one.name for one in names[:2]}
    monkeypatch.setattr(RunFolder, "fingerprint", lambda run: Fingerprint({}, own, {}))
    with pytest.raises(DataError, match="8 are in the run's data already"):
        chosen(pool)


def test_what_there_is_not_is_refused(pool: Path) -> None:
    with pytest.raises(ConfigError, match='no task "look" that people answer'):
        chosen(pool, tasks=["look"])
    with pytest.raises(ConfigError, match='no tool "lable-studio"'):
        chosen(pool, out="x.json", tool="lable-studio")
    with pytest.raises(ConfigError, match="0 pictures cannot be chosen"):
        oneglance.label_next(RUN, str(pool), count=0, screen=Screen())


@pytest.mark.parametrize("tool", ["coco", "cvat", "label-studio"])
def test_tools_read_the_answers(pool: Path, tmp_path: Path, tool: str) -> None:
    out = tmp_path / ("next.xml" if tool == "cvat" else "next.json")
    result = chosen(pool, out=out, tool=tool)
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
    assert all(str(record.answers.get("covered", record.answers.get("covered.value"))) for record in records)
    field = {"coco": "background", "cvat": "background.value", "label-studio": "background"}[tool]
    assert all(str(record.answers[field]) for record in records)
