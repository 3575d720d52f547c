"""What every task, balancer, source and backbone promises, checked on one of your own.

A test of a package that adds a member needs one call::

    from oneglance.testing import check_task

    def test_my_task_keeps_the_contract():
        check_task({"type": "my_package:Mine"}, answers=["red", "green", "blue"])

The members of oneglance pass the same checks. No test framework is needed: broken promises raise
``ContractError``, an ``AssertionError`` that names every one of them. What was checked comes back in words,
for a battery that passes says little if nobody knows how much it asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneglance.testing.promises import ContractError

if TYPE_CHECKING:
    from oneglance.backbone import Backbone
    from oneglance.balancer import Balancer
    from oneglance.data.source import Source
    from oneglance.task import Task

__all__ = ["ContractError", "check_backbone", "check_balancer", "check_source", "check_task"]


def check_task(
    table: Mapping[str, Any] | type[Task],
    answers: Sequence[Any],
    *,
    unknown: Sequence[Any] = ("", None),
    others: Mapping[str, Mapping[str, Any]] | None = None,
    per_image: bool = True,
    compares_images: bool = False,
) -> list[str]:
    """Check a type of task.

    Args:
        table: a [tasks.NAME] table with its ``type``, or the class.
        answers: raw values that it can read, as a source gives them, at least two different ones; training
            answers are drawn from them. For ``per_image`` tasks with a continuous answer, give them a
            distribution whose mean is its median.
        unknown: raw values that mean that nobody knows.
        others: further [tasks.NAME] tables that it needs.
        per_image: its raw output has one row per picture and the loss of a row depends on that row alone.
            Off for tasks that learn from comparisons or have many candidates per picture.
        compares_images: its metrics compare pictures with each other.

    Returns:
        What was checked, a sentence each.

    Raises:
        ContractError: a promise is broken.
    """
    from oneglance.testing import tasks

    table = {"type": member_name(table)} if isinstance(table, type) else dict(table)
    example = tasks.TaskExample(
        table,
        tuple(answers),
        unknown=tuple(unknown),
        others={name: dict(other) for name, other in (others or {}).items()},
        per_image=per_image,
        compares_images=compares_images,
    )
    return tasks.check(example)


def check_balancer(
    method: str | type[Balancer],
    options: Mapping[str, Any] | None = None,
    *,
    sums_to_one: bool = True,
    may_be_negative: bool = False,
    random: bool = False,
    ignores_losses: bool = False,
) -> list[str]:
    """Check a method of balancing.

    Args:
        method: its name as ``training.balancer`` takes it, or the class.
        options: of [training.balancer_options].
        sums_to_one: its weights sum to 1. Off for a method that says what it does instead.
        may_be_negative: for a method whose weights of gradients may be.
        random: what it draws depends on the order of the tasks.
        ignores_losses: its weights do not depend on losses.

    Returns:
        What was checked, a sentence each.

    Raises:
        ContractError: a promise is broken.
    """
    from oneglance.testing import balancers

    name = member_name(method) if isinstance(method, type) else method
    example = balancers.BalancerExample(
        name, dict(options or {}), sums_to_one, may_be_negative, random, ignores_losses
    )
    return balancers.check(example)


def check_source(
    format: str | type[Source],
    write_sample: Callable[[Path], Path],
    **keys: Any,
) -> list[str]:
    """Check a format of sources.

    Args:
        format: its name as the key ``format`` takes it, or the class.
        write_sample: writes a data set of two different pictures or more into an empty folder, and returns
            the path to open. It is called several times.
        keys: further keys of the [[sources]] table.

    Returns:
        What was checked, a sentence each.

    Raises:
        ContractError: a promise is broken.
    """
    from oneglance.testing import sources

    name = member_name(format) if isinstance(format, type) else format
    return sources.check(sources.SourceExample(name, write_sample, keys))


def check_backbone(
    name: str | type[Backbone],
    options: Mapping[str, Any] | None = None,
    *,
    sizes: Sequence[int] = (28, 64),
    learns: bool = True,
    has_maps: bool = True,
) -> list[str]:
    """Check a backbone, without weights from a file.

    Args:
        name: as [backbone] takes it, or the class.
        options: of [backbone.options].
        sizes: sides of square canvases to check it with, in pixels.
        learns: it has parameters. Off for one that only measures.
        has_maps: it gives maps, as tasks need that ask where something is.

    Returns:
        What was checked, a sentence each.

    Raises:
        ContractError: a promise is broken.
    """
    from oneglance.testing import backbones

    name = member_name(name) if isinstance(name, type) else name
    checked = []
    for size in sizes:
        example = backbones.BackboneExample(name, dict(options or {}), size, learns, has_maps)
        checked += backbones.check(example, first=size == sizes[0])
    return checked


def member_name(member: type) -> str:
    """How a configuration names a class: ``package.module:Class``."""
    return f"{member.__module__}:{member.__qualname__}"
