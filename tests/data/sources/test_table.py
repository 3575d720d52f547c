"""Tables in every form: what becomes a record, and what is said of what does not."""

from __future__ import annotations

import csv
import io
import json
import struct
import zipfile
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneglance.data.images.references import FileImage
from oneglance.data.parsing import text_lines
from oneglance.data.parsing.parquet import ParquetImage
from oneglance.data.parsing.tables import rows
from oneglance.data.record import Record
from oneglance.data.source import open_source
from oneglance.errors import DataError, Problem


def read(folder: Path, name: str = "labels.csv", **keys: Any) -> tuple[list[Record], list[Problem]]:
    records: list[Record] = []
    problems: list[Problem] = []
    for item in open_source({"path": name, **keys}, folder).read():
        (problems if isinstance(item, Problem) else records).append(item)  # type: ignore[arg-type]
    return records, problems


def write(folder: Path, content: str | bytes, name: str = "labels.csv") -> Path:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def answers(folder: Path, name: str = "labels.csv", **keys: Any) -> list[Any]:
    records, problems = read(folder, name, **keys)
    assert problems == []
    return [record.answers for record in records]


def only_error(folder: Path, name: str = "labels.csv", **keys: Any) -> str:
    with pytest.raises(DataError) as error:
        read(folder, name, **keys)
    return str(error.value)


# ---- CSV: cells


def test_a_row_is_a_record(tmp_path: Path) -> None:
    write(tmp_path, "image,kind,price\na.jpg,shirt, 12.5 \nsub/b.jpg,,\n")
    records, problems = read(tmp_path)
    assert problems == []
    root = tmp_path.resolve()
    assert records == [
        Record(
            "labels.csv:2",
            FileImage(str(root / "a.jpg"), "a.jpg"),
            {"kind": "shirt", "price": "12.5"},
            source="labels.csv",
        ),
        Record("labels.csv:3", FileImage(str(root / "sub" / "b.jpg"), "sub/b.jpg"), {}, source="labels.csv"),
    ]
    assert records[0].image.name == "a.jpg"


def test_where_is_the_line_even_after_empty_and_long_ones(tmp_path: Path) -> None:
    write(tmp_path, 'image,note\r\n\r\na.jpg,"two\r\nlines"\r\n,,\r\nb.jpg,x\r\n')
    records, problems = read(tmp_path)
    assert [record.location for record in records] == ["labels.csv:3", "labels.csv:6"]
    assert records[0].answers == {"note": "two\r\nlines"}
    assert problems == []


def test_equal_words_are_one_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "INTERNED", 3)
    write(tmp_path, "image,kind,n\n" + "".join(f"{n}.jpg,{'ab'[n % 2]}bc ,{n}\n" for n in range(50)))
    images = answers(tmp_path)
    assert images == [{"kind": f"{'ab'[n % 2]}bc", "n": str(n)} for n in range(50)]
    monkeypatch.undo()
    assert len({id(cells["kind"]) for cells in answers(tmp_path)}) == 2


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=5), st.sampled_from(",;\t|"))
@settings(deadline=None)
def test_whatever_a_spreadsheet_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], delimiter: str
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("image", "one", "two"), *((f"{n}.jpg", *row) for n, row in enumerate(rows))])
    folder = write(tmp_path_factory.mktemp("csv"), out.getvalue())
    expected = [{k: v.strip() for k, v in zip(("one", "two"), row, strict=True) if v.strip()} for row in rows]
    assert answers(folder) == expected


@pytest.mark.parametrize(
    ("name", "content", "keys"),
    [
        ("a.csv", "image;price\na.jpg;1,5\n", {}),
        ("a.csv", "image\tprice\na.jpg\t1,5\n", {}),
        ("a.csv", "image|price\na.jpg|1,5\n", {}),
        ("a.tsv", "image\tprice\na.jpg\t1,5\n", {}),
        ("A.TSV", "image,x\tprice\na.jpg\t1,5\n", {"image": "image,x"}),
        ("a.csv", "image:price\na.jpg:1,5\n", {"delimiter": ":"}),
        ("a.csv", '\ufeffimage,price\na.jpg,"1,5"\n', {}),
        ("a.csv", ',image,price\n0,a.jpg,"1,5"\n', {}),  # pandas writes its row numbers so
        ("a.csv", 'image,price,,\na.jpg,"1,5",,,,\n', {}),
        ("a.csv", 'image,price\ra.jpg,"1,5"\r', {}),
    ],
)
def test_separators_marks_and_unnamed_columns(
    tmp_path: Path, name: str, content: str, keys: dict[str, str]
) -> None:
    write(tmp_path, content, name)
    assert answers(tmp_path, name, **keys) == [{"price": "1,5"}]


