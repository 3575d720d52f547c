"""Answers of a network as tools for labelling import them, for a person to correct.

What a tool's file says of an answer follows from the answer's own shape, never from the type of its task.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from oneglance.errors import ConfigError, nearest
from oneglance.inference.prediction_files import write_answers
from oneglance.storage.atomic_files import write_bytes, write_text
from oneglance.task import Prediction, Task

Rows = Sequence[Mapping[str, Any]]  # as ``predict`` gives them, none with an error


def write_preannotations(
    rows: Rows, path: Path, tool: str, example: Mapping[str, Prediction], tasks: Mapping[str, Task]
) -> None:
    """Write a file that ``tool`` imports.

    Raises:
        ConfigError: there is no such tool.
        RunError: it cannot be written.
    """
    if tool not in TOOLS:
        raise ConfigError(f'no tool "{tool}" is known.{nearest(tool, TOOLS)}')
    TOOLS[tool](rows, path, example, tasks)


def _coco(rows: Rows, path: Path, example: Mapping[str, Prediction], tasks: Mapping[str, Task]) -> None:
    """Boxes as annotations with a score, all else beside the names of the pictures."""
    if path.suffix.lower() != ".json":
        raise ConfigError("is no name of a COCO file", location=str(path), hint="use one such as next.json")
    write_answers(rows, path, example, tasks)


def _label_studio(rows: Rows, path: Path, *_: Any) -> None:
    """A list of tasks with predictions: names of controls are those of the tasks here."""
    tasks = [
        {
            "data": {"image": row["image"]},
            "predictions": [{"model_version": "oneglance", "result": _results(row)}],
        }
        for row in rows
    ]
    write_text(path, json.dumps(tasks, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _results(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    width, height = row["width"], row["height"]
    for name, answer in row["answers"].items():
        common = {"from_name": name, "to_name": "image"}
        if "boxes" in answer:
            for number, box in enumerate(answer["boxes"]):
                x0, y0, x1, y1 = box["box"]
                place = {"x": 100 * x0 / width, "y": 100 * y0 / height}
                sides = {"width": 100 * (x1 - x0) / width, "height": 100 * (y1 - y0) / height}
                value = {**place, **sides, "rotation": 0, "rectanglelabels": [box["label"]]}
                size = {"original_width": width, "original_height": height, "image_rotation": 0}
                whole = {"id": f"{name}-{number}", "type": "rectanglelabels", "value": value}
                results.append({**common, **whole, **size, "score": box["confidence"]})
        elif (kind := _choice(answer)) is not None:
            results.append({**common, "type": "choices", "value": {"choices": kind}})
        elif isinstance(answer.get("value"), int | float):
            results.append({**common, "type": "number", "value": {"number": answer["value"]}})
    return results


def _choice(answer: Mapping[str, Any]) -> list[str] | None:
    """The words of an answer that chooses among some."""
    if "values" in answer:
        return list(answer["values"])
    return [answer["value"]] if isinstance(answer.get("value"), str) else None


def _cvat(rows: Rows, path: Path, *_: Any) -> None:
    """CVAT for images 1.1: boxes with attributes; all else as a tag named after its task, whose attribute
    ``value`` is the answer.
    """
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    labels = ElementTree.SubElement(
        ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task"), "labels"
    )
    kinds: dict[str, str] = {}
    images = []
    for number, row in enumerate(rows):
        size = {"width": str(row["width"]), "height": str(row["height"])}
        image = ElementTree.Element("image", {"id": str(number), "name": row["image"], **size})
        for name, answer in row["answers"].items():
            for box in answer.get("boxes", ()):
                kinds.setdefault(box["label"], "rectangle")
                edges = dict(zip(("xtl", "ytl", "xbr", "ybr"), map(str, box["box"]), strict=True))
                shape = {"label": box["label"], "source": "auto", "occluded": "0", "z_order": "0", **edges}
                one = ElementTree.SubElement(image, "box", shape)
                for attribute, inner in box["attributes"].items():
                    _attribute(one, attribute, inner)
            if "boxes" not in answer and ("value" in answer or "values" in answer):
                kinds.setdefault(name, "tag")
                _attribute(
                    ElementTree.SubElement(image, "tag", {"label": name, "source": "auto"}), "value", answer
                )
        images.append(image)
    for name, kind in kinds.items():
        label = ElementTree.SubElement(labels, "label")
        ElementTree.SubElement(label, "name").text = name
        ElementTree.SubElement(label, "type").text = kind
    root.extend(images)
    write_bytes(path, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _attribute(of: ElementTree.Element, name: str, answer: Mapping[str, Any]) -> None:
    words = _choice(answer)
    text = str(answer.get("value")) if words is None else "|".join(words)
    ElementTree.SubElement(of, "attribute", {"name": name}).text = text


TOOLS: dict[str, Callable[[Rows, Path, Mapping[str, Prediction], Mapping[str, Task]], None]] = {
    "coco": _coco,
    "cvat": _cvat,
    "label-studio": _label_studio,
}
