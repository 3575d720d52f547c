"""A map over the canvas lies exactly where it belongs in the picture itself."""

from __future__ import annotations

import numpy as np
import pytest

from oneglance.data.images.letterbox import Fit
from oneglance.inference.explanation.grids import Grid, inside, joined, on_picture


def test_a_position_lies_in_the_middle_of_its_stride() -> None:
    values = np.zeros((3, 4))
    values[1, 2] = 5
    heat = joined([Grid(values, 8)], (32, 24))
    assert heat.shape == (24, 32) and heat.dtype == np.float32
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert {row, column - 8} <= {11, 12}  # the two pixels around 12, and around 20
    assert heat.max() == 1 and heat[0, 0] == heat[11, 8] == 0


def test_what_is_hot_in_all_grids_is_hottest() -> None:
    one, other = np.array([[1.0, 0], [0, 1]]), np.zeros((4, 4))
    other[3, 3] = other[3, 0] = 1
    heat = joined([Grid(one, 16), Grid(other, 8)], (32, 32))
    assert heat[31, 31] == 1 and heat[31, 0] == pytest.approx(heat[0, 0]) and 0.05 < heat[0, 0] < 0.2
    assert heat[0, 31] == 0
    louder = joined([Grid(one, 16), Grid(other / 9, 8)], (32, 32))
    assert louder[0, 0] > 5 * louder[31, 0] > 0


def test_padding_is_never_hot() -> None:
    heat = np.array([[1.0, 0.2], [0.5, 0.0]], np.float32)
    assert inside(heat, (slice(0, 2), slice(1, 2))).tolist() == [[0, 1], [0, 0]]
    assert not inside(heat, (slice(1, 2), slice(1, 2))).any()


def test_where_there_is_nothing_all_is_cold() -> None:
    assert (joined([], (8, 8)) == 0).all() and (joined([Grid(np.zeros((2, 2)), 4)], (8, 8)) == 0).all()


@pytest.mark.parametrize("how", ["letterbox", "crop"])
@pytest.mark.parametrize("size", [(200, 100), (90, 300), (17, 13), (64, 48)])
@pytest.mark.parametrize("drawn", [1, 0.4, 3])
def test_what_is_hot_on_the_canvas_is_hot_in_the_picture(
    how: str, size: tuple[int, int], drawn: float
) -> None:
    """A box is drawn on the canvas; ``Placement`` says where it lies in the picture."""
    fit = Fit((64, 48), how)  # type: ignore[arg-type]
    placement = fit.placement(*size)
    heat = np.zeros((48, 64), np.float32)
    heat[20:30, 26:40] = 1
    shown = max(1, round(size[0] * drawn)), max(1, round(size[1] * drawn))
    spread = on_picture(heat, placement, shown)
    assert spread.shape == shown[::-1]
    x0, y0, x1, y1 = placement.to_image(np.array([[26.0, 20, 40, 30]]))[0]
    x = (np.arange(shown[0]) + 0.5) * size[0] / shown[0]
    y = (np.arange(shown[1]) + 0.5) * size[1] / shown[1]
    # Half a pixel of the canvas at the edges is neither hot nor cold.
    edge = 0.51 / np.array([placement.scale_x, placement.scale_y])
    sure = ((y > y0 + edge[1]) & (y < y1 - edge[1]))[:, None] & ((x > x0 + edge[0]) & (x < x1 - edge[0]))
    out = ((y < y0 - edge[1]) | (y > y1 + edge[1]))[:, None] | ((x < x0 - edge[0]) | (x > x1 + edge[0]))
    assert spread[sure] == pytest.approx(1)
    unseen = np.isnan(spread)
    assert not spread[out & ~unseen].any()
    corners = placement.to_canvas(np.stack(np.broadcast_arrays(x[None], y[:, None], x[None], y[:, None]), -1))
    off = ((corners[..., :2] < 0) | (corners[..., :2] > (64, 48))).any(axis=-1)
    assert (unseen == off).all()
    if how == "letterbox":
        assert not unseen.any()
