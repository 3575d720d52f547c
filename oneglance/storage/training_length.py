"""How many epochs a training has that is to take so many minutes.

They are counted once, from what an epoch takes on this machine, and kept in length.json: so a run that goes
on, or is made again with this number, ends at the same weights. Where hardly an epoch fits, each is only some
steps, and the next goes on with the pictures that are left.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from oneglance.config import Config
from oneglance.storage import run_files
from oneglance.storage.atomic_files import write_json
from oneglance.storage.run_folder import RunFolder

MOST = 1000  # epochs, where nothing else is said
FEWEST = 3  # epochs: where less than that fits, they are parts of what they would be
VALIDATED = 0.25  # of the minutes, that validation may take where epochs are parts
TRAINED = 0.5  # of the minutes, that steps take at least, however long validation is


@dataclass(frozen=True)
class EpochTime:
    """What an epoch takes here."""

    steps: int
    step: float  # seconds
    rest: float  # seconds of the answers to the validation split, of their scores and of a checkpoint

    @property
    def seconds(self) -> float:
        return self.steps * self.step + self.rest


@dataclass(frozen=True)
class Length:
    """length.json."""

    minutes: float
    epochs: int  # that fit into them
    epoch_seconds: float
    steps: int | None = None  # of an epoch, where that is less than all pictures

    @classmethod
    def of(cls, minutes: float, epoch_seconds: float, steps: int | None = None) -> Length:
        """As many epochs as fit, at least one."""
        return cls(minutes, max(1, min(MOST, int(60 * minutes / epoch_seconds))), epoch_seconds, steps)

    @classmethod
    def fitting(cls, minutes: float, time: EpochTime, most: int = MOST) -> Length:
        """As many epochs as fit, of all pictures or, where less than a few fit, of parts of them.

        Args:
            most: epochs that there are to be, however many minutes there are.
        """
        available, wanted = 60 * minutes, min(FEWEST, most)
        if wanted * time.seconds <= available:
            return cls.of(minutes, time.seconds)
        longest = max(time.rest / VALIDATED, time.step)
        count = max(1, min(wanted, int(available / longest)))
        learning = max(available - count * time.rest, TRAINED * available) / count
        steps = max(1, int(learning / time.step))
        if steps >= time.steps:
            return cls.of(minutes, time.seconds)
        return cls(minutes, count, steps * time.step + time.rest, steps)

    def describe(self, most: int, whole: int) -> str:
        """``10 minutes: 37 epochs of 16 s``.

        Args:
            whole: steps of an epoch of all pictures.
        """
        epochs, seconds = min(self.epochs, most), self.epoch_seconds
        long = f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"
        text = f"{_counted(self.minutes, 'minute')}: {_counted(epochs, 'epoch')} of {long}"
        if self.steps is not None:
            each = "each " if epochs > 1 else ""
            return f"{text}, {each}{_share(self.steps / whole)} of the pictures: more do not fit"
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
        return Length.of(minutes, max(1e-3, took / len(history)), kept.steps if kept else None)
    return Length.of(minutes, kept.epoch_seconds, kept.steps) if kept is not None else None


def steps_of_epoch(folder: RunFolder) -> int | None:
    """Where an epoch of this run is less than all pictures: its steps."""
    kept = kept_length(folder)
    return kept.steps if kept is not None else None


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


def _share(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else f"{share:.1g}"


def _counted(number: float, what: str) -> str:
    return f"{number:,g} {what}{'' if number == 1 else 's'}"
