"""Progress and results as a real kernel shows them in a notebook."""

from __future__ import annotations

from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

CODE = """
import time
from oneglance import History
from oneglance.screens.choice import default_screen

screen = default_screen()
for done in range(1, 41):
    screen.progress(done, 40, "looking <b>")
screen.say("a line")
for step in range(1, 5):
    screen.step(1, 1, step, 4, 16)
screen.epoch({"epoch": 1, "seconds": 1.0}, 1, {"price": "<i>3</i>"})
screen.close()
rows = [
    {"epoch": n, "skill": n / 9, "kept": n == 2, "seconds": 1.0, "loss": {"kind": 1 / n}, "validation": {}}
    for n in (1, 2)
]
History(rows)
"""


@pytest.fixture(scope="module")
def outputs() -> list[dict[str, Any]]:
    """What the cell shows when it is done."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CODE)])
    nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    found: list[dict[str, Any]] = book.cells[0].outputs
    return found


def pages(outputs: list[dict[str, Any]], kind: str) -> list[str]:
    return [one["data"]["text/html"] for one in outputs if one["output_type"] == kind]


def test_long_work_has_one_bar_that_is_drawn_again_in_its_place(outputs: list[dict[str, Any]]) -> None:
    looking, training = pages(outputs, "display_data")
    assert 'value="40" max="40"' in looking
    assert "looking &lt;b&gt;  40/40" in looking
    assert 'value="4" max="4"' in training
    assert "epoch 1/1" in training


def test_messages_stand_between_as_plain_text(outputs: list[dict[str, Any]]) -> None:
    texts = [one["text"] for one in outputs if one["output_type"] == "stream"]
    assert texts == ["a line\n"]
    assert not [one for one in outputs if one.get("name") == "stderr"]


def test_a_result_shows_its_page_and_its_text(outputs: list[dict[str, Any]]) -> None:
    (result,) = [one for one in outputs if one["output_type"] == "execute_result"]
    assert result["data"]["text/plain"].startswith("2 epochs; the weights of epoch 2 are kept")
    assert result["data"]["text/html"].startswith("<iframe srcdoc=")
