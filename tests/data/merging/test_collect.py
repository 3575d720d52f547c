"""From fields of sources to answers of tasks, one record per picture."""

from __future__ import annotations

import gc
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import GivenSource, Ref, Word, amount, row, word

from oneglance.data.merging.collect import Collected, collect
from oneglance.data.merging.merge_answers import merge_same
from oneglance.data.merging.merge_records import DisjointSets, RecordMerger
from oneglance.data.record import Record
from oneglance.errors import DataError, InvalidAnswer, Problem
from oneglance.task import Task, build_tasks


def read(*items: Any, questions: Any = None, **keys: Any) -> Collected:
    return collect([GivenSource(items=list(items), **keys)], questions or [word("kind"), amount("price")])


def messages(collected: Collected) -> list[str]:
    return [str(problem) for problem in collected.problems]


def test_answers_are_typed_and_named_by_task() -> None:
    collected = collect(
        [GivenSource(items=[row(2, "a", category="hat", price="3")])],
        [Word("kind", ("category",)), amount("price")],
    )
    assert [r.answers for r in collected.records] == [{"kind": "hat", "price": 3.0}]
    assert not collected.problems


def test_not_asked_is_not_an_answer() -> None:
    """An absent field, an empty value and a declared unknown are all the same: nobody knows."""
    collected = read(row(2, "a", kind="?", price="1"), row(3, "b", kind=None), row(4, "c", kind="hat"))
    assert [r.answers for r in collected.records] == [{"price": 1.0}, {}, {"kind": "hat"}]
    assert not collected.problems


def test_a_source_answers_only_what_it_annotates() -> None:
    rows = [row(2, "a", kind="hat", price="1")]
    one = GivenSource(items=rows, annotates=["price"])
    two = GivenSource(items=[row(2, "b", kind="cap", price="2")])
    collected = collect([one, two], [word("kind"), amount("price")])
    assert [r.answers for r in collected.records] == [{"price": 1.0}, {"kind": "cap", "price": 2.0}]


def test_the_classes_looked_for_reach_the_task() -> None:
    collected = read(row(2, "a", kind="hat"), annotates={"kind": ["hat", "cap"]}, questions=[word("kind")])
    assert collected.records[0].answers == {"kind": "hat of hat/cap"}


def test_columns_rename_fields_per_source() -> None:
    one = GivenSource(items=[row(2, "a", category="hat")], columns={"kind": "category"})
    two = GivenSource(items=[row(2, "b", kind="cap")])
    collected = collect([one, two], [word("kind")])
    assert [r.answers["kind"] for r in collected.records] == ["hat", "cap"]
    assert not collected.problems


def test_several_fields_of_one_question_come_together() -> None:
    question = Word("style", ("striped", "plain"))
    collected = collect([GivenSource(items=[row(2, "a", striped="1"), row(3, "b", other="1")])], [question])
    assert [r.answers for r in collected.records] == [{"style": "striped=1"}, {}]


def test_an_invalid_answer_says_where_what_and_the_hint() -> None:
    collected = read(row(17, "a", kind="hat", price="about 30"), row(18, "b", price="2"))
    assert messages(collected) == ['a.csv:17  price is "about 30" — write a number such as 30']
    assert collected.problems[0].fatal
    assert collected.records[0].answers == {"kind": "hat"}


def test_a_repeated_invalid_answer_is_reported_every_time() -> None:
    collected = read(*(row(n, str(n), kind="hat", price="dear") for n in range(5)), row(9, "b", price="1"))
    assert [p.location for p in collected.problems] == [f"a.csv:{n}" for n in range(5)]


def test_control_characters_of_the_data_do_not_reach_the_terminal() -> None:
    collected = read(row(2, "a", kind="hat", price="\x1b[2J\u202e" + "9" * 1000), row(3, "b", price="1"))
    assert "\x1b" not in messages(collected)[0]
    assert "\u202e" not in messages(collected)[0]
    assert len(messages(collected)[0]) < 200


