"""Pictures in tars and Parquet files that are larger than the cache: read in turn against random order, and
answers to many small pictures in bounded memory.

Drawn pictures of 64 px lie in files sorted by class. Each arm is an epoch of batches, or so much of it as
fits into the time, without a network and in a process of its own; the two orders take turns. Counted from the
first batch on: pictures in a second, and in a second of a processor (of all processes together), which says
more where others use the machine. Then a small network answers tars of ever more pictures of 32 px, by the
public ``predict`` into a file. Memory is the peak of all processes together.

    python bench/streaming.py [--pictures 20000] [--seconds 20] [--predict 10000 100000]
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

CLASSES, BATCH, SIDE = 10, 64, 64
BUFFER_GB = 0.025  # 2,000 canvases of 64 px
PER_TAR = 10_000
CONFIG = """
[[sources]]
path = "learned"
[tasks.kind]
type = "label"
from = "cls"
[backbone]
name = "small"
size = 32
options = { width = 8, depth = 2 }
[training]
epochs = 1
"""


def encoded(random: np.random.Generator, side: int) -> bytes:
    """A picture of soft colours."""
    colours = random.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(colours).resize((side, side), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()


def drawn(count: int, side: int) -> Iterator[tuple[bytes, int]]:
    """So many pictures, sorted by class; 500 are different."""
    random = np.random.default_rng(0)
    some = [encoded(random, side) for _ in range(500)]
    for number in range(count):
        yield some[number % len(some)], number * CLASSES // count


def write_tars(folder: Path, count: int, side: int) -> None:
    folder.mkdir(parents=True)
    archive: tarfile.TarFile | None = None
    for number, (content, kind) in enumerate(drawn(count, side)):
        if number % PER_TAR == 0:
            if archive is not None:
                archive.close()
            archive = tarfile.open(folder / f"{number // PER_TAR:05}.tar", "w")  # noqa: SIM115 - the next one closes it
        assert archive is not None
        for ending, data in (("jpg", content), ("cls", f"kind {kind}".encode())):
            info = tarfile.TarInfo(f"{number:07}.{ending}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    if archive is not None:
        archive.close()


def write_parquet(path: Path, count: int, group: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pictures, kinds = zip(*drawn(count, SIDE), strict=True)
    table = pa.table({"image": list(pictures), "kind": [f"kind {kind}" for kind in kinds]})
    pq.write_table(table, path, row_group_size=group)


# ---- what is measured, in a process of its own


def batches(path: Path, streamed: bool, seconds: float) -> dict[str, float]:
    """An epoch, or so much of it as fits into the time."""
    import torch

    from oneglance.data.image_inputs import opened, read_all
    from oneglance.data.images.decode import Limits
    from oneglance.data.images.decoding.decoded_stream import Stream
    from oneglance.data.images.letterbox import Fit
    from oneglance.training.data_loader import BatchLoader

    records, _ = read_all(opened(path, {"path": path}, path.parent))
    labels = np.arange(len(records)) * CLASSES // len(records)
    store = Stream(
        [record.image for record in records], Fit(SIDE), Limits(), buffer=streamed * BUFFER_GB * 1e9
    )
    rows, device = np.arange(len(records)), torch.device("cpu")
    began, done, mixed = time.perf_counter(), 0, list[float]()
    for batch in BatchLoader(store, rows, {"kind": {"class": labels}}, BATCH, device).shuffled(0, 0):
        if not mixed:
            first, before = time.perf_counter() - began, processor_seconds()
        else:
            done += len(batch.pictures)
        shares = np.array([*Counter(batch.targets["kind"]["class"].tolist()).values()]) / len(batch.pictures)
        mixed.append(float(-(shares * np.log2(shares)).sum()))
        if time.perf_counter() - began - first > seconds:
            break
    rate = done / (time.perf_counter() - began - first)
    cpu_rate = done / (processor_seconds() - before)
    store.close()
    entropy = float(np.mean(mixed[len(mixed) // 4 :]))  # the buffer fills at first
    return {"rate": rate, "cpu_rate": cpu_rate, "first": first, "entropy": entropy}


def predicted(run: Path, tars: Path, out: Path) -> dict[str, float]:
    import oneglance
    from oneglance.progress import Screen

    began = time.perf_counter()
    oneglance.predict(run, tars, out=out, screen=Screen())
    seconds = time.perf_counter() - began
    with out.open() as file:
        rows = sum(1 for _ in file) - 1
    return {"pictures": rows, "seconds": seconds, "rate": rows / seconds}


def first_step(config: Path, look_first: str) -> dict[str, float]:
    """Of a training whose pictures are not kept."""
    import oneglance
    from oneglance.progress import Screen

    class Enough(BaseException):
        pass

    class FirstStep(Screen):
        def step(self, *counts: int) -> None:
            raise Enough

    began, before = time.perf_counter(), processor_seconds()
    overrides = ["cache.gigabytes=0", f"pictures.look_first={look_first}", "sources.0.path=first"]
    with suppress(Enough):
        oneglance.train(config, out=config.parent / look_first, overrides=overrides, screen=FirstStep())
    return {"seconds": time.perf_counter() - began, "cpu_seconds": processor_seconds() - before}


def processor_seconds() -> float:
    """Of this process and those that it started, which still run."""
    own = psutil.Process()
    times = [one.cpu_times() for one in (own, *own.children(recursive=True))]
    return float(sum(each.user + each.system for each in times))


def in_own_process(*words: object) -> dict[str, Any]:
    """What it prints, and ``gb``: the peak of all processes together, seen twice a second; of two looks in a
    row the lesser, since a process that starts another one seems to be two for a moment.
    """
    command = [sys.executable, __file__, "--arm", *map(str, words)]
    together, last = 0, 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        own = psutil.Process(process.pid)
        while process.poll() is None:
            time.sleep(0.5)
            with suppress(psutil.Error):
                family = [own, *own.children(recursive=True)]
                held = sum(one.memory_info().rss for one in family)
                together, last = max(together, min(last, held)), held
        out, _ = process.communicate()
    if process.returncode:
        raise SystemExit("an arm failed")
    result: dict[str, Any] = json.loads(out.splitlines()[-1])
    return {**result, "gb": together / 1e9}


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--pictures", type=int, default=20_000, help="of the batches; 0: only predict")
    options.add_argument("--seconds", type=float, default=20, help="of each arm, at most")
    options.add_argument("--predict", type=int, nargs="*", default=[10_000, 100_000])
    options.add_argument("--arm", nargs="+", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.arm:
        kind, *words = given.arm
        arms = {
            "batches": lambda path, order, most: batches(Path(path), order == "streamed", float(most)),
            "first": lambda config, look_first: first_step(Path(config), look_first),
            "predict": lambda *paths: predicted(*map(Path, paths)),
        }
        print(json.dumps(arms[kind](*words)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ["ONEGLANCE_CACHE"] = str(folder / "cache")
        (folder / "oneglance.toml").write_text(CONFIG)
        results = {
            "batches": of_batches(folder, given),
            "first": of_first_step(folder, given.pictures),
            "predict": of_predict(folder, given.predict),
        }
    print(json.dumps({"bench": "streaming", "buffer_gb": BUFFER_GB, **results}))


def of_batches(folder: Path, given: argparse.Namespace) -> list[dict[str, Any]]:
    if not given.pictures:
        return []
    write_tars(folder / "tars", given.pictures, SIDE)
    for group in (100, 1000):
        write_parquet(folder / f"groups of {group}.parquet", given.pictures, group)
    results = []
    for path in (folder / "tars", *sorted(folder.glob("*.parquet"))):
        orders = ("random", "streamed", "streamed", "random")
        arms = [in_own_process("batches", path, order, given.seconds) | {"order": order} for order in orders]
        for order in ("random", "streamed"):
            twice = [arm for arm in arms if arm["order"] == order]
            keys = ("rate", "cpu_rate", "first", "entropy", "gb")
            mean = {key: sum(arm[key] for arm in twice) / len(twice) for key in keys}
            results.append({"files": path.stem, "order": order, **mean})
            line = (
                "{files}, {order}: {rate:.0f} a second, {cpu_rate:.0f} a second of a processor, first batch"
            )
            line += " after {first:.1f} s, {gb:.2f} GB, {entropy:.2f} bits"
            print(line.format(**results[-1]), flush=True)
        ratio = results[-1]["cpu_rate"] / results[-2]["cpu_rate"]
        print(f"    {ratio:.2f} times as many in a second of a processor", flush=True)
    return results


def of_first_step(folder: Path, count: int) -> list[dict[str, Any]]:
    if not count:
        return []
    write_tars(folder / "first", count, 32)
    results = []
    for look_first in ("true", "false"):
        arm = in_own_process("first", folder / "oneglance.toml", look_first)
        results.append({"look_first": look_first, "pictures": count, **arm})
        line = (
            "look_first = {look_first}: first step after {seconds:.0f} s, {cpu_seconds:.0f} s of a processor"
        )
        print(line.format(**results[-1]), flush=True)
    return results


def of_predict(folder: Path, sizes: list[int]) -> list[dict[str, Any]]:
    if not sizes:
        return []
    import oneglance
    from oneglance.progress import Screen

    write_tars(folder / "learned", 400, 32)
    run = oneglance.train(folder / "oneglance.toml", out=folder / "run", screen=Screen()).path
    results = []
    for count in sizes:
        write_tars(folder / str(count), count, 32)
        results.append(in_own_process("predict", run, folder / str(count), folder / f"{count}.csv"))
        line = "{pictures:,} answers in {seconds:.0f} s, {rate:.0f} a second, {gb:.3f} GB"
        print(line.format(**results[-1]), flush=True)
    return results


if __name__ == "__main__":
    main()
