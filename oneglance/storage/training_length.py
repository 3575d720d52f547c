"""How many epochs a training has that is to take so many minutes.

They are counted once, from what an epoch takes on this machine, and kept in length.json: so a run that goes
on, or is made again with this number, ends at the same weights.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from oneglance.config import Config
from oneglance.storage import run_files
from oneglance.storage.atomic_files import write_json
from oneglance.storage.run_folder import RunFolder

MOST = 1000  # epochs, where nothing else is said


@dataclass(frozen=True)
class Length:
    """length.json."""

    minutes: float
    epochs: int  # that fit into them
    epoch_seconds: float

    @classmethod
    def of(cls, minutes: float, epoch_seconds: float) -> Length:
        """As many epochs as fit, at least one."""
        return cls(minutes, max(1, min(MOST, int(60 * minutes / epoch_seconds))), epoch_seconds)

    def describe(self, most: int) -> str:
        """``10 minutes: 37 epochs of 16 s``."""
        epochs, seconds = min(self.epochs, most), self.epoch_seconds
        long = f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"
        if seconds > 60 * self.minutes:
            given, took = _counted(self.minutes, "minute"), seconds / 60
            least = f"{took:,.0f}" if took >= 10 else f"{took:.2g}"
            return f"{given}: one epoch takes {least} minutes and is the least, so it will take these"
        text = f"{_counted(self.minutes, 'minute')}: {_counted(epochs, 'epoch')} of {long}"
        return text if epochs == self.epochs else f"{text}, as many as epochs says; {self.epochs:,} would fit"


def kept_length(folder: RunFolder) -> Length | None:
    """What length.json says; None where there is none.

    Raises:
        RunError: it is damaged.
    """
    if not (folder / "length.json").exists():
        return None
    return Length(**folder.read_json("length.json", run_files.LENGTH).model_dump())


def keep_length(folder: RunFolder, length: Length) -> None:
    """Write length.json."""
    write_json(folder / "length.json", asdict(length))


def planned_length(config: Config, folder: RunFolder) -> Length | None:
    """How long a training is to be, as far as that is known without measuring; None where ``config`` says no
    minutes or nothing is known. Other minutes than before are counted by what an epoch really took.
    """
    minutes = config.training.minutes
    if minutes is None:
        return None
    kept, history = kept_length(folder), folder.history()
    if kept is not None and kept.minutes == minutes:
        return kept
    if history:
        took = history[-1].get("elapsed") or sum(row["seconds"] for row in history)
        return Length.of(minutes, max(1e-3, took / len(history)))
    return Length.of(minutes, kept.epoch_seconds) if kept is not None else None


def most_epochs(config: Config) -> int:
    """However many minutes there are: as many as [training] epochs says where it says a number."""
    table = config.training
    return table.epochs if table.minutes is None or "epochs" in table.model_fields_set else MOST


def with_length(config: Config, length: Length | None) -> Config:
    """The same configuration with the number of epochs that follows."""
    if length is None:
        return config
    epochs = min(length.epochs, most_epochs(config))
    return config.model_copy(update={"training": config.training.model_copy(update={"epochs": epochs})})


def _counted(number: float, what: str) -> str:
    return f"{number:,g} {what}{'' if number == 1 else 's'}"
