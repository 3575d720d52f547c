"""Decimal commas and marks between thousands, decided for a whole column."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneglance.data.cell import number
from oneglance.data.number_notation import Notation, is_marked, notation


def numbers(*texts: str) -> list[float | None]:
    column = notation(texts)
    return [column.number(text) for text in texts]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (["3,5", "4", "-0,25"], [3.5, 4, -0.25]),
        (["1.234,56", "12,5", "1.234"], [1234.56, 12.5, 1234]),
        (["1,234.56", "12.5", "1,234"], [1234.56, 12.5, 1234]),
        (["1.234.567", "12", "1.234"], [1234567, 12, 1234]),
        (["1,234,567", "1,234"], [1234567, 1234]),
        (["1 234", "12"], [1234, 12]),
        (["1\u00a0234,5", "1\u202f234"], [1234.5, 1234]),
        (["1'234.50", "1\u2019234"], [1234.5, 1234]),
        (["1.234", "0.5"], [1.234, 0.5]),
        (["1.234", "12.345"], [1.234, 12.345]),  # nothing here speaks against the point
        (["0,123", "1234,567"], [0.123, 1234.567]),
        (["3,5e2", ",5"], [350, 0.5]),
    ],
)
def test_a_column_says_what_its_marks_are(column: list[str], expected: list[float]) -> None:
    assert numbers(*column) == expected


@pytest.mark.parametrize("column", [["1,234", "12"], ["1,234", "1.234"], ["1,234", "0.5"]])
def test_a_comma_before_three_digits_may_be_either(column: list[str]) -> None:
    assert numbers(*column)[0] is None
    refusal = notation(column).refusal("1,234")
    assert refusal is not None
    assert refusal[0] == 'is "1,234", which may be 1234 or 1.234'
    assert 'decimal = ","' in refusal[1]


def test_a_point_before_three_digits_is_doubtful_beside_commas() -> None:
    assert numbers("3,5", "1.234") == [3.5, None]


def test_one_cell_does_not_turn_a_column_into_thousands() -> None:
    assert numbers("1.234", "2.345", "3.456", "1.234,56") == [None, None, None, 1234.56]
    assert numbers("1.234", "2.345", "12,5", "1.234,56") == [1234, 2345, 12.5, 1234.56]


def test_a_column_with_both_marks_keeps_the_point_and_refuses_the_comma() -> None:
    assert numbers("0.5", "3,5", "2") == [0.5, None, 2]
    assert notation(["0.5", "3,5"]).refusal("3,5") == (
        'is "3,5", with a decimal comma, but another cell is "0.5"',
        "write the whole column with the same mark",
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        ".",
        "1,2,3",
        "1.2.3",
        "12 34",
        "1 23",
        "0 123",
        "1 234'567",
        "1_0",
        "3,5 kg",
        "nan",
        "\uff11,5",
        "1,,5",
        "-",
    ],
)
def test_no_number_in_any_notation(text: str) -> None:
    assert Notation(".", grouped=True).number(text) is None
    assert Notation(",", grouped=True).number(text) is None
    assert Notation().refusal(text) is None


def test_a_person_may_say_it() -> None:
    assert [Notation(",", grouped=True).number(text) for text in ("1.234", "1,234", "3.5")] == [
        1234,
        1.234,
        None,
    ]
    assert [Notation(".", grouped=True).number(text) for text in ("1.234", "1,234", "3,5")] == [
        1.234,
        1234,
        None,
    ]


def test_what_is_counted_is_what_python_would_not_read_so() -> None:
    column = notation(["1", "3,5", "1 234", "x", "3,5"])
    assert (column.example, column.count) == ("3,5", 3)
    assert notation(["1", "0.5", "1e5"]).count == 0


@given(st.floats(allow_nan=False, allow_infinity=False).map(repr))
def test_plain_numbers_are_what_they_are(text: str) -> None:
    assert Notation().number(text) == number(text) == float(text)


@given(st.floats(-1e9, 1e9).map(lambda value: f"{value:_.2f}"), st.sampled_from([",", " ", "'"]))
def test_numbers_with_marks_of_any_country(text: str, group: str) -> None:
    value = float(text)
    english, german = (
        text.replace("_", group),
        text.replace(".", ",").replace("_", "." if group == "," else group),
    )
    assert numbers(english) == [value]
    assert numbers(german) == [value]
    assert is_marked(german)


@given(st.text("0123456789.,' -+e", max_size=12))
def test_a_cell_that_is_not_marked_is_read_as_python_reads_it(text: str) -> None:
    """So that most cells need no second look."""
    if not is_marked(text):
        assert Notation(",", grouped=True).number(text) in (None, number(text))
