"""Whether maps of ``explain`` lie where they should, and whether they follow the weights.

The pointing game (Zhang et al. 2016, arXiv 1608.00507): the hottest pixel of a map should lie in the box of
what was asked for. Beside it stands a map that always points at the middle of the picture, and the share of
the heat that lies in the box beside the box's share of the picture. Intervals: 95 %, bootstrap over pictures
(of drawn scenes) or groups.

On new drawn scenes of a run that has learned from such: tags ``shapes`` whose shape is there once, the card
of the ``digit``, each box of ``objects`` that overlaps a true one of its class by half. Else on the test
pictures of the run: its boxes, likewise. Boxes that fill more than half of the picture are left out: nobody
could miss them.

The sanity check (Adebayo et al. 2018, arXiv 1810.03292): Spearman's correlation between the maps of a label's
or number's answer, from the run and from the same network with the values of each of its weights shuffled.

    python bench/explain.py RUN [--scenes 200] [--method gradient] [--pictures 200]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from scipy.stats import spearmanr

from oneglance.data.dataset import load_dataset
from oneglance.data.images.decode import Canvas
from oneglance.data.images.decoding.decode_pool import decode_with
from oneglance.data.synthetic import scenes
from oneglance.detection.box_ops import iou
from oneglance.evaluation.bootstrap import group_weights
from oneglance.evaluation.evaluate import records_of
from oneglance.inference.explanation.explainer import Explainer
from oneglance.inference.explanation.gradients import GradientPass
from oneglance.inference.explanation.grids import on_picture
from oneglance.inference.predictor import Predictor
from oneglance.network import Network
from oneglance.storage.run_folder import RunFolder

SEED = 12345  # of the scenes: no demo has it
SIDE = 320  # pixels of the longer side on which maps are compared
LARGEST = 0.5  # share of the picture
SAME = 0.5  # overlap of two boxes of one thing
NAMES = {
    "hit": "point into the box",
    "centre": "would, if they pointed at the middle of the picture",
    "heat": "of the heat lies in the box",
    "area": "of the picture does",
}


class Known(NamedTuple):
    """A picture of which one knows where things are."""

    group: str
    canvas: Canvas
    boxes: list[tuple[str, str, tuple[float, ...]]]  # task, class ("": whatever it says), box in its pixels


class Game(NamedTuple):
    """One map."""

    group: str
    hit: bool
    centre: bool
    heat: float
    area: float


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("run", help="a finished run folder")
    options.add_argument("--scenes", type=int, default=0, help="new drawn scenes; 0: the run's test pictures")
    options.add_argument("--pictures", type=int, default=200, help="of the test pictures, at most")
    options.add_argument("--method", default="gradient", help="gradient or occlusion")
    given = options.parse_args()
    run = RunFolder.open(given.run)
    predictor = Predictor.open(run, device="cpu", precision="fp32")
    several = drawn(predictor, given.scenes) if given.scenes else annotated(run, predictor, given.pictures)
    known = list(several)
    games: dict[str, list[Game]] = {}
    tasks = sorted({task for one in known for task, _, _ in one.boxes})
    explainer = Explainer(predictor, given.method, tasks)
    for one in known:
        for task, game in played(explainer, one):
            games.setdefault(task, []).append(game)
    result: dict[str, Any] = {
        "bench": "explain",
        "method": given.method,
        "pictures": len(known),
        "tasks": {task: summary(rows) for task, rows in games.items()},
    }
    for task, entry in result["tasks"].items():
        print(f"{task}: {len(games[task])} maps")
        for name, words in NAMES.items():
            value, low, high = entry[name]
            print(f"  {value:6.1%} ({low:.1%} – {high:.1%})  {words}")
    if given.method == "gradient":
        result["shuffled"] = sanity(predictor, known)
        for task, (mean, count) in result["shuffled"].items():
            print(
                f"{task}: Spearman {mean:+.2f} between maps of the run and of shuffled weights, n = {count}"
            )
    print(json.dumps(result))


def drawn(predictor: Predictor, count: int) -> Iterator[Known]:
    for scene in scenes(count, SEED):
        height, width = scene.pixels.shape[:2]
        names = [thing.name for thing in scene.things]
        boxes = [("shapes", one.name, one.box) for one in scene.things if names.count(one.name) == 1]
        boxes += [("objects", one.name, one.box) for one in scene.things] + [("digit", "", scene.card)]
        canvas = Canvas(predictor.fit.canvas(Image.fromarray(scene.pixels)), width, height)
        yield Known(scene.name, canvas, [box for box in boxes if box[0] in predictor.tasks])


def annotated(run: RunFolder, predictor: Predictor, most: int) -> Iterator[Known]:
    records = records_of(run, "test", load_dataset(run.config(), list(predictor.tasks.values())))[:most]
    decoded = decode_with(predictor.decoding, (record.image for record in records), predictor.workers)
    spatial = [name for name, task in predictor.tasks.items() if task.is_spatial]
    for record, canvas in zip(records, decoded, strict=True):
        if isinstance(canvas, Canvas):
            answers = {name: record.answers[name] for name in spatial if record.answers.get(name) is not None}
            boxes = [
                (name, box.label, (box.x0, box.y0, box.x1, box.y1))
                for name, answer in answers.items()
                for box in answer.boxes
                if not box.ignore
            ]
            yield Known(record.group, canvas, boxes)


def played(explainer: Explainer, known: Known) -> Iterator[tuple[str, Game]]:
    width, height = known.canvas.width, known.canvas.height
    for one in explainer.explain(known.canvas):
        said = one.answer.rpartition(" (")[0]
        true = [box for task, label, box in known.boxes if task == one.task and label in ("", said)]
        if one.box is not None and true:
            overlaps = iou(np.array([one.box]), np.array(true))[0]
            true = [true[int(overlaps.argmax())]] if overlaps.max() >= SAME else []
        if not true or share_of(true[0], width, height) > LARGEST:
            continue
        yield one.task, game(known, one.heat, one.placement, true[0])


def share_of(box: tuple[float, ...], width: int, height: int) -> float:
    x0, y0, x1, y1 = np.clip(box, 0, [width, height, width, height])
    return float((x1 - x0) * (y1 - y0) / (width * height))


def game(known: Known, heat: np.ndarray, placement: Any, box: tuple[float, ...]) -> Game:
    width, height = known.canvas.width, known.canvas.height
    scale = SIDE / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    spread = np.nan_to_num(on_picture(heat, placement, size))
    x = (np.arange(size[0]) + 0.5) * width / size[0]
    y = (np.arange(size[1]) + 0.5) * height / size[1]
    x0, y0, x1, y1 = box
    inside = ((y >= y0) & (y <= y1))[:, None] & ((x >= x0) & (x <= x1))
    hit = bool(inside.ravel()[int(spread.argmax())]) and spread.max() > 0
    centre = x0 <= width / 2 <= x1 and y0 <= height / 2 <= y1
    total = float(spread.sum())
    return Game(
        known.group,
        hit,
        centre,
        float(spread[inside].sum()) / total if total else 0.0,
        share_of(box, width, height),
    )


def summary(rows: list[Game]) -> dict[str, list[float]]:
    """Of each column its mean and its interval."""
    weights = [each / each.sum() for each in group_weights([row.group for row in rows]) if each.any()]
    result = {}
    for name in ("hit", "centre", "heat", "area"):
        values = np.array([getattr(row, name) for row in rows], dtype=np.float64)
        edges = np.percentile([float(each @ values) for each in weights], [2.5, 97.5])
        result[name] = [round(float(value), 4) for value in (values.mean(), *edges)]
    return result


def sanity(predictor: Predictor, known: list[Known]) -> dict[str, tuple[float, int]]:
    other = shuffled(predictor.network)
    likeness: dict[str, list[float]] = {}
    for one in known:
        ours, theirs = (GradientPass(network, one.canvas.pixels) for network in (predictor.network, other))
        for name, task in predictor.tasks.items():
            if task.is_spatial or task.answered_by != name:
                continue
            for answer in task.explained_answers(ours.raw[name]):
                pair = [each.heat(name, answer).ravel() for each in (ours, theirs)]
                if all(np.ptp(heat) > 0 for heat in pair):
                    likeness.setdefault(name, []).append(float(spearmanr(*pair).statistic))
    return {name: (round(float(np.mean(rows)), 3), len(rows)) for name, rows in likeness.items()}


def shuffled(network: Network) -> Network:
    """The same network, in which the values of each weight have changed places."""
    other = deepcopy(network)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in other.parameters():
            order = torch.randperm(weight.numel(), generator=generator)
            weight.copy_(weight.flatten()[order].view_as(weight))
    return other


if __name__ == "__main__":
    main()
