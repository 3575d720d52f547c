"""Features from halfway up a backbone: what is unfamiliar there is, wherever the network runs."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file
from support import toy
from torch import nn

import oneglance
from oneglance.backbones.timm import _means, _middle_stage, recorded
from oneglance.errors import RunError
from oneglance.inference.familiarity.novelty import Novelty
from oneglance.inference.familiarity.spread import Spread
from oneglance.inference.predictor import open_predictor
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder

PLAIN = ["backbone.name=resnet18", "backbone.options={}", "backbone.weights=none"]


def cloud(count: int, seed: int, at: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(at, 1, (count, 6))


def learned() -> Novelty:
    spread = Spread.of(cloud(300, 0))
    middle = {**spread._asdict(), "validation": spread.distances(cloud(200, 1))}
    return Novelty.learned(cloud(300, 2), cloud(200, 3), middle=middle)


def test_what_only_lies_elsewhere_halfway_up_is_unfamiliar() -> None:
    known, top = learned(), cloud(100, 4)
    near = known.unfamiliar(top, cloud(100, 5))
    far = known.unfamiliar(top, cloud(100, 5, at=8.0))
    assert 0.35 < near.mean() < 0.65 and far.min() == 1
    assert known.is_unknown(near, 0.05).mean() < 0.12 and known.is_unknown(far, 0.05).all()
    with pytest.raises(ValueError, match="no features from halfway up"):
        known.unfamiliar(top)


def test_what_is_kept_says_the_same() -> None:
    known = learned()
    again = Novelty.restored(known.arrays())
    vectors, middle = cloud(50, 6), cloud(50, 7)
    np.testing.assert_array_equal(known.unfamiliar(vectors, middle), again.unfamiliar(vectors, middle))
    for wrong in ({"middle usual": np.zeros(4)}, {"middle usual": np.ones(3)}, {"middle mean": np.zeros(2)}):
        with pytest.raises(ValueError, match=r"usual|spread"):
            Novelty.restored({**known.arrays(), **wrong})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.train(tmp_path_factory.mktemp("halfway") / "run", "training.epochs=2", *PLAIN).folder.path


def test_a_training_keeps_them_and_its_validation_pictures_are_familiar(run: Path) -> None:
    predictor = open_predictor(run, device="cpu")
    assert predictor.novelty is not None and predictor.novelty.halfway is not None
    pixels, _ = toy.world()
    output = predictor.forward(pixels.pixels[toy.TRAINING :])
    assert output.middle is not None and output.middle.shape == (toy.VALIDATION, 256)
    shares = np.sort(predictor.novelty.unfamiliar(output.vectors, output.middle))
    np.testing.assert_allclose(shares, np.arange(len(shares)) / len(shares), atol=1.01 / len(shares))


def test_a_frozen_backbone_has_none(tmp_path: Path) -> None:
    folder = toy.train(tmp_path / "run", "training.epochs=1", "backbone.freeze=true", *PLAIN).folder
    kept = folder.novelty()
    assert kept is not None and "middle" not in kept
    assert not open_predictor(folder.path, device="cpu").engine.network.backbone.gives_middle


def test_a_folder_of_before_answers_as_it_did(run: Path, tmp_path: Path) -> None:
    old = shutil.copytree(run, tmp_path / "old")
    kept = load_file(old / "novelty.safetensors")
    save_file({name: each for name, each in kept.items() if " " not in name}, old / "novelty.safetensors")
    predictor = open_predictor(old, device="cpu")
    pixels, _ = toy.world()
    output = predictor.forward(pixels.pixels)
    assert output.middle is None and predictor.novelty is not None
    assert (predictor.novelty.unfamiliar(output.vectors) >= 0).all()


@pytest.mark.parametrize("name", ["middle mean", "middle validation"])
def test_damage_is_refused(run: Path, tmp_path: Path, name: str) -> None:
    torn = shutil.copytree(run, tmp_path / "torn")
    kept = load_file(torn / "novelty.safetensors")
    save_file({**kept, name: kept[name][1:].copy()}, torn / "novelty.safetensors")
    with pytest.raises(RunError, match="damaged"):
        open_predictor(torn, device="cpu")


@pytest.mark.slow  # networks are exported
def test_files_say_the_same(run: Path, tmp_path: Path) -> None:
    pixels, _ = toy.world()
    ours = open_predictor(run, device="cpu")
    output = ours.forward(pixels.pixels)
    assert ours.novelty is not None
    wanted = ours.novelty.unfamiliar(output.vectors, output.middle)
    for precision, near in (("fp32", 1e-9), ("fp16", 0.1)):
        file = tmp_path / f"{precision}.onnx"
        oneglance.export(run, out=file, precision=precision, screen=Screen())
        theirs = open_predictor(file)
        other = theirs.forward(pixels.pixels)
        assert theirs.novelty is not None and other.middle is not None
        np.testing.assert_allclose(theirs.novelty.unfamiliar(other.vectors, other.middle), wanted, atol=near)
    program = tmp_path / "model.pt2"
    oneglance.export(run, out=program, file_format="torch", screen=Screen())
    *_, middle = torch.export.load(program).module()(torch.from_numpy(pixels.pixels))
    assert output.middle is not None
    np.testing.assert_allclose(middle.numpy(), output.middle, rtol=1e-3, atol=1e-4)


@pytest.mark.slow  # networks are exported
def test_several_networks_in_one_file_each_have_their_own(run: Path, tmp_path: Path) -> None:
    plain = toy.train(tmp_path / "plain", "training.epochs=1").folder.path
    renamed = {f"plain.{name}": f"{name}2" for name in RunFolder.open(plain).config().tasks}
    oneglance.combine([run, plain], out=tmp_path / "both", rename=renamed, screen=Screen())
    oneglance.export(tmp_path / "both", out=tmp_path / "both.onnx", screen=Screen())
    picture = tmp_path / "a.png"
    Image.fromarray(toy.world()[0].pixels[0]).save(picture)
    rows = [oneglance.load(path).predict(picture)[0] for path in (tmp_path / "both", tmp_path / "both.onnx")]
    assert rows[0]["networks"] == rows[1]["networks"]
    alone = oneglance.load(run).predict(picture)[0]
    assert rows[0]["networks"]["run"]["unfamiliar"] == alone["unfamiliar"] != 1


def test_means_are_over_positions_however_a_model_orders_them() -> None:
    maps = torch.rand(2, 5, 3, 4)
    for output in (maps, maps.permute(0, 2, 3, 1), maps.flatten(2).transpose(1, 2)):
        torch.testing.assert_close(_means(output, 5), maps.mean(dim=(2, 3)))
    assert _means((maps, maps), 5) is None and _means(maps, 7) is None
    assert _middle_stage(nn.Linear(1, 1)) == (None, 0)  # no list of stages


def test_a_thread_records_its_own_pass_only() -> None:
    layer, start, results = nn.Identity(), threading.Barrier(2), {}

    def work(number: int) -> None:
        with recorded(layer) as tensors:
            start.wait()
            layer(torch.full((1,), float(number)))
            start.wait()
            results[number] = [float(each) for each in tensors]

    threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {1: [1.0, 1.0], 2: [2.0, 2.0]}
