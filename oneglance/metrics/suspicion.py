"""An answer of a person that is probably wrong: what ``Task.suspicions`` gives for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class BoxEdit:
    """What becomes of one box of a picture: a further one where ``index`` is None, none where ``cells`` is
    None, else another in its place.
    """

    index: int | None  # among the boxes of the answer
    cells: Mapping[str, str] | None  # as a row of a table of boxes holds it, with its edges


@dataclass(frozen=True)
class Suspicion:
    """One doubted answer, and what the network says in its place."""

    row: int  # which of the answers
    answer: str  # what people say, as a person reads it
    proposed: str  # what the network says
    score: float  # 0 to 1, by which suspicions are ordered; no probability: right answers have high ones too
    likely: bool = True  # whether the network contradicts it confidently
    reason: str = ""  # in a few words; "" where answer and proposal say it all
    # The proposal as the cells of a table hold it, by column; None: no cell can say it
    cells: Mapping[str, str] | None = None
    box: Sequence[float] | None = None  # where it is: x0 y0 x1 y1, pixels of the upright picture
    proposed_box: Sequence[float] | None = None  # where the network sees it
    edit: BoxEdit | None = field(default=None)  # the proposal, where it is about one box
