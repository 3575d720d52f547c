"""overrides= of the API and --set of the shell."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from oneglance import config as configuration
from oneglance.config import Config, TrainingTable, load, parse
from oneglance.errors import ConfigError
from oneglance.toml.overrides import Changes, Overrides

TABLES: dict[str, Any] = {
    "sources": [{"path": "photos"}],
    "tasks": {"kind": {"type": "label", "from": "word"}},
    "training": {"epochs": 4, "batch": 8},
    "backbone": {"options": {"width": 4, "depth": 2}},
}


# What may be given.


@pytest.mark.parametrize(
    "overrides",
    [
        "training.epochs=7",
        ["training.epochs=7"],
        ("training.epochs = 7",),
        ["training.epochs=5", "training.epochs=7"],
        {"training.epochs": 7},
        {"training": {"epochs": 7}},
        Changes({"training.epochs": 7}),
    ],
)
def test_every_form_says_the_same(overrides: Overrides) -> None:
    found = load(TABLES, overrides)
    assert (found.training.epochs, found.training.batch) == (7, 8)
    assert found.overrides == {"training.epochs": 7}


def test_tables_of_the_file_are_merged_and_values_replaced() -> None:
    found = load(TABLES, {"tasks": {"kind": {"weight": 2}}, "backbone": {"options": {"width": 9}}})
    assert found.tasks == {"kind": {"type": "label", "from": "word", "weight": 2}}
    assert found.backbone.options == {"width": 9}
    assert found.overrides == {"tasks.kind.weight": 2, "backbone.options": {"width": 9}}


def test_plain_changes_replace_whole_tables() -> None:
    found = load(TABLES).with_changes(Changes({"tasks": {"price": {"type": "number"}}}))
    assert found.tasks == {"price": {"type": "number"}}
    assert load(TABLES, 'tasks={price={type="number"}}').tasks == found.tasks


def test_none_is_the_default() -> None:
    assert load(TABLES, {"training.epochs": None}).training.epochs == TrainingTable().epochs
    assert load(TABLES, {"backbone.options": {"width": 3, "depth": None}}).backbone.options == {"width": 3}


def test_values_of_python_become_plain() -> None:
    found = load(TABLES, {"sources.0.path": Path("a/b"), "augment.scale": (0.5, 2)})
    assert (found.sources, found.augment.scale) == ([{"path": "a/b"}], (0.5, 2))
    assert found.overrides == {"sources.0.path": "a/b", "augment.scale": [0.5, 2]}
    assert Changes.of({"a": datetime.date(2020, 1, 2)}) == {"a": "2020-01-02"}


def test_a_sources_table_is_changed_by_number() -> None:
    assert load(TABLES, {"sources.0": {"group": "shop"}}).sources == [{"path": "photos", "group": "shop"}]
    with pytest.raises(ConfigError, match="names number 3 of 1"):
        load(TABLES, {"sources.3": {"group": "shop"}})


def test_what_is_given_stays_as_it_was() -> None:
    tables, overrides = {"training": {"epochs": 1}}, {"training": {"epochs": 2}}
    assert Changes.of(overrides).apply(tables) == {"training": {"epochs": 2}}
    assert (tables, overrides) == ({"training": {"epochs": 1}}, {"training": {"epochs": 2}})


def test_the_last_one_wins() -> None:
    first = Changes.of(["training={epochs=1}", "training.batch=3"])
    both = first.followed_by(Changes.of("training={epochs=2}"))
    assert list(both) == ["training.batch", "training"]
    assert both.apply({}) == {"training": {"epochs": 2}}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"training.epoch": 1}, '[training] has no key "epoch". Did you mean "epochs"?'),
        ({"training": {"epochs": "x"}}, '[training] epochs is "x" — write a whole number such as 5'),
        ({"training": 3}, "training is 3 — write a table"),
        ({"base": 3}, 'has no key "base"'),
    ],
)
def test_what_is_wrong_is_said(overrides: Overrides, message: str) -> None:
    for change in (load(TABLES).with_changes, lambda given: load(TABLES, given)):
        with pytest.raises(ConfigError) as caught:
            change(overrides)
        assert message in str(caught.value)


def test_they_are_told_as_arguments() -> None:
    text = ["training.epochs=5", 'tasks.kind.unknown=["?"]', 'backbone.name="a b"']
    assert Changes.of(text).as_arguments() == text
    assert Changes.of(Changes.of(text).as_arguments()) == Changes.of(text)
    assert Changes.of({"training.epochs": None}).as_arguments() == []


# Where a configuration may come from.


def test_a_mapping_is_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = load({**TABLES, "cache": {"folder": Path("pixels")}}, {"training.seed": 3})
    assert (found.file, found.base) == (configuration.UNNAMED, tmp_path)
    assert found.cache.folder == str(tmp_path / "pixels")
    again = parse(found.text, base=found.base, location=found.file, overrides=Changes(found.overrides))
    assert again == found, "a run folder reads what it kept"


def test_a_mapping_that_is_wrong_is_refused() -> None:
    with pytest.raises(ConfigError, match=r'configuration: \[training\] has no key "epoch"'):
        load({**TABLES, "training": {"epoch": 3}})


def test_a_config_is_a_configuration(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text('[[sources]]\npath = "photos"\n[tasks.kind]\ntype = "label"\n')
    read = load(file, "training.seed=3")
    assert load(read) == read
    changed = load(read, {"training.epochs": 2})
    assert changed.overrides == {"training.seed": 3, "training.epochs": 2}
    assert (changed.text, changed.file, changed.base) == (read.text, "shop.toml", tmp_path)
    assert changed == parse(
        read.text, base=tmp_path, location="shop.toml", overrides=Changes(changed.overrides)
    )


def test_a_config_made_by_hand_is_one_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mine = Config(
        sources=[{"path": "photos"}], tasks={"kind": {"type": "label"}}, training=TrainingTable(epochs=3)
    )
    found = load(mine, {"training.seed": 3})
    assert (found.training.epochs, found.training.seed, found.base) == (3, 3, tmp_path)
    assert parse(found.text, base=tmp_path).training == TrainingTable(epochs=3)
