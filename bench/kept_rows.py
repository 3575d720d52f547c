"""Rows of results of the benches that train: kept as soon as they are there, so that a bench goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SHOWN = {"label": "accuracy", "number": "mae", "boxes": "ap", "tags": "map"}


def read(path: Path) -> list[dict[str, Any]]:
    """What the file holds; nothing where there is none."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def keep(path: Path, row: Mapping[str, Any]) -> None:
    """Append it to the file, and print it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps(row), flush=True)


def scores(tasks: Mapping[str, Any]) -> dict[str, Any]:
    """Of the tasks of a report: the metric of SHOWN with interval, pictures and unit, and the constant's."""
    return {
        name: {
            "metric": metric,
            **entry["metrics"][metric],
            "constant": entry["constant"].get(metric),
            "unit": entry["unit"],
        }
        for name, entry in tasks.items()
        if (metric := SHOWN.get(entry["type"]))
    }