def test_a_field_that_is_nowhere_names_the_nearest() -> None:
    collected = read(row(2, "a", kinds="hat", price="1"))
    assert messages(collected) == [
        'kind  no source holds anything in the field "kind". Did you mean "kinds"? Known: kinds, price.'
        " — name the field with `from`"
    ]


def test_a_question_without_any_answer_is_a_problem() -> None:
    collected = read(row(2, "a", kind="?", price="1"))
    assert messages(collected) == ["kind  all answers are missing — give some, or take the task out"]


@pytest.mark.parametrize("keys", [{"annotates": ["kindd"]}, {"columns": {"kindd": "kind"}}])
def test_a_name_that_is_no_task_is_a_problem(keys: dict[str, Any]) -> None:
    collected = read(row(2, "a", kind="hat", price="1"), **keys)
    assert 'names "kindd", which is no task. Did you mean "kind"?' in messages(collected)[0]


def test_without_any_field_no_name_of_one_is_asked_for() -> None:
    assert messages(read(row(2, "a")))[0] == (
        'kind  no source holds anything in the field "kind". There are no fields at all.'
        " — give a source of answers, or take the task out"
    )


def test_where_no_picture_was_read_no_field_is_missed() -> None:
    """That there is none is told by the source."""
    assert messages(read()) == []


def test_a_renamed_field_that_is_not_there_is_a_problem_although_another_source_has_it() -> None:
    one = GivenSource(items=[row(2, "a", kind="hat")], columns={"kind": "knid"})
    collected = collect([one, GivenSource(items=[row(2, "b", kind="cap", knid="x")])], [word("kind")])
    assert (
        'columns.kind names the field "knid", which holds nothing here. Did you mean "kind"?'
        in messages(collected)[0]
    )


def test_a_picture_named_twice_is_one_record() -> None:
    one = GivenSource(items=[row(2, "a", kind="hat")])
    two = GivenSource(items=[replace(row(9, "a", price="3", split="test"), location="b.csv:9", group="g")])
    (record,) = collect([one, two], [word("kind"), amount("price")]).records
    assert record == Record("a.csv:2", Ref("a"), {"kind": "hat", "price": 3.0}, "g", "test", "a.csv")


def test_the_same_answer_twice_is_no_problem() -> None:
    collected = read(row(2, "a", kind="hat", price="3"), row(3, "a", kind="hat", price="3.0"))
    assert len(collected.records) == 1
    assert not collected.problems


def test_a_contradiction_names_both_locations() -> None:
    rows = row(2, "a", price="1"), row(3, "a", kind="hat"), row(4, "a", kind="cap", price="1")
    collected = read(*rows)
    assert messages(collected) == [
        'a.csv:4  kind is "cap", but "hat" in a.csv:3 for the same picture "a"'
        " — correct one of the two, or empty it"
    ]
    assert collected.problems[0].fatal
    assert collected.problems[0].kind == "contradiction: kind"
    assert collected.records[0].answers["kind"] == "hat"


def tags(**keys: Any) -> list[Task]:
    return list(build_tasks({"style": {"type": "tags", **keys}}).values())


def test_sources_that_looked_for_different_tags_are_joined() -> None:
    """Not asked is not "no": that the first has no "red" says nothing where nobody looked for it."""
    one = GivenSource(items=[row(2, "a", style="old|big")], annotates={"style": ["old", "big"]})
    two = GivenSource(items=[row(9, "a", style="red")], annotates={"style": ["red", "blue"]})
    collected = collect([one, two], tags())
    assert not collected.problems
    (record,) = collected.records
    assert record.answers["style"] == ({"old", "big", "red"}, {"old", "big", "red", "blue"})


def test_a_source_that_looked_for_all_tags_knows_those_of_the_other() -> None:
    every, some = row(2, "a", style="old|red"), row(9, "a", style="red")
    one, two = GivenSource(items=[every]), GivenSource(items=[some], annotates={"style": ["red"]})
    for sources in ([one, two], [two, one]):
        collected = collect(sources, tags())
        assert not collected.problems
        assert collected.records[0].answers["style"] == ({"old", "red"}, None)


