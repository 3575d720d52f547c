"""What large public programs export is read as it was meant.

None of them is a dev dependency: each brings over 100 MB, and datumaro asks for an older Pillow. Who has
them installed runs these tests; for all others they are skipped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.annotated import annotations_of, boxes, kinds, read
from test_public_tools import EVERY, HEIGHT, THINGS, WIDTH, boxes_by_name, pictures  # type: ignore[import-not-found]

from oneglance.data.record import Record

CLASSES = sorted(EVERY)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of the tools


def absent(tool: str) -> str:
    return f"{tool} is not installed (too large for a dev dependency)"


# supervision


def supervised(folder: Path) -> Any:
    tool = pytest.importorskip("supervision", reason=absent("supervision"))
    pictures(folder)
    said = {}
    for name, things in THINGS.items():
        said[str(folder / name)] = tool.Detections(
            xyxy=np.array([box for _, box in things], dtype=float).reshape(-1, 4),
            class_id=np.array([CLASSES.index(label) for label, _ in things], dtype=int),
        )
    return tool.DetectionDataset(CLASSES, list(said), said)


@pytest.mark.parametrize(("format", "given"), [("coco", "said.json"), ("voc", ""), ("yolo", "")])
def test_what_supervision_writes(tmp_path: Path, format: str, given: str) -> None:
    expected_kinds = supervised(tmp_path / "pictures")
    base = tmp_path / "set"
    if format == "coco":
        expected_kinds.as_coco(str(base / "images"), str(base / given))
    elif format == "voc":
        expected_kinds.as_pascal_voc(str(base / "JPEGImages"), str(base / "Annotations"))
    else:
        expected_kinds.as_yolo(str(base / "images"), str(base / "labels"), str(base / "data.yaml"))
    records, problems = read(base / given)
    assert kinds(problems) == []
    assert boxes_by_name(records) == THINGS
    assert {annotations_of(record).queried for record in records} == {EVERY}


# datumaro

SPLITS = {"a": "train", "b": "train", "c": "val"}


def unified(folder: Path, tagged: bool = False) -> Any:
    tool = pytest.importorskip("datumaro", reason=absent("datumaro"))
    pictures(folder)
    items = []
    for name, things in THINGS.items():
        stem = Path(name).stem
        marks: list[Any] = [
            tool.Bbox(
                x0,
                y0,
                x1 - x0,
                y1 - y0,
                label=CLASSES.index(label),
                attributes={"occluded": label == "dog", "colour": "red"},
            )
            for label, (x0, y0, x1, y1) in things
        ]
        if tagged:
            marks = [tool.Label(label=CLASSES.index(label)) for label, _ in things]
        media = tool.Image.from_file(path=str(folder / name))
        items.append(tool.DatasetItem(id=stem, subset=SPLITS[stem], media=media, annotations=marks))
    return tool.Dataset.from_iterable(items, categories=CLASSES)


def parts(records: list[Record]) -> dict[str, str]:
    return {Path(record.image.name).stem: record.split for record in records}


# What our records hold of what datumaro was given: the attributes of the dog.
SAID: dict[str, dict[str, Any]] = {
    "coco_instances": {"occluded": True, "colour": "red"},
    "cvat": {"occluded": "1", "colour": "red"},
    "yolo": {},  # darknet's
    "yolo_ultralytics": {},
}


@pytest.mark.parametrize("format", SAID)
def test_what_datumaro_writes(tmp_path: Path, format: str) -> None:
    more = {"allow_undeclared_attrs": True} if format == "cvat" else {}
    unified(tmp_path / "pictures").export(str(tmp_path / "set"), format, save_media=True, **more)
    records, problems = read(tmp_path / "set")
    assert kinds(problems) == []
    assert boxes_by_name(records) == THINGS
    assert parts(records) == {"a": "train", "b": "train", "c": "validation"}
    assert {annotations_of(record).queried for record in records} == {EVERY}
    (dog,) = [box for record in records for box in boxes(record) if box.label == "dog"]
    assert dog.attributes == SAID[format]


def test_what_datumaro_writes_as_voc(tmp_path: Path) -> None:
    """It leaves out the file of a picture without boxes: to VOC that is one nobody looked at."""
    unified(tmp_path / "pictures").export(str(tmp_path / "set"), "voc_detection", save_media=True)
    records, problems = read(tmp_path / "set", first_pixel=0)
    assert kinds(problems) == ["no annotation"]
    assert parts(records) == {"a": "train", "b": "train", "c": "validation"}
    expected_kinds = [record for record in records if "objects" in record.answers]
    assert boxes_by_name(expected_kinds) == {name: things for name, things in THINGS.items() if things}


def test_what_datumaro_writes_as_labels(tmp_path: Path) -> None:
    unified(tmp_path / "pictures", tagged=True).export(str(tmp_path / "set"), "coco_labels", save_media=True)
    records, problems = read(tmp_path / "set")
    assert kinds(problems) == []
    tags = {Path(record.image.name).name: record.answers.get("tags", []) for record in records}
    assert tags == {name: [label for label, _ in things] for name, things in THINGS.items()}


# Label Studio

CONTROLS = """<View><Image name="image" value="$image"/>
<RectangleLabels name="box" toName="image"><Label value="cat"/><Label value="dog"/></RectangleLabels>
<Number name="price" toName="image"/><Rating name="stars" toName="image"/>
<Choices name="kind" toName="image"><Choice value="hat"/></Choices>
<Choices name="style" toName="image" choice="multiple"><Choice value="plain"/><Choice value="new"/></Choices>
<Taxonomy name="tree" toName="image"><Choice value="plant"><Choice value="corn"/></Choice></Taxonomy>
<TextArea name="note" toName="image"/></View>"""
WHOLE: dict[str, dict[str, Any]] = {
    "price": {"number": 12.5},
    "stars": {"rating": 4},
    "kind": {"choices": ["hat"]},
    "style": {"choices": ["plain", "new"]},
    "tree": {"taxonomy": [["plant", "corn"]]},
    "note": {"text": ["old"]},
}


def result(name: str, kind: str, value: dict[str, Any], key: str) -> dict[str, Any]:
    size = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
    return {"id": key, "from_name": name, "to_name": "image", "type": kind, "value": value, **size}


def drawn(folder: Path) -> Path:
    """The tasks as a server of Label Studio keeps them."""
    tasks = []
    for number, (name, things) in enumerate(THINGS.items()):
        results = []
        for label, (x0, y0, x1, y1) in things:
            place = {"x": x0, "y": y0 / 0.8, "width": x1 - x0, "height": (y1 - y0) / 0.8, "rotation": 0}
            value = {**place, "rectanglelabels": [label]}
            results.append(result("box", "rectanglelabels", value, f"{name}{label}"))
        if name == "a.png":
            kind = {"text": "textarea"}
            results += [result(n, kind.get(k := next(iter(v)), k), v, n) for n, v in WHOLE.items()]
        made = {"created_at": "2024-01-02T03:04:05Z", "updated_at": "2024-01-02T03:04:05Z", "lead_time": 1.5}
        annotation = {"id": number, "completed_by": 1, "was_cancelled": False, "result": results, **made}
        data = {"image": f"/data/upload/1/{name}"}
        tasks.append({"id": number, "data": data, "annotations": [annotation], "predictions": []})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tasks.json").write_text(json.dumps(tasks))
    return folder / "tasks.json"


@pytest.mark.parametrize("format", ["json", "json_min", "voc", "yolo"])
def test_what_label_studio_exports(tmp_path: Path, format: str) -> None:
    tool = pytest.importorskip("label_studio_sdk.converter", reason=absent("label-studio-sdk"))
    base = tmp_path / "set"
    pictures(base / "images")
    converter = tool.Converter(CONTROLS, str(tmp_path), download_resources=False)
    getattr(converter, f"convert_to_{format}")(str(drawn(tmp_path / "server")), str(base), is_dir=False)
    records, problems = read(base / "result.json" if format.startswith("json") else base)
    expected_kinds = boxes_by_name([record for record in records if "objects" in record.answers])
    if format == "voc":  # no file for a picture without boxes, and pixels from 0
        assert kinds(problems) == ["pixels from 0"]
        assert expected_kinds == {name: things for name, things in THINGS.items() if things}
        return
    assert kinds(problems) == []
    assert expected_kinds == THINGS
    if format == "yolo":  # its list of classes holds every word of every control
        assert {annotations_of(record).queried for record in records} == {
            EVERY | {"corn", "hat", "new", "plain", "plant"}
        }
        return
    assert {annotations_of(record).queried for record in records} == {EVERY}
    (answers,) = [record.answers for record in records if record.image.name == "a.png"]
    assert {name: value for name, value in answers.items() if name != "objects"} == {
        "price": 12.5,
        "stars": 4,
        "kind": "hat",
        "style": ["plain", "new"],
        "tree": "plant/corn",
        "note": "old",
    }
    assert all(record.image.load() for record in records)
