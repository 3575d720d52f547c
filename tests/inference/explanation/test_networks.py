"""Every kind of network can be explained: with boxes, combined, exported, without positions, with tokens."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

from copy import deepcopy
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import spearmanr
from support.boxed import trained_boxes  # noqa: F401
from support.combined import several  # noqa: F401
from support.user import trained  # noqa: F401

import oneglance
from oneglance.config import BackboneTable
from oneglance.data.images.decode import Canvas
from oneglance.errors import ConfigError
from oneglance.inference.explanation.explainer import Explainer
from oneglance.inference.explanation.gradients import GradientPass
from oneglance.inference.predictor import Predictor, open_predictor
from oneglance.network import build_network
from oneglance.progress import Screen
from oneglance.task import build_tasks


def decoded(predictor: Predictor, home: Path, number: int = 0) -> Canvas:
    with Image.open(sorted((home / "scenes/images").iterdir())[number]) as image:
        return Canvas(predictor.fit.canvas(image.convert("RGB")), *image.size)


def test_each_box_has_a_map_of_its_own(trained_boxes: Path) -> None:
    predictor = open_predictor(trained_boxes / "runs/a", device="cpu", precision="fp32", passes=1)
    canvas = decoded(predictor, trained_boxes)
    (row,) = predictor.rows([canvas])
    boxes = row["answers"]["objects"]["boxes"]
    few = list(islice(Explainer(predictor, tasks=["objects"]).explain(canvas), 3))
    assert [one.box for one in few] == [tuple(box["box"]) for box in boxes[:3]]
    assert [one.answer.partition(" (")[0] for one in few] == [box["label"] for box in boxes[:3]]
    for one in few:
        assert one.method == "gradient" and one.heat.shape == (32, 32) and one.heat.max() == 1
    assert not np.array_equal(few[0].heat, few[2].heat)


def test_an_embedding_is_explained_by_hiding(trained_boxes: Path) -> None:
    predictor = open_predictor(trained_boxes / "runs/a", device="cpu", precision="fp32", passes=1)
    canvas = decoded(predictor, trained_boxes)
    look, background = Explainer(predictor, tasks=["look", "background"]).explain(canvas)
    if look.task != "look":
        look, background = background, look
    assert look.method == "occlusion" and background.method == "gradient"
    assert 0 < look.heat.max() <= 1 and look.heat.min() >= 0


def test_the_map_follows_the_weights(trained: Path) -> None:
    """Adebayo et al. 2018, arXiv 1810.03292: a map that other weights do not change says nothing of these."""
    predictor = open_predictor(trained / "runs/a", device="cpu", precision="fp32", passes=1)
    other = deepcopy(predictor.network)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in other.parameters():
            weight.copy_(
                weight.flatten()[torch.randperm(weight.numel(), generator=generator)].view_as(weight)
            )
    likeness = []
    for number in range(6):
        pixels = decoded(predictor, trained, number).pixels
        ours = GradientPass(predictor.network, pixels)
        (answer,) = predictor.tasks["digit"].explained_answers(ours.raw["digit"])
        same, changed = ours.heat("digit", answer), GradientPass(other, pixels).heat("digit", answer)
        assert np.array_equal(same, GradientPass(predictor.network, pixels).heat("digit", answer))
        likeness.append(spearmanr(same.ravel(), changed.ravel()).statistic)
    assert np.mean(likeness) < 0.7


def test_the_pass_gives_the_answers_of_the_engine(trained: Path) -> None:
    predictor = open_predictor(trained / "runs/a", device="cpu", precision="fp32", passes=1)
    pixels = decoded(predictor, trained).pixels
    raw = GradientPass(predictor.network, pixels).raw
    for name, expected in predictor.forward(pixels[None]).raw.items():
        np.testing.assert_allclose(raw[name], expected, rtol=1e-4, atol=1e-5)


def test_several_networks_are_explained_each_by_itself(several: Path) -> None:
    model = oneglance.load(several / "runs/all", device="cpu", precision="fp32")
    picture = sorted((several / "scenes/images").iterdir())[0]
    lines: list[str] = []

    class Heard(Screen):
        def say(self, text: str) -> None:
            lines.append(text)

    maps = model.explain(picture, tasks=["digit", "amount"], screen=Heard())
    assert {(one["task"], one["method"]) for one in maps.pictures} == {
        ("digit", "gradient"),
        ("amount", "occlusion"),
    }
    assert len(lines) == 1 and "the backbone classical have no positions" in lines[0]
    with pytest.raises(ConfigError, match=r"classical have no positions.*--method occlusion"):
        Explainer(model.predictor, "gradient")


def test_an_onnx_file_is_explained_by_hiding(trained: Path, tmp_path: Path) -> None:
    exported = oneglance.export(trained / "runs/a", out=tmp_path / "a.onnx").file
    picture = sorted((trained / "scenes/images").iterdir())[0]
    asked = {"tasks": ["digit"], "screen": Screen()}
    here = oneglance.explain(exported, picture, **asked)  # type: ignore[arg-type]
    there = oneglance.explain(trained / "runs/a", picture, method="occlusion", **asked)  # type: ignore[arg-type]
    assert here.to_dict() == there.to_dict() and here.pictures[0]["method"] == "occlusion"
    difference = np.asarray(here.draw()).astype(int) - np.asarray(there.draw())
    assert np.abs(difference).max() <= 8
    with pytest.raises(ConfigError, match="has no gradients"):
        oneglance.explain(exported, picture, method="gradient", **asked)  # type: ignore[arg-type]


def test_tokens_of_a_transformer_have_positions() -> None:
    tasks = build_tasks({"kind": {"type": "label"}})
    tasks["kind"].fit_target(["a", "b"])
    table = BackboneTable(name="vit_tiny_patch16_224", weights="none", size=64, options={"depth": 2})
    network = build_network(table, tasks, Path()).eval()
    passed = GradientPass(network, np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    (answer,) = tasks["kind"].explained_answers(passed.raw["kind"])
    heat = passed.heat("kind", answer)
    assert heat.max() == 1 and len(np.unique(heat[8::16, 8::16].round(3))) > 4
