"""The same things in the files of every format that holds boxes: whole ones, and ones with a mistake.

A ``Thing`` of class or place ``None`` is written so that no reader can make out that part of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from support.annotated import draw

WIDTH, HEIGHT = 100, 80
CLASSES = ("cat", "dog")


class Thing(NamedTuple):
    label: str | None
    place: tuple[float, float, float, float] | None


Pictures = Mapping[str, Sequence[Thing]]  # name without its ending -> what is in it


def draw_all(folder: Path, pictures: Pictures) -> None:
    for name in pictures:
        draw(folder / f"{name}.png", WIDTH, HEIGHT)


def yolo(folder: Path, pictures: Pictures) -> Path:
    draw_all(folder / "images", pictures)
    (folder / "labels").mkdir(parents=True)
    for name, things in pictures.items():
        rows = []
        for label, place in things:
            number = "9" if label is None else str(CLASSES.index(label))
            four = "0.1 0.2 ? 0.1"
            if place is not None:
                x0, y0, x1, y1 = place
                values = (x0 + x1) / 2 / WIDTH, (y0 + y1) / 2 / HEIGHT, (x1 - x0) / WIDTH, (y1 - y0) / HEIGHT
                four = " ".join(map(str, values))
            rows.append(f"{number} {four}\n")
        (folder / "labels" / f"{name}.txt").write_text("".join(rows))
    (folder / "data.yaml").write_text("train: images\nnames: [cat, dog]\n")
    return folder / "data.yaml"


def coco(folder: Path, pictures: Pictures) -> Path:
    draw_all(folder, pictures)
    images = [{"id": number, "file_name": f"{name}.png"} for number, name in enumerate(pictures)]
    annotations: list[dict[str, Any]] = []
    for number, things in enumerate(pictures.values()):
        for label, place in things:
            x0, y0, x1, y1 = place or (0, 0, 0, 0)
            box = [x0, y0, x1 - x0, y1 - y0] if place else [1, 2, "?"]
            category = 9 if label is None else CLASSES.index(label)
            annotations.append(
                {"id": len(annotations), "image_id": number, "category_id": category, "bbox": box}
            )
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES)]
    path = folder / "instances.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def voc(folder: Path, pictures: Pictures) -> Path:
    draw_all(folder / "JPEGImages", pictures)
    (folder / "Annotations").mkdir()
    for name, things in pictures.items():
        objects = ""
        for label, place in things:
            x0, y0, x1, y1 = place or (0, 0, 0, 0)
            edges = zip(("xmin", "ymin", "xmax", "ymax"), (x0 + 1, y0 + 1, x1, y1), strict=True)
            inside = "".join(f"<{edge}>{value if place else '?'}</{edge}>" for edge, value in edges)
            named = f"<name>{label}</name>" if label else ""
            objects += f"<object>{named}<bndbox>{inside}</bndbox></object>"
        (folder / "Annotations" / f"{name}.xml").write_text(f"<annotation>{objects}</annotation>")
    return folder


def cvat(folder: Path, pictures: Pictures) -> Path:
    draw_all(folder / "images", pictures)
    page = "".join(f"<label><name>{name}</name></label>" for name in CLASSES)
    page = f"<version>1.1</version><meta><labels>{page}</labels></meta>"
    for number, (name, things) in enumerate(pictures.items()):
        shapes = ""
        for label, place in things:
            values = place or ("?",) * 4
            edges = zip(("xtl", "ytl", "xbr", "ybr"), values, strict=True)
            inside = " ".join(f'{edge}="{value}"' for edge, value in edges)
            shapes += f'<box label="{label or ""}" {inside}/>'
        page += f'<image id="{number}" name="{name}.png">{shapes}</image>'
    path = folder / "annotations.xml"
    path.write_text(f"<annotations>{page}</annotations>")
    return path


def label_studio(folder: Path, pictures: Pictures) -> Path:
    draw_all(folder, pictures)
    tasks = []
    for number, (name, things) in enumerate(pictures.items()):
        results = []
        for index, (label, place) in enumerate(things):
            x0, y0, x1, y1 = place or (0, 0, 0, 0)
            value: dict[str, Any] = {"x": "?", "y": 1, "width": 1, "height": 1}
            if place:
                sides = (x0 / WIDTH, y0 / HEIGHT, (x1 - x0) / WIDTH, (y1 - y0) / HEIGHT)
                value = dict(zip(value, (100 * side for side in sides), strict=True))
            value["rectanglelabels"] = [label]
            results.append({"id": f"r{index}", "type": "rectanglelabels", "value": value})
        tasks.append({"id": number, "data": {"image": f"{name}.png"}, "annotations": [{"result": results}]})
    path = folder / "tasks.json"
    path.write_text(json.dumps(tasks))
    return path


def labelme(folder: Path, pictures: Pictures) -> Path:
    draw_all(folder, pictures)
    for name, things in pictures.items():
        shapes = []
        for label, place in things:
            x0, y0, x1, y1 = place or (0, 0, 0, "?")
            shapes.append({"label": label, "points": [[x0, y0], [x1, y1]], "shape_type": "rectangle"})
        content = {"flags": {}, "shapes": shapes, "imagePath": f"{name}.png"}
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def supervisely(folder: Path, pictures: Pictures) -> Path:
    draw_all(folder / "ds" / "img", pictures)
    (folder / "ds" / "ann").mkdir()
    for name, things in pictures.items():
        objects: list[dict[str, Any]] = []
        for label, place in things:
            x0, y0, x1, y1 = place or (0, 0, 1, 1)
            exterior = [[x0, y0], [x1 - 1, y1 - 1 if place else "?"]]
            named = {"geometryType": "rectangle", "classTitle": label}
            objects.append({**named, "points": {"exterior": exterior, "interior": []}, "tags": []})
        content = {"size": {"width": WIDTH, "height": HEIGHT}, "tags": [], "objects": objects}
        (folder / "ds" / "ann" / f"{name}.png.json").write_text(json.dumps(content))
    return folder


def via(folder: Path, pictures: Pictures) -> Path:
    draw_all(folder, pictures)
    content = {}
    for name, things in pictures.items():
        regions = []
        for label, place in things:
            x0, y0, x1, y1 = place or (0, 0, 0, 0)
            shape = {"name": "rect", "x": x0 if place else "?", "y": y0, "width": x1 - x0, "height": y1 - y0}
            regions.append({"shape_attributes": shape, "region_attributes": {"kind": label or ""}})
        content[f"{name}.png7"] = {"filename": f"{name}.png", "regions": regions, "file_attributes": {}}
    (folder / "via.json").write_text(json.dumps(content))
    return folder


def boxes_table(folder: Path, pictures: Pictures) -> Path:
    draw_all(folder, pictures)
    rows = ["image,label,xmin,ymin,xmax,ymax"]
    for name, things in pictures.items():
        rows += [f"{name}.png,,,,,"] * (not things)
        for label, place in things:
            rows.append(f"{name}.png,{label or ''},{','.join(map(str, place or ('?',) * 4))}")
    path = folder / "boxes.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def text_boxes(folder: Path, pictures: Pictures) -> Path:
    draw_all(folder / "images", pictures)
    (folder / "labels").mkdir(parents=True)
    for name, things in pictures.items():
        rows = [f"{label or ''},{','.join(map(str, place or ('?',) * 4))}\n" for label, place in things]
        (folder / "labels" / f"{name}.txt").write_text("".join(rows))
    return folder


FORMATS: dict[str, Callable[[Path, Pictures], Path]] = {
    "yolo": yolo,
    "coco": coco,
    "voc": voc,
    "cvat": cvat,
    "label_studio": label_studio,
    "labelme": labelme,
    "supervisely": supervisely,
    "via": via,
    "boxes_table": boxes_table,
    "text_boxes": text_boxes,
}
# What must be said of a format, since its files do not.
KEYS: dict[str, dict[str, Any]] = {"text_boxes": {"columns": ["class", "xmin", "ymin", "xmax", "ymax"]}}
