"""Thousands of damaged inputs: what is answered, what is refused, and what should never be seen.

A kind is a file of ``attacks``. It has ``prepare(folder)``, which lays valid files into an empty folder, and
``attempt(folder, rng)``, which damages one of them, goes through the entry point that people use, and returns
"answered" or "refused". Where the damage itself takes time and memory, ``make(folder, rng)`` does it before,
unmeasured, and gives what ``attempt`` is called with in place of the folder. A refusal is the library's own
error; an ``AssertionError`` is a wrong answer; any other exception is a traceback that a person would see.
Each kind runs in a process of its own, which is ended and begun again where an attempt takes longer than it
may.

    python bench/attack.py [KIND ...] [--count 2000] [--seed 0]

The exit code is 1 where anything but answers and refusals came out, or a process grew too large.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import multiprocessing
import re
import sys
import tempfile
import time
import traceback
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

SECONDS = 20.0  # that one attempt may take
MEMORY = 1.5e9  # bytes that a process, or one that it started, may hold
STARTING = 240.0  # seconds until the valid files are there
SHOWN = 5  # failures of a kind that are printed whole
FOLDER = Path(__file__).parent


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = kinds()
    options.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(known)}; default: all")
    options.add_argument("--count", type=int, default=2000, help="attempts of each kind")
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    if strange := [kind for kind in given.kinds if kind not in known]:
        options.error(f"no kind {', '.join(strange)}; there are {', '.join(known)}")
    rows = {}
    for kind in given.kinds or known:
        rows[kind] = attacked(kind, given.count, given.seed)
        print(kind, json.dumps(rows[kind]), flush=True)
    print(json.dumps({"bench": "attack", "count": given.count, "seed": given.seed, "kinds": rows}))
    sys.exit(any(map(failed, rows.values())))


def kinds() -> list[str]:
    return sorted(path.stem for path in (FOLDER / "attacks").glob("*.py") if path.stem != "__init__")


def failed(row: dict[str, Any]) -> bool:
    return bool(row["tracebacks"] or row["wrong"] or row["too_long"] or row["died"] or row["memory"] > MEMORY)


def attacked(kind: str, count: int, seed: int = 0, seconds: float = SECONDS) -> dict[str, Any]:
    """Counts of what came out of ``count`` attempts, the slowest in seconds and the most memory in bytes."""
    outcomes: Counter[str] = Counter()
    slowest, memory, printed, first = 0.0, 0, 0, 0
    while first < count:
        parent, child = multiprocessing.get_context("spawn").Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=worker, args=(kind, first, count, seed, child), daemon=False
        )
        process.start()
        child.close()
        limit = STARTING  # until it is ready
        while first < count:
            try:
                if not parent.poll(limit):
                    outcome, took, held, text = "too_long", limit, 0, f"longer than {limit:g} s"
                else:
                    outcome, took, held, text = parent.recv()
            except EOFError:
                outcome, took, held, text = "died", 0.0, 0, f"exit code {process.exitcode}"
            if outcome == "ready":
                limit, memory = STARTING, max(memory, held)
                continue
            if outcome == "made":
                limit = seconds
                continue
            if limit == STARTING:
                process.kill()
                raise SystemExit(f"{kind}: nothing was prepared: {text}")
            limit = STARTING
            outcomes[outcome] += 1
            slowest, memory = max(slowest, took), max(memory, held)
            if text and printed < SHOWN:
                printed += 1
                print(f"{kind}, attempt {first} of seed {seed}: {outcome}\n{text}", file=sys.stderr)
            first += 1
            if outcome in ("too_long", "died"):
                break
        process.kill()
        process.join()
        parent.close()
    return {
        **{
            name: outcomes[name]
            for name in ("answered", "refused", "wrong", "tracebacks", "too_long", "died")
        },
        "slowest": round(slowest, 2),
        "memory": memory,
    }


def worker(kind: str, first: int, count: int, seed: int, sent: Connection) -> None:
    """Attempts ``first`` to ``count``, each from a generator of its own, so that one can be run again."""
    sys.path.insert(0, str(FOLDER))
    member = importlib.import_module(f"attacks.{kind}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        member.prepare(folder)
        sent.send(("ready", 0.0, most_memory(), ""))
        for index in range(first, count):
            rng = np.random.default_rng([seed, index])
            made = member.make(folder, rng) if hasattr(member, "make") else folder
            forget_memory()
            sent.send(("made", 0.0, 0, ""))
            began = time.perf_counter()
            outcome, text = tried(member, made, rng)
            sent.send((outcome, time.perf_counter() - began, most_memory(), text))


def tried(member: Any, made: Path, rng: np.random.Generator) -> tuple[str, str]:
    from oneglance.errors import OneglanceError

    try:
        return member.attempt(made, rng), ""
    except OneglanceError:
        return "refused", ""
    except AssertionError:
        return "wrong", traceback.format_exc()
    except Exception:
        return "tracebacks", traceback.format_exc()


def forget_memory() -> None:
    """From here on ``most_memory`` counts anew, on Linux."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def most_memory() -> int:
    """Bytes that this process, or the largest that it has started and that has ended, held at most."""
    try:
        import resource
    except ImportError:  # Windows has no such count
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    ended = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    try:
        own = int(re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[0])
    except (OSError, IndexError):
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max(own, ended) * unit


if __name__ == "__main__":
    main()
