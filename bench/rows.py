"""Time and memory to read and check a table of a million rows.

A CSV table names a million pictures (hard links to a thousand tiny files) with a label, tags, a number,
another label, a seller and a split; one answer in twenty is missing. A fresh process reads the table, turns
cells into answers, looks for every file, splits the pictures by seller, and runs every check. No picture is
decoded.

    python bench/rows.py [--rows 1000000]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUDGET_SECONDS, BUDGET_GB = 20, 1.5
STEPS = ("collect", "look", "split", "check")
PER_FOLDER = 1000  # links to one file; some file systems allow no more

TASKS = {
    "kind": {"type": "label"},
    "style": {"type": "tags", "separator": "|"},
    "price": {"type": "number", "unit": "EUR"},
    "used": {"type": "label"},
}


def write_pictures(folder: Path, count: int) -> None:
    """``000/000.jpg`` and so on; the pictures of one folder are one file."""
    for start in range(0, count, PER_FOLDER):
        inside = folder / f"{start // PER_FOLDER:03}"
        inside.mkdir(parents=True)
        first = inside / "000.jpg"
        first.write_bytes(b"a tiny file that is never opened")
        for number in range(1, min(PER_FOLDER, count - start)):
            os.link(first, inside / f"{number:03}.jpg")


def write_table(path: Path, count: int) -> None:
    """Like a catalogue: sellers with about ten pictures, fifty kinds, twelve styles, prices of all sizes."""
    draw = random.Random(0)
    styles = [f"style {letter}" for letter in "abcdefghijkl"]
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "kind", "style", "price", "used", "seller", "split"])
        for row in range(count):
            seller = row // 10
            cells = [
                f"kind {min(draw.randrange(50), draw.randrange(50))}",
                "|".join(draw.sample(styles, draw.randrange(1, 4))),
                f"{draw.lognormvariate(3, 1):.2f}",
                draw.choice(["yes", "no"]),
            ]
            labelled = [cell if draw.random() > 0.05 else "" for cell in cells]
            split = "test" if seller % 10 == 0 else ""
            picture = f"{row // PER_FOLDER:03}/{row % PER_FOLDER:03}.jpg"
            table.writerow([picture, *labelled, f"seller {seller}", split])


def read_and_check(path: Path) -> dict[str, float]:
    """Seconds of each step and the peak memory of this process."""
    from oneglance.config import SplitTable
    from oneglance.data.inspection.checks import check
    from oneglance.data.inspection.missing_files import missing_pictures
    from oneglance.data.merging.collect import collect
    from oneglance.data.source import open_source
    from oneglance.data.splitting.split import split, stratify_labels
    from oneglance.task import build_tasks

    times, cpu = [time.perf_counter()], time.process_time()
    tasks = list(build_tasks(TASKS).values())
    source = open_source({"path": str(path), "images": str(path.parent), "group": "seller"}, path.parent)
    collected = collect([source], tasks)
    times.append(time.perf_counter())
    records, missing = missing_pictures(collected.records)
    times.append(time.perf_counter())
    classes = stratify_labels(records, tasks)
    splits = split(records, SplitTable(), classes)
    times.append(time.perf_counter())
    wrong = check(records, tasks, splits=splits, classes=classes)
    times.append(time.perf_counter())
    problems = [*collected.problems, *missing, *wrong]
    if problems:
        raise SystemExit(f"{len(problems):,} problems, such as {problems[0]}")
    steps = dict(zip(STEPS, map(float.__sub__, times[1:], times), strict=True))
    return {
        "rows": len(collected.records),
        "seconds": times[-1] - times[0],
        "cpu_seconds": time.process_time() - cpu,  # far less than the seconds: others used the machine too
        "peak_gb": peak_bytes() / 1e9,
        **steps,
    }


def peak_bytes() -> int:
    """The most memory that this process ever held."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kilobytes on Linux


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument(
        "--read", type=Path, help=argparse.SUPPRESS
    )  # the table, in the process that is measured
    given = options.parse_args()
    if given.read:
        print(json.dumps(read_and_check(given.read)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_pictures(folder, given.rows)
        write_table(folder / "labels.csv", given.rows)
        command = [sys.executable, __file__, "--read", str(folder / "labels.csv")]
        result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print("seconds:", {step: round(result[step], 2) for step in STEPS})
    print(f"{result['rows']:,} rows in {result['seconds']:.1f} s and {result['peak_gb']:.2f} GB")
    print(
        json.dumps(
            {
                "bench": "rows",
                "seconds": round(result["seconds"], 2),
                "cpu_seconds": round(result["cpu_seconds"], 2),
                "peak_gb": round(result["peak_gb"], 3),
                "rows": result["rows"],
                "budget_seconds": BUDGET_SECONDS,
                "budget_gb": BUDGET_GB,
            }
        )
    )


if __name__ == "__main__":
    main()
