"""How well `suspects` finds answers that were changed at random.

    python bench/suspects.py CONFIG.toml TASK [TASK ...]     labels, tags, numbers: heads on frozen features;
                                                             boxes: five trainings for each seed
        --share 0.05 --seeds 5 --pictures 5000 --cleanlab /tmp/venv/bin/python --losses
    python bench/suspects.py RUN TASK                        boxes by a finished run: its validation and test
                                                             pictures, without any training

For each seed, `--share` of the answers become others: another class, another picture's number, one tag more
or less. Of all boxes as many are dropped, moved by a quarter of their sides, or given another class, in turn;
a suspicion finds one of these if it is about the same place (an overlap of 0.5). All answers are then ordered
as `suspects` orders them; what it does not list comes last. AP is the area under the curve of precision and
recall, P@k the precision among as many as were changed; by chance both are the share. `--cleanlab` names a
Python in which cleanlab is installed (it is under the AGPL, so nowhere else): its scores are worked out from
the same predictions. Features are computed once, for they depend on no answer. With `--losses` the
configuration is trained as well, once for each seed, and its training pictures alone are ordered: by folds,
by the losses that the run kept, and by both, as `suspects RUN` does.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import t as student
from sklearn.metrics import average_precision_score

from oneglance import config as configuration
from oneglance.config import Config
from oneglance.data.columns.record_columns import columns_of
from oneglance.data.dataset import Dataset
from oneglance.data.record import Box, BoxAnnotations
from oneglance.data.splitting.split import SPLITS, SplitIndices
from oneglance.detection.box_ops import iou
from oneglance.evaluation.comparison.variants import trained
from oneglance.evaluation.suspects import frozen
from oneglance.evaluation.suspects.find import (
    Pictures,
    fold_numbers,
    judge_by_folds,
    judge_by_trainings,
    judged,
    pictures_of,
    usable_folds,
)
from oneglance.evaluation.suspects.findings import Findings, Judged, Plan
from oneglance.inference.export_comparison import records_of_splits
from oneglance.inference.predictor import Predictor
from oneglance.metrics.suspicion import Suspicion
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder
from oneglance.task import Prediction, Task, build_tasks
from oneglance.tasks.tags import TagAnnotations
from oneglance.training.experiment_data import ExperimentData, read_dataset
from oneglance.training.picture_losses import read_losses

CLEANLAB = """
import sys, numpy as np
kept = np.load(sys.argv[1])
if "chances" in kept:
    from cleanlab.rank import get_label_quality_scores as scores
    methods = "self_confidence", "normalized_margin"
    quality = {m: scores(kept["given"], kept["chances"], method=m) for m in methods}
else:
    from cleanlab.regression.rank import get_label_quality_scores as scores
    quality = {"outre": scores(kept["given"], kept["value"])}
