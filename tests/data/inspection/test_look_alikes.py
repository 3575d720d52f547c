"""Classes that may be one, and classes that may be a gap, are named with their numbers and what to write."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from support.tiny import row

from oneglance.data.inspection.checks import check
from oneglance.data.inspection.look_alikes import gaps, look_alikes
from oneglance.data.merging.collect import collect
from oneglance.data.record import Box, BoxAnnotations
from oneglance.data.source import open_source
from oneglance.errors import Problem
from oneglance.task import Task, build_tasks


def task(kind: str = "label", **keys: Any) -> Task:
    return build_tasks({"kind": {"type": kind, **keys}})["kind"]


def joined(problem: Problem) -> Any:
    """What the hint says to write, as TOML reads it."""
    return tomllib.loads(problem.hint[problem.hint.index("join =") :])["join"]


@pytest.mark.parametrize(
    ("words", "difference"),
    [
        (("caf\u00e9", "cafe\u0301"), "look the same"),
        (("dog", "dog\u200b"), "look the same"),
        (("dog", "\ufeffdog"), "look the same"),
        (("big dog", "big  dog"), "look the same"),
        (("big dog", "big\u00a0dog"), "look the same"),
        (("dog", "Dog"), "differ only in upper and lower case, spaces or dashes"),
        (("dining table", "Dining_table"), "differ only in upper and lower case, spaces or dashes"),
        (("T-shirt", "t\u2011shirt"), "differ only in upper and lower case, spaces or dashes"),
        (("dog", "\uff44og"), "differ only in upper and lower case, spaces or dashes"),
        (("dog", "dogs"), "differ only as one and many do"),
        (("berry", "Berries"), "differ only as one and many do"),
        (("bus", "buses"), "differ only as one and many do"),
        (("1", "01"), "are the same number"),
        (("1.5", "1.50"), "are the same number"),
    ],
)
def test_classes_that_are_alike(words: tuple[str, str], difference: str) -> None:
    (problem,) = look_alikes("kind", {words[0]: 40, words[1]: 2, "cat": 9})
    assert problem.what.endswith(f", which {difference}")
    assert "(40 pictures)" in problem.what and "(2 pictures)" in problem.what
    assert problem.what.isascii() or difference != "look the same"
    assert not problem.fatal
    assert joined(problem) == {words[1]: words[0]}
    assert task(join=joined(problem)).read(words[1]) == words[0]


@pytest.mark.parametrize(
    "words",
    [
        ("a", "A"),
        ("cat", "dog"),
        ("glass", "grass"),
        ("as", "a"),
        ("1", "2"),
        ("na\u0131ve", "naive"),
        ("\U0001f436", "\U0001f431"),
    ],
)
def test_classes_that_are_not(words: tuple[str, str]) -> None:
    assert list(look_alikes("kind", dict.fromkeys(words, 3))) == []


def test_several_spellings_are_one_problem_and_join_the_most_frequent() -> None:
    (problem,) = look_alikes("kind", {"Dog": 2, "dog": 9, "DOG": 1, "d\u00f6g": 1})
    assert joined(problem) == {"Dog": "dog", "DOG": "dog"}
    assert problem.what.startswith(
        'has the classes "dog" (9 pictures), "Dog" (2 pictures), "DOG" (1 picture)'
    )


def test_all_classes_of_a_task_are_one_problem_with_one_key_to_write() -> None:
    words = {"Dog": 6, "dog": 5, "dogs": 4, "cafe\u0301": 2, "caf\u00e9": 2, "cat": 9}
    (problem,) = look_alikes("kind", words)
    assert joined(problem) == {"dog": "Dog", "dogs": "Dog", "cafe\u0301": "caf\u00e9"}
    assert (
        '"Dog" (6 pictures), "dog" (5 pictures), "dogs" (4 pictures), which differ only as one'
        in problem.what
    )
    assert r'"caf\u00e9" (2 pictures), "cafe\u0301" (2 pictures), which look the same' in problem.what
    (problem,) = look_alikes("kind", {f"{word}{end}": 1 for word in "abcdefgh" for end in ("x", "x\u200b")})
    assert problem.hint.endswith('join = "look-alikes"')
    assert problem.what.endswith("; and 4 more")


def test_words_that_look_the_same_may_be_joined_all_at_once() -> None:
    one = task(join="look-alikes")
    assert {one.read(word) for word in ("caf\u00e9 bar", "cafe\u0301  bar", "\u200bcaf\u00e9\u00a0bar")} == {
        "caf\u00e9 bar"
    }
    assert one.read("Dog") == "Dog"
    assert (
        one.read("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645")
        == "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    )  # a joiner of letters
    assert task(unknown=["?"], join="look-alikes").read("?") is None


def test_joined_words_are_joined_in_every_type_of_task() -> None:
    tags = task("tags", join={"Red": "red"})
    assert tags.read("Red|blue").present == {"red", "blue"}
    assert tags.read(["Red"], ["Red", "blue"]).queried == {"red", "blue"}
    boxes = task(
        "boxes",
        join={"Dog": "dog"},
        unknown=["?"],
        attributes={"colour": {"type": "label", "join": {"Red": "red"}}},
    )
    read = boxes.read(
        BoxAnnotations((Box(0, 0, 9, 9, "Dog", {"colour": "Red"}), Box(0, 0, 5, 5, "?")), frozenset({"Dog"}))
    )
    assert [(box.label, dict(box.attributes)) for box in read.boxes] == [("dog", {"colour": "red"}), ("", {})]
    assert read.queried == {"dog"}
    assert task(classes=["dog", "cat"], join={"Dog": "dog"}).read("Dog") == "dog"


@pytest.mark.parametrize("word", ["NA", "nan", "None", "null", "n/a", "?", "-", "#N/A"])
def test_a_class_that_may_be_a_gap_is_told_until_a_person_chooses(word: str) -> None:
    (problem,) = gaps("kind", {word: 3, "cat": 9}, ())
    assert problem.what == f'"{word}" is a class, of 3 pictures'
    assert f'unknown = ["{word}"]' in problem.hint
    assert not problem.fatal
    assert list(gaps("kind", {word: 3, "cat": 9}, ("cat", word))) == []


def test_plus_and_minus_are_no_gap() -> None:
    assert list(gaps("kind", {"+": 3, "-": 9}, ())) == []


def test_check_tells_both() -> None:
    words = ["dog"] * 6 + ["Dog"] * 3 + ["NA"] * 3
    records = [row(n, f"{n}", kind=word) for n, word in enumerate(words)]
    kinds = [problem.kind for problem in check(records, [task()])]
    assert kinds == ["look-alike classes", "class or unknown"]
    assert not check([row(n, f"{n}", kind=float(n)) for n in range(9)], [task("number")])


@pytest.mark.parametrize("word", ["NA", "nan", "None", "null", "n/a", "-"])
@pytest.mark.parametrize("unknown", [False, True])
def test_no_format_decides_what_a_gap_is(tmp_path: Path, word: str, unknown: bool) -> None:
    """The same words in folders, tables and JSON are the same answers."""
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    name = word.replace("/", "\u2215")
    (tmp_path / "folder" / name).mkdir(parents=True)
    (tmp_path / "folder" / name / "a.jpg").touch()
    (tmp_path / "t.csv").write_text(f"image,folder\na.jpg,{word}\n")
    (tmp_path / "t.jsonl").write_text(json.dumps({"image": "a.jpg", "folder": word}))
    pq.write_table(pa.table({"image": ["a.jpg"], "folder": [word]}), tmp_path / "t.parquet")
    for path, cell in (("folder", name), ("t.csv", word), ("t.jsonl", word), ("t.parquet", word)):
        kind = task(**{"from": "folder"}, unknown=[cell] if unknown else [])
        (record,) = collect([open_source({"path": path}, tmp_path)], [kind]).records
        assert record.answers.get("kind") == (None if unknown else cell)
