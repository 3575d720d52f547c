"""One backbone, one head per task, one forward()."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from oneglance.backbone import build_backbone
from oneglance.config import BackboneTable
from oneglance.data.record import Box, BoxAnnotations
from oneglance.network import Network, build_network
from oneglance.nn.mlp import MLP
from oneglance.task import build_tasks

WIDTH = 36  # of the feature vector: 4 means of the first stage, 16 of the second, and its 16 maxima
TABLE = BackboneTable(name="small", size=16, options={"width": 4, "depth": 2})
APPLES = [BoxAnnotations((Box(2, 2, 12, 12, "apple"),)), BoxAnnotations(())]
ANSWERS: dict[str, list[Any]] = {"label": ["a", "b", "c"], "number": [1.0, 2.0, 4.0], "boxes": APPLES}
ANSWERS["embedding"] = ANSWERS["label"]
BOXES: dict[str, Any] = {"type": "boxes", "levels": 1, "width": 8, "depth": 1, "bins": 4}


def network(**tables: dict[str, Any]) -> Network:
    torch.manual_seed(0)
    tasks = build_tasks({name: {"type": "label", **table} for name, table in tables.items()})
    for task in tasks.values():
        task.fit_target(ANSWERS[task.type])
    return build_network(TABLE, tasks, Path()).eval()


def pictures(count: int = 3) -> Tensor:
    return torch.randint(0, 256, (count, 3, 16, 16), dtype=torch.uint8)


def test_every_task_answers_in_one_pass() -> None:
    found = network(kind={}, amount={"type": "number"})
    looked: list[int] = []
    found.backbone.register_forward_hook(lambda *_: looked.append(1))
    raw = found(pictures())
    assert {name: tuple(value.shape) for name, value in raw.items()} == {"kind": (3, 3), "amount": (3, 1)}
    assert looked == [1]


def test_boxes_and_embeddings_come_in_the_same_pass() -> None:
    found = network(kind={}, things=BOXES, near={"type": "embedding", "like": "kind", "size": 5})
    raw = found(pictures())
    # A canvas of 16 pixels: 15 after the first layer, then 7, then 3 a side.
    assert {name: tuple(value.shape) for name, value in raw.items()} == {
        "kind": (3, 3),
        "things": (3, 9, 4 + 1),
        "near": (3, 5),
    }
    assert found.train()(pictures())["things"].shape == (3, 9, 4 + 1 + 4 * 4)


def test_maps_are_asked_for_where_a_task_has_places_only() -> None:
    assert network(kind={}).backbone.gives_maps is False
    assert network(kind={}, things=BOXES).backbone.gives_maps is True


def test_a_task_may_use_what_a_detector_saw() -> None:
    found = network(things=BOXES, kind={"uses": ["things"]})
    assert inputs(found, "kind") == WIDTH + BOXES["width"] + 1  # how much there is of its one class
    assert found(pictures())["kind"].shape == (3, 3)


def test_with_a_mirror_answers_are_the_mean_of_both_views() -> None:
    """Boxes stay those of the picture itself, and while training nothing is looked at twice."""
    found, x = network(kind={}, things=BOXES), pictures()
    one, other = found(x), found(x.flip(3))
    found.mirror = True
    both = found(x)
    torch.testing.assert_close(both["kind"], (one["kind"] + other["kind"]) / 2)
    torch.testing.assert_close(both["things"], one["things"])
    found.train()
    looked: list[int] = []
    found.backbone.register_forward_hook(lambda *_: looked.append(1))
    found(x)
    assert looked == [1]
    assert not network(kind={}).mirror


def test_a_new_backbone_sees_some_pictures_first() -> None:
    found, x = network(kind={}), pictures(20)
    before = {name: value.clone() for name, value in found.state_dict().items()}
    found.prepare(x.permute(0, 2, 3, 1).numpy())
    changed = {name for name, value in found.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"backbone.whiten.weight"}
    found.backbone.pretrained = True
    before = {name: value.clone() for name, value in found.state_dict().items()}
    found.prepare(pictures(20).permute(0, 2, 3, 1).numpy())
    assert all(torch.equal(value, before[name]) for name, value in found.state_dict().items())


def test_a_frozen_backbone_stays_as_it_is() -> None:
    found = network(kind={})
    found.freeze()
    found.train()
    assert found.heads.training and not found.backbone.training
    found(pictures())["kind"].sum().backward()
    assert all(parameter.grad is None for parameter in found.backbone.parameters())
    assert all(parameter.grad is not None for parameter in found.heads.parameters())


def test_bytes_and_floats_are_the_same_picture() -> None:
    found, x = network(kind={}), pictures()
    assert torch.equal(found(x)["kind"], found(x.float())["kind"])


def test_pixels_are_normalised_as_the_backbone_wants() -> None:
    found = network(kind={})
    seen: list[Tensor] = []
    found.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    mean = torch.tensor(found.backbone.mean).view(1, 3, 1, 1)
    std = torch.tensor(found.backbone.std).view(1, 3, 1, 1)
    found(255 * mean.expand(1, 3, 16, 16))
    found(255 * (mean + std).expand(1, 3, 16, 16))
    torch.testing.assert_close(seen[0], torch.zeros(1, 3, 16, 16), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[1], torch.ones(1, 3, 16, 16))


def test_features_then_answers_is_the_whole() -> None:
    found, x = network(kind={}, verdict={"uses": ["kind"]}), pictures()
    features = found.features(x)
    assert features.vector.shape == (3, WIDTH)
    for parts in (found.answer(features), found.answer_vectors(features.vector)):
        assert {name: value.tolist() for name, value in parts.items()} == {
            name: value.tolist() for name, value in found(x).items()
        }


def test_the_first_answers_are_nearly_the_constant_ones() -> None:
    tasks = build_tasks({"kind": {"type": "label", "hidden": [8]}})
    tasks["kind"].fit_target(["a"] * 8 + ["b"])
    raw = build_network(TABLE, tasks, Path()).eval()(pictures())["kind"]
    torch.testing.assert_close(
        raw, torch.as_tensor(tasks["kind"].constant_raw()).expand(3, -1), atol=0.3, rtol=0
    )


# Tasks that use others.


def inputs(found: Network, name: str) -> int:
    """The width that a head sees."""
    return next(m.in_features for m in found.heads[f"{name} head"].modules() if isinstance(m, nn.Linear))


def test_a_head_sees_the_own_features_of_what_it_uses() -> None:
    found = network(
        verdict={"uses": ["kind", "amount", "deep"], "hidden": [6]},
        kind={},
        amount={"type": "number"},
        deep={"hidden": [9, 5]},
    )
    assert inputs(found, "kind") == inputs(found, "deep") == WIDTH
    # A linear head's own features are its raw output; those of a deeper one its last hidden layer.
    assert inputs(found, "verdict") == WIDTH + 3 + 1 + 5


def test_uses_in_a_chain_whatever_the_order_in_the_file() -> None:
    found = network(c={"uses": ["b"]}, b={"uses": ["a"], "hidden": [4]}, a={})
    assert list(found(pictures())) == ["a", "b", "c"]
    assert (inputs(found, "a"), inputs(found, "b"), inputs(found, "c")) == (WIDTH, WIDTH + 3, WIDTH + 4)


def test_the_own_features_arrive_in_the_order_of_uses() -> None:
    found = network(first={}, second={"hidden": [2]}, verdict={"uses": ["second", "first"]})
    x = pictures()
    vector = found.features(x).vector
    own = {name: found.heads[f"{name} head"](vector)[0] for name in ("first", "second")}
    _, expected = found.heads["verdict head"](torch.cat([vector, own["second"], own["first"]], dim=1))
    assert torch.equal(found(x)["verdict"], expected)


def test_what_another_task_sees_changes_the_answer() -> None:
    found, x = network(kind={"hidden": [5]}, verdict={"uses": ["kind"]}), pictures()
    before = found(x)["verdict"]
    with torch.no_grad():
        found.heads["kind head"].get_parameter("body.1.bias").add_(1)
    assert not torch.equal(found(x)["verdict"], before)


@pytest.mark.parametrize(
    "name", ["type", "forward", "training", "a b", "heads", "mean", "keys", "é", "1", "x-y", "state_dict"]
)
def test_any_name_will_do(name: str) -> None:
    found = network(**{name: {}, "user": {"uses": [name]}})
    assert list(found(pictures())) == [name, "user"]
    again = network(**{name: {}, "user": {"uses": [name]}})
    again.load_state_dict(found.state_dict())


def test_the_pictures_mean_is_no_weight() -> None:
    """It belongs to the backbone: weights are the same whatever the pixels' unit."""
    assert not {"mean", "std"} & network(kind={}).state_dict().keys()