# ---- CSV: what is wrong


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("image,kind,kind,x,x\n", 'labels.csv: two columns are called "kind" and "x" — give each'),
        ("", "labels.csv: is empty — write a first row such as: image,kind"),
        (" , \na.jpg,x\n", "labels.csv: has no column names in its first row — write"),
        (
            "id,kind\n1,x\n",
            "labels.csv: no column looks like the pictures' names — "
            'name one: image = "…". Its columns: id, kind',
        ),
        ("front,back\na.jpg,b.jpg\n", "labels.csv: several columns look like pictures — name one"),
        ("image,kind\na.jpg,x\nb.jpg,\0\n", "labels.csv:3: holds a NUL character"),
        ('"image"x,kind\n', "labels.csv:1: has a quotation mark"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_message(tmp_path: Path, content: str, message: str) -> None:
    write(tmp_path, content)
    assert message in only_error(tmp_path)


def test_a_row_with_too_many_cells_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "image,price\na.jpg,1\nb.jpg,1,5\nc.jpg,2\n")
    records, problems = read(tmp_path)
    assert [record.image.name for record in records] == ["a.jpg", "c.jpg"]
    assert str(problems[0]).startswith(
        "labels.csv:3  has 3 cells, but there are 2 columns — put a cell that holds"
    )
    assert [problem.fatal for problem in problems] == [False]


def test_a_misplaced_quotation_mark_costs_one_row(tmp_path: Path) -> None:
    write(tmp_path, 'image,note\na.jpg,"5" wide"\nb.jpg,fine\n')
    records, problems = read(tmp_path)
    assert [record.location for record in records] == ["labels.csv:3"]
    assert str(problems[0]).startswith("labels.csv:2  has a quotation mark in the wrong place")
    assert not problems[0].fatal


def test_an_open_quotation_mark_is_fatal(tmp_path: Path) -> None:
    write(tmp_path, 'image,note\na.jpg,x\nb.jpg,"open\nc.jpg,x\nd.jpg,x\n')
    records, problems = read(tmp_path)
    assert [record.location for record in records] == ["labels.csv:2"]
    assert str(problems[0]).startswith(
        "labels.csv:3  has a quotation mark that is still open in line 5 — close"
    )
    assert problems[0].fatal


def test_an_endless_cell_and_an_endless_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, f"image,note\na.jpg,{'x' * 140_000}\nb.jpg,y\n")
    records, problems = read(tmp_path)
    assert [record.location for record in records] == ["labels.csv:3"]
    assert "a cell of over 131,072 characters" in str(problems[0])
    monkeypatch.setattr(text_lines, "LONGEST_LINE", 1000)
    assert only_error(tmp_path).startswith("labels.csv:2: is a line of more than 1,000 characters")


def test_a_table_without_rows_is_reported(tmp_path: Path) -> None:
    _, problems = read(write(tmp_path, "image,kind\n"))
    assert [str(problem) for problem in problems] == [
        "labels.csv  holds no pictures — put some into it, or give another path"
    ]
    assert problems[0].fatal


def test_a_row_without_a_picture_is_named(tmp_path: Path) -> None:
    write(tmp_path, "image,kind\n,x\na.jpg,y\n")
    records, problems = read(tmp_path)
    assert len(records) == 1
    assert str(problems[0]) == "labels.csv:2  image is empty — the row is left out"


