"""oneglance.toml as typed values, and what is said of one that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneglance.config import Config, load, parse
from oneglance.errors import ConfigError
from oneglance.task import build_tasks
from oneglance.toml.overrides import Changes
from oneglance.toml.tables import WANTED

SHORT = '[[sources]]\npath = "photos"\n[tasks.kind]\ntype = "label"\n'


def read(text: str = SHORT, *overrides: Any) -> Config:
    changes = overrides[0] if overrides and isinstance(overrides[0], dict) else overrides
    return parse(text, base=Path("/data"), overrides=changes)


def refusal(text: str = SHORT, *overrides: Any) -> str:
    with pytest.raises(ConfigError) as found:
        build_tasks(read(text, *overrides).tasks)
    return str(found.value)


# What is read.


def test_a_short_file_has_every_default() -> None:
    config = read()
    assert config.training.epochs == 20
    assert config.backbone.name == "small"
    assert config.sources == [{"path": "photos"}]


def test_it_remembers_where_it_came_from(tmp_path: Path) -> None:
    file = tmp_path / "clothes.toml"
    file.write_bytes(SHORT.replace("\n", "\r\n").encode() + b"# \xc3\xa9\r\n")
    config = load(file, ["training.epochs=3"])
    assert config.text.encode() == file.read_bytes()
    assert (config.file, config.base) == ("clothes.toml", tmp_path.resolve())
    assert config.overrides == {"training.epochs": 3}
    again = parse(config.text, base=config.base, location=config.file, overrides=config.overrides)
    assert again == config


def test_pictures_of_a_step() -> None:
    assert read().batch == 64
    assert read(SHORT, "training.batch=7").batch == 7
    auto = "training.batch=auto"
    sizes = {"backbone.size=32": 64, "backbone.size=128": 64, "backbone.size=[224, 160]": 24}
    sizes |= {"backbone.size=224": 16, "backbone.size=320": 16}
    assert {size: read(SHORT, auto, size).batch for size in sizes} == sizes


def test_a_canvas_is_square_or_width_by_height() -> None:
    assert read().backbone.canvas == (64, 64)
    assert read(SHORT, "backbone.size=96").backbone.canvas == (96, 96)
    assert read(SHORT, "backbone.size=[320, 240]").backbone.canvas == (320, 240)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    file = tmp_path / "oneglance.toml"
    file.write_text(SHORT, encoding="utf-8-sig")
    config = load(file)
    assert config.tasks == {"kind": {"type": "label"}}
    assert config.text.encode() == file.read_bytes()
    assert read(config.text).tasks == config.tasks, "a run folder reads what was written"


def test_the_cache_folder_starts_at_the_file() -> None:
    assert read(SHORT + '[cache]\nfolder = "pixels"\n').cache.folder == str(Path("/data/pixels").resolve())
    assert read().cache.folder == ""


# --set


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("training.epochs=5", 5),
        ("training.epochs = 5", 5),
        ("training.learning_rate=0.5", 0.5),
        ("augment.flip=false", False),
        ("backbone.name=resnet18", "resnet18"),
        ('backbone.name="resnet18"', "resnet18"),
        ("backbone.weights=C:\\new\\w.safetensors", "C:\\new\\w.safetensors"),
        ("backbone.weights=a=b", "a=b"),
        ("augment.scale=[0.5, 2]", (0.5, 2.0)),
    ],
)
def test_set_changes_a_key(override: str, value: object) -> None:
    table, key = override.partition("=")[0].strip().split(".")
    assert getattr(getattr(read(SHORT, override), table), key) == value


def test_set_goes_into_lists_and_new_tables() -> None:
    config = read(SHORT, "sources.0.path=other", "backbone.options.width=4", "tasks.price.type=number")
    assert config.sources == [{"path": "other"}]
    assert config.backbone.options == {"width": 4}
    assert config.tasks["price"] == {"type": "number"}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epochs", '--set: "training.epochs" is not of the form key.path=value'),
        ("=5", '--set: "=5" is not of the form key.path=value'),
        ("training..epochs=5", '--set: "training..epochs=5" is not of the form key.path=value'),
        ("sources.5.path=x", '--set: "sources.5.path" names number 5 of 1 — they are numbered from 0'),
        ("sources.-1.path=x", '--set: "sources.-1.path" names number -1 of 1 — they are numbered from 0'),
        ("sources.path=x", '--set: "sources.path" ends in a list, not at a key'),
        ("tasks.kind.type.x=1", '--set: "tasks.kind.type.x" goes through "type", which is a value'),
        ("training.epoch=5", 'oneglance.toml: [training] has no key "epoch". Did you mean "epochs"?'),
        ("epochs=5", 'oneglance.toml: has no key "epochs". Did you mean "training.epochs"?'),
        ("seed=5", 'oneglance.toml: has no key "seed". Did you mean "split.seed" or "training.seed"?'),
        ("trainin.epochs=5", 'oneglance.toml: has no key "trainin". Did you mean "training"?'),
    ],
)
def test_a_wrong_set_says_what_is_wrong(override: str, message: str) -> None:
    assert refusal(SHORT, override) == message


@given(st.text(), st.text())
def test_any_set_is_read_or_refused(key: str, value: str) -> None:
    try:
        read(SHORT, f"{key}={value}", f"training.{key}={value}", f"backbone.options.{key}={value}")
    except ConfigError as error:
        assert error.location


# What is wrong.


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epochs=abc", '[training] epochs is "abc" — write a whole number such as 5'),
        ("training.epochs=2.5", "[training] epochs is 2.5 — write a whole number such as 5"),
        ("training.epochs=[3]", "[training] epochs is [3] — write a whole number such as 5"),
        ("training.epochs=0", "[training] epochs is 0 — write a number of at least 1"),
        ("training.learning_rate=fast", '[training] learning_rate is "fast" — write a number such as 0.5'),
        ("training.learning_rate=-1", "[training] learning_rate is -1 — write a number above 0"),
        ("training.learning_rate=inf", "[training] learning_rate is Infinity — write a finite number"),
        (
            "training.learning_rate=2020-01-01",
            '[training] learning_rate is "2020-01-01" — write a number such as 0.5',
        ),
        ("training.nesterov=maybe", '[training] nesterov is "maybe" — write true or false'),
        ("training.nesterov=[]", "[training] nesterov is [] — write true or false"),
        ("training.balancer=1", "[training] balancer is 1 — write text between quotation marks"),
        ("training.precision=fp16", '[training] precision is "fp16" — write "auto", "fp32" or "bf16"'),
        ("training.momentum=1", "[training] momentum is 1 — write a number below 1"),
        ("backbone.size=100000", "[backbone] size is 100000 — write a number of at most 4096"),
        ("training.batch=0", "[training] batch is 0 — write a number of at least 1"),
        ("training.batch=many", '[training] batch is "many" — write a whole number such as 5'),
        ("backbone.size=large", '[backbone] size is "large" — write a whole number such as 5'),
        ("backbone.size=[320]", "[backbone] size is [320] — write one more"),
        ("backbone.size=[320, 4]", "[backbone] size holds 4 — write a number of at least 8"),
        ("backbone.size=[1, 2, 3]", "[backbone] size is [1, 2, 3] — write at most 2"),
        ("backbone.options=3", "[backbone] options is 3 — write a table"),
        ("augment.scale=3", "[augment] scale is 3 — write a list in [ ]"),
        ("augment.scale=[1]", "[augment] scale is [1] — write one more"),
        ("augment.scale=[1, 2, 3]", "[augment] scale is [1, 2, 3] — write at most 2"),
        ("augment.scale=[0, 1]", "[augment] scale holds 0 — write a number above 0"),
        ("sources=[]", "sources is [] — write at least 1"),
        ("sources=3", "sources is 3 — write a list in [ ]"),
        ("training=3", "training is 3 — write a table"),
        ("tasks.kind=3", "tasks holds 3 — write a table"),
        ("tasks.kind.type=lable", '[tasks.kind] has no type "lable". Did you mean "label"?'),
        ("tasks.kind.typ=label", '[tasks.kind] has no key "typ". Did you mean "type"?'),
        ("tasks.kind.smooth=0", '[tasks.kind] has no key "smooth". Did you mean "smoothing"?'),
        ("tasks.kind.from=3", "[tasks.kind] from is 3 — write text between quotation marks or a list in [ ]"),
        ("tasks.kind.hidden=3", "[tasks.kind] hidden is 3 — write a list in [ ]"),
        ('tasks.kind.hidden=["a"]', '[tasks.kind] hidden holds "a" — write a whole number such as 5'),
        (
            "tasks.kind.class_weights=3",
            '[tasks.kind] class_weights is 3 — write "none" or "balanced" or a table',
        ),
        (
            "tasks.kind.class_weights={a='x'}",
            '[tasks.kind] class_weights holds "x" — write a number such as 0.5',
        ),
        ('tasks.kind.uses=["knd"]', '[tasks.kind] uses "knd", which is no task. Did you mean "kind"?'),
        ('tasks.kind.uses=["kind"]', "the tasks kind use each other in a circle"),
    ],
)
def test_a_wrong_value_is_told_in_plain_words(override: str, message: str) -> None:
    assert refusal(SHORT, override) == f"oneglance.toml: {message}"


OLD_KEYS = {
    "rate": "learning_rate",
    "backbone_rate": "backbone_learning_rate_scale",
    "private_stage": "task_stage",
}


@pytest.mark.parametrize(("old", "new"), OLD_KEYS.items())
def test_a_key_with_another_name_now_is_named(old: str, new: str) -> None:
    said = f'oneglance.toml: [training] has no key "{old}": it is called "{new}" now'
    assert refusal(SHORT, f"training.{old}=1") == said
    assert refusal(SHORT + f"[training]\n{old} = 1\n") == said
    assert refusal(SHORT, {"training": {old: 1}}) == said


def test_the_keys_of_an_earlier_version_are_read_where_they_may_be() -> None:
    text = SHORT + '[training]\nrate = 0.5\nprivate_stage = ["kind"]\n'
    overrides = {"training.backbone_rate": 0.1, "training.private_stage": {"kind": "adapter"}}
    found = parse(text, base=Path("/data"), overrides=overrides, earlier=True)
    table = found.training
    assert (table.learning_rate, table.backbone_learning_rate_scale) == (0.5, 0.1)
    assert table.task_stage == {"kind": "adapter"}
    assert found.text == text
    assert list(found.overrides) == ["training.backbone_learning_rate_scale", "training.task_stage"]
    whole = parse(SHORT, base=Path("/data"), overrides=Changes({"training": {"rate": 0.5}}), earlier=True)
    assert whole.training.learning_rate == 0.5


def test_no_word_is_a_librarys() -> None:
    said = "".join(WANTED.values())
    assert not {"Input", "valid", "tuple", "dictionary", "instance", "literal"} & set(said.split())


def test_all_wrong_keys_are_told_at_once() -> None:
    said = refusal(SHORT, "training.epoch=1", "training.batch=x", "split.tst=0.1", "tasks.kind.type=label")
    assert sorted(said.splitlines()) == [
        'oneglance.toml: [split] has no key "tst". Did you mean "test"?',
        'oneglance.toml: [training] batch is "x" — write a whole number such as 5',
        'oneglance.toml: [training] has no key "epoch". Did you mean "epochs"?',
    ]


def test_a_circle_of_uses_is_named() -> None:
    text = SHORT + 'uses = ["b"]\n[tasks.b]\ntype = "label"\nuses = ["kind"]\n[tasks.c]\ntype = "label"\n'
    assert refusal(text) == "oneglance.toml: the tasks kind, b use each other in a circle"


def test_a_long_value_is_cut_short() -> None:
    said = refusal(SHORT, f"training.epochs={'x' * 10_000}")
    assert len(said) < 200


@pytest.mark.parametrize("word", ["text", "file", "base", "overrides"])
def test_what_is_no_key_of_the_file_is_refused(word: str) -> None:
    assert refusal(f"{word} = 'x'\n" + SHORT).startswith(f'oneglance.toml: has no key "{word}".')
    assert refusal(SHORT, f"{word}=5").startswith(f'oneglance.toml: has no key "{word}".')


def test_needed_keys_are_named() -> None:
    assert refusal("[tasks.kind]\ntype = 'label'\n") == 'oneglance.toml: needs the key "sources"'
    assert refusal('[[sources]]\npath = "x"\n') == 'oneglance.toml: needs the key "tasks"'
    said = refusal('[[sources]]\npath = "x"\n[tasks.kind]\n')
    assert said.startswith('oneglance.toml: [tasks.kind] needs the key "type".')


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[training\n", "is not valid TOML"),
        (b"epochs = \xff", "is not UTF-8 text (byte 9)"),
        (b"\xff\xfeh\x00", "is not UTF-8 text (byte 0)"),
        (b"x = " + b"[" * 100_000, "is not valid TOML"),
        (b"x = 1" + b"0" * 10_000, "is not valid TOML"),
        (b"a = 1\na = 2\n", "is not valid TOML"),
        (b"", 'needs the key "sources"'),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "oneglance.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as found:
        load(file)
    assert str(found.value).startswith("oneglance.toml: ") or found.value.location == str(file)
    assert words in str(found.value)


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file — write one with: oneglance init"):
        load(tmp_path / "oneglance.toml")
    with pytest.raises(ConfigError, match="is a folder, not a configuration"):
        load(tmp_path)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "oneglance.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError):
        load(file)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.sampled_from(sorted(Config.model_fields)), st.dictionaries(st.text(max_size=8), VALUES, max_size=3))
def test_any_table_is_read_or_refused_in_one_line_per_key(section: str, table: dict[str, object]) -> None:
    from oneglance.toml.tables import read_table

    whole = {"sources": [{"path": "x"}], "tasks": {"kind": {"type": "label"}}, section: table}
    try:
        read_table(Config, whole, location="oneglance.toml")
    except ConfigError as error:
        for line in str(error).split("\noneglance.toml: "):
            assert "Input should" not in line
