"""What ``label_next`` gives back: the pictures to label next."""

from __future__ import annotations

from oneglance.result import Result, Row


class LabelNext(Result):
    """``result["pictures"][0]`` is the best: ``{"image", "task", "score", "reason"}``."""

    def headline(self) -> str:
        left_out = [(self["known"], "in the run's data already"), (self["unreadable"], "unreadable")]
        words = [f"{count:,} {what}" for count, what in left_out if count]
        return f"{len(self['pictures']):,} of {self['pool']:,} pictures" + (
            f" ({', '.join(words)})" if words else ""
        )

    def rows(self) -> list[Row]:
        """One for each: ``image, task, score, reason``."""
        return [dict(one) for one in self["pictures"]]
