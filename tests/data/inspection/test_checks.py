"""What is wrong with the data as a whole is told with its location and a hint, and often enough is enough."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.tiny import amount, row, word

from oneglance.data.columns.record_columns import columns_of
from oneglance.data.images.references import FileImage
from oneglance.data.inspection import checks
from oneglance.data.inspection.checks import check, summary, without_unreadable
from oneglance.data.inspection.missing_files import absent, missing_pictures
from oneglance.data.merging.collect import Question
from oneglance.data.record import Record
from oneglance.data.splitting.split import SPLITS, SplitIndices
from oneglance.errors import PictureError, Problem

QUESTIONS: list[Question] = [word("kind")]


def splits(names: Sequence[str]) -> SplitIndices:
    return SplitIndices(*(np.flatnonzero([name == split for name in names]) for split in SPLITS))


def kinds(words: str, **keys: Any) -> list[Record]:
    """A record per letter, of that kind; a dot has no answer."""
    return [row(n, f"p{n}", **({} if k == "." else {"kind": k}), **keys) for n, k in enumerate(words, 2)]


def of_kind(problems: Sequence[Problem], kind: str) -> list[str]:
    return [str(problem) for problem in problems if problem.kind == kind]


def pictures(folder: Path, *names: str, made: Sequence[str] = ()) -> list[Record]:
    """A row for each of ``names``; files for ``made``."""
    for name in made:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"")
    refs = [FileImage(os.path.normpath(folder / name), name) for name in names]
    return [Record(f"a.csv:{n}", ref, {"kind": "ab"[n % 2]}) for n, ref in enumerate(refs, 2)]


def test_good_data_have_no_problem(tmp_path: Path) -> None:
    names = ["1.jpg", "2.jpg", "b/3.jpg", "b/c/4.jpg"]
    records = pictures(tmp_path, *names, made=names)
    assert missing_pictures(records) == (columns_of(records), [])
    assert check(records, QUESTIONS) == []
    good = kinds("abababab")
    digests = [b"%d" % n for n in range(8)]
    names = ["train"] * 4 + ["validation"] * 2 + ["test"] * 2
    assert check(good, QUESTIONS, splits=splits(names), digests=digests) == []


def test_every_check_is_run() -> None:
    """A check that is written and not listed would never be missed."""
    written = [
        f
        for name, f in vars(checks).items()
        if getattr(f, "__annotations__", {}).keys() == {"facts", "return"}
    ]
    assert set(written) == set(checks.CHECKS)
    assert len(written) >= 7


def test_a_picture_that_is_not_there_is_reported_and_left_out(tmp_path: Path) -> None:
    records = pictures(tmp_path, "1.jpg", "2.jpg", "gone.jpg", made=["1.jpg", "2.jpg"])
    there, problems = missing_pictures(records)
    said = 'a.csv:4  the picture "gone.jpg" is not there — correct the path; the row is left out'
    assert [str(problem) for problem in problems] == [said]
    assert not problems[0].fatal
    assert there == records[:2]
    assert list(absent(records)) == [2]


@pytest.mark.parametrize(
    ("written", "there"), [("a7.jpg", "A7.JPG"), ("a7", "a7.png"), ("Ä.jpg", "a\u0308.jpg")]
)
def test_a_picture_of_nearly_this_name_is_a_hint(tmp_path: Path, written: str, there: str) -> None:
    records = pictures(tmp_path, "1.jpg", written, made=["1.jpg", there])
    if (tmp_path / written).exists():  # where the system does not tell the two apart, nothing is wrong
        assert missing_pictures(records) == (columns_of(records), [])
    else:
        assert f'there is "{there}"' in str(absent(records)[1])


def test_a_folder_that_is_not_there_is_reported(tmp_path: Path) -> None:
    records = pictures(tmp_path, "1.jpg", "2.jpg", "b/3.jpg", "b/4.jpg", made=["1.jpg", "2.jpg"])
    there, (first, second) = missing_pictures(records)
    assert there == records[:2]
    assert 'a.csv:4  the picture "b/3.jpg" is not there — its folder is not there either' in str(first)
    assert second.location == "a.csv:5"


def test_pictures_without_rows_are_counted_with_one_example(tmp_path: Path) -> None:
    made = ["1.jpg", "2.jpg", "x.jpg", "y.PNG", "notes.txt", "elsewhere/z.jpg"]
    records = pictures(tmp_path, "1.jpg", "2.jpg", made=made)
    there, problems = missing_pictures(records)
    assert there == records
    assert of_kind(problems, "unnamed picture") == [
        f"{tmp_path / 'x.jpg'}  and 1 more there are named by no source"
    ]
    assert not problems[0].fatal


def test_pictures_that_are_no_files_are_trusted() -> None:
    assert missing_pictures(kinds("abab")) == (columns_of(kinds("abab")), [])


@pytest.mark.parametrize("words", ["", "a"])
def test_a_training_needs_two_pictures(words: str) -> None:
    (problem,) = [p for p in check(kinds(words), QUESTIONS) if p.kind == "too few"]
    assert problem.fatal


def test_a_data_set_without_any_answer_is_fatal() -> None:
    problems = check(kinds("..."), QUESTIONS)
    assert any(p.fatal for p in problems if p.kind == "no answers")
    assert not any(p.kind == "no answers" for p in check(kinds("a.."), QUESTIONS))


def test_a_class_with_one_picture_is_reported() -> None:
    problems = check(kinds("aabbc"), QUESTIONS)
    assert [problem.location for problem in problems] == ['kind "c"']
    assert problems[0].kind == "rare class"
    assert not problems[0].fatal


def test_a_class_that_is_absent_from_a_split_is_reported() -> None:
    names = ["train", "train", "train", "validation", "test", "validation", "validation"]
    problems = check(kinds("aababba"), QUESTIONS, splits=splits(names))
    assert of_kind(problems, "class not scored") == [
        'kind "a"  is in no picture of test (4 in all) — it is not scored there; add pictures of it'
    ]
    names = ["train", "train", "validation", "validation", "test", "test", "train"]
    problems = check(kinds("aababba", group="g"), QUESTIONS, splits=splits(names))
    assert of_kind(problems, "class never learned") == [
        'kind "b"  is in no picture of train (3 in all) — it cannot be learned; add pictures of other groups'
    ]
    assert not any(problem.fatal for problem in problems)


def test_a_class_is_not_missed_in_a_split_that_does_not_exist() -> None:
    problems = check(kinds("abab"), QUESTIONS, splits=splits(["train", "train", "validation", "validation"]))
    assert problems == []


def test_a_task_without_answers_to_learn_from_stops_everything() -> None:
    names = ["train", "train", "validation", "test", "test"]
    problems = check(kinds("..aba"), QUESTIONS, splits=splits(names))
    absent = [p for p in problems if p.kind == "task absent"]
    assert [(p.what, p.fatal) for p in absent] == [("has no answer in the train split", True)]
    problems = check(kinds("ab..."), QUESTIONS, splits=splits(names))
    absent = [p for p in problems if p.kind == "task absent"]
    assert [(p.what, p.fatal) for p in absent] == [
        ("has no answer in the validation split", False),
        ("has no answer in the test split", False),
    ]


def test_classes_that_are_at_hand_are_not_asked_for_again() -> None:
    assert [p.location for p in check(kinds("abab"), [], classes=[("one",), ("two",), ("two",), ()])] == [
        "one"
    ]


def test_a_constant_is_nothing_to_learn_whatever_its_type() -> None:
    records = [row(n, str(n), kind="a", price=3.0) for n in range(4)]
    problems = check(records, [word("kind"), amount("price")])
    assert [p.location for p in problems if p.kind == "constant"] == ["kind", "price"]
    assert not any(problem.fatal for problem in problems)


def test_a_group_in_two_splits_is_reported() -> None:
    records = kinds("abab", group="g1") + kinds("abab")
    names = ["train", "test", "train", "test"] * 2
    assert of_kind(check(records, QUESTIONS, splits=splits(names)), "divided group") == [
        'group "g1"  is in train and test — scores look better than they are: '
        "correct the split that the data give"
    ]


def test_identical_pictures_with_two_answers_are_named() -> None:
    found = check(kinds("ab.a"), QUESTIONS, digests=[b"a", b"a", b"a", b"b"])
    assert of_kind(found, "contradicting copies") == [
        'p3  kind is "b", but "a" in p2, which is the same picture — correct one of the two, or take it out'
    ]


def test_identical_pictures_in_two_splits_are_counted_with_one_example() -> None:
    records = kinds("abababab")
    names = ["train", "train", "train", "train", "validation", "validation", "test", "test"]
    digests = [b"a", b"b", b"a", None, b"c", None, b"a", b"b"]
    assert of_kind(
        check(records, QUESTIONS, splits=splits(names), digests=digests), "identical pictures"
    ) == [
        "train and test  share 2 identical pictures (p2 = p8, …) — "
        "scores look better than they are: take the copies out of one of the two"
    ]


def test_problems_of_one_kind_are_reported_together_the_fatal_first() -> None:
    few = [
        Problem(f"a.csv:{n}", f'price is "{n}x"', "write a number", kind="misfit: price") for n in range(5)
    ]
    lines = summary([Problem("b.jpg", "is gone", fatal=False), *few, Problem("kind", "is odd")])
    assert lines == [
        'a.csv:0  price is "0x" — write a number',
        '    and 4 more: a.csv:1 price is "1x"; a.csv:2 price is "2x"; …',
        "kind  is odd",
        "b.jpg  is gone",
    ]
    assert summary([]) == []


def test_of_unreadable_pictures_some_are_named_and_all_counted() -> None:
    failures = [PictureError("is cut short", location=f"{n}.jpg") for n in range(5)]
    assert without_unreadable(failures, 1200) == [
        "0.jpg  is cut short — left out",
        "    and 4 more: 1.jpg is cut short; 2.jpg is cut short; …",
        "5 of 1,200 pictures cannot be read and are left out",
    ]
    assert without_unreadable([], 1200) == []


def test_control_characters_of_the_data_do_not_reach_the_terminal() -> None:
    (line,) = summary([Problem("\x1b[2J.csv:3", "is odd\r" + "x" * 5000)])
    assert line.isprintable()
    assert len(line) < 1000


def test_many_pictures_are_found_with_one_look_at_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{n}.jpg" for n in range(50)]
    records = pictures(tmp_path, *names, made=names)
    looks: list[str] = []
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: looks.append(str(path)) or listdir(path))  # type: ignore[func-returns-value]
    monkeypatch.setattr(os, "stat", lambda *_, **__: pytest.fail("a look at a single file"))
    assert absent(records) == {}
    assert len(looks) == 1
