"""What every backbone promises, asked of every file of backbones/ and of a few timm models."""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from oneglance.backbone import Backbone, build_backbone, names, narrower
from oneglance.backbones.small import SMALLEST_VARIANCE
from oneglance.config import BackboneTable
from oneglance.errors import ConfigError, WeightsError
from oneglance.nn.checkpoints import read_tensors
from oneglance.testing.backbones import BackboneExample, checks_of
from oneglance.testing.promises import sentence

TIMM: Mapping[str, dict[str, Any]] = {
    "resnet18": {},
    "mobilenetv2_100": {},
    "vit_tiny_patch16_224": {"depth": 2},
}
SIZES = (28, 32, 64, 96)
UNTRAINED = {"classical"}  # they measure, and have no weights
LEARNING = [name for name in names() if name not in UNTRAINED]


def example(name: str, size: int) -> BackboneExample:
    learns = name not in UNTRAINED
    return BackboneExample(
        name, dict(TIMM.get(name, {})), size, learns=learns, has_maps=learns, stages_hold_all=name in names()
    )


EXAMPLES = {(name, size): example(name, size) for name in [*names(), *TIMM] for size in SIZES}
PROMISES = [
    (*key, check) for key, made_ in EXAMPLES.items() for check in checks_of(made_, first=key[1] == 32)
]


def made(name: str, size: int, **rest: Any) -> Backbone:
    options = rest.pop("options", TIMM.get(name, {}))
    table = BackboneTable(name=name, size=size, options=options, **{"weights": "none", **rest})
    return build_backbone(table, Path(rest.get("base", ".")))


def test_no_backbone_is_lost() -> None:
    assert set(names()) >= {"small"}
    assert "timm" not in names()  # it makes all others


def test_patches_need_not_be_powers_of_two() -> None:
    found = made("vit_small_patch14_dinov2", 42, options={"depth": 1})
    assert [level[1:] for level in found.shape.maps] == [(3, 3, 14)]
    table = BackboneTable(
        name="vit_small_patch14_dinov2", size=(56, 28), options={"depth": 1}, weights="none"
    )
    assert [level[1:] for level in build_backbone(table, Path()).shape.maps] == [(2, 4, 14)]


def test_the_first_layer_of_small_whitens_what_it_has_seen() -> None:
    """Its outputs on the pictures it was prepared with are decorrelated and of variance 1, weak ones less."""
    torch.manual_seed(0)
    found, rough = made("small", 32), torch.randn(40, 3, 34, 34)
    x = torch.nn.functional.avg_pool2d(rough, 3, stride=1) * 3  # neighbours are alike, as in pictures
    found.prepare(x)
    with torch.inference_mode():
        out = torch.nn.functional.conv2d(x, found.whiten.weight)  # type: ignore[union-attr, arg-type]
    rows = out.permute(1, 0, 2, 3).flatten(1)
    half = len(rows) // 2
    torch.testing.assert_close(rows[:half], -rows[half:])
    spread = rows[:half] @ rows[:half].T / rows.shape[1]
    patches = torch.nn.functional.unfold(x, 2).permute(1, 0, 2).flatten(1)
    variance = torch.linalg.eigvalsh(patches @ patches.T / patches.shape[1])
    torch.testing.assert_close(
        spread, torch.diag(variance / (variance + SMALLEST_VARIANCE)), atol=1e-3, rtol=0
    )


def test_the_first_layer_of_small_makes_no_noise_loud() -> None:
    """Not even where pictures are so smooth that it has seen hardly any."""
    torch.manual_seed(0)
    found, rough = made("small", 32), torch.randn(40, 3, 8, 8)
    found.prepare(torch.nn.functional.interpolate(rough, size=(34, 34), mode="bicubic"))
    noise = torch.randn(40, 3, 34, 34)
    with torch.inference_mode():
        out = torch.nn.functional.conv2d(noise, found.whiten.weight)  # type: ignore[union-attr, arg-type]
    assert 8 < out.std(dim=(0, 2, 3)).max() < 10.5


@pytest.mark.parametrize("name", UNTRAINED)
def test_what_only_measures_has_no_weights(name: str) -> None:
    found = made(name, 32)
    assert not list(found.parameters()) and not list(found.stages()) and not found.state_dict()
    with pytest.raises(ConfigError, match=f"{name} has no weights"):
        made(name, 32, weights="mine.safetensors")


@pytest.mark.parametrize(
    ("name", "size", "check"),
    PROMISES,
    ids=[f"{sentence(check)}-{name}-{size}" for name, size, check in PROMISES],
)
def test_it_keeps_the_contract(name: str, size: int, check: Callable[[BackboneExample], None]) -> None:
    check(EXAMPLES[name, size])


