"""The pictures that a run was trained and scored on, with what people answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from oneglance.data.dataset import load_dataset
from oneglance.data.record import Record
from oneglance.errors import ConfigError, DataError, OneglanceError, command, nearest
from oneglance.evaluation.evaluate import records_of
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder
from oneglance.task import Task

SPLITS = ("train", "validation", "test")


def own_records(run: Path, split: str, tasks: Mapping[str, Task], screen: Screen) -> list[Record]:
    """Every picture of the run's own data, or of one split of it, with its split and typed answers.

    Raises:
        ConfigError: no such split, or it is empty.
        RunError: this is no single run folder, or its data have changed since.
        DataError: the data are not where they were.
    """
    if split and split not in SPLITS:
        raise ConfigError(f'there is no split "{split}".{nearest(split, SPLITS)}')
    folder = RunFolder.open(run)
    try:
        dataset = load_dataset(folder.config(), list(tasks.values()), screen.progress)
    except OneglanceError as error:
        raise DataError(
            f"the run's own pictures cannot be read: {error.what}",
            location=error.location,
            hint=f"bring them back, or name pictures: {command('map', run)} PICTURES",
        ) from None
    chosen = [split] if split else SPLITS
    records = [replace(record, split=name) for name in chosen for record in records_of(folder, name, dataset)]
    if not records:
        raise ConfigError(f"the {split} split is empty", location="[split]")
    return records
