"""What every backbone promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from oneglance.backbone import Backbone, Features, build_backbone, narrower
from oneglance.config import BackboneTable
from oneglance.errors import ConfigError, WeightsError
from oneglance.testing.promises import keep, require

RECTANGLES = ((96, 32), (32, 64), (64, 28))  # width and height in pixels
SHARES = (0.2, 0.5)  # of the parameters, asked of a narrower one


@dataclass
class BackboneExample:
    """A backbone and what it says of itself; see ``check_backbone``."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    size: int = 64
    learns: bool = True
    has_maps: bool = True
    stages_hold_all: bool = True  # every parameter belongs to a stage; else nearly all do

    def table(self, **keys: Any) -> BackboneTable:
        plain = {"name": self.name, "size": self.size, "options": self.options, "weights": "none"}
        return BackboneTable(**{**plain, **keys})

    def build(self, seed: int = 0, **keys: Any) -> Backbone:
        torch.manual_seed(seed)
        return build_backbone(self.table(**keys), Path())

    @cached_property
    def network(self) -> Backbone:
        """One that the checks share."""
        return self.build()


def pictures(count: int, size: int) -> Tensor:
    """Noise [count, 3, size, size], normalised."""
    drawn = torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))
    return drawn.contiguous(memory_format=torch.channels_last)


def features_have_their_shape(example: BackboneExample) -> None:
    network = example.network
    for training in (True, False):
        features = Features(*network.train(training)(pictures(3, example.size)))
        shape = tuple(features.vector.shape)
        require(shape == (3, network.shape.vector), f"the vector is {shape}")
        require(features.vector.isfinite().all(), "the vector is not finite")
        for finer, coarser in zip(features.maps, features.maps[1:], strict=False):
            require(finer.shape[-1] >= coarser.shape[-1], "maps come from fine to coarse")
        require(
            all(len(part) == 3 and part.isfinite().all() for part in features.maps), "maps are not finite"
        )


def a_canvas_may_be_a_rectangle(example: BackboneExample) -> None:
    for width, height in RECTANGLES:
        network = example.build(size=(width, height)).eval()
        require(network.shape.canvas == (width, height), f"shape.canvas is {network.shape.canvas}")
        with torch.inference_mode():
            features = network(torch.zeros(2, 3, height, width))
        require(features.vector.shape == (2, network.shape.vector), f"{width}×{height}: the vector")
        for level, given in zip(network.shape.maps, features.maps, strict=True):
            at = f"{width}×{height}: a map of {tuple(given.shape)} and {level}"
            require(given.shape[2:] == (level.height, level.width), at)
            require((level.width > level.height) == (width > height), at)
            require(abs(level.stride * level.height - height) <= level.stride, at)
            require(abs(level.stride * level.width - width) <= level.stride, at)


def its_maps_cover_the_canvas(example: BackboneExample) -> None:
    """up to one cell, which convolutions without padding may lose"""
    levels = example.network.shape.maps
    require(bool(levels) or not example.has_maps, "it has no maps")
    for level in levels:
        require(abs(level.stride * level.height - example.size) <= level.stride, f"{level}")
    strides = [level.stride for level in levels]
    require(strides == sorted(set(strides)), f"strides are {strides}: one map of each, fine to coarse")


def without_maps_the_vector_is_the_same(example: BackboneExample) -> None:
    network, x = example.network.eval(), pictures(2, example.size)
    with torch.inference_mode():
        whole = network(x)
        network.gives_maps = False
        vector_only = network(x)
        network.gives_maps = True
    require(len(whole.maps) == len(network.shape.maps), f"{len(whole.maps)} maps")
    torch.testing.assert_close(vector_only.vector, whole.vector)


def features_from_halfway_up_change_nothing_else(example: BackboneExample) -> None:
    network, x = example.network.eval(), pictures(3, example.size)
    with torch.inference_mode():
        plain = network(x)
        network.gives_middle = True
        try:
            whole, alone = Features(*network(x)), Features(*network(x[1:2]))
        finally:
            network.gives_middle = False
    require(Features(*plain).middle is None, "it gives features from halfway up that nobody wants")
    torch.testing.assert_close(whole.vector, plain.vector)
    if whole.middle is not None and alone.middle is not None:  # they need not be
        require(whole.middle.ndim == 2 and len(whole.middle) == 3, f"they are {tuple(whole.middle.shape)}")
        torch.testing.assert_close(alone.middle, whole.middle[1:2], atol=1e-4, rtol=1e-3)


def a_picture_does_not_depend_on_the_rest_of_its_batch(example: BackboneExample) -> None:
    network, batch = example.network.eval(), pictures(4, example.size)
    with torch.inference_mode():
        together, alone = network(batch).vector, network(batch[2:3]).vector
    torch.testing.assert_close(alone, together[2:3], atol=1e-4, rtol=1e-3)
    different = not torch.allclose(together[0], together[1], atol=1e-6)
    require(different, "different pictures have the same features")