@pytest.mark.parametrize("name", [*LEARNING, *TIMM])
def test_it_has_several_stages_to_learn_at_several_rates(name: str) -> None:
    stages = EXAMPLES[name, 32].network.stages()
    assert sum(bool(list(stage.parameters())) for stage in stages) >= 3


# Smaller ones.


@pytest.mark.parametrize(
    ("name", "weights", "expected"),
    [
        ("small", "", ("small", {"depth": 2, "width": 32})),
        ("small", "mine.safetensors", None),
        ("classical", "", None),
        ("mobilenetv2_100", "none", ("mobilenetv2_050", {})),
        ("mobilenetv2_100.ra_in1k", "pretrained", ("mobilenetv2_050", {})),
        ("mobilenetv2_100", "mine.safetensors", None),
        ("vit_small_patch16_224", "none", ("vit_tiny_patch16_224", {})),
        ("resnet18", "none", None),  # the smallest of its family
    ],
)
def test_which_one_is_narrower(name: str, weights: str, expected: tuple[str, dict[str, Any]] | None) -> None:
    options = {"width": 64, "depth": 2} if name == "small" else {}
    found = narrower(BackboneTable(name=name, size=32, weights=weights, options=options), 0.25)
    assert (found and (found.name, found.options)) == expected


def test_small_is_not_narrower_than_it_can_be() -> None:
    assert narrower(BackboneTable(name="small", options={"width": 7}), 0.25) is not None
    assert narrower(BackboneTable(name="small", options={"width": 6}), 0.25) is None


# Names and options.


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("smal", "small"),
        ("resnet_18", "resnet18"),
        ("mobilenetv4_conv_smal", "mobilenetv4_conv_small"),
        ("resnet18.a1_in2k", r"resnet18\.a1_in1k"),
        ("hf-hub:timm/resnet18", "resnet18"),
    ],
)
def test_an_unknown_name_names_the_nearest(name: str, like: str) -> None:
    with pytest.raises(ConfigError, match=rf'\[backbone\] has no name "{name}"\. Did you mean "{like}"\?'):
        made(name, 32)


@pytest.mark.parametrize(
    "option",
    [
        {"num_classes": 5},
        {"in_chans": 1},
        {"pretrained": True},
        {"pretrained_cfg_overlay": {"file": "x.pth"}},
    ],
)
def test_what_oneglance_decides_is_no_option(option: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf'has no key "{next(iter(option))}": oneglance sets it itself'):
        made("resnet18", 32, options=option)


def test_no_option_loads_a_pickle(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='has no key "checkpoint_path"'):
        made("resnet18", 32, options={"checkpoint_path": str(tmp_path / "evil.pth")})


