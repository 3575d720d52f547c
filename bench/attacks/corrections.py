"""Corrections with damaged answers, names and JSON, over HTTP, and the tables read again as ``train`` does.

After each attempt, whatever was accepted reads back as the same answers, and a good correction is taken.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
from damage import overwritten
from served import started  # first: it says where support is
from support.service import Running, painted, picture

from oneglance.data.record import BoxAnnotations, Record
from oneglance.data.source import open_source
from oneglance.serving.app import Settings

TASKS = painted().tasks
FIELDS = {"kind": "category", "style": "style", "price": "price"}
PICTURES = [picture((shade, 0, 0)) for shade in (40, 80, 120, 160)]
STRANGE: tuple[Any, ...] = (
    "", " ", "\0", "a\0b", "\r", "a\rb", "\r\n", "a\nb,c\n", "\ud800", "x\udfff", "\x1b[31m", "\x85",
    "\u2028", "\ufeffa", "=1+1", "+1", "-1", "-", "@a", "'=a", "''", "'", "\t=a", '"', '""', 'a"b', ",", ";",
    "|", "a|b", "\u202egnp.a", "＝1", "NA", "nan", "null", "0", "1.0", "01", "1_0", "1e400", "image",
    "x" * 200_000, "é" * 9_999, "e\u0301" * 10, 0, -0.0, 1e300, 1e-300, 10**300, -(2**63), float("inf"), 3.5,
    True, None, [], {},
    ["a", "b"], [1, "1"], ["x"] * 5_000, {"value": "a"}, [[]], {"a": {"b": 1}},
)  # fmt: skip
_service: list[Running] = []
_table: list[Path] = []
_kept: dict[str, dict[str, Any]] = {}  # by picture and task: the answers accepted last


def prepare(folder: Path) -> None:
    _table.append(folder / "labels.csv")
    _service.append(started(Settings(corrections=_table[0])))


def attempt(folder: Path, rng: np.random.Generator) -> str:
    number = int(rng.integers(len(PICTURES)))
    value = damaged(rng, number)
    body = json.dumps(value, ensure_ascii=bool(rng.random() < 0.7)).encode(errors="surrogatepass")
    if rng.random() < 0.2:
        body = overwritten(body, rng, most=3)
    kind = "application/json" if rng.random() < 0.95 else "text/plain"
    outcome = sent(body, kind)
    assert sent(good(number, rng), "application/json") == "answered", "a good correction is refused"
    read_back()
    return outcome


def sent(body: bytes, kind: str) -> str:
    reply = _service[0].ask("/corrections", body, kind)
    assert reply.status == 200 or 400 <= reply.status < 500, (reply, body[:500])
    if reply.status != 200:
        error = reply.json["error"]
        assert error.isprintable() and len(error) <= 500, error
        return "refused"
    assert kind == "application/json"
    value = json.loads(body)
    answers = _kept.setdefault(reply.json["image"], {})
    for name, answer in value["answers"].items():
        answers[name] = understood(name, answer)
    return "answered"


def understood(name: str, answer: Any) -> Any:
    """The answer, as the task understands it."""
    if name != "objects":
        return TASKS[name].read(answer.get("value", answer.get("values")))
    boxes = [
        (
            tuple(map(float, box["box"])),
            box["label"].strip(),
            {
                key: TASKS["kind"].read(given.get("value", given.get("values")))
                for key, given in box.get("attributes", {}).items()
            },
        )
        for box in answer["boxes"]
    ]
    once: dict[Any, Any] = {}  # the same box twice is one
    for edges, label, attributes in boxes:
        once.setdefault((edges, label), {}).update(attributes)
    return [(*key, attributes) for key, attributes in once.items()]


def read_back() -> None:
    read: dict[str, dict[str, Any]] = {}
    boxes = _table[0].with_name("labels-objects.csv")
    for path in (path for path in (_table[0], boxes) if path.exists()):
        for record in open_source({"path": str(path)}, path.parent).read():
            assert isinstance(record, Record), record
            name = f"labels-pictures/{Path(record.image.stamp()[0]).name}"
            for task, field in FIELDS.items():
                if field in record.answers:
                    read.setdefault(name, {})[task] = TASKS[task].read(record.answers[field])
            if isinstance(annotations := record.answers.get("objects"), BoxAnnotations):
                read.setdefault(name, {})["objects"] = [
                    (
                        (b.x0, b.y0, b.x1, b.y1),
                        b.label,
                        {k: TASKS["kind"].read(v) for k, v in b.attributes.items()},
                    )
                    for b in annotations.boxes
                ]
    assert read == _kept


def good(number: int, rng: np.random.Generator) -> bytes:
    data = base64.b64encode(PICTURES[number]).decode()
    return json.dumps({"data": data, "answers": {"price": {"value": int(rng.integers(1000))}}}).encode()


def damaged(rng: np.random.Generator, number: int) -> dict[str, Any]:
    box = {"box": [1, 2, 30, 40.5], "label": "button", "attributes": {"colour": {"value": "red"}}}
    answers: dict[str, Any] = {
        "kind": {"value": "hat"},
        "style": {"values": ["dotted"]},
        "price": {"value": 3},
        "objects": {"boxes": [box, dict(box)]},
    }
    value = {"name": "a.png", "data": base64.b64encode(PICTURES[number]).decode(), "answers": answers}
    for name in list(answers):
        if rng.random() < 0.5:
            del answers[name]
    for _ in range(rng.integers(1, 4)):
        holder: Any = value
        while True:  # somewhere in it
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = keys[int(rng.integers(len(keys)))]
            if isinstance(holder[key], dict | list) and rng.random() < 0.9:
                holder = holder[key]
                continue
            strange = STRANGE[int(rng.integers(len(STRANGE)))]
            if isinstance(holder, dict) and rng.random() < 0.1 and isinstance(strange, str):
                holder[strange] = holder.pop(key)
            elif isinstance(holder[key], str) and rng.random() < 0.7:
                holder[key] = (strange if isinstance(strange, str) and len(strange) < 99 else "") + word(rng)
            else:
                holder[key] = strange
            break
    return value


def word(rng: np.random.Generator) -> str:
    """A few characters from anywhere in Unicode, halves among them."""
    return "".join(chr(int(code)) for code in rng.integers(0, 0x110000, int(rng.integers(1, 8))))
