"""What holds for every source format; a new one is tested as soon as it has a sample here."""

from __future__ import annotations

import io
import json
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oneglance.data.source import format_class, formats, open_source
from oneglance.testing.promises import sentence
from oneglance.testing.sources import EVERY_SOURCE, SourceExample


def draw(path: Path, colour: int) -> None:
    out = io.BytesIO()
    Image.new("RGB", (8, 6), (colour, 0, 0)).save(out, "PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(out.getvalue())


def folder(base: Path) -> Path:
    for n, kind in enumerate(("cat", "dog")):
        draw(base / "photos" / kind / f"{n}.png", n)
    return base / "photos"


def masks(base: Path) -> Path:
    for n in range(2):
        draw(base / "pets" / "images" / f"{n}.png", n)
        mask = np.zeros((6, 8), np.uint8)
        mask[2:5, 3:7] = n
        (base / "pets" / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(base / "pets" / "masks" / f"{n}.png")
    return base / "pets"


def table(base: Path) -> Path:
    folder(base)
    (base / "labels.csv").write_text("image,kind\nphotos/cat/0.png,cat\nphotos/dog/1.png,\n")
    return base / "labels.csv"


def listing(base: Path) -> Path:
    folder(base)
    (base / "list.txt").write_text("photos/cat/0.png\nphotos/dog/1.png\n")
    return base / "list.txt"


def idx(base: Path) -> Path:
    (base / "numbers").mkdir()
    pixels = np.arange(2 * 4 * 5, dtype=np.uint8)
    head = struct.pack(">HBB3I", 0, 8, 3, 2, 4, 5)
    (base / "numbers" / "train-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
    (base / "numbers" / "train-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, 2) + b"\3\4")
    return base / "numbers"


def cifar(base: Path) -> Path:
    (base / "cifar").mkdir()
    for n, name in enumerate(("train.bin", "test.bin")):
        (base / "cifar" / name).write_bytes(bytes([n, n]) + bytes(3072))
    return base / "cifar"


def boxes_table(base: Path) -> Path:
    folder(base)
    rows = "photos/cat/0.png,cat,1,1,5,4\nphotos/dog/1.png,,,,,\n"
    (base / "boxes.csv").write_text("image,label,xmin,ymin,xmax,ymax\n" + rows)
    return base / "boxes.csv"


def coco(base: Path) -> Path:
    folder(base)
    images = [{"id": 1, "file_name": "photos/cat/0.png"}, {"id": 2, "file_name": "photos/dog/1.png"}]
    box = {"id": 7, "image_id": 1, "category_id": 3, "bbox": [1, 1, 4, 3]}
    said = {"images": images, "annotations": [box], "categories": [{"id": 3, "name": "cat"}]}
    (base / "instances.json").write_text(json.dumps(said))
    return base / "instances.json"


def celeba(base: Path) -> Path:
    for n in range(2):
        draw(base / "celeba" / "img_align_celeba" / f"{n}.png", n)
    table = "2\nBald Male \n0.png -1  1\n1.png  1  1\n"
    (base / "celeba" / "list_attr_celeba.txt").write_text(table)
    return base / "celeba"


def cub(base: Path) -> Path:
    for n in range(2):
        draw(base / "cub" / "images" / f"{n}.png", n)
    for name, rows in (("images", "1 0.png\n2 1.png\n"), ("image_class_labels", "1 5\n2 6\n")):
        (base / "cub" / f"{name}.txt").write_text(rows)
    return base / "cub"


def cvat(base: Path) -> Path:
    folder(base)
    (base / "annotations.xml").write_text(
        "<annotations><version>1.1</version>"
        '<image id="0" name="photos/cat/0.png"><box label="cat" xtl="1" ytl="1" xbr="5" ybr="4"/></image>'
        '<image id="1" name="photos/dog/1.png"/></annotations>'
    )
    return base / "annotations.xml"


def label_studio(base: Path) -> Path:
    folder(base)
    names = enumerate(("cat/0.png", "dog/1.png"))
    tasks = [{"id": n, "data": {"image": name}, "annotations": []} for n, name in names]
    (base / "photos" / "tasks.json").write_text(json.dumps(tasks))
    return base / "photos" / "tasks.json"


def labelme(base: Path) -> Path:
    for n in range(2):
        draw(base / "labelled" / f"{n}.png", n)
        shape = {"label": "cat", "points": [[1, 1], [5, 4]], "shape_type": "rectangle"}
        said = {"version": "5.0", "flags": {}, "shapes": [shape][n:], "imagePath": f"{n}.png"}
        (base / "labelled" / f"{n}.json").write_text(json.dumps(said))
    return base / "labelled"


def supervisely(base: Path) -> Path:
    points = {"exterior": [[1, 1], [4, 3]], "interior": []}
    thing = {"classTitle": "cat", "geometryType": "rectangle", "points": points, "tags": []}
    (base / "project" / "ds" / "ann").mkdir(parents=True)
    for n in range(2):
        draw(base / "project" / "ds" / "img" / f"{n}.png", n)
        content = {"size": {"width": 8, "height": 6}, "tags": [], "objects": [thing][n:]}
        (base / "project" / "ds" / "ann" / f"{n}.png.json").write_text(json.dumps(content))
    return base / "project"


def tao(base: Path) -> Path:
    for n, part in enumerate(("train", "val")):
        draw(base / "set" / "images" / f"{n}.png", n)
        (base / "set" / f"{part}.csv").write_text(f"fname,kind\n{n}.png,cat\n")
    return base / "set"


def text_boxes(base: Path) -> Path:
    for n in range(2):
        draw(base / "faces" / "images" / f"{n}.png", n)
    (base / "faces" / "labels").mkdir()
    (base / "faces" / "labels" / "0.txt").write_text("cat 3 3 7 5\n")
    (base / "faces" / "labels" / "1.txt").touch()
    return base / "faces"


def via(base: Path) -> Path:
    folder(base)
    shape = {"name": "rect", "x": 1, "y": 1, "width": 4, "height": 3}
    region = {"shape_attributes": shape, "region_attributes": {"kind": "cat"}}
    said = {
        f"{name}7": {"filename": name, "size": 7, "regions": [region][n:], "file_attributes": {"n": str(n)}}
        for n, name in enumerate(("cat/0.png", "dog/1.png"))
    }
    (base / "photos" / "via_region_data.json").write_text(json.dumps(said))
    return base / "photos" / "via_region_data.json"


def voc(base: Path) -> Path:
    for n in range(2):
        draw(base / "voc" / "JPEGImages" / f"{n}.png", n)
        page = base / "voc" / "Annotations" / f"{n}.xml"
        page.parent.mkdir(exist_ok=True)
        page.write_text(f"<annotation><filename>{n}.png</filename></annotation>")
    return base / "voc"


def webdataset(base: Path) -> Path:
    folder(base)
    with tarfile.open(base / "shard.tar", "w") as archive:
        for n, kind in enumerate(("cat", "dog")):
            archive.add(base / "photos" / kind / f"{n}.png", f"{n}.png")
            (base / f"{n}.cls").write_text(str(n))
            archive.add(base / f"{n}.cls", f"{n}.cls")
    return base / "shard.tar"


def wider(base: Path) -> Path:
    for n in range(2):
        draw(base / "wider" / "WIDER_train" / "images" / "0--Parade" / f"{n}.png", n)
    (base / "wider" / "wider_face_split").mkdir()
    lines = ["0--Parade/0.png", "1", "1 1 4 3 0 0 0 0 0 0", "0--Parade/1.png", "0", "0 0 0 0 0 0 0 0 0 0"]
    file = base / "wider" / "wider_face_split" / "wider_face_train_bbx_gt.txt"
    file.write_text("".join(f"{line} \n" for line in lines))
    return base / "wider"


def yolo(base: Path) -> Path:
    for n in range(2):
        draw(base / "yolo" / "images" / f"{n}.png", n)
    (base / "yolo" / "labels").mkdir()
    (base / "yolo" / "labels" / "0.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (base / "yolo" / "data.yaml").write_text("train: images\nnames: [cat]\n")
    return base / "yolo" / "data.yaml"


SAMPLES: dict[str, Callable[[Path], Path]] = {
    "boxes_table": boxes_table,
    "celeba": celeba,
    "cifar": cifar,
    "coco": coco,
    "cub": cub,
    "cvat": cvat,
    "folder": folder,
    "idx": idx,
    "label_studio": label_studio,
    "labelme": labelme,
    "listing": listing,
    "masks": masks,
    "supervisely": supervisely,
    "table": table,
    "tao": tao,
    "text_boxes": text_boxes,
    "via": via,
    "voc": voc,
    "webdataset": webdataset,
    "wider": wider,
    "yolo": yolo,
}  # format -> what writes a sample of two pictures or more below a folder and gives its path

every_format = pytest.mark.parametrize("name", formats())


def test_no_format_is_lost() -> None:
    assert set(SAMPLES) <= set(formats())


@pytest.mark.parametrize("check", EVERY_SOURCE, ids=sentence)
@every_format
def test_it_keeps_the_contract(name: str, check: Callable[[SourceExample], None]) -> None:
    if name not in SAMPLES:
        pytest.fail(f"sources/{name}.py has no sample here: add one to SAMPLES")
    check(SourceExample(name, SAMPLES[name]))


@every_format
def test_it_is_found_by_looking(name: str, tmp_path: Path) -> None:
    path = SAMPLES[name](tmp_path)
    source = open_source({"path": path.name}, path.parent)
    assert source.format == name
    assert type(source) is format_class(name)
    assert source.path == path.resolve()