@pytest.mark.parametrize(
    ("name", "size", "options"),
    [
        ("mobilenetv2_100", 32, {"act_layer": "nope"}),
        ("resnet18", 32, {"layers": "many"}),
        ("resnet18", 32, {"global_pool": ""}),
        ("resnet18", 32, {"features_only": True}),
        ("vit_tiny_patch16_224", 8, {}),
        ("vgg11", 8, {}),
        ("vit_tiny_patch16_224", 32, {"img_size": 64}),
    ],
)
@pytest.mark.parametrize("weights", ["none", "pretrained"])
def test_what_does_not_fit_is_told_plainly(
    name: str, size: int, options: dict[str, Any], weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if weights == "pretrained":
        offline(monkeypatch)
    expected = (
        rf"^\[backbone\] {name} cannot be made for {size}×{size} pixels.* — choose another size or name"
    )
    with pytest.raises(ConfigError, match=expected):
        made(name, size, options=options, weights=weights)


def test_options_reach_the_model() -> None:
    # TensorFlow's padding: the weights in the wild of several models were trained with it.
    padded = made("mobilenetv2_100", 32, options={"pad_type": "same"})
    assert type(padded.model.conv_stem) is not nn.Conv2d  # type: ignore[union-attr]
    assert len(made("vit_tiny_patch16_224", 32).model.blocks) == 2  # type: ignore[union-attr, arg-type]
    narrow, wide = (made("small", 32, options={"width": width, "depth": 2}) for width in (4, 8))
    assert (narrow.shape.vector, wide.shape.vector) == (36, 72)


# Weights.


def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    create = timm.create_model

    def refuse(name: str, pretrained: bool = False, **options: Any) -> Any:
        model = create(name, **options)
        if pretrained:
            logging.getLogger("huggingface_hub").warning("trying again")
            raise ConnectionError("no route to host")
        return model

    monkeypatch.setattr(timm, "create_model", refuse)


def test_pretrained_without_a_network_names_the_three_ways_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    offline(monkeypatch)
    with pytest.raises(WeightsError) as caught:
        made("resnet18", 32, weights="pretrained")
    message = str(caught.value)
    assert message.startswith("[backbone]: the pretrained weights of resnet18 are neither on this machine")
    for way in ("go online once", 'weights = "weights.safetensors"', 'weights = "none"'):
        assert way in message
    assert "route" not in message and "trying again" not in caplog.text


def test_pretrained_is_what_a_timm_model_starts_with(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    create = timm.create_model
    monkeypatch.setattr(
        timm,
        "create_model",
        lambda name, pretrained, **options: asked.append(pretrained) or create(name, **options),  # type: ignore[func-returns-value]
    )
    assert made("mobilenetv2_100", 32, weights="").pretrained is True
    assert set(asked) == {True}
    asked.clear()
    table = BackboneTable(name="mobilenetv2_100", size=32)
    # The run folder's own weights follow: nothing is fetched.
    assert build_backbone(table, Path(), load_weights=False).pretrained is True
    assert set(asked) == {False}


CLASSIFIERS = {
    "resnet18": "fc.weight",
    "mobilenetv2_100": "classifier.weight",
    "vit_tiny_patch16_224": "head.weight",
}


@pytest.mark.parametrize("name", TIMM)
@pytest.mark.parametrize("kind", ["safetensors", "pt"])
def test_weights_from_a_file_without_its_classifier(tmp_path: Path, name: str, kind: str) -> None:
    torch.manual_seed(5)
    options = {**TIMM[name], **({"img_size": 32} if "vit" in name else {})}
    whole = timm.create_model(name, num_classes=7, **options).state_dict()
    assert CLASSIFIERS[name] in whole
    path = tmp_path / f"mine.{kind}"
    save_file(whole, path) if kind == "safetensors" else torch.save({"state_dict": whole}, path)
    table = BackboneTable(name=name, size=32, options=TIMM[name], weights=path.name)
    found = build_backbone(table, tmp_path)
    assert found.pretrained is True
    for key, tensor in found.model.state_dict().items():  # type: ignore[union-attr]
        assert torch.equal(tensor, whole[key])


def test_small_takes_weights_from_a_file(tmp_path: Path) -> None:
    torch.manual_seed(5)
    options = {"width": 4, "depth": 2}
    first = made("small", 32, options=options)
    save_file(first.state_dict(), tmp_path / "mine.safetensors")
    table = BackboneTable(name="small", size=32, options=options, weights="mine.safetensors")
    again = build_backbone(table, tmp_path)
    assert again.pretrained is True
    assert all(torch.equal(again.state_dict()[key], tensor) for key, tensor in first.state_dict().items())
    untouched = build_backbone(
        table.model_copy(update={"weights": "gone.safetensors"}), tmp_path, load_weights=False
    )
    assert isinstance(untouched, Backbone)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    table = BackboneTable(name="resnet18", size=32, weights="gone.safetensors")
    with pytest.raises(WeightsError, match=r"gone\.safetensors: there is no such file of weights"):
        build_backbone(table, tmp_path)


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    options = {"width": 4, "depth": 1}
    save_file(made("small", 32, options=options).state_dict(), tmp_path / "mine.safetensors")
    table = BackboneTable(name="small", size=32, options=options, weights="~/mine.safetensors")
    assert build_backbone(table, Path("/nowhere")).pretrained is True


def test_real_weights_see_what_is_there(shared: Path) -> None:
    """MobileNetV2 as published, with the padding that these weights were trained with, and the classifier
    that the backbone itself leaves out.
    """
    path, folder = shared / "weights" / "mobilenetv2_100.safetensors", shared / "data" / "food"
    if not path.is_file() or not folder.is_dir():
        pytest.skip("no real weights and pictures there")
    found = made("mobilenetv2_100", 224, weights=str(path), options={"pad_type": "same"}).eval()
    classifier = read_tensors(path)
    classes = (shared / "weights" / "imagenet_classes.txt").read_text().splitlines()
    pixels = [np.array(Image.open(file).convert("RGB").resize((224, 224))) for file in oranges(folder)]
    mean, std = (torch.tensor(of).view(3, 1, 1) for of in (found.mean, found.std))
    x = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        vector = found((x - mean) / std).vector
    assert vector.isfinite().all()
    best = (vector @ classifier["classifier.weight"].T + classifier["classifier.bias"]).argmax(dim=1)
    assert [classes[place] for place in best].count("orange") >= 6


def oranges(folder: Path) -> list[Path]:
    """Nine pictures of oranges."""
    with (folder / "labels.csv").open(newline="") as file:
        return [folder / "images" / row["image"] for row in csv.DictReader(file) if row["food"] == "orange"][
            ::6
        ]
