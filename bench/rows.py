"""Time and memory from a table of up to ten million rows to the first batch of a training.

A CSV table names pictures (hard links to tiny files) with a label, tags, a number, another label, a seller
and a split; one answer in twenty is missing. A fresh process for each size reads the table, turns cells into
answers, looks for every file, splits the pictures by seller, runs every check, learns classes and scale of
the tasks, encodes the answers of the training split, and reads the files and targets of a first batch. No
picture is compared with others byte by byte, and none is decoded.

    python bench/rows.py [--rows 100000 1000000 10000000] [--keep FOLDER] [--plot rows.svg]
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

BUDGET_SECONDS, BUDGET_GB = 60, 2.0  # for ten million rows
STEPS = ("collect", "look", "split", "check", "learn", "batch")
BATCH = 64
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
    import numpy as np
    import torch

    from oneglance.config import SplitTable
    from oneglance.data.dataset import SplitData
    from oneglance.data.inspection.checks import check
    from oneglance.data.inspection.missing_files import missing_pictures
    from oneglance.data.merging.collect import collect
    from oneglance.data.source import open_source
    from oneglance.data.splitting.split import split, stratify_labels
    from oneglance.task import build_tasks, fit_targets
    from oneglance.training.data_loader import BatchLoader
    from oneglance.training.preparation.building import encoded_targets
    from oneglance.training.source_sampler import SourceSampler

    imported, times, cpu = peak_bytes(), [time.perf_counter()], time.process_time()
    peaks: dict[str, int] = {}
    by_name = build_tasks(TASKS)
    tasks = list(by_name.values())
    source = open_source({"path": str(path), "images": str(path.parent), "group": "seller"}, path.parent)
    collected = collect([source], tasks)
    times.append(time.perf_counter())
    peaks["collect"] = peak_bytes()
    records, missing = missing_pictures(collected.records, are_distinct=True)
    times.append(time.perf_counter())
    peaks["look"] = peak_bytes()
    classes = stratify_labels(records, tasks)
    splits = split(records, SplitTable(), classes)
    times.append(time.perf_counter())
    peaks["split"] = peak_bytes()
    wrong = check(records, tasks, splits=splits, classes=classes)
    times.append(time.perf_counter())
    peaks["check"] = peak_bytes()
    del classes  # as in load_dataset, which has come to its end
    train = SplitData(records.take(splits.train), np.arange(len(splits.train)))
    fit_targets(by_name, train.answers)
    targets = encoded_targets(by_name, train)
    times.append(time.perf_counter())
    peaks["learn"] = peak_bytes()
    sampler = SourceSampler(train.records.sources)
    files: Any = Files(train.records)
    loader = BatchLoader(files, train.rows, targets, BATCH, torch.device("cpu"), sampler)
    first = next(loader.shuffled(seed=0, epoch=0))
    assert len(first.pictures) == len(first.targets["kind"]["class"]) >= BATCH - 1
    times.append(time.perf_counter())
    problems = [*collected.problems, *missing, *wrong]
    if problems:
        raise SystemExit(f"{len(problems):,} problems, such as {problems[0]}")
    steps = dict(zip(STEPS, map(float.__sub__, times[1:], times), strict=True))
    peaks["batch"] = peak_bytes()
    return {
        "rows": len(collected.records),
        "seconds": times[-1] - times[0],
        "cpu_seconds": time.process_time() - cpu,  # far less than the seconds: others used the machine too
        "peak_gb": peak_bytes() / 1e9,
        "anonymous_gb_at_end": anonymous_bytes() / 1e9,
        "imported_gb": imported / 1e9,
        "peak_gb_after": {step: round(peak / 1e9, 3) for step, peak in peaks.items()},
        **steps,
    }


class Files:
    """A store that reads the files of a batch and decodes none."""

    order = None

    def __init__(self, records: Any) -> None:
        self.records, self.failures = records, dict[int, Exception]()

    def announce(self, batches: Any, reading: Any = None) -> None:
        """Nothing is read ahead."""

    def gather(self, rows: Any) -> Any:
        """The size of each, [k, 1]."""
        import numpy as np

        sizes = [len(self.records[row].image.load()) for row in rows.tolist()]
        return np.array(sizes, dtype=np.float32)[:, None]


def anonymous_bytes() -> int:
    """The memory of this process that no file lies behind; 0 where the system does not say."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


