"""One file that gives the same answers: written, compared, refused, and read where there is no torch."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from support import toy
from support.everything import NAMES, Made, agree, agree_on_boxes, made, refs  # noqa: F401
from support.traced import traced_once
from support.user import Shell, shell  # noqa: F401
from torch import Tensor

import oneglance
from oneglance.data.images.references import FileImage
from oneglance.errors import ConfigError, RunError
from oneglance.inference import export, export_comparison, exported_network
from oneglance.inference.engine import Engine
from oneglance.inference.engines import onnx as engine_onnx
from oneglance.inference.predictor import open_predictor
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder
from oneglance.task import build_tasks

# The same answers.


def test_the_report_says_how_it_was_compared(made: Made) -> None:
    report = made.report
    assert made.file == made.run / "model.onnx" and made.file.stat().st_size == report["bytes"]
    assert (report["format"], report["precision"], report["drawn"]) == ("onnx", "fp32", False)
    validation = [row for row in RunFolder(made.run).split() if row[2] == "validation"]
    assert report["pictures"] == len(validation)
    assert set(report["disagreement"]) == set(report["scores"]) == NAMES
    assert all(value < 1e-3 for value in report["disagreement"].values())
    for score in report["scores"].values():
        assert score["file"] == pytest.approx(score["run"], rel=1e-4) and score["n"] > 0


def test_the_file_answers_as_the_run_does(made: Made) -> None:
    """More pictures than one batch, fewer, and one that cannot be read."""
    wanted = refs(made)
    wanted.insert(2, FileImage(str(made.folder / "lost.png"), "lost.png"))
    run, file = open_predictor(made.run), open_predictor(made.file)
    rows = list(run.predict(wanted))
    assert [row["image"] for row in rows] == [ref.name for ref in wanted]
    assert sum("unfamiliar" in row for row in rows) == len(wanted) - 1
    agree(rows, list(file.predict(wanted)))
    agree(rows[0], next(file.predict(wanted[:1])))
    whole = [next(p.predict(wanted, complete=True))["answers"]["things"]["boxes"] for p in (run, file)]
    assert len(whole[0]) > 1
    agree_on_boxes(*whole)
    assert (file.fit, file.limits) == (run.fit, run.limits)
    assert file.example().keys() == {"unfamiliar", "unknown", *NAMES}


def test_tables_hold_how_unfamiliar_pictures_are(made: Made, tmp_path: Path, shell: Shell) -> None:
    images, rate = made.folder / "scenes/images", ("--false-alarm", 0.9)
    assert shell("predict", made.file, images, "--out", tmp_path / "a.csv", *rate).code == 0
    header, *rows = (tmp_path / "a.csv").read_text().splitlines()
    assert header.startswith("image,width,height,unfamiliar,unknown,")
    assert len(rows) == 60 and {row.split(",")[4] for row in rows} == {"True", ""}
    assert shell("predict", made.file, images, "--out", tmp_path / "a.parquet").code == 0
    rows = pq.read_table(tmp_path / "a.parquet")["unfamiliar"].to_pylist()
    assert len(rows) == 60 and all(0 <= share <= 1 for share in rows)


def test_the_file_tells_nothing_of_this_machine(made: Made) -> None:
    content = made.file.read_bytes()
    for word in (str(made.folder), str(Path.home()), "site-packages", "oneglance/network", "scenes"):
        assert word.encode() not in content, word


def test_a_mirrored_network_is_exported_mirrored(tmp_path: Path) -> None:
    network = toy.learner(tmp_path / "run", "backbone.mirror=true").average
    pictures = torch.from_numpy(toy.world()[0].pixels[:3]).permute(0, 3, 1, 2)
    with torch.inference_mode():
        vectors, raw = network.forward_with_features(pictures)
        expected, plain = network(pictures), network.answer(network.features(pictures))
    assert len(vectors) == 3
    for name in raw:
        torch.testing.assert_close(raw[name], expected[name])
    assert not torch.equal(raw["kind"], plain["kind"])


# Other precisions and formats.


@pytest.mark.slow  # exports and their comparison
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_smaller_file_says_what_it_costs(made: Made, tmp_path: Path, precision: str) -> None:
    out = tmp_path / "small.onnx"
    with traced_once():
        report = oneglance.export(made.run, out=out, precision=precision, screen=Screen())
    assert 0 < max(report["disagreement"].values()) < export.TOLERANCE[precision]
    assert set(report["scores"]) == NAMES
    kinds = {tensor.data_type for tensor in onnx.load(out).graph.initializer}
    wanted = {"fp16": onnx.TensorProto.FLOAT16, "int8": onnx.TensorProto.INT8}
    assert wanted[precision] in kinds
    assert (report["speed"] is not None) is (precision == "int8")
    rows = list(open_predictor(out).predict(refs(made, 3)))
    assert all(set(row["answers"]) == NAMES and 0 <= row["unfamiliar"] <= 1 for row in rows)


@pytest.mark.slow  # a network is compiled
def test_a_program_of_torch(made: Made, tmp_path: Path) -> None:
    out = tmp_path / "model.pt2"
    report = oneglance.export(made.run, out=out, file_format="torch", screen=Screen())
    assert all(value < 1e-3 for value in report["disagreement"].values())
    extra = {"oneglance.json": ""}
    module = torch.export.load(out, extra_files=extra).module()
    contents = engine_onnx.unpacked(extra["oneglance.json"], "model.pt2")
    canvases = np.random.default_rng(0).integers(0, 256, (5, 32, 40, 3), dtype=np.uint8)
    vectors, *raw = module(torch.from_numpy(canvases))
    expected = open_predictor(made.run).forward(canvases)
    np.testing.assert_allclose(vectors.numpy(), expected.vectors, rtol=1e-3, atol=1e-4)
    for name, value in zip(contents.tasks, raw, strict=True):
        assert export_comparison.disagreement(expected.raw[name], value.numpy()) < 1e-3


class Busy(Engine):
    """An engine that takes its time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def forward(self, canvases: np.ndarray) -> Any:
        time.sleep(self.seconds)


