"""What tags have learned, as the run folder keeps it."""

from __future__ import annotations

from pydantic import Field, model_validator

from oneglance.storage.task_state import (
    Amount,
    LearnedSets,
    LearnedState,
    Names,
    Probability,
    Share,
    Temperature,
    same_length,
)


class LearnedTags(LearnedState):
    """What tags have learned."""

    classes: Names = Field(min_length=1)
    shares: list[Share]  # of the training split, smoothed
    temperature: Temperature
    offsets: list[Amount] = []  # one per class; none: of a version that had only the temperature
    thresholds: list[Probability]
    added_temperature: Temperature = 1.0  # of added tags
    sets: LearnedSets | None = None

    @model_validator(mode="after")
    def _fits(self) -> LearnedTags:
        same_length(self.classes, shares=self.shares, thresholds=self.thresholds)
        if self.offsets:
            same_length(self.classes, offsets=self.offsets)
        if self.sets:
            same_length(self.classes, thresholds=self.sets.thresholds)
        return self
