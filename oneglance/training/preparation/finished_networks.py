"""The finished networks that a training takes something from: opened once, before any picture is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from oneglance.config import Config
from oneglance.task import Task
from oneglance.training.preparation.extension import Extension
from oneglance.training.teaching.teachers import Teacher, open_teachers


@dataclass(frozen=True)
class FinishedNetworks:
    """Who teaches, and whose tasks stay."""

    extension: Extension
    teachers: list[Teacher]

    @classmethod
    def of(cls, config: Config, tasks: Mapping[str, Task]) -> Self:
        """See ``Extension.of`` and ``open_teachers``: a kept task has no teacher, as it learns nothing."""
        extension = Extension.of(config, tasks)
        return cls(extension, open_teachers(config, extension.learned(tasks)))
