"""A run folder whose plain files are changed: tasks.json above all, and the others beside it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from strange_values import asked, changed, garbled, trained, written

import oneglance
from oneglance.storage.run_folder import RunFolder
from oneglance.storage.run_lookup import listed

WHOLE: dict[str, bytes] = {}
OTHERS = ("overrides.json", "history.jsonl", "split.csv", "unreadable.json", "config.toml")


def prepare(place: Path) -> None:
    run = trained(place)
    WHOLE.update({path.name: path.read_bytes() for path in run.iterdir()})
    assert asked(run) == "answered"


def attempt(place: Path, rng: np.random.Generator) -> str:
    name = "tasks.json" if rng.random() < 0.7 else OTHERS[rng.integers(len(OTHERS))]
    run = place / "run"
    (run / name).write_bytes(damaged(name, rng))
    try:
        outcome = asked(run) if name in ("tasks.json", "overrides.json", "config.toml") else "answered"
        looked_at(run)
    finally:
        (run / name).write_bytes(WHOLE[name])
    return outcome


def damaged(name: str, rng: np.random.Generator) -> bytes:
    if name in ("split.csv", "config.toml") or rng.random() < 0.15:
        return garbled(WHOLE[name], rng)
    if name == "history.jsonl":
        return b"".join(written(changed(json.loads(line), rng)) + b"\n" for line in WHOLE[name].splitlines())
    if name == "unreadable.json":
        return written(changed([{"image": "a.png", "error": "is damaged"}], rng))
    return written(changed(json.loads(WHOLE[name]), rng))


def looked_at(path: Path) -> None:
    """What lists and reports read of a run."""
    run = RunFolder.open(path)
    json.dumps(listed(run), allow_nan=False)
    run.split()
    run.unreadable()
    history = oneglance.Run(path).history()
    json.dumps(history.to_dict(), allow_nan=False)
    history.page()
