"""Files of boxes with a damaged thing: a line of YOLO, an object of VOC, an annotation of COCO, a result of
Label Studio, a shape of CVAT or LabelMe, a region of VIA, an object of Supervisely, a row of a table; and
files that are damaged anywhere.

Every other box must stay as it was. And no picture may become one without a cat because the line of its cat
can no longer be read: the thing is still there, or its class is unknown there, also after ``convert``.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from damage import overwritten, replaced
from PIL import Image

import oneglance
from oneglance import config as configuration
from oneglance.data.dataset import load_dataset
from oneglance.data.record import BoxAnnotations
from oneglance.data.source import open_source
from oneglance.data.writer import targets
from oneglance.progress import Screen
from oneglance.task import build_tasks

WIDTH, HEIGHT = 60, 40
CLASSES = ("cat", "dog", "cow")
TASKS = {"objects": {"type": "boxes"}}
# One thing a line, so that it is known whose line is damaged. What names the picture stays whole: a thing of
# another picture, or of none, is one that nobody could know of.
NAMED = re.compile(r'^[0-9]+\.png,|"image_id": [0-9]+')
WORD, VALUE = re.compile(r"[-+.\w]+"), re.compile(r'"[^"]*"|[-+.\w]+')
IN_TEXT = (
    "",
    "?",
    "nan",
    "inf",
    "-1",
    "0",
    "1e999",
    "9" * 400,
    "1,5",
    "1_0",
    "0x1",
    "١٢",
    "cat",
    "a b",
    "\u200b1",
)
IN_JSON = (
    *(
        "null",
        "true",
        "[]",
        "{}",
        "NaN",
        "1e999",
        "-7",
        "0.5",
        '"?"',
        '""',
        '"[1, 2, 3, 4]"',
        "[1, 2]",
        "9" * 30,
    ),
    *('{"x": 1}', "[[1, 2, 3, 4]]", '"\\ud800"', "3.0", '"3"'),
)
BYTES = "\"'<>&,;{}[]:\0\n\t -+.eE09aZé\x7f"

Boxes = dict[str, BoxAnnotations | None]  # picture -> what is known of it


class Format(NamedTuple):
    source: str  # file or folder, from the folder of the format
    files: Callable[[Path], list[Path]]  # those that hold things
    begins: str  # a line of a thing
    tokens: tuple[str, ...]  # that stand in for those of a line
    keys: dict[str, Any]  # of [[sources]]


FORMATS = {
    "yolo": Format("data.yaml", lambda at: sorted(at.glob("labels/*/*.txt")), "", IN_TEXT, {}),
    "coco": Format(
        "annotations",
        lambda at: [at / "annotations" / "instances_train.json"],
        '{"id"',
        IN_JSON,
        {"images": "images"},
    ),
    "voc": Format(
        ".", lambda at: sorted(at.glob("Annotations/*.xml")), "<object", IN_TEXT, {"first_pixel": 1}
    ),
    "table": Format("boxes.csv", lambda at: [at / "boxes.csv"], "", IN_TEXT, {}),
    "cvat": Format("annotations.xml", lambda at: [at / "annotations.xml"], "<box", IN_TEXT, {}),
    "label_studio": Format("tasks.json", lambda at: [at / "tasks.json"], '{"id": "r', IN_JSON, {}),
    "labelme": Format(".", lambda at: sorted(at.glob("*.json")), '{"label"', IN_JSON, {}),
    "via": Format("via.json", lambda at: [at / "via.json"], '{"region_attributes"', IN_JSON, {}),
    "supervisely": Format(".", lambda at: sorted(at.glob("ds/ann/*.json")), '{"classTitle"', IN_JSON, {}),
}
_valid: dict[str, Boxes] = {}


def prepare(folder: Path) -> None:
    rng = np.random.default_rng(0)
    rows = ["image,label,xmin,ymin,xmax,ymax,split"]
    (folder / "plain").mkdir()
    for index in range(6):
        pixels = rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "plain" / f"{index}.png")
        for thing in range(2 + index % 3):
            x, y, width, height = rng.integers((0, 0, 4, 4), (40, 25, 15, 12)).tolist()
            rows.append(f"{index}.png,{CLASSES[(index + thing) % 3]},{x},{y},{x + width},{y + height},train")
    (folder / "plain" / "boxes.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    for name in targets():
        oneglance.convert(folder / "plain" / "boxes.csv", name, folder / name, screen=Screen())
    _one_thing_a_line(folder)
    records = list(open_source({"path": "boxes.csv"}, folder / "plain").read())
    pictures = {record.image.name: record.answers["objects"].boxes for record in records}  # type: ignore[union-attr]
    for name in ("cvat", "label_studio"):
        shutil.copytree(folder / "plain", folder / name)
        (folder / name / "boxes.csv").unlink()
    (folder / "cvat" / "annotations.xml").write_text("\n".join(_cvat(pictures)), encoding="utf-8")
    (folder / "label_studio" / "tasks.json").write_text("\n".join(_label_studio(pictures)), encoding="utf-8")
    _files_of_tools(folder, pictures)
    for name in FORMATS:
        valid = known(_source(folder / name, name))
        assert valid is not None
        assert {picture: boxes and boxes.queried for picture, boxes in valid.items()} == dict.fromkeys(
            (f"{index}" for index in range(6)), frozenset(CLASSES)
        )
        _valid[name] = valid


def _one_thing_a_line(folder: Path) -> None:
    path = folder / "coco" / "annotations" / "instances_train.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    lists = {key: ",\n".join(json.dumps(one) for one in value) for key, value in content.items()}
    path.write_text(
        "{" + ",".join(f'"{key}": [\n{text}\n]' for key, text in lists.items()) + "}", encoding="utf-8"
    )
    for path in (folder / "voc" / "Annotations").glob("*.xml"):
        text = re.sub(r">\s+<", "><", path.read_text(encoding="utf-8"))
        path.write_text(text.replace("<object>", "\n<object>").replace("</annotation>", "\n</annotation>"))


def _cvat(pictures: dict[str, tuple[oneglance.data.record.Box, ...]]) -> Iterator[str]:
    labels = "".join(f"<label><name>{name}</name></label>" for name in CLASSES)
    yield f"<annotations><version>1.1</version><meta><labels>{labels}</labels></meta>"
    for index, (name, boxes) in enumerate(pictures.items()):
        yield f'<image id="{index}" name="{name}" width="{WIDTH}" height="{HEIGHT}">'
        for box in boxes:
            yield f'<box label="{box.label}" xtl="{box.x0}" ytl="{box.y0}" xbr="{box.x1}" ybr="{box.y1}"/>'
        yield "</image>"
    yield "</annotations>"


def _label_studio(pictures: dict[str, tuple[oneglance.data.record.Box, ...]]) -> Iterator[str]:
    yield "["
    for index, (name, boxes) in enumerate(pictures.items()):
        yield f'{{"id": {index}, "data": {{"image": "{name}"}}, "annotations": [{{"result": ['
        results = []
        for number, box in enumerate(boxes):
            x, y = 100 * box.x0 / WIDTH, 100 * box.y0 / HEIGHT
            sides = {"width": 100 * box.x1 / WIDTH - x, "height": 100 * box.y1 / HEIGHT - y}
            value = {"x": x, "y": y, **sides, "rectanglelabels": [box.label]}
            size = {"original_width": WIDTH, "original_height": HEIGHT}
            results.append(
                json.dumps({"id": f"r{number}", "type": "rectanglelabels", **size, "value": value})
            )
        yield ",\n".join(results)
        yield f"]}}]}}{',' * (index < len(pictures) - 1)}"
    yield "]"


def _files_of_tools(folder: Path, pictures: dict[str, tuple[oneglance.data.record.Box, ...]]) -> None:
    """The files of LabelMe, VIA and Supervisely, each thing in a line."""
    for name in ("labelme", "via"):
        shutil.copytree(folder / "plain", folder / name, ignore=shutil.ignore_patterns("*.csv"))
    dataset = folder / "supervisely" / "ds"
    shutil.copytree(folder / "plain", dataset / "img", ignore=shutil.ignore_patterns("*.csv"))
    (dataset / "ann").mkdir()
    via = []
    for name, boxes in pictures.items():
        shapes, regions, objects = [], [], []
        for box in boxes:
            corners = [[box.x0, box.y0], [box.x1, box.y1]]
            shapes.append({"label": box.label, "points": corners, "shape_type": "rectangle"})
            sides = {"x": box.x0, "y": box.y0, "width": box.x1 - box.x0, "height": box.y1 - box.y0}
            attributes = {"region_attributes": {"kind": box.label}}
            regions.append({**attributes, "shape_attributes": {"name": "rect", **sides}})
            points = {"exterior": [corners[0], [box.x1 - 1, box.y1 - 1]], "interior": []}
            objects.append({"classTitle": box.label, "geometryType": "rectangle", "points": points})
        stem = name.partition(".")[0]
        size = {"width": WIDTH, "height": HEIGHT}
        labelme = {"imagePath": name, "imageWidth": WIDTH, "imageHeight": HEIGHT}
        _write_lines(folder / "labelme" / f"{stem}.json", labelme, "shapes", shapes)
        _write_lines(dataset / "ann" / f"{name}.json", {"size": size}, "objects", objects)
        via.append(f'"{name}7": {{"filename":\n"{name}", "regions": [\n{_lines(regions)}\n]}}')
    (folder / "via" / "via.json").write_text("{" + ",\n".join(via) + "}", encoding="utf-8")


def _write_lines(path: Path, content: dict[str, Any], key: str, things: list[dict[str, Any]]) -> None:
    text = f'{json.dumps(content)[:-1]}, "{key}": [\n{_lines(things)}\n]}}'
    path.write_text(text, encoding="utf-8")


def _lines(things: list[dict[str, Any]]) -> str:
    return ",\n".join(map(json.dumps, things))


def attempt(folder: Path, rng: np.random.Generator) -> str:
    name = str(rng.choice(list(FORMATS)))
    files = FORMATS[name].files(folder / name)
    path = files[rng.integers(len(files))]
    whole = path.read_bytes()
    if rng.random() < 0.15:
        damaged = overwritten(whole, rng, most=5)
        if rng.random() < 0.2:
            damaged = damaged[: rng.integers(len(damaged))]
        with replaced(path, damaged):  # whose these bytes are is not known
            return "refused" if checked(folder, name) is None else "answered"
    lines = whole.decode("utf-8").split("\n")
    picture, first = "", {}
    things: dict[int, tuple[str, int]] = {}  # line -> its picture, and which of its things
    for number, line in enumerate(lines):
        if '"image": ' in line or "<image " in line or re.match(r'"[0-9]+\.png"', line):
            picture = re.search(r"([0-9]+)\.png", line)[1]  # type: ignore[index]
        if _is_thing(line, FORMATS[name].begins, number):
            owner = _owner(line, path, picture)
            things[number] = owner, first.setdefault(owner, 0)
            first[owner] += 1
    number = int(rng.choice(list(things)))
    lines[number] = _damaged(lines[number], FORMATS[name].tokens, rng)
    with replaced(path, "\n".join(lines).encode("utf-8")):
        return judged(folder, name, *things[number], rng)


def _is_thing(line: str, begins: str, number: int) -> bool:
    if begins == '{"id"' and '"image_id"' not in line:
        return False
    return line.startswith(begins) if begins else bool(line) and not line.startswith("image,")


def _owner(line: str, path: Path, picture: str) -> str:
    if '"image_id": ' in line:
        return str(int(line.split('"image_id": ')[1].split(",")[0]) - 1)
    return line.partition(".png")[0] if path.suffix == ".csv" else picture or path.stem.partition(".")[0]


def _damaged(line: str, tokens: tuple[str, ...], rng: np.random.Generator) -> str:
    """The line with one to three mistakes; what names its picture stays, and something of the thing does."""
    before, token = line, VALUE if tokens is IN_JSON else WORD
    for _ in range(rng.integers(1, 4)):
        kept = NAMED.search(line)
        free = [index for index in range(len(line)) if not kept or not kept.start() <= index < kept.end()]
        if not free:
            break
        at = int(rng.choice(free))
        if rng.random() < 0.7:
            spans = [
                m.span()
                for m in token.finditer(line)
                if not kept or m.end() <= kept.start() or m.start() >= kept.end()
            ]
            if not spans:
                continue
            start, end = spans[rng.integers(len(spans))]
            line = line[:start] + str(rng.choice(np.array(tokens, dtype=object))) + line[end:]
        elif rng.random() < 0.5:
            line = line[:at] + BYTES[rng.integers(len(BYTES))] + line[at + int(rng.integers(2)) :]
        else:
            line = line[:at] + line[at + 1 :]
    left = NAMED.sub("", line)
    return line if re.search(r"[^\s,\"]", left) else before  # a thing that is gone is no mistake that shows


def judged(folder: Path, name: str, picture: str, thing: int, rng: np.random.Generator) -> str:
    """Look at what is read. ``thing`` is the damaged one of ``picture``."""
    read = checked(folder, name)
    if read is None:
        return "refused"
    valid = _valid[name]
    for other, boxes in valid.items():
        if other != picture:
            assert other in read, f"picture {other} is gone"
            assert_same(read[other], boxes)
    assert_not_no(read.get(picture), valid[picture], thing)
    if rng.random() < 0.3:
        assert_converted(folder, name, picture, str(rng.choice(targets())))
    return "answered"


def assert_converted(folder: Path, name: str, picture: str, to: str) -> None:
    """No picture becomes one of nothing by ``convert``, which takes no keys of a source."""
    source, out = _source(folder / name, name), folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    read = known({key: source[key] for key in source if key != "first_pixel"})
    how = {"source_format": source["format"], "images": source.get("images")}
    oneglance.convert(source["path"], to, out, **how, screen=Screen())
    if any(file.exists() for file in FORMATS[to].files(out)):
        again = known(_source(out, to))
        assert read is not None and again is not None
        assert_not_no(again.get(picture), read.get(picture), None)


def _source(folder: Path, name: str) -> dict[str, Any]:
    keys = {
        key: str(folder / value) if key == "images" else value for key, value in FORMATS[name].keys.items()
    }
    kind = "boxes_table" if name == "table" else name
    return {"path": str(folder / FORMATS[name].source), "format": kind, **keys}


def checked(folder: Path, name: str) -> Boxes | None:
    """What is known of each picture of that format, which ``check`` goes through first."""
    source = _source(folder / name, name)
    oneglance.check({"sources": [source], "tasks": TASKS}, pictures=False, screen=Screen())
    return known(source)


def known(source: dict[str, Any]) -> Boxes | None:
    """What is known of each picture; None where the file is refused."""
    config = configuration.load({"sources": [source], "tasks": TASKS})
    tasks = build_tasks(config.tasks, config.file)
    dataset = load_dataset(config, list(tasks.values()), strict=False)
    reading = ("too few", "task absent", "no answers", "no field", "class never learned")
    if any(problem.fatal and problem.kind not in reading for problem in dataset.problems):
        return None
    return {Path(record.image.name).stem: record.answers.get("objects") for record in dataset.records}


def assert_same(read: BoxAnnotations | None, valid: BoxAnnotations | None) -> None:
    """A picture that nobody touched; a word that is new in the file may be one more class."""
    assert read is not None and valid is not None
    assert _rounded(read) == _rounded(valid), f"other boxes: {read.boxes}"
    assert not read.unplaced and set(CLASSES) <= set(read.queried or ()), f"less is known: {read}"


def assert_not_no(read: BoxAnnotations | None, valid: BoxAnnotations | None, thing: int | None) -> None:
    """The damaged picture: what was whole is there, and the damaged thing is there or unknown."""
    if read is None or valid is None:
        return
    boxes = _rounded(read)
    for index, (label, *edges) in enumerate(_rounded(valid)):
        there = (label, *edges) in boxes
        if index != thing:
            assert there or label not in (read.queried or ()), f"{label} at {edges} is gone"
        elif not there and label in (read.queried or ()):
            # It may have become one of another class, with a place or without: nobody can see that mistake.
            assert len(boxes) + len(read.unplaced) >= len(valid.boxes), f"{label} at {edges} reads as none"


def _rounded(annotations: BoxAnnotations) -> list[tuple[object, ...]]:
    return [(b.label, *(round(edge, 3) for edge in (b.x0, b.y0, b.x1, b.y1))) for b in annotations.boxes]
