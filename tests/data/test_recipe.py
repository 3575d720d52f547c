"""What each recipe chooses for what init saw."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from oneglance.config import AugmentTable, BackboneTable, TrainingTable
from oneglance.data.recipe import Seen, names, recipe
from oneglance.errors import ConfigError
from oneglance.toml.tables import Table

LABEL, BOXES = frozenset({"label"}), frozenset({"label", "boxes"})
TABLES: dict[str, type[Table]] = {
    "backbone": BackboneTable,
    "augment": AugmentTable,
    "training": TrainingTable,
}
ALL = [
    Seen(pictures, side, types, gpu, 2, pretrained, 0.05 if types == BOXES else None)
    for pictures, side, types, gpu, pretrained in itertools.product(
        (0, 20, 600, 50_000), (None, 28, 90, 3000), (LABEL, BOXES), (False, True), (False, True)
    )
]


def chosen(name: str, seen: Seen) -> dict[str, Any]:
    return {f"{key.table}.{key.name}": key.value for key in recipe(name).keys(seen)}


def test_the_recipes() -> None:
    assert names() == ["auto", "best", "classic", "fast", "quick"]
    assert type(recipe("default")) is type(recipe("auto")), "its name until 0.1.0"


def test_an_unknown_one() -> None:
    with pytest.raises(ConfigError, match='no recipe "quik"'):
        recipe("quik")


@pytest.mark.parametrize("name", ["auto", "best", "classic", "fast", "quick"])
def test_every_key_is_one_of_oneglance_toml(name: str) -> None:
    for seen in ALL:
        keys = list(recipe(name).keys(seen))
        assert len({key[:2] for key in keys}) == len(keys), "each once"
        for table, form in TABLES.items():
            form.model_validate({key.name: key.value for key in keys if key.table == table})
        canvas = next(key.value for key in keys if key.name == "size")
        assert canvas % 32 == 0 and (canvas <= 96 or seen.side is None or seen.side > 90 or canvas == 320)


def test_tiny_pictures_are_learned_from_scratch_and_photographs_from_imagenet() -> None:
    assert chosen("auto", Seen(60_000, 28, LABEL))["backbone.name"] == "small"
    assert chosen("auto", Seen(600, 800, LABEL))["backbone.name"] == "efficientnet_lite0"


def test_without_the_weights_nothing_asks_for_them() -> None:
    for name, seen in itertools.product(names(), ALL):
        if not seen.pretrained:
            assert chosen(name, seen)["backbone.name"] in {"small", "classical"}


def test_few_pictures_come_more_often() -> None:
    epochs = [chosen("auto", Seen(n, 800, LABEL))["training.epochs"] for n in (200, 2000, 20_000)]
    assert epochs == [16, 8, 4]


def test_in_few_epochs_pictures_change_little() -> None:
    assert chosen("auto", Seen(5000, 800, LABEL))["augment.colour"] == 0
    assert "augment.colour" not in chosen("auto", Seen(500, 800, LABEL))


def test_quick_learns_heads_alone_where_it_can() -> None:
    for seen in ALL:
        assert chosen("quick", seen).get("backbone.freeze", False) is ("boxes" not in seen.types)


def test_best_takes_more_of_everything() -> None:
    for pictures in (200, 20_000):
        seen = Seen(pictures, 800, LABEL)
        for key in ("backbone.size", "training.epochs"):
            assert chosen("best", seen)[key] > chosen("auto", seen)[key]


def test_boxes_get_more_pixels_in_smaller_batches() -> None:
    found = chosen("auto", Seen(3000, 500, BOXES))
    assert (found["backbone.size"], found["training.batch"]) == (320, 16)
    assert chosen("auto", Seen(300, 500, BOXES))["training.batch"] == 8, "more steps"


def test_small_things_are_not_made_smaller() -> None:
    large, small = (replace(Seen(300, 640, BOXES), thing=share) for share in (0.2, 0.05))
    assert "augment.mosaic" not in chosen("auto", large)
    assert chosen("auto", small)["augment.mosaic"] == 0


@pytest.mark.parametrize(("pictures", "batch"), [(20, 50), (6_000, 150), (50_000, 1000), (1_000_000, 1000)])
def test_fast_is_for_many_tiny_pictures(pictures: int, batch: int) -> None:
    keys = chosen("fast", Seen(pictures, 32, LABEL))
    assert keys["training.optimizer"] == "muon" and keys["training.batch"] == batch
    photographs = Seen(pictures, 800, LABEL)
    assert chosen("fast", photographs) == chosen("quick", photographs)
