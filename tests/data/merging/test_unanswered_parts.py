"""Parts that nobody has answered are left out, and named; all other parts stay."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from oneglance.data.images.references import FileImage
from oneglance.data.merging.unanswered_parts import without_unanswered_parts
from oneglance.data.record import Record


def records(*parts: tuple[str, int, int]) -> Sequence[Record]:
    """(split, pictures, how many of them have an answer)"""
    return [
        Record(
            "",
            FileImage(f"/{split}/{n}.jpg", f"{split}/{n}.jpg"),
            {"kind": "hat"} if n < answered else {},
            split=split,
        )
        for split, pictures, answered in parts
        for n in range(pictures)
    ]


@pytest.mark.parametrize(
    ("parts", "kept"),
    [
        ([("train", 3, 3), ("test", 2, 0)], 3),
        ([("train", 3, 1), ("validation", 4, 0), ("test", 2, 0)], 3),
        ([("train", 3, 3), ("test", 2, 1)], 5),
        ([("train", 3, 0), ("test", 2, 0)], 5),
        ([("train", 3, 0), ("test", 2, 2)], 5),
        ([("", 3, 0)], 3),
        ([], 0),
    ],
)
def test_only_parts_without_any_answer_are_left_out(parts: list[tuple[str, int, int]], kept: int) -> None:
    given = records(*parts)
    left, problems = without_unanswered_parts(given)
    assert len(left) == kept
    assert sum(1 for _ in problems) == len({r.split for r in given} - {r.split for r in left})
    assert not any(problem.fatal for problem in problems)


def test_it_says_how_many() -> None:
    _, (problem,) = without_unanswered_parts(records(("train", 3, 3), ("test", 1200, 0)))
    assert str(problem) == (
        "test/0.jpg  is of the test split, and none of its 1,200 pictures has an answer: they are left out, "
        "and a test split is taken from train — give them answers if they are to be scored"
    )
