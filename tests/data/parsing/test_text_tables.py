"""Tables in text files with any space between their cells."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.annotated import draw, kinds, read
from support.layouts import write

from oneglance.data.parsing.text_tables import is_text_table
from oneglance.data.source import open_source

ROWS = [("0.png", "cat", "3"), ("1.png", "dog", "4")]


@pytest.mark.parametrize(
    ("first", "between"),
    [
        ("image kind age", "  "),
        ("2\nimage kind age", " "),
        ("kind age ", "   "),
        ("2\nkind age\n", " "),
        ("image\tkind\tage", "\t"),
        ("image,kind,age", ","),
        ("image kind age", "\t"),
        ("\nimage ; kind;age", ";"),
    ],
)
def test_a_text_file_is_a_table(tmp_path: Path, first: str, between: str) -> None:
    for name, *_ in ROWS:
        draw(tmp_path / name)
    rows = "".join(f"{between.join(row)} \n" for row in ROWS)
    records, problems = read(write(tmp_path / "labels.txt", f"{first}\n{rows}"))
    assert [record.answers for record in records] == [{"kind": k, "age": a} for _, k, a in ROWS]
    assert records[0].location == f"labels.txt:{first.count(chr(10)) + 2}"
    assert problems == []


@pytest.mark.parametrize("between", ["  ", "\t", ","])
@pytest.mark.parametrize("ending", ["txt", "csv"])
def test_rows_below_no_names(tmp_path: Path, between: str, ending: str) -> None:
    """As lists of pictures with their classes come: the first row is one of them."""
    for name, *_ in ROWS:
        draw(tmp_path / name)
    path = write(tmp_path / f"labels.{ending}", "".join(f"{between.join(row)}\n" for row in ROWS))
    records, problems = read(path)
    assert [record.answers for record in records] == [{"column2": k, "column3": a} for _, k, a in ROWS]
    assert records[0].location == f"labels.{ending}:1"
    assert kinds(problems) == ["column names"]
    assert "image, column2, column3" in str(problems[0])


def test_quoted_cells(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    path = write(tmp_path / "labels.txt", 'image kind\na.png "big  cat"\na.png a b\n')
    records, problems = read(path)
    assert [record.answers for record in records] == [{"kind": "big cat"}]
    assert kinds(problems) == ["too many cells"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "5\n",
        "a.png\nb.png\n",
        "a.png\nb.png dog\n",
        "a.png a.txt\nb.png b.txt\n",
        "a.png masks/a.png\nb.png masks/b.png\n",
        "# pictures\na.png\n",
        "images/a.png\n2\n1 2 3 4\n",
        "imagesource:x\ngsd:1\n1 2 3 4 5 6 7 8 plane 0\n",
        "0 0.5 0.5 0.1 0.1\n",
        "names\ncat\ndog\n",
        "\0\1\2",
    ],
)
def test_other_text_files_are_none(tmp_path: Path, content: str) -> None:
    path = write(tmp_path / "labels.txt", content)
    assert not is_text_table(path)
    assert open_source({"path": path.name}, tmp_path).format == "listing"


def test_predictions_of_pictures_in_a_list_stay_a_list(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    records, _ = read(write(tmp_path / "list.txt", "a.png\n"))
    assert [record.answers for record in records] == [{}]