@pytest.mark.parametrize("rows_before", [0, 20_000])
def test_another_encoding_is_named_by_line_and_byte(tmp_path: Path, rows_before: int) -> None:
    start = "image,kind\n" + "a.jpg,é\n" * rows_before
    write(tmp_path, start.encode() + "b.jpg,caf\xe9\n".encode("cp1252"))
    message = only_error(tmp_path)
    assert message == (
        f"labels.csv:{rows_before + 2}: is not utf-8 text: byte 10 of the line is 0xe9 — "
        'give its `encoding`, such as encoding = "cp1252"'
    )
    write(tmp_path, b"image,kind\nb.jpg,caf\xe9\n")
    assert answers(tmp_path, encoding="cp1252") == [{"kind": "café"}]
    assert "no known one" in only_error(tmp_path, encoding="klingon")
    assert "no known one" in only_error(tmp_path, encoding="base64")


def test_utf_16_is_recognised_and_read(tmp_path: Path) -> None:
    write(tmp_path, "image,kind\nb.jpg,café\n".encode("utf-16"))
    assert only_error(tmp_path) == 'labels.csv: is not utf-8 text — write encoding = "utf-16"'
    assert answers(tmp_path, encoding="utf-16") == [{"kind": "café"}]


# ---- the picture's column and where names start


@pytest.mark.parametrize(
    ("header", "row", "keys"),
    [
        ("kind,Filename,path", "x,a.txt,b.jpg", {"image": "path"}),
        ("kind,File_Name", "x,b.jpg", {}),
        ("id,thumb", "7,b.jpg", {}),
        ("photo,path", "a.txt,b.jpg", {}),
    ],
)
def test_the_picture_column_is_found(tmp_path: Path, header: str, row: str, keys: dict[str, str]) -> None:
    records, _ = read(write(tmp_path, f"{header}\n{row}\n"), **keys)
    assert records[0].image.name == "b.jpg"


def test_an_unknown_picture_column_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, "picture,kind\na.jpg,x\n")
    assert (
        only_error(tmp_path, image="pictur") == 'labels.csv: has no column "pictur". Did you mean "picture"?'
    )


def paths(folder: Path, **keys: Any) -> list[str]:
    records, problems = read(folder, **keys)
    assert problems == []
    return [Path(str(record.image.stamp()[0])).relative_to(folder.resolve()).as_posix() for record in records]


