"""Suspects of a configuration: wrong answers come first, the files say it, and folds are not done twice."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.doubted import TASKS, WRONG, coloured

import oneglance
from oneglance.errors import ConfigError, DataError
from oneglance.evaluation.baselines import estimators
from oneglance.evaluation.suspects import frozen
from oneglance.progress import Screen
from oneglance.results.suspects import Suspects
from oneglance.task import Task


@pytest.fixture(scope="module")
def doubted(tmp_path_factory: pytest.TempPathFactory) -> Suspects:
    folder = tmp_path_factory.mktemp("doubted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimators, "STEPS", 120)
        patch.setenv("ONEGLANCE_CACHE", str(tmp_path_factory.mktemp("cache")))
        return oneglance.suspects(coloured(folder), folds=3, out=folder / "out", screen=Screen())


def test_the_wrong_answer_to_each_task_comes_first(doubted: Suspects) -> None:
    for task, row in WRONG.items():
        first = next(one for one in doubted["suspects"] if one["task"] == task)
        assert first["image"] == f"{row}.png", task
        assert first["score"] > 0.5 and first["said"] != first["proposed"]
    scores = [one["score"] for one in doubted["suspects"]]
    assert scores == sorted(scores, reverse=True)
    assert doubted["tasks"]["kind"]["answers"] == 60


def test_all_files_say_it(doubted: Suspects) -> None:
    assert doubted.path is not None
    assert json.loads((doubted.path / "suspects.json").read_text()) == doubted.to_dict()
    rows = list(csv.DictReader((doubted.path / "suspects.csv").read_text().splitlines()))
    assert [row["image"] for row in rows] == [one["image"] for one in doubted["suspects"]]
    page = (doubted.path / "suspects.html").read_text()
    assert "http:" not in page.replace("http://www.w3.org/2000/svg", "") and "https:" not in page
    assert len(doubted.rows()) == len(rows) and "answers confidently" in repr(doubted)


def test_finished_folds_are_kept(doubted: Suspects, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doubted.path is not None
    config = doubted.path.parent / "colours.toml"
    folds = sorted((doubted.path / "folds").iterdir())
    assert len(folds) == 9
    folds[0].unlink()
    folds[1].write_bytes(b"PK")  # cut short
    made: list[str] = []
    whole = frozen._fold
    monkeypatch.setattr(estimators, "STEPS", 120)

    def counted(task: Task, *rest: Any) -> np.ndarray:
        made.append(task.name)
        return whole(task, *rest)

    monkeypatch.setattr(frozen, "_fold", counted)
    again = oneglance.suspects(config, folds=3, out=doubted.path, screen=Screen())
    assert len(made) == 2
    assert again["suspects"] == doubted["suspects"]


def test_what_cannot_be_judged_is_refused_with_its_hint(tmp_path: Path) -> None:
    config = coloured(tmp_path, count=12)
    with pytest.raises(
        DataError, match="kind: 12 pictures with an answer are too few for 5 folds — --folds 3"
    ):
        oneglance.suspects(config, out=tmp_path / "out", screen=Screen())
    with pytest.raises(ConfigError, match="leave nothing to learn from"):
        oneglance.suspects(config, folds=1, out=tmp_path / "out", screen=Screen())
    with pytest.raises(ConfigError, match='no task "kin"'):
        oneglance.suspects(config, tasks=["kin"], out=tmp_path / "out", screen=Screen())


def test_a_class_of_one_picture_is_named_and_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimators, "STEPS", 20)
    config = coloured(tmp_path, count=24, tasks=TASKS.partition("[tasks.style]")[0])
    table = tmp_path / "labels.csv"
    lines = table.read_text().splitlines()
    lines[6] = lines[6].replace("warm", "odd").replace("cold", "odd")
    table.write_text("\n".join(lines))
    result = oneglance.suspects(config, folds=2, out=tmp_path / "out", screen=Screen())
    assert any('"odd"' in note and "not judged" in note for note in result.notes)
    assert all(one["said"] != "odd" for one in result["suspects"])
    assert result["tasks"]["kind"]["answers"] == 23
