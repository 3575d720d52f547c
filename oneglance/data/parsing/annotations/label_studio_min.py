"""Label Studio's JSON-MIN, expanded to the JSON that it is short for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

OWN = frozenset(("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"))


def is_min(entry: Any) -> bool:
    """Whether a task is of JSON-MIN: its answers stand beside its data, under the names of their controls."""
    return isinstance(entry, dict) and "annotation_id" in entry and "data" not in entry


def expanded(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A task of JSON-MIN as one of JSON. Words and numbers stay in its data: they are the same fields."""
    data: dict[str, Any] = {}
    results: list[dict[str, Any]] = []
    for name, value in entry.items():
        if name not in OWN:
            answers = list(_results(name, value))
            results += answers
            if not answers:
                data[name] = value
    return {"id": entry.get("id"), "data": data, "annotations": [{"result": results}]}


def _results(name: str, value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):  # several choices
        yield {"type": next(iter(value), ""), "from_name": name, "value": value}
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for number, region in enumerate(value, 1):
            yield (
                {
                    "id": f"{name} {number}",
                    "type": "",
                }
                if not isinstance(region, dict)
                else {
                    **region,
                    "id": f"{name} {number}",
                    "type": _kind(region),
                    "from_name": name,
                    "value": region,
                }
            )
    elif isinstance(value, list) and value and all(isinstance(one, list) for one in value):
        yield {"type": "taxonomy", "from_name": name, "value": {"taxonomy": value}}
    elif isinstance(value, list):
        yield {"type": "textarea", "from_name": name, "value": {"text": value}}


def _kind(value: Mapping[str, Any]) -> str:
    """Of a region or an answer; only its keys tell."""
    named = next((key for key in value if key.endswith("labels")), "")
    if named or "width" in value:
        return named
    for key, kind in (("points", "polygon"), ("radiusX", "ellipse"), ("text", "textarea")):
        if key in value:
            return kind
    return next(iter(value), "")  # {"number": 12.5}
