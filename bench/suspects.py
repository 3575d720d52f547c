"""How well `suspects` finds answers that were changed at random.

    python bench/suspects.py CONFIG.toml TASK [TASK ...]     labels, tags, numbers: heads on frozen features
        --share 0.05 --seeds 5 --pictures 5000 --cleanlab /tmp/venv/bin/python

For each seed, `--share` of the answers become others: another class, another picture's number, one tag more
or less. All answers are then ordered as `suspects` orders them; what it does not list comes last. AP is the
area under the curve of precision and recall, P@k the precision among as many as were changed; by chance both
are the share. `--cleanlab` names a Python in which cleanlab is installed (it is under the AGPL, so nowhere
else): its scores are worked out from the same predictions. Features are computed once, for they depend on no
answer.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student
from sklearn.metrics import average_precision_score

from oneglance import config as configuration
from oneglance.data.splitting.split import SPLITS
from oneglance.evaluation.suspects import frozen
from oneglance.evaluation.suspects.find import Pictures, fold_numbers, judged, pictures_of, usable_folds
from oneglance.evaluation.suspects.findings import Findings, Plan
from oneglance.progress import Screen
from oneglance.task import Prediction, Task, build_tasks
from oneglance.tasks.tags import TagAnnotations
from oneglance.training.experiment_data import read_dataset

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
    draw = np.random.default_rng(seed)
    rows = pictures.answered(task.name)
    records = [pictures.records[row] for row in rows.tolist()]
    truth = [record.answers[task.name] for record in records]
    is_changed = np.zeros(len(truth), dtype=bool)
    is_changed[draw.choice(len(truth), round(args.share * len(truth)), replace=False)] = True
    given = [changed(one, truth, draw) if bad else one for one, bad in zip(truth, is_changed, strict=True)]
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
    args = parser.parse_args()
    config = frozen.for_features(configuration.load(args.config))
    tasks = build_tasks(config.tasks, config.file)
    dataset = read_dataset(config, tasks, Quiet())
    if args.pictures:
        for name in SPLITS:
            rows = getattr(dataset.splits, name)
            kept = round(args.pictures * len(rows) / len(dataset.records))
            object.__setattr__(dataset.splits, name, rows[np.linspace(0, len(rows) - 1, kept).astype(int)])
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        pictures = pictures_of(config, tasks, dataset, SPLITS, Path(folder), Quiet())
        seconds = time.perf_counter() - began
        seen = frozen.described(config.backbone)
        print(f"{len(pictures.records)} pictures, features of {seen}: {seconds:.0f} s")
        for name in args.tasks:
            began = time.perf_counter()
            found = [one_seed(tasks[name], pictures, args, seed, Path(folder)) for seed in range(args.seeds)]
            print(f"{name}: {(time.perf_counter() - began) / args.seeds:.0f} s for each seed")
            for order in found[0]:
                ap, precision = (with_interval([one[order][k] for one in found]) for k in (0, 1))
                print(f"  {order:28}  AP {ap}   P@k {precision}   chance {args.share:.3f}", flush=True)


if __name__ == "__main__":
    main()
