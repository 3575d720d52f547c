"""Which score tells pictures of another kind best from a run's own: the one in use, and those of the
literature.

    python bench/near_far.py RUN TASK NAME=PATH ... [--limit 300] [--train 900]

RUN is a finished run whose pictures are where they were, TASK one of its labels, each PATH what `predict`
takes. All scores are fitted to the same training pictures, and see features of the run's network (`ours`) or
of its pretrained backbone before the training (`before`):

- neighbours: the distance to the 5th nearest training picture, angles in 128 directions (Sun et al. 2022);
  what oneglance takes for short vectors.
- Mahalanobis: the distance from the mean of all training pictures in their own spread (Lee et al. 2018, with
  one class), Ledoit and Wolf's covariance.
- residual: what lies outside of the 128 main directions. ViM adds the energy to it (Wang et al. 2022), both
  in standard deviations of the validation pictures.
- halfway: the distance of Mahalanobis of features from halfway up the backbone; `residual, halfway` is what
  oneglance takes, twice the first and once the second in standard deviations, there with a residual that is
  not centred.
- energy (Liu et al. 2020) and GEN (Liu et al. 2023) of the label's raw output.
- both: neighbours of ours and before, each in standard deviations of the validation pictures.

AUROC with the 95 % bootstrap over groups of the run's test pictures and over the others, and the share of
these beyond the 95th percentile of the validation pictures, with its Wilson interval.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence

import numpy as np
import torch
from sklearn.covariance import ledoit_wolf
from strangers import wilson
from unfamiliar import auroc, batches, interval, spread

from oneglance.backbone import build_backbone
from oneglance.data.image_inputs import pictures
from oneglance.data.images.decoding.decode_pool import decode
from oneglance.data.record import ImageRef
from oneglance.evaluation.bootstrap import group_weights
from oneglance.inference.export_comparison import records_of_splits
from oneglance.inference.familiarity.novelty import Novelty
from oneglance.inference.familiarity.principal_directions import DIMENSIONS, in_principal_directions
from oneglance.inference.familiarity.spread import Spread
from oneglance.inference.predictor import Predictor
from oneglance.network import Network
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder

RATE = 0.05
RESAMPLES = 500
Score = Callable[[np.ndarray], np.ndarray]


class Seen:
    """What both networks see in some pictures."""

    def __init__(self, predictor: Predictor, before: Network, task: str, refs: Sequence[ImageRef]) -> None:
        parts: list[list[np.ndarray]] = [[], [], [], []]
        self.kept: list[int] = []
        decoded = decode(refs, predictor.fit, predictor.limits, predictor.config.cache.workers)
        for pixels in batches(decoded, self.kept):
            canvases = np.stack(pixels)
            output = predictor.forward(canvases)
            with torch.inference_mode():
                old = before.features(torch.from_numpy(canvases).permute(0, 3, 1, 2)).vector
            seen = (output.vectors, old.numpy(), output.raw[task], output.middle)
            for part, one in zip(parts, seen, strict=True):
                part.append(np.asarray(one, dtype=np.float32))
        self.ours, self.before, self.raw, self.middle = map(np.concatenate, parts)


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def neighbours(train: np.ndarray) -> Score:
    rows = unit(train).astype(np.float16)
    nothing = rows[:1]
    sample, _, directions = in_principal_directions(rows, nothing)
    return Novelty(sample, np.zeros(1), directions, outside=False).distances


def mahalanobis(train: np.ndarray) -> Score:
    middle = unit(train).mean(axis=0)
    inverse = np.linalg.inv(ledoit_wolf(unit(train) - middle, assume_centered=True)[0])
    return lambda x: np.einsum("nd,nd->n", (unit(x) - middle) @ inverse, unit(x) - middle)


def residual(train: np.ndarray) -> Score:
    middle = unit(train).mean(axis=0)
    rows = unit(train) - middle
    main = np.linalg.eigh(rows.T @ rows)[1][:, -DIMENSIONS:]

    def left(x: np.ndarray) -> np.ndarray:
        away = unit(x) - middle
        return np.asarray((away**2).sum(axis=1) - ((away @ main) ** 2).sum(axis=1))

    return left


def energy(raw: np.ndarray) -> np.ndarray:
    return np.asarray(-np.logaddexp.reduce(raw, axis=1))


def gen(raw: np.ndarray) -> np.ndarray:
    chance = np.exp(raw - np.logaddexp.reduce(raw, axis=1, keepdims=True))
    return np.asarray((np.clip(chance * (1 - chance), 1e-12, None) ** 0.1).sum(axis=1))


def scored(train: Seen, validation: Seen, others: dict[str, Seen]) -> dict[str, dict[str, np.ndarray]]:
    """By score and name of the pictures; `validation` is among the names."""
    every = {**others, "validation": validation}
    ours = {name: make(train.ours) for name, make in MADE.items()}
    before = neighbours(train.before)
    values = {name: {key: score(one.ours) for key, one in every.items()} for name, score in ours.items()}
    values["energy"] = {key: energy(one.raw) for key, one in every.items()}
    values["GEN"] = {key: gen(one.raw) for key, one in every.items()}
    spread = Spread.of(train.middle)
    values["halfway"] = {key: spread.distances(one.middle) for key, one in every.items()}
    values["neighbours before"] = {key: before(one.before) for key, one in every.items()}
    for name, *parts in (
        ("ViM", "residual", "energy"),
        ("residual, halfway", "residual", "residual", "halfway"),
        ("neighbours, both", "neighbours", "neighbours before"),
    ):
        usual = {one: (values[one]["validation"].mean(), values[one]["validation"].std()) for one in parts}
        values[name] = {
            key: np.sum([(values[one][key] - usual[one][0]) / usual[one][1] for one in parts], axis=0)
            for key in every
        }
    return values


MADE = {"neighbours": neighbours, "Mahalanobis": mahalanobis, "residual": residual}


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("run")
    options.add_argument("task")
    options.add_argument("others", nargs="+", metavar="NAME=PATH")
    options.add_argument("--limit", type=int, default=300, help="pictures of each kind, evenly spread")
    options.add_argument("--train", type=int, default=900, help="training pictures, evenly spread")
    given = options.parse_args()
    torch.set_num_threads(1)
    run = RunFolder.open(given.run)
    predictor = Predictor.open(run, device="cpu")
    predictor.engine.network.backbone.gives_middle = True
    table = predictor.config.backbone
    old = build_backbone(table.model_copy(update={"weights": "pretrained"}), predictor.config.base)
    before = Network(old, {}).eval()
    records = records_of_splits(run, predictor, Screen())
    few = {
        part: [records[part][row] for row in np.linspace(0, len(records[part]) - 1, most).astype(int)]
        for part in ("train", "validation", "test")
        for most in [min(given.train if part == "train" else given.limit, len(records[part]))]
    }
    own = {part: Seen(predictor, before, given.task, [r.image for r in rows]) for part, rows in few.items()}
    others = {}
    for word in given.others:
        name, _, path = word.partition("=")
        refs = spread(pictures(path, Screen()), given.limit)
        others[name] = Seen(predictor, before, given.task, refs)
        print(f"{name}: {len(others[name].ours)} pictures", flush=True)
    values = scored(own["train"], own["validation"], {**others, "test": own["test"]})
    groups = [few["test"][row].group for row in own["test"].kept]
    sizes = {part: len(one.ours) for part, one in own.items()}
    print(json.dumps({"own": sizes, "groups": len({g or row for row, g in enumerate(groups)})}))
    for name, by in values.items():
        edge = np.quantile(by["validation"], 1 - RATE)
        print(f"{name:18} own beyond {(by['test'] > edge).mean():.1%}")
        for other in others:
            random, count = np.random.default_rng(1), len(by[other])
            rows = (random.integers(count, size=count) for _ in range(RESAMPLES))
            drawn = (np.bincount(each, minlength=count) for each in rows)
            areas = [
                auroc(by["test"], by[other], *each)
                for each in zip(group_weights(groups, RESAMPLES), drawn, strict=False)
            ]
            whole = auroc(by["test"], by[other], np.ones(len(by["test"])), np.ones(count))
            low, high = interval(areas) if areas else (whole, whole)
            share, least, most = wilson(by[other] > edge)
            print(
                f"  {other:14} n {count:4}  AUROC {whole:.3f} ({low:.3f} to {high:.3f})  "
                f"beyond {share:.1%} ({least:.1%} to {most:.1%})",
                flush=True,
            )


if __name__ == "__main__":
    main()
