"""What ``oneglance start`` does on real data sets with each recipe, beside a probe and a loop on its choice.

Each recipe is the command as a user types it, in an empty home, without a network, in a new folder; with
``--memory`` in a control group of so many GB (Linux, as root). ``probe`` and ``loop`` of bench/recipes.py
take the configuration that ``auto`` wrote: the same pictures, parts, size, weights and epochs;
``auto:efficientnet_lite1`` is a recipe with another network. Each row is written as soon as it is there, and
what the file of results holds already is not run again.

    python bench/start.py raccoon trash --data DATA [--recipes auto,quick,probe,loop] [--memory 6]
    python bench/start.py --table
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kept_rows

from oneglance import config as configuration

CONTROL = Path("/sys/fs/cgroup")
BY_HAND = ("probe", "loop")
# The part of a data set that is given to ``start``, where it is not the whole folder.
FOLDERS = {"rubbish": "own_pictures/rubbish", "insects": "own_pictures/insects"}
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "no_proxy": "*",
    "HTTPS_PROXY": "http://127.0.0.1:9",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="*")
    parser.add_argument("--data", type=Path, help="the folder with a folder for each set")
    parser.add_argument("--recipes", default="auto,quick,probe,loop,classic,best")
    parser.add_argument("--memory", type=float, help="GB that a control group allows")
    parser.add_argument("--results", type=Path, default=Path("docs/results/start.jsonl"))
    parser.add_argument("--kept", type=Path, default=Path("runs/start"), help="configurations and runs")
    parser.add_argument("--table", action="store_true", help="only print what was measured")
    args = parser.parse_args()
    rows = kept_rows.read(args.results)
    for recipe in [] if args.table else args.recipes.split(","):
        for name in args.sets:
            if (name, recipe) in {(row["set"], row["recipe"]) for row in rows}:
                continue
            folder = (args.kept / f"{name}-{recipe}").resolve()
            if recipe in BY_HAND:
                row = by_hand(args.kept.resolve() / f"{name}-auto", recipe)
            else:
                row = started(args.data.resolve() / FOLDERS.get(name, name), recipe, folder, args.memory)
            if row is not None:
                rows.append({"set": name, "recipe": recipe, **where(), **row})
                kept_rows.keep(args.results, rows[-1])
    print(table(rows))


def where() -> dict[str, Any]:
    """The machine and the day."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}",
        "load_before": round(os.getloadavg()[0], 1),
    }


def started(data: Path, recipe: str, folder: Path, memory: float | None) -> dict[str, Any] | None:
    """What the command printed, and what it took; None where it failed, which is printed."""
    folder.mkdir(parents=True, exist_ok=True)
    group = ControlGroup(f"oneglance-{folder.name}", memory) if memory else None
    enter = group.enter if group else None
    name, _, backbone = recipe.partition(":")
    command = [sys.executable, "-m", "oneglance", "start", str(data), "--yes", "--json", "--recipe", name]
    command += ["--backbone", backbone] if backbone else []
    began, before = time.perf_counter(), children()
    with tempfile.TemporaryDirectory() as home:
        there = {**os.environ, **OFFLINE, "HOME": home, "XDG_CACHE_HOME": f"{home}/.cache"}
        there.setdefault("PYTHONPATH", str(Path(configuration.__file__).parent.parent))
        done = subprocess.run(
            command, cwd=folder, env=there, preexec_fn=enter, capture_output=True, text=True
        )
    took = {
        "minutes": round((time.perf_counter() - began) / 60, 2),
        "cpu_minutes": round((children() - before) / 60, 2),
    }
    if group is not None:
        took |= {"charged_mb": round(group.leave() / 1e6), "limit_gb": memory or 0}
    if done.returncode:
        print(
            f"{folder.name}: exit code {done.returncode}\n{done.stderr[-3000:]}", file=sys.stderr, flush=True
        )
        return None
    printed = json.loads(done.stdout)
    return {
        "chosen": printed["chosen"],
        "peak_mb": printed["peak_mb"],
        **took,
        "tasks": kept_rows.scores(printed["report"]["tasks"]),
    }


