"""The contract tests of oneglance, run on these members."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from oneglance.testing import check_backbone, check_balancer, check_source, check_task


def two_gauges(folder: Path) -> Path:
    for n, degrees in enumerate((10, 200)):
        Image.new("RGB", (16, 12), (100 * n, 0, 0)).save(folder / f"{n}.png")
        (folder / f"{n}.json").write_text(json.dumps({"degrees": degrees}))
    return folder


def test_the_task() -> None:
    check_task({"type": "angle"}, [80, 90, 100, 440, "90.0"])


def test_the_balancer() -> None:
    check_balancer("inverse")


def test_the_source() -> None:
    check_source("sidecar", two_gauges)


def test_the_backbone() -> None:
    check_backbone("patches", {"width": 8})
