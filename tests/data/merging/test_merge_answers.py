"""What two sources know together of the boxes of one picture."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneglance.data.merging.merge_answers import CLOSE, merge_boxes
from oneglance.data.record import Box, BoxAnnotations
from oneglance.errors import InvalidAnswer

CLASSES = ("cat", "dog", "cow")
CAT, CAT_2 = Box(0, 0, 10, 10, "cat"), Box(20, 0, 30, 10, "cat")
DOG = Box(0, 0, 10, 10, "dog")


def seen(*boxes: Box, queried: str | None = None) -> BoxAnnotations:
    """``asked`` are classes between spaces; None: all."""
    return BoxAnnotations(boxes, None if queried is None else frozenset(queried.split()))


def test_sources_that_looked_for_different_classes_are_joined() -> None:
    both = merge_boxes(seen(CAT, queried="cat"), seen(DOG, queried="dog cow"))
    assert both == seen(CAT, DOG, queried="cat dog cow")


def test_a_box_of_both_counts_once() -> None:
    first, again = seen(CAT, CAT_2, queried="cat"), seen(CAT_2, CAT, DOG, queried="cat dog")
    assert merge_boxes(first, again) == seen(CAT, CAT_2, DOG, queried="cat dog")


def test_two_equal_boxes_of_one_source_are_one() -> None:
    assert merge_boxes(seen(CAT, CAT), seen(CAT, CAT)) == seen(CAT)
    assert merge_boxes(seen(CAT, CAT), seen(CAT)) == seen(CAT)
    with pytest.raises(InvalidAnswer, match=r'has 1 box of "cat", but 2$'):
        merge_boxes(seen(CAT, CAT_2), seen(CAT))


def test_what_one_could_not_place_the_other_may_have_placed() -> None:
    lost = BoxAnnotations((CAT,), frozenset({"dog"}), frozenset({"cat"}))
    assert merge_boxes(lost, seen(queried="dog cow")).unplaced == frozenset({"cat"})
    assert merge_boxes(seen(CAT, CAT_2, queried="cat"), lost) == seen(CAT, CAT_2, queried="cat dog")
    assert merge_boxes(lost, seen(CAT)).unplaced == frozenset()
    with pytest.raises(InvalidAnswer, match="has 0 boxes"):  # there is one for sure
        merge_boxes(lost, seen(queried="cat"))


def test_formats_round_and_count_from_one() -> None:
    moved = Box(0.4, CLOSE, 10, 10 - CLOSE, "cat")
    assert merge_boxes(seen(CAT), seen(moved)) == seen(CAT)
    with pytest.raises(InvalidAnswer, match=r'has other boxes of "cat" than$'):
        merge_boxes(seen(CAT), seen(replace(moved, y0=CLOSE + 0.1)))


def test_a_near_box_takes_no_equal_one() -> None:
    near = replace(CAT, x0=0.9)
    assert merge_boxes(seen(CAT, near), seen(near, CAT)) == seen(CAT, near)


@pytest.mark.parametrize(
    ("first", "again", "what"),
    [
        (seen(CAT), seen(), 'has 0 boxes of "cat", but 1'),
        (seen(queried="cat"), seen(CAT), 'has 1 box of "cat", but 0'),
        (seen(queried="cat"), seen(CAT, CAT_2, queried="cat dog"), 'has 2 boxes of "cat", but 0'),
        (seen(CAT, queried="cat"), seen(CAT_2, queried="cat"), 'has other boxes of "cat" than'),
        (seen(Box(0, 0, 1, 1, "")), seen(), "has 0 boxes without a class, but 1"),
    ],
)
def test_who_looked_for_the_same_class_contradicts(
    first: BoxAnnotations, again: BoxAnnotations, what: str
) -> None:
    with pytest.raises(InvalidAnswer) as told:
        merge_boxes(first, again)
    assert told.value.what == what


def test_a_box_seen_by_the_way_is_kept_where_nobody_looked_for_its_class() -> None:
    """As in LVIS: not all boxes of a class are there, but these are."""
    first, again = seen(CAT, queried="dog"), seen(CAT_2, queried="cow")
    assert merge_boxes(first, again) == seen(CAT, CAT_2, queried="dog cow")
    assert merge_boxes(first, seen(CAT, CAT_2, queried="cat")) == seen(CAT, CAT_2, queried="cat dog")
    with pytest.raises(InvalidAnswer, match='has 0 boxes of "cat", but 1'):
        merge_boxes(first, seen(queried="cat"))


def test_a_region_to_ignore_contradicts_nobody() -> None:
    crowd = replace(CAT, ignore=True)
    assert merge_boxes(seen(crowd), seen()) == seen(crowd)
    assert merge_boxes(seen(), seen(crowd)) == seen(crowd)
    assert merge_boxes(seen(crowd), seen(CAT)) == seen(CAT), "one could tell it"


def test_a_box_has_the_attributes_of_both() -> None:
    red, old = replace(CAT, attributes={"colour": "red"}), replace(CAT, attributes={"age": 9})
    (box,) = merge_boxes(seen(red), seen(old)).boxes
    assert box.attributes == {"colour": "red", "age": 9}
    with pytest.raises(InvalidAnswer) as told:
        merge_boxes(seen(red), seen(replace(CAT, attributes={"colour": "blue"})))
    assert told.value.what == 'has a box of "cat" whose colour is "blue", but "red"'


def test_attributes_are_merged_as_the_rule_says() -> None:
    def longest(name: str, first: Any, again: Any) -> Any:
        return max(first, again, key=len)

    red, dark = replace(CAT, attributes={"colour": "red"}), replace(CAT, attributes={"colour": "dark red"})
    (box,) = merge_boxes(seen(red), seen(dark), longest).boxes
    assert box.attributes == {"colour": "dark red"}


places = st.integers(0, 3).map(lambda n: 10.0 * n)  # so that no two boxes are near without being equal
boxes = st.builds(
    lambda x, y, label: Box(x, y, x + 5, y + 5, label), places, places, st.sampled_from(CLASSES)
)
queried = st.none() | st.frozensets(st.sampled_from(CLASSES))


@given(st.sets(boxes.map(lambda box: (box.x0, box.y0, box.label)), max_size=8), queried, queried)
def test_views_of_one_truth_merge_to_it(
    things: set[tuple[float, float, str]], one: frozenset[str] | None, two: frozenset[str] | None
) -> None:
    truth = [Box(x, y, x + 5, y + 5, label) for x, y, label in sorted(things)]

    def annotated(queried: frozenset[str] | None) -> BoxAnnotations:
        return BoxAnnotations(tuple(box for box in truth if queried is None or box.label in queried), queried)

    every = None if one is None or two is None else one | two
    for both in (merge_boxes(annotated(one), annotated(two)), merge_boxes(annotated(two), annotated(one))):
        assert both.queried == every
        assert sorted(both.boxes, key=truth.index) == list(annotated(every).boxes)
    assert merge_boxes(annotated(one), annotated(one)) == annotated(one)


def test_many_boxes_take_little_time() -> None:
    many = tuple(Box(n, 0, n + 5, 5, "cell") for n in range(2000))
    start = time.process_time()
    assert merge_boxes(BoxAnnotations(many), BoxAnnotations(many[::-1])) == BoxAnnotations(many)
    assert time.process_time() - start < 2