def peak_bytes() -> int:
    """The most memory that this process ever held."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kilobytes on Linux


def drawing(results: list[dict[str, Any]]) -> str:
    """Seconds and gigabytes by rows, both axes logarithmic: one SVG file, to be read on light and on dark."""
    from oneglance.evaluation.reports.svg_plots import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, plot

    shown = {"seconds": "seconds", "peak_gb": "GB of memory at the peak"}
    rows = [one["rows"] for one in results]
    series = [(name, rows, [one[key] for one in results]) for key, name in shown.items()]
    drawn = plot("", ("rows", ""), series, log=True)
    assert drawn is not None
    strokes = ("#0072b2", "#d55e00")
    style = "text{font:11px sans-serif;fill:#888}path{fill:none;stroke-width:2}"
    x_lines = (
        f'<path d="M{tick.at} {TOP}V{HEIGHT - BOTTOM}" stroke="#8884"/>'
        f'<text x="{tick.at}" y="{HEIGHT - 26}" text-anchor="middle">{float(tick.text):,.0f}</text>'
        for tick in drawn.x_ticks
        if math.log10(float(tick.text)).is_integer()
    )
    y_lines = (
        f'<path d="M{LEFT} {tick.at}H{WIDTH - RIGHT}" stroke="#8884"/>'
        f'<text x="{LEFT - 6}" y="{tick.at + 4}" text-anchor="end">{tick.text}</text>'
        for tick in drawn.y_ticks
    )
    curves = (
        f'<path d="{line.path}" stroke="{stroke}"/><path d="{line.dots}" style="fill:{stroke}"/>'
        f'<text x="{LEFT + 128 * number}" y="{HEIGHT + 6}" style="fill:{stroke}">{line.name}</text>'
        for number, (line, stroke) in enumerate(zip(drawn.lines, strokes, strict=True))
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 24} {HEIGHT + 20}" role="img">',
            f"<title>Seconds and memory by rows</title><style>{style}</style>",
            *x_lines,
            *y_lines,
            *curves,
            f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">rows</text></svg>',
        ]
    )


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    options.add_argument("--keep", type=Path, help="a folder for the tables and pictures, made once and kept")
    options.add_argument("--plot", type=Path, help="an SVG file of seconds and memory by rows")
    options.add_argument(
        "--read", type=Path, help=argparse.SUPPRESS
    )  # the table, in the process that is measured
    given = options.parse_args()
    if given.read:
        print(json.dumps(read_and_check(given.read)))
        return
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        for count in given.rows:
            folder = (given.keep or Path(temporary)) / str(count)
            if not (folder / "labels.csv").exists():
                write_pictures(folder, count)
                write_table(folder / "labels.csv", count)
            command = [sys.executable, __file__, "--read", str(folder / "labels.csv")]
            result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            results.append(result)
            print(f"{result['rows']:,} rows in {result['seconds']:.1f} s", end=", ")
            print(f"{result['cpu_seconds']:.1f} s of a processor and {result['peak_gb']:.2f} GB:", end=" ")
            print({step: round(result[step], 2) for step in STEPS}, flush=True)
    for one, two in pairwise(results):
        more = two["rows"] - one["rows"]
        micro = (two["cpu_seconds"] - one["cpu_seconds"]) / more * 1e6
        size = (two["peak_gb"] - one["peak_gb"]) / more * 1e9
        each = f"{micro:.2f} µs and {size:.0f} bytes a further row"
        print(f"from {one['rows']:,} to {two['rows']:,} rows: {each}")
    if given.plot:
        given.plot.write_text(drawing(results), encoding="utf-8")
    budget = {"budget_seconds": BUDGET_SECONDS, "budget_gb": BUDGET_GB}
    print(json.dumps({"bench": "rows", **budget, "sizes": results}))


if __name__ == "__main__":
    main()
