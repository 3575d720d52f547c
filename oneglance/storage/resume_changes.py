"""What may change of a run that goes on.

The length of a training may change, and whatever does not alter what is learned. All else would make it
another run.
"""

from __future__ import annotations

import re

from oneglance.config import Config
from oneglance.storage.fingerprint import differing, settings_changed
from oneglance.toml.overrides import Changes

LENGTH = {"training.epochs", "training.minutes", "training.patience"}
"""Keys that say how long a training goes on."""

MAY_CHANGE = re.compile(
    "|".join(
        [
            *map(re.escape, sorted(LENGTH)),
            r"cache\..*",
            r"sources\.\d+\.(path|images)",
            r"training\.(checkpoint_minutes|compile|device|from|tensorboard)",
        ]
    )
)
HINT = (
    "train anew, or leave that out; what may change: training.epochs, minutes, patience, and what does not "
    "alter what is learned (training.device, cache, where files lie)"
)
LISTED = 3  # of the keys that differ

MEASURED = {"pictures.value_range"}
"""Changes that a training makes itself, by what it measures."""


def changes_between(before: Config, now: Config) -> Changes:
    """The present value of each key that differs; None where it is not set any more."""
    return Changes(differing(before, now))


def refused_changes(changes: Changes, before: Config, now: Config) -> str:
    """What of it cannot be, in words: ``[backbone] size was 64, is 96``."""
    lines = settings_changed(before, now, [key for key in changes if not MAY_CHANGE.fullmatch(key)])
    return "; ".join(lines[:LISTED]) + ("; …" if len(lines) > LISTED else "")
