"""What a person sees while something takes its time."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from oneglance.cli.tables import times
from oneglance.screens.choice import default_screen
from oneglance.screens.terminal import Terminal, _left

ROW = {"epoch": 2, "seconds": 41.3}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    result = Clock()
    monkeypatch.setattr("oneglance.screens.terminal.time", result)
    return result


def live(width: int = 80) -> tuple[Terminal, io.StringIO]:
    """A screen that takes itself for a terminal."""
    text = io.StringIO()
    screen = Terminal()
    screen.console = Console(file=text, force_terminal=True, width=width, highlight=False, color_system=None)
    screen.live = True
    return screen, text


def test_without_a_terminal_there_are_plain_lines(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    screen = Terminal()
    for done in range(1, 41):
        clock.now += 1
        screen.progress(done, 40, "looking")
    response = capsys.readouterr()
    assert response.out == "", "standard output belongs to the answers"
    lines = response.err.splitlines()
    assert 2 <= len(lines) <= 4, "a line now and then, not one per picture"
    assert lines[0].startswith("looking  ")
    assert "/40  1/s  0:" in lines[0], "what is counted is not always pictures"
    assert "\x1b" not in response.err
    assert "\r" not in response.err


def test_each_epoch_has_a_line(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    screen = Terminal()
    for step in range(1, 5):
        clock.now += 2
        screen.step(1, 3, step, 4, 16)
    screen.epoch(ROW, 3, {"kind": "0.912", "price": "±3.1 [EUR]"})
    screen.close()
    assert capsys.readouterr().err == "epoch 2/3  41 s   kind 0.912  price ±3.1 [EUR]\n"


def test_short_epochs_share_a_line(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    screen = Terminal()
    for epoch in range(1, 61):
        clock.now += 0.1
        screen.epoch(ROW | {"epoch": epoch}, 60, {"kind": "0.912"})
    lines = capsys.readouterr().err.splitlines()
    assert 3 <= len(lines) <= 5
    assert lines[-1].startswith("epoch 60/60"), "the last one is told"


def test_what_is_said_is_said_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    text = "[bold]photos[/] :smile: /a/very/long/" + "path" * 100
    Terminal().say(text)
    assert capsys.readouterr().err == text + "\n"


def test_a_terminal_has_a_bar(clock: Clock) -> None:
    screen, text = live(width=120)
    for step in range(1, 5):
        clock.now += 1
        screen.step(1, 2, step, 4, 16)
    screen.epoch(ROW, 2, {"kind": "0.912", "price": "±3.1 [/EUR]"})
    screen.step(2, 2, 1, 4, 16)
    screen.bars.refresh()  # type: ignore[union-attr]
    seen = text.getvalue()
    assert "epoch 2/2 ━" in seen
    assert "21 pictures/s  0:02 left" in seen, "64 pictures in 3 seconds after the first step, 3 to go"
    assert "kind 0.912  price ±3.1 [/EUR]" in seen, "a unit is no markup"
    screen.say("stopped")
    screen.close()
    screen.close()
    assert "stopped" in text.getvalue()
    assert screen.bars is None


def test_many_tasks_do_not_squeeze_the_bar(clock: Clock) -> None:
    screen, text = live(width=80)
    clock.now += 1
    screen.epoch(ROW, 12, {f"task{number}": "0.123" for number in range(20)})
    screen.step(11, 12, 1, 4, 16)
    clock.now += 1
    screen.step(11, 12, 2, 4, 16)
    screen.bars.refresh()  # type: ignore[union-attr]
    screen.close()
    assert "epoch 11/12" in text.getvalue()
    assert "pictures/s" in text.getvalue()


@pytest.mark.parametrize("at_a_terminal", [True, False])
def test_answers_that_go_to_a_file_are_not_caught(
    at_a_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """rich would print them above its bar: `oneglance predict ... > file` would lose them."""
    out = io.StringIO()
    monkeypatch.setattr(out, "isatty", lambda: at_a_terminal)
    monkeypatch.setattr(sys, "stdout", out)
    screen, text = live()
    screen.progress(1, 3, "predicting")
    print('{"image": "a.jpg"}')
    screen.progress(3, 3, "predicting")
    assert sys.stdout is out
    assert ("a.jpg" in text.getvalue()) is at_a_terminal
    assert ("a.jpg" in out.getvalue()) is not at_a_terminal


@pytest.mark.parametrize(
    ("seconds", "done", "total", "words"),
    [
        (10, 0, 100, ""),
        (10, 50, 100, "0:10 left"),
        (60, 1, 3, "2:00 left"),
        (3600, 1, 3, "2:00:00 left"),
        (1, 3, 3, "0:00 left"),
    ],
)
def test_the_time_that_is_left(seconds: float, done: int, total: int, words: str) -> None:
    assert _left(seconds, done, total) == words


def test_a_program_without_a_console_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(default_screen(), Terminal)
    monkeypatch.setattr(sys, "stderr", None)
    assert not isinstance(default_screen(), Terminal)


def test_how_often_a_split_was_read() -> None:
    assert times(1) == "read for the first time"
    assert times(3).startswith("read 3 times")
