"""A table that is read in blocks says what it says row by row: the same records and problems, in order."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneglance.data.columns.record_columns import RecordBlock, RecordPacker
from oneglance.data.inspection import missing_files
from oneglance.data.inspection.missing_files import missing_pictures
from oneglance.data.merging.collect import collect
from oneglance.data.parsing import text_lines
from oneglance.data.record import Record
from oneglance.data.source import Source, open_source
from oneglance.errors import DataError
from oneglance.storage.plain_files import entry_names
from oneglance.task import build_tasks

NAMES = st.sampled_from(
    [
        *(
            "a.jpg",
            "x/b.jpg",
            "x/c.jpg",
            "./a.jpg",
            " a.jpg",
            "x/b.jpg ",
            "X/B.jpg",
            "gone.jpg",
            "../a.jpg",
            "x\\b.jpg",
        ),
        *(
            "'=a.jpg",
            "",
            "x/",
            "data:image/jpeg;base64,/9j/",
            "\u2003a.jpg",
            "ä.jpg",
            "/etc/a.jpg",
            "x//b.jpg",
        ),
    ]
)
CELLS = st.sampled_from(
    [
        *(
            "hat",
            " hat",
            "cap",
            "'=1",
            "1.0",
            "1,5",
            "0.5",
            "?",
            "",
            " ",
            "train",
            "Test",
            "odd",
            '"',
            '"a, b"',
            "a|b",
            "ü",
        ),
        "much",
    ]
)
LINES = st.one_of(
    st.builds(lambda name, cells: ",".join([name, *cells]), NAMES, st.lists(CELLS, min_size=4, max_size=4)),
    st.builds(lambda name, cells: ",".join([name, *cells]), NAMES, st.lists(CELLS, max_size=6)),
    st.sampled_from(["", "   ", ",,,,", '"x/b.jpg","hat', 'cap",1,g,train', "\r"]),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("pictures")
    (home / "x").mkdir()
    for name in ("a.jpg", "ä.jpg", "x/b.jpg", "x/c.jpg", "'=a.jpg"):
        (home / name).touch()
    return home


def one_by_one(items: Iterable[Any]) -> list[Any]:
    """Records and problems, those of blocks too, up to an error."""
    listed: list[Any] = []
    try:
        for item in items:
            if not isinstance(item, RecordBlock):
                listed.append(item)
                continue
            for row, image in enumerate(item.images):
                cells = {name: column[row] for name, column in item.fields.items()}
                answers = {name: cell for name, cell in cells.items() if cell is not None}
                group, split = item.groups[row] or "", item.splits[row] or ""
                listed.append(Record(item.locations.text(row), image, answers, group, split, item.source))
    except DataError as error:
        listed.append(str(error))
    return listed


def opened(folder: Path, text: str, **keys: Any) -> Source:
    path = folder / "t.csv"
    path.write_bytes(text.encode())
    return open_source({"path": str(path), "group": "seller", **keys}, folder)


@pytest.mark.slow  # hundreds of drawn tables
@settings(deadline=None, max_examples=300)
@given(
    st.lists(LINES, max_size=9),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([{}, {"names": "exact"}, {"group": "kind", "split": ""}, {"images": "x"}]),
    st.sampled_from(
        ["image,kind,price,seller,split", "image,kind,price,,split", "kind,image,price,seller,split"]
    ),
)
def test_blocks_hold_what_the_rows_hold(
    folder: Path, lines: list[str], end: str, keys: dict[str, str], header: str
) -> None:
    with patch.multiple(text_lines, SMALLEST=20, LARGEST=60):
        source = opened(folder, end.join([header, *lines]), **keys)
        rows, blocks = one_by_one(source.read()), one_by_one(source.read_blocks())
    assert blocks == rows
    names = [[item.image.name for item in items if isinstance(item, Record)] for items in (rows, blocks)]
    assert names[0] == names[1]


@pytest.mark.slow  # hundreds of drawn tables
@settings(deadline=None, max_examples=100)
@given(st.lists(LINES, max_size=9))
def test_answers_and_problems_are_the_same(folder: Path, lines: list[str]) -> None:
    tasks = build_tasks(
        {
            "kind": {"type": "label"},
            "price": {"type": "number"},
            "both": {"type": "tags", "from": ["kind", "price"]},
        }
    )
    with patch.multiple(text_lines, SMALLEST=20, LARGEST=60):
        source = opened(folder, "\n".join(["image,kind,price,seller,split", *lines]))
        blocks = collect([source], list(tasks.values()))
        with patch.object(type(source), "read_blocks", type(source).read):
            rows = collect([source], list(tasks.values()))
    assert blocks.records == rows.records
    assert blocks.problems == rows.problems


def test_plain_rows_do_come_in_blocks(folder: Path) -> None:
    text = "image,kind,price,seller,split\n" + "x/b.jpg,hat,1,g,train\na.jpg,,2,,\n" * 3
    (block,) = opened(folder, text).read_blocks()
    assert isinstance(block, RecordBlock)
    assert [block.locations.text(row) for row in (0, 5)] == ["t.csv:2", "t.csv:7"]


def test_what_lies_before_a_broken_place_is_read(folder: Path) -> None:
    path = folder / "t.csv"
    path.write_bytes(b"image,kind\n" + b"a.jpg,hat\n" * 150 + b"x/b.jpg,\0\n")
    source = open_source({"path": str(path)}, folder)
    rows, blocks = one_by_one(source.read()), one_by_one(source.read_blocks())
    assert blocks == rows
    assert [type(item) for item in blocks] == [Record] * 150 + [str]


@pytest.mark.parametrize(
    ("rows", "files", "left_out", "listed"),
    [
        ("x/a x/b y/a", "x/a x/b y/a", [], ""),
        ("x/a x/b y/a", "x/a x/b y/a x/c", [], "x"),  # x/c is named by no row
        ("x/a x/b y/a", "x/a x/b y/a", [1], "x"),
        ("y/a x/a x/b", "x/a x/b y/a", [0], ""),
    ],
)
def test_what_reading_has_seen_is_not_listed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: str, files: str, left_out: list[int], listed: str
) -> None:
    for name in files.split():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.jpg").touch()
    packer = RecordPacker([])
    lines = [f"{name}.jpg\n" for name in rows.split()]
    for block in opened(tmp_path, "".join(["image\n", *lines]), group="").read_blocks():
        assert isinstance(block, RecordBlock)
        packer.add_block(block)
    records = packer.columns()
    records = records.take(np.setdiff1d(np.arange(len(records)), left_out))
    expected = missing_pictures(list(records))  # of which nothing was seen
    asked: list[str] = []

    def listing(folder: str) -> list[str]:
        asked.append(folder)
        return entry_names(folder)

    monkeypatch.setattr(missing_files, "entry_names", listing)
    assert missing_pictures(records, are_distinct=True) == expected
    assert bool(expected[1]) == bool(listed)
    assert "".join(Path(folder).name for folder in asked) == listed


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
@pytest.mark.parametrize("mistake", ["", "\0", "x" * 50])
def test_pieces_hold_the_lines(tmp_path: Path, encoding: str, mistake: str) -> None:
    path = tmp_path / "t.csv"
    text = "".join(f"{'é' * (n % 7)}{n}{end}" for n, end in enumerate(["\n", "\r\n", "\r", "\n\n"] * 20))
    path.write_bytes(f"{text}{mistake}\nend".encode(encoding))
    with patch.multiple(text_lines, SMALLEST=5, LARGEST=17, LONGEST_LINE=40):
        expected = up_to_an_error(text_lines._one_by_one(path, encoding))
        assert up_to_an_error(text_lines.lines(path, encoding)) == expected
        pieces = up_to_an_error(text_lines.pieces(path, encoding))
    assert "".join(pieces) == "".join(expected)
    assert bool(mistake) == ("t.csv:" in pieces[-1])
    assert len(pieces) < 0.8 * len(expected)
    assert all(piece.endswith(("\n", "\r")) for piece in pieces[:-1])


def up_to_an_error(items: Iterable[str]) -> list[str]:
    listed: list[str] = []
    try:
        listed.extend(items)
    except DataError as error:
        listed.append(str(error))
    return listed