def test_names_start_beside_the_table_or_in_images(tmp_path: Path) -> None:
    write(tmp_path, "image\na.jpg\nb.jpg\n")
    for path in ("images/a.jpg", "images/b.jpg", "other/a.jpg", "other/b.jpg"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    assert paths(tmp_path) == ["images/a.jpg", "images/b.jpg"]
    assert paths(tmp_path, images="other") == ["other/a.jpg", "other/b.jpg"]
    (tmp_path / "b.jpg").touch()
    records, _ = read(tmp_path)
    assert records[1].image.stamp()[0] == str(tmp_path.resolve() / "b.jpg")
    assert "neither a folder nor a zip" in only_error(tmp_path, images="labels.csv")


def test_a_name_may_not_leave_the_folder_but_may_be_absolute(tmp_path: Path) -> None:
    outside = tmp_path / "outside.jpg"
    outside.touch()
    folder = tmp_path / "set"
    (folder / "sub").mkdir(parents=True)
    names = [
        "../outside.jpg",
        "sub/../../outside.jpg",
        "sub\\..\\..\\outside.jpg",
        "..",
        "sub/",
        "https://x/a.jpg",
    ]
    write(folder, "image\n" + "\n".join([*names, str(outside), "sub/../b.jpg", "sub\\c.jpg"]) + "\n")
    records, problems = read(folder)
    root = folder.resolve()
    assert [record.image for record in records] == [
        FileImage(str(path), "") for path in (outside.resolve(), root / "b.jpg", root / "sub" / "c.jpg")
    ]
    assert [problem.location for problem in problems] == [f"labels.csv:{line}" for line in range(2, 8)]
    assert all("is no file in the pictures' folder" in problem.what for problem in problems[:5])
    assert "is a web address" in problems[5].what
    assert not any(problem.fatal for problem in problems)


def test_two_ways_to_one_folder_lead_to_one_picture(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    records, _ = read(write(tmp_path, "image\nreal/a.jpg\nlink/a.jpg\n./real//a.jpg\n"))
    assert len({record.image for record in records}) == 1


def test_names_may_be_those_of_an_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("photos/a.jpg", b"A")
        archive.writestr("photos/sub/b.jpg", b"B")
    write(tmp_path, "image\nphotos/a.jpg\na.jpg\nsub\\b.jpg\nc.jpg\n")
    records, problems = read(tmp_path, images="photos.zip")
    assert [record.image.load() for record in records] == [b"A", b"A", b"B"]
    assert str(problems[0]) == 'labels.csv:5  "c.jpg" is not in photos.zip — the row is left out'


# ---- group and split


def test_group_and_split_are_read_and_kept(tmp_path: Path) -> None:
    write(tmp_path, "image,seller,split\na.jpg,s1,Train\nb.jpg,,VALID\nc.jpg,s1,\n")
    records, problems = read(tmp_path, group="seller")
    assert problems == []
    assert [(r.group, r.split) for r in records] == [("s1", "train"), ("", "validation"), ("s1", "")]
    assert records[0].answers == {"seller": "s1", "split": "Train"}
    assert [r.split for r in read(tmp_path, split="")[0]] == ["", "", ""]


def test_strange_split_words_are_reported_once_each_and_are_fatal(tmp_path: Path) -> None:
    rows = [f"{n}.jpg,{word}" for n, word in enumerate(["train", "hold out", "x", "Hold out", "test"])]
    records, problems = read(write(tmp_path, "image,split\n" + "\n".join(rows)))
    assert [record.split for record in records] == ["train", "", "", "", "test"]
    assert str(problems[0]).startswith(
        'labels.csv:3  split is "hold out" (2 times, here first) — write train,'
    )
    assert [problem.location for problem in problems] == ["labels.csv:3", "labels.csv:4"]
    assert all(problem.fatal for problem in problems)
    write(tmp_path, "image,split\n" + "\n".join(f"{n}.jpg,word {n}" for n in range(1000)))
    problems = read(tmp_path)[1]
    assert len(problems) == 21
    assert '"…" (980 times' in problems[-1].what


def test_a_group_that_is_no_field_is_fatal(tmp_path: Path) -> None:
    write(tmp_path, "image,seller\na.jpg,x\n")
    records, (problem,) = read(tmp_path, group="seler")
    assert len(records) == 1
    assert (
        str(problem) == 'labels.csv  group is "seler", but no picture has this field. Did you mean "seller"?'
    )
    assert problem.fatal


# ---- JSON lines


def test_json_lines_keep_their_types(tmp_path: Path) -> None:
    rows = [
        {
            "image": "a.jpg",
            "n": 1,
            "f": 0.5,
            "yes": True,
            "no": False,
            "tags": ["x", "y"],
            "t": " word ",
            "zero": 0,
        },
        {"image": "b.jpg", "n": None, "t": "  ", "empty": []},
    ]
    write(tmp_path, "\ufeff" + "\n\n".join(map(json.dumps, rows)), "a.jsonl")
    records, problems = read(tmp_path, "a.jsonl")
    assert problems == []
    assert [record.location for record in records] == ["a.jsonl:1", "a.jsonl:3"]
    cells = {"n": 1, "f": 0.5, "yes": True, "no": False, "tags": ["x", "y"], "t": "word", "zero": 0}
    assert records[0].answers == cells
    assert type(records[0].answers["yes"]) is bool
    assert records[1].answers == {"empty": []}  # someone looked and found none


def test_broken_json_lines_are_named_and_left_out(tmp_path: Path) -> None:
    deep = "[" * 100_000
    lines = [
        '{"image": "a.jpg"}',
        "{broken",
        "[1]",
        deep,
        '{"image": 7}',
        '{"image": null, "k": 1}',
        '{"k": 1}',
        '{"image": "a.jpg", "k": "\\ud83d"}',
    ]
    write(tmp_path, "\n".join(lines), "a.ndjson")
    records, problems = read(tmp_path, "a.ndjson")
    assert [record.image.name for record in records] == ["a.jpg", "7"]
    assert [problem.location for problem in problems] == [f"a.ndjson:{line}" for line in (2, 3, 4, 6, 7, 8)]
    assert str(problems[0]).startswith("a.ndjson:2  is no JSON object: {broken — write")
    assert len(str(problems[2])) < 200
    assert not any(problem.fatal for problem in problems)
    write(tmp_path, "\n\n", "a.ndjson")
    assert "holds no rows" in only_error(tmp_path, "a.ndjson")


# ---- Parquet


def parquet(folder: Path, columns: dict[str, Any], name: str = "a.parquet", **keys: Any) -> Path:
    table = pa.table(columns)
    pq.write_table(table.replace_schema_metadata(keys.pop("metadata", None)), folder / name, **keys)
    return folder


def test_parquet_with_pictures_inside(tmp_path: Path) -> None:
    cells = [{"bytes": bytes([n]), "path": f"{n}.png"} for n in range(5)]
    labels = ["x", None, " y ", "", "x"]
    parquet(tmp_path, {"label": labels, "picture": cells, "mask": [b"m"] * 5}, row_group_size=2)
    records, problems = read(tmp_path, "a.parquet")
    assert problems == []
    assert [record.image.load() for record in records] == [bytes([n]) for n in range(5)]
    assert [record.answers for record in records] == [{"label": "x"}, {}, {"label": "y"}, {}, {"label": "x"}]
    assert records[4].image == ParquetImage(str(tmp_path.resolve() / "a.parquet"), 2, 0, "picture", 5)
    assert records[4].location == records[4].image.name == "a.parquet:5"


def test_parquet_with_nothing_but_pictures(tmp_path: Path) -> None:
    parquet(tmp_path, {"scan": [b"a", b"b", b"c"]}, row_group_size=2)
    records, _ = read(tmp_path, "a.parquet")
    assert [(record.image.load(), record.answers) for record in records] == [
        (b"a", {}),
        (b"b", {}),
        (b"c", {}),
    ]


def test_parquet_keeps_types_and_names_files(tmp_path: Path) -> None:
    columns = {
        "file_name": ["a.jpg", None],
        "n": [1, None],
        "f": pa.array([0.5, 1.5], pa.float32()),
        "yes": [True, False],
        "tags": [["x"], []],
        "cents": [Decimal("1.50"), None],
        "day": [date(2024, 2, 29), None],
        "kind": pa.array(["k", "k"]).dictionary_encode(),
    }
    records, problems = read(parquet(tmp_path, columns), "a.parquet")
    (record,) = records
    cells = {"n": 1, "f": 0.5, "yes": True, "tags": ["x"], "cents": 1.5, "day": "2024-02-29", "kind": "k"}
    assert record.answers == cells
    assert type(record.answers["cents"]) is float
    assert record.image == FileImage(str(tmp_path.resolve() / "a.jpg"), "")
    assert [str(problem) for problem in problems] == ["a.parquet:2  file_name is empty — the row is left out"]


def test_class_numbers_become_names_where_the_file_tells_them(tmp_path: Path) -> None:
    features = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}, "n": {"dtype": "int64"}}
    note = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    columns = {"image": [b"a", b"b", b"c"], "label": [1, -1, 7], "n": [1, 2, 3]}
    parquet(tmp_path, columns, metadata=note)
    assert answers(tmp_path, "a.parquet") == [{"label": "dog", "n": 1}, {"n": 2}, {"label": 7, "n": 3}]
    for odd in (b"{", b"[]", b'{"info": 3}', b'{"info": {"features": {"label": {"names": [1]}}}}'):
        parquet(tmp_path, columns, metadata={b"huggingface": odd})
        assert [cells["label"] for cells in answers(tmp_path, "a.parquet")] == [1, -1, 7]


