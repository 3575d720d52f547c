"""The verb for pretrained weights."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from oneglance.config import BackboneTable
from oneglance.errors import OneglanceError, nearest, needs_extra
from oneglance.progress import Screen
from oneglance.results.weights import Weights
from oneglance.screens.choice import default_screen

ACTIONS = ("list", "get")
BATCH = 8  # pictures of a pass that is timed
SECONDS = 2.0  # after which no further pass of the same network is timed


class Preset(NamedTuple):
    """A set of weights that is worth knowing; every other name of timm works alike."""

    name: str  # of [backbone]
    pixels: int  # a size that suits it
    good_for: str


PRESETS = (
    Preset("efficientnet_lite0", 224, "photographs; comes with oneglance[train], needs no internet"),
    Preset("mobilenetv4_conv_small.e2400_r224_in1k", 224, "photographs on a small machine"),
    Preset("mobilenetv4_conv_medium.e500_r224_in1k", 256, "photographs, and boxes, where there is more time"),
    Preset("convnext_tiny.fb_in22k", 224, "strong features, frozen or trained; a GPU is of use"),
    Preset(
        "vit_small_patch14_reg4_dinov2.lvd142m",
        224,
        "strong frozen features of all kinds of things; a GPU is of use",
    ),
    Preset("vit_small_patch16_224.augreg_in21k", 224, "frozen features, half the work of the one above"),
)


def weights(
    action: str = "list", name: str = "", *, measure: bool = False, screen: Screen | None = None
) -> Weights:
    """Pretrained weights at hand, and some that can be had, with what each is good for here.

    Args:
        action: ``list``, or ``get`` to fetch ``name`` first.
        name: of one of the list, or any of timm's.
        measure: also time each network that is at hand on this machine, for a few seconds.

    Returns:
        For each ``name``, whether it is ``at_hand``, its ``origin`` (package, hub, torch or folder) and
        ``path``, the side of its usual picture in ``pixels``, its ``parameters``, ``pictures_per_second``
        where they were measured, ``licence`` as timm states it, and what it is ``good_for``; ``weights`` is
        what [backbone] weights must say, "" for nothing.

    Raises:
        OneglanceError: another action, or one that lacks its name.
        ConfigError: there is no such name.
        WeightsError: the weights cannot be fetched.
        MissingExtraError: torch or timm is not installed.
    """
    if action not in ACTIONS:
        raise OneglanceError(f'there is no "{action}" of weights.{nearest(action, ACTIONS)}')
    if (action == "get") != bool(name):
        raise OneglanceError("say which weights to get", hint="as in: oneglance weights get convnext_tiny")
    with needs_extra("train", "weights"):
        from oneglance.backbone import build_backbone
        from oneglance.pretrained.at_hand import weights_files
    screen = screen or default_screen()
    if name:
        screen.say(f"getting {name}")
        build_backbone(_table(name, _pixels(name)), Path())
    rows = []
    for file in weights_files():
        row = {**_known(file.name), "at_hand": True, "origin": file.origin, "path": str(file.path)}
        row["name"] = file.name or file.path.stem
        row["weights"] = file.weights
        if measure and file.name:
            screen.say(f"timing {file.name}")
            row["pictures_per_second"] = _speed(file.name, row["pixels"])
        rows.append(row)
    return Weights([*rows, *_further({row["name"] for row in rows})])


def _further(at_hand: set[str]) -> Iterator[dict[str, Any]]:
    """The presets that are not at hand."""
    for preset in PRESETS:
        if preset.name not in at_hand:
            yield {**_known(preset.name), "at_hand": False, "origin": "", "path": "", "weights": ""}


def _known(name: str) -> dict[str, Any]:
    """What is told of a name without its weights."""
    import timm
    import torch

    from oneglance.nn.packaged_weights import PACKAGED

    preset = next((preset for preset in PRESETS if name and preset.name == name), None)
    model = PACKAGED[name].model if name in PACKAGED else name
    config = timm.get_pretrained_cfg(model) if model else None
    parameters = None
    if model:
        with torch.device("meta"):
            network = timm.create_model(model, pretrained=False, num_classes=0)
        parameters = sum(parameter.numel() for parameter in network.parameters())
    return {
        "name": name,
        "pixels": preset.pixels if preset else config.input_size[-1] if config else None,
        "parameters": parameters,
        "pictures_per_second": None,
        "licence": "apache-2.0" if name in PACKAGED else (config.license or "") if config else "",
        "good_for": preset.good_for if preset else "",
    }


def _pixels(name: str) -> int:
    return next((preset.pixels for preset in PRESETS if preset.name == name), 224)


def _table(name: str, pixels: int, weights: str = "pretrained") -> BackboneTable:
    return BackboneTable(name=name, size=pixels, weights=weights)


def _speed(name: str, pixels: int) -> float:
    """Pictures in a second of features alone, in fp32 on the usual device: of the fastest pass."""
    import torch

    from oneglance.backbone import build_backbone
    from oneglance.nn.device import pick_device

    device = pick_device("auto")
    network = build_backbone(_table(name, pixels, "none"), Path()).to(device).eval()
    pictures = torch.zeros(BATCH, 3, pixels, pixels, device=device)
    best, began = float("inf"), time.perf_counter()
    with torch.inference_mode():
        network(pictures)
        while True:
            started = time.perf_counter()
            network(pictures).vector.sum().item()
            best = min(best, time.perf_counter() - started)
            if time.perf_counter() - began > SECONDS:
                return round(BATCH / best, 1)
