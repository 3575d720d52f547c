"""One file of several networks answers as the files of each, and is refused where it is not whole."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
from support.combined import RUNS, photos, several  # noqa: F401
from support.drawn import own_cache
from support.everything import agree
from support.traced import traced_once
from support.user import Shell, shell, trained  # noqa: F401

import oneglance
from oneglance.errors import RunError
from oneglance.inference.engines.onnx import KEY
from oneglance.progress import Screen
from oneglance.results.exported import Exported

pytestmark = pytest.mark.slow  # three networks are trained and exported


class Files(NamedTuple):
    together: Path
    alone: dict[str, Path]
    report: Exported


@pytest.fixture(scope="module")
def exported(several: Path, tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("files")
    alone = {name: folder / f"{name}.onnx" for name in RUNS}
    with own_cache(tmp_path_factory), traced_once():
        for name, out in alone.items():
            oneglance.export(several / "runs" / name, out=out, screen=Screen())
        runs, names = [several / "runs" / name for name in RUNS], {"classical.kind": "symbol"}
        run = oneglance.combine(runs, out=folder / "all", rename=names, screen=Screen())
        report = run.export(screen=Screen())
    return Files(folder / "all" / "model.onnx", alone, report)


def rows_of(file: Path, photos: Path) -> list[dict[str, Any]]:
    return [answer.to_dict() for answer in oneglance.load(file).predict(photos, screen=Screen())]


def test_answers_are_equal_to_the_bit(exported: Files, several: Path, photos: Path) -> None:
    together = rows_of(exported.together, photos)
    for name, file in exported.alone.items():
        for row, one in zip(together, rows_of(file, photos), strict=True):
            if "error" in row:
                assert row == one
                continue
            for task, answer in one["answers"].items():
                assert row["answers"]["symbol" if task == "kind" else task] == answer
            judged = row["networks"][name]
            assert judged["unfamiliar"] == one["unfamiliar"]
            assert judged["unknown"] == one.get("unknown", False)
    for row, one in zip(together, rows_of(several / "runs/all", photos), strict=True):
        if "error" not in row:
            named = {"symbol" if name == "kind" else name: answer for name, answer in one["answers"].items()}
            agree(named, row["answers"])


def test_vectors_are_those_of_each(exported: Files, photos: Path) -> None:
    pictures = [photos / "wide.jpg", photos / "deep.png"]
    together = oneglance.load(exported.together).embed(pictures, screen=Screen())
    alone = [oneglance.load(file).embed(pictures, screen=Screen()) for file in exported.alone.values()]
    np.testing.assert_array_equal(together, np.concatenate(alone, axis=1))


def test_networks_with_one_canvas_share_an_input(exported: Files) -> None:
    graph = onnx.load(exported.together).graph
    shapes = {each.name: [d.dim_value for d in each.type.tensor_type.shape.dim[1:]] for each in graph.input}
    assert shapes == {"pictures": [40, 48, 3], "pictures 2": [32, 32, 3]}
    onnx.checker.check_model(onnx.load(exported.together))


def test_the_report_says_how_each_task_compares(exported: Files) -> None:
    tasks = set(oneglance.load(exported.together).tasks)
    assert set(exported.report["disagreement"]) == tasks
    assert tasks == {"digit", "background", "shapes", "covered", "things", "symbol", "amount"}
    assert exported.report.file == exported.together
    assert max(exported.report["disagreement"].values()) < 1e-3
    for score in exported.report["scores"].values():
        assert score["run"] == pytest.approx(score["file"], abs=1e-6)


def test_it_needs_no_torch(exported: Files, photos: Path) -> None:
    script = (
        "import sys; sys.modules['torch'] = sys.modules['onnx'] = None; import oneglance;"
        f"print(len(oneglance.load({str(exported.together)!r}).predict({str(photos)!r})))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == [str(len(list(photos.iterdir())))], done.stderr


def test_other_precisions_are_refused(several: Path, shell: Shell) -> None:
    for words in (["--precision", "fp16"], ["--format", "torch"]):
        said = shell("export", several / "runs/all", *words).refused()
        assert "several networks are written as one file in fp32 and the format onnx only" in said
        assert f"oneglance export {several / 'runs/all/networks/a'}" in said


Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["networks"].clear(),
        lambda content: content["networks"].pop(),
        lambda content: content["networks"].reverse(),
        lambda content: content["networks"][0].update(name="../a"),
        lambda content: content["networks"][0].update(name="boxes"),
        lambda content: content["networks"][0].update(rename={"digit": "symbol"}),
        lambda content: content["networks"][0].update(rename={"digit": 3}),
        lambda content: content["networks"][0]["content"]["config"]["backbone"].update(size=48),
        lambda content: content["networks"][0]["content"]["tasks"].pop("digit"),
        lambda content: content["networks"][0].pop("content"),
        lambda content: content.update(networks={"a": 1}),
        lambda content: content.update(networks=content["networks"] * 30),
        lambda content: content.pop("networks"),
    ],
)
def test_strange_metadata_are_refused(exported: Files, tmp_path: Path, change: Change) -> None:
    model = onnx.load(exported.together)
    content = json.loads(next(prop.value for prop in model.metadata_props if prop.key == KEY))
    change(content)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {KEY: json.dumps(deepcopy(content))})
    onnx.save(model, tmp_path / "strange.onnx")
    with pytest.raises(RunError, match="is damaged"):
        oneglance.load(tmp_path / "strange.onnx")
