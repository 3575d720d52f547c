"""What a label has learned, as the run folder keeps it."""

from __future__ import annotations

from pydantic import Field, model_validator

from oneglance.storage.task_state import LearnedSets, LearnedState, Names, Share, Temperature, same_length


class LearnedLabel(LearnedState):
    """What a label has learned."""

    classes: Names = Field(min_length=2)  # added ones last
    shares: list[Share]  # of the training split, smoothed
    temperature: Temperature
    added_temperature: Temperature = 1.0  # of the branch of added classes
    sets: LearnedSets | None = None

    @model_validator(mode="after")
    def _fits(self) -> LearnedLabel:
        same_length(self.classes, shares=self.shares)
        if self.sets:
            same_length(self.classes, thresholds=self.sets.thresholds)
        return self
