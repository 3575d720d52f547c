"""Which candidates become boxes."""

from __future__ import annotations

import numpy as np

from oneglance.detection.decoding import keep, keep_both
from oneglance.detection.head import NEVER


def candidates(count: int, classes: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 8, (count, 2))
    return np.concatenate(
        [corners, corners + 9, random.normal(0, 2, (count, classes)), random.normal(0, 1, (count, 2))], axis=1
    )


def test_what_is_added_takes_no_box_away() -> None:
    """Though it is surer, lies at the same places, and alone would fill all that is told."""
    known, new = candidates(30, 2, 0), candidates(30, 1, 1)
    new[:, :4], new[:, 4] = known[:, :4], known[:, 4:6].max(axis=1) + 3
    before = keep(known, 2, None, iou=0.6, most=5)
    alone = keep(new, 1, None, iou=0.6, most=5)
    never = np.full((30, 1), NEVER)
    raw = np.concatenate(
        [
            np.concatenate([known[:, :6], never, known[:, 6:]], axis=1),
            np.concatenate([new[:, :4], never, never, new[:, 4:]], axis=1),
        ]
    )
    both = keep_both(raw, (2, 1), None, iou=0.6, most=5)
    old = both.label < 2
    for now, then in zip(both, before, strict=True):
        assert now[old].tolist() == then.tolist()
    assert both.point[~old].tolist() == (alone.point + 30).tolist()
    assert both.score[~old].tolist() == alone.score.tolist()
    assert (np.diff(both.score) <= 0).all() and len(both.score) == len(before.score) + len(alone.score)
