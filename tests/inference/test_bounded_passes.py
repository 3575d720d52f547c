"""A graph of a stranger: an endless loop ends, and what asks for too much memory gets none."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from oneglance.errors import RunError
from oneglance.inference import bounded_passes
from oneglance.inference.bounded_passes import BoundedPasses
from oneglance.inference.engines.onnx import open_session


def session(folder: Path, nodes: list[Any], **constants: Any) -> BoundedPasses:
    """A graph from ``pictures`` float [n, 4] to ``out``."""
    given = [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        given,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    path = folder / "strange.onnx"
    onnx.save(model, path)
    return BoundedPasses(open_session(str(path), "cpu", 1, location="strange.onnx"), "strange.onnx")


def endless(folder: Path) -> BoundedPasses:
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Add", ["sum", "one"], ["more"])],
        "body",
        [
            value("i", TensorProto.INT64, []),
            value("go", TensorProto.BOOL, []),
            value("sum", TensorProto.FLOAT, None),
        ],
        [value("go_on", TensorProto.BOOL, []), value("more", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.ones(1, np.float32), "one")],
    )
    return session(
        folder, [helper.make_node("Loop", ["", "true", "pictures"], ["out"], body=body)], true=True
    )


def run(passes: BoundedPasses, count: int = 1) -> np.ndarray:
    (out,) = passes.run(["out"], "pictures", np.ones((count, 4), np.float32))
    return out


def test_an_endless_loop_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_passes, "SECONDS", 0.2)
    began = time.monotonic()
    with pytest.raises(RunError, match=r"strange\.onnx: a pass of the network does not end in time"):
        run(endless(tmp_path))
    assert time.monotonic() - began < 10


def test_a_pass_that_was_halted_is_tried_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = session(tmp_path, [helper.make_node("Identity", ["pictures"], ["out"])])
    real, calls = passes._session, []

    class Halted:
        def run(self, outputs: Any, feeds: Any, options: Any) -> Any:
            calls.append(1)
            if len(calls) == 1:
                options.terminate = True  # as the watch does for a process that was stopped for a while
                raise RuntimeError
            return real.run(outputs, feeds, options)

    passes._session = Halted()
    assert run(passes).shape == (1, 4) and len(calls) == 2


@pytest.mark.parametrize("count", [3_000_000_000, 10**15])
def test_a_tensor_without_end_gets_no_memory(tmp_path: Path, count: int) -> None:
    nodes = [
        helper.make_node("ReduceSum", ["pictures"], ["sum"], keepdims=0),
        helper.make_node("Expand", ["sum", "shape"], ["huge"]),
        helper.make_node("ReduceSum", ["huge"], ["all"], keepdims=0),
        helper.make_node("Add", ["pictures", "all"], ["out"]),
    ]
    passes = session(tmp_path, nodes, shape=[count])
    with pytest.raises(RunError, match="cannot pass one picture within the memory"):
        run(passes)


def test_where_memory_is_short_a_pass_takes_fewer_pictures(tmp_path: Path) -> None:
    """Each picture takes 100 MB: not all of them at once."""
    nodes = [
        helper.make_node("ReduceSum", ["pictures", "axis"], ["sum"], keepdims=1),
        helper.make_node("Expand", ["sum", "shape"], ["wide"]),
        helper.make_node("ReduceMax", ["wide", "axis"], ["out"], keepdims=1),
    ]
    passes = session(tmp_path, nodes, axis=[1], shape=[1, 25_000_000])
    pictures = np.arange(256, dtype=np.float32).reshape(64, 4)
    (out,) = passes.run(["out"], "pictures", pictures)
    np.testing.assert_allclose(out[:, 0], pictures.sum(axis=1), rtol=1e-3)
    assert 0 < passes._most < 64


def test_one_thread_watches_all_passes(tmp_path: Path) -> None:
    passes = session(tmp_path, [helper.make_node("Identity", ["pictures"], ["out"])])
    for _ in range(20):
        run(passes, 3)
    assert [thread.name for thread in threading.enumerate()].count("passes in time") == 1
    assert bounded_passes.WATCH._deadlines == {}
