"""Suspects of a finished run with boxes: each answer is judged by what has not learned from it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.boxed import trained_boxes as trained_boxes

import oneglance
from oneglance.evaluation.baselines import estimators
from oneglance.evaluation.suspects import find, frozen
from oneglance.progress import Screen
from oneglance.results.suspects import Suspects


def blind(data: Any, rows: Any, tasks: list[str], folds: list[Any], *rest: Any) -> list[Any]:
    """In the place of a training for each fold: networks that see no box."""
    assert sorted(row for fold in folds for row in fold.held_out.tolist()) == list(range(len(rows)))
    return [{name: {"boxes": []} for name in tasks} for _ in rows]


@pytest.fixture(scope="module")
def doubted(trained_boxes: Path, tmp_path_factory: pytest.TempPathFactory) -> Suspects:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimators, "STEPS", 20)
        patch.setattr(frozen, "INSTALLED", "")
        patch.setattr(find, "answers_of_trainings", blind)
        patch.setenv("ONEGLANCE_CACHE", str(tmp_path_factory.mktemp("cache")))
        out = tmp_path_factory.mktemp("doubted")
        return oneglance.suspects(trained_boxes / "runs" / "a", folds=2, out=out, screen=Screen())


def test_every_part_is_judged_once_and_says_how(doubted: Suspects, trained_boxes: Path) -> None:
    rows = (trained_boxes / "runs" / "a" / "split.csv").read_text().splitlines()[1:]
    parts = Counter(row.rpartition(",")[2] for row in rows)
    assert set(doubted["tasks"]) == {"background", "objects"}
    for name, by in (("background", "heads on the features of classical"), ("objects", "trainings")):
        methods = doubted["tasks"][name]["methods"]
        assert [part for part in parts if any(part in one for one in methods)] != []
        assert any("the run itself, which was calibrated" in one for one in methods)
        assert any(by in one for one in methods), methods
        assert 30 < doubted["tasks"][name]["answers"] <= len(rows)  # but for classes of one scene


def test_boxes_are_told_with_their_places(doubted: Suspects) -> None:
    of_boxes = [one for one in doubted["suspects"] if one["task"] == "objects"]
    assert of_boxes and all(len(one["box"]) == 4 and one["reason"] for one in of_boxes)
    assert all(0 <= one["score"] <= 1 for one in doubted["suspects"])


def test_the_page_holds_all_boxes_of_a_picture_as_rows(doubted: Suspects) -> None:
    assert doubted.path is not None
    page = (doubted.path / "suspects.html").read_text()
    data: dict[str, Any] = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    one = next(one for one in data["suspects"] if one["task"] == "objects")
    rows = data["rows"]["objects"][str(one["picture"])]
    assert rows and {"label", "xmin", "ymin", "xmax", "ymax", "colour"} == set(rows[0])
    assert len(data["boxes"]["objects"][str(one["picture"])]) == len(rows)
    assert 'format = "boxes_table"' in data["keys"]["objects"]