@pytest.mark.parametrize(
    ("first", "again", "what"),
    [
        ("old", "old|red", 'style has "red", but not in a.csv:2 for the same picture "a"'),
        ("old|red", "old", 'style has no "red", but has it in a.csv:2 for the same picture "a"'),
    ],
)
def test_tags_contradict_only_where_both_looked(first: str, again: str, what: str) -> None:
    one = GivenSource(items=[row(2, "a", style=first)], annotates={"style": ["old", "red"]})
    two = GivenSource(items=[row(9, "a", style=again)])
    (problem,) = collect([one, two], tags()).problems
    assert str(problem) == f"a.csv:9  {what} — correct one of the two, or empty it"
    assert problem.fatal


def test_columns_of_tags_may_lie_in_several_tables() -> None:
    rows = row(2, "a", old="1", red="0"), row(9, "a", red="no", big="1")
    (record,) = collect([GivenSource(items=list(rows))], tags(**{"from": ["old", "red", "big"]})).records
    assert record.answers["style"] == ({"old", "big"}, {"old", "red", "big"})


def test_a_contradiction_names_all_who_said_it() -> None:
    rows = [row(2, "a", old="1"), row(3, "a", red="1"), row(4, "a", old="0")]
    (problem,) = collect([GivenSource(items=rows)], tags(**{"from": ["old", "red"]})).problems
    assert 'style has no "old", but has it in a.csv:2 or a.csv:3 for the same picture' in problem.what
    named = [row(n, "a", **{f"t{n}": "1"}) for n in range(200)] + [row(900, "a", t7="0")]
    (problem,) = collect([GivenSource(items=named)], tags(**{"from": [f"t{n}" for n in range(200)]})).problems
    assert len(problem.what) < 300


def test_two_splits_of_one_picture_contradict_each_other() -> None:
    collected = read(row(2, "a", kind="hat", price="1", split="train"), row(3, "a", split="test"))
    assert 'split is "test", but "train" in a.csv:2' in messages(collected)[0]


def test_groups_that_share_a_picture_become_one() -> None:
    rows = [row(2, "a", "g1", kind="x", price="1"), row(3, "b", "g2"), row(4, "c", "g3"), row(5, "d", "g4")]
    collected = read(*rows, row(6, "a", "g2"), row(7, "b", "g3"))
    groups = [r.group for r in collected.records]
    assert groups[0] == groups[1] == groups[2] != groups[3]


def test_problems_of_sources_are_kept_and_a_broken_source_does_not_hide_the_next() -> None:
    broken = GivenSource(
        items=[
            row(2, "a", kind="hat"),
            Problem("a.csv:3", "odd"),
            DataError("is cut short", location="a.csv"),
        ]
    )
    collected = collect([broken, GivenSource(items=[row(2, "b", kind="cap")])], [word("kind")])
    assert messages(collected) == ["a.csv:3  odd", "a.csv  is cut short"]
    assert len(collected.records) == 2


def test_garbage_collection_is_as_before_even_after_an_error() -> None:
    class Breaks(GivenSource):
        def read(self) -> Any:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        collect([Breaks()], [])
    assert gc.isenabled()


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12))))
def test_joined_sets_are_what_a_graph_says(pairs: list[tuple[int, int]]) -> None:
    joined: DisjointSets[int] = DisjointSets()
    expected = {n: {n} for n in range(13)}
    for one, two in pairs:
        joined.join(one, two)
        both = expected[one] | expected[two]
        for member in both:
            expected[member] = both
    for one in range(13):
        assert {two for two in range(13) if joined.root(one) == joined.root(two)} == expected[one]


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("xyz?")), max_size=30))
def test_nothing_is_lost_and_nothing_is_invented(rows: list[tuple[int, str]]) -> None:
    collected = read(
        *(row(n, str(picture), kind=kind) for n, (picture, kind) in enumerate(rows)), questions=[word("kind")]
    )
    assert [r.image.name for r in collected.records] == list(
        dict.fromkeys(str(picture) for picture, _ in rows)
    )
    for record in collected.records:
        kinds = [kind for picture, kind in rows if str(picture) == record.image.name and kind != "?"]
        assert record.answers == ({"kind": kinds[0]} if kinds else {})
        contradictions = [
            p
            for p in collected.problems
            if p.location in [f"a.csv:{n}" for n, r in enumerate(rows) if str(r[0]) == record.image.name]
        ]
        assert len(contradictions) == sum(kind != kinds[0] for kind in kinds)


