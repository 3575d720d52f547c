"""Any model of timm, by its timm name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from oneglance.backbone import Backbone, Features, Shape, names
from oneglance.config import BackboneTable
from oneglance.errors import ConfigError, WeightsError, nearest
from oneglance.weights import load_file


class Timm(Backbone):
    """A timm model without its classifier."""

    def __init__(self, model: Any, size: int, *, pretrained: bool) -> None:
        super().__init__()
        self.model = model
        config = model.pretrained_cfg
        self.mean, self.std = tuple(config["mean"]), tuple(config["std"])
        self.pretrained = pretrained
        training = model.training
        with torch.inference_mode():
            width = self.eval().forward(torch.zeros(1, 3, size, size)).vector.shape[1]
        self.train(training)
        self.shape = Shape(vector=width)

    def forward(self, pictures: Tensor) -> Features:
        return Features(
            vector=self.model.forward_head(self.model.forward_features(pictures), pre_logits=True)
        )

    def stages(self) -> Iterator[nn.Module]:
        """Its own children, the long ones (``blocks``, ``layers``) by their parts."""
        for child in self.model.children():
            if isinstance(child, nn.Sequential | nn.ModuleList) and len(child) > 1:
                yield from child
            else:
                yield child


def build(table: BackboneTable, base: Path, *, load_weights: bool) -> Timm:
    """See ``backbone.build_backbone``."""
    import timm

    wanted = table.weights or "pretrained"
    if not timm.is_model(table.name):
        known = [*timm.list_models(), *names()]
        raise ConfigError(f'[backbone] has no name "{table.name}".{nearest(table.name, known)}')
    model = _create(timm, table, pretrained=load_weights and wanted == "pretrained")
    if load_weights and wanted not in ("pretrained", "none"):
        load_file(model, (base / wanted).resolve(), ignore=_classifier(model))
    return Timm(model, table.size, pretrained=wanted != "none")


def _create(timm: Any, table: BackboneTable, *, pretrained: bool) -> Any:
    options = dict(table.options)
    # A transformer has to know its picture size; a convolutional network refuses the word.
    sizes = [{"img_size": table.size}, {}] if "img_size" not in options else [{}]
    # The hub retries for a minute before it gives up; what it prints meanwhile is no help.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    for extra in sizes:
        try:
            return timm.create_model(table.name, pretrained=pretrained, num_classes=0, **options, **extra)
        except TypeError as error:
            if extra:
                continue
            raise ConfigError(f"[backbone] options: {error}") from None
        except Exception as error:
            # timm, the hub's client and its HTTP library each have errors of their own for "not reachable".
            if not pretrained:
                raise
            raise WeightsError(
                f"the pretrained weights of {table.name} are neither on this machine nor reachable"
                f" ({type(error).__name__})",
                where="[backbone]",
                cure="go online once so that they are kept, or name a file with weights = "
                '"weights.safetensors", or train from scratch with weights = "none"',
            ) from None
    raise AssertionError("unreachable")


def _classifier(model: Any) -> tuple[str, ...]:
    name = model.pretrained_cfg.get("classifier") or "classifier"
    names = name if isinstance(name, list | tuple) else (name,)
    return tuple(f"{n}." for n in names)
