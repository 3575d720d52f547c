"""What a verb gives back: plain JSON values that also look well at a prompt and in a notebook.

A member of ``results/`` says two things of itself: ``headline()``, one line, and ``rows()``, the table below
it. All else follows from these: the text of a prompt, the table of a notebook and the frame of pandas.

Result       a JSON object: a dict
ResultList   a JSON list: a list
"""

from __future__ import annotations

import html
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, SupportsIndex, TypeVar, overload

from oneglance.errors import MissingExtraError

if TYPE_CHECKING:
    from pandas import DataFrame

T = TypeVar("T")
Row = dict[str, Any]  # the value of each column; a column that is missing in a row is empty there

SHOWN = 20  # rows of a table that are shown; of more, the first and the last
LONGEST = 60  # characters of a cell at a prompt

# In a notebook: the page's own colours, light or dark, and names that touch nothing else of the page.
STYLE = """<style>
.oneglance { overflow-x: auto; }
.oneglance table { border-collapse: collapse; margin: .3em 0; }
.oneglance th, .oneglance td { padding: .15em .7em; text-align: left; vertical-align: top; }
.oneglance th { border-bottom: 1px solid; font-weight: 600; }
.oneglance .number { text-align: right; font-variant-numeric: tabular-nums; }
</style>
"""


@dataclass(frozen=True)
class Score:
    """A metric, with its 95 % interval over ``n`` pictures; over ``seeds`` trainings where there are several.
    None where it is not defined.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    seeds: int = 1

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Score:
        """As it stands in a JSON output; keys beside it are left out."""
        return cls(values["value"], values["low"], values["high"], values["n"], values.get("seeds", 1))

    def __str__(self) -> str:
        interval = "" if self.low is None else f" ({cell(self.low)} to {cell(self.high)})"
        return f"{cell(self.value) or 'not defined'}{interval}, n = {self.n:,}"


class Displayed(ABC):
    """What a result shows of itself."""

    @abstractmethod
    def headline(self) -> str:
        """What it is, in one line of plain text."""

    @abstractmethod
    def rows(self) -> list[Row]:
        """Its table, a row for each thing that a person compares. Values are numbers, text, truth values or
        None.
        """

    def shown_rows(self) -> list[Row]:
        """Those of ``rows()`` and their columns that a prompt has room for."""
        return self.rows()

    def to_frame(self) -> DataFrame:
        """``rows()`` as a frame of pandas, with the columns in their order.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            from pandas import DataFrame
        except ModuleNotFoundError as error:
            if error.name != "pandas":
                raise
            raise MissingExtraError("to_frame needs the package pandas", hint="pip install pandas") from None
        rows = self.rows()
        return DataFrame(rows, columns=columns(rows))

    def __repr__(self) -> str:
        return "\n".join([self.headline(), *text_table(self.shown_rows())])

    def page(self) -> str:
        """A whole HTML document that a notebook shows in place of the table; "" where there is none."""
        return ""

    def _repr_html_(self) -> str:
        """For notebooks: complete in itself, without script, and no request to another host."""
        if page := self.page():
            return embedded(page)
        return framed(f"<p>{html.escape(self.headline())}</p>{html_table(self.shown_rows())}")


class Result(Displayed, dict[str, Any]):
    """A JSON object: a dict, so that ``json.dumps`` and all else that takes one takes it."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON that the verb prints with ``--json``: dicts, lists and plain values of its own, which may
        be changed.
        """
        return deepcopy(dict(self))


class ResultList(Displayed, list[T]):
    """A JSON list: a list, of which a slice is one of the same class."""

    @overload
    def __getitem__(self, index: SupportsIndex) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: SupportsIndex | slice) -> T | Self:
        if isinstance(index, slice):
            part = copy(self)
            part[:] = super().__getitem__(index)
            return part
        return super().__getitem__(index)

    def to_dict(self) -> list[dict[str, Any]]:
        """The JSON that the verb prints with ``--json``: a list of dicts of its own, which may be changed."""
        return [deepcopy(_plain(item)) for item in self]


def _plain(item: Any) -> dict[str, Any]:
    values: dict[str, Any] = item.to_dict() if hasattr(item, "to_dict") else dict(item)
    return values


# Tables.


def columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns of all rows, in the order in which they are first seen."""
    return list(dict.fromkeys(column for row in rows for column in row))


def cell(value: Any) -> str:
    """A value as a person reads it: a number with three decimals, nothing for None and NaN."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        small = value != 0 and abs(value) < 0.0005
        return f"{value:.2g}" if small else f"{value:.3f}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)


def text_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines of a table in which numbers stand right; none without rows."""
    if not rows:
        return []
    names = columns(rows)
    whole = [[_line(cell(row.get(name))) for name in names] for row in rows]
    cells = [names, *_ends(whole, ["…"] * len(names))]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    right = [_is_number(rows, name) for name in names]
    return [
        "  ".join(
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in cells
    ]


def html_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The same for a notebook, escaped; nothing without rows."""
    if not rows:
        return ""
    names = columns(rows)
    kinds = [' class="number"' if _is_number(rows, name) else "" for name in names]
    head = "".join(f"<th{kind}>{html.escape(name)}</th>" for name, kind in zip(names, kinds, strict=True))
    whole = [[html.escape(cell(row.get(name))) for name in names] for row in rows]
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{text}</td>" for text, kind in zip(line, kinds, strict=True)) + "</tr>"
        for line in _ends(whole, ["…"] * len(names))
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def framed(content: str) -> str:
    """HTML of a notebook's cell around ``content``, which is HTML already."""
    return f'{STYLE}<div class="oneglance">{content}</div>'


def embedded(page: str) -> str:
    """HTML of a notebook's cell that shows a whole document; it may neither run a script nor leave its
    frame.
    """
    frame = 'sandbox width="100%" height="640" style="border: 0; border-radius: 8px"'
    return f'<iframe srcdoc="{html.escape(page)}" {frame}></iframe>'


def _line(text: str) -> str:
    """One line, cut where it is long."""
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _ends(rows: Sequence[T], gap: T) -> list[T]:
    """The first and the last where there are many."""
    if len(rows) <= SHOWN:
        return list(rows)
    return [*rows[: SHOWN // 2], gap, *rows[-(SHOWN // 2) :]]


def _is_number(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    values = [row[name] for row in rows if row.get(name) is not None]
    return bool(values) and all(isinstance(value, int | float) for value in values)