def test_what_is_slower_is_not_recommended() -> None:
    canvases = np.zeros((1, 4, 4, 3), np.uint8)
    faster, slower = (export_comparison.speed_over(Busy(s), Busy(0.005), canvases) for s in (0.001, 0.025))
    assert faster > 2 and slower < 0.5
    assert export_comparison.speed_note("int8", 1.74) == "int8 is 1.7 times as fast as fp32 on this machine"
    assert export_comparison.speed_note("int8", 0.84).startswith("int8 is 0.84 times as fast")
    assert "not recommended" in export_comparison.speed_note("int8", 0.84)


@pytest.mark.parametrize("text", [{"type": "label"}, {"type": "tags"}, {"type": "number"}])
def test_what_is_hardly_learned_may_be_rounded(text: dict[str, str]) -> None:
    """Its raw output is almost 0, of which any rounding is a large share, but no logit and no deviation."""
    (task,) = build_tasks({"one": text}, "oneglance.toml").values()
    hardly = np.full((3, 1), 0.1, np.float32)
    assert export_comparison.disagreement(hardly, hardly - 0.06, task.raw_unit) < export.TOLERANCE["int8"]
    assert export_comparison.disagreement(hardly, hardly - 0.6, task.raw_unit) > export.TOLERANCE["int8"]


# What is refused.


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--format", "onxx"), 'there is no format "onxx". Did you mean "onnx"?'),
        (("--precision", "fp8"), 'the format onnx has no precision "fp8". Known: fp32, fp16, int8.'),
        (("--format", "torch", "--precision", "int8"), 'the format torch has no precision "int8"'),
    ],
)
def test_unknown_formats_and_precisions_are_refused(
    made: Made, shell: Shell, words: tuple[str, ...], message: str
) -> None:
    assert message in shell("export", made.run, *words).refused()


