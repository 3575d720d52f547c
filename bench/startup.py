"""How long the commands that people wait for take to start: seconds of CPU and of the clock.

    python bench/startup.py RUN PICTURE [--onnx FILE] [--tries 5]

The least of so many tries counts. Seconds of CPU (user and system, with those of children) hold still
where other programs run; those of the clock do so on a quiet machine only. The last column is the ratio to
``import torch`` alone, the floor of everything that answers from a run folder. "precision measured" has an
empty cache folder.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence

ONEGLANCE = (sys.executable, "-m", "oneglance")


def once(command: Sequence[str], extra: Mapping[str, str]) -> tuple[float, float]:
    """CPU and wall seconds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **extra})
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", help="a finished run folder")
    parser.add_argument("picture")
    parser.add_argument("--onnx", help="the file that `oneglance export` wrote of it", default="")
    parser.add_argument("--tries", type=int, default=5)
    given = parser.parse_args()
    completion = {
        "_ONEGLANCE_COMPLETE": "complete_bash",
        "COMP_WORDS": "oneglance pre",
        "COMP_CWORD": "1",
        "_TYPER_COMPLETE_ARGS": "oneglance pre",
    }
    predict = (*ONEGLANCE, "predict", given.run, given.picture)
    rows: list[tuple[str, Sequence[str], Mapping[str, str]]] = [
        ("import torch", (sys.executable, "-c", "import torch"), {}),
        ("import oneglance", (sys.executable, "-c", "import oneglance"), {}),
        ("oneglance --help", (*ONEGLANCE, "--help"), {}),
        ("completion", ONEGLANCE, completion),
        ("predict, torch", predict, {}),
    ]
    if given.onnx:
        rows.append(("predict, .onnx", (*ONEGLANCE, "predict", given.onnx, given.picture), {}))
    floor = 0.0
    print(f"{'':28} {'CPU s':>7} {'wall s':>7} {'of torch':>9}")
    for name, command, extra in rows:
        once(command, extra)  # files come into memory, and what is measured once is measured
        cpu, wall = map(min, zip(*(once(command, extra) for _ in range(given.tries)), strict=True))
        floor = floor or cpu
        print(f"{name:28} {cpu:7.2f} {wall:7.2f} {cpu / floor:9.2f}")
    with tempfile.TemporaryDirectory() as empty:
        cpu, wall = once(predict, {"ONEGLANCE_CACHE": empty})
        print(f"{'predict, precision measured':28} {cpu:7.2f} {wall:7.2f} {cpu / floor:9.2f}")


if __name__ == "__main__":
    main()
