"""What is compared, how often, and for how long: what a user asks for, checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from oneglance import balancer
from oneglance.errors import ConfigError, nearest
from oneglance.evaluation.baselines.catalogue import FAMILIES

TRAINED = ("joint", "single", "single_same_size")  # values of --only that train networks
USUAL = ("joint", "single", *FAMILIES, "constant")  # what is done without --only
WORDS = (*USUAL, "single_same_size")
SCORED_WORSE = ("joint", "single", "classical", "probe")  # what --robustness looks at
CONTROL = "rlw"  # random weights: a balancer that is no better than these does not help
SECONDS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Plan:
    """What is asked for."""

    seeds: int
    only: tuple[str, ...]
    balancers: tuple[str, ...]
    budget: float | None  # seconds of training in all
    groups: tuple[tuple[str, ...], ...] = ()  # tasks that share a network, a network for each group
    guided: bool = False  # also with the single networks as teachers
    robustness: bool = False  # score all again on pictures that are made worse
    ray: bool = False  # what waits for no other training is trained on a Ray cluster

    @property
    def trains(self) -> bool:
        """Networks, not only baselines."""
        return bool(set(TRAINED) & set(self.only))

    @property
    def both(self) -> bool:
        """Joint and single, so that they can be compared."""
        return {"joint", "single"} <= set(self.only)


def plan(
    seeds: int,
    budget: str,
    only: Sequence[str],
    balancers: Sequence[str],
    groups: Sequence[Sequence[str]] = (),
    guided: bool = False,
    ray: bool = False,
    robustness: bool = False,
) -> Plan:
    """The plan that options ask for.

    Raises:
        ConfigError: an option has no such value.
    """
    if seeds < 1:
        raise ConfigError(f"{seeds} seeds are none", location="--seeds", hint="write 1 or more; 5 is good")
    for word in only:
        if word not in WORDS:
            raise ConfigError(f'has no "{word}".{nearest(word, WORDS)}', location="--only")
    for name in balancers:
        balancer.build_balancer(name, {})
    wanted = list(dict.fromkeys(balancers))
    if wanted and CONTROL in balancer.names() and CONTROL not in wanted:
        wanted.append(CONTROL)
    chosen = Plan(
        seeds,
        tuple(only) or USUAL,
        tuple(wanted),
        seconds(budget) if budget else None,
        tuple(tuple(group) for group in groups),
        guided,
        robustness,
        ray,
    )
    if guided and not chosen.both:
        raise ConfigError("needs joint and single networks", location="--guided", hint="add both to --only")
    if groups and not chosen.both:
        raise ConfigError("need joint and single networks", location="--groups", hint="add both to --only")
    if robustness and not set(SCORED_WORSE) & set(chosen.only):
        hint = f"add one of {', '.join(SCORED_WORSE)} to --only"
        raise ConfigError("has nothing to score", location="--robustness", hint=hint)
    return chosen


def seconds(written: str) -> float:
    """``90s``, ``30m`` or ``2h`` in seconds.

    Raises:
        ConfigError: it is none of these.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh])\s*", written)
    if match is None or not float(match[1]):
        raise ConfigError(f'is "{written}"', location="--budget", hint="write a time such as 90s, 30m or 2h")
    return float(match[1]) * SECONDS[match[2]]
