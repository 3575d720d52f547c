"""What the verbs that use a network's features give back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oneglance.result import Result, Row


class Embedded(Result):
    """``{"file": "features.parquet", "pictures": 1200, "values": 1280, "new": 80, "unreadable": 0}``: ``new``
    pictures were looked at now, the others were in the index.
    """

    @property
    def file(self) -> Path:
        """The table."""
        return Path(self["file"])

    def headline(self) -> str:
        return f"{self.file}: {self['pictures']:,} pictures, {self['values']:,} values each"

    def rows(self) -> list[Row]:
        """None: the line says it all."""
        return []


class Clusters(Result):
    """``{"pictures", "method", "chosen_by", "silhouette", "apart": 12, "clusters": [{"name": "a.jpg",
    "pictures": 310, "typical": ["a.jpg", …], "answers": {"kind": {"value": "hat", "share": 0.97}}}, …]}``,
    the largest first. A cluster is called after its most typical picture; ``answers`` has the most frequent
    answer of the network to each task with classes; ``apart`` are pictures in no cluster.
    """

    def __init__(self, values: Mapping[str, Any], path: Path | None = None) -> None:
        """
        Args:
            path: the folder with clusters.csv, clusters.json and clusters.html.
        """
        super().__init__(values)
        self.path = path

    def headline(self) -> str:
        apart = f", {self['apart']:,} in none" if self["apart"] else ""
        return (
            f"{self['pictures']:,} pictures in {len(self['clusters']):,} clusters{apart} "
            f"(their number: {self['chosen_by']})"
        )

    def rows(self) -> list[Row]:
        """One for each cluster: ``cluster, pictures``, and of each task the most frequent answer."""
        return [
            {
                "cluster": one["name"],
                "pictures": one["pictures"],
                **{
                    task: f"{answer['value']} ({answer['share']:.0%})"
                    for task, answer in one["answers"].items()
                },
            }
            for one in self["clusters"]
        ]


class Map(Result):
    """``{"page": "runs/a/map.html", "pictures", "thumbnails": 820, "method": "tsne", "how": "t-SNE",
    "trustworthiness": 0.97, …}``.
    """

    @property
    def file(self) -> Path:
        """The page."""
        return Path(self["page"])

    def headline(self) -> str:
        return f"{self['page']}: {self['pictures']:,} pictures, {self['thumbnails']:,} with a thumbnail"

    def rows(self) -> list[Row]:
        """None: the line says it all."""
        return []


class Matches(Result):
    """``{"query", "pictures": 1200, "matches": [{"image": "a.jpg", "score": 0.97}, …]}``, the most alike
    first; a score is the cosine between the features of both, 1 where they are the same.
    """

    @property
    def matches(self) -> list[tuple[str, float]]:
        """(picture, score), the most alike first."""
        return [(match["image"], match["score"]) for match in self["matches"]]

    def headline(self) -> str:
        return f"most alike to {self['query']} among {self['pictures']:,} pictures"

    def rows(self) -> list[Row]:
        """One for each match: ``image, score``."""
        return [dict(match) for match in self["matches"]]
