"""A run with every type of task, and values that no honest file holds: what several ``attacks`` share."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import oneglance
from oneglance.data.synthetic import write_scenes
from oneglance.progress import Screen

CONFIG = """
[[sources]]
path = "scenes/labels.csv"
group = "scene"
annotates = ["digit", "shapes", "covered"]
[[sources]]
path = "scenes/boxes.csv"
annotates = ["things"]

[tasks.digit]
type = "label"
[tasks.shapes]
type = "tags"
none = ["none"]
[tasks.covered]
type = "number"
[tasks.things]
type = "boxes"
from = "objects"
width = 8
depth = 1
attributes.colour = { type = "label" }
[tasks.look]
type = "embedding"
like = "digit"
size = 8

[backbone]
name = "small"
options = { width = 4, depth = 2 }
size = [40, 32]

[training]
epochs = 1
batch = 16
precision = "fp32"
device = "cpu"
"""
STRANGE: tuple[Any, ...] = (
    None, True, False, "", "warm", "1", "\ud800", "\0", "x" * 3000, "../../etc/passwd", 0, 1, -1, 3, 0.5,
    1e-300, 1e29, -1e29, 1e308, 10**30, -(10**400), float("nan"), float("inf"), float("-inf"), [], {}, [[]],
    [1e9, "a"], [0.1] * 500, {"a": {"b": []}}, [None],
)  # fmt: skip


def trained(folder: Path) -> Path:
    """A finished run; the same pictures and the same seed each time."""
    write_scenes(folder / "scenes", count=90, size=40)
    (folder / "oneglance.toml").write_text(CONFIG, encoding="utf-8")
    return oneglance.train(folder / "oneglance.toml", out=folder / "run", screen=Screen()).path


def pictures() -> list[np.ndarray]:
    """Two pictures to ask about."""
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, (30, 44, 3), dtype=np.uint8), np.full((20, 20, 3), 255, dtype=np.uint8)]


def changed(value: Any, rng: np.random.Generator) -> Any:
    """A copy of plain values in which one to three are others."""
    value = json.loads(json.dumps(value))
    for _ in range(rng.integers(1, 4)):
        inside = list(places(value))
        if not inside:
            break
        holder, key = inside[rng.integers(len(inside))]
        way = rng.integers(8)
        if way <= 3:
            holder[key] = copy.deepcopy(STRANGE[rng.integers(len(STRANGE))])
        elif way == 4:
            del holder[key]
        elif way == 5 and isinstance(holder[key], int | float):
            holder[key] = holder[key] * float(rng.choice([-1, 0, 1e3, 1e-6, 1 + 1e-9])) + float(rng.normal())
        elif way == 6 and isinstance(holder[key], list):
            holder[key] = [*holder[key], *holder[key][:1]] if rng.random() < 0.5 else holder[key][1:]
        elif isinstance(holder, dict):
            holder[str(rng.choice(["extra", "", "type", "classes"]))] = copy.deepcopy(holder[key])
        else:
            holder.insert(0, copy.deepcopy(holder[key]))
    return value


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """(what holds it, its key) of every value inside ``value``."""
    inside: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    for key, part in inside:
        yield value, key
        yield from places(part)


def written(value: Any) -> bytes:
    """As JSON, NaN and halves of surrogate pairs included."""
    return json.dumps(value).encode()


def predicted(path: Path) -> str:
    """Open a network and ask it.

    Raises:
        AssertionError: an answer is not of the form that its task promises.
    """
    model = oneglance.load(path, device="cpu")
    for answer in model.predict(pictures(), screen=Screen()):
        row = answer.to_dict()
        json.dumps(row, allow_nan=False).encode()
        assert set(row["answers"]) == set(model.tasks), row
        for name, one in row["answers"].items():
            right(model.tasks[name], one)
    return "answered"


def right(task: Any, answer: dict[str, Any]) -> None:
    """
    Raises:
        AssertionError: see ``predicted``.
    """
    if task.type == "label":
        assert answer["value"] in answer["probabilities"]
        assert abs(sum(answer["probabilities"].values()) - 1) < 1e-6, answer
    elif task.type == "tags":
        assert all(0 <= chance <= 1 for chance in answer["probabilities"].values()), answer
        assert set(answer["values"]) <= set(answer["probabilities"]), answer
    elif task.type == "number":
        assert isinstance(answer["value"], float), answer
        assert answer["low"] is None or answer["low"] <= answer["value"] <= answer["high"], answer
    elif task.type == "embedding":
        assert len(answer["vector"]) == task.size, answer
        assert abs(np.linalg.norm(answer["vector"]) - 1) < 1e-6, answer
    elif task.type == "boxes":
        assert len(answer["boxes"]) <= task.most
        for box in answer["boxes"]:
            x0, y0, x1, y1 = box["box"]
            assert 0 <= x0 <= x1 <= 44 and 0 <= y0 <= y1 <= 30 and 0 <= box["confidence"] <= 1, box
            assert set(box["attributes"]) == set(task.attribute_names), box
