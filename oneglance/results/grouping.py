"""What ``group`` gives back: which tasks should share a network."""

from __future__ import annotations

from oneglance.result import Result, Row


class Grouping(Result):
    """``grouping.proposed`` are the groups of tasks that are proposed, a network for each."""

    @property
    def proposed(self) -> list[list[str]]:
        """Every task once."""
        return [list(group) for group in self["proposed"]]

    @property
    def cosines(self) -> dict[str, float]:
        """Mean cosine between the gradients of two tasks, by ``"a | b"``."""
        return dict(self["cosines"])

    @property
    def notes(self) -> list[str]:
        """What a reader has to know."""
        return list(self["notes"])

    def headline(self) -> str:
        return f"proposed: {groups(self.proposed)}"

    def rows(self) -> list[Row]:
        """One for each number of networks: ``networks, groups, score, gain, error, proposed``; the error is
        the standard error of the gain between epochs.
        """
        return [
            {
                "networks": option["networks"],
                "groups": groups(option["groups"]),
                "score": option["score"],
                "gain": option["gain"],
                "error": option["error"],
                "proposed": option["groups"] == self["proposed"],
            }
            for option in self["groupings"]
        ]


def groups(groups: list[list[str]]) -> str:
    """Groups of tasks in one line: ``kind + kids | price``."""
    return " | ".join(" + ".join(group) for group in groups)
