"""Every verb with its output on a disk that fills up: what it says, and what it leaves.

Give a folder on a small file system of its own, of some 4 MB, which is filled but for a few kilobytes before
each command. Each must end with a message and exit code 1, or be done where so much suffices, and no file
may lie there by halves: what stands under a final name is read again.

    mount -t tmpfs -o size=4m tmpfs /mnt/small
    python bench/full_disk.py /mnt/small

The exit code is 1 where a command ends otherwise. Needs a system with os.statvfs: Linux or macOS.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kill_points import CONFIG, PICTURES

import oneglance
from oneglance.data.synthetic import write_scenes
from oneglance.progress import Screen

VERBS = {  # {out} is the folder on the small disk
    "init": "init scenes/images scenes/labels.csv --out {out}/new.toml",
    "convert": "convert scenes/labels.csv {out}/converted --to table",
    "train": "train oneglance.toml --out {out}/run",
    "train --resume": "train {out}/stopped --resume",
    "evaluate": "evaluate {out}/done",
    "compare": "compare oneglance.toml --out {out}/compare --seeds 1 --only joint,constant",
    "predict": "predict done scenes/images --out {out}/answers.jsonl",
    "predict --draw": "predict done scenes/images --out {out}/answers.csv --draw {out}/drawn",
    "predict to Parquet": "predict done scenes/images --out {out}/answers.parquet",
    "export": "export done --out {out}/model.onnx",
    "group": "group oneglance.toml --out {out}/group",
    "tune": "tune oneglance.toml --out {out}/tune --budget 20s",
    "runs": "runs {out}",
    "check": "check oneglance.toml",
}
LEFT = (0, 1, 4, 12, 40, 120, 400, 1200)  # kilobytes


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="a folder on a small file system; it is emptied")
    parser.add_argument("--only", nargs="*", default=list(VERBS))
    options = parser.parse_args()
    small = options.folder.resolve()
    if shutil.disk_usage(small).total > 64e6:
        sys.exit(f"{small} holds more than 64 MB: give a small file system, which is filled")
    results: dict[str, dict[str, int]] = {}
    wrong = []
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        prepare()
        for verb in options.only:
            counts = results[verb] = {"done": 0, "told": 0, "wrong": 0}
            for left in LEFT:
                fault = attempt(VERBS[verb], small, left, counts)
                if fault:
                    counts["wrong"] += 1
                    wrong.append(f"{verb} with {left} kB: {fault}")
            print(verb, counts, flush=True)
    print(json.dumps({"bench": "full_disk", "left_kb": LEFT, "verbs": results, "wrong": wrong}))
    sys.exit(bool(wrong))


def prepare() -> None:
    write_scenes(Path("scenes"), count=PICTURES, size=24)
    Path("oneglance.toml").write_text(CONFIG, encoding="utf-8")
    oneglance.train("oneglance.toml", out="done", screen=Screen())
    words = ["train", "oneglance.toml", "--set", "training.epochs=500", "--out", "stopped"]
    training = subprocess.Popen([sys.executable, "-m", "oneglance", *words], stderr=subprocess.DEVNULL)
    while not Path("stopped/resume.pt").exists() and training.poll() is None:
        time.sleep(0.2)
    training.send_signal(signal.SIGINT)
    training.wait()


def attempt(command: str, small: Path, left: int, counts: dict[str, int]) -> str:
    """One command with so many kilobytes left; what is wrong about its end, or nothing."""
    for each in small.iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    for each in ("done", "stopped"):
        if f"{{out}}/{each}" in command:
            shutil.copytree(each, small / each)
    before = {path: path.read_bytes() for path in small.rglob("*") if path.is_file()}
    fill(small, left)
    words = [word.format(out=small) for word in command.split()]
    ended = subprocess.run(
        [sys.executable, "-m", "oneglance", *words], capture_output=True, text=True, timeout=300, check=False
    )
    (small / "filling").unlink()
    counts["done"] += ended.returncode == 0
    counts["told"] += ended.returncode == 1
    if ended.returncode not in (0, 1) or "Traceback" in ended.stderr:
        return f"exit code {ended.returncode}: {ended.stderr[-300:]}"
    if ended.returncode == 1 and not any(
        word in ended.stderr for word in ("disk is full", "No space", "no space")
    ):
        return f"another message: {ended.stderr[-300:]}"
    lost = [path.name for path in before if not path.exists()]
    if lost and ended.returncode:  # a training that is done needs no resume.pt
        return f"gone: {lost}"
    return halves(small)


def fill(small: Path, left: int) -> None:
    free = os.statvfs(small)
    with (small / "filling").open("wb") as file:
        file.write(bytes(max(0, free.f_bavail * free.f_frsize - left * 1024)))


def halves(small: Path) -> str:
    """Files under their final names that cannot be read back whole."""
    from safetensors import safe_open  # where a run is read

    for path in small.rglob("*"):
        if path.is_dir() or path.name.startswith("."):
            continue
        try:
            if path.suffix == ".json":
                json.loads(path.read_bytes())
            elif path.suffix == ".jsonl":
                [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            elif path.suffix == ".safetensors":
                safe_open(path, "numpy")
        except Exception as error:
            return f"{path.name} is there by halves: {error}"
    return ""


if __name__ == "__main__":
    main()
