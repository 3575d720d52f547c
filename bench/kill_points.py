"""A process that is killed at every one of its operations on files, and what the command does afterwards.

Each command runs once and its operations are counted: folders made, files opened to be written, written,
flushed to the disk, renamed and removed. Then it runs again and again in a fresh copy, and is killed before
the first operation, the second, and so on; half of what was being written is then on the disk. The command
is given once more, and with --resume where it asks for that. The result must be that of a run that nobody
killed.

    python bench/kill_points.py [COMMAND ...] [--every 1]

The exit code is 1 where a result differs or a command fails. Needs fork: Linux or macOS.
"""

from __future__ import annotations

import argparse
import builtins
import hashlib
import importlib
import io
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import oneglance
from oneglance.config import load
from oneglance.data.images.memory_image import memory_image
from oneglance.data.synthetic import write_scenes
from oneglance.errors import OneglanceError
from oneglance.progress import Screen
from oneglance.serving.corrections import Corrections
from oneglance.task import build_tasks

KILLED = 77  # the exit code of a process that ended at its operation
CONFIG = """
[[sources]]
path = "scenes/labels.csv"
group = "scene"
[tasks.digit]
type = "label"
[tasks.covered]
type = "number"
[backbone]
name = "small"
size = 16
options = { width = 4, depth = 2 }
[training]
epochs = 2
batch = 16
precision = "fp32"
device = "cpu"
"""
PICTURES = 36
LOADED = (
    "oneglance.training.trainer",
    "oneglance.training.experiment_data",
    "oneglance.evaluation.comparison.compare",
    "oneglance.inference.export",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "scipy.optimize",
    "oneglance.backbones.small",
    "oneglance.tasks.label",
    "oneglance.tasks.number",
    "oneglance.data.images.decoding.decode_pool",
)


# What is killed. Each works in the current folder, where there is a run in `done` of the data in `scenes`.


def train() -> None:
    oneglance.train("oneglance.toml", out="runs/new", screen=Screen())


def resume() -> None:
    oneglance.train("runs/new", resume=True, screen=Screen())


def longer() -> None:
    oneglance.train("done", resume=True, overrides="training.epochs=4", screen=Screen())


def evaluate() -> None:
    oneglance.evaluate("done", screen=Screen())


def compare() -> None:
    only = ("joint", "single", "constant")
    oneglance.compare("oneglance.toml", out="compare", seeds=1, only=only, screen=Screen())


def predict() -> None:
    pictures = sorted(Path("scenes/images").iterdir())[:4]
    oneglance.predict("done", pictures, out="answers.jsonl", draw="drawn", device="cpu", screen=Screen())


def export() -> None:
    oneglance.export("done", out="model.onnx", screen=Screen())


def corrections() -> None:
    tasks = build_tasks(load("oneglance.toml").tasks)
    picture = memory_image(sorted(Path("scenes/images").iterdir())[0].read_bytes(), "a.png")
    kept = Corrections(Path("labels.csv"), tasks)
    for answers in ({"digit": {"value": "3"}}, {"digit": {"value": "4"}, "covered": {"value": 2.5}}):
        kept.keep(picture, 64, 64, answers)


COMMANDS: dict[str, Callable[[], None]] = {
    each.__name__: each for each in (train, longer, evaluate, compare, predict, export, corrections)
}


# What it leaves: the files that matter, without clocks.


def result(command: str) -> dict[str, str]:
    files = {
        "train": ["runs/new/weights.safetensors", "runs/new/tasks.json", "runs/new/split.csv",
                  "runs/new/novelty.safetensors"],
        "longer": [f"done/{name}" for name in ("weights.safetensors", "tasks.json", "overrides.json")],
        "evaluate": ["done/report.json"],
        "compare": ["compare/compare.json", *(f"compare/runs/{name}-0/weights.safetensors"
                                               for name in ("joint", "single-digit", "single-covered"))],
        "predict": ["answers.jsonl", *(str(path) for path in sorted(Path("drawn").glob("*")))],
        "export": ["model.onnx"],
        "corrections": ["labels.csv", *(str(path) for path in sorted(Path("labels-pictures").glob("*")))],
    }[command]  # fmt: skip
    files = [name for name in files if not Path(name).name.startswith(".")]  # leftovers, see ``sweep``
    return {name: hashlib.sha256(content(Path(name))).hexdigest() for name in files}


def content(path: Path) -> bytes:
    if path.name == "report.json":
        report = json.loads(path.read_text())
        return json.dumps({key: report[key] for key in ("split", "pictures", "tasks")}).encode()
    if path.name == "compare.json":
        tasks = json.loads(path.read_text())["tasks"]
        scores = {
            name: [task.get(key) for key in ("joint", "single", "constant")] for name, task in tasks.items()
        }
        return json.dumps(scores).encode()
    return path.read_bytes()


# Operations, and the end at one of them.


