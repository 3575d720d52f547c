"""``value_range`` of [pictures]: what is black and what is white, as people may write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag


def _increasing(pair: tuple[float, float]) -> tuple[float, float]:
    if not pair[0] < pair[1]:
        raise ValueError("black must be less than white")
    return pair


Value = Annotated[float, Field(allow_inf_nan=False)]
Pair = Annotated[tuple[Value, Value], AfterValidator(_increasing)]  # what is black, what is white
ValueRange = Annotated[  # distinguished by hand, so that a message speaks of what the user meant
    Annotated[Literal["auto"], Tag("word")]
    | Annotated[Pair, Tag("pair")]
    | Annotated[dict[Literal["16-bit", "integer", "float"], Pair], Tag("table")],
    Discriminator(
        lambda written: (
            "table" if isinstance(written, Mapping) else "word" if isinstance(written, str) else "pair"
        )
    ),
]
