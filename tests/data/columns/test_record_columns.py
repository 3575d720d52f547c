"""Records in columns are the records that were put in, and a row's answers stay with its picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tiny import Ref

from oneglance.data.columns import coded, packed_images, packed_text, record_columns
from oneglance.data.columns.coded import Coded, labelled, numbers, together
from oneglance.data.columns.packed_images import PackedImages, packed
from oneglance.data.columns.packed_text import Piece, printable_ascii, text_array, text_keys
from oneglance.data.columns.record_columns import RecordColumns, columns_of
from oneglance.data.images.memory_image import EncodedImage
from oneglance.data.images.references import FileImage, TarMember, ZipMember
from oneglance.data.record import ImageRef, Record

ODD_NAMES = st.sampled_from(["a.jpg", "x/a.jpg", "x/b.jpg", "x:y/ü.jpg", "", "x/", "half \udc80.jpg"])
IMAGES: st.SearchStrategy[ImageRef] = st.one_of(
    st.builds(FileImage, ODD_NAMES.map(lambda name: f"/pictures/{name}"), ODD_NAMES),
    st.builds(TarMember, st.just("/a.tar"), ODD_NAMES, st.integers(0, 2**70), st.integers(0, 9)),
    st.builds(
        ZipMember, st.just("/a.zip"), ODD_NAMES, *[st.integers(0, 9)] * 3, st.booleans(), st.integers(0, 9)
    ),
    st.builds(Ref, ODD_NAMES),
    st.builds(EncodedImage, st.binary(max_size=3), st.just("sent")),
)
ANSWERS = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["hat", "1", 1, 1.0, True, [1], 2.5]))
RECORDS = st.builds(
    Record,
    st.sampled_from(["t.csv:1", "t.csv:22", "a/b.jpg", "u:v:3", "\udc80:1"]),
    IMAGES,
    ANSWERS,
    st.sampled_from(["", "g", "h"]),
    st.sampled_from(["", "train", "test"]),
    st.sampled_from(["", "one", "two"]),
)


@contextmanager
def in_small_pieces(rows: int = 3) -> Iterator[None]:
    with ExitStack() as stack:
        for module in (packed_text, packed_images, record_columns, coded):
            stack.enter_context(patch.object(module, "AT_ONCE", rows))
        yield


def exactly(records: Sequence[Record]) -> list[Any]:
    """With the types of the answers, for 1 equals True."""
    return [(record, record.image.name, repr(dict(record.answers))) for record in records]


@settings(deadline=None, max_examples=150)
@given(st.lists(RECORDS, max_size=12), st.data())
def test_the_records_come_back_one_by_one_in_order_and_in_parts(records: list[Record], data: Any) -> None:
    with in_small_pieces():
        columns = columns_of(records)
        in_order = [
            replace(r, answers={n: r.answers[n] for n in columns.answers if n in r.answers}) for r in records
        ]
        assert exactly(columns) == exactly(in_order)
        assert exactly([columns[row] for row in range(len(columns))]) == exactly(in_order)
        assert list(columns.images) == [record.image for record in records]
        rows = data.draw(st.lists(st.integers(0, max(0, len(records) - 1)), unique=True)) if records else []
        for chosen in (rows, sorted(rows)):
            part = columns.take(np.array(chosen, dtype=np.int64))
            assert exactly(part) == exactly([in_order[row] for row in chosen])
            assert list(part.images) == [records[row].image for row in chosen]
            assert exactly(part[1:3]) == exactly([in_order[row] for row in chosen[1:3]])
            assert part.rows_at(np.arange(len(records))).tolist() == [
                chosen.index(row) if row in chosen else -1 for row in range(len(records))
            ]


@settings(deadline=None, max_examples=100)
@given(st.lists(IMAGES, max_size=12))
def test_files_are_found_by_their_folders(images: list[ImageRef]) -> None:
    with in_small_pieces():
        columns = packed(images)
        found = {
            (row, folder + name)
            for folder, rows, _ in columns.folders()
            for row, name in zip(rows.tolist(), columns.file_names(folder, rows), strict=True)
        }
    assert found == {(row, image.path) for row, image in enumerate(images) if isinstance(image, FileImage)}


def test_the_last_row_of_columns_is_row_minus_one() -> None:
    columns = columns_of([Record("t:1", Ref("a")), Record("t:2", Ref("b"))])
    assert columns[-1] == Record("t:2", Ref("b"))
    assert columns.images[-1] == Ref("b")
    assert isinstance(columns.images, PackedImages)
    assert isinstance(columns[:1], RecordColumns)


def test_pictures_of_a_folder_take_few_bytes() -> None:
    """Each path of a million would take a hundred bytes, and so would its name."""
    root = "/a/rather/long/path/to/the/pictures/of/a/catalogue/"
    columns = packed(FileImage(f"{root}{n // 100}/{n}.jpg", f"{n // 100}/{n}.jpg") for n in range(1000))
    (piece,) = columns._pieces
    assert not isinstance(piece, list)
    used = 0
    for column in piece.columns:
        assert isinstance(column, Piece)
        assert not isinstance(column.tails, range)
        used += column.tails.nbytes + (0 if column.codes is None else column.codes.nbytes)
    assert used < 35 * 1000
    assert columns[999] == FileImage(f"{root}9/999.jpg", "")


@given(st.lists(st.sampled_from([None, "a", "b", "c"])), st.lists(st.sampled_from([None, "a", "d"])))
def test_a_coded_column_is_its_values(items: list[str | None], others: list[str | None]) -> None:
    with in_small_pieces():
        assert_column_is(Coded.of(items), items, others)


def assert_column_is(column: Coded, items: list[str | None], others: list[str | None]) -> None:
    assert list(column) == items
    known = [item for item in items if item is not None]
    assert list(column.counter().items()) == list(Counter(known).items())
    assert list(labelled(column)) == labelled(items) == known
    assert column.known.tolist() == [item is not None for item in items]
    for value in ("a", "x"):
        assert column.rows_of(value).tolist() == [item == value for item in items]
    distinct = list(dict.fromkeys(item for item in items if item is not None))
    reversed_ = Coded(column.codes[::-1], column.values).appearing()
    assert list(reversed_.values) == list(dict.fromkeys(item for item in items[::-1] if item is not None))
    assert dict(zip(distinct, column.appearing().counts().tolist(), strict=True)) == {
        value: items.count(value) for value in distinct
    }
    merged = column.mapped({"a": "a", "b": "a", "c": None}.get)
    assert list(merged) == [{"a": "a", "b": "a", "c": None, None: None}[item] for item in items]
    assert len(merged.values) <= 1
    shorter = min(len(items), len(others))
    assert list(column.changed(range(shorter), others[:shorter])) == others[:shorter] + items[shorter:]
    pairs = list(zip(items, others, strict=False))
    kind, first = together([Coded.of(items[:shorter]), Coded.of(others[:shorter])], shorter)
    distinct_pairs = list(dict.fromkeys(pairs))
    assert kind.tolist() == [distinct_pairs.index(pair) for pair in pairs]
    assert first.tolist() == [pairs.index(pair) for pair in distinct_pairs]


@pytest.mark.parametrize("count", [1, 127, 128, 129, 32_767, 32_768, 32_769])
def test_codes_hold_any_number_of_values(count: int) -> None:
    """However small their dtype."""
    column = Coded.of([None, *range(count)])
    assert column.codes.itemsize == (1 if count <= 128 else 2 if count <= 32_768 else 4)
    assert list(column) == list(column.appearing()) == list(column.mapped(int)) == [None, *range(count)]
    assert list(column.changed([0], [-7])) == [-7, *range(count)]


def test_numbers_of_a_column_are_those_of_its_list() -> None:
    items = [2.5, None, 1e300, 2.5, -0.1]
    np.testing.assert_array_equal(numbers(Coded.of(items)), numbers(items))
    np.testing.assert_array_equal(numbers(items), [2.5, np.nan, 1e300, 2.5, -0.1])


@given(st.lists(st.text(st.sampled_from("a~ \x7f\x1fü")), min_size=2))
def test_printable_ascii_is_seen_at_once(texts: list[str]) -> None:
    array = pa.array(texts, type=pa.string())[1:]
    text = "".join(texts[1:])
    assert printable_ascii(array) == (text.encode() if text.isascii() and text.isprintable() else None)


@given(st.lists(st.text(max_size=20), max_size=8), st.text(max_size=9))
def test_keys_are_those_of_the_texts(texts: list[str], before: str) -> None:
    """Wherever they lie in memory, and whatever follows them."""
    keys = text_keys(text_array(texts))
    assert len(set(keys.tolist())) == len(set(texts))
    moved = text_array([before, *texts[::-1], before]).slice(1, len(texts))
    np.testing.assert_array_equal(text_keys(moved)[::-1], keys)
    halves = text_array([*texts, "\ud800"])  # as bytes
    np.testing.assert_array_equal(text_keys(halves)[:-1], keys)
    long = text_array([before + "a" * 100 + text for text in texts])
    assert len(set(text_keys(long).tolist())) == len(set(texts))
