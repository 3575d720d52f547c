"""From JPEG files to answers, relative to what the machine allows.

On a CPU decoding and the network share the cores, so the bound is 1 / (1 / decode + 1 / forward), each
measured alone on all cores; on a GPU it is the smaller of the two. All three take turns in one process.
Memory is printed for a set and for one four times as long.

    python bench/predict.py [--pictures 1500] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import psutil
import torch

from oneglance import config as configuration
from oneglance.data.images.decode import Limits
from oneglance.data.images.decoding.decode_pool import decode
from oneglance.data.images.letterbox import Fit
from oneglance.data.images.references import FileImage
from oneglance.data.synthetic import scenes
from oneglance.inference.engine import BATCH
from oneglance.inference.engines.torch import TorchEngine
from oneglance.inference.predictor import Predictor
from oneglance.network import build_network
from oneglance.nn.allocator import keep_freed_memory
from oneglance.nn.device import environment, pick_device
from oneglance.task import build_tasks

CONFIG = """
sources = [{path = "none"}]
[tasks]
kind = {type = "label"}
view = {type = "label"}
price = {type = "number"}
[backbone]
name = "mobilenetv2_100"
weights = "none"
size = {size}
"""


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--pictures", type=int, default=1500)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--precision", default="fp32", help="fp32 or bf16")
    given = options.parse_args()
    keep_freed_memory()
    device = pick_device("auto")
    predictor = untrained(device, given.precision)
    with tempfile.TemporaryDirectory() as folder:
        refs = written(Path(folder), given.pictures)
        canvases = np.zeros((BATCH, 128, 128, 3), dtype=np.uint8)
        fit, limits = Fit(128), Limits()

        def decoding() -> None:
            for _ in decode(refs, fit, limits, 0):
                pass

        def forward() -> None:
            for _ in range(-(-len(refs) // BATCH)):
                predictor.forward(canvases)

        def whole() -> None:
            for _ in predictor.predict(refs):
                pass

        works = (decoding, forward, whole)
        rounds = [[len(refs) / seconds(work) for work in works] for _ in range(given.rounds + 1)]
        shares = [w / bound(d, f, device) for d, f, w in rounds[1:]]
        rates = [round(statistics.median(column)) for column in zip(*rounds[1:], strict=True)]
        short = peak(partial(whole_of, predictor, refs))
        long = peak(partial(whole_of, predictor, list(islice(cycle(refs), 4 * len(refs)))))
    share = round(statistics.median(shares), 3)
    print(f"decode {rates[0]}, forward {rates[1]}, both {rates[2]} pictures/s; {share} of what is possible")
    print(f"memory {short:.0f} MB for {len(refs)} pictures, {long:.0f} MB for {4 * len(refs)}")
    result = {
        "bench": "predict",
        "share_of_possible": share,
        "wanted": 0.85,
        "megabytes": [round(short), round(long)],
        "precision": given.precision,
        "machine": environment(device)["processor"],
    }
    print(json.dumps(result))


def untrained(device: torch.device, precision: str, size: int = 128) -> Predictor:
    """A network of usual size that has learned nothing: for speed it makes no difference."""
    config = configuration.parse(CONFIG.replace("{size}", str(size)), base=Path())
    tasks = build_tasks(config.tasks)
    tasks["kind"].fit_target([f"k{row % 17}" for row in range(100)])
    tasks["view"].fit_target(["top", "side"])
    tasks["price"].fit_target([1.0, 2.0, 3.0])
    network = build_network(config.backbone, tasks, Path()).to(device).eval()
    return Predictor(TorchEngine(network, device, precision), tasks, config)


def written(folder: Path, count: int) -> list[FileImage]:
    """Drawn JPEG files of 400×533 pixels."""
    drawn = list(scenes(count=50, seed=0, size=160))
    refs = []
    from PIL import Image

    for number in range(count):
        path = folder / f"{number}.jpg"
        Image.fromarray(drawn[number % len(drawn)].pixels).resize((400, 533)).save(path, quality=90)
        refs.append(FileImage(str(path), path.name))
    return refs


def bound(decoded: float, forwarded: float, device: torch.device) -> float:
    if device.type == "cpu":
        return 1 / (1 / decoded + 1 / forwarded)
    return min(decoded, forwarded)


def seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def whole_of(predictor: Predictor, refs: list[FileImage]) -> None:
    for _ in predictor.predict(refs):
        pass


def peak(work: Callable[[], None]) -> float:
    """Memory of this process and its children after the work, in megabytes."""
    work()
    here = psutil.Process()
    return sum(p.memory_info().rss for p in [here, *here.children(recursive=True)]) / 1e6


if __name__ == "__main__":
    main()
