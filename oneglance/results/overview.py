"""What a data set holds, as ``init``, ``check`` and ``start`` show it."""

from __future__ import annotations

from typing import Any

from oneglance.data.quoting import plain
from oneglance.result import Result, Row

NAMED = 6  # classes of a task that are named
LONGEST = 30  # characters of a class


class Overview(Result):
    """``{"pictures", "parts", "tasks"}``, as ``data.inspection.overview`` counts them."""

    def headline(self) -> str:
        parts = ", ".join(f"{count:,} {name}" for name, count in self["parts"].items())
        count = self["pictures"]
        return f"{count:,} picture{'s' if count != 1 else ''}" + (f": {parts}" if parts else "")

    def rows(self) -> list[Row]:
        """One for each task: ``task, answered, unknown, answers``."""
        return [
            {
                "task": name,
                "answered": task["answered"],
                "unknown": task["unknown"],
                "answers": answers(task),
            }
            for name, task in self["tasks"].items()
        ]


def answers(task: dict[str, Any]) -> str:
    """``hat 12, shirt 7``, and how many classes more; or the range of numbers."""
    if "range" in task:
        low, middle, high = task["range"]
        return f"{_amount(low)} to {_amount(high)}, half of them below {_amount(middle)}"
    classes = list(task["classes"].items())
    named = [f"{plain(str(name), LONGEST)} {count:,}" for name, count in classes[:NAMED]]
    more = f" and {len(classes) - NAMED:,} classes more" if len(classes) > NAMED else ""
    return ", ".join(named) + more


def _amount(number: float) -> str:
    """``22,000``, ``0.25``, ``2.5e+12``: what a person can compare."""
    return f"{number:,.0f}" if 1000 <= abs(number) < 1e12 else f"{number:.4g}"
