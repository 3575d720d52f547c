"""Boxes in layouts that are usual though no format says so: what ``init`` proposes reads them rightly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.layouts import PARTS, THINGS, check_things, coco, draw, proposed, voc, write

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
