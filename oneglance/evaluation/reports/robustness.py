"""The page of ``oneglance robustness``: what each corruption costs each task, with examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from oneglance.data.images.thumbnail import data_url
from oneglance.evaluation.corruptions.catalogue import FAMILIES
from oneglance.evaluation.reports.pages import environment, figure, measured, write_html

LARGEST = 128  # pixels of an example


def write_page(
    path: Path, report: Mapping[str, Any], examples: Mapping[str, Sequence[np.ndarray]], title: str
) -> None:
    """Write the page.

    Args:
        examples: of each corruption, pictures uint8 [h, w, 3] of growing strength.
    """
    pictures = {name: [_example(one) for one in all] for name, all in examples.items()}
    write_html(path, page_of(report, pictures, title))


def page_of(report: Mapping[str, Any], pictures: Mapping[str, Sequence[str]], title: str) -> str:
    """The page as HTML; it loads nothing. ``pictures`` are addresses that hold the pictures themselves."""
    tasks = [
        {
            "name": name,
            "metric": " ".join(filter(None, (entry["metric"], entry["unit"]))),
            "relative_error": figure(entry["relative_error"]),
            "scores": [
                (title, *measured(score["value"], score["low"], score["high"]))
                for title, score in (
                    ("clean", entry["clean"]),
                    ("corrupted", entry["corrupted"]),
                    *entry["families"].items(),
                )
            ],
            "corruptions": [
                (name.replace("_", " "), [figure(score["value"]) for score in scores])
                for name, scores in entry["corruptions"].items()
            ],
        }
        for name, entry in report["tasks"].items()
    ]
    families = {
        family: [(name.replace("_", " "), pictures.get(name, ())) for name in names]
        for family, names in FAMILIES.items()
    }
    page = environment().get_template("robustness.html.j2")
    return page.render(title=title, report=report, tasks=tasks, families=families)


def _example(pixels: np.ndarray) -> str:
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((LARGEST, LARGEST))
    return data_url(picture)