def test_it_is_channels_last() -> None:
    found = network(kind={})
    convs = [module for module in found.modules() if isinstance(module, nn.Conv2d)]
    assert convs
    assert all(conv.weight.is_contiguous(memory_format=torch.channels_last) for conv in convs)


def test_the_vector_of_small_tells_how_much_and_the_most() -> None:
    seen = network(kind={}, things=BOXES).features(pictures())
    means = [found.mean(dim=(2, 3)) for found in seen.maps]
    torch.testing.assert_close(seen.vector, torch.cat([*means, seen.maps[-1].amax(dim=(2, 3))], dim=1))


def test_heads_do_not_care_about_the_backbone() -> None:
    tasks = build_tasks({"kind": {"type": "label"}})
    tasks["kind"].fit_target(["a", "b"])
    wide = BackboneTable(name="small", size=16, options={"width": 8, "depth": 2})
    found = Network(build_backbone(wide, Path()), tasks)
    assert inputs(found, "kind") == 2 * WIDTH


# The head.


def test_an_mlp_without_hidden_layers_is_linear() -> None:
    head = MLP(4, [], 2, dropout=0, bias=torch.zeros(2).numpy())
    assert sum(p.numel() for p in head.parameters()) == 4 * 2 + 2
    own, raw = head(torch.randn(3, 4))
    assert own is raw and head.own == 2


def test_an_mlp_gives_its_last_hidden_layer() -> None:
    head = MLP(4, [7, 3], 2, dropout=0, bias=torch.tensor([0.5, -1.0]).numpy())
    own, raw = head(torch.randn(5, 4))
    assert own.shape == (5, 3) and raw.shape == (5, 2) and head.own == 3
    assert (own >= 0).all()
    torch.testing.assert_close(raw, head.last(own))
    assert head.last.bias.tolist() == [0.5, -1.0]


def test_dropout_only_in_training() -> None:
    head = MLP(50, [40], 2, dropout=0.5, bias=torch.zeros(2).numpy())
    x = torch.randn(3, 50)
    assert not torch.equal(head(x)[1], head(x)[1])
    head.eval()
    assert torch.equal(head(x)[1], head(x)[1])
