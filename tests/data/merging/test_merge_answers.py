"""What two sources know together of the boxes of one picture."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneglance.data.merging.merge_answers import CLOSE, unite_seen
from oneglance.data.record import Box, BoxAnnotations
from oneglance.errors import InvalidAnswer

CLASSES = ("cat", "dog", "cow")
CAT, CAT_2 = Box(0, 0, 10, 10, "cat"), Box(20, 0, 30, 10, "cat")
DOG = Box(0, 0, 10, 10, "dog")


def seen(*boxes: Box, asked: str | None = None) -> BoxAnnotations:
    """``asked`` are classes between spaces; None: all."""
    return BoxAnnotations(boxes, None if asked is None else frozenset(asked.split()))


def test_sources_that_looked_for_different_classes_are_joined() -> None:
    both = unite_seen(seen(CAT, asked="cat"), seen(DOG, asked="dog cow"))
    assert both == seen(CAT, DOG, asked="cat dog cow")


def test_a_box_of_both_counts_once() -> None:
    first, again = seen(CAT, CAT_2, asked="cat"), seen(CAT_2, CAT, DOG, asked="cat dog")
    assert unite_seen(first, again) == seen(CAT, CAT_2, DOG, asked="cat dog")


def test_two_equal_boxes_of_one_source_stay_two() -> None:
    assert unite_seen(seen(CAT, CAT), seen(CAT, CAT)) == seen(CAT, CAT)
    with pytest.raises(InvalidAnswer, match=r'has 1 box of "cat", but 2$'):
        unite_seen(seen(CAT, CAT), seen(CAT))


def test_formats_round_and_count_from_one() -> None:
    moved = Box(0.4, CLOSE, 10, 10 - CLOSE, "cat")
    assert unite_seen(seen(CAT), seen(moved)) == seen(CAT)
    with pytest.raises(InvalidAnswer, match=r'has other boxes of "cat" than$'):
        unite_seen(seen(CAT), seen(replace(moved, y0=CLOSE + 0.1)))


def test_a_near_box_takes_no_equal_one() -> None:
    near = replace(CAT, x0=0.9)
    assert unite_seen(seen(CAT, near), seen(near, CAT)) == seen(CAT, near)


@pytest.mark.parametrize(
    ("first", "again", "what"),
    [
        (seen(CAT), seen(), 'has 0 boxes of "cat", but 1'),
        (seen(asked="cat"), seen(CAT), 'has 1 box of "cat", but 0'),
        (seen(asked="cat"), seen(CAT, CAT_2, asked="cat dog"), 'has 2 boxes of "cat", but 0'),
        (seen(CAT, asked="cat"), seen(CAT_2, asked="cat"), 'has other boxes of "cat" than'),
        (seen(Box(0, 0, 1, 1, "")), seen(), "has 0 boxes without a class, but 1"),
    ],
)
def test_who_looked_for_the_same_class_contradicts(
    first: BoxAnnotations, again: BoxAnnotations, what: str
) -> None:
    with pytest.raises(InvalidAnswer) as told:
        unite_seen(first, again)
    assert told.value.what == what


def test_a_box_seen_by_the_way_is_kept_where_nobody_looked_for_its_class() -> None:
    """As in LVIS: not all boxes of a class are there, but these are."""
    first, again = seen(CAT, asked="dog"), seen(CAT_2, asked="cow")
    assert unite_seen(first, again) == seen(CAT, CAT_2, asked="dog cow")
    assert unite_seen(first, seen(CAT, CAT_2, asked="cat")) == seen(CAT, CAT_2, asked="cat dog")
    with pytest.raises(InvalidAnswer, match='has 0 boxes of "cat", but 1'):
        unite_seen(first, seen(asked="cat"))


def test_a_region_to_ignore_contradicts_nobody() -> None:
    crowd = replace(CAT, ignore=True)
    assert unite_seen(seen(crowd), seen()) == seen(crowd)
    assert unite_seen(seen(), seen(crowd)) == seen(crowd)
    assert unite_seen(seen(crowd), seen(CAT)) == seen(CAT), "one could tell it"


def test_a_box_has_the_attributes_of_both() -> None:
    red, old = replace(CAT, attributes={"colour": "red"}), replace(CAT, attributes={"age": 9})
    (box,) = unite_seen(seen(red), seen(old)).boxes
    assert box.attributes == {"colour": "red", "age": 9}
    with pytest.raises(InvalidAnswer) as told:
        unite_seen(seen(red), seen(replace(CAT, attributes={"colour": "blue"})))
    assert told.value.what == 'has a box of "cat" whose colour is "blue", but "red"'


def test_attributes_are_united_as_they_are_told_to() -> None:
    def longest(name: str, first: Any, again: Any) -> Any:
        return max(first, again, key=len)

    red, dark = replace(CAT, attributes={"colour": "red"}), replace(CAT, attributes={"colour": "dark red"})
    (box,) = unite_seen(seen(red), seen(dark), longest).boxes
    assert box.attributes == {"colour": "dark red"}


places = st.integers(0, 3).map(lambda n: 10.0 * n)  # so that no two boxes are near without being equal
boxes = st.builds(
    lambda x, y, label: Box(x, y, x + 5, y + 5, label), places, places, st.sampled_from(CLASSES)
)
asked = st.none() | st.frozensets(st.sampled_from(CLASSES))


@given(st.sets(boxes.map(lambda box: (box.x0, box.y0, box.label)), max_size=8), asked, asked)
def test_parts_of_one_truth_are_united_to_it(
    things: set[tuple[float, float, str]], one: frozenset[str] | None, two: frozenset[str] | None
) -> None:
    truth = [Box(x, y, x + 5, y + 5, label) for x, y, label in sorted(things)]

    def known(asked: frozenset[str] | None) -> BoxAnnotations:
        return BoxAnnotations(tuple(box for box in truth if asked is None or box.label in asked), asked)

    every = None if one is None or two is None else one | two
    for both in (unite_seen(known(one), known(two)), unite_seen(known(two), known(one))):
        assert both.asked == every
        assert sorted(both.boxes, key=truth.index) == list(known(every).boxes)
    assert unite_seen(known(one), known(one)) == known(one)


def test_many_boxes_take_little_time() -> None:
    many = tuple(Box(n, 0, n + 5, 5, "cell") for n in range(2000))
    start = time.process_time()
    assert unite_seen(BoxAnnotations(many), BoxAnnotations(many[::-1])) == BoxAnnotations(many)
    assert time.process_time() - start < 2
