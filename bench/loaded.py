"""What a network that stays loaded adds to one picture.

``predict`` with one picture, from the second call on, over the decoding of the picture and then the bare pass
of the network, which is what anybody would write: the torch module in inference mode, and a session of ONNX
Runtime with as many threads. One after the other, as in a program: a pass right after another one is faster,
as its threads have not gone to sleep and its weights lie in the cache. All take turns in one process, so many
calls of each at a time; of each round the fastest call counts, for whatever else the machine does only makes
it slower, and of all rounds the median.

    python bench/loaded.py [--run RUN_OR_ONNX ...] [--calls 60] [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from predict import untrained
from serve import fresh

import oneglance
from oneglance.data.images.decode import canvas_of
from oneglance.data.images.references import FileImage
from oneglance.data.synthetic import scenes
from oneglance.inference.engines.onnx import INPUT
from oneglance.inference.engines.torch import TorchEngine
from oneglance.inference.familiarity.novelty import Novelty, unit
from oneglance.inference.familiarity.principal_directions import in_principal_directions
from oneglance.model import Model
from oneglance.nn.allocator import keep_freed_memory
from oneglance.parallel.cpus import threads
from oneglance.progress import Screen

SIDE = 224  # pixels of the picture, and of the canvas of a network that has learned nothing
WANTED = 1.2
PAUSE = 0.1  # seconds: threads of a bare session spin for a while after its last pass


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument(
        "--run", nargs="*", default=[], help="run folders or .onnx files; default: an untrained MobileNetV2"
    )
    options.add_argument("--calls", type=int, default=60, help="of each in a round")
    options.add_argument("--rounds", type=int, default=5)
    given = options.parse_args()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as place:
        picture = written(Path(place) / "picture.jpg")
        models = [oneglance.load(path, device="cpu") for path in given.run] or both(Path(place))
        rows = {}
        for model in models:
            name = type(model.predictor.engine).__name__ if not given.run else model.name
            rows[name] = measured(model, picture, given.calls, given.rounds)
            print(name, json.dumps(rows[name]))
    print(json.dumps({"bench": "loaded", "wanted": WANTED, "models": rows}))


def both(place: Path) -> list[Model]:
    """A network of usual size in torch and in a file, with a sample that says what is unfamiliar."""
    predictor = untrained(torch.device("cpu"), "fp32", SIDE)
    width = predictor.forward(np.zeros((1, *predictor.fit.shape), np.uint8)).vectors.shape[1]
    vectors = np.random.default_rng(0).normal(size=(2000, width))
    parts = in_principal_directions(unit(vectors).astype(np.float16), unit(vectors[:500]).astype(np.float16))
    predictor.novelty = Novelty.learned(*parts)
    return [Model(predictor), oneglance.load(fresh("onnx", place, SIDE, predictor.novelty), device="cpu")]


def measured(model: Model, picture: Path, calls: int, rounds: int) -> dict[str, float]:
    """Milliseconds of each, and the ratio, all in turns."""
    predictor = model.predictor
    ref = FileImage(str(picture), picture.name)
    silent, bare = Screen(), bare_pass(model)

    def canvas() -> np.ndarray:
        return canvas_of(ref, predictor.fit, predictor.limits).pixels[None]

    works: dict[str, Callable[[], Any]] = {
        "bare": lambda: bare(canvas()),
        "predict": lambda: model.predict(picture, screen=silent),
        "predict_bytes": lambda: model.predict(picture.read_bytes(), screen=silent),
    }
    model.predict(picture, screen=silent)  # the first call
    ratios, in_bytes, times = [], [], []
    for _ in range(rounds):
        took: dict[str, list[float]] = {name: [] for name in works}
        for name, work in works.items():
            time.sleep(PAUSE)
            for _ in range(calls):
                began = time.perf_counter()
                work()
                took[name].append(1000 * (time.perf_counter() - began))
        row = {name: min(values) for name, values in took.items()}
        times.append(row)
        ratios.append(row["predict"] / row["bare"])
        in_bytes.append(row["predict_bytes"] / row["bare"])
    milliseconds = {name: round(statistics.median(row[name] for row in times), 3) for name in works}
    return {
        **milliseconds,
        "ratio": round(statistics.median(ratios), 3),
        "ratio_of_bytes": round(statistics.median(in_bytes), 3),
    }


def bare_pass(model: Model) -> Callable[[np.ndarray], Any]:
    engine = model.predictor.engine
    if isinstance(engine, TorchEngine):

        def in_torch(canvas: np.ndarray) -> Any:
            with torch.inference_mode():
                return engine.network(torch.from_numpy(canvas).permute(0, 3, 1, 2))

        return in_torch
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()  # by itself it takes all processors, whatever OMP_NUM_THREADS is
    session = onnxruntime.InferenceSession(model.name, options, providers=["CPUExecutionProvider"])
    return lambda canvas: session.run(None, {INPUT: canvas})


def written(path: Path) -> Path:
    """A drawn JPEG file of 224×224 pixels."""
    from PIL import Image

    (scene,) = scenes(count=1, seed=0, size=SIDE)
    Image.fromarray(scene.pixels).resize((SIDE, SIDE)).save(path, quality=90)
    return path


if __name__ == "__main__":
    main()
