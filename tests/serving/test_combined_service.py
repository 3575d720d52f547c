"""The service of a combined folder gives the rows that ``predict`` gives."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from support.combined import RUNS, photos, several  # noqa: F401
from support.everything import agree
from support.service import form, running
from support.user import trained  # noqa: F401

import oneglance
from oneglance.inference.combined.opening import open_answering
from oneglance.progress import Screen
from oneglance.serving.app import Settings
from oneglance.serving.model_pool import open_model


@pytest.mark.slow  # networks are trained and served
def test_rows_are_those_of_predict(several: Path, photos: Path, tmp_path: Path) -> None:
    """Of pictures in one request, and to the bit of one alone."""
    run = oneglance.combine(
        [several / "runs" / name for name in RUNS],
        out=tmp_path / "all",
        rename={"classical.kind": "symbol"},
        screen=Screen(),
    )
    opener = partial(open_model, run.path, device="cpu")
    pictures = sorted(photos.iterdir())
    rows = list(run.model(device="cpu").predict(pictures, screen=Screen()))
    expected = [{**row, "image": path.name} for row, path in zip(rows, pictures, strict=True)]
    settings = Settings(corrections=tmp_path / "corrected.csv")
    with running(settings, opener, processes=1) as service:
        body, kind = form(*((path.name, path.read_bytes()) for path in pictures))
        reply = service.ask("/predict", body, kind)
        assert reply.status == 200, reply
        for row, other in zip(reply.json["pictures"], expected, strict=True):
            assert row["image"] == other["image"]
            agree(row.get("answers"), other.get("answers"))  # but for rounding: batches have other sizes
        for path in pictures[:1] + [path for path in pictures if path.name == "wide.jpg"]:
            body, kind = form((path.name, path.read_bytes()))
            (row,) = service.ask("/predict", body, kind).json["pictures"]
            (one,) = run.model(device="cpu").predict(path, screen=Screen())
            assert row == {**one, "image": path.name}
        said = service.ask("/model").json
        assert set(said["tasks"]) == {
            "digit",
            "background",
            "shapes",
            "covered",
            "things",
            "symbol",
            "amount",
        }
        assert said["backbone"] == "small + small + classical" and said["canvas"] == [48, 40]
        assert said["networks"]["classical"] == {
            "backbone": "classical",
            "canvas": [32, 32],
            "tasks": ["symbol", "amount"],
        }


@pytest.mark.parametrize("values", ["[0, 4095]"])
def test_the_range_of_values_counts_in_the_service_too(several: Path, values: str, tmp_path: Path) -> None:
    """It was lost there."""
    decoding = open_answering(several / "runs/a", device="cpu").decoding
    assert decoding.within(50, 32).limits.values == decoding.limits.values