np.savez(sys.argv[2], **{name: 1 - one for name, one in quality.items()})
"""


class Quiet(Screen):
    """Says nothing."""


def changed(answer: Any, others: Sequence[Any], draw: np.random.Generator) -> Any:
    """Another answer than `answer`."""
    if isinstance(answer, TagAnnotations):
        tags = sorted({tag for one in others for tag in one.present})
        return answer._replace(present=answer.present ^ {tags[int(draw.integers(len(tags)))]})
    different = sorted({one for one in others if one != answer}) if isinstance(answer, str) else others
    while (other := different[int(draw.integers(len(different)))]) == answer:
        pass
    return other


def some_changed(answers: Sequence[Any], share: float, seed: int) -> tuple[list[Any], np.ndarray]:
    """The same with `share` of them changed, and which are: bool [n]."""
    draw, is_changed = np.random.default_rng(seed), np.zeros(len(answers), dtype=bool)
    is_changed[draw.choice(len(answers), round(share * len(answers)), replace=False)] = True
    return [
        changed(one, answers, draw) if bad else one for one, bad in zip(answers, is_changed, strict=True)
    ], is_changed


class Change(NamedTuple):
    """A box that was changed, in one of n pictures."""

    row: int
    kind: str  # "dropped", "moved" or "renamed"
    places: tuple[Box, ...]  # as it was, and as it is where it still is


def changed_boxes(
    answers: Sequence[BoxAnnotations], share: float, draw: np.random.Generator
) -> tuple[list[BoxAnnotations], list[Change]]:
    """The same with `share` of all boxes changed, and what was changed; those to ignore stay."""
    every = [(row, place) for row, one in enumerate(answers) for place in range(len(one.boxes))]
    every = [(row, place) for row, place in every if not answers[row].boxes[place].ignore]
    classes = sorted({answers[row].boxes[place].label for row, place in every})
    kinds = ("dropped", "moved", "renamed") if len(classes) > 1 else ("dropped", "moved")
    boxes: list[dict[int, Box]] = [dict(enumerate(one.boxes)) for one in answers]
    changes = []
    for number, index in enumerate(draw.permutation(len(every))[: round(share * len(every))].tolist()):
        row, place = every[index]
        box, kind = boxes[row].pop(place), kinds[number % len(kinds)]
        if kind == "moved":
            x, y = (box.x1 - box.x0) / 4, (box.y1 - box.y0) / 4
            x, y = -x if box.x0 >= x else x, -y if box.y0 >= y else y
            boxes[row][place] = replace(box, x0=box.x0 + x, x1=box.x1 + x, y0=box.y0 + y, y1=box.y1 + y)
        elif kind == "renamed":
            others = [label for label in classes if label != box.label]
            boxes[row][place] = replace(box, label=others[int(draw.integers(len(others)))])
        now = (boxes[row][place],) if place in boxes[row] else ()
        changes.append(Change(row, kind, (box, *now)))
    kept = [tuple(own[place] for place in sorted(own)) for own in boxes]
    return [replace(one, boxes=own) for one, own in zip(answers, kept, strict=True)], changes


def is_about(suspicion: Suspicion, change: Change) -> bool:
    """Whether a person who looks there sees what was changed; rows are of the same pictures."""
    shown = [place for place in (suspicion.box, suspicion.proposed_box) if place is not None]
    if suspicion.row != change.row or not shown:
        return False
    places = np.array([[box.x0, box.y0, box.x1, box.y1] for box in change.places])
    return bool((iou(np.array(shown, dtype=float), places) >= 0.5).any())


def box_scores(suspicions: Sequence[Suspicion], changes: Sequence[Change]) -> tuple[float, float]:
    """(AP, P@k) of a list that need not have all boxes; each change is found once."""
    left, hits = list(changes), []
    for suspicion in sorted(suspicions, key=lambda one: -one.score):
        met = next((change for change in left if is_about(suspicion, change)), None)
        hits.append(met is not None)
        left = [change for change in left if change is not met]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float((precision * hits).sum() / len(changes)), sum(hits[: len(changes)]) / len(changes)


def one_seed_of_boxes(
    task: Task, config: Config, dataset: Dataset, args: argparse.Namespace, seed: int, out: Path
) -> dict[str, tuple[float, float]]:
    """(AP, P@k) of `suspects` on boxes."""
    records = list(dataset.records)
    rows = [row for row, record in enumerate(records) if record.answers.get(task.name) is not None]
    given, changes = changed_boxes(
        [records[row].answers[task.name] for row in rows], args.share, np.random.default_rng(seed)
    )
    for row, answer in zip(rows, given, strict=True):
        records[row] = replace(records[row], answers={**records[row].answers, task.name: answer})
    findings = Findings()
    wrong = replace(dataset, records=columns_of(records))
    judge_by_trainings({task.name: task}, config, Plan(), wrong, SPLITS, out / str(seed), findings, Quiet())
    assert findings.judged, findings.notes
    (one,) = findings.judged
    place = {records[row].image.name: number for number, row in enumerate(rows)}
    named = [replace(each, row=place[one.records[each.row].image.name]) for each in one.suspicions]
    kinds = Counter(change.kind for change in changes)
    print(f"  seed {seed}: {dict(kinds)}, {one.likely} called wrong", flush=True)
    return {"suspects": box_scores(named, changes)}


def by_run(run: RunFolder, name: str, args: argparse.Namespace) -> None:
    """What a finished run finds among changed boxes of pictures that it has not learned from."""
    predictor = Predictor.open(run)
    task, parts = predictor.tasks[name], records_of_splits(run, predictor, Quiet())
    records = [each for part in ("validation", "test") for each in parts[part]]
    records = [each for each in records if each.answers.get(name) is not None]
    rows = predictor.predict((each.image for each in records), complete=True)
    pairs = [(row["answers"][name], one.answers[name]) for row, one in zip(rows, records, strict=True)]
    predictions, answers = zip(*pairs, strict=True)
    print(f"{len(records)} pictures, {sum(len(one.boxes) for one in answers):,} boxes")
    scored = []
    for seed in range(args.seeds):
        given, changes = changed_boxes(answers, args.share, np.random.default_rng(seed))
        scored.append(box_scores(task.suspicions(predictions, given), changes))
    ap, precision = (with_interval([one[k] for one in scored]) for k in (0, 1))
    print(f"  suspects  AP {ap}   P@k {precision}   {len(changes)} of them changed", flush=True)


def cleanlab_scores(
    python: str, given: Sequence[Any], predictions: Sequence[Prediction]
) -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        into, out = Path(folder) / "in.npz", Path(folder) / "out.npz"
        if "probabilities" in predictions[0]:
            words = sorted(set(given))
            rows = [[one["probabilities"].get(word, 0.0) for word in words] for one in predictions]
            index = np.array([words.index(one) for one in given])
            np.savez(into, chances=np.array(rows), given=index)
        else:
            np.savez(into, value=np.array([one["value"] for one in predictions]), given=np.array(given))
        subprocess.run([python, "-c", CLEANLAB, str(into), str(out)], check=True, capture_output=True)
        with np.load(out) as kept:
            return {f"cleanlab {name}": kept[name] for name in kept.files}


def one_seed(
    task: Task, pictures: Pictures, args: argparse.Namespace, seed: int, out: Path
) -> dict[str, tuple[float, float]]:
    """(AP, P@k) of each order."""
    rows = pictures.answered(task.name)
    records = [pictures.records[row] for row in rows.tolist()]
    given, is_changed = some_changed([record.answers[task.name] for record in records], args.share, seed)
    records = [
        type(r)(r.location, r.image, {task.name: a}, r.group) for r, a in zip(records, given, strict=True)
    ]
    findings = Findings()
    folds = usable_folds(task, records, pictures.units[rows], Plan(), findings)
    assert folds is not None, findings.notes
    features = frozen.Features(pictures.features.vectors[rows], pictures.features.key)
    predictions = frozen.out_of_fold(task, given, features, folds, out, Quiet())
    one = judged(task, records, predictions, fold_numbers(folds, len(records)), "", findings)
    place = {id(record): row for row, record in enumerate(records)}
    orders = {"suspects": np.zeros(len(given))}
    for suspicion in one.suspicions:
        orders["suspects"][place[id(one.records[suspicion.row])]] = suspicion.score
    if args.cleanlab and not isinstance(given[0], TagAnnotations):
        orders |= cleanlab_scores(args.cleanlab, given, predictions)
    listed = sum(suspicion.likely for suspicion in one.suspicions)
    print(f"  seed {seed}: {is_changed.sum()} of {len(given)} changed, {listed} called wrong", flush=True)
    return {name: scores(is_changed, order) for name, order in orders.items()}


def one_seed_with_losses(
    task: Task, config: Config, dataset: Dataset, args: argparse.Namespace, seed: int, out: Path
) -> dict[str, tuple[float, float]]:
    """(AP, P@k) of the training pictures' answers alone."""
    records = list(dataset.records)
    rows = [row for row, record in enumerate(records) if record.answers.get(task.name) is not None]
    answers, wrong = some_changed([records[row].answers[task.name] for row in rows], args.share, seed)
    for row, answer in zip(rows, answers, strict=True):
        records[row] = replace(records[row], answers={**records[row].answers, task.name: answer})
    given = replace(dataset, records=columns_of(records))
    config = config.with_changes({"training.seed": seed})
    data = ExperimentData.decode(config, build_tasks(config.tasks, config.file), given, Quiet(), SPLITS)
    losses = read_losses(trained(data, out / f"{task.name}-{seed}", config, Quiet()))
    assert losses is not None
    judged_by: dict[str, Judged] = {}
    for title, known in (("folds", None), ("both", losses)):
        findings, plan = Findings(), Plan(tasks=[task.name], losses=known)
        judge_by_folds(config, plan, given, ("train",), out, findings, Quiet())
        (judged_by[title],) = findings.judged
    names = [record.image.name for record in judged_by["folds"].records]
    is_changed = np.isin(names, [records[row].image.name for row in np.array(rows)[wrong].tolist()])
    means = losses.mean(task.name)
    orders = {"losses alone": np.array([means[name] for name in names])}
    for title, one in judged_by.items():
        orders[title] = np.zeros(len(names))
        for suspicion in one.suspicions:
            orders[title][suspicion.row] = suspicion.score
    print(f"  seed {seed}: {is_changed.sum()} of {len(names)} training pictures changed", flush=True)
    return {name: scores(is_changed, order) for name, order in orders.items()}


