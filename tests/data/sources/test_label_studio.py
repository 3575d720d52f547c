"""Label Studio's JSON: regions in per cent, answers about pictures and about regions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.annotated import annotations_of, boxes, corners, draw, kinds, read

from oneglance.data.record import Box, BoxAnnotations
from oneglance.data.source import open_source
from oneglance.errors import DataError


def region(kind: str = "rectanglelabels", key: str = "r1", **value: Any) -> dict[str, Any]:
    labels = {kind: ["cat"]} if kind.endswith("labels") else {}
    picture_path = {"x": 10, "y": 25, "width": 30, "height": 50, "rotation": 0}
    return {
        "id": key,
        "type": kind,
        "from_name": "box",
        "to_name": "image",
        "image_rotation": 0,
        "original_width": 100,
        "original_height": 80,
        "value": {**picture_path, **labels, **value},
    }


def answer(kind: str, name: str, key: str = "w", **value: Any) -> dict[str, Any]:
    return {"id": key, "type": kind, "from_name": name, "to_name": "image", "value": value}


def task(*results: Any, image: str = "a.png", **value: Any) -> dict[str, Any]:
    return {"id": 7, "data": {"image": image}, "annotations": [{"result": list(results)}], **value}


def write(folder: Path, *tasks: Any) -> Path:
    draw(folder / "a.png")
    (folder / "tasks.json").write_text(json.dumps(tasks))
    return folder / "tasks.json"


def test_per_cent_become_pixels(tmp_path: Path) -> None:
    ((record,), problems) = read(write(tmp_path, task(region())))
    assert problems == []
    assert record.location == "tasks.json: task 7"
    assert annotations_of(record) == BoxAnnotations((Box(10, 20, 40, 60, "cat"),), frozenset({"cat"}))


def test_answers_about_the_picture_are_fields(tmp_path: Path) -> None:
    results = (
        answer("choices", "kind", choices=["shirt"]),
        answer("choices", "style", choices=["striped", "plain"]),
        answer("taxonomy", "tree", taxonomy=[["animal", "cat"]]),
        answer("taxonomy", "trees", taxonomy=[["animal", "cat"], ["plant"]]),
        answer("number", "price", number=12.5),
        answer("rating", "stars", rating=4),
        answer("textarea", "note", text=["old"]),
        answer("datetime", "day", datetime="2024-01-02"),
        answer("choices", "nothing", choices=[]),
    )
    ((record,), problems) = read(
        write(tmp_path, task(*results, data={"image": "a.png", "seller": "s1", "x": {}}))
    )
    assert problems == []
    assert record.answers == {
        "seller": "s1",
        "kind": "shirt",
        "style": ["striped", "plain"],
        "tree": "animal/cat",
        "trees": ["animal/cat", "plant"],
        "price": 12.5,
        "stars": 4,
        "note": "old",
        "day": "2024-01-02",
    }


def test_answers_about_a_region_are_attributes(tmp_path: Path) -> None:
    results = (
        answer("choices", "colour", "r1", choices=["red"], x=10, y=25, width=30, height=50),
        region(),
        region(key="r2", height=60),
        answer("number", "legs", "r2", number=4),
    )
    ((record,), problems) = read(write(tmp_path, task(*results)))
    assert [box.attributes for box in boxes(record)] == [{"colour": "red"}, {"legs": 4}]
    assert list(record.answers) == ["objects"]
    assert problems == []


def test_labels_apart_from_their_shape(tmp_path: Path) -> None:
    results = (region("rectangle"), answer("labels", "what", "r1", labels=["dog"]), region("rectangle", "r2"))
    ((record,), problems) = read(write(tmp_path, task(*results)))
    assert [box.label for box in boxes(record)] == ["dog", ""]
    assert problems == []


def test_two_things_of_one_id_are_two(tmp_path: Path) -> None:
    ((record,), problems) = read(write(tmp_path, task(region(), region(height=60, rectanglelabels=["dog"]))))
    assert [box.label for box in boxes(record)] == ["cat", "dog"]
    assert corners(record) == [(10, 20, 40, 60), (10, 20, 40, 68)]
    ((record,), problems) = read(
        write(tmp_path, task(region(), region("rectangle", rectanglelabels=["pet"])))
    )
    assert [box.label for box in boxes(record)] == ["cat", "pet"]
    assert problems == []


@pytest.mark.parametrize("labels", [["cat", 5], [None], "cat"])
def test_a_class_that_is_no_word_leaves_its_place(tmp_path: Path, labels: Any) -> None:
    ((record,), _) = read(
        write(tmp_path, task(region(), region(key="r2", height=60, rectanglelabels=labels)))
    )
    assert [box.label for box in boxes(record)] == ["cat", *["cat"] * (len(labels) == 2), ""]
    assert annotations_of(record).queried == frozenset({"cat"})


def test_chosen_words_that_are_none_make_the_answer_unknown(tmp_path: Path) -> None:
    results = (
        answer("choices", "kind", choices=["hat", 5]),
        answer("taxonomy", "tree", taxonomy=[["a"], [None]]),
    )
    ((record,), _) = read(write(tmp_path, task(*results)))
    assert record.answers == {}


def test_a_broken_region_of_the_short_form_is_something_somewhere(tmp_path: Path) -> None:
    place = {"x": 10, "y": 25, "width": 30, "height": 50, "rectanglelabels": ["cat"]}
    ((record,), _) = read(write(tmp_path, short(box=[place, "?"])))
    assert annotations_of(record) == BoxAnnotations(
        (Box(10, 20, 40, 60, "cat"),), frozenset(), frozenset({""})
    )


def test_two_labels_are_two_boxes(tmp_path: Path) -> None:
    ((record,), _) = read(write(tmp_path, task(region(rectanglelabels=["cat", "pet"]))))
    assert [box.label for box in boxes(record)] == ["cat", "pet"]
    assert corners(record) == [(10, 20, 40, 60)] * 2


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (region(x=40, y=25, rotation=90, width=40, height=30), (16, 20, 40, 60)),
        (region("polygonlabels", points=[[10, 25], [40, 30], [15, 75]]), (10, 20, 40, 60)),
        (region("ellipselabels", x=25, y=50, radiusX=15, radiusY=25), (10, 20, 40, 60)),
    ],
)
def test_other_shapes_are_taken_by_their_bounds(
    tmp_path: Path, shape: dict[str, Any], expected: tuple[float, ...]
) -> None:
    other = {**shape, "id": "r2", "value": {**shape["value"], shape["type"]: ["dog"]}}
    ((record,), (problem,)) = read(write(tmp_path, task(shape, other)))
    assert corners(record) == [pytest.approx(expected)] * 2
    assert [box.label for box in boxes(record)] == ["cat", "dog"]
    assert "its bounds are taken (2 times, here first)" in problem.what


def test_the_first_annotation_that_was_not_cancelled_counts(tmp_path: Path) -> None:
    done: list[Any] = [
        {"result": [region(rectanglelabels=["a"])], "was_cancelled": True},
        {"result": [region(rectanglelabels=["b"])], "was_cancelled": False},
        {"result": [region(rectanglelabels=["c"])]},
    ]
    ((record,), problems) = read(write(tmp_path, task(annotations=done, predictions=done)))
    assert [box.label for box in boxes(record)] == ["b"]
    assert kinds(problems) == ["several annotations"]


def test_looked_and_found_nothing_differs_from_nobody_looked(tmp_path: Path) -> None:
    for name in ("b", "c"):
        draw(tmp_path / f"{name}.png")
    tasks = (task(region()), task(id=8, image="b.png"), task(id=9, image="c.png", annotations=[]))
    records, problems = read(write(tmp_path, *tasks))
    assert [record.answers.get("objects") for record in records[1:]] == [
        BoxAnnotations((), frozenset({"cat"})),
        None,
    ]
    assert problems == []
    ((record,), _) = read(write(tmp_path, task(answer("choices", "kind", choices=["hat"]))))
    assert record.answers == {"kind": "hat"}


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (region("brushlabels", "r3", format="rle", rle=[1]), "result brushlabels"),
        (region("keypointlabels", "r3"), "result keypointlabels"),
        ({**region(key="r3"), "image_rotation": 90}, "result region of a picture turned by hand"),
        (region(key="r3", width=0), "box has no area"),
        (region(key="r3", x="ten"), "box has a corner that is no number"),
        (region("polygonlabels", "r3", points=[[1], 2]), "box has a corner that is no number"),
        (region(key="r3", x=150), "box outside"),
        (None, "result"),
        ({"type": "choices"}, "result"),
        (answer("video", "v"), "result video"),
    ],
)
def test_what_cannot_be_used_is_reported(tmp_path: Path, result: Any, kind: str) -> None:
    about = answer("choices", "colour", "r3", choices=["red"])
    ((record,), problems) = read(write(tmp_path, task(region(), result, about)))
    assert kind in kinds(problems)
    assert corners(record) == [(10, 20, 40, 60)]
    if isinstance(result, dict) and result.get("id") == "r3":
        assert "colour" not in record.answers


@pytest.mark.parametrize(
    ("written", "picture_path"),
    [
        ("/data/upload/3/1234-a%20b.png", "1234-a b.png"),
        ("/data/local-files/?d=sub/a.png", "sub/a.png"),
        ("s3://bucket/deep/a.png", "a.png"),
        ("https://example.com/x/a.png?width=3", "a.png"),
        ("sub/a.png", "sub/a.png"),
    ],
)
def test_names_of_pictures(tmp_path: Path, written: str, picture_path: str) -> None:
    draw(tmp_path / "photos" / picture_path)
    ((record,), problems) = read(write(tmp_path, task(region(), image=written)), images="photos")
    assert record.image.load()
    assert len(boxes(record)) == 1
    assert problems == []


def test_names_do_not_leave_the_folder(tmp_path: Path) -> None:
    records, problems = read(
        write(tmp_path, task(), task(id=2, image="/data/local-files/?d=../../secret.png"))
    )
    assert len(records) == 1
    assert kinds(problems) == ["picture name"]


def test_tasks_that_cannot_be_used(tmp_path: Path) -> None:
    two = task(id=2, data={"front": "a.png", "back": "b.png"})
    path = write(tmp_path, task(), None, {"annotations": []}, two, task(id=3, data={"text": "hello"}))
    records, problems = read(path)
    assert len(records) == 1
    assert kinds(problems) == ["task"] * 4
    assert [record.image.name for record in read(path, image="front")[0]] == ["a.png"]


def test_a_region_without_a_size_is_measured_on_the_picture(tmp_path: Path) -> None:
    bare = {key: value for key, value in region().items() if not key.startswith("original")}
    ((record,), problems) = read(write(tmp_path, task(bare)))
    assert corners(record) == [(10, 20, 40, 60)]
    assert problems == []


def short(**value: Any) -> dict[str, Any]:
    own = {"annotator": 1, "annotation_id": 5, "created_at": "x", "updated_at": "y", "lead_time": 3.5}
    return {"image": "/data/upload/1/a.png", "id": 7, "seller": "s1", **own, **value}


def test_the_short_form_says_the_same(tmp_path: Path) -> None:
    picture_path = {"x": 10, "y": 25, "width": 30, "height": 50, "rotation": 0}
    size = {"original_width": 100, "original_height": 80}
    outline = {"points": [[10, 25], [40, 30], [15, 75]], "closed": True, "polygonlabels": ["dog"], **size}
    entry = short(
        box=[{**picture_path, "rectanglelabels": ["cat"], **size}],
        outline=[outline],
        brush=[{"format": "rle", "rle": [1], "brushlabels": ["cat"], **size}],
        kind="shirt",
        style={"choices": ["striped", "plain"]},
        tree=[["animal", "cat"]],
        price=[{"number": 12.5}],
        stars=[{"rating": 4}],
        crop=[{"taxonomy": [["plant", "corn"]]}],
        note=["old", "worn"],
    )
    path = write(tmp_path, entry, short(kind="hat"))
    assert open_source({"path": path.name}, tmp_path).format == "label_studio"
    ((record,), problems) = read(path)
    assert record.location == "tasks.json: task 7"
    assert record.answers == {
        "seller": "s1",
        "kind": "shirt",
        "style": ["striped", "plain"],
        "tree": "animal/cat",
        "price": 12.5,
        "stars": 4,
        "crop": "plant/corn",
        "note": ["old", "worn"],
        "objects": BoxAnnotations(
            (Box(10, 20, 40, 60, "cat"), Box(10, 20, 40, 60, "dog")),
            frozenset({"dog"}),  # what the brush painted is a cat, too, somewhere
            frozenset({"cat"}),
        ),
    }
    assert kinds(problems) == ["polygon", "result brushlabels", "several annotations"]


def test_another_export_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "min.json").write_text('{"image": "a.png"}')
    with pytest.raises(DataError, match='export it from Label Studio as "JSON"'):
        read(tmp_path / "min.json", format="label_studio")