def its_pixels_have_a_mean_and_a_spread(example: BackboneExample) -> None:
    network = example.network
    require(len(network.mean) == len(network.std) == 3, f"mean {network.mean}, std {network.std}")
    require(all(0 <= mean <= 1 for mean in network.mean), f"mean {network.mean}")
    require(all(0 < std <= 1 for std in network.std), f"std {network.std}")
    # or made so here
    require(network.pretrained is (not example.learns), f"pretrained is {network.pretrained} without weights")


def unknown_options_are_refused(example: BackboneExample) -> None:
    try:
        example.build(options={**example.options, "depht": 3})
    except ConfigError as error:
        require('[backbone.options] has no key "depht"' in str(error), f"it says: {error}")
    else:
        require(False, "it takes the option depht")


def a_narrower_one_has_about_that_share_of_the_parameters(example: BackboneExample) -> None:
    table = example.table(size=32)
    for share in SHARES:
        narrow = narrower(table, share)
        if narrow is None:  # it need not be
            continue
        part = _parameters(build_backbone(narrow, Path())) / _parameters(build_backbone(table, Path()))
        require(share / 1.5 <= part <= share * 1.5, f"asked for {share} of the parameters it gives {part}")
        require((narrow.size, narrow.weights) == (table.size, table.weights), f"it changes more: {narrow}")


def _parameters(network: Backbone) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


# Of those that learn.


def stages_share_no_parameter(example: BackboneExample) -> None:
    network = example.network
    held = [id(parameter) for stage in network.stages() for parameter in stage.parameters()]
    everything = {id(parameter) for parameter in network.parameters()}
    require(len(held) == len(set(held)), "two stages share a parameter")
    require(set(held) <= everything, "a stage has a parameter that is not the backbone's")
    least = len(everything) * (1 if example.stages_hold_all else 0.9)
    require(len(set(held)) >= least, f"stages hold {len(set(held))} of {len(everything)} parameters")
    stages = sum(bool(list(stage.parameters())) for stage in network.stages())
    require(stages >= 1, "no stage has a parameter")


def it_starts_in_training_mode_and_learns(example: BackboneExample) -> None:
    network = example.build()
    require(network.training, "it starts in evaluation mode")
    network.zero_grad()
    network(pictures(2, example.size)).vector.square().mean().backward()
    learning = {key: p for key, p in network.named_parameters() if p.requires_grad}
    without = [key for key, parameter in learning.items() if parameter.grad is None]
    require(not without, f"no gradient reaches {', '.join(without)}")
    require(len(learning) >= 0.5 * len(list(network.parameters())), "most parameters do not learn")


def the_seed_decides_its_first_weights(example: BackboneExample) -> None:
    def first(seed: int) -> Tensor:
        return torch.cat([parameter.detach().ravel() for parameter in example.build(seed).parameters()])

    require(torch.equal(first(3), first(3)), "the same seed gives other weights")
    require(not torch.equal(first(3), first(4)), "another seed gives the same weights")


def weights_of_another_network_are_refused(example: BackboneExample) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "other.safetensors"
        save_file({"strange.weight": torch.zeros(3)}, path)
        try:
            example.build(weights=str(path))
        except WeightsError as error:
            require("these weights belong to another" in str(error), f"it says: {error}")
        else:
            require(False, "it takes weights of another network")


Check = Callable[[BackboneExample], None]

AT_EVERY_SIZE: tuple[Check, ...] = (
    features_have_their_shape,
    its_maps_cover_the_canvas,
    a_picture_does_not_depend_on_the_rest_of_its_batch,
    its_pixels_have_a_mean_and_a_spread,
)
LEARNING_AT_EVERY_SIZE: tuple[Check, ...] = (
    stages_share_no_parameter,
    it_starts_in_training_mode_and_learns,
)
ONCE: tuple[Check, ...] = (
    a_canvas_may_be_a_rectangle,
    without_maps_the_vector_is_the_same,
    features_from_halfway_up_change_nothing_else,
    unknown_options_are_refused,
    a_narrower_one_has_about_that_share_of_the_parameters,
)
LEARNING_ONCE: tuple[Check, ...] = (
    the_seed_decides_its_first_weights,
    weights_of_another_network_are_refused,
)


def checks_of(example: BackboneExample, *, first: bool = True) -> tuple[Check, ...]:
    """The promises that a backbone like this gives; some need no second size."""
    checks = AT_EVERY_SIZE + (LEARNING_AT_EVERY_SIZE if example.learns else ())
    if first:
        checks += ONCE + (LEARNING_ONCE if example.learns else ())
    return checks


def check(example: BackboneExample, *, first: bool = True) -> list[str]:
    """Every promise; see ``check_backbone``."""
    subject = f"the backbone {example.name} at {example.size} pixels"
    return keep(checks_of(example, first=first), example, subject)
