"""Promises of a contract, kept one after the other; what is broken is reported at once."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

E = TypeVar("E")


class ContractError(AssertionError):
    """A member does not do what its contract says."""


def require(holds: object, message: str) -> None:
    """``assert`` that Python's -O does not take away.

    Raises:
        ContractError: it does not hold.
    """
    if not holds:
        raise ContractError(message)


def require_close(
    values: Mapping[str, float],
    expected: Mapping[str, float],
    message: str,
    *,
    relative: float = 1e-6,
    absolute: float = 1e-12,
) -> None:
    """Two sets of metrics are the same; NaN equals NaN."""
    require(values.keys() == expected.keys(), f"{message}: {sorted(values)} and {sorted(expected)}")
    for name, value in values.items():
        other = expected[name]
        same = math.isclose(value, other, rel_tol=relative, abs_tol=absolute)
        require(
            same or (math.isnan(value) and math.isnan(other)), f"{message}: {name} is {value} and {other}"
        )


def sentence(check: Callable[[Any], None]) -> str:
    """What a check asks: its name in words."""
    return check.__name__.replace("_", " ")


def keep(checks: Sequence[Callable[[E], None]], example: E, subject: str) -> list[str]:
    """Run every check.

    Returns:
        A sentence for each.

    Raises:
        ContractError: some are broken, or raise an error of their own.
    """
    broken = []
    for check in checks:
        try:
            check(example)
        except Exception as error:  # an error of any kind breaks the promise
            what = str(error).strip() or type(error).__name__
            kind = "" if isinstance(error, ContractError) else f"{type(error).__name__}: "
            meaning = f" ({meaning})" if (meaning := inspect.getdoc(check)) else ""
            broken.append((f"- {sentence(check)}{meaning}: {kind}{what}", error))
    if broken:
        head = f"{subject} breaks {len(broken)} of {len(checks)} promises:"
        raise ContractError("\n".join([head, *(text for text, _ in broken)])) from broken[0][1]
    return [sentence(check) for check in checks]
