"""The verb ``weights``."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch

from oneglance import OneglanceError, weights
from oneglance.config import BackboneTable
from oneglance.pretrained import at_hand as module
from oneglance.pretrained import listing
from oneglance.pretrained.at_hand import WeightsFile
from oneglance.pretrained.listing import PRESETS


@pytest.fixture(autouse=True)
def at_hand(monkeypatch: pytest.MonkeyPatch) -> list[WeightsFile]:
    files = [WeightsFile("mobilenetv2_100", "folder", Path("own/mobilenetv2_100.safetensors"))]
    monkeypatch.setattr(module, "weights_files", lambda: iter(files))
    return files


def test_what_is_at_hand_comes_before_what_can_be_had() -> None:
    first, *rest = weights()
    assert (first["name"], first["at_hand"], first["weights"]) == (
        *("mobilenetv2_100", True),
        str(Path("own/mobilenetv2_100.safetensors")),
    )
    assert first["pixels"] == 224 and first["parameters"] == 2_223_872
    assert [row["name"] for row in rest] == [preset.name for preset in PRESETS]
    assert not any(row["at_hand"] for row in rest)


def test_every_preset_may_be_used_for_anything() -> None:
    """Their licence is read from timm, which is told of its changes."""
    assert {row["licence"] for row in weights() if row["name"] in {p.name for p in PRESETS}} == {"apache-2.0"}
    known = {*timm.list_pretrained(), "efficientnet_lite0"}
    assert {preset.name for preset in PRESETS} <= known


def test_a_file_that_is_no_model_by_its_name_is_listed_too(at_hand: list[WeightsFile]) -> None:
    at_hand[:] = [WeightsFile("", "folder", Path("own/ours.pt"))]
    row = weights()[0]
    assert (row["name"], row["parameters"], row["pixels"]) == ("ours", None, None)


def test_speed_is_measured_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "SECONDS", 0.0)
    monkeypatch.setattr(listing, "BATCH", 1)
    assert weights()[0]["pictures_per_second"] is None
    first, *rest = weights(measure=True)
    assert first["pictures_per_second"] > 0
    assert {row["pictures_per_second"] for row in rest} == {None}


def test_get_builds_it_once_with_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[BackboneTable] = []

    def build(table: BackboneTable, base: Path) -> torch.nn.Module:
        asked.append(table)
        return torch.nn.Identity()

    monkeypatch.setattr("oneglance.backbone.build_backbone", build)
    weights("get", "convnext_tiny.fb_in22k")
    ((name, source),) = [(table.name, table.weights) for table in asked]
    assert (name, source) == ("convnext_tiny.fb_in22k", "pretrained")


@pytest.mark.parametrize(
    ("words", "message"),
    [(("got", "x"), 'Did you mean "get"'), (("get",), "say which"), (("list", "x"), "say which")],
)
def test_a_request_that_is_none_is_refused(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(OneglanceError, match=message):
        weights(*words)