def test_a_damaged_parquet_file_is_one_message(tmp_path: Path) -> None:
    parquet(tmp_path, {"image": [b"x" * 1000], "label": ["a"]})
    whole = (tmp_path / "a.parquet").read_bytes()
    for damaged in (whole[:-20], b"", b"PAR1", whole[:4] + bytes(len(whole) - 4), whole[:2] + whole[9:]):
        write(tmp_path, damaged, "a.parquet")
        assert only_error(tmp_path, "a.parquet").startswith("a.parquet: is damaged or no Parquet file")


# ---- folders of tables


def parts(folder: Path) -> Iterator[tuple[str, str]]:
    for record in read(folder.parent, folder.name)[0]:
        yield record.location, record.split


def test_a_folder_of_tables_is_split_by_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for name in ("train-00000-of-00002.parquet", "train-00001-of-00002.parquet", "validation.parquet"):
        parquet(folder, {"image": [b"x"], "label": ["a"]}, name)
    (folder / "README.md").touch()
    (folder / ".git").mkdir()
    assert list(parts(folder)) == [
        ("set/train-00000-of-00002.parquet:1", "train"),
        ("set/train-00001-of-00002.parquet:1", "train"),
        ("set/validation.parquet:1", "validation"),
    ]
    (folder / "a.jpg").touch()  # now it is a folder of pictures beside which tables lie
    assert open_source({"path": "set"}, tmp_path).format == "folder"


