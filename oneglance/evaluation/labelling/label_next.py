"""Which pictures of a pool to label next, and for which task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from oneglance.data.images.content_hash import digests, short
from oneglance.data.images.decoding.decode_pool import decode_with
from oneglance.data.images.decoding.decoded_cache import cache_folder
from oneglance.data.record import ImageRef
from oneglance.errors import ConfigError, DataError, PictureError, nearest
from oneglance.evaluation.labelling.choosing import typical, unsure
from oneglance.evaluation.labelling.preannotations import write_preannotations
from oneglance.inference.engine import BATCH
from oneglance.inference.familiarity.novelty import unit
from oneglance.inference.familiarity.spread import products
from oneglance.inference.predictor import Predictor
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder
from oneglance.task import Task

FEW = 10  # answers for each class, with fewer of which typical pictures teach more than doubtful ones
FEWEST_CLASSES = 5  # that a task is taken to have: with so few answers it may not have met all


@dataclass
class Pool:
    """The pictures of a pool that can be read and are new to the run."""

    rows: list[dict[str, Any]]  # complete, as the predictor gives them, with their names
    vectors: np.ndarray  # float32 [n, d] of length 1, as the run keeps those of its training pictures
    unreadable: int
    known: int  # left out, since they are among the run's own


def label_next_of(
    run: RunFolder,
    refs: Sequence[ImageRef],
    count: int,
    only: Sequence[str],
    out: Path | None,
    tool: str,
    screen: Screen,
) -> dict[str, Any]:
    """Choose ``count`` pictures; what a network says of them goes to ``out`` where that is given.

    Raises:
        ConfigError: an impossible number, no such task or tool.
        DataError: no picture of the pool is new and can be read.
        RunError: the run is not finished, or ``out`` cannot be written.
    """
    if count < 1:
        raise ConfigError(f"{count} pictures cannot be chosen", hint="give 1 or more")
    predictor = Predictor.open(run)
    tasks = _asked(predictor.tasks, only)
    answers = _answers(run)
    pool = _pool(predictor, run, refs, screen)
    if not pool.rows:
        known, unreadable = (
            f"{pool.known:,} are in the run's data already",
            f"{pool.unreadable:,} cannot be read",
        )
        raise DataError(
            f"no picture is new and readable: {known}, {unreadable}",
            location="the pool",
            hint="name other pictures",
        )
    labelled = np.zeros((0, pool.vectors.shape[1]), dtype=np.float32)
    if predictor.novelty is not None:
        labelled = predictor.novelty.sample
    orders = {
        name: order_of(task, pool, labelled, answers.get(name, 0), count) for name, task in tasks.items()
    }
    chosen = list(islice(_in_turn(orders, set()), count))
    if out is not None:
        rows = [predictor.seen(pool.rows[row]) for row in dict.fromkeys(row for _, row, _, _ in chosen)]
        write_preannotations(rows, out, tool, predictor.example(), predictor.tasks)
    return {
        "oneglance": version("oneglance"),
        "pool": len(refs),
        "unreadable": pool.unreadable,
        "known": pool.known,
        "pictures": [
            {"image": pool.rows[row]["image"], "task": name, "score": round(score, 4), "reason": reason}
            for name, row, score, reason in chosen
        ],
    }


def _asked(tasks: Mapping[str, Task], only: Sequence[str]) -> dict[str, Task]:
    for name in only:
        if name not in tasks or tasks[name].answered_by != name:
            own = [name for name, task in tasks.items() if task.answered_by == name]
            raise ConfigError(f'there is no task "{name}" that people answer.{nearest(name, own)}')
    return {n: task for n, task in tasks.items() if task.answered_by == n and (not only or n in only)}


def _answers(run: RunFolder) -> dict[str, int]:
    """Training pictures with an answer, by task; none of a run that kept no digests of them."""
    kept = run.fingerprint()
    is_training = [row[2] == "train" for row in run.split()]
    if kept is None or not kept.fits(run.split()):
        return {}
    both = {name: zip(own, is_training, strict=True) for name, own in kept.answers.items()}
    return {name: sum(bool(digest) and learned for digest, learned in pairs) for name, pairs in both.items()}


def _pool(predictor: Predictor, run: RunFolder, refs: Sequence[ImageRef], screen: Screen) -> Pool:
    kept = run.fingerprint()
    own = {digest for digest in kept.pictures if digest} if kept is not None else set[str]()
    contents = digests(list(refs), cache_folder(predictor.config.cache), screen.progress)
    new = [
        ref
        for ref, content in zip(refs, contents, strict=True)
        if content is None or short(content) not in own
    ]
    rows: list[dict[str, Any]] = []
    vectors: list[np.ndarray] = []
    decoded, names, done, unreadable = (
        decode_with(predictor.decoding, new, predictor.workers),
        iter(new),
        0,
        0,
    )
    while batch := list(islice(decoded, BATCH)):
        readable, titles = [], []
        for item, ref in zip(batch, islice(names, len(batch)), strict=True):
            if isinstance(item, PictureError):
                screen.say(f"{ref.name}  {item.what} — left out")
                unreadable += 1
            else:
                readable.append(item)
                titles.append(ref.name)
        if readable:
            output = predictor.forward(np.stack([canvas.pixels for canvas in readable]))
            vectors.append(unit(output.vectors))
            answered = predictor.rows_of(output, readable)
            rows += [{"image": name, **row} for name, row in zip(titles, answered, strict=True)]
        done += len(batch)
        screen.progress(done, len(new), "pool")
    whole = np.concatenate(vectors) if vectors else np.zeros((0, 1), dtype=np.float32)
    if predictor.novelty is not None and len(whole):
        whole = products(whole, predictor.novelty.directions)
    return Pool(rows, np.asarray(whole, dtype=np.float32), unreadable, len(refs) - len(new))


Choice = tuple[int, float, str]  # row of the pool, score, reason


def order_of(task: Task, pool: Pool, labelled: np.ndarray, answers: int, count: int) -> list[Choice]:
    """The best pictures for one task."""
    predictions = [row["answers"][task.name] for row in pool.rows]
    classes = max(FEWEST_CLASSES, len(predictions[0].get("probabilities", ())))
    doubts = task.uncertainty(predictions)
    if doubts is None or answers < FEW * classes:
        why = "typical of pictures without an answer" + (
            "" if doubts is None else f", {answers:,} answers so far"
        )
        rows, scores = typical(pool.vectors, labelled, count)
    else:
        why = "the network is unsure, and the others chosen are unlike it"
        rows, scores = unsure(pool.vectors, np.asarray(doubts, dtype=np.float64), count)
    return [(row, score, why) for row, score in zip(rows.tolist(), scores.tolist(), strict=True)]


def _in_turn(orders: Mapping[str, list[Choice]], taken: set[int]) -> Iterator[tuple[str, int, float, str]]:
    """The best of each task in turn, no picture twice."""
    left = {name: iter(order) for name, order in orders.items()}
    while left:
        for name in list(left):
            one = next((choice for choice in left[name] if choice[0] not in taken), None)
            if one is None:
                del left[name]
            else:
                taken.add(one[0])
                yield name, *one
