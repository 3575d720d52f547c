"""Boxes in layouts that are usual though no format says so: what ``init`` proposes reads them rightly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.annotated import kinds
from support.layouts import PARTS, THINGS, check_things, coco, draw, proposed, voc, write, yolo

from oneglance.data.parsing.folder_walk import files_below

FOLDERS = ("annots", "annotations", "Annotation", "xmls", "labels")


@pytest.mark.parametrize("name", FOLDERS)
def test_voc_in_a_folder_beside_the_pictures(tmp_path: Path, name: str) -> None:
    for stem in THINGS:
        draw(tmp_path / "set" / "images" / f"{stem}.png")
        write(tmp_path / "set" / name / f"{stem}.xml", voc(stem))
    check_things(proposed(tmp_path / "set"))


@pytest.mark.parametrize("place", ["", "fruit", "{part}", "{part}_zip/{part}"])
def test_voc_beside_the_pictures(tmp_path: Path, place: str) -> None:
    for stem in THINGS:
        folder = tmp_path / "set" / place.format(part=PARTS[stem])
        draw(folder / f"{stem}.png")
        write(folder / f"{stem}.xml", voc(stem))
    check_things(proposed(tmp_path / "set"), parts="part" in place)


@pytest.mark.parametrize(
    ("pictures", "annotations"),
    [
        ("{part}/images", "{part}/annots"),
        ("images/{part}", "annotations/{part}"),
        ("images/{part}", "annotations"),
        ("one/set/JPEGImages", "one/set/Annotations"),
        ("all", "xmls"),
    ],
)
def test_voc_in_folders_of_parts(tmp_path: Path, pictures: str, annotations: str) -> None:
    for stem in THINGS:
        draw(tmp_path / "set" / pictures.format(part=PARTS[stem]) / f"{stem}.png")
        write(tmp_path / "set" / annotations.format(part=PARTS[stem]) / f"{stem}.xml", voc(stem))
    check_things(proposed(tmp_path / "set"), parts="part" in pictures)


@pytest.mark.parametrize(
    ("pictures", "annotations"),
    [
        ("{part}2017", "annotations/instances_{part}2017.json"),
        ("{part}2017", "annotations/instances_{part}.json"),
        ("{part}", "{part}/_annotations.coco.json"),
        ("{part}", "{part}/annotations.json"),
        ("{part}/data", "{part}/labels.json"),
        ("images", "{part}.json"),
        ("", "whatever.json"),
        ("photos", "annotations/whatever.json"),
    ],
)
def test_coco_wherever_it_lies(tmp_path: Path, pictures: str, annotations: str) -> None:
    for part in ("train", "test"):
        stems = [stem for stem in THINGS if PARTS[stem] == part or "{" not in annotations]
        content = json.dumps(coco(stems))
        write(tmp_path / "set" / annotations.format(part=part), content)
        for stem in stems:
            draw(tmp_path / "set" / pictures.format(part=part) / f"{stem}.png")
    check_things(proposed(tmp_path / "set"), parts="part" in annotations)


def test_what_tells_how_a_box_was_drawn_is_named_and_not_asked(tmp_path: Path) -> None:
    for n, stem in enumerate(THINGS):
        draw(tmp_path / "set" / f"{stem}.png")
        more = f"<truncated>{n % 2}</truncated><pose>Unspecified</pose><colour>{'rb'[n % 2]}</colour>"
        write(tmp_path / "set" / f"{stem}.xml", voc(stem, f"{more}<occluded>0</occluded>"))
    found = proposed(tmp_path / "set")
    assert found.tasks["objects"]["attributes"] == {"colour": {"type": "label"}}
    assert "# not asked of a box: truncated: is about the drawing" in found.text
    assert "# not asked of a box: occluded: says 0 in all 5 boxes" in found.text.replace('"', "")


YAML = "train: {train}\ntest: {test}\nnames: [cat, dog]\nnc: 2\n"


@pytest.mark.parametrize(
    ("pictures", "labels", "described"),
    [
        (
            "images/{part}",
            "labels/{part}",
            {"my_set.yaml": YAML.format(train="images/train", test="images/test")},
        ),
        (
            "images/{part}",
            "labels/{part}",
            {"data.yaml": YAML.format(train="/mnt/x/set/images/train", test="/mnt/x/set/images/test")},
        ),
        ("{part}/images", "{part}/labels", {"data.yaml": YAML.format(train="/old/tr", test="/old/te")}),
        ("{part}/images", "{part}/labels", {"classes.txt": "cat\ndog\n"}),
        ("images/{part}", "labels/{part}", {"coco.names": "cat\ndog\n"}),
        ("images", "labels", {"labels/classes.txt": "cat\ndog\n"}),
        ("", "", {"obj.names": "cat\ndog\n"}),
        ("obj", "obj", {"obj.names": "cat\ndog\n"}),
        ("one/photos", "one/labels", {"one/classes.txt": "cat\ndog\n"}),
    ],
)
def test_yolo_wherever_it_lies(tmp_path: Path, pictures: str, labels: str, described: dict[str, str]) -> None:
    for stem in THINGS:
        draw(tmp_path / "set" / pictures.format(part=PARTS[stem]) / f"{stem}.png")
        write(tmp_path / "set" / labels.format(part=PARTS[stem]) / f"{stem}.txt", yolo(stem))
    for name, content in described.items():
        write(tmp_path / "set" / name, content)
    check_things(proposed(tmp_path / "set"), parts="part" in pictures)


@pytest.mark.parametrize("links", [("images", "labels"), ("images",), ("labels",)])
@pytest.mark.parametrize("name", ["data.yaml", "classes.txt"])
def test_yolo_through_links_to_folders(tmp_path: Path, links: tuple[str, ...], name: str) -> None:
    for stem in THINGS:
        for kind in ("images", "labels"):
            (tmp_path / ("else" if kind in links else "set") / kind / PARTS[stem]).mkdir(
                parents=True, exist_ok=True
            )
        draw(tmp_path / ("else" if "images" in links else "set") / "images" / PARTS[stem] / f"{stem}.png")
        start = tmp_path / ("else" if "labels" in links else "set")
        write(start / "labels" / PARTS[stem] / f"{stem}.txt", yolo(stem))
    for kind in links:
        (tmp_path / "set" / kind).mkdir(parents=True)
        for part in ("train", "test"):
            (tmp_path / "set" / kind / part).symlink_to(tmp_path / "else" / kind / part)
    content = YAML.format(train="images/train", test="images/test") if name == "data.yaml" else "cat\ndog\n"
    write(tmp_path / "set" / name, content)
    check_things(proposed(tmp_path / "set"), parts=True)


def test_yolo_without_names_is_called_by_its_numbers_and_says_so(tmp_path: Path) -> None:
    for stem in THINGS:
        draw(tmp_path / "set" / f"{stem}.png")
        write(tmp_path / "set" / f"{stem}.txt", yolo(stem))
    found = proposed(tmp_path / "set")
    assert [thing[0] for name in "ab" for thing in found.things[name]] == ["0", "1", "0"]
    assert kinds(found.problems) == ["no names"]


def test_links_that_lead_back_are_followed_once(tmp_path: Path) -> None:
    draw(tmp_path / "set" / "images" / "a.png")
    draw(tmp_path / "else" / "b.png")
    for place, target in (
        ("up", tmp_path / "set"),
        ("once", tmp_path / "else"),
        ("twice", tmp_path / "else"),
    ):
        (tmp_path / "set" / "images" / place).symlink_to(target)
    (tmp_path / "else" / "back").symlink_to(tmp_path / "else")
    there = files_below(tmp_path / "set", lambda name: name.endswith(".png"))
    assert sorted(name.rpartition("/")[2] for name in there) == ["a.png", "b.png"]
