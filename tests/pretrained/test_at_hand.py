"""Pretrained weights that lie on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from huggingface_hub import constants

from oneglance.pretrained.at_hand import WeightsFile, weights_files


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where all three kinds are looked for; nothing is there yet."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    monkeypatch.setenv("ONEGLANCE_WEIGHTS", str(tmp_path / "own"))
    return tmp_path


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def outside_packages() -> list[WeightsFile]:
    return [file for file in weights_files() if file.origin != "package"]


def test_what_pip_installed_comes_first(places: Path) -> None:
    assert next(weights_files()).name == "efficientnet_lite0"
    assert outside_packages() == []


def test_what_the_hub_kept_has_the_name_that_timm_gives_it(places: Path) -> None:
    whole = put(places / "hub/models--timm--resnet18.a1_in1k/snapshots/abc/model.safetensors")
    put(places / "hub/models--timm--resnet34.a1_in1k/snapshots/abc/config.json")  # begun, not whole
    put(places / "hub/models--other--resnet18/snapshots/abc/model.safetensors")
    assert outside_packages() == [WeightsFile("resnet18.a1_in1k", "hub", whole)]


def test_what_torch_kept_is_known_by_its_address(places: Path) -> None:
    config = timm.get_pretrained_cfg("mobilenetv2_100.ra_in1k")
    kept = put(places / "torch/checkpoints" / config.url.rpartition("/")[2])
    stranger = put(places / "torch/checkpoints/zzz.pth")
    assert outside_packages() == [
        WeightsFile("mobilenetv2_100.ra_in1k", "torch", kept),
        WeightsFile("", "torch", stranger),
    ]


def test_files_of_a_folder_are_named_to_the_configuration(places: Path) -> None:
    known, other = put(places / "own/mobilenetv2_100.safetensors"), put(places / "own/ours.pt")
    put(places / "own/LICENSE")
    found = outside_packages()
    assert found == [WeightsFile("mobilenetv2_100", "folder", known), WeightsFile("", "folder", other)]
    assert [file.weights for file in found] == [str(known), str(other)]
