"""Forward passes in parallel."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.everything import Made, agree, made, refs  # noqa: F401

from oneglance.data.images.decode import Limits
from oneglance.data.images.decoding.decode_pool import decode
from oneglance.errors import PictureError
from oneglance.inference.engine import Engine, EngineOutput
from oneglance.inference.engines.onnx import open_file
from oneglance.inference.engines.torch import TRIED, TorchEngine
from oneglance.inference.parallel_passes import ParallelPasses, threads_of_each
from oneglance.inference.predictor import open_predictor
from oneglance.parallel.cpus import threads
from oneglance.storage.run_folder import RunFolder


class Slow(Engine):
    """Tells each picture's first number; goes on only once ``together`` passes are under way."""

    def __init__(self, passes: int, together: int) -> None:
        self.passes = passes
        self.gate = threading.Barrier(together)
        self.prepared: list[int] = []
        self.calls: list[tuple[int, int]] = []  # thread, pictures

    def prepare_thread(self) -> None:
        self.prepared.append(threading.get_ident())

    def forward(self, canvases: np.ndarray) -> EngineOutput:
        self.gate.wait(30)
        self.calls.append((threading.get_ident(), len(canvases)))
        first = canvases.reshape(len(canvases), 12)[:, :1].astype(np.float32)
        return EngineOutput(first, {"kind": -first})


def test_a_network_of_a_file_may_have_more_processors_to_itself(made: Made) -> None:
    engine, _ = open_file(made.file, "cpu", threads())
    assert engine.latency_mode(1) is engine
    single = engine.latency_mode(threads() + 1)
    assert single.session is not engine.session
    assert single.session.get_session_options().intra_op_num_threads == threads() + 1
    predictor = open_predictor(made.file)
    alone = predictor.latency_mode(threads() + 1)
    assert alone is not predictor and alone.latency_mode(threads() + 1) is alone
    decoded = list(decode(refs(made, 5), predictor.fit, Limits()))
    names = ["a.png"] * len(decoded)
    agree(list(predictor.answer(names, decoded)), list(alone.answer(names, decoded)))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64])
def test_each_pass_gets_its_share_and_nothing_changes_its_order(count: int) -> None:
    engine = Slow(3, min(count, 3))
    canvases = np.arange(count * 12, dtype=np.uint8).reshape(count, 2, 2, 3)
    for _ in range(2):
        output = ParallelPasses(engine).forward(canvases)
        assert output.vectors[:, 0].tolist() == canvases[:, 0, 0, 0].tolist()
        assert output.raw["kind"].tolist() == (-output.vectors).tolist()
    assert max(pictures for _, pictures in engine.calls) == -(-count // 3)
    own = {threading.get_ident()}
    assert {thread for thread, _ in engine.calls} <= (set(engine.prepared) if count > 1 else own)
    assert own.isdisjoint(engine.prepared)


@pytest.mark.parametrize(("count", "side", "most"), [(64, 128, 64), (40, 320, 16), (5, 2000, 1), (0, 32, 0)])
def test_large_pictures_come_in_pieces(count: int, side: int, most: int) -> None:
    engine = Slow(1, 1)
    canvases = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, side, side, 3))
    pieces = list(engine.pieces(canvases))
    assert np.array_equal(np.concatenate([piece[:, 0, 0, 0] for piece in pieces]), np.arange(count))
    assert max(map(len, pieces)) == most  # 1.6 million pixels
    engine.on_gpu = True
    assert [len(piece) for piece in engine.pieces(canvases)] == [count]


