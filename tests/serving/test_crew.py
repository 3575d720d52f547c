"""The processes of the service hold the network, and may die."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path

import pytest
from service import Strings, painted, picture, running

from oneglance.errors import RunError
from oneglance.inference.lanes import threads
from oneglance.inference.predictor import open_predictor
from oneglance.serving.crew import MOST, MOST_PROCESSES, Crew
from oneglance.serving.limits import Bounds
from oneglance.serving.sent import SentImage

psutil = pytest.importorskip("psutil")

RED = picture("red")


def test_each_picture_is_told_in_its_place(tmp_path: Path) -> None:
    crew = Crew(partial(painted, tmp_path), Bounds(), 1)
    try:
        assert Strings(tmp_path).batches() == [MOST]  # so that later ones find their memory
        assert list(crew.contents.tasks) == ["kind", "style", "price", "objects"]
        sent = [SentImage("a.png", RED), SentImage("b.png", RED[:60]), SentImage("c.png", picture("white"))]
        a, b, c = crew.answer(sent).result()
    finally:
        crew.close()
    assert a.size == (64, 48) and not a.error and not a.unknown
    assert json.loads(a.text)["answers"]["kind"]["value"] == "hat"
    assert b.error == "is cut short" and json.loads(b.text) == {"image": "b.png", "error": "is cut short"}
    assert c.unknown and json.loads(c.text)["unknown"] is True
    assert Strings(tmp_path).batches() == [MOST, 2]


def test_as_many_processes_as_are_of_use() -> None:
    crew = Crew(painted, Bounds())
    crew.close()
    assert crew.count == min(threads(), MOST_PROCESSES)


def test_what_cannot_be_opened_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such run folder"):
        Crew(partial(open_predictor, tmp_path / "nothing"), Bounds(), 1)
    assert psutil.Process().children() == []


def test_a_picture_that_kills_its_process_is_named_and_the_service_goes_on() -> None:
    with running() as service:
        before = {child.pid for child in psutil.Process().children()}
        service.strings.pull(dies=True)
        said = service.predict(("a.png", RED), ("b.png", RED)).refused(422)
        assert said == "a.png: makes the decoder crash"
        service.strings.pull()
        assert service.predict(("a.png", RED)).status == 200
        assert wait_for_two_others(before)


def wait_for_two_others(before: set[int]) -> bool:
    """Both processes died, and are there again though nobody asks."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        now = {child.pid for child in psutil.Process().children()}
        if len(now) == len(before) and now != before:
            return True
        time.sleep(0.05)
    return False
