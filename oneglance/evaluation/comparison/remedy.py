"""A remedy for a task that learned worse among others than alone, and what is known where one is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from oneglance.config import Config
from oneglance.evaluation.gradient_conflicts import History

CONFIG = "CONFIG"  # in a command, the place of the configuration


@dataclass(frozen=True)
class OwnPart:
    """A part of the network that a task could have for itself."""

    kind: str  # "stage" or "adapter", as [training] task_stage calls it
    parameters: int
    operations: float  # per picture, as a share of those of the joint network


@dataclass(frozen=True)
class Observations:
    """What there is beside the numbers of compare.json."""

    config: Config
    weights: Mapping[str, float]  # of the losses
    histories: Sequence[History]  # of the joint trainings
    long: float  # mean epochs of the joint trainings that had the time of all single networks; 0: none
    own: Mapping[str, OwnPart]  # by task, unless it has one already
    out: Path = Path()  # where the comparison is kept
    answered: Mapping[str, float] = field(default_factory=dict)  # by task, share of the pictures of a step
    singles: Mapping[str, Path] = field(default_factory=dict)  # finished run of each task's single network


@dataclass(frozen=True)
class Recommendation:
    """A remedy for one task."""

    task: str
    remedy: str  # "longer training", "private_stage", "weight", "combine", …: keys of ``wording.REMEDIES``
    why: str
    seconds: float  # of training, more than now
    parameters: int
    ms: float  # per picture, more than now
    words: str  # the same costs for a person
    epochs: int = 0  # of a training anew
    part: str = ""  # "stage" or "adapter": what the task gets for itself in a training anew
    verb: tuple[str, ...] = ("train",)  # the command, without the configuration
    teachers: tuple[str, ...] = ()  # runs that teach in a training anew
    quota: bool = False  # [training] source_quota in a training anew
    line: tuple[str, ...] = ()  # the whole command instead, with ``CONFIG`` where the configuration stands


def in_percent(value: float) -> str:
    return f"{100 * value:.0f} %" if value >= 0.01 or not value else f"{100 * value:.1f} %"


def in_time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
