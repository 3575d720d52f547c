"""Several networks behind one interface, relative to what their passes and one decoding allow.

The bound is 1 / (1 / decode + 1 / first + 1 / second), each measured alone: decoding onto the first canvas,
and the passes of each network. All take turns with the combined prediction in one process. For comparison,
the time of asking one network after the other.

    python bench/combine.py [--pictures 600] [--rounds 5] [--sizes 128,96]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path

import numpy as np
import torch
from predict import seconds, untrained, whole_of, written

from oneglance.data.images.decode import Canvas
from oneglance.data.images.decoding.decode_pool import decode
from oneglance.inference.combined.predictor import CombinedPredictor, Member
from oneglance.inference.engine import BATCH
from oneglance.nn.allocator import keep_freed_memory
from oneglance.nn.device import environment


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--pictures", type=int, default=600)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--sizes", default="128,96", help="of the canvas of each network, in pixels")
    given = options.parse_args()
    keep_freed_memory()
    device = torch.device("cpu")
    networks = [untrained(device, "fp32", int(size)) for size in given.sizes.split(",")]
    names = [{name: f"{name} {number}" for name in one.tasks} for number, one in enumerate(networks)]
    members = [Member(str(number), one, names[number]) for number, one in enumerate(networks)]
    several = CombinedPredictor(members)
    shares, gains = [], []
    with tempfile.TemporaryDirectory() as folder:
        refs = written(Path(folder), given.pictures)
        first = networks[0]
        canvases = [
            np.stack([c.pixels for c in decode(refs, one.fit, one.limits) if isinstance(c, Canvas)])
            for one in networks
        ]
        for _ in range(given.rounds + 1):  # the first is not counted

            def passes() -> None:
                for one, pixels in zip(networks, canvases, strict=True):
                    for start in range(0, len(pixels), BATCH):
                        one.forward(pixels[start : start + BATCH])

            bound = seconds(lambda: list(decode(refs, first.fit, first.limits)) and None) + seconds(passes)
            took = seconds(lambda: whole_of(several, refs))  # type: ignore[arg-type]
            apart = seconds(lambda: [whole_of(one, refs) for one in networks] and None)
            shares.append(bound / took)
            gains.append(apart / took)
    share = [round(statistics.median(each[1:]), 3) for each in (shares, gains)]
    print(f"{share[0]} of what is possible; {share[1]} times as fast as one network after the other")
    print(
        json.dumps(
            {
                "bench": "combine",
                "share_of_possible": share[0],
                "wanted": 0.95,
                "range": [round(min(shares[1:]), 3), round(max(shares[1:]), 3)],
                "over_one_after_the_other": share[1],
                "sizes": given.sizes,
                "machine": environment(device)["processor"],
            }
        )
    )


if __name__ == "__main__":
    main()
