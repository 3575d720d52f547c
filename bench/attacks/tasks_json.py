"""A run folder whose plain files are changed: tasks.json above all, and the others beside it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from damage import garbled, replaced
from strange_values import changed, predicted, trained, written

import oneglance
from oneglance.storage.run_folder import RunFolder
from oneglance.storage.run_lookup import listed

OTHERS = ("overrides.json", "history.jsonl", "split.csv", "unreadable.json", "config.toml")


def prepare(folder: Path) -> None:
    assert predicted(trained(folder)) == "answered"


def attempt(folder: Path, rng: np.random.Generator) -> str:
    name = "tasks.json" if rng.random() < 0.7 else OTHERS[rng.integers(len(OTHERS))]
    run = folder / "run"
    with replaced(run / name, damaged(run / name, rng)):
        outcome = predicted(run) if name in ("tasks.json", "overrides.json", "config.toml") else "answered"
        listed_and_reported(run)
    return outcome


def damaged(path: Path, rng: np.random.Generator) -> bytes:
    whole = path.read_bytes()
    if path.name in ("split.csv", "config.toml") or rng.random() < 0.15:
        return garbled(whole, rng)
    if path.name == "history.jsonl":
        return b"".join(written(changed(json.loads(line), rng)) + b"\n" for line in whole.splitlines())
    if path.name == "unreadable.json":
        return written(changed([{"image": "a.png", "error": "is damaged"}], rng))
    return written(changed(json.loads(whole), rng))


def listed_and_reported(path: Path) -> None:
    """What lists and reports read of a run."""
    run = RunFolder.open(path)
    json.dumps(listed(run), allow_nan=False)
    run.split()
    run.unreadable()
    history = oneglance.Run(path).history()
    json.dumps(history.to_dict(), allow_nan=False)
    history.page()