def test_the_format_may_be_given_but_the_ending_counts(tmp_path: Path) -> None:
    write(tmp_path, "image\na.jpg\n", "list.doc")
    assert only_error(tmp_path, "list.doc", format="table").startswith(
        'list.doc: is no table by its ending ".doc"'
    )


# ---- real data


def test_real_tables(shared: Path) -> None:
    records, problems = read(shared / "data" / "clothing")
    assert (len(records), problems) == (820, [])
    assert sum("kind" not in record.answers for record in records) == 46
    assert records[0].image.load()
    records, problems = read(shared / "data", "cifar10")
    assert (len(records), problems) == (60_000, [])
    assert sum(record.split == "test" for record in records) == 10_000
    assert len({record.answers["label"] for record in records}) == 10


# ---- CSV: what separates the cells


@pytest.mark.parametrize("first", ["sep=;\n", '"sep=;"\r\n', "SEP=;\n"])
def test_the_line_that_excel_hides_is_none_of_the_table(tmp_path: Path, first: str) -> None:
    write(tmp_path, f"{first}image;kind, colour;size\na.jpg;x;3\nb.jpg;y;4;5\n")
    records, problems = read(tmp_path)
    expected = {"kind, colour": "x", "size": "3"}
    assert [(r.location, r.answers) for r in records] == [("labels.csv:3", expected)]
    assert [str(p).split(" ")[0] for p in problems] == ["labels.csv:4"]
    assert 'the separator ";"' in problems[0].hint


def test_the_line_of_excel_says_any_separator_and_a_key_wins(tmp_path: Path) -> None:
    write(tmp_path, "sep=:\nimage:kind;x\na.jpg:red\n")
    assert answers(tmp_path) == [{"kind;x": "red"}]
    write(tmp_path, "sep=;\nimage:kind\na.jpg:red\n")
    assert answers(tmp_path, delimiter=":") == [{"kind": "red"}]
    write(tmp_path, "sep=\t\nimage\tkind\na.jpg\tred\n")
    assert answers(tmp_path) == [{"kind": "red"}]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("image;size, cm, mean\na.jpg;3,5\n", {"size, cm, mean": "3,5"}),
        ("image;size, cm;weight, kg\na.jpg;3,5;4,5\n", {"size, cm": "3,5", "weight, kg": "4,5"}),
        ("image,kind;colour;size\na.jpg,red\n", {"kind;colour;size": "red"}),
        ("image\ta|b|c\na.jpg\tx|y|z\n", {"a|b|c": "x|y|z"}),
        ('"image";"a, b, c"\n"a.jpg";"x, y, z"\n', {"a, b, c": "x, y, z"}),
        ("image,kind;x,size\na.jpg,red\nb.jpg,blue,3\n", {"kind;x": "red"}),
        ("image;kind\na.jpg;x,y,z,w\n", {"kind": "x,y,z,w"}),
    ],
)
def test_the_separator_is_the_one_that_the_rows_keep_to(
    tmp_path: Path, content: str, expected: dict[str, str]
) -> None:
    write(tmp_path, content)
    assert answers(tmp_path)[0] == expected


def test_two_separators_that_fit_alike_are_asked_for(tmp_path: Path) -> None:
    write(tmp_path, "image;one,two\n1;x,y\n2;z,w\n")
    assert only_error(tmp_path) == (
        'labels.csv: its cells may be separated by "," or by ";" — say which: delimiter = ","'
    )
    assert "Its columns: image" not in str(read(tmp_path, delimiter=";"))


