"""Maps from changed pictures need nothing but passes."""

from __future__ import annotations

import numpy as np
import pytest

from oneglance.inference.explanation.occlusion import occlusion_heats, windows_of
from oneglance.report_items import ExplainedAnswer

SHOWN = (slice(6, 54), slice(0, 60))  # of a canvas of 60 x 60 pixels


def forward(canvases: np.ndarray) -> dict[str, np.ndarray]:
    """How red the picture is in one place, and that with the sign changed."""
    red = canvases[:, 30:40, 40:50, 0].astype(np.float64).mean(axis=(1, 2)) / 255
    return {"asked": np.stack([red, -red], axis=1)}


def heat_of(column: int, *, either_way: bool = False) -> np.ndarray:
    canvas = np.full((60, 60, 3), 30, np.uint8)
    canvas[30:40, 40:50] = (250, 10, 10)
    answer = ExplainedAnswer("red", lambda rows: rows[:, column], None, either_way)
    return occlusion_heats(forward, canvas, SHOWN, {"asked": [answer]})["asked"][0]


def test_what_an_answer_needs_is_hot() -> None:
    heat = heat_of(0)
    assert heat.dtype == np.float32 and heat.max() == pytest.approx(1)
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    assert 28 <= row < 42 and 38 <= column < 52
    assert heat[:20].max() == 0 and heat[:, :25].max() == 0


def test_what_speaks_against_it_counts_where_it_is_asked_for() -> None:
    assert heat_of(1).max() == 0
    assert heat_of(1, either_way=True) == pytest.approx(heat_of(0))


@pytest.mark.parametrize("shown", [SHOWN, (slice(0, 3), slice(0, 60)), (slice(0, 1), slice(0, 1))])
def test_every_pixel_of_the_picture_is_hidden_about_as_often(shown: tuple[slice, slice]) -> None:
    count = np.zeros((60, 60))
    for window in windows_of(shown):
        count[window] += 1
    inside = count[shown]
    assert inside.min() >= 1 and inside.max() <= 3 * inside.min()
    count[shown] = 0
    assert not count.any()
