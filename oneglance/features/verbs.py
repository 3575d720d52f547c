"""The verbs that use what a network sees: embed, search, cluster, map."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from oneglance.errors import ConfigError, DataError, needs_extra
from oneglance.features.extraction import Extractor
from oneglance.features.nearest import nearest
from oneglance.features.results import Clusters, Embedded, Map, Matches
from oneglance.features.table import refuse_other_endings, write_features
from oneglance.model import Picture, refs_of
from oneglance.progress import Screen
from oneglance.screens.choice import default_screen
from oneglance.storage.plain_files import is_folder


def embed(
    run: str | Path,
    pictures: Picture | Iterable[Picture],
    *,
    out: str | Path,
    task: str = "",
    index: str | Path | None = None,
    device: str = "auto",
    screen: Screen | None = None,
) -> Embedded:
    """Write the features of every picture as a table. What was looked at is kept in the index, so that the
    same call goes on after an interruption, and later ones look at new and changed pictures only.

    Args:
        run: a finished run folder, a folder of ``combine``, or an .onnx file.
        pictures: files, folders, archives, glob patterns, tables; or pictures in memory. What cannot be read
            is told and left out.
        out: a .parquet (image, vector), .csv (image and a column per value) or .npy file, the last with
            the names of the pictures in a .npy.txt beside it.
        task: whose own features; default: those that all tasks share.
        index: the file of the index; default: ``features.sqlite`` in the run folder.

    Raises:
        OneglanceError: with location, what and hint.
    """
    screen, target = screen or default_screen(), Path(out)
    refuse_other_endings(target)
    refs = refs_of(pictures, screen)
    with Extractor.open(run, task, index, device, screen) as extractor:
        features = extractor.features(refs, screen)
        width = next(features.vectors()).shape[1]
        write_features(target, [ref.name for ref in features.refs], features.vectors(), width)
    return Embedded(
        {
            "file": str(target),
            "pictures": len(features.refs),
            "values": width,
            "new": features.new,
            "unreadable": features.unreadable,
        }
    )


def search(
    run: str | Path,
    query: Picture,
    pictures: Picture | Iterable[Picture],
    *,
    count: int = 20,
    task: str = "",
    index: str | Path | None = None,
    device: str = "auto",
    screen: Screen | None = None,
) -> Matches:
    """The pictures that the network sees most alike to ``query``: every one is compared, by the cosine of the
    features.

    Args:
        query: one picture. Where it is among ``pictures`` too, it is left out.
        pictures: where to search, see ``embed``.
        count: matches, at most.
        task: whose own features; default: those that all tasks share.
        index: the file of the index, in which only new and changed pictures are missing; default:
            ``features.sqlite`` in the run folder.

    Raises:
        OneglanceError: with location, what and hint.
    """
    screen = screen or default_screen()
    if count < 1:
        raise ConfigError(f"{count} matches cannot be given", hint="ask for 1 or more")
    wanted, refs = refs_of(query, screen), refs_of(pictures, screen)
    if len(wanted) != 1:
        raise DataError(
            f"is {len(wanted):,} pictures", location=str(query), hint="search for one picture at a time"
        )
    with Extractor.open(run, task, index, device, screen) as extractor:
        vector: np.ndarray = next(extractor.features(wanted, screen).vectors())[0]
        features = extractor.features([ref for ref in refs if ref != wanted[0]] or refs, screen)
        best = nearest(vector, features.vectors(), count)
    return Matches(
        {
            "query": wanted[0].name,
            "pictures": len(features.refs),
            "new": features.new,
            "unreadable": features.unreadable,
            "matches": [{"image": features.refs[row].name, "score": score} for row, score in best],
        }
    )


def cluster(
    run: str | Path,
    pictures: Picture | Iterable[Picture],
    *,
    clusters: int | None = None,
    method: str = "kmeans",
    out: str | Path | None = None,
    task: str = "",
    index: str | Path | None = None,
    device: str = "auto",
    screen: Screen | None = None,
) -> Clusters:
    """Divide pictures into groups that the network sees alike: clusters.csv, clusters.json and clusters.html.

    Args:
        pictures: which, see ``embed``.
        clusters: their number; default: of 2 to 40, the one with the largest mean silhouette.
        method: ``kmeans``, or ``hdbscan``, which finds dense regions and leaves out what lies between them.
        out: a folder; default: the run folder, or that of the .onnx file.
        task: whose own features; default: those that all tasks share.
        index: the file of the index, see ``embed``.

    Raises:
        OneglanceError: with location, what and hint.
    """
    with needs_extra("train", "cluster"):
        from oneglance.features.cluster_report import described, write_clusters
        from oneglance.features.clusters import clustered
        from oneglance.features.reduction import reduced

    screen, target = screen or default_screen(), out_folder(run, out)
    refs = refs_of(pictures, screen)
    with Extractor.open(run, task, index, device, screen) as extractor:
        features = extractor.features(refs, screen)
        rows = reduced(features.vectors, len(features.refs))
        clustering = clustered(rows, method, clusters)
        report = described(features, clustering, method)
        title = Path(run).resolve().name
        write_clusters(target, report, features, clustering, extractor.model.predictor, title)
    return Clusters(report, target)


def map(
    run: str | Path,
    pictures: Picture | Iterable[Picture] | None = None,
    *,
    split: str = "",
    method: str = "tsne",
    out: str | Path | None = None,
    task: str = "",
    index: str | Path | None = None,
    device: str = "auto",
    screen: Screen | None = None,
) -> Map:
    """Draw a map of pictures: one page, on which those that the network sees alike lie near each other.

    Args:
        pictures: which, see ``embed``; default: the run's own, whose truths and mistakes it then shows, too.
        split: of the run's own pictures those of ``train``, ``validation`` or ``test``; default: all.
        method: ``tsne``, ``pca``, or ``umap``, which needs ``oneglance[umap]``.
        out: the page; default: ``map.html`` in the run folder.
        task: whose own features; default: those that all tasks share.
        index: the file of the index, see ``embed``.

    Raises:
        OneglanceError: with location, what and hint.
    """
    with needs_extra("train", "map"):
        from oneglance.features.mapping.own_pictures import own_records
        from oneglance.features.mapping.projection import refuse_other_methods
        from oneglance.features.mapping.write_map import write_map

    screen, target = screen or default_screen(), Path(out) if out else out_folder(run, None) / "map.html"
    refuse_other_methods(method)
    if pictures is not None and split:
        raise ConfigError(
            f"a split is part of the run's own pictures, and others are named beside {split}",
            hint="leave --split or the pictures out",
        )
    refs = None if pictures is None else refs_of(pictures, screen)
    with Extractor.open(run, task, index, device, screen) as extractor:
        predictor, records = extractor.model.predictor, None
        if refs is None:
            records = own_records(Path(run), split, predictor.tasks, screen)
        features = extractor.features([r.image for r in records or ()] if refs is None else refs, screen)
        if records is not None:
            by_image = {record.image: record for record in records}
            records = [by_image[ref] for ref in features.refs]
        title = Path(run).resolve().name
        report = write_map(target, features, records, predictor, method, title, screen)
    return Map(report)


def out_folder(run: str | Path, out: str | Path | None) -> Path:
    """Where results go unless somebody says so."""
    if out is not None:
        return Path(out)
    return Path(run) if is_folder(run) else Path(run).parent