def test_a_pass_in_pieces_is_one_answer(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = open_predictor(made.run, device="cpu").fit
    canvases = np.random.default_rng(0).integers(0, 256, (7, *fit.shape), dtype=np.uint8)
    for path in (made.run, made.file):
        engine = open_predictor(path, device="cpu").engine
        whole = engine.forward(canvases)
        monkeypatch.setattr("oneglance.inference.engine.AT_ONCE", 2 * fit.shape[0] * fit.shape[1])
        assert [len(piece) for piece in engine.pieces(canvases)] == [2, 2, 2, 1]
        few = engine.forward(canvases)
        monkeypatch.undo()
        np.testing.assert_allclose(few.vectors, whole.vectors, rtol=1e-4, atol=1e-4)
        for name, raw in whole.raw.items():
            np.testing.assert_allclose(few.raw[name], raw, rtol=1e-3, atol=1e-3)


def test_the_threads_stay() -> None:
    engine = Slow(2, 2)
    passes = ParallelPasses(engine)
    for _ in range(5):
        passes.forward(np.zeros((2, 2, 2, 3), np.uint8))
    assert len(engine.prepared) == 2


def test_one_pass_is_no_other_thread() -> None:
    engine = Slow(1, 1)
    ParallelPasses(engine).forward(np.zeros((5, 2, 2, 3), np.uint8))
    assert engine.calls == [(threading.get_ident(), 5)] and not engine.prepared


def test_a_fault_is_raised_here() -> None:
    class Faulty(Slow):
        def forward(self, canvases: np.ndarray) -> EngineOutput:
            raise MemoryError("too large")

    with pytest.raises(MemoryError, match="too large"):
        ParallelPasses(Faulty(2, 1)).forward(np.zeros((5, 2, 2, 3), np.uint8))


def seen_in_another_thread() -> int:
    decoded: list[int] = []
    other = threading.Thread(target=lambda: decoded.append(torch.get_num_threads()))
    other.start()
    other.join()
    return decoded[0]


def test_torch_takes_its_share_of_the_processors_there_and_all_elsewhere(made: Made) -> None:
    """A training in the same program must not become slower because something was predicted before."""
    network = open_predictor(made.run, device="cpu").network
    before = torch.get_num_threads(), seen_in_another_thread()
    taken: list[int] = []

    class Watched(TorchEngine):
        def forward(self, canvases: np.ndarray) -> EngineOutput:
            taken.append(torch.get_num_threads())
            return super().forward(canvases)

    engine = Watched(network, torch.device("cpu"), passes=2)
    ParallelPasses(engine).forward(np.zeros((2, *open_predictor(made.run).fit.shape), np.uint8))
    assert taken == [threads_of_each(2)] * 2
    assert (torch.get_num_threads(), seen_in_another_thread()) == before


def test_the_faster_precision_of_prediction_has_a_key_of_its_own(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what it is measured with changes nothing of the network."""
    monkeypatch.setattr("oneglance.nn.device.has_native_bf16", lambda device: True)
    run = RunFolder.open(made.run)
    config = run.config()
    config = config.model_copy(
        update={
            "cache": config.cache.model_copy(update={"folder": str(tmp_path)}),
            "training": config.training.model_copy(update={"precision": "auto"}),
        }
    )
    network = run.network(config, run.tasks(config))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    pictures: list[int] = []
    forward = network.forward_in_full

    def counted(batch: torch.Tensor) -> Any:
        pictures.append(len(batch))
        return forward(batch)

    monkeypatch.setattr(network, "forward_in_full", counted)
    engine = TorchEngine.ready(network, config, "cpu", passes=2)
    # One shows whether batch norms may become part of convolutions.
    assert set(pictures) == {1, TRIED}  # not whole batches: before the first answer they take seconds
    ((key, chosen),) = json.loads((tmp_path / "precision.json").read_text()).items()
    assert "| predict in 2 passes, folded | small " in key and chosen == engine.precision
    assert not network.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])


@pytest.mark.parametrize("passes", [1, 2, 5])
def test_parallel_passes_give_the_same(made: Made, passes: int) -> None:
    canvases = np.random.default_rng(0).integers(0, 256, (7, *open_predictor(made.run).fit.shape), np.uint8)
    for path in (made.run, made.file):
        usual = open_predictor(path, device="cpu", precision="fp32" if path == made.run else "")
        ours = open_predictor(path, device="cpu", precision="fp32" if path == made.run else "", passes=passes)
        assert usual.engine.passes == threads() and ours.engine.passes == passes
        for name, raw in usual.forward(canvases).raw.items():
            np.testing.assert_allclose(ours.forward(canvases).raw[name], raw, rtol=1e-3, atol=1e-4)


def test_each_picture_gets_its_own_row(made: Made) -> None:
    """Answers are decoded in the passes too; a picture that cannot be read takes no part in it."""
    decoded = [*decode(refs(made, 7), open_predictor(made.file).fit, Limits())]
    decoded.insert(3, PictureError("is torn"))
    names = [str(number) for number in range(8)]
    one, two = (open_predictor(made.file, passes=passes) for passes in (1, 2))
    alone = [next(one.answer([name], [item])) for name, item in zip(names, decoded, strict=True)]
    assert alone[3] == {"image": "3", "error": "is torn"}
    agree(list(two.answer(names, decoded)), alone)


@pytest.mark.parametrize("passes", [1, 2])
def test_a_session_takes_its_share_of_the_processors(made: Made, passes: int) -> None:
    engine, _ = open_file(made.file, "cpu", passes)
    assert engine.session.get_session_options().intra_op_num_threads == threads_of_each(passes)


@pytest.mark.parametrize(("limit", "each"), [("8", 1), ("1", 1), ("", 1)])
def test_the_user_may_leave_processors_to_others(
    monkeypatch: pytest.MonkeyPatch, limit: str, each: int
) -> None:
    monkeypatch.setattr("oneglance.parallel.cpus.processors", lambda: 4)
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert threads() == (min(4, int(limit)) if limit else 4)
    assert threads_of_each(threads()) == each
    assert threads_of_each(1) == threads() and threads_of_each(100) == 1
