"""What a person reads of a comparison, in the terminal, on the page and in a notebook. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

# Keys of compare.json in the order in which they are shown.
VARIANTS = (
    *("joint", "joint_long", "guided", "parted", "single", "born_again", "single_same_size"),
    *("classical", "constant"),
)
TITLES = {
    "joint_long": "joint, as long as all singles",
    "guided": "joint, taught by the single networks",
    "born_again": "single networks, each taught by one",
    "parted": "several networks, together as long as all singles",
    "single": "single networks",
    "single_same_size": "single networks, together as large as joint",
}
PROBE = "frozen backbone, linear"  # among the baselines
REMEDIES = {
    "longer training": "longer training",
    "private_stage": "a part of the network of its own",
    "weight": "other weights",
    "grouping": "a network apart",
    "guidance": "the single networks as teachers",
    "source_quota": "as many answers in a step as alone",
    "combine": "the single networks behind one interface",
    "distil": "one network that learns from the single ones",
    "extend": "its single network, extended by the other tasks",
}


class Pairing(NamedTuple):
    """A fair way to compare joint with single networks."""

    title: str  # on the page
    column: str  # its head in a table
    condition: str  # in a sentence


PAIRINGS = {
    "equal_steps": Pairing("Joint − single, at equal steps", "joint − single", "at equal steps"),
    "equal_time": Pairing("Joint − single, at equal total time", "at equal time", "at equal total time"),
    "equal_time_parted": Pairing(
        "Several networks − single, at equal total time",
        "parted − single",
        "several networks, at equal total time",
    ),
    "equal_size": Pairing("Joint − single, at equal total size", "at equal size", "at equal total size"),
    "guided_steps": Pairing(
        "Joint with teachers − single, at equal steps",
        "guided − single",
        "taught by the single networks, at equal steps",
    ),
    "guided_control": Pairing(
        "Joint with teachers − single networks with teachers, at equal steps",
        "guided − born again",
        "taught by the single networks, against single networks that are taught alike",
    ),
}


def title(variant: str) -> str:
    """A variant as a person reads it."""
    return TITLES.get(variant, variant)


def metric(task: Mapping[str, Any]) -> str:
    """The primary metric of a task in compare.json, with its unit: ``mae EUR``."""
    return f"{task['metric']} {task['unit']}".rstrip()


def probe(task: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The score of a linear layer on the frozen backbone as it came, where it was tried."""
    score: Mapping[str, Any] | None = task["baselines"].get(PROBE)
    return score


def baseline_seconds(tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """What each way that trains no network took for all tasks together, with its pass for the features."""
    seconds: dict[str, float] = {}
    for task in tasks.values():
        for way, score in task["baselines"].items():
            seconds[way] = round(seconds.get(way, 0.0) + score.get("seconds", 0.0), 2)
    return seconds


def difference(task: Mapping[str, Any], pairing: str) -> Mapping[str, Any]:
    """``{"difference", "error_change", "verdict"}`` of a task in compare.json. Those at equal steps stand in
    the task itself, as they are the first that were there.
    """
    return task if pairing == "equal_steps" else task[pairing]


def sentences(recommendations: Iterable[Mapping[str, Any]]) -> list[str]:
    """One for each task that learned worse than alone, and one for each further way."""
    lines: list[str] = []
    for one in recommendations:
        lines.append(f"{one['task']} learned worse than alone; try {_sentence(one)}")
        lines += [f"or {_sentence(other)}" for other in one.get("others", [])]
    return lines


def _sentence(one: Mapping[str, Any]) -> str:
    return f"{REMEDIES[one['remedy']]}. Why: {one['why']}. Cost: {one['cost']['words']}. {one['command']}"
