"""A training that somebody looks on at: what is kept, what the page is told, and that it ends."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from support import toy
from support.browser import browser, in_a_browser, opened, playwright  # noqa: F401
from support.hostile import NAMES

from oneglance.errors import RunError
from oneglance.progress import Screen
from oneglance.serving.live.live_page import live_app, live_page
from oneglance.serving.live.live_state import LiveScreen, state_of
from oneglance.storage.run_folder import RunFolder
from oneglance.training.trainer import Trainer

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument


class Said(Screen):
    """What was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def looked_on(folder: Path, screen: Screen, *overrides: str) -> Trainer:
    """The toy training with that screen."""
    trainer = toy.begin(folder, *overrides)
    trainer.screen = screen
    trainer.run()
    return trainer


def test_only_who_looks_on_gets_examples(tmp_path: Path) -> None:
    assert not (toy.train(tmp_path / "alone", "training.epochs=1").folder / "examples.json").exists()
    trainer = looked_on(tmp_path / "run", LiveScreen(Screen()), "training.epochs=2")
    kept = trainer.folder.examples()
    assert kept is not None and kept.epoch == 2 and len(kept.pictures) == 8
    records = trainer.validation.split.records
    assert [one.image for one in kept.pictures][:1] == [records[0].image.name]
    for one in kept.pictures:
        assert set(one.answers) == set(trainer.tasks)
        assert all(answer.answer for answer in one.answers.values())
    truth = records[0].answers.get("kind")
    assert kept.pictures[0].answers["kind"].truth == (truth or "")


def test_the_page_is_told_how_it_goes(tmp_path: Path) -> None:
    screen = LiveScreen(Screen())
    assert screen.state()["state"] == "preparing"
    screen.progress(3, 10, "decoding")
    assert screen.state()["doing"] == "decoding 3/10"
    seen: list[dict[str, Any]] = []

    class Looking(LiveScreen):
        def epoch(self, row: Any, epochs: int, brief: Any) -> None:
            seen.append(self.state())

    trainer = looked_on(tmp_path / "run", Looking(Screen()), "training.epochs=3")
    assert [(one["state"], one["epoch"], one["epochs"]) for one in seen] == [
        ("training", n, 3) for n in (1, 2, 3)
    ]
    assert seen[0]["seconds_left"] > 0 and seen[0]["examples"]["epoch"] == 1
    assert {one["task"] for one in seen[0]["scores"]} == set(trainer.tasks)
    last = state_of(trainer.folder.path)
    assert (last["state"], last["report"], last["doing"]) == ("finished", False, "")
    assert last["next"].startswith("oneglance evaluate")
    assert {plot["title"] for plot in last["plots"]} >= {"Loss", "Skill on the validation split"}
    json.dumps(last, allow_nan=False)


def test_a_training_that_ended_early_says_so(tmp_path: Path) -> None:
    screen = LiveScreen(Screen())
    trainer = toy.begin(tmp_path / "run", "training.epochs=3")
    trainer.screen = screen
    trainer.run(until=1)
    assert screen.state()["state"] == "training"
    screen.over = True
    state = screen.state()
    assert state["state"] == "stopped" and state["next"].startswith("oneglance finish")


def test_damage_is_told(tmp_path: Path) -> None:
    run = toy.train(tmp_path / "run", "training.epochs=1").folder
    (run / "examples.json").write_text(
        '{"epoch": 1, "pictures": [{"image": "a", "picture": "javascript:1", "answers": {}}]}'
    )
    with pytest.raises(RunError, match=r"examples.json: is damaged"):
        run.examples()
    assert state_of(run.path)["state"] == "unreadable"
    assert state_of(tmp_path / "nowhere")["state"] == "unreadable"


def test_a_page_is_served_as_long_as_the_training_goes_on(tmp_path: Path) -> None:
    said = Said()
    with live_page(said) as screen:
        url = said.lines[0].removeprefix("look on at ")
        assert url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{url}state", timeout=60) as reply:
            assert json.load(reply)["state"] == "preparing"
        looked_on(tmp_path / "run", screen, "training.epochs=1")
        with urllib.request.urlopen(f"{url}state", timeout=60) as reply:
            assert json.load(reply)["state"] == "finished"
        asked = urllib.request.Request(f"{url}state", headers={"host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError, match="421"):
            urllib.request.urlopen(asked, timeout=60)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}state", timeout=60)


def test_the_report_runs_nothing(tmp_path: Path) -> None:
    client = TestClient(live_app(dict, lambda: tmp_path), base_url="http://127.0.0.1")
    assert client.get("/report.html").status_code == 404
    (tmp_path / "report.html").write_text("<script>alert(1)</script>")
    reply = client.get("/report.html")
    assert reply.status_code == 200
    rules = reply.headers.get_list("content-security-policy")
    assert len(rules) == 1 and "default-src 'none'" in rules[0] and "script" not in rules[0]
    assert client.get("/").headers["content-security-policy"].startswith("default-src 'self'")


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[str]:
    """The address of a page whose pictures, answers and tasks are called like HTML and scripts."""
    run: RunFolder = toy.train(tmp_path / "run", "training.epochs=2").folder
    answer = {"truth": NAMES[0], "answer": NAMES[1]}
    pictures = [{"image": name, "picture": "", "answers": {name: answer}} for name in NAMES]
    run.write_examples({"epoch": 2, "pictures": pictures})
    history = run.history()
    for row in history:
        row["loss"] = dict.fromkeys(NAMES, 0.5)
        row["validation"] = {name: {"accuracy": 0.5} for name in NAMES}
    run.record(history)
    said = Said()
    with live_page(said) as screen:
        screen.begin(run.path)
        yield said.lines[0].removeprefix("look on at ")


@pytest.mark.slow  # a browser starts
@in_a_browser[1]
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_names_are_text_and_it_fits(browser: Any, hostile: str, width: int, scheme: str) -> None:
    how = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme}
    for page in opened(browser, hostile, **how):
        page.evaluate("() => { window.ranWith = []; window.ran = (number) => window.ranWith.push(number); }")
        playwright.expect(page.locator("#examples figure")).to_have_count(len(NAMES))
        text = page.locator("body").text_content()
        assert all(name in text for name in NAMES)
        assert "finished" in page.inner_text("#facts") and "oneglance evaluate" in page.inner_text("#end")
        assert page.evaluate("document.scripts.length") == 1 and page.locator("img").count() == 0
        assert page.locator("#plots svg").count() == 2 + len(NAMES)
        assert page.evaluate("window.ranWith") == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
