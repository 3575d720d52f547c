"""A run that goes on, and what the command changes of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from oneglance import config as configuration
from oneglance.config import Config
from oneglance.errors import RunError, command
from oneglance.storage.resume_changes import HINT, LENGTH, MEASURED, changes_between, refused_changes
from oneglance.storage.run_folder import RunFolder
from oneglance.storage.training_length import most_epochs, planned_length, with_length
from oneglance.toml.overrides import Changes


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
        config = with_length(self.config, planned_length(self.config, self.folder))
        return self.longer and config.training.epochs > len(self.folder.history())

    def nothing_to_do(self) -> str:
        """In words, where nothing is left."""
        done = len(self.folder.history())
        key, now, minutes = "epochs", float(done), self.config.training.minutes
        length = planned_length(self.config, self.folder)
        if minutes is not None and length is not None and length.epochs <= most_epochs(self.config):
            key, now = "minutes", minutes
        more = command("train", self.folder.address, "--resume", "--set", f"training.{key}={2 * now:g}")
        return f"{self.folder.address} is finished already, with {done} epochs; to train it longer: {more}"


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
        edited = changes_between(before, now)
        if refused := refused_changes(edited, before, now):
            raise RunError(
                f"was begun with another configuration than {wanted.file} is now: {refused}",
                location=folder.address,
                hint=f"train anew, or go on as it began: {command('train', folder.address, '--resume')}",
            )
    given = Changes({key: value for key, value in given.items() if key not in MEASURED or value != "auto"})
    now = then.with_changes(edited.followed_by(given))
    changes = changes_between(then, now)
    if refused := refused_changes(changes, then, now):
        raise RunError(f"was begun with other settings: {refused}", location=folder.address, hint=HINT)
    if not changes:
        now = then
    return Resumption(folder, now, changes, longer=bool(LENGTH & {*edited, *given}))
