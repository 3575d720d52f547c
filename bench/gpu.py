"""What a large GPU makes of oneglance, in under 8 minutes and one JSON object: run it where there is one.

``cifar``   CIFAR-10 by the public trainer with one and with three tasks: seconds to 94 % on the test pictures
``train``   pictures of 224 pixels: steps through oneglance against the bare step of the same network
``syncs``   how often the processor waits for the GPU within steps, by torch's own count
``predict`` JPEG files to answers against decoding alone and the network alone
``serve``   pictures a second of the service with 8 and with 64 clients

Each part tells its seconds and the memory at its peak. What fails is told in its place, and what does not fit
into ``--seconds`` is left out. Without ``--cifar`` pictures are drawn, and there is no 94 % to reach.

    python bench/gpu.py --out FOLDER [--cifar FOLDER_WITH_train.parquet_AND_test.parquet] [--seconds 450]
    python bench/gpu.py --out FOLDER --small        tiny sizes, on any machine: whether all parts run
"""

from __future__ import annotations

import argparse
import io
import json
import random
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import loop
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from predict import seconds, untrained, whole_of, written
from serve import load

import oneglance
from oneglance.config import BackboneTable
from oneglance.data.images.decode import Limits
from oneglance.data.images.decoding.decode_pool import decode
from oneglance.data.images.letterbox import Fit
from oneglance.inference.engine import BATCH
from oneglance.nn.allocator import keep_freed_memory
from oneglance.nn.device import environment, pick_device
from oneglance.progress import Screen
from oneglance.serving.app import Settings, build_app
from oneglance.serving.http_server import open_socket, server
from oneglance.serving.model_pool import ModelPool, open_model

WANTED = 0.94
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ANIMALS, WILD = frozenset(NAMES[2:8]), frozenset({"bird", "deer", "frog", "horse"})
FULL = {"train": 50_000, "test": 10_000, "epochs": 30, "batch": 512, "jpegs": 4000, "canvas": 224}
FULL |= {"steps": 20, "rounds": 3, "step_batch": 256, "backbone": "resnet50", "serve_seconds": 8}
SMALL = {"train": 128, "test": 64, "epochs": 1, "batch": 64, "jpegs": 64, "canvas": 32}
SMALL |= {"steps": 1, "rounds": 1, "step_batch": 8, "backbone": "small", "serve_seconds": 0.3}


