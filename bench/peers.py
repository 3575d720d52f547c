"""The same job by oneglance, by a plain PyTorch loop that is written well, by fastai and by Lightning.

Same pictures, same backbone with the same weights, same seconds from the first picture that is read to the
end of training, one after the other on the same machine. The others learn one label with a linear head; with
``--joint`` oneglance learns three in so many seconds, and each of the others has a third of them for each.
Told of each: accuracy on the test pictures, seconds after which the accuracy on the validation pictures first
was as high as the lowest of all ended, and the peak of memory (shared pages counted once). fastai and
Lightning are installed into an environment of their own, ``--env``, which borrows all else from this one.

    python bench/peers.py --set clothing --shared ../shared [--minutes 10] [--rounds 1]
    python bench/peers.py --set cifar10 --shared ../shared [--pictures 10000] [--minutes 10] [--joint]
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import random
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent
OTHERS = ("plain", "lightning", "fastai")
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
GROUPS = {"air": (0, 2), "pet": (3, 5), "wild": (4, 6, 7), "road": (1, 9), "water": (8,)}
ANIMALS = {2, 3, 4, 5, 6, 7}
EVERY = 1.0  # seconds between two looks at the memory
PARTS = (("train", 0.7), ("validation", 0.85), ("test", 1.0))  # up to this share of the groups


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--set", choices=("clothing", "cifar10"), default="clothing")
    options.add_argument("--shared", type=Path, required=True, help="the folder with data/ and weights/")
    options.add_argument("--pictures", type=int, default=10_000, help="of cifar10 to train on")
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument(
        "--joint", action="store_true", help="three single trainings against one joint; cifar10"
    )
    options.add_argument("--ways", default=",".join(("oneglance", *OTHERS)))
    options.add_argument("--env", type=Path, default=Path(tempfile.gettempdir()) / "oneglance-peers")
    given = options.parse_args()
    python = (
        environment(given.env) if {"fastai", "lightning"} & set(given.ways.split(",")) else sys.executable
    )
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        job = clothing(given.shared, place) if given.set == "clothing" else cifar10(given, place)
        rows: list[dict[str, Any]] = []
        for number in range(given.rounds):
            for way in given.ways.split(","):
                rows += measured(way, python, job, place, number, 60 * given.minutes, given.joint)
                print(f"{way}: {rows[-1]['test']}, {rows[-1]['seconds']} s", file=sys.stderr)
    ends = [row["curve"][-1][1] for row in rows if row["curve"] and not row["joint"]]
    target = min(ends)
    for row in rows:
        row["seconds_to_target"] = next((at for at, reached in row["curve"] if reached >= target), None)
        tests = ", ".join(f"{task} {value:.3f}" for task, (value, _) in row["test"].items())
        what = "joint" if row["joint"] else "single"
        print(
            f"{row['way']:10} {what:6}  {tests}  of {row['pictures']}; "
            f"{row['seconds_to_target']} s to {target:.3f} on validation, "
            f"{len(row['curve'])} epochs in {row['seconds']} s, {row['mb']:.0f} MB"
        )
    print(
        json.dumps(
            {"bench": "peers", "set": given.set, "minutes": given.minutes, "target": target, "rows": rows}
        )
    )


def environment(folder: Path) -> str:
    """The Python of an environment with fastai and Lightning, and all else from the one that runs this."""
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        borrowed = folder / "lib" / version / "site-packages" / "borrowed.pth"
        borrowed.write_text(sysconfig.get_paths()["purelib"] + "\n")
        freeze = [sys.executable, "-m", "pip", "freeze", "--exclude-editable"]
        kept = subprocess.run(freeze, check=True, capture_output=True, text=True).stdout
        (folder / "kept.txt").write_text("\n".join(line for line in kept.splitlines() if "==" in line))
        install = [str(python), "-m", "pip", "install", "-q", "-c", str(folder / "kept.txt")]
        subprocess.run([*install, "fastai>=2.8,<3", "lightning>=2.6,<3"], check=True)
        (folder / "ready").touch()
    return str(python)


def clothing(shared: Path, place: Path) -> dict[str, Any]:
    """Kinds of clothes on photographs, split by who sent them."""
    data = shared / "data" / "clothing"
    with (data / "labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"]]
    images = next(folder for folder in (data / "images", data) if (folder / rows[0]["image"]).exists())
    senders = sorted({row["sender_id"] for row in rows})
    random.Random(0).shuffle(senders)
    part = {sender: split_of((number + 1) / len(senders)) for number, sender in enumerate(senders)}
    kinds = {row["kind"] for row in rows if part[row["sender_id"]] == "train"}
    table = [
        {"image": row["image"], "split": part[row["sender_id"]], "kind": row["kind"]}
        for row in rows
        if row["kind"] in kinds
    ]
    weights = shared.resolve() / "weights" / "mobilenetv2_100.safetensors"
    backbone = {
        "name": "mobilenetv2_100",
        "size": 128,
        "weights": str(weights),
        "options": {"pad_type": "same"},
    }
    return {
        "table": written(table, place),
        "images": str(images.resolve()),
        "backbone": backbone,
        "tasks": ["kind"],
        "rate": 1e-3,
    }


def split_of(share: float) -> str:
    return next(name for name, end in PARTS if share <= end)


def cifar10(given: argparse.Namespace, place: Path) -> dict[str, Any]:
    """Three questions about each small picture, of which two follow from the first."""
    import pyarrow.parquet as pq
    from PIL import Image

    table: list[dict[str, str]] = []
    groups = {number: name for name, numbers in GROUPS.items() for number in numbers}
    (place / "pictures").mkdir()
    counts = {"train": given.pictures, "test": given.pictures // 2}
    for part, count in counts.items():
        rows = pq.read_table(given.shared / "data" / "cifar10" / f"{part}.parquet")
        chosen = random.Random(0).sample(range(len(rows)), min(count, len(rows)))
        pictures, labels = rows["image"].to_pylist(), rows["label"].to_pylist()
        for place_in, row in enumerate(chosen):
            path = place / "pictures" / f"{part}{row}.png"
            Image.open(io.BytesIO(pictures[row]["bytes"])).save(path)
            label = labels[row] if isinstance(labels[row], int) else NAMES.index(labels[row])
            split = part if part == "train" else ("validation" if place_in < count // 3 else "test")
            answers = {
                "kind": NAMES[label],
                "animal": "yes" if label in ANIMALS else "no",
                "group": groups[label],
            }
            table.append({"image": path.name, "split": split, **answers})
    backbone = {"name": "small", "size": 32, "weights": "none"}
    tasks = ["kind", "animal", "group"] if given.joint else ["kind"]
    images = str(place / "pictures")
    return {
        "table": written(table, place),
        "images": images,
        "backbone": backbone,
        "tasks": tasks,
        "rate": 4e-3,
    }


def written(rows: list[dict[str, str]], place: Path) -> str:
    path = place / "table.csv"
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return str(path)


def measured(
    way: str, python: str, job: dict[str, Any], place: Path, number: int, seconds: float, joint: bool
) -> list[dict[str, Any]]:
    """One training, or with ``joint`` a third of the seconds for each task, and all of them for ours."""
    tasks: list[str] = job["tasks"]
    if joint and way == "oneglance":
        return [one(way, python, job, place, f"{way}-{number}-joint", seconds, tasks)]
    each = seconds / len(tasks)
    singles = [one(way, python, job, place, f"{way}-{number}-{task}", each, [task]) for task in tasks]
    if not joint:
        return singles
    together = {task: score for single in singles for task, score in single["test"].items()}
    return [
        {**singles[0], "test": together, "seconds": round(sum(single["seconds"] for single in singles), 1)}
    ]


def one(
    way: str, python: str, job: dict[str, Any], place: Path, name: str, seconds: float, tasks: list[str]
) -> dict[str, Any]:
    out, order = place / f"{name}.json", place / f"{name}.job"
    cores = os.cpu_count() or 1
    order.write_text(
        json.dumps({**job, "tasks": tasks, "seconds": seconds, "workers": cores, "out": str(out)})
    )
    paths = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    words = [python, str(HERE / "rival.py"), way, str(order)]
    process = subprocess.Popen(
        words, env={**os.environ, "PYTHONPATH": paths}, stderr=subprocess.PIPE, text=True
    )
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, memory(process.pid))
        time.sleep(EVERY)
    if process.returncode:
        raise SystemExit(f"{name}: {process.stderr.read() if process.stderr else ''}")
    result = json.loads(out.read_text())
    count = max(n for _, n in result["test"].values())
    return {"way": way, "joint": len(tasks) > 1, "mb": peak, "pictures": count, **result}


def memory(pid: int) -> float:
    """Megabytes of a process and all that it started; what they share counts once."""
    total = 0
    try:
        above = psutil.Process(pid)
        for process in [above, *above.children(recursive=True)]:
            facts = process.memory_full_info()
            total += getattr(facts, "pss", facts.uss)
    except psutil.Error:
        return 0.0
    return total / 1e6


if __name__ == "__main__":
    main()
