"""COCO and its relatives: what becomes a box, and what is said of what does not."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support.annotated import annotations_of, boxes, corners, draw, kinds, read

from oneglance.data.inspection.checks import summary
from oneglance.data.record import Box, BoxAnnotations
from oneglance.errors import DataError

CATEGORIES = [{"id": 1, "name": "cat"}, {"id": 7, "name": "dog"}]
EVERY = frozenset({"cat", "dog"})


def write(folder: Path, name: str = "instances.json", **extra: Any) -> Path:
    draw(folder / "a.png")
    images = [{"id": 5, "file_name": "a.png", "width": 100, "height": 80}]
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"images": images, "categories": CATEGORIES, **extra}))
    return path


def mark(**extra: Any) -> dict[str, Any]:
    return {"id": 1, "image_id": 5, "category_id": 1, "bbox": [10, 20, 30, 40], "iscrowd": 0, **extra}


def test_boxes_with_all_that_is_said_of_them(tmp_path: Path) -> None:
    crowd = mark(id=2, category_id=7, iscrowd=1, bbox=[0.5, 0, 10.25, 80])
    box = mark(attributes={"colour": "red", "legs": 4, "note": "", "of": {"a": 1}}, occluded=True)
    ((record,), problems) = read(write(tmp_path, annotations=[box, crowd]))
    assert record.location == "instances.json: image 5"
    assert record.answers == {
        "objects": BoxAnnotations(
            (
                Box(10, 20, 40, 60, "cat", {"colour": "red", "legs": 4, "occluded": True}),
                Box(0.5, 0, 10.75, 80, "dog", {}, ignore=True),
            ),
            EVERY,
        )
    }
    assert kinds(problems) == ["nested of"]


@pytest.mark.parametrize(
    ("extra", "kind"),
    [
        ({"bbox": [10, 20, 0, 5]}, "box has no area"),
        ({"bbox": [10, 20, -5, 5]}, "box has its corners swapped"),
        ({"bbox": [100, 20, 5, 5]}, "box outside"),
        ({"bbox": [-5, 20, 5, 5]}, "box outside"),
        ({"bbox": [10, 20, 5]}, "box has a corner that is no number"),
        ({"bbox": [10, 20, "x", 5]}, "box has a corner that is no number"),
        ({"bbox": [10, 20, float("nan"), 5]}, "box has a corner that is no number"),
        ({"bbox": [10, 20, 1e308, 1e308]}, "box beyond the edge"),
        ({"bbox": [10, 20, True, 5]}, "box has a corner that is no number"),
        ({"bbox": [90, 20, 15, 5]}, "box beyond the edge"),
        ({"image_id": 6}, "image id unknown"),
        ({"image_id": [5]}, "image id unknown"),
        ({"category_id": 2}, "category unknown"),
        ({"bbox": [], "segmentation": {"counts": "abc", "size": [80, 100]}}, "annotation without a box"),
        ({"bbox": None, "caption": "a cat"}, "annotation without a box"),
        ({"bbox": None, "segmentation": [[1, 2, 30, 2, 30, 40, 1]]}, "polygons"),
    ],
)
def test_what_cannot_be_used_is_reported(tmp_path: Path, extra: dict[str, Any], kind: str) -> None:
    good = mark(id=2)
    more = {**extra, "category_id": extra.get("category_id", 7)}  # the same box twice would be one
    ((record,), problems) = read(write(tmp_path, annotations=[mark(**extra), good, mark(**more, id=3)]))
    assert set(kinds(problems)) - {"box twice"} == {kind}
    assert Box(10, 20, 40, 60, "cat") in boxes(record)
    labels = [box.label for box in boxes(record)]
    if kind in ("box beyond the edge", "polygons"):
        assert sorted(labels) == ["cat", "cat", "dog"]
    else:
        assert labels == (["", "cat"] if kind == "category unknown" else ["cat"])
    if "box has" in kind or kind in ("box outside", "annotation without a box"):
        assert annotations_of(record).queried == frozenset()
    assert all(box.x1 <= 100 and box.y1 <= 80 for box in boxes(record))
    assert len(summary([one for one in problems if one.kind != "box twice"])) == (
        1 if len(problems) == 1 else 2
    )


def test_masks_without_a_box_are_taken_by_their_bounds(tmp_path: Path) -> None:
    """The run begins in the fifth column, 8 rows down, and ends in the seventh."""
    mask = {"size": [80, 100], "counts": [5 * 80 + 8, 150, 8000 - 408 - 150]}
    crowd = mark(bbox=None, segmentation=mask, iscrowd=1)
    ((record,), (problem,)) = read(write(tmp_path, annotations=[crowd, {**crowd, "category_id": 7}]))
    assert corners(record) == [(5, 0, 7, 80)] * 2
    assert all(box.ignore for box in boxes(record))
    assert "is a mask without a box: its bounds are taken (2 times" in problem.what


def test_key_points_are_named_and_not_used(tmp_path: Path) -> None:
    person = mark(keypoints=[11, 21, 2], num_keypoints=1, category_id=7)
    plain = mark(keypoints=[], num_keypoints=0, segmentation=[[1, 2, 3, 4, 5, 6]], area=5.5)
    ((record,), (problem,)) = read(write(tmp_path, annotations=[plain, person], info={}, licenses=[]))
    assert boxes(record) == (Box(10, 20, 40, 60, "cat"), Box(10, 20, 40, 60, "dog"))
    assert kinds([problem]) == ["key points"]


def test_no_object_at_all_among_the_annotations(tmp_path: Path) -> None:
    ((record,), problems) = read(write(tmp_path, annotations=[mark(), None, 3, []]))
    assert len(boxes(record)) == 1
    assert kinds(problems) == ["annotation"] * 3


def test_bounds_of_polygons_are_reported_once(tmp_path: Path) -> None:
    outline = mark(bbox=None, segmentation=[[10, 20, 40, 25], [15, 60, 12, 30]])
    del outline["bbox"]
    ((record,), (problem,)) = read(write(tmp_path, annotations=[outline, {**outline, "category_id": 7}]))
    assert corners(record) == [(10, 20, 40, 60)] * 2
    assert "its bounds are taken (2 times, here first)" in problem.what


def test_looked_and_found_nothing_differs_from_nobody_looked(tmp_path: Path) -> None:
    ((record,), _) = read(write(tmp_path, annotations=[]))
    assert annotations_of(record) == BoxAnnotations((), EVERY)
    ((record,), problems) = read(write(tmp_path))
    assert record.answers == {}
    assert problems == []


def test_tags_and_other_fields_of_pictures(tmp_path: Path) -> None:
    image = {"id": 5, "file_name": "a.png", "seller": "s1", "price": 3.5, "extra": {"user_tags": ["new"]}}
    tag = {"id": 1, "image_id": 5, "category_id": 7}
    ((record,), problems) = read(write(tmp_path, images=[image], annotations=[tag]), group="seller")
    assert record.answers == {"seller": "s1", "price": 3.5, "tags": ["new", "dog"]}
    assert record.group == "s1"
    assert problems == []


def test_lvis_says_what_was_looked_for(tmp_path: Path) -> None:
    names = [{"id": n, "name": name} for n, name in enumerate(("cat", "dog", "cow", "hen"))]
    image = {
        "id": 5,
        "coco_url": "http://images.cocodataset.org/val2017/b.png",
        "neg_category_ids": [1, 99],
        "not_exhaustive_category_ids": [2],
    }
    quiet = {"id": 6, "file_name": "a.png", "neg_category_ids": []}
    draw(tmp_path / "val2017" / "b.png")
    marks = [mark(category_id=0), mark(category_id=2)]
    path = write(tmp_path, images=[image, quiet], annotations=marks, categories=names)
    (lvis, unseen), problems = read(path)
    assert lvis.image.name == "val2017/b.png"
    assert lvis.image.load()
    assert annotations_of(lvis).queried == frozenset({"cat", "dog"})
    assert [box.label for box in boxes(lvis)] == ["cat", "cow"]
    assert unseen.answers == {}
    assert problems == []


def test_pictures_may_lie_in_a_zip(tmp_path: Path) -> None:
    path = write(tmp_path, annotations=[mark(bbox=[90, 20, 30, 40])])
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.write(tmp_path / "a.png", "photos/a.png")
    (tmp_path / "a.png").unlink()
    ((record,), problems) = read(path, images="p.zip")
    assert record.image.name == "p.zip/photos/a.png"
    assert corners(record) == [(90, 20, 100, 60)]
    assert kinds(problems) == ["box beyond the edge"]


def test_a_folder_of_splits(tmp_path: Path) -> None:
    base = tmp_path / "set"
    for split in ("train2017", "val2017"):
        draw(base / split / f"{split}.png")
        image = {"id": 5, "file_name": f"{split}.png"}
        path = write(base, f"annotations/instances_{split}.json", images=[image], annotations=[mark()])
        path.with_name(f"captions_{split}.json").write_text(path.read_text())
    records, problems = read(base)
    assert [record.split for record in records] == ["train", "validation"]
    assert all(record.image.load() for record in records)
    assert problems == []


def test_a_folder_per_split(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        image = {"id": 5, "file_name": "a.png"}
        (tmp_path / "set" / split).mkdir(parents=True)
        write(tmp_path / "set" / split, "_annotations.coco.json", images=[image], annotations=[mark()])
    records, problems = read(tmp_path / "set")
    assert [record.split for record in records] == ["train", "validation"]
    assert problems == []


def test_pictures_and_categories_that_cannot_be_used(tmp_path: Path) -> None:
    images: list[Any] = [{"id": 5, "file_name": "a.png"}, {"id": 5, "file_name": "b.png"}, {"id": 6}, 7]
    images += [{"id": 8, "file_name": "../a.png"}, {"id": 9, "file_name": "http://x/a.png"}]
    categories: list[Any] = [*CATEGORIES, {"id": 1, "name": "cow"}, {"id": 3}, "hen"]
    (record,), problems = read(write(tmp_path, images=images, annotations=[mark()], categories=categories))
    assert record.image.name == "a.png"
    expected = ["category"] * 3 + ["picture id twice", *["picture name"] * 2, *["picture without a name"] * 2]
    assert kinds(problems) == expected


def test_the_size_tells_how_a_turned_picture_was_drawn_on(tmp_path: Path) -> None:
    """Stored 100 x 80, seen 80 x 100."""
    names = ("lying", "upright", "unsaid", "resized", "strange")
    sizes = ((100, 80), (80, 100), (None, None), (160, 200), (50, 200))
    images = []
    for number, (name, (width, height)) in enumerate(zip(names, sizes, strict=True)):
        draw(tmp_path / f"{name}.jpg", orientation=6)
        images.append({"id": number, "file_name": f"{name}.jpg", "width": width, "height": height})
    marks = [mark(image_id=number) for number in range(len(names))]
    records, problems = read(write(tmp_path, images=images, annotations=marks))
    objects = {name: record.answers.get("objects") for name, record in zip(names, records, strict=True)}
    queried = frozenset({"cat", "dog"})
    assert objects["lying"] == BoxAnnotations((Box(20, 10, 60, 40, "cat"),), queried)
    assert objects["upright"] == objects["unsaid"] == BoxAnnotations((Box(10, 20, 40, 60, "cat"),), queried)
    assert objects["resized"] == BoxAnnotations((Box(5, 10, 20, 30, "cat"),), queried)
    assert objects["strange"] is None
    expected = ["boxes drawn lying", "boxes on a turned picture", "boxes scaled", "size of the picture"]
    assert kinds(problems) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"images": [{"id": 1, "file_na', "is cut short"),
        (b'{"images": [], "annotations": [,]}', "is no JSON here"),
        (b'{"annotations": [' + b"[" * 100_000, "is no JSON that can be read"),
        (b'{"images": [{"id": ' + b"9" * 5000 + b"}]}", "is no JSON that can be read"),
        (b'{"images": [], "annotations": {"1": {}}}', "annotations is no list"),
        (b'{"annotations": []}', 'has no list "images"'),
        (b'{"images": "\\ud800"}', "is no JSON that can be read"),
        (b"\xff\xff\xff{", "is no JSON that can be read"),
    ],
)
def test_a_damaged_file_is_one_message(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "instances.json").write_bytes(content)
    with pytest.raises(DataError) as error:
        read(tmp_path / "instances.json", format="coco")
    assert message in str(error.value)
    assert "instances.json" in str(error.value)


def test_results_of_a_detector_are_no_annotations(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('[{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]')
    with pytest.raises(DataError, match="give the instances file"):
        read(tmp_path / "results.json", format="coco")


@pytest.mark.parametrize(
    "box",
    [
        "[10, 20, 30, 40]",
        "10,20,30,40",
        " (10.0 20.0 30.0 40.0) ",
        ["10", "20", "30", "40"],
        {"x": 10, "y": 20, "width": 30, "height": 40},
        {"x": "10", "y": "20", "w": "30", "h": "40"},
        {"left": 10, "top": 20, "width": 30, "height": 40},
        {"xmin": 10, "ymin": 20, "xmax": 40, "ymax": 60},
        {"XMax": 10, "YMax": 20, "XMin": 40, "YMin": 60},
        {"left": 10, "top": 20, "right": 40, "bottom": 60},
    ],
)
def test_a_box_may_be_text_or_an_object(tmp_path: Path, box: Any) -> None:
    ((record,), problems) = read(write(tmp_path, annotations=[mark(bbox=box)]))
    assert record.answers == {"objects": BoxAnnotations((Box(10, 20, 40, 60, "cat"),), EVERY)}
    told = [] if isinstance(box, list) else ["box in words"]
    assert kinds(problems) == ["box has its corners swapped"] * ("XMax" in box) + told


@pytest.mark.parametrize(
    "box", ["1, 2, 3", "[]x", {"x": 1, "y": 2}, {"a": 1}, 7, True, [[1, 2, 3, 4]], ["a"] * 4]
)
def test_a_box_in_words_that_mean_nothing_is_no_tag(tmp_path: Path, box: Any) -> None:
    ((record,), problems) = read(write(tmp_path, annotations=[mark(bbox=box)]))
    assert record.answers == {"objects": BoxAnnotations((), frozenset({"dog"}), frozenset({"cat"}))}
    assert "box has a corner that is no number" in kinds(problems)


@pytest.mark.parametrize("empty", [None, [], "", {}])
def test_an_empty_box_among_boxes_is_no_tag(tmp_path: Path, empty: Any) -> None:
    ((record,), problems) = read(write(tmp_path, annotations=[mark(bbox=empty), mark(id=2, category_id=7)]))
    dog = Box(10, 20, 40, 60, "dog")
    assert record.answers == {"objects": BoxAnnotations((dog,), frozenset({"dog"}), frozenset({"cat"}))}
    assert kinds(problems) == ["category without a box"]


def test_a_tag_among_boxes_says_that_the_thing_is_somewhere(tmp_path: Path) -> None:
    tag = {"id": 1, "image_id": 5, "category_id": 1}
    ((record,), problems) = read(write(tmp_path, annotations=[tag, mark(id=2, category_id=7)]))
    assert record.answers["tags"] == ["cat"]
    assert annotations_of(record).unplaced == frozenset({"cat"})
    assert kinds(problems) == ["category without a box"]


@pytest.mark.parametrize("key", [3, 3.0, "3", "3.0", " 3 "])
@pytest.mark.parametrize("as_named", [3, 3.0, "3", "3.0"])
def test_ids_are_the_same_however_they_are_written(tmp_path: Path, key: Any, as_named: Any) -> None:
    image, category = {"id": key, "file_name": "a.png"}, {"id": key, "name": 7}
    annotation = mark(image_id=as_named, category_id=as_named)
    ((record,), problems) = read(
        write(tmp_path, images=[image], categories=[category], annotations=[annotation])
    )
    assert record.answers == {"objects": BoxAnnotations((Box(10, 20, 40, 60, "7"),), frozenset({"7"}))}
    assert problems == []


def test_a_category_may_be_given_by_its_name(tmp_path: Path) -> None:
    names = ["cat", "dog", "cow"]
    marks = [mark(category_id=name, bbox=[n, 0, 9, 9]) for n, name in enumerate(names)]
    ((record,), problems) = read(write(tmp_path, annotations=marks))
    assert [box.label for box in boxes(record)] == ["cat", "dog", ""]
    assert kinds(problems) == ["category by name", "category unknown"]


def test_an_id_of_two_things_is_of_neither(tmp_path: Path) -> None:
    draw(tmp_path / "b.png")
    images: list[dict[str, Any]] = [
        {"id": 5, "file_name": "a.png"},
        {"id": "5", "file_name": "b.png"},
        {"id": 6, "file_name": "b.png"},
    ]
    categories = [*CATEGORIES, {"id": 7.0, "name": "cow"}]
    marks = [mark(), mark(image_id=6), mark(image_id=6, category_id=7)]
    (a, b), problems = read(write(tmp_path, images=images, categories=categories, annotations=marks))
    assert a.answers == {}
    assert [box.label for box in boxes(b)] == ["cat", ""]
    assert kinds(problems) == ["category", "category unknown", "picture id twice"]
    images[1]["file_name"] = "a.png"  # said twice, but not two things
    (a, _), problems = read(write(tmp_path, images=images, annotations=marks))
    assert [box.label for box in boxes(a)] == ["cat"]
    assert kinds(problems) == ["picture id twice"]


def test_an_outline_stands_in_for_a_box_that_cannot_be_read(tmp_path: Path) -> None:
    outline = [[10, 20, 40, 25, 15, 60]]
    ((record,), problems) = read(write(tmp_path, annotations=[mark(bbox="?", segmentation=outline)]))
    assert corners(record) == [(10, 20, 40, 60)]
    assert kinds(problems) == ["box in words", "polygons"]


@pytest.mark.parametrize(
    ("value", "ignored"),
    [(1, True), (True, True), ("yes", True), (0, False), (False, False), ("", False), ("?", True)],
)
def test_a_crowd_in_other_words(tmp_path: Path, value: Any, ignored: bool) -> None:
    ((record,), problems) = read(write(tmp_path, annotations=[mark(iscrowd=value)]))
    assert boxes(record)[0].ignore == ignored
    assert kinds(problems) == ["mark"] * (value == "?")


def test_pictures_of_a_set_without_boxes_keep_their_tags(tmp_path: Path) -> None:
    """Key points, captions and tags alone say nothing of boxes; a tag without a name is no "no" of others."""
    draw(tmp_path / "b.png")
    images = [{"id": 5, "file_name": "a.png"}, {"id": 6, "file_name": "b.png"}]
    person = {"id": 1, "image_id": 5, "category_id": 1, "keypoints": [1, 2, 2], "num_keypoints": 1}
    tags = [{"id": n, "image_id": n, "category_id": 1} for n in (5, 6)]
    odd = {"id": 9, "image_id": 6, "category_id": 8}
    (a, b), problems = read(write(tmp_path, images=images, annotations=[person, *tags, odd]))
    assert (a.answers, b.answers) == ({"tags": ["cat"]}, {})
    assert kinds(problems) == ["annotation without a box", "category unknown"]