def scores(is_changed: np.ndarray, order: np.ndarray) -> tuple[float, float]:
    first = np.argsort(-order, kind="stable")[: is_changed.sum()]
    return float(average_precision_score(is_changed, order)), float(is_changed[first].mean())


def with_interval(values: Sequence[float]) -> str:
    half = (
        student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
        if len(values) > 1
        else 0
    )
    return f"{np.mean(values):.3f} ± {half:.3f}"


def thinned(dataset: Dataset, pictures: int) -> Dataset:
    """The same with about so many of each part, evenly chosen; 0: all."""
    if not pictures:
        return dataset
    parts = []
    for name in SPLITS:
        rows = getattr(dataset.splits, name)
        count = round(pictures * len(rows) / len(dataset.records))
        parts.append(rows[np.linspace(0, len(rows) - 1, count).astype(int)])
    kept = np.sort(np.concatenate(parts))
    splits = SplitIndices(*(np.searchsorted(kept, rows) for rows in parts))
    contents = [dataset.contents[row] for row in kept.tolist()] if dataset.contents else dataset.contents
    return replace(dataset, records=dataset.records.take(kept), splits=splits, contents=contents)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config")
    parser.add_argument("tasks", nargs="+")
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=0)
    parser.add_argument("--cleanlab", default="")
    parser.add_argument("--losses", action="store_true")
    args = parser.parse_args()
    if Path(args.config).is_dir():
        for name in args.tasks:
            by_run(RunFolder.open(args.config), name, args)
        return
    declared = configuration.load(args.config)
    config = frozen.for_features(declared)
    tasks = build_tasks(config.tasks, config.file)
    dataset = thinned(read_dataset(config, tasks, Quiet()), args.pictures)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        pictures = pictures_of(config, tasks, dataset, SPLITS, Path(folder), Quiet())
        seconds = time.perf_counter() - began
        seen = frozen.described(config.backbone)
        print(f"{len(pictures.records)} pictures, features of {seen}: {seconds:.0f} s")
        for name in args.tasks:
            began = time.perf_counter()
            found = []
            for seed in range(args.seeds):
                if args.losses or tasks[name].is_spatial:
                    one = one_seed_with_losses if args.losses else one_seed_of_boxes
                    found.append(one(tasks[name], declared, dataset, args, seed, Path(folder)))
                else:
                    found.append(one_seed(tasks[name], pictures, args, seed, Path(folder)))
            print(f"{name}: {(time.perf_counter() - began) / args.seeds:.0f} s for each seed")
            for order in found[0]:
                ap, precision = (with_interval([one[order][k] for one in found]) for k in (0, 1))
                print(f"  {order:28}  AP {ap}   P@k {precision}   chance {args.share:.3f}", flush=True)


if __name__ == "__main__":
    main()
