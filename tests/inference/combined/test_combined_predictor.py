"""Several networks behind one interface: answers are equal to the bit to those of each run alone."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.combined import RUNS, photos, several  # noqa: F401
from support.user import Shell, shell, trained  # noqa: F401

import oneglance
from oneglance.data.images import decode as decoding
from oneglance.data.images.decode import Canvas, Limits, canvas_of, canvases_of
from oneglance.data.images.letterbox import Fit
from oneglance.data.images.references import FileImage
from oneglance.data.picture_files import wide_values
from oneglance.inference.combined.predictor import CombinedPredictor
from oneglance.model import Model
from oneglance.progress import Screen

FITS = [Fit(224), Fit((48, 40)), Fit(32), Fit(32, "crop")]
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def models(several: Path) -> dict[str, Model]:
    """Each run, and all of them."""
    return {name: oneglance.load(several / "runs" / name, device="cpu") for name in (*RUNS, "all")}


def rows_of(model: Model, photos: Path) -> Rows:
    return [answer.to_dict() for answer in model.predict(photos, screen=Screen())]


def test_answers_are_equal_to_the_bit(models: dict[str, Model], photos: Path) -> None:
    """Also how unfamiliar a picture is, to each of them."""
    together = rows_of(models["all"], photos)
    alone = {name: rows_of(models[name], photos) for name in RUNS}
    assert sum("error" in row for row in together) == 1
    assert len({row.get("width") for row in together}) > 4
    for number, row in enumerate(together):
        single = {name: alone[name][number] for name in RUNS}
        if "error" in row:
            assert all(one == row for one in single.values())
            continue
        assert row["answers"] == {k: v for one in single.values() for k, v in one["answers"].items()}
        assert row["unfamiliar"] == max(one["unfamiliar"] for one in single.values())
        assert row.get("unknown", False) == any(one.get("unknown") for one in single.values())
        assert row["networks"] == {
            name: {
                "unfamiliar": one["unfamiliar"],
                "unknown": one.get("unknown", False),
                "tasks": list(one["answers"]),
            }
            for name, one in single.items()
        }
        assert (row["image"], row["width"], row["height"]) == tuple(
            single["a"][key] for key in ("image", "width", "height")
        )


def test_one_picture_alone_too(models: dict[str, Model], photos: Path) -> None:
    picture = photos / "wide.jpg"
    (row,) = rows_of(models["all"], picture)
    for name in RUNS:
        (one,) = rows_of(models[name], picture)
        assert one["answers"].items() <= row["answers"].items()


def test_vectors_stand_side_by_side(models: dict[str, Model], photos: Path) -> None:
    pictures = sorted(path for path in photos.iterdir() if path.name != "torn.png")
    together = models["all"].embed(pictures, screen=Screen())
    alone = [models[name].embed(pictures, screen=Screen()) for name in RUNS]
    assert together.dtype == np.float32
    np.testing.assert_array_equal(together, np.concatenate(alone, axis=1))


def test_networks_with_one_canvas_share_it(models: dict[str, Model]) -> None:
    predictor = models["all"].predictor
    assert isinstance(predictor, CombinedPredictor)
    assert [(one.fit.width, one.fit.height) for one in predictor.canvases] == [(48, 40), (32, 32)]
    assert predictor.views == [1, 0, 1]


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet", "json"])
def test_files_of_answers(models: dict[str, Model], photos: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"answers.{ending}"
    models["all"].predict(photos, out=out, draw=tmp_path / "drawn", screen=Screen())
    rows = rows_of(models["all"], photos)
    good = [row for row in rows if "error" not in row]
    if ending == "jsonl":
        assert [json.loads(line) for line in out.read_text().splitlines()] == rows
    elif ending == "json":
        coco = json.loads(out.read_text())
        assert len(coco["images"]) == len(rows)
        assert len(coco["annotations"]) == sum(len(row["answers"]["things"]["boxes"]) for row in good)
    else:
        table = (
            pq.read_table(out).to_pylist()
            if ending == "parquet"
            else list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"))))
        )
        assert [row["image"] for row in table] == [row["image"] for row in rows]
        assert {"unfamiliar", "unfamiliar_boxes", "unknown_classical", "digit", "kind"} < set(table[0])
        first = next(row for row in table if row["image"] == good[0]["image"])
        assert float(first["unfamiliar_boxes"]) == good[0]["networks"]["boxes"]["unfamiliar"]
    assert len(list((tmp_path / "drawn").iterdir())) == len(good)


def test_a_share_of_false_alarms_counts_for_each(several: Path, photos: Path) -> None:
    together = oneglance.load(several / "runs/all", device="cpu", false_alarm=0.6)
    alone = {n: oneglance.load(several / "runs" / n, device="cpu", false_alarm=0.6) for n in RUNS}
    rows = rows_of(together, photos)
    for name, model in alone.items():
        for row, one in zip(rows, rows_of(model, photos), strict=True):
            assert "error" in row or row["networks"][name]["unknown"] == one.get("unknown", False)


def test_renamed_tasks_answer_the_same(several: Path, photos: Path, tmp_path: Path) -> None:
    names = {"a.digit": "sign", "classical.kind": "digit", "boxes.things": "a thing"}
    run = oneglance.combine(
        [several / "runs" / name for name in RUNS], out=tmp_path / "all", rename=names, screen=Screen()
    )
    new, old = rows_of(run.model(device="cpu"), photos), rows_of(oneglance.load(several / "runs/all"), photos)
    for one, other in zip(new, old, strict=True):
        if "error" not in one:
            assert one["answers"]["sign"] == other["answers"]["digit"]
            assert one["answers"]["digit"] == other["answers"]["kind"]
            assert one["answers"]["amount"] == other["answers"]["amount"]
            assert one["answers"]["a thing"] == other["answers"]["things"]
    # A correction of one is none of the other, although both learned from the column digit.
    assert [run.model(device="cpu").tasks[name].fields for name in ("sign", "digit")] == [
        ("sign",),
        ("digit",),
    ]


def test_canvases_are_those_of_each_alone(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One reading, and as few decodings as JPEGs of different scales allow."""
    read = wide_values.load_pixels
    decoded: list[str] = []
    loaded: list[str] = []

    def counted(file: Any) -> Any:
        decoded.append(current)
        return read(file)

    class Counted(FileImage):
        def load(self) -> Any:
            loaded.append(self.name)
            return super().load()

    monkeypatch.setattr(decoding, "load_pixels", counted)
    views = [(fit, Limits()) for fit in FITS]
    for path in sorted(photos.iterdir()):
        if path.name == "torn.png":
            continue
        current = path.name
        canvases = canvases_of(Counted(str(path), path.name), views)
        count, read_once = decoded.count(path.name), loaded.count(path.name)
        assert read_once == 1
        assert count <= (1 if path.suffix == ".png" else 3), path.name
        alone: list[Canvas] = [canvas_of(FileImage(str(path), path.name), *view) for view in views]
        for one, other in zip(canvases, alone, strict=True):
            np.testing.assert_array_equal(one.pixels, other.pixels)
            assert (one.width, one.height) == (other.width, other.height)
    assert decoded.count("tiny.jpg") - len(FITS) < len(FITS)


def test_pictures_that_one_network_refuses_are_refused(several: Path, photos: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(several / "runs/boxes", tmp_path / "strict")
    with (tmp_path / "strict/config.toml").open("a") as file:
        file.write("\n[pictures]\nmegapixels = 0.1\n")
    run = oneglance.combine([several / "runs/a", tmp_path / "strict"], out=tmp_path / "all", screen=Screen())
    rows = {row["image"]: row for row in rows_of(run.model(device="cpu"), photos)}
    assert "megapixels" in next(row["error"] for name, row in rows.items() if name.endswith("wide.jpg"))
    assert sum("error" in row for row in rows.values()) == 3


def test_the_shell_says_the_same(several: Path, photos: Path, models: dict[str, Model], shell: Shell) -> None:
    said = shell("predict", several / "runs/all", photos, "--device", "cpu")
    assert said.code == 3
    assert [json.loads(line) for line in said.out.splitlines()] == rows_of(models["all"], photos)
