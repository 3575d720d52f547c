"""Words of the data, as a table of [tasks] names them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from oneglance.data.cell import as_text

Words = Annotated[list[str], AfterValidator(lambda words: list(map(as_text, words)))]
"""Words of the data, as cells are read."""


def _without_chains(joined: dict[str, str]) -> dict[str, str]:
    words = {as_text(word): as_text(other) for word, other in joined.items()}
    if chained := sorted(set(words) & {other for word, other in words.items() if word != other}):
        raise ValueError(f'the last word of each, for "{chained[0]}" is read as another one itself')
    return words


Joined = Annotated[dict[str, str], AfterValidator(_without_chains)]
"""Word -> the word that it counts as."""
