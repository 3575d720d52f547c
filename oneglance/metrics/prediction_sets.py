"""Sets of answers that hold the right one with a promised probability, by conformal prediction.

A class is in the set of a picture if its calibrated probability is at least a threshold, the same for all
pictures (or for all pictures of its class). The threshold comes from pictures that the network has not
learned from: it is as high as the promise allows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oneglance.errors import DataError


@dataclass(frozen=True)
class PredictionSets:
    """Which classes are in the set of a picture: those at least as probable as the threshold of each."""

    coverage: float  # that was promised
    thresholds: tuple[float, ...]  # by class

    def members(self, chances: np.ndarray) -> np.ndarray:
        """Bool [n, classes] of probabilities [n, classes]."""
        return np.asarray(chances >= np.array(self.thresholds))

    def joined(
        self,
        predictions: Sequence[dict[str, Any]],
        chances: np.ndarray,
        classes: Sequence[str],
        *,
        holds_best: bool = False,
    ) -> list[dict[str, Any]]:
        """The predictions, each with its set; ``holds_best``: the most probable class is always in it."""
        members = self.members(chances)
        if holds_best:
            members[np.arange(len(chances)), chances.argmax(axis=1)] = True
        sets = set_columns(members, chances, classes, self.coverage)
        return [{**one, **its} for one, its in zip(predictions, sets, strict=True)]

    def state(self) -> dict[str, Any]:
        """As a run folder and an .onnx file keep it."""
        return {"coverage": self.coverage, "thresholds": list(self.thresholds)}

    @classmethod
    def restored(cls, state: Mapping[str, Any] | None) -> PredictionSets | None:
        """The mirror of ``state``."""
        return None if state is None else cls(state["coverage"], tuple(state["thresholds"]))


def fewest(coverage: float) -> int:
    """How many independent pictures (groups, where there are any) a promise needs: with fewer, only the set
    of all classes keeps it.
    """
    return math.ceil(round(1 / (1 - coverage), 9)) - 1


def least_chance(
    chances: np.ndarray, pictures: np.ndarray, groups: Sequence[str], coverage: float
) -> float | None:
    """The highest threshold at which the share of right answers below it is, on average over validation
    splits, at most 1 - ``coverage`` for one more picture.

    Where each picture has one right answer and no group, this is split conformal prediction with the score
    1 - probability (Sadinle, Lei and Wasserman 2019, arXiv 1609.00451; Angelopoulos and Bates 2021, arXiv
    2107.07511, section 1: the ceil((n + 1) * coverage)-th smallest score of n). Where a picture has several,
    it is conformal risk control of the share missed (Angelopoulos et al. 2022, arXiv 2208.02814, equation 4
    with B = 1), of which the former is the case of one answer. With groups, each group counts the same in
    sum, as does the one that is not known yet: the promise is about a picture of a new group (Lee, Barber
    and Willett 2023, arXiv 2306.06342), for pictures of one group are no independent witnesses.

    Args:
        chances: float [m], the probabilities of the right answers of all pictures.
        pictures: int [m], the picture of each.
        groups: of each picture; "": a group of its own.

    Returns:
        None where there are too few groups for the promise; see ``fewest``.
    """
    shown, picture = np.unique(pictures, return_inverse=True)
    names = [groups[row] or row for row in shown.tolist()]
    index = {name: number for number, name in enumerate(dict.fromkeys(names))}
    group = np.array([index[name] for name in names], dtype=np.int64)
    if not len(shown) or len(index) < fewest(coverage):
        return None
    share = 1 / np.bincount(group)[group] / np.bincount(picture)  # of each answer, 1 in sum over a group
    order = np.argsort(chances, kind="stable")
    ranked = np.asarray(chances, dtype=np.float64)[order]
    mass = np.concatenate([[0.0], np.cumsum(share[picture][order])])[:-1]  # of the answers before each
    below = mass[np.searchsorted(ranked, ranked)]  # of those less probable
    allowed = (1 - coverage) * (len(index) + 1) - 1  # what the group that is not known yet leaves
    return float(ranked[np.flatnonzero(below <= allowed + 1e-9)[-1]])


def sets_of_classes(
    chances: np.ndarray, truth: np.ndarray, groups: Sequence[str], coverage: float, *, per_class: bool
) -> PredictionSets | None:
    """Sets that hold the class of a picture with the probability ``coverage``.

    Args:
        chances: float [n, k], calibrated probabilities of validation pictures.
        truth: int [n], their classes; -1: one that no answer can name, and no set can hold.
        groups: of each; "": a group of its own.
        per_class: keep the promise for the pictures of each class by itself: a threshold for each, from its
            own pictures (Vovk 2012, Conditional validity of inductive conformal predictors, section 3, who
            calls it Mondrian).

    Returns:
        None where there are too few pictures for the promise.
    """
    width = chances.shape[1]
    of_truth = np.where(truth < 0, -1.0, chances[np.arange(len(truth)), truth])
    rows = np.arange(len(truth))
    if per_class:
        own = [rows[truth == column] for column in range(width)]
        levels = [least_chance(of_truth[each], each, groups, coverage) for each in own]
    else:
        levels = [least_chance(of_truth, rows, groups, coverage)] * width
    return _sets(coverage, levels)


def sets_of_tags(
    chances: np.ndarray, present: np.ndarray, groups: Sequence[str], coverage: float
) -> PredictionSets | None:
    """Sets that hold, on average over pictures with any tag, the share ``coverage`` of their tags.

    Args:
        chances: float [n, k], calibrated probabilities of validation pictures.
        present: bool [n, k], which tags they have.
        groups: of each; "": a group of its own.

    Returns:
        None where there are too few pictures for the promise.
    """
    threshold = least_chance(chances[present], np.nonzero(present)[0], groups, coverage)
    return _sets(coverage, [threshold] * chances.shape[1])


def _sets(coverage: float, thresholds: Sequence[float | None]) -> PredictionSets | None:
    known = tuple(each for each in thresholds if each is not None and each >= 0)
    return PredictionSets(coverage, known) if len(known) == len(thresholds) else None


def kept_sets(predictions: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> np.ndarray | None:
    """Bool [n, k]: the classes in the set of each prediction; None where one has none."""
    if not predictions or not all("set" in each for each in predictions):
        return None
    index = {name: column for column, name in enumerate(classes)}
    members = np.zeros((len(predictions), len(classes)), dtype=bool)
    for row, each in enumerate(predictions):
        members[row, [index[name] for name in each["set"]]] = True
    return members


def set_columns(
    members: np.ndarray, chances: np.ndarray, classes: Sequence[str], coverage: float
) -> list[dict[str, Any]]:
    """What a prediction says of its set, for each row of ``members`` [n, k]: the classes in it, the most
    probable first, and what was promised.
    """
    order = np.argsort(-chances, axis=1, kind="stable").tolist()
    return [
        {"set": [classes[column] for column in ranked if own[column]], "coverage": coverage}
        for ranked, own in zip(order, members.tolist(), strict=True)
    ]


def refuse_few(
    name: str, rows: Sequence[int], groups: Sequence[str], coverage: float, of_class: str = ""
) -> None:
    """
    Args:
        rows: of the validation pictures with an answer, or one of a class.
        groups: of all validation pictures.

    Raises:
        DataError: they, or the groups that they are of, are too few for what was asked for.
    """
    need, count = fewest(coverage), len({groups[row] or row for row in rows})
    if count >= need:
        return
    what = "groups of pictures" if count < len(rows) else "pictures"
    whose = f' of the class "{of_class}"' if of_class else ""
    lower = f"choose a coverage of at most {_possible(count):g}" if count else "give some"
    other = ", leave coverage_per_class out" if of_class else ""
    raise DataError(
        f"coverage = {coverage:g} needs {need:,} validation {what} with an answer{whose}, not {count:,}",
        location=name,
        hint=f"{lower}{other}, or put more pictures into the validation split",
    )


def _possible(count: int) -> float:
    """The largest coverage that so many pictures can promise, in two digits or as many as it takes."""
    most = count / (count + 1)
    digits = 2
    while (rounded := math.floor(most * 10**digits + 1e-9) / 10**digits) <= 0:
        digits += 1
    return rounded
