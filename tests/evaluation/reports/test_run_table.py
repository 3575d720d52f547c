"""Several runs on one page: names are text, and what differs is told."""

from __future__ import annotations

from pathlib import Path

from evaluation.reports.test_evaluation_report import EVIL, Page
from support import toy

import oneglance
from oneglance.evaluation.reports.run_table import differences, page_of
from oneglance.storage.run_folder import RunFolder


def test_runs_stand_side_by_side(tmp_path: Path) -> None:
    short = toy.train(tmp_path / "short", "training.epochs=1").folder
    longer = toy.train(tmp_path / "longer", "training.epochs=2", "training.learning_rate=0.02").folder
    settings = dict(differences([longer, short]))
    assert settings["training.epochs"] == ["2", "1"]
    assert settings["training.learning_rate"][0] == "0.02"
    assert "null" not in page_of([longer, short], "runs")
    assert not any(key.startswith(("cache", "backbone")) for key in settings)
    page = Page(page_of([longer, short], "runs"))
    for words in ("longer", "short", "training.epochs", "kind: accuracy on the validation split", "weight"):
        assert words in page.words
    assert "script" not in page.seen and page.seen.count("svg") == 1 + len(longer.config().tasks)
    assert page_of([longer, short], "runs").count('number best"') >= 1
    alone = Page(page_of([short], "runs"))
    assert "the same configuration" in alone.words and 'number best"' not in alone.raw


def test_names_are_text(tmp_path: Path) -> None:
    run: RunFolder = toy.train(tmp_path / "<b>run", "training.epochs=1").folder
    history = run.history()
    history[0]["validation"]["kind"] = {EVIL: 0.5}
    run.record(history)
    page = Page(page_of([run, run], EVIL))
    assert EVIL in page.words and "<b>run" in page.words
    assert "script" not in page.seen and page.seen.count("b") == 0


def test_the_verb_writes_it(tmp_path: Path) -> None:
    toy.train(tmp_path / "runs" / "a", "training.epochs=1")
    found = oneglance.runs(tmp_path / "runs", html=tmp_path / "runs.html")
    assert [run["run"] for run in found] == ["a"]
    assert oneglance.runs(tmp_path / "runs" / "a").to_dict() == found.to_dict()  # the run itself
    toy.train(tmp_path / "others" / "a", "training.epochs=1")
    both = oneglance.runs([tmp_path / "runs", tmp_path / "others" / "a"], html=tmp_path / "both.html")
    names = [str(tmp_path / "others" / "a"), str(tmp_path / "runs" / "a")]
    assert [run["run"] for run in both] == names  # whole paths, for both are called "a"
    assert all(name in (tmp_path / "both.html").read_text(encoding="utf-8") for name in names)
    assert "Settings that differ" in (tmp_path / "runs.html").read_text(encoding="utf-8")
