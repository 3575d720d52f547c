"""Patterns of names: what they read, what they refuse, and that nobody waits for them."""

from __future__ import annotations

import string
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from oneglance.data.merging.collect import collect
from oneglance.data.parsing.name_pattern import NamePattern, name_pattern
from oneglance.data.record import Record
from oneglance.data.source import open_source
from oneglance.errors import ConfigError, InvalidAnswer, Problem
from oneglance.task import build_tasks


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("{age}_{gender}_{_}", "faces/26_0_1_2017.jpg", {"age": "26", "gender": "0"}),
        ("{kind}.{#}", "train/cat.12.jpg", {"kind": "cat"}),
        ("IMG_kind-{kind}_{#}", "IMG_kind-hat_003.png", {"kind": "hat"}),
        ("{breed}_{#}", "american_pit_bull_terrier_12.jpg", {"breed": "american_pit_bull_terrier"}),
        ("{breed}_{#}", "Abyssinian_100.jpg", {"breed": "Abyssinian"}),
        ("{kind}{#}", "cardboard12.jpg", {"kind": "cardboard"}),
        ("{kind} ({#})", "hat (3).jpg", {"kind": "hat"}),
        ("{_}_{kind}", "2017_04_hat.jpg", {"kind": "hat"}),
        ("{age}_{_}_{race}_{_}", "26_0_1_2017_x.jpg", {"age": "26", "race": "1"}),
        ("{kind}/{colour}_{_}", "photos/hat/red_1.jpg", {"kind": "hat", "colour": "red"}),
        ("{kind}/{_}", "set.zip\\hat\\1.jpg", {"kind": "hat"}),
        ("{{{kind}}}{#}", "{hat}7.png", {"kind": "hat"}),
        ("{größe}_{_}", "klein_ß.png", {"größe": "klein"}),
        ("v1.{kind}", "v1.hat", {"kind": "hat"}),  # a name in a table, without an ending
        ("{a}__{b}", "x_y__z.png", {"a": "x_y", "b": "z"}),
    ],
)
def test_a_name_is_read(pattern: str, name: str, expected: dict[str, str]) -> None:
    assert name_pattern(pattern).answers(name) == expected


@pytest.mark.parametrize(
    ("pattern", "name", "message"),
    [
        ("{age}_{gender}_{_}", "26_0.jpg", 'is not of the pattern "{age}_{gender}_{_}"'),
        ("{age}_{gender}_{_}", "26__1_2017.jpg", "can be read as"),
        ("{kind}_{number}", "polar_bear_12.jpg", 'kind "polar", number "bear_12" and as kind "polar_bear"'),
        ("{_}_{kind}_{_}", "a_b_c_d.jpg", 'can be read as kind "b" and as kind "c"'),
        ("{a}__{b}", "polar___12.jpg", "can be read as"),
        ("{kind}_{#}", "hat_3b.jpg", "is not of the pattern"),
        ("{kind}{#}", "hat.jpg", "is not of the pattern"),
        ("{kind}/{colour}_{_}", "red_1.jpg", "is not of the pattern"),
        ("img_{kind}", "IMG_hat.jpg", "is not of the pattern"),
        ("{kind}_{_}", "a" * 1001 + "_1.jpg", "has more than 1,000 characters"),
        ("{kind}_{_}", "", "is not of the pattern"),
    ],
)
def test_a_name_that_does_not_match_says_why(pattern: str, name: str, message: str) -> None:
    with pytest.raises(InvalidAnswer) as refused:
        name_pattern(pattern).answers(name)
    assert message in refused.value.what


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("kind", "at least one field in braces, such as {kind}_{_}"),
        ("{_}_{#}", "at least one field in braces"),
        ("{kind", "every { with its }, or {{ and }} where a name holds them"),
        ("kind}", "every { with its }"),
        ("{}_{_}", "names of fields in the braces"),
        ("{age:int}_{_}", "names of fields in the braces"),
        ("{age!r}_{_}", "names of fields in the braces"),
        ("{a}{b}", "the text that stands between {a} and {b}: without it nobody knows where one ends"),
        ("{a}{_}", "the text that stands between {a} and {_}"),
        ("{kind}_{kind}", "{kind} once, and {_} where it comes again"),
        ("/{kind}/{_}", "a pattern without / at its beginning or end"),
        ("{kind}_{_}.jpg", "the pattern without the ending of the files"),
        ("_".join(f"{{f{n}}}" for n in range(51)), "at most 50 placeholders"),
    ],
)
def test_a_wrong_pattern_is_one_message(tmp_path: Path, pattern: str, wanted: str) -> None:
    with pytest.raises(ConfigError) as refused:
        open_source({"path": ".", "name_pattern": pattern}, tmp_path)
    assert "[[sources]] name_pattern " in str(refused.value)
    assert f"— write {wanted}" in str(refused.value)


words = some.text(string.ascii_letters + "äß😀", min_size=1, max_size=8)
between = some.text("_-. ,=+@", min_size=1, max_size=3)