class Bench:
    """All parts, and what they share."""

    def __init__(self, place: Path, sizes: dict[str, Any], cifar: Path | None) -> None:
        self.place, self.sizes, self.given = place, sizes, cifar
        self.device = pick_device("auto")

    def cifar(self, tasks: tuple[str, ...]) -> dict[str, Any]:
        """One training; the test pictures are its validation split: each epoch tells how far it is."""
        table = self.place / "cifar.parquet"
        if not table.exists():
            pq.write_table(self.pictures(), table)
        curve: list[tuple[float, float]] = []

        class Watch(Screen):
            def epoch(self, row: Any, epochs: int, brief: Any) -> None:
                curve.append((row["elapsed"], row["validation"]["kind"]["accuracy"]))

        config = {
            "sources": [{"path": str(table)}],
            "tasks": {task: {"type": "label"} for task in tasks},
            "backbone": {"name": "small", "size": 32},
            "cache": {"folder": str(self.place / "cache")},
            "training": {
                "epochs": self.sizes["epochs"],
                "batch": self.sizes["batch"],
                "optimizer": "muon",
            },
        }
        began = time.perf_counter()
        run = oneglance.train(config, out=self.place / f"run{len(tasks)}", screen=Watch())
        whole = time.perf_counter() - began
        reached = next((at for at, accuracy in curve if accuracy >= WANTED), None)
        return {
            "pictures": "real" if self.given else "drawn",
            "seconds_to_94": reached,
            "best": max(accuracy for _, accuracy in curve),
            "training_seconds": curve[-1][0],
            "whole_seconds": round(whole, 2),  # with reading, decoding, calibration and writing
            "run": str(run.path),
        }

    def pictures(self) -> pa.Table:
        """Bytes of pictures and three answers to each."""
        rows: list[dict[str, Any]] = []
        for split, name in (("train", "train"), ("test", "validation")):
            count = self.sizes[split]
            if self.given is None:
                found = [drawn(number) for number in range(count)]
            else:
                table = pq.read_table(self.given / f"{split}.parquet").slice(0, count)
                labels = table["label"].to_pylist()
                found = [
                    (picture["bytes"], NAMES[label] if isinstance(label, int) else label)
                    for picture, label in zip(table["image"].to_pylist(), labels, strict=True)
                ]
            for picture, kind in found:
                animal, wild = ("yes" if kind in some else "no" for some in (ANIMALS, WILD))
                rows.append({"image": {"bytes": picture, "path": None}, "kind": kind, "animal": animal})
                rows[-1] |= {"wild": wild, "split": name}
        rows += [row | {"split": "test"} for row in rows[-64:]]  # a run wants some; nobody looks at them
        return pa.Table.from_pylist(rows)

    def train(self) -> dict[str, Any]:
        sizes = self.sizes
        table = BackboneTable(name=sizes["backbone"], weights="none", size=sizes["canvas"])
        paths = [Path(ref.path) for ref in self.jpegs()]
        return dict(
            loop.measure(table, paths, self.place, sizes["steps"], sizes["rounds"], sizes["step_batch"])
        )

    def syncs(self) -> dict[str, Any]:
        if self.device.type != "cuda":
            return {"left_out": "no GPU of NVIDIA"}
        seen: dict[str, int] = {}
        ours, steps = loop.our_step, self.sizes["steps"]

        def counted(*given: Any) -> None:
            torch.cuda.set_sync_debug_mode("warn")
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                ours(*given)
            torch.cuda.set_sync_debug_mode("default")
            for one in said:
                if "synchroniz" in str(one.message):
                    where = f"{one.filename.rpartition('oneglance/')[2]}:{one.lineno}"
                    seen[where] = seen.get(where, 0) + 1

        loop.our_step = counted
        try:
            table = BackboneTable(name="small", size=32)
            loop.measure(table, [Path(ref.path) for ref in self.jpegs()], self.place, steps, 1)
        finally:
            loop.our_step = ours
        return {"steps": 4 * steps, "where": seen}  # two precisions, and a round that warms up

    def jpegs(self) -> list[Any]:
        folder = self.place / "jpegs"
        if not folder.exists():
            folder.mkdir()
            self.refs = written(folder, self.sizes["jpegs"])
        return self.refs

    def predict(self) -> dict[str, Any]:
        canvas = self.sizes["canvas"]
        refs, predictor = self.jpegs(), untrained(self.device, "bf16", canvas)
        black = np.zeros((BATCH, canvas, canvas, 3), np.uint8)

        def decoding() -> None:
            for _ in decode(refs, Fit(canvas), Limits(), 0):
                pass

        def forward() -> None:
            for _ in range(-(-len(refs) // BATCH)):
                predictor.forward(black)

        works = {"decode": decoding, "forward": forward, "both": partial(whole_of, predictor, refs)}
        for work in works.values():
            work()
        return {f"{name}_per_s": round(len(refs) / seconds(work)) for name, work in works.items()}

    def serve(self) -> dict[str, Any]:
        folder, refs = self.place / "sent", self.jpegs()
        folder.mkdir(exist_ok=True)
        for ref in refs[:200]:
            (folder / ref.name).write_bytes(Path(ref.path).read_bytes())
        opener = partial(open_model, self.place / "run1", device=self.device.type)
        settings = Settings()
        found: dict[str, Any] = {}
        with open_socket("127.0.0.1", 0) as listener:
            service = server(build_app(ModelPool(opener, settings.bounds), settings), settings.bounds)
            thread = threading.Thread(target=service.run, kwargs={"sockets": [listener]}, daemon=True)
            thread.start()
            while not service.started:
                time.sleep(0.05)
            port = listener.getsockname()[1]
            load(port, str(folder), 8, self.sizes["serve_seconds"])  # the first batches are slower
            for clients in (8, 64):
                found[str(clients)] = load(port, str(folder), clients, self.sizes["serve_seconds"])
            service.should_exit = True
            thread.join()
        return found


def drawn(number: int) -> tuple[bytes, str]:
    """A picture whose class is told by its colour and where it is bright, and by noise hidden a little."""
    chance = np.random.default_rng(number)
    label = random.Random(number).randrange(10)
    pixels = chance.integers(0, 160, (32, 32, 3))
    pixels[3 * label : 3 * label + 4, :, label % 3] += 90
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG", compress_level=1)
    return file.getvalue(), NAMES[label]


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--out", type=Path, required=True, help="a folder for gpu.json")
    options.add_argument("--cifar", type=Path)
    options.add_argument("--seconds", type=float, default=450)
    options.add_argument("--small", action="store_true")
    given = options.parse_args()
    keep_freed_memory()
    given.out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), SMALL if given.small else FULL, given.cifar)
        parts: dict[str, Callable[[], dict[str, Any]]] = {
            "cifar_one_task": partial(bench.cifar, ("kind",)),
            "train": bench.train,
            "cifar_three_tasks": partial(bench.cifar, ("kind", "animal", "wild")),
            "predict": bench.predict,
            "serve": bench.serve,
            "syncs": bench.syncs,
        }
        result: dict[str, Any] = {"bench": "gpu", "small": given.small, "machine": environment(bench.device)}
        for name, part in parts.items():
            if time.perf_counter() - began > given.seconds:
                result[name] = {"left_out": "no time left"}
                continue
            result[name] = measured(part, bench.device)
            (given.out / "gpu.json").write_text(json.dumps(result, indent=1, default=str))
    result["seconds"] = round(time.perf_counter() - began, 1)
    (given.out / "gpu.json").write_text(json.dumps(result, indent=1, default=str))
    print(json.dumps(result, default=str))


def measured(part: Callable[[], dict[str, Any]], device: torch.device) -> dict[str, Any]:
    """What it found, its seconds and the largest memory of the GPU; or what went wrong."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    try:
        found = part()
    except Exception:
        found = {"failed": traceback.format_exc(limit=-4)}
    found["seconds"] = round(time.perf_counter() - began, 1)
    found["process_mb"] = round(psutil.Process().memory_info().rss / 1e6)
    if device.type == "cuda":
        found["gpu_mb"] = round(torch.cuda.max_memory_allocated() / 1e6)
    return found


if __name__ == "__main__":
    main()
