"""Answers as JSON lines, CSV, Parquet and COCO."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from oneglance.data.record import Record
from oneglance.data.source import open_source
from oneglance.errors import OneglanceError, RunError
from oneglance.inference.prediction_files import OWN, columns, flattened, line, write_answers
from oneglance.task import build_tasks

ANSWER: dict[str, dict[str, Any]] = {
    "kind": {"value": "hat", "confidence": 0.75, "probabilities": {"hat": 0.75, "shirt": 0.25}},
    "style": {"values": ["long", "striped"], "probabilities": {"long": 0.9, "striped": 0.8}},
    "price": {"value": 31.5, "low": 22.0, "high": 41.0, "unit": "€"},
}
ROWS: list[dict[str, Any]] = [
    {"image": "new/a.jpg", "width": 640, "height": 480, "answers": ANSWER},
    {"image": 'new/b "ü".jpg', "error": "is cut short"},
    {
        "image": "new/c.jpg",
        "width": 1,
        "height": 20000,
        "answers": {
            **ANSWER,
            "style": {"values": [], "probabilities": {"long": 0.1, "striped": 0.0}},
            "price": {"value": 2.0, "low": None, "high": None, "unit": "€"},
        },
    },
]
COLUMNS = [
    "image",
    "width",
    "height",
    "kind",
    "kind_confidence",
    "kind_probabilities_hat",
    "kind_probabilities_shirt",
    "style",
    "style_probabilities_long",
    "style_probabilities_striped",
    "price",
    "price_low",
    "price_high",
    "price_unit",
    "error",
]


def test_json_lines_are_the_objects_themselves(tmp_path: Path) -> None:
    write_answers(ROWS, tmp_path / "a.jsonl", ANSWER, {})
    lines = (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(text) for text in lines] == ROWS
    assert lines == [line(row) for row in ROWS]


def test_csv_has_a_column_per_part_of_an_answer(tmp_path: Path) -> None:
    write_answers(ROWS, tmp_path / "a.csv", ANSWER, {})
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        rows = list(table)
    assert table.fieldnames == COLUMNS
    assert [row["image"] for row in rows] == [row["image"] for row in ROWS]
    assert rows[0]["style"] == "long|striped"
    assert (rows[0]["price"], rows[0]["price_unit"], rows[0]["error"]) == ("31.5", "€", "")
    assert set(rows[1].values()) == {'new/b "ü".jpg', "is cut short", ""}
    assert (rows[2]["style"], rows[2]["price_low"]) == ("", "")


def test_parquet_has_typed_columns(tmp_path: Path) -> None:
    write_answers(ROWS, tmp_path / "a.parquet", ANSWER, {})
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.column_names == COLUMNS
    types = {name: str(kind) for name, kind in zip(table.column_names, table.schema.types, strict=True)}
    assert {types[name] for name in ("image", "kind", "style", "price_unit", "error")} == {"string"}
    assert {types[name] for name in ("width", "height")} == {"int64"}
    assert {types[name] for name in ("kind_confidence", "price", "price_low")} == {"double"}
    rows = table.to_pylist()
    assert rows[1] == dict.fromkeys(COLUMNS) | ROWS[1]
    assert (rows[2]["height"], rows[2]["style"], rows[2]["price_low"]) == (20000, "", None)


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_no_rows_make_a_file_all_the_same(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    write_answers([], path, ANSWER, {})
    if ending == "parquet":
        assert pq.read_table(path).column_names == COLUMNS
    else:
        assert path.read_text() == ("" if ending == "jsonl" else ",".join(COLUMNS) + "\n")


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet", "json"])
def test_what_fails_half_way_leaves_the_old_file(tmp_path: Path, ending: str) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield ROWS[0]
        raise KeyboardInterrupt

    path = tmp_path / f"a.{ending}"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_answers(rows(), path, ANSWER, {})
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_another_ending_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        raise AssertionError("a network has been asked in vain")
        yield {}

    with pytest.raises(
        OneglanceError, match=r'"\.txt" — use \.jsonl, \.csv or \.parquet, or \.json for COCO'
    ):
        write_answers(rows(), tmp_path / "a.txt", ANSWER, {})
    with pytest.raises(RunError, match="cannot be written"):
        write_answers(rows(), tmp_path / "no folder" / "a.csv", ANSWER, {})


def test_capital_letters_in_an_ending_do_no_harm(tmp_path: Path) -> None:
    write_answers(ROWS, tmp_path / "A.CSV", ANSWER, {})
    assert (tmp_path / "A.CSV").read_text(encoding="utf-8").startswith("image,width,")


NAMES = st.sampled_from([*OWN, "kind", "kind_value", "kind_low", "kind_", "width_", "answers"])
TASKS = st.dictionaries(NAMES, st.just({"value": 1.0, "low": 0.5, "high": 2.0}), max_size=6)


@given(TASKS)
def test_no_column_replaces_another(answers: dict[str, Any]) -> None:
    row = {"image": "a.jpg", "width": 3, "height": 4, "answers": answers}
    flat = flattened(row)
    assert len(flat) == 3 + 3 * len(answers)
    assert (flat["image"], flat["width"], flat["height"]) == ("a.jpg", 3, 4)
    assert "error" not in flat
    assert list(columns(answers)) == [*flat, "error"]


def test_a_task_called_as_a_column_of_the_picture() -> None:
    flat = flattened({"image": "a", "width": 3, "height": 4, "answers": {"width": {"value": 9.0}}})
    assert flat == {"image": "a", "width": 3, "height": 4, "width_": 9.0}


# COCO.

TABLES: dict[str, Any] = {
    "kind": {"type": "label"},
    "style": {"type": "tags"},
    "price": {"type": "number"},
    "things": {"type": "boxes", "attributes": {"colour": {"type": "label"}}},
    "faces": {"type": "boxes"},
}
RED: dict[str, Any] = {
    "colour": {"value": "red", "confidence": 0.6, "probabilities": {"red": 0.6, "blue": 0.4}}
}


def thing(label: str, *corners: float, confidence: float = 0.8, **attributes: Any) -> dict[str, Any]:
    return {"box": list(corners), "label": label, "confidence": confidence, "attributes": attributes}


BOXED: dict[str, dict[str, Any]] = {
    **ANSWER,
    "things": {"boxes": [thing("pear", 0.0, 0.0, 1.0, 1.0, **RED), thing("apple", 0, 0, 1, 1, **RED)]},
    "faces": {"boxes": [thing("apple", 0.0, 0.0, 1.0, 1.0)]},
}
SEEN: list[dict[str, Any]] = [
    {
        "image": "new/a.png",
        "width": 64,
        "height": 48,
        "unfamiliar": 0.25,
        "answers": {
            **ANSWER,
            "things": {
                "boxes": [
                    thing("pear", 10.25, 4.5, 30.75, 40.0, **RED),
                    thing("apple", 0.0, 0.0, 64.0, 48.0, confidence=0.5, **RED),
                ]
            },
            "faces": {"boxes": [thing("apple", 1.0, 2.0, 11.0, 22.0)]},
        },
    },
    {"image": 'new/b "ü".png', "error": "is cut short"},
    {
        "image": "new/c.png",
        "width": 64,
        "height": 48,
        "answers": {**ANSWER, "things": {"boxes": []}, "faces": {"boxes": []}},
    },
]


def coco(folder: Path, rows: list[dict[str, Any]], *names: str) -> dict[str, Any]:
    """What the file holds, of the tasks ``names``; default: all."""
    tasks = build_tasks({name: TABLES[name] for name in names or TABLES})
    kept = [
        {**row, "answers": {name: row["answers"][name] for name in tasks}} if "answers" in row else row
        for row in rows
    ]
    write_answers(kept, folder / "a.json", {name: BOXED[name] for name in tasks}, tasks)
    return json.loads((folder / "a.json").read_text(encoding="utf-8"))


def test_coco_has_an_annotation_per_box(tmp_path: Path) -> None:
    content = coco(tmp_path, SEEN)
    assert content["categories"] == [
        {"id": 1, "name": "apple", "supercategory": "things"},
        {"id": 2, "name": "pear", "supercategory": "things"},
        {"id": 3, "name": "apple", "supercategory": "faces"},
    ]
    first, *others = content["annotations"]
    colour = {"colour": "red", "colour_confidence": 0.6}
    assert first == {
        "id": 1,
        "image_id": 1,
        "category_id": 2,
        "bbox": [10.25, 4.5, 20.5, 35.5],
        "area": 727.75,
        "iscrowd": 0,
        "score": 0.8,
        "attributes": {**colour, "colour_probabilities_red": 0.6, "colour_probabilities_blue": 0.4},
    }
    assert [(one["id"], one["image_id"], one["category_id"]) for one in others] == [(2, 1, 1), (3, 1, 3)]
    assert "attributes" not in others[1]


def test_coco_keeps_the_other_answers_beside_the_pictures(tmp_path: Path) -> None:
    first, second, third = coco(tmp_path, SEEN)["images"]
    own = {"id": 1, "file_name": "new/a.png", "width": 64, "height": 48, "unfamiliar": 0.25}
    assert first == {
        **own,
        **{name: value for name, value in flattened({"answers": ANSWER}).items() if name != "style"},
        "style": ["long", "striped"],
    }
    assert second == {
        "id": 2,
        "file_name": 'new/b "ü".png',
        "error": "is cut short",
        "neg_category_ids": [],
    }
    assert (third["id"], third["kind"]) == (3, "hat")


def test_the_cocos_own_tool_reads_it_and_scores_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tools, scores = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    content = coco(tmp_path, SEEN, "kind", "things")
    truth = tools.COCO(str(tmp_path / "a.json"))
    assert sorted(truth.getImgIds()) == [1, 2, 3]
    assert [
        records["bbox"] for records in truth.loadAnns(truth.getAnnIds(catIds=truth.getCatIds("pear")))
    ] == [[10.25, 4.5, 20.5, 35.5]]
    results = truth.loadRes(content["annotations"])
    measured = scores.COCOeval(truth, results, "bbox")
    measured.evaluate()
    measured.accumulate()
    measured.summarize()
    assert measured.stats[0] == pytest.approx(1), "answers that are also the truth are all right"
    capsys.readouterr()


def test_the_answers_can_be_learned_from(tmp_path: Path) -> None:
    for row in SEEN:
        (tmp_path / row["image"]).parent.mkdir(exist_ok=True)
        Image.new("RGB", (64, 48)).save(tmp_path / row["image"])
    coco(tmp_path, SEEN, "kind", "style", "things")
    records = list(open_source({"path": "a.json"}, tmp_path).read())
    first, second, third = (item for item in records if isinstance(item, Record))
    assert len(records) == 3, "there are no problems"
    assert (first.answers["kind"], first.answers["style"]) == ("hat", ["long", "striped"])
    pear = first.answers["objects"].boxes[0]
    assert (pear.x0, pear.y0, pear.x1, pear.y1, pear.label) == (10.25, 4.5, 30.75, 40.0, "pear")
    assert (pear.attributes["colour"], pear.attributes["colour_confidence"]) == ("red", 0.6)
    assert "objects" not in second.answers, "a picture that cannot be read has no answers"
    assert third.answers["objects"].boxes == ()


def test_coco_without_boxes_says_nothing_of_boxes(tmp_path: Path) -> None:
    content = coco(tmp_path, SEEN, "kind")
    assert (list(content), content["categories"]) == (["images", "categories"], [])
    assert [image.get("kind") for image in content["images"]] == ["hat", None, "hat"]


def test_coco_of_no_picture_still_names_the_classes(tmp_path: Path) -> None:
    content = coco(tmp_path, [])
    assert (content["images"], content["annotations"], len(content["categories"])) == ([], [], 3)


def test_no_answer_replaces_a_field_of_coco(tmp_path: Path) -> None:
    tasks = build_tasks({"id": {"type": "label"}, "file_name": {"type": "label"}})
    answers = {"id": {"value": "x"}, "file_name": {"value": "y"}}
    write_answers([{"image": "a.png", "answers": answers}], tmp_path / "a.json", answers, tasks)
    (image,) = json.loads((tmp_path / "a.json").read_text())["images"]
    assert image == {"id": 1, "file_name": "a.png", "id_": "x", "file_name_": "y"}


def test_a_class_with_an_end_of_line_in_it_stays_in_its_row(tmp_path: Path) -> None:
    rows = [{"image": f"{odd!r}.jpg", "answers": {"kind": {"value": odd}}} for odd in ("a\rb", "a\nb", 'a"b')]
    write_answers(rows, tmp_path / "a.csv", {"kind": {"value": "hat"}}, {})
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        assert [row["kind"] for row in csv.DictReader(file)] == ["a\rb", "a\nb", 'a"b']
