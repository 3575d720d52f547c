"""One training by one process and by several on this machine: seconds of an epoch, as a ratio.

Each round trains the same drawn pictures with one process and with several, one after the other; the medians
of the epochs after the first are compared, and so are the losses, which differ by batch norm alone.

    python bench/workers.py [--workers 2] [--rounds 3] [--networks small,efficientnet_lite0]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import torch

import oneglance
from oneglance.data.synthetic import write_scenes
from oneglance.nn.device import environment
from oneglance.progress import Screen

SIZES = {"small": 32, "efficientnet_lite0": 128}  # pixels
STILL = ["augment.flip=false", "augment.shift=0", "augment.scale=[1, 1]", "augment.colour=0"]
CONFIG = """
[[sources]]
path = "scenes/labels.csv"
group = "scene"
[tasks.digit]
type = "label"
[tasks.covered]
type = "number"
[backbone]
name = "{name}"
size = {size}
[training]
epochs = 4
batch = 64
precision = "fp32"
"""


def epochs(folder: Path, name: str, workers: int) -> list[dict[str, Any]]:
    """The history of one training."""
    config = folder / f"{name}.toml"
    config.write_text(CONFIG.format(name=name, size=SIZES[name]), encoding="utf-8")
    out = Path(tempfile.mkdtemp(dir=folder)) / "run"
    run = oneglance.train(config, overrides=STILL, out=out, workers=workers, screen=Screen())
    return [dict(row) for row in run.history().to_dict()]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--networks", default="small,efficientnet_lite0")
    parser.add_argument("--scenes", type=int, default=150, help="four drawn pictures each")
    args = parser.parse_args()
    print(json.dumps(environment(torch.device("cpu"))))
    with tempfile.TemporaryDirectory() as kept:
        folder = Path(kept)
        write_scenes(folder / "scenes", args.scenes)
        for name in args.networks.split(","):
            ratios, off = [], []
            for _ in range(args.rounds):
                one, several = (epochs(folder, name, count) for count in (1, args.workers))
                seconds = [median(row["seconds"] for row in rows[1:]) for rows in (one, several)]
                ratios.append(seconds[0] / seconds[1])
                pairs = [(row["loss"], other["loss"]) for row, other in zip(one, several, strict=True)]
                off.append(max(abs(a[task] - b[task]) for a, b in pairs for task in a))
            rounds = ", ".join(f"{ratio:.2f}" for ratio in ratios)
            print(
                f"{name:20} {args.workers} processes are {median(ratios):.2f} times as fast as one "
                f"({rounds}); losses of an epoch differ by {max(off):.3f} at most",
                flush=True,
            )


if __name__ == "__main__":
    main()
