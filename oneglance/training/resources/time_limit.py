"""When a training that is to take so many minutes has to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LATEST = 1.25  # of its minutes, in which it ends at the latest, but for its first epoch


def seconds_spent(history: Sequence[Mapping[str, Any]]) -> float:
    """What all epochs took so far, validation included."""
    return float(history[-1].get("elapsed", 0.0)) if history else 0.0


def is_too_late(history: Sequence[Mapping[str, Any]], minutes: float) -> bool:
    """Whether one more epoch like those before would end far too late: the machine has got slower, or has
    other work.
    """
    if not history:
        return False
    return seconds_spent(history) * (1 + 1 / len(history)) > LATEST * 60 * minutes
