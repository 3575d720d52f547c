"""Messages: location, what, hint; the nearest word; the extra that is missing."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneglance import errors
from oneglance.errors import LISTED, MissingExtraError, OneglanceError, Problem, nearest, needs_extra


def kinds(kind: type[Exception]) -> set[type[Exception]]:
    return {kind} | {inner for below in kind.__subclasses__() for inner in kinds(below)}


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = set(re.findall(r"^[│├└─ ]*(\w+Error)", errors.__doc__ or "", re.MULTILINE))
    assert drawn == {k.__name__ for k in kinds(OneglanceError) if k.__module__ == errors.__name__}
    for kind in kinds(OneglanceError):
        assert kind.__doc__


@pytest.mark.parametrize(
    ("location", "hint", "message"),
    [
        ("", "", "is bad"),
        ("a.csv", "", "a.csv: is bad"),
        ("", "mend it", "is bad — mend it"),
        ("a.csv", "mend it", "a.csv: is bad — mend it"),
    ],
)
def test_a_message_is_where_what_cure(location: str, hint: str, message: str) -> None:
    error = OneglanceError("is bad", location=location, hint=hint)
    assert str(error) == message
    assert (error.location, error.what, error.hint) == (location, "is bad", hint)


def test_a_problem_reads_the_same() -> None:
    assert str(Problem("a.csv:3", "is bad", "mend it")) == "a.csv:3  is bad — mend it"
    assert str(Problem("a.csv:3", "is bad")) == "a.csv:3  is bad"
    assert Problem("a.csv:3", "is bad").fatal


def test_the_nearest_word_is_named() -> None:
    assert nearest("epoch", ["batch", "epochs"]) == ' Did you mean "epochs"?'
    assert nearest("EPOCHS", ["batch", "epochs"]) == ' Did you mean "epochs"?'
    assert nearest("kind", ["Kind", "price"]) == ' Did you mean "Kind"?'
    assert nearest("zebra", ["b", "a"]) == " Known: a, b."
    assert nearest("zebra", []) == ""


def test_a_thousand_known_words_are_not_all_listed() -> None:
    said = nearest("?", [f"model{number:04}" for number in range(1000)])
    assert said.startswith(" Known: model0000, ")
    assert said.endswith(f" and {1000 - LISTED} more.")
    assert len(said) < 400


@given(st.text(), st.lists(st.text()))
def test_nearest_takes_any_words(word: str, known: list[str]) -> None:
    assert (nearest(word, known) == "") == (not known)


@given(st.lists(st.text(min_size=1), min_size=1))
def test_a_known_word_is_nearest_to_itself(known: list[str]) -> None:
    word = known[0]
    said = re.fullmatch(r' Did you mean "(.*)"\?', nearest(word, known), re.DOTALL)
    assert said
    assert said[1].lower() == word.lower()


def test_a_missing_package_names_its_extra() -> None:
    with pytest.raises(MissingExtraError) as found, needs_extra("train", "evaluate"):
        import no_such_package.at_all  # type: ignore[import-not-found]  # noqa: F401
    assert str(found.value) == 'evaluate needs the package no_such_package — pip install "oneglance[train]"'


def test_a_fault_of_our_own_is_no_missing_package() -> None:
    with pytest.raises(ModuleNotFoundError, match="oneglance"), needs_extra("train", "evaluate"):
        import oneglance.no_such_module  # type: ignore[import-not-found]  # noqa: F401


def test_the_nearest_of_many_long_words_is_found_soon_or_not_at_all() -> None:
    began = time.perf_counter()
    listed = nearest("x" * 1_000_000, [f"{number}{'xy' * 50_000}" for number in range(100)])
    assert listed.startswith(" Known: 0xyxy") and len(listed) < 5000
    assert nearest("colum77", [f"column{number}" for number in range(16_000)])
    assert time.perf_counter() - began < 8