def test_a_table_without_pictures_says_what_separated_it(tmp_path: Path) -> None:
    write(tmp_path, "id:kind\n1:x\n")
    assert 'Its columns: id:kind, separated by "," (`delimiter` says otherwise)' in only_error(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_what_excel_writes_elsewhere_in_europe(tmp_path: Path, encoding: str) -> None:
    write(tmp_path, "image;größe\nä.jpg;3,5\n".encode(encoding))
    assert answers(tmp_path, encoding="utf-8" if "8" in encoding else "utf-16") == [{"größe": "3,5"}]


def test_a_header_with_more_names_than_any_row_has_cells_is_refused(tmp_path: Path) -> None:
    """A name that holds the separator would move every cell behind it."""
    write(tmp_path, "image,size (cm, mean),price\na.jpg,3,9\nb.jpg,4\n")
    problem = read(tmp_path)[1][-1]
    assert problem.fatal
    assert str(problem) == (
        "labels.csv  names 4 columns, but none of its rows has more than 3 cells — put a name that holds the "
        'separator "," between quotation marks, or give a row all its cells'
    )
    write(tmp_path, "image,kind,price,,\na.jpg,x\nb.jpg,y,4\n")
    assert answers(tmp_path) == [{"kind": "x"}, {"kind": "y", "price": "4"}]


def test_names_of_columns_are_printed_on_one_line(tmp_path: Path) -> None:
    write(tmp_path, '"style\tnote\x1b",kind\na.jpg,x\n')
    assert only_error(tmp_path, image="note") == (
        'labels.csv: has no column "note". Known: kind, style\\tnote\\x1b.'
    )


def test_a_damaged_page_of_parquet_is_no_other_number(tmp_path: Path) -> None:
    """Where the file holds checksums, as it should."""
    content = pa.table({"image": ["a.jpg", "b.jpg"], "price": [34.039, 2.5]})
    pq.write_table(content, tmp_path / "t.parquet", write_page_checksum=True, compression="none")
    data = (tmp_path / "t.parquet").read_bytes()
    place = data.index(struct.pack("<d", 34.039))
    (tmp_path / "t.parquet").write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    assert "is damaged or no Parquet file" in only_error(tmp_path, "t.parquet")


def test_a_key_twice_in_a_json_line_is_named(tmp_path: Path) -> None:
    """One of the two answers would be lost."""
    write(
        tmp_path, '{"image": "a.jpg", "kind": "x", "kind": "y"}\n{"image": "b.jpg", "kind": "z"}', "a.jsonl"
    )
    records, problems = read(tmp_path, "a.jsonl")
    assert [record.answers for record in records] == [{"kind": "z"}]
    assert [str(problem) for problem in problems] == [
        'a.jsonl:1  holds "kind" twice — keep one of them; the row is left out'
    ]


def test_a_number_may_name_a_picture(tmp_path: Path) -> None:
    (tmp_path / "7.jpg").touch()
    write(tmp_path, '{"image": 7.0}\n{"image": 7}\n{"image": "7"}', "a.jsonl")
    records, _ = read(tmp_path, "a.jsonl", image="image")
    assert [record.image.stamp()[0] for record in records] == [str(tmp_path.resolve() / "7.jpg")] * 3


def test_a_quotation_mark_that_takes_rows_with_it_is_fatal(tmp_path: Path) -> None:
    write(tmp_path, 'image,note,kind\na.jpg,"open,x\nb.jpg,fine,y\nc.jpg,close",z\nd.jpg,,w\n')
    records, problems = read(tmp_path)
    assert [record.answers for record in records] == [{"kind": "w"}]
    assert problems[0].fatal
    assert str(problems[0]).startswith(
        "labels.csv:2  has a cell that goes on to line 4 and holds whole rows — close"
    )
    write(tmp_path, 'image,note\na.jpg,"two lines,\nand b.jpg"\n')  # a caption
    assert answers(tmp_path) == [{"note": "two lines,\nand b.jpg"}]