@given(some.data())
def test_names_made_from_a_pattern_are_read_back(data: some.DataObject) -> None:
    count = data.draw(some.integers(1, 6))
    holes = [data.draw(some.sampled_from((f"f{n}", "_", "#"))) for n in range(count)]
    holes[data.draw(some.integers(0, count - 1))] = "told"
    literals = [
        data.draw(between) if 0 < n < count else data.draw(some.sampled_from(("", "a-", "=")))
        for n in range(count + 1)
    ]
    held = [str(data.draw(some.integers(0, 9999))) if hole == "#" else data.draw(words) for hole in holes]
    pattern = name_pattern(
        literals[0] + "".join(f"{{{h}}}{t}" for h, t in zip(holes, literals[1:], strict=True))
    )
    name = literals[0] + "".join(w + t for w, t in zip(held, literals[1:], strict=True))
    expected = {h: w for h, w in zip(holes, held, strict=True) if h not in "_#"}
    try:
        assert pattern.answers(f"folder/{name}.jpg") == expected
    except InvalidAnswer as invalid:  # such as "a-" before "a-": two ways to read it, never a wrong one
        assert "can be read as" in invalid.what


@given(
    some.text("ab_1", min_size=1, max_size=14), some.lists(some.sampled_from("x_#"), min_size=1, max_size=4)
)
def test_a_reading_is_the_only_one(name: str, kinds: list[str]) -> None:
    """Against every way to part the name, tried one by one."""
    holes = tuple(f"x{n}" if kind == "x" else kind for n, kind in enumerate(kinds))
    if all(hole in "_#" for hole in holes):
        return
    pattern = NamePattern("", holes, ("", *["_"] * (len(holes) - 1), ""))

    def parts(text: str, left: int) -> list[list[str]]:
        if left == 1:
            return [[text]] if text else []
        cuts = [at for at, character in enumerate(text) if character == "_" and at]
        return [[text[:at], *rest] for at in cuts for rest in parts(text[at + 1 :], left - 1)]

    def fits(strict: bool, part: str, index: int) -> bool:
        if holes[index] == "#":
            return part.isdigit()
        free = len(holes) == 1 or (holes[index] == "_" and index in (0, len(holes) - 1))
        return free or not (strict and "_" in part)

    ways = [
        [way for way in parts(name, len(holes)) if all(fits(strict, p, n) for n, p in enumerate(way))]
        for strict in (True, False)
    ]
    found = ways[0] or ways[1]
    try:
        answers = pattern.answers(name)
    except InvalidAnswer as invalid:
        assert len(found) != 1 and ("can be read" in invalid.what) == bool(found)
    else:
        assert len(found) == 1
        assert answers == {h: p for h, p in zip(holes, found[0], strict=True) if h not in "_#"}


@pytest.mark.parametrize(
    "pattern", ["{_}_{a}_{_}_{b}_{_}_{c}-x", "{a}aa{b}aa{c}aa{#}b", "_".join(["{_}"] * 48) + "_{a}"]
)
def test_no_name_takes_long(pattern: str) -> None:
    compiled = name_pattern(pattern)
    began = time.process_time()
    for name in ("_" * 1000, "a" * 1000, "a_" * 500, "_-" * 500):
        with suppress(InvalidAnswer):
            compiled.answers(name)
    assert time.process_time() - began < 2


def table(folder: Path, rows: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "labels.csv").write_text(rows, encoding="utf-8")


def items(folder: Path, pattern: str, **keys: str) -> tuple[list[Record], list[Problem]]:
    read = list(open_source({"path": "labels.csv", "name_pattern": pattern, **keys}, folder).read())
    return [i for i in read if isinstance(i, Record)], [i for i in read if isinstance(i, Problem)]


def test_every_source_reads_names(tmp_path: Path) -> None:
    table(tmp_path, "image,kind\n26_0_x.jpg,hat\nodd.jpg,cap\n31_1_y.jpg,hat\nstrange.jpg,cap\n")
    records, problems = items(tmp_path, "{age}_{sex}_{_}")
    assert [dict(record.answers) for record in records] == [
        {"age": "26", "sex": "0", "kind": "hat"},
        {"kind": "cap"},
        {"age": "31", "sex": "1", "kind": "hat"},
        {"kind": "cap"},
    ]
    assert [(str(problem), problem.fatal, problem.kind) for problem in problems] == [
        (
            'odd.jpg  its name is not of the pattern "{age}_{sex}_{_}" (2 times, here first) — what it would '
            "say is unknown",
            False,
            "name pattern",
        )
    ]


def test_group_and_split_may_stand_in_names(tmp_path: Path) -> None:
    table(tmp_path, "image,kind\ntrain-p1-3.jpg,hat\ntest-p2-4.jpg,cap\n")
    records, problems = items(tmp_path, "{split}-{patient}-{_}", group="patient")
    assert [(r.split, r.group) for r in records] == [("train", "p1"), ("test", "p2")] and problems == []


def test_the_name_and_the_table_have_to_agree(tmp_path: Path) -> None:
    rows = "image,age,kind\n26_hat.jpg,26.0,hat\n30_cap.jpg,31,cap\n32_hat.jpg,,Hat\n"
    table(tmp_path, rows)
    source = open_source({"path": "labels.csv", "name_pattern": "{age}_{kind}"}, tmp_path)
    tasks = build_tasks({"age": {"type": "number"}, "kind": {"type": "label", "classes": ["hat", "cap"]}})
    collected = collect([source], list(tasks.values()))
    assert [record.answers.get("age") for record in collected.records] == [26.0, 31.0, 32.0]
    contradictions = [p for p in collected.problems if p.kind.startswith("contradiction")]
    assert [str(problem) for problem in contradictions] == [
        '30_cap.jpg (its name)  age is "30.0", but "31.0" in labels.csv:3 for the same picture '
        '"30_cap.jpg" — correct one of the two, or empty it'
    ]
