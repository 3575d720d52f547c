"""How many directions of a long feature vector tell other pictures from one's own.

Features of a frozen MobileNetV2. Each class of a folder of classes is once what the network has not seen, the
other classes its own pictures; then whole other folders are. In each of 3 random splits, a sixth of the own
pictures is compared with those that are not, by the distance to a sample of at most 2,000 of the others:
AUROC along some numbers of principal directions and, as 0, of the whole vectors. Means of the splits.

    python bench/directions.py WEIGHTS FOLDER_OF_CLASSES [OTHER ...]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from oneglance.backbone import build_backbone
from oneglance.config import BackboneTable
from oneglance.data.image_inputs import pictures
from oneglance.data.images.decode import Limits
from oneglance.data.images.decoding.decode_pool import decode
from oneglance.data.images.letterbox import Fit
from oneglance.errors import DataError
from oneglance.inference.familiarity import principal_directions
from oneglance.inference.familiarity.novelty import Novelty, unit
from oneglance.progress import Screen

SIZE = 128
DIMENSIONS = (0, 64, 128, 256, 384)
SPLITS = 3
BATCH = 32


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("weights", help="of timm's mobilenetv2_100")
    options.add_argument("own", help="a folder of class folders")
    options.add_argument("other", nargs="*", help="folders of other pictures")
    given = options.parse_args()
    vectors = features(given.weights, [given.own, *given.other])
    (_, own), *others = vectors
    names = np.array([Path(name).parent.name for name, _ in own])
    values = np.stack([vector for _, vector in own])
    cases = {name: (values[names != name], values[names == name]) for name in np.unique(names)}
    cases |= {folder: (values, np.stack([vector for _, vector in rows])) for folder, rows in others}
    rows = {}
    for case, (known, strange) in cases.items():
        scores = [aurocs(known, strange, split) for split in range(SPLITS)]
        rows[Path(case).name] = dict(zip(DIMENSIONS, np.mean(scores, axis=0).round(4).tolist(), strict=True))
        print(Path(case).name, json.dumps(rows[Path(case).name]), flush=True)
    print(json.dumps({"bench": "directions", "auroc": rows}))


def features(weights: str, folders: list[str]) -> list[tuple[str, list[tuple[str, np.ndarray]]]]:
    """Of each folder the names of its pictures and their vectors [d], of length 1."""
    table = BackboneTable(
        name="mobilenetv2_100", weights=str(Path(weights).resolve()), size=SIZE, options={"pad_type": "same"}
    )
    backbone = build_backbone(table, Path.cwd()).eval()
    mean, std = (torch.tensor(values)[:, None, None] for values in (backbone.mean, backbone.std))
    every = []
    for folder in folders:
        refs = list(pictures(folder, Screen()))
        results = zip(refs, decode(refs, Fit(SIZE), Limits(), 2), strict=True)
        whole = [(ref.name, result.pixels) for ref, result in results if not isinstance(result, DataError)]
        rows: list[tuple[str, np.ndarray]] = []
        for start in range(0, len(whole), BATCH):
            names, pixels = zip(*whole[start : start + BATCH], strict=True)
            batch = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2) / 255
            with torch.inference_mode():
                vectors = backbone((batch - mean) / std).vector.numpy()
            rows += zip(names, unit(vectors), strict=True)
        every.append((folder, rows))
    return every


def aurocs(known: np.ndarray, strange: np.ndarray, split: int) -> list[float]:
    """For each of ``DIMENSIONS``, of which the most are computed once: the last ones are the principal."""
    order = np.random.default_rng(split).permutation(len(known))
    tested, sample = known[order[: len(known) // 6]], known[order[len(known) // 6 :][:2000]]
    whole = sample.astype(np.float16), tested.astype(np.float16)
    principal_directions.DIMENSIONS = max(DIMENSIONS)
    training, validation, directions = principal_directions.in_principal_directions(*whole)
    assert directions is not None
    values = []
    for count in DIMENSIONS:
        parts = (training[:, -count:], validation[:, -count:], directions[:, -count:])
        novelty = Novelty.learned(*(parts if count else whole))
        distances = np.concatenate([novelty.distances(tested), novelty.distances(strange)])
        values.append(float(roc_auc_score(np.arange(len(distances)) >= len(tested), distances)))
    return values


if __name__ == "__main__":
    main()