class ControlGroup:
    """A group of processes that together may take so many GB, by either version of Linux's interface."""

    def __init__(self, name: str, memory: float) -> None:
        first = CONTROL / "memory"
        self.limit, self.peak = "memory.max", "memory.peak"
        if first.exists():
            self.limit, self.peak = "memory.limit_in_bytes", "memory.max_usage_in_bytes"
        self.folder = (first if first.exists() else CONTROL) / name
        self.folder.mkdir(exist_ok=True)
        (self.folder / self.limit).write_text(str(int(memory * 1e9)))

    def enter(self) -> None:
        """This process, and what it will start."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def leave(self) -> int:
        """The bytes that were charged at most, and nothing is left of it."""
        peak = int((self.folder / self.peak).read_text())
        self.folder.rmdir()
        return peak


def children() -> float:
    """Seconds of CPU of the processes that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def by_hand(folder: Path, arm: str) -> dict[str, Any] | None:
    """A probe or plain loops on what ``auto`` chose; None where none of its tasks has a probe.

    ``loop`` is one network for all answers about the whole picture, and a detector beside it for the boxes.
    """
    import recipes
    from detector import detections
    from recipes import ExperimentData, Screen, fit_targets, score

    if not (folder / "oneglance.toml").exists():
        raise SystemExit(f"{arm} takes what auto chose: add auto to --recipes, before it")
    config = configuration.load(folder / "oneglance.toml")
    whole = {name: keys for name, keys in config.tasks.items() if keys["type"] != "boxes"}
    if arm == "probe" and (not whole or config.backbone.name == "small"):
        return None  # `small` has nothing that was learned elsewhere
    data = ExperimentData.load(config, Screen())
    fit_targets(data.tasks, data.train.answers)
    boxes = {name: data.tasks.pop(name) for name in config.tasks.keys() - whole.keys()}
    began, cpu = time.perf_counter(), time.process_time()
    tasks = {"probe": recipes.probe, "loop": recipes.loop}[arm](data) if whole else {}
    if arm == "loop":
        groups = [record.group for record in data.test.records]
        for name, task in boxes.items():
            tasks[name] = score(task, detections(data, task), data.test.answers(name), groups)
    return {
        "minutes": round((time.perf_counter() - began) / 60, 2),
        "cpu_minutes": round((time.process_time() - cpu) / 60, 2),
        "tasks": kept_rows.scores(tasks),
    }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown."""
    lines = [
        "| set | recipe | chosen | minutes (CPU) | memory, GB | score, 95 % interval |",
        "|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda row: row["set"]):
        chosen, frozen = row.get("chosen", {}), ""
        if chosen:
            frozen = ", frozen" if chosen["freeze"] else ""
            frozen = f"{chosen['backbone']}, {chosen['size'][0]} px, {chosen['epochs']} epochs{frozen}"
        memory = f"{row['peak_mb'] / 1000:.1f}" if "peak_mb" in row else ""
        cells = [f"{name} {cell(one)}" for name, one in row["tasks"].items()]
        minutes = f"{row['minutes']:.1f} ({row['cpu_minutes']:.1f})"
        lines.append(
            f"| {row['set']} | {row['recipe']} | {frozen} | {minutes} | {memory} | {'; '.join(cells)} |"
        )
    return "\n".join(lines)


def cell(one: Mapping[str, Any]) -> str:
    """``accuracy 0.61 (0.55 - 0.67)``."""
    digits = 3 if one["value"] < 10 else 1 if one["value"] < 1000 else 0
    low, high = (f"{one[end]:,.{digits}f}" for end in ("low", "high"))
    unit = f" {one['unit']}" if one.get("unit") else ""
    return f"{one['metric']} {one['value']:,.{digits}f}{unit} ({low} – {high})"


if __name__ == "__main__":
    main()