class Operations:
    """Counts operations on files below the current folder; at number ``at`` the process ends."""

    def __init__(self, at: int = 0) -> None:
        self.count, self.at, self.below = 0, at, str(Path.cwd())
        self.process = os.getpid()

    def step(self, what: str, path: Any) -> bool:
        """Whether the process is to end now."""
        if os.getpid() != self.process or not self.ours(path):
            return False
        self.count += 1
        return self.count == self.at

    def ours(self, path: Any) -> bool:
        if isinstance(path, int):
            return True
        return os.path.abspath(os.fsdecode(path)).startswith(self.below)  # noqa: PTH100

    def watch(self) -> None:
        for name in ("mkdir", "rmdir", "unlink", "remove", "rename", "replace", "fsync", "truncate", "link"):
            setattr(os, name, self.before(name, getattr(os, name)))
        real = io.open

        def opened(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
            if isinstance(file, int) or not set(mode) & set("wxa+") or not self.ours(file):
                return real(file, mode, *rest, **named)
            if self.step("open", file):
                os._exit(KILLED)
            if "b" in mode and "+" not in mode:
                return Written(io.FileIO(file, mode.replace("b", "")), self)
            return real(file, mode, *rest, **named)

        builtins.open = io.open = opened

    def before(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def counted(path: Any, *rest: Any, **named: Any) -> Any:
            if self.step(name, path):
                os._exit(KILLED)
            return real(path, *rest, **named)

        return counted


class Written(io.BufferedWriter):
    """A file; the process may end in the middle of what is written."""

    def __init__(self, raw: io.FileIO, operations: Operations) -> None:
        super().__init__(raw)
        self._operations, self._path = operations, str(raw.name)

    def write(self, data: Any) -> int:
        if self._operations.step("write", self._path):
            super().write(memoryview(data).cast("B")[: memoryview(data).nbytes // 2])
            super().flush()
            os._exit(KILLED)
        return super().write(data)


def in_a_fork(folder: Path, command: Callable[[], None], at: int = 0) -> tuple[int, str]:
    """(exit code, the number of operations or the message) of a command in a process of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code, said = 1, ""
        try:
            os.close(reader)
            os.chdir(folder)
            operations = Operations(at)
            operations.watch()
            command()
            code, said = 0, str(operations.count)
        except OneglanceError as error:
            code, said = 3, str(error)
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        finally:
            os.write(writer, said.encode()[:60_000])
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def again(folder: Path, command: str) -> tuple[int, str]:
    """The same command; where it says so, with --resume."""
    code, said = in_a_fork(folder, COMMANDS[command])
    if code == 3 and "--resume" in said:
        return in_a_fork(folder, resume)
    return code, said


def tried(command: str, prepared: Path, place: Path, every: int, first: int = 1) -> dict[str, Any]:
    """Kill a command at its operations ``first``, ``first + every``, …"""
    whole = place / "whole"
    shutil.copytree(prepared, whole)
    code, said = in_a_fork(whole, COMMANDS[command])
    if code:
        raise SystemExit(f"{command}: {said}")
    operations, wanted = int(said), results_in(whole, command)
    wrong: list[str] = []
    points = range(first, operations + 1, every)
    for at in points:
        folder = place / "killed"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(prepared, folder)
        code, said = in_a_fork(folder, COMMANDS[command], at)
        if (
            code == 0 and command == "compare"
        ):  # how long it trains goes by the clock: it may have ended before
            continue
        if code != KILLED:
            wrong.append(f"operation {at} of {operations}: it was not killed: {code} {said}")
            continue
        code, said = again(folder, command)
        if code:
            wrong.append(f"operation {at} of {operations}: {said}")
        elif (found := results_in(folder, command)) != wanted:
            other = sorted(name for name in wanted if found.get(name) != wanted[name])
            wrong.append(f"operation {at} of {operations}: {', '.join(other)} differ")
    return {"operations": operations, "killed": len(points), "wrong": wrong}


def results_in(folder: Path, command: str) -> dict[str, str]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        return result(command)
    except OSError as error:
        return {"": str(error)}
    finally:
        os.chdir(before)


def prepare(place: Path) -> Path:
    """A folder with data, a configuration and a finished run."""
    folder = place / "prepared"
    os.environ["OMP_NUM_THREADS"] = "1"  # of networks as small as this, threads only wait for each other
    for module in LOADED:  # once, and not in every fork
        importlib.import_module(module)
    os.environ["ONEGLANCE_CACHE"] = "cache"  # in each folder, so that its files count too
    write_scenes(folder / "scenes", count=PICTURES, size=24)
    (folder / "oneglance.toml").write_text(CONFIG, encoding="utf-8")

    def begin() -> None:
        oneglance.train("oneglance.toml", out="done", screen=Screen())

    code, said = in_a_fork(folder, begin)
    if code:
        raise SystemExit(said)
    shutil.rmtree(folder / "cache")
    return folder


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument(
        "commands", nargs="*", metavar="COMMAND", help=f"of {', '.join(COMMANDS)}; default: all"
    )
    options.add_argument("--every", type=int, default=1, help="kill only at every so many operations")
    given = options.parse_args()
    rows = {}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name).resolve()
        prepared = prepare(place)
        for command in given.commands or COMMANDS:
            began = time.perf_counter()
            (place / command).mkdir()
            rows[command] = tried(command, prepared, place / command, given.every)
            rows[command]["seconds"] = round(time.perf_counter() - began)
            print(command, json.dumps(rows[command]), flush=True)
    print(json.dumps({"bench": "kill_points", "commands": rows}))
    sys.exit(any(row["wrong"] for row in rows.values()))


if __name__ == "__main__":
    main()
