"""Which engine and precision predicts faster on this processor, as ratios of pictures per second.

ONNX Runtime in fp32 over torch in fp32, which should be at least 1; ONNX Runtime in fp16 and int8 over
ONNX Runtime in fp32, which should be above 1 or not be recommended: `export` says so. All take turns on the
same pictures, and the ratios are medians over the rounds. The networks have learned nothing: for speed it
makes no difference. Both engines use as many processors as OMP_NUM_THREADS says, or all, one for each lane.

    python bench/engines.py [--rounds 7] [--only "small 32"]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from predict import CONFIG

from oneglance import config as configuration
from oneglance.inference.engine import Engine
from oneglance.inference.engines.torch import TorchEngine
from oneglance.inference.export_comparison import random_pictures
from oneglance.inference.exported_network import Exported, as_onnx, quiet
from oneglance.inference.parallel_passes import ParallelPasses
from oneglance.inference.predictor import Predictor
from oneglance.network import Network, build_network
from oneglance.nn.allocator import keep_freed_memory
from oneglance.nn.device import environment
from oneglance.parallel.cpus import threads
from oneglance.task import build_tasks

NETWORKS = {
    "mobilenetv2_100 160": {"backbone.name": "mobilenetv2_100", "backbone.size": 160},
    "mobilenetv2_100 224": {"backbone.name": "mobilenetv2_100", "backbone.size": 224},
    "small 32": {"backbone.name": "small", "backbone.size": 32},
}
BATCHES = (1, 32)
RATIOS = {
    "onnx over torch": ("onnx fp32", "torch fp32"),
    "fp16 over fp32": ("onnx fp16", "onnx fp32"),
    "int8 over fp32": ("onnx int8", "onnx fp32"),
}
SECONDS = 0.2  # of each turn, at least


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--only", choices=NETWORKS)
    given = options.parse_args()
    keep_freed_memory()
    rows = {}
    for name in [given.only] if given.only else NETWORKS:
        engines, canvases = built(name)
        for batch in BATCHES:
            row = measured(engines, np.resize(canvases, (batch, *canvases.shape[1:])), given.rounds)
            rows[f"{name} px, batch {batch}"] = row
            text = ", ".join(f"{ratio} {value:.2f}" for ratio, value in row.items())
            print(f"{name} px, batch {batch:2}: {text}")
    result = {
        "bench": "engines",
        "ratios": rows,
        "threads": threads(),
        "machine": environment(torch.device("cpu"))["processor"],
    }
    print(json.dumps(result))


def built(name: str) -> tuple[dict[str, Engine], np.ndarray]:
    """A network in every engine and precision, and pictures for it."""
    values = {**NETWORKS[name], "backbone.weights": "none"}
    overrides = [f"{key}={value}" for key, value in values.items()]
    config = configuration.parse(CONFIG, base=Path(), overrides=overrides)
    tasks = build_tasks(config.tasks)
    tasks["kind"].fit_target([f"k{row % 17}" for row in range(100)])
    tasks["view"].fit_target(["top", "side"])
    tasks["price"].fit_target([1.0, 2.0, 3.0])

    def network() -> Network:
        torch.manual_seed(0)
        return build_network(config.backbone, tasks, Path()).eval()

    ours = Predictor(TorchEngine(network(), torch.device("cpu")), tasks, config)
    engines: dict[str, Engine] = {"torch fp32": ours.engine}
    canvases = random_pictures(ours).canvases
    with quiet():
        for precision in ("fp32", "fp16", "int8"):
            exported = Exported(network(), half=precision == "fp16")
            engines[f"onnx {precision}"] = as_onnx(exported, ours, canvases, precision, name).engine
    return engines, canvases


def measured(engines: dict[str, Engine], canvases: np.ndarray, rounds: int) -> dict[str, float]:
    works = {name: partial(ParallelPasses(engine).forward, canvases) for name, engine in engines.items()}
    rounds_of_each = [{name: seconds(work) for name, work in works.items()} for _ in range(rounds + 1)]
    return {
        ratio: round(statistics.median(turn[below] / turn[above] for turn in rounds_of_each[1:]), 3)
        for ratio, (above, below) in RATIOS.items()
    }


def seconds(work: Callable[[], object]) -> float:
    """Per call."""
    began, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < SECONDS or not count:
        work()
        count += 1
    return passed / count


if __name__ == "__main__":
    main()
