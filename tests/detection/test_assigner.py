"""Which points learn which box, against a loop over boxes and points."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from oneglance.detection.assigner import TOP, Assigned, assign

BOXES, CELLS = 6, 60


def candidates(seed: int, share: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Which points lie in which boxes, with random answers; some of them overlap nothing."""
    random = np.random.default_rng(seed)
    box, cell = np.nonzero(random.random((BOXES, CELLS)) < share)
    order = random.permutation(len(box))
    score = random.random(len(box))
    iou = random.random(len(box)) * (random.random(len(box)) < 0.8)
    kept = [torch.as_tensor(part[order]) for part in (box, cell)]
    return kept[0], kept[1], torch.as_tensor(score).float(), torch.as_tensor(iou).float()


def by_hand(box: Tensor, cell: Tensor, score: Tensor, iou: Tensor) -> dict[int, tuple[int, float]]:
    """Cell -> (box, quality)."""
    rows = list(zip(box.tolist(), cell.tolist(), score.double().tolist(), iou.double().tolist(), strict=True))
    measure = [max(s, 1e-9) ** 0.5 * max(overlap, 1e-3) ** 6 for *_, s, overlap in rows]
    owner: dict[int, int] = {}
    for wanted in range(BOXES):
        own = [row for row, (name, *_) in enumerate(rows) if name == wanted]
        for row in sorted(own, key=lambda row: -measure[row])[:TOP]:
            held = owner.get(rows[row][1])
            if held is None or (rows[row][3], wanted) > (rows[held][3], rows[held][0]):
                owner[rows[row][1]] = row
    found = {}
    for location, row in owner.items():
        mates = [other for other in owner.values() if rows[other][0] == rows[row][0]]
        best = max(measure[mate] for mate in mates)
        found[location] = rows[row][0], measure[row] / best * max(rows[mate][3] for mate in mates)
    return found


def assigned(box: Tensor, cell: Tensor, score: Tensor, iou: Tensor) -> Assigned:
    return assign(box, cell, score, iou, BOXES, CELLS)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.sampled_from([0.02, 0.1, 0.4, 1.0]))
def test_it_chooses_what_a_loop_chooses(seed: int, share: float) -> None:
    given = candidates(seed, share)
    found, expected = assigned(*given), by_hand(*given)
    assert len(set(found.cell.tolist())) == len(found.cell)  # each point learns one box
    told = dict(zip(found.cell.tolist(), found.box.tolist(), strict=True))
    assert told == {cell: box for cell, (box, _) in expected.items()}
    qualities = [expected[cell][1] for cell in found.cell.tolist()]
    np.testing.assert_allclose(found.quality.numpy(), qualities, rtol=1e-4, atol=1e-6)
    assert (found.quality >= 0).all() and (found.quality <= 1).all()


def test_a_box_has_its_ten_best_points_and_the_best_has_its_overlap() -> None:
    cell = torch.arange(30)
    iou = torch.linspace(0.1, 0.9, 30)
    found = assigned(torch.zeros(30, dtype=torch.int64), cell, torch.full((30,), 0.5), iou)
    assert sorted(found.cell.tolist()) == list(range(20, 30))
    assert found.quality.max() == iou.max()
    assert int(found.cell[found.quality.argmax()]) == 29


def test_what_is_asked_of_a_point_grows_with_its_score() -> None:
    zeros = torch.zeros(2, dtype=torch.int64)
    found = assigned(zeros, torch.tensor([3, 4]), torch.tensor([0.16, 0.64]), torch.tensor([0.5, 0.5]))
    told = dict(zip(found.cell.tolist(), found.quality.tolist(), strict=True))
    assert told == pytest.approx({3: 0.25, 4: 0.5})


def test_of_two_equal_boxes_one_learns() -> None:
    box, cell = torch.tensor([0, 1, 0, 1]), torch.tensor([5, 5, 6, 6])
    found = assigned(box, cell, torch.full((4,), 0.5), torch.full((4,), 0.7))
    assert found.box.tolist() == [1, 1]
    assert sorted(found.cell.tolist()) == [5, 6]


def test_nothing_in_nothing_out() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    found = assign(nothing, nothing, torch.zeros(0), torch.zeros(0), 0, 12)
    assert [len(part) for part in found] == [0, 0, 0]


def test_an_answer_that_overlaps_nothing_gets_no_number_that_is_none() -> None:
    box, cell = torch.tensor([0, 0]), torch.tensor([1, 2])
    found = assigned(box, cell, torch.zeros(2), torch.zeros(2))
    assert found.quality.tolist() == [0, 0]
