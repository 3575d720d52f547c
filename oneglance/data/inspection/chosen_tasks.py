"""The tasks that a user names, in the place of all those that the data suggest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from oneglance.data.inspection.column_rules import Guess
from oneglance.data.inspection.suggest_config import Proposal
from oneglance.data.quoting import nearest_of, quoted
from oneglance.errors import ConfigError, nearest


def choose(proposals: Sequence[Proposal], tasks: Sequence[str], types: Collection[str]) -> list[Proposal]:
    """The proposals with ``tasks`` only; all where none is named.

    Args:
        tasks: fields, such as ``kind``, or with a type for the guessed one: ``rating=number``.
        types: of tasks.

    Raises:
        ConfigError: there is no such field or type, or a field that is no answer is named without a type.
    """
    if not tasks:
        return list(proposals)
    wanted = dict(_parted(task) for task in tasks)
    fields = {guess.field: guess for proposal in proposals for guess in proposal.guesses}
    for field, type in wanted.items():
        if field not in fields:
            what = f"there is no field {quoted(field)} to ask for.{nearest_of(field, fields)}"
            raise ConfigError(what, location="init")
        if type and type not in types:
            raise ConfigError(
                f"there is no type of task {quoted(type)}.{nearest(type, types)}", location="init"
            )
        if not (
            type or any(guess.type for one in proposals for guess in one.guesses if guess.field == field)
        ):
            hint = f"if it is one, name its type: --task {field}=label"
            what = f"{quoted(field)} does not look like an answer: it {fields[field].reason}"
            raise ConfigError(what, location="init", hint=hint)
    return [
        replace(one, guesses=[_chosen(guess, wanted.get(guess.field)) for guess in one.guesses])
        for one in proposals
    ]


def _parted(task: str) -> tuple[str, str]:
    field, _, type = task.rpartition("=") if "=" in task else (task, "", "")
    return field.strip(), type.strip()


def _chosen(guess: Guess, type: str | None) -> Guess:
    """``guess`` as a task of ``type``: "" for the guessed one, None for no task."""
    if type is None:
        return replace(guess, type="", settings={}, reason="another task was named") if guess.type else guess
    if type in ("", guess.type):
        return guess
    was = f"looks like {guess.type}, {guess.reason}" if guess.type else guess.reason
    return Guess(guess.field, type, {}, f"{type}, as was said; {was}", guess.decimal)