def test_many_rows_take_little_time() -> None:
    """A million rows must take seconds; here a small part of that, with much room for a busy machine."""
    rows = [row(n, str(n), kind=f"k{n % 50}", price=str(n)) for n in range(20_000)]
    start = time.process_time()
    assert len(read(*rows).records) == 20_000
    assert time.process_time() - start < 1.5


def test_a_source_that_wins_stands_in_the_place_of_all_others_wherever_it_is_named() -> None:
    corrections = GivenSource(items=[row(2, "a", kind="cap"), row(3, "c", kind="tie")], wins=True)
    labels = GivenSource(items=[row(2, "a", kind="hat", price="3"), row(3, "b", kind="hat", price="4")])
    for sources in ([corrections, labels], [labels, corrections]):
        collected = collect(sources, [word("kind"), word("price")])
        assert messages(collected) == []
        answers = [(record.image.name, dict(record.answers)) for record in collected.records]
        assert answers == [
            ("a", {"kind": "cap", "price": "3"}),
            ("b", {"kind": "hat", "price": "4"}),
            ("c", {"kind": "tie"}),
        ]


def test_sources_that_win_may_still_contradict_each_other() -> None:
    sources = [GivenSource(items=[row(2, "a", kind=one)], wins=wins) for one, wins in WINNERS]
    collected = collect(sources, [word("kind")])
    assert [record.answers["kind"] for record in collected.records] == ["cap"]
    (problem,) = collected.problems
    assert 'kind is "tie", but "cap"' in problem.what


WINNERS = (("hat", False), ("cap", True), ("tie", True))


ROWS = st.lists(
    st.tuples(
        st.sampled_from("abcd"),  # picture
        st.sampled_from(["hat", "cap", "?", None]),
        st.sampled_from(["1", "2", "much", None]),
        st.sampled_from(["", "g", "h", "i"]),
        st.sampled_from(["", "train", "test"]),
        st.booleans(),  # whether the source reports a problem before the row
    ),
    max_size=10,
)


@given(ROWS, ROWS, st.booleans())
def test_it_is_as_if_each_row_were_merged_one_after_the_other(one: Any, two: Any, wins: bool) -> None:
    """The same records and the same problems in the same order, though only repeated pictures are merged."""
    sources = [
        GivenSource(items=items_of(rows, start), name=f"source {start}", wins=wins and start > 0)
        for start, rows in ((0, one), (100, two))
    ]
    questions: list[Any] = [word("kind"), amount("price")]
    collected = collect(sources, questions)
    records: list[Record] = []
    problems: list[Problem] = []
    merger = RecordMerger(records, problems, lambda name, a, b: merge_same(name, a, b))
    for source in sources:
        for item in source.items:
            if isinstance(item, Problem):
                problems.append(item)
                continue
            answers: dict[str, Any] = {}
            for question in questions:
                if (raw := item.answers.get(question.name)) is None:
                    continue
                try:
                    answer = question.read(raw)
                except InvalidAnswer as wrong:
                    kind = f"misfit: {question.name}"
                    what = f"{question.name} {wrong.what}"
                    problems.append(Problem(item.location, what, wrong.hint, kind=kind))
                else:
                    answers |= {} if answer is None else {question.name: answer}
            merger.add(item, answers, wins=source.wins)
    found = [problem for problem in collected.problems if problem.kind not in ("no answers", "no field")]
    assert found == problems
    assert collected.records == [replace(r, group=merger.group(r.group)) for r in records]


def items_of(rows: Any, start: int) -> list[Any]:
    items: list[Any] = []
    for number, (name, kind, price, group, split, has_problem) in enumerate(rows, start):
        if has_problem:
            items.append(Problem(f"t:{number}", "has a problem before it"))
        answers = {"kind": kind, "price": price}
        items.append(row(number, name, group, split, **{k: v for k, v in answers.items() if v is not None}))
    return items
