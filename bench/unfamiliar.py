"""How well a run tells other pictures from its own: by ``unfamiliar``, on its own test pictures and others.

AUROC is the chance that one of the others is more unfamiliar than one of its own (ties count half); 0.5 is a
coin. For some promised rates of false alarms: which share of its own test pictures is called unknown, which
should be about the rate or less, and which share of the others. Intervals are the 95 % bootstrap over groups
of its own pictures (``[[sources]] group``) and over the others.

    python bench/unfamiliar.py RUN OTHER_PATH [--other-limit 1000]

RUN is a finished run folder whose pictures are still where they were; OTHER_PATH is what `predict` takes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from oneglance.data.image_inputs import pictures
from oneglance.data.images.decode import Canvas
from oneglance.data.images.decoding.decode_pool import decode
from oneglance.data.record import ImageRef
from oneglance.evaluation.bootstrap import group_weights
from oneglance.inference.engine import BATCH
from oneglance.inference.export_comparison import records_of_splits
from oneglance.inference.predictor import Predictor
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder

RATES = (0.01, 0.05, 0.1)
WANTED = 0.95  # AUROC
RESAMPLES = 1000


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("run", help="a finished run folder")
    options.add_argument("other", help="a folder, archive or table of other pictures")
    options.add_argument("--other-limit", type=int, help="of them, evenly spread; default: all")
    given = options.parse_args()
    run = RunFolder.open(given.run)
    predictor = Predictor.open(run, device="cpu")
    novelty = predictor.novelty
    records = records_of_splits(run, predictor, Screen()).get("test", [])
    if novelty is None or not records:
        raise SystemExit(
            "the run keeps nothing to compare with, or its test pictures are not where they were"
        )
    others = spread(pictures(given.other, Screen()), given.other_limit)
    mine, kept = unfamiliar(predictor, [record.image for record in records])
    theirs, _ = unfamiliar(predictor, others)
    groups = [records[row].group for row in kept]
    random, count = np.random.default_rng(1), len(theirs)  # drawn apart from the run's own pictures
    drawn = (np.bincount(random.integers(count, size=count), minlength=count) for _ in range(RESAMPLES))
    weights = [*zip(group_weights(groups), drawn, strict=False)]
    area = interval([auroc(mine, theirs, *each) for each in weights])
    value = auroc(mine, theirs, np.ones(len(mine)), np.ones(len(theirs)))
    result: dict[str, Any] = {
        "bench": "unfamiliar",
        "auroc": round(value, 4),
        "interval": area,
        "wanted": WANTED,
        "own": len(mine),
        "groups": len(set(groups)),
        "others": len(theirs),
        "validation": len(novelty.familiar),
        "called_unknown": {},
    }
    print(
        f"AUROC {value:.3f} ({area[0]:.3f} – {area[1]:.3f}), n = {len(mine)} own test pictures of "
        f"{len(set(groups))} groups and {len(theirs)} others; {len(novelty.familiar)} validation pictures"
    )
    for rate in RATES:
        alarms, found = (novelty.is_unknown(each, rate) for each in (mine, theirs))
        low, high = interval([np.average(alarms, weights=own) for own, _ in weights])
        print(
            f"promised {rate:.0%}: {alarms.mean():.1%} ({low:.1%} – {high:.1%}) of its own called unknown, "
            f"{found.mean():.1%} of the others"
        )
        result["called_unknown"][str(rate)] = {
            "own": round(float(alarms.mean()), 4),
            "interval": [low, high],
            "others": round(float(found.mean()), 4),
        }
    print(json.dumps(result))


def spread(refs: Sequence[ImageRef], limit: int | None) -> list[ImageRef]:
    """At most so many of them, evenly spread."""
    rows = np.linspace(0, len(refs) - 1, min(limit or len(refs), len(refs))).astype(int)
    return [refs[row] for row in rows]


def unfamiliar(predictor: Predictor, refs: Sequence[ImageRef]) -> tuple[np.ndarray, list[int]]:
    """How unfamiliar each picture is, and which of them could be read."""
    kept: list[int] = []
    found = decode(refs, predictor.fit, predictor.limits, predictor.config.cache.workers)
    vectors = [predictor.forward(np.stack(batch)).vectors for batch in batches(found, kept)]
    assert predictor.novelty is not None
    return predictor.novelty.unfamiliar(np.concatenate(vectors)), kept


def batches(found: Iterable[object], kept: list[int]) -> Iterator[list[np.ndarray]]:
    """The pixels of what could be read; ``kept`` is told which those are."""
    rows = ((row, item) for row, item in enumerate(found) if isinstance(item, Canvas))
    while chunk := list(islice(rows, BATCH)):
        kept += [row for row, _ in chunk]
        yield [canvas.pixels for _, canvas in chunk]


def auroc(mine: np.ndarray, theirs: np.ndarray, own: np.ndarray, others: np.ndarray) -> float:
    """The chance that one of ``theirs`` is larger than one of ``mine``, weighted; ties count half."""
    _, place = np.unique(np.concatenate([mine, theirs]), return_inverse=True)
    below = np.bincount(place[: len(mine)], own, minlength=place.max() + 1)
    above = np.bincount(place[len(mine) :], others, minlength=place.max() + 1)
    return float(above @ (np.cumsum(below) - below / 2) / (own.sum() * others.sum()))


def interval(draws: Sequence[float]) -> list[float]:
    """The middle 95 %."""
    return [round(edge, 4) for edge in np.percentile(draws, [2.5, 97.5]).tolist()]


if __name__ == "__main__":
    main()
