"""What ``tune`` gives back: weights of the tasks' losses that were tried."""

from __future__ import annotations

from oneglance.result import Result, Row


class Tuning(Result):
    """``tuning.overrides`` are the best weights, as ``train(..., overrides=)`` takes them."""

    @property
    def overrides(self) -> list[str]:
        """Empty where the weights as they are did best."""
        return list(self["set"])

    @property
    def best(self) -> str:
        """The name of the candidate that won."""
        return str(self["best"])

    @property
    def gain(self) -> float | None:
        """In skill, of the winner over the weights as they are."""
        return None if self["gain"] is None else float(self["gain"])

    @property
    def notes(self) -> list[str]:
        """What a reader has to know."""
        return list(self["notes"])

    def headline(self) -> str:
        return f"best weights: {' '.join(self.overrides) or 'as they are'}"

    def rows(self) -> list[Row]:
        """One for each candidate, those that were trained longest first: ``name``, the weight of each task,
        ``epochs, skill, best``.
        """
        return [
            {
                "name": one["name"],
                **{f"{task} weight": weight for task, weight in one["weights"].items()},
                "epochs": one["epochs"],
                "skill": one["skill"],
                "best": one["name"] == self.best,
            }
            for one in sorted(self["candidates"], key=lambda one: (-one["epochs"], -(one["skill"] or 0.0)))
        ]
