"""Clusters as people look at them: a table of all pictures, and of each cluster its most typical ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from oneglance.data.csv_text import CsvLines
from oneglance.data.images.thumbnail import data_url
from oneglance.evaluation.reports.pages import environment, write_html
from oneglance.features.clusters import Clustering
from oneglance.features.extraction import Features
from oneglance.features.mapping.page import common_folder
from oneglance.features.thumbnails import thumbnails
from oneglance.inference.answering import Answering
from oneglance.storage.atomic_files import make_folder, replacing, write_json

TYPICAL = 8  # pictures that show what a cluster is
ON_PAGE = 60  # clusters whose pictures the page shows
SIDE = 160  # pixels of a picture there


def described(features: Features, clustering: Clustering, method: str) -> dict[str, Any]:
    """What clusters.json holds."""
    names = [ref.name for ref in features.refs]
    answers = _frequent_answers(features, clustering)
    clusters = []
    for number in range(clustering.count):
        members = clustering.members(number)
        typical = [names[row] for row in members[:TYPICAL].tolist()]
        clusters.append(
            {
                "name": typical[0],
                "pictures": len(members),
                "typical": typical,
                "answers": answers[number],
            }
        )
    return {
        "oneglance": version("oneglance"),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "pictures": len(names),
        "unreadable": features.unreadable,
        "method": method,
        "features": features.task or "shared",
        "chosen_by": clustering.chosen_by,
        "silhouette": clustering.silhouette,
        "apart": int((clustering.labels < 0).sum()),
        "clusters": clusters,
    }


def _frequent_answers(features: Features, clustering: Clustering) -> list[dict[str, Any]]:
    """By task, the most frequent answer in each cluster and its share, where answers are words."""
    counts: list[dict[str, Counter[str]]] = [{} for _ in range(clustering.count)]
    for row, cluster in zip(features.answers(), clustering.labels.tolist(), strict=True):
        if cluster >= 0:
            for task, answer in row["answers"].items():
                if isinstance(value := answer.get("value"), str):
                    counts[cluster].setdefault(task, Counter())[value] += 1
    return [{task: _first(counter) for task, counter in tasks.items()} for tasks in counts]


def _first(counter: Counter[str]) -> dict[str, Any]:
    ((value, count),) = counter.most_common(1)
    return {"value": value, "share": count / counter.total()}


def write_clusters(
    out: Path,
    report: Mapping[str, Any],
    features: Features,
    clustering: Clustering,
    predictor: Answering[Any],
    title: str,
) -> None:
    """clusters.csv (image, cluster, distance), clusters.json and clusters.html."""
    make_folder(out)
    _write_table(out / "clusters.csv", report, features, clustering)
    write_json(out / "clusters.json", report)
    shown = report["clusters"][:ON_PAGE]
    rows = [clustering.members(number)[:TYPICAL].tolist() for number in range(len(shown))]
    refs = [features.refs[row] for members in rows for row in members]
    small = thumbnails(refs, predictor.limits, SIDE, predictor.workers)
    pictures = [
        [(features.refs[row].name, data_url(picture) if (picture := next(small)) else "") for row in members]
        for members in rows
    ]
    write_html(out / "clusters.html", page_of(report, pictures, title))


def page_of(report: Mapping[str, Any], pictures: Sequence[Sequence[tuple[str, str]]], title: str) -> str:
    """The page as HTML; it loads nothing.

    Args:
        pictures: of each cluster that is shown, names and addresses that hold the pictures themselves.
    """
    page = environment().get_template("clusters.html.j2")
    folder = common_folder([name for each in pictures for name, _ in each])
    short = [[(name[len(folder) :], picture) for name, picture in each] for each in pictures]
    shown = list(zip(report["clusters"], short, strict=False))
    return page.render(title=title, report=report, shown=shown, folder=folder)


def _write_table(path: Path, report: Mapping[str, Any], features: Features, clustering: Clustering) -> None:
    names = [cluster["name"] for cluster in report["clusters"]]
    lines = CsvLines()
    with replacing(path) as file:
        file.write(lines.line(["image", "cluster", "distance"]).encode())
        rows = zip(features.refs, clustering.labels.tolist(), clustering.distances.tolist(), strict=True)
        for ref, cluster, distance in rows:
            cells = [names[cluster], f"{distance:.5f}"] if cluster >= 0 else ["", ""]
            file.write(lines.line([ref.name, *cells]).encode())
