"""The contract of a balancer: how tasks share the backbone. One file of ``balancers/`` is one method."""

from __future__ import annotations

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from torch import Tensor

from oneglance import balancers
from oneglance.config import Table, read_table
from oneglance.errors import ConfigError, nearest


class Balancer(Table, ABC):
    """A method; its fields are the keys of [training] balancer_options. It knows tensors only."""

    @abstractmethod
    def weights(self, losses: Tensor, present: Tensor) -> Tensor:
        """The weight of each task's loss in this step.

        Args:
            losses: float32 [tasks], detached; each divided by the loss of the constant answer.
            present: bool [tasks]; False where this batch holds no answer to the task.

        Returns:
            float32 [tasks], 0 where not present.
        """


def names() -> list[str]:
    """The names of all methods, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(balancers.__path__))


def build_balancer(name: str, options: Mapping[str, Any]) -> Balancer:
    """``log_sum`` -> ``balancers/log_sum.py`` -> ``class LogSum``.

    Raises:
        ConfigError: an unknown name or option.
    """
    if name not in names():
        raise ConfigError(f'[training] has no balancer "{name}".{nearest(name, names())}')
    module = import_module(f"{balancers.__name__}.{name}")
    method: type[Balancer] = getattr(module, name.title().replace("_", ""))
    built: Balancer = read_table(method, options, where="oneglance.toml", section="training.balancer_options")
    return built
