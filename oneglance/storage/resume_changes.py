"""What a command that goes on with a run changes of it, and what it may change.

The length of a training may change, and whatever does not alter what is learned. All else would make it
another run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from oneglance import config as configuration
from oneglance.config import Config
from oneglance.errors import RunError, command
from oneglance.storage.fingerprint import differing, settings_changed
from oneglance.storage.run_folder import RunFolder
from oneglance.toml.overrides import Changes

LENGTH = {"training.epochs", "training.patience"}
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
    "train anew, or leave that out; what may change: training.epochs, training.patience, and what does not "
    "alter what is learned (training.device, cache, where files lie)"
)
LISTED = 3  # of the keys that differ

MEASURED = {"pictures.value_range"}
"""Changes that a training makes itself, by what it measures."""


@dataclass(frozen=True)
class Resumption:
    """A run that is to go on."""

    folder: RunFolder
    config: Config  # with what has changed
    changes: Changes = field(default_factory=Changes)  # that the run does not have yet
    longer: bool = False  # the command says how long it is to be

    def has_more_to_do(self) -> bool:
        """Whether something is left to train; of a finished run only where the command says how long."""
        if not self.folder.finished:
            return True
        return self.longer and self.config.training.epochs > len(self.folder.history())

    def nothing_to_do(self) -> str:
        """In words, where nothing is left."""
        done = len(self.folder.history())
        more = command("train", self.folder.path, "--resume", "--set", f"training.epochs={2 * done}")
        return f"{self.folder.path} is finished already, with {done} epochs; to train it longer: {more}"


def resumption(folder: RunFolder, wanted: Config | None, given: Changes) -> Resumption:
    """The run in ``folder`` with what a command changes of it. Equal values change nothing.

    Args:
        wanted: the configuration that the command names beside the run, if any: what has changed of its text
            since then counts as said.
        given: its ``--set``, which count more.

    Raises:
        RunError: the run would be another one.
    """
    then = folder.config()
    edited = Changes()
    if wanted is not None and wanted.text != then.text:
        before = configuration.parse(then.text, base=then.base, earlier=True)
        now = configuration.parse(wanted.text, base=then.base, location=wanted.file)
        edited = _changes(before, now)
        if refused := _refused(edited, before, now):
            raise RunError(
                f"was begun with another configuration than {wanted.file} is now: {refused}",
                location=str(folder.path),
                hint=f"train anew, or go on as it began: {command('train', folder.path, '--resume')}",
            )
    given = Changes({key: value for key, value in given.items() if key not in MEASURED or value != "auto"})
    now = then.with_changes(edited.followed_by(given))
    changes = _changes(then, now)
    if refused := _refused(changes, then, now):
        raise RunError(f"was begun with other settings: {refused}", location=str(folder.path), hint=HINT)
    if not changes:
        now = then
    return Resumption(folder, now, changes, longer=bool(LENGTH & {*edited, *given}))


def _changes(before: Config, now: Config) -> Changes:
    """The present value of each key that differs; None where it is not set any more."""
    return Changes(differing(before, now))


def _refused(changes: Changes, before: Config, now: Config) -> str:
    """What of it cannot be, in words: ``[backbone] size was 64, is 96``."""
    lines = settings_changed(before, now, [key for key in changes if not MAY_CHANGE.fullmatch(key)])
    return "; ".join(lines[:LISTED]) + ("; …" if len(lines) > LISTED else "")
