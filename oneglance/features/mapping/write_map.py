"""The order of it: places, thumbnails, columns of colours, the page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from oneglance.data.record import Record
from oneglance.evaluation.reports.pages import write_html
from oneglance.features.extraction import Features
from oneglance.features.mapping.columns import columns
from oneglance.features.mapping.page import map_page
from oneglance.features.mapping.projection import projected
from oneglance.features.mapping.sprites import Plan, sheets
from oneglance.features.reduction import reduced
from oneglance.features.thumbnails import thumbnails
from oneglance.inference.answering import Answering
from oneglance.progress import Screen
from oneglance.storage.atomic_files import make_folder


def write_map(
    path: Path,
    features: Features,
    records: Sequence[Record] | None,
    predictor: Answering[Any],
    method: str,
    title: str,
    screen: Screen,
) -> dict[str, Any]:
    """Write the page.

    Args:
        records: those of the same pictures, with typed answers; None: nobody has answered.

    Returns:
        What the verb gives back.

    Raises:
        OneglanceError: see ``projected``; or the page cannot be written.
    """
    count = len(features.refs)
    screen.progress(0, count, "arranging")
    projection = projected(reduced(features.vectors, count), method)
    plan = Plan.of(count)
    small = thumbnails(
        (features.refs[row] for row in plan.rows.tolist()), predictor.limits, plan.side, predictor.workers
    )

    def shown() -> Any:
        for done, picture in enumerate(small, 1):
            screen.progress(done, len(plan.rows), "drawing thumbnails")
            yield picture

    sprites = sheets(plan, shown(), count)
    report = {
        "oneglance": version("oneglance"),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "page": str(path),
        "pictures": count,
        "unreadable": features.unreadable,
        "new": features.new,
        "thumbnails": int((sprites.slots >= 0).sum()),
        "features": features.task or "shared",
        "method": method,
        "how": projection.how,
        "trustworthiness": projection.trustworthiness,
    }
    known = columns(predictor.tasks, features.answers(), records)
    names = [ref.name for ref in features.refs]
    make_folder(path.parent)
    write_html(path, map_page(report, names, projection, known, sprites, title))
    return report