@pytest.mark.slow  # exports and their comparison
def test_a_file_that_would_answer_otherwise_is_not_written(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def otherwise(exported: exported_network.Exported, pictures: Tensor) -> tuple[Tensor, ...]:
        vectors, raw = exported.network.forward_with_features(pictures.permute(0, 3, 1, 2).float())
        return vectors, *{**raw, "covered": raw["covered"] + 0.1}.values()

    monkeypatch.setattr(exported_network.Exported, "forward", otherwise)
    with pytest.raises(
        RunError, match=r"would answer covered otherwise than the run: by .* nothing was written"
    ):
        oneglance.export(made.run, out=tmp_path / "wrong.onnx", screen=Screen())
    assert list(tmp_path.iterdir()) == []


def test_without_its_pictures_a_run_is_compared_on_drawn_ones(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = made.folder / "scenes"
    elsewhere = hidden.rename(tmp_path / "scenes")
    try:
        with pytest.raises(RunError, match="int8 needs training pictures, which are not where they were"):
            oneglance.export(made.run, precision="int8", screen=Screen())
        monkeypatch.setattr(export, "as_onnx", stop_at_the_pictures)
        with pytest.raises(Reached) as reached:
            oneglance.export(made.run, screen=Screen())
    finally:
        elsewhere.rename(hidden)
    (canvases,) = reached.value.args
    assert canvases.shape == (32, 32, 40, 3) and canvases.dtype == np.uint8 and canvases.std() > 30


class Reached(Exception):  # noqa: N818 - it carries a result
    pass


def stop_at_the_pictures(exported: Any, ours: Any, canvases: np.ndarray, *rest: Any) -> None:
    raise Reached(canvases)


def changed(made: Made, path: Path, text: str | None) -> Path:
    """The file with other metadata, or none."""
    model = onnx.load(made.file)
    del model.metadata_props[:]
    if text is not None:
        onnx.helper.set_model_props(model, {engine_onnx.KEY: text})
    onnx.save(model, path)
    return path


def test_a_foreign_file_is_refused(made: Made, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="was not written by oneglance"):
        open_predictor(changed(made, tmp_path / "foreign.onnx", None))
    with pytest.raises(RunError, match="there is no such file"):
        open_predictor(tmp_path / "lost.onnx")


def kept(made: Made) -> dict[str, Any]:
    props = onnx.load(made.file).metadata_props
    return json.loads(next(prop.value for prop in props if prop.key == engine_onnx.KEY))


def without(content: dict[str, Any], *path: str) -> str:
    *above, last = path
    inner = content
    for part in above:
        inner = inner[part]
    del inner[last]
    return json.dumps(content)


def test_damaged_metadata_is_refused(made: Made, tmp_path: Path) -> None:
    texts = ["", "{", "[]", "null", "{}"]
    texts += [without(kept(made), *path) for path in (("tasks",), ("tasks", "look"), ("config", "tasks"))]
    texts += [without(kept(made), *path) for path in (("novelty", "sample"), ("novelty", "familiar", "data"))]
    small = kept(made)
    small["config"]["backbone"]["size"] = 16
    fewer = kept(made)
    fewer["novelty"]["sample"] = engine_onnx.as_text(np.ones((3, 2), dtype=np.float16))
    foreign = kept(made)
    foreign["config"]["tasks"]["new"] = foreign["config"]["tasks"]["digit"]
    foreign["tasks"]["new"] = foreign["tasks"]["digit"]
    bomb = kept(made)
    bomb["novelty"]["sample"]["shape"] = [10**9, 10**9]
    texts += [json.dumps(content) for content in (small, fewer, foreign, bomb)]
    for text in texts:
        with pytest.raises(
            RunError, match=r"is damaged(: .+|, or of another version of oneglance) — write it anew"
        ):
            open_predictor(changed(made, tmp_path / "damaged.onnx", text))


def test_a_torn_file_is_refused(made: Made, tmp_path: Path) -> None:
    whole = made.file.read_bytes()
    for content in (b"", b"not a model", bytes(1000), whole[: len(whole) // 2]):
        (tmp_path / "torn.onnx").write_bytes(content)
        with pytest.raises(RunError, match=r"is damaged|was not written by oneglance"):
            open_predictor(tmp_path / "torn.onnx")


def test_a_device_that_is_not_there_is_refused(made: Made) -> None:
    with pytest.raises(ConfigError, match=r'"gpu", which ONNX Runtime here does not have\. Here: cpu'):
        open_predictor(made.file, device="gpu")


# The measure.


@given(arrays.arrays(np.float32, (2, 6, 3), elements=st.floats(-9, 9, width=32)), st.randoms())
def test_rows_may_change_their_order(rows: np.ndarray, random: Any) -> None:
    order = list(range(6))
    random.shuffle(order)
    assert export_comparison.disagreement(rows, rows[:, order]) == 0


def test_other_answers_disagree() -> None:
    plain = np.array([[1.0, -4.0], [2.0, 0.0]])
    assert export_comparison.disagreement(plain, plain + np.array([[0, 0], [0, 1]])) == 0.25
    many = np.arange(12.0).reshape(1, 4, 3)
    assert export_comparison.disagreement(many, many + 0.11) == pytest.approx(0.01)
    assert export_comparison.disagreement(plain, plain + 1, unit=2) == 0.25
    for shape in ((2, 2), (1, 4, 3)):
        assert export_comparison.disagreement(np.ones(shape), np.full(shape, np.nan)) == np.inf


@given(arrays.arrays(st.sampled_from([np.float16, np.float32]), arrays.array_shapes(max_dims=2)))
def test_arrays_as_text(array: np.ndarray) -> None:
    again = engine_onnx.from_text(json.loads(json.dumps(engine_onnx.as_text(array))))
    assert again.dtype == array.dtype
    np.testing.assert_array_equal(again, array)


@pytest.mark.parametrize("dtype", ["object", "float64", "O", "V8"])
def test_only_numbers_are_read(dtype: str) -> None:
    with pytest.raises(ValueError, match=dtype):
        engine_onnx.from_text({**engine_onnx.as_text(np.ones(2, np.float32)), "dtype": dtype})
