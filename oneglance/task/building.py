"""The tasks of a configuration: from its tables to tasks that have learned their classes and scale."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from oneglance.data.columns.coded import labelled
from oneglance.errors import ConfigError, DataError, nearest
from oneglance.members import MemberKind, find_member, member_names
from oneglance.task import Task
from oneglance.toml.tables import read_table

if TYPE_CHECKING:
    from oneglance.data.dataset import Dataset

KIND: MemberKind[Task] = MemberKind(
    Task,  # type: ignore[type-abstract]
    folder="oneglance.tasks",
    key="type",
    group="oneglance.tasks",
)


def kinds() -> list[str]:
    """The names of all types, in alphabetical order."""
    return member_names(KIND)


def task_class(kind: str, *, section: str = "", location: str = "") -> type[Task]:
    """``number`` -> ``tasks/number.py`` -> ``class Number``; see ``members``.

    Raises:
        ConfigError: no such type; the message begins with ``location`` and ``section``.
    """
    return find_member(KIND, kind, section=section, location=location)


def build_tasks(
    tables: Mapping[str, Mapping[str, Any]], location: str = "oneglance.toml", section: str = "tasks"
) -> dict[str, Task]:
    """The tasks of the tables in [``section``], in an order in which each comes after those it ``uses``.

    Raises:
        ConfigError: every unknown type, key, or task in ``uses``, all at once; or a circle of uses.
    """
    built: dict[str, Task] = {}
    wrong: list[str] = []
    for name, table in tables.items():
        if "type" not in table:
            wrong.append(f'{location}: [{section}.{name}] needs the key "type".{nearest("", kinds())}')
            continue
        try:
            member = task_class(str(table["type"]), section=f"[{section}.{name}]", location=location)
            built[name] = read_table(member, table, location=location, section=f"{section}.{name}")
        except ConfigError as error:
            wrong.append(str(error))
            continue
        if not re.fullmatch(r"\w[\w -]*", name):
            wrong.append(f'{location}: [{section}."{name}"] a name is letters, digits, _, - and spaces')
        built[name]._name = name
        wrong.extend(
            f'{location}: [{section}.{name}] uses "{used}", which is no task.{nearest(used, tables)}'
            for used in built[name].uses
            if used not in tables
        )
    for task in built.values():
        try:
            task.join(built, location, f"{section}.{task.name}")
        except ConfigError as error:
            wrong.append(str(error))
    if wrong:
        raise ConfigError("\n".join(wrong))
    return _used_first(built, location)


def fit_targets(tasks: Mapping[str, Task], answers: Callable[[str], Sequence[Any | None]]) -> list[DataError]:
    """Every task learns its classes and scale from ``answers(name)``, None where unlabelled.

    Returns:
        Why each of the others cannot.
    """
    wrong = []
    for name, task in tasks.items():
        try:
            task.fit_target(labelled(answers(name)))
        except DataError as error:
            wrong.append(error)
    return wrong


def few_answers(tasks: Mapping[str, Task], dataset: Dataset) -> list[DataError]:
    """Why the validation split of ``dataset`` has too few answers for what each of ``tasks`` asks for."""
    training, validation = dataset.part("train"), dataset.part("validation")
    groups, wrong = validation.groups, []
    for name, task in tasks.items():
        try:
            task.refuse_few_answers(training.answers(name), validation.answers(name), groups)
        except DataError as error:
            wrong.append(error)
    return wrong


def _used_first(built: Mapping[str, Task], location: str) -> dict[str, Task]:
    ordered: dict[str, Task] = {}
    while len(ordered) < len(built):
        ready = [n for n, t in built.items() if n not in ordered and all(u in ordered for u in t.uses)]
        if not ready:
            circle = ", ".join(name for name in built if name not in ordered)
            raise ConfigError(f"the tasks {circle} use each other in a circle", location=location)
        ordered.update({name: built[name] for name in ready})
    return ordered
