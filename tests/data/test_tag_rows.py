"""Tables with a row for each tag of a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.tiny import row

import oneglance
from oneglance.config import load
from oneglance.data.merging.collect import Collected, collect
from oneglance.data.source import open_source
from oneglance.data.tag_rows import are_tags
from oneglance.errors import ConfigError, Problem
from oneglance.progress import Screen
from oneglance.task import build_tasks
from oneglance.tasks.tags import TagAnnotations

ROWS = "image,tag,price\na.jpg,red,3\nb.jpg,blue,4\na.jpg,big,3\na.jpg,red,\nc.jpg,,5\n"


def read(folder: Path, text: str, kind: str = "tags", **source: Any) -> Collected:
    (folder / "t.csv").write_text(text)
    tasks = build_tasks({"tag": {"type": kind}, "price": {"type": "number"}})
    return collect([open_source({"path": "t.csv", **source}, folder)], list(tasks.values()))


def tags(*words: str) -> TagAnnotations:
    return TagAnnotations(frozenset(words))


def test_the_rows_of_a_picture_are_its_tags(tmp_path: Path) -> None:
    collected = read(tmp_path, ROWS, rows="tags")
    assert not collected.problems
    assert [(r.location, r.image.name, r.answers) for r in collected.records] == [
        ("t.csv:2", "a.jpg", {"tag": tags("red", "big"), "price": 3.0}),
        ("t.csv:3", "b.jpg", {"tag": tags("blue"), "price": 4.0}),
        ("t.csv:6", "c.jpg", {"price": 5.0}),
    ]


def test_a_cell_is_read_alike_whatever_the_other_rows_hold(tmp_path: Path) -> None:
    """Whether other pictures have several rows is no matter of this one."""
    text = "image,tag\na.jpg,red|blue\nb.jpg,x|y\n"
    for rows in (text, text + "a.jpg,big\n"):
        collected = read(tmp_path, rows, rows="tags")
        assert collected.records[1].answers["tag"] == tags("x", "y")
    assert collected.records[0].answers["tag"] == tags("red", "blue", "big")


def test_words_for_nothing_and_unknown_keep_their_meaning(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,tag\na.jpg,?\na.jpg,x\nb.jpg,?\nc.jpg,none\n")
    task = build_tasks({"tag": {"type": "tags", "none": ["none"], "unknown": ["?"]}})["tag"]
    collected = collect([open_source({"path": "t.csv", "rows": "tags"}, tmp_path)], [task])
    assert [r.answers.get("tag") for r in collected.records] == [tags("x"), None, tags()]


def test_lists_of_json_lines_are_opened(tmp_path: Path) -> None:
    lines = [
        {"image": "a.jpg", "tag": ["x", "y"]},
        {"image": "a.jpg", "tag": "z"},
        {"image": "b.jpg", "tag": 1.0},
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, lines)))
    entries = list(open_source({"path": "t.jsonl", "rows": "tags"}, tmp_path).entries())
    assert [entry[2] for entry in entries if not isinstance(entry, Problem)] == [
        {"tag": ["x", "y", "z"]},
        {"tag": [1.0]},
    ]


def test_a_group_or_split_that_differs_is_still_a_contradiction(tmp_path: Path) -> None:
    text = "image,tag,split,who\na.jpg,x,train,1\na.jpg,y,test,2\nb.jpg,x,train,2\n"
    collected = read(tmp_path, text, rows="tags", group="who")
    assert 'split is "train", but "test"' in collected.problems[0].what
    assert {record.group for record in collected.records} == {
        collected.records[0].group
    }  # 1 and 2 are one group


def test_a_label_with_several_rows_is_no_tag(tmp_path: Path) -> None:
    collected = read(tmp_path, ROWS, kind="label", rows="tags")
    assert "tag holds several values" in str(collected.problems[0])


def many(words: str = "abc", pictures: int = 12) -> str:
    rows = [(n, words[(n + k) % len(words)]) for k in range(2) for n in range(pictures)]
    return "image,tag\n" + "".join(f"{n}.jpg,{word}\n" for n, word in rows)


@pytest.mark.parametrize("kind", ["tags", "label"])
def test_many_contradictions_are_one_proposal(tmp_path: Path, kind: str) -> None:
    collected = read(tmp_path, many(), kind)
    problems = [problem for problem in collected.problems if problem.kind == "contradiction: tag"]
    assert len(problems) == 1
    assert problems[0].fatal
    assert problems[0].location == "t.csv"
    assert problems[0].what.startswith(
        "tag: 12 rows answer otherwise than another row of the same picture, such as "
    )
    assert 'write rows = "tags" in [[sources]] and type = "tags" in [tasks.tag]' in problems[0].hint
    assert not [p for p in read(tmp_path, many(), rows="tags").problems if p.kind.startswith("contradiction")]


def test_few_contradictions_are_what_they_are(tmp_path: Path) -> None:
    text = (
        "image,tag\n"
        + "".join(f"{n % 40}.jpg,{'abc'[n % 40 % 3]}\n" for n in range(80))
        + "1.jpg,a\n2.jpg,a\n"
    )
    collected = read(tmp_path, text)
    assert len([p for p in collected.problems if p.kind == "contradiction: tag"]) == 2


def test_numbers_that_contradict_are_no_tags(tmp_path: Path) -> None:
    text = "image,price\n" + "".join(f"{n % 9}.jpg,{n}\n" for n in range(18))
    assert len([p for p in read(tmp_path, text).problems if p.kind == "contradiction: price"]) == 9


def rows_of(*cells: tuple[str, dict[str, Any]]) -> list[Any]:
    return [row(n, picture, **answers) for n, (picture, answers) in enumerate(cells, 2)]


def test_rows_that_look_like_tags() -> None:
    cells = [(f"{n % 10}", {"tag": "abc"[(n + n // 10) % 3], "id": str(n)}) for n in range(20)]
    assert are_tags(rows_of(*cells))


@pytest.mark.parametrize(
    "cells",
    [
        [(f"{n}", {"tag": "abc"[n % 3]}) for n in range(20)],  # a row each
        [(f"{n % 10}", {"tag": "abc"[n % 3]}) for n in range(60)][:20] * 2,  # the same again and again
        [(f"{n % 10}", {"x": str(n % 10 + n // 10), "tag": "ab"[n // 10]}) for n in range(20)],  # boxes
        [(f"{n % 10}", {"tag": f"text {n}"}) for n in range(20)],  # captions
        [(f"{n % 10}", {"rating": str(n % 5 + n // 10)}) for n in range(20)],  # several raters
        [(f"{n % 10}", {"price": "3"}) for n in range(20)],  # nothing differs
    ],
)
def test_rows_that_do_not(cells: list[tuple[str, dict[str, Any]]]) -> None:
    assert not are_tags(rows_of(*cells))


def test_init_sees_them_and_check_agrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("labels.csv").write_text(many())
    for n in range(12):
        Path(f"{n}.jpg").touch()
    place = oneglance.init("labels.csv")
    config = load(place)
    assert config.sources == [{"path": "labels.csv", "rows": "tags"}]
    assert config.tasks == {"tag": {"type": "tags"}}
    assert "# a picture has a row for each of its tags" in place.read_text()
    problems = oneglance.check(place, pictures=False, screen=Screen())
    assert not [problem for problem in problems if problem.kind.startswith("contradiction")]


def test_other_formats_have_no_such_rows(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='has no key "rows"'):
        open_source({"path": ".", "format": "folder", "rows": "tags"}, tmp_path)
