"""What boxes have learned, as the run folder keeps it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from oneglance.detection.coco_matching import USUAL_THRESHOLD
from oneglance.storage.task_state import Amount, LearnedState, Names, Probability, same_length

Side = Annotated[int, Field(ge=1, le=4096)]  # pixels of a canvas
MeanBox = Annotated[list[Amount], Field(min_length=5, max_length=5)]
MapSize = Annotated[list[Annotated[int, Field(ge=1, le=65536)]], Field(min_length=4, max_length=4)]


class LearnedBoxes(LearnedState):
    """What boxes have learned."""

    classes: Names = Field(min_length=1)
    usual: list[MeanBox]  # of each class: the corners of its mean box, and boxes per picture
    threshold: Probability
    levels: list[MapSize] = Field(
        min_length=1, max_length=5
    )  # channels, height, width and stride of each map
    canvas: list[Side] | None = Field(min_length=2, max_length=2)  # width and height
    attributes: dict[str, Any]  # states, which are read as those of all tasks
    added_threshold: Probability = USUAL_THRESHOLD  # of added classes

    @model_validator(mode="after")
    def _fits(self) -> LearnedBoxes:
        same_length(self.classes, usual=self.usual)
        width, height = self.canvas or (4096, 4096)
        if any(level[1] > height or level[2] > width for level in self.levels):
            raise ValueError("maps that are no larger than the canvas")
        if any(row[4] < 0 for row in self.usual):
            raise ValueError("no less than 0 boxes of any class in `usual`")
        return self
