"""A finished run on corrupted pictures: every task, in one JSON and on a page that loads nothing."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.boxed import trained_boxes as trained_boxes

import oneglance
from oneglance.errors import ConfigError
from oneglance.evaluation import robustness
from oneglance.evaluation.corruptions.catalogue import FAMILIES
from oneglance.progress import Screen
from oneglance.results.robustness import Robustness


@pytest.fixture(scope="module")
def scored(trained_boxes: Path, tmp_path_factory: pytest.TempPathFactory) -> Robustness:
    out = tmp_path_factory.mktemp("robust")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(robustness, "RESAMPLES", 10)
        patch.setenv("ONEGLANCE_CACHE", str(tmp_path_factory.mktemp("cache")))
        return oneglance.robustness(
            trained_boxes / "runs" / "a", split="test", pictures=6, out=out, screen=Screen()
        )


def test_every_task_is_scored(scored: Robustness, trained_boxes: Path) -> None:
    assert set(scored.tasks) == {"background", "objects", "look"}
    for task in scored.tasks.values():
        assert list(task.families) == list(FAMILIES)
        assert [name for family in FAMILIES.values() for name in family] == list(task.corruptions)
        assert all(len(scores) == 5 for scores in task.corruptions.values())
    assert scored["pictures"] == 6


def test_means_are_means(scored: Robustness) -> None:
    task = scored.tasks["background"]
    means = {name: sum(score.value or 0 for score in scores) / 5 for name, scores in task.corruptions.items()}
    assert task.corrupted.value == pytest.approx(sum(means.values()) / 15)
    assert task.families["noise"].value == pytest.approx(sum(means[name] for name in FAMILIES["noise"]) / 3)
    if task.clean.value != 1:
        error = (1 - (task.corrupted.value or 0)) / (1 - (task.clean.value or 0))
        assert task.relative_error == pytest.approx(error)
    assert task.corrupted.low is not None and 1 <= task.corrupted.n <= 6


def test_both_files_say_it(scored: Robustness) -> None:
    assert scored.path is not None
    assert json.loads((scored.path / "robustness.json").read_text()) == scored.to_dict()
    page = (scored.path / "robustness.html").read_text()
    assert "glass blur" in page and page.count('<img src="data:image/jpeg') == 45
    assert "http:" not in page and "https:" not in page


def test_what_was_stopped_goes_on(
    trained_boxes: Path, tmp_path: Path, scored: Robustness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(robustness, "RESAMPLES", 10)
    monkeypatch.setenv("ONEGLANCE_CACHE", str(tmp_path / "cache"))
    usual, passes, stop_at = robustness._scored, [0], 9

    def counted(*about: Any) -> Any:
        passes[0] += 1
        if passes[0] == stop_at:
            raise KeyboardInterrupt
        return usual(*about)

    monkeypatch.setattr(robustness, "_scored", counted)
    ask = partial(oneglance.robustness, trained_boxes / "runs" / "a", split="test", out=tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        ask(pictures=6, screen=Screen())
    mine = tmp_path / "out" / "robustness" / "mine.txt"
    mine.write_text("somebody's own")
    passes[0], stop_at = 0, 0
    again = ask(pictures=6, screen=Screen())
    assert passes == [76 - 7]  # clean pictures are scored each time
    assert {**again.to_dict(), "date": ""} == {**scored.to_dict(), "date": ""}
    assert list(mine.parent.iterdir()) == [mine]
    mine.unlink()
    ask(pictures=6, screen=Screen())
    assert not mine.parent.exists()


def test_what_cannot_be_scored_is_refused(trained_boxes: Path, tmp_path: Path) -> None:
    run = trained_boxes / "runs" / "a"
    with pytest.raises(ConfigError, match="is no split"):
        oneglance.robustness(run, split="train", out=tmp_path, screen=Screen())
    with pytest.raises(ConfigError, match="cannot be scored"):
        oneglance.robustness(run, pictures=0, out=tmp_path, screen=Screen())
    assert list(tmp_path.iterdir()) == []
