"""Whatever is wrong ends in one message with location, what and hint, exit code 1, and nothing half done."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import builtins
import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.user import CONFIG, PICTURES, Shell, files, home, shell, trained  # noqa: F401

from oneglance.storage.run_folder import RunFolder

pytestmark = pytest.mark.usefixtures("few_resamples")


def left_alone(home: Path, before: set[str]) -> None:
    """Nothing of a run is there, nor what an unfinished writing would leave."""
    assert files(home) == before


# Wrong keys and names, in every kind of table.

CONFIGURATIONS = {
    "trainin.epochs=1": ['has no key "trainin"', 'mean "training"'],
    "training.epoch=1": ['[training] has no key "epoch"', 'mean "epochs"'],
    "split.tests=0.1": ['[split] has no key "tests"', 'mean "test"'],
    "cache.folders=x": ['[cache] has no key "folders"', 'mean "folder"'],
    "augment.flips=true": ['[augment] has no key "flips"', 'mean "flip"'],
    "pictures.fits=crop": ['[pictures] has no key "fits"', 'mean "fit"'],
    "backbone.nme=small": ['[backbone] has no key "nme"', 'mean "name"'],
    "backbone.options.widht=4": ['[backbone.options] has no key "widht"', 'mean "width"'],
    "training.balancer_options.x=1": ['[training.balancer_options] has no key "x"'],
    "tasks.digit.smothing=0": ['[tasks.digit] has no key "smothing"', 'mean "smoothing"'],
    "tasks.shapes.seperator=,": ['[tasks.shapes] has no key "seperator"', 'mean "separator"'],
    "tasks.covered.units=m": ['[tasks.covered] has no key "units"', 'mean "unit"'],
    "sources.0.imge=photo": ['has no key "imge"', 'mean "image"'],
    "training.epochs=many": ['[training] epochs is "many"', "write a whole number"],
    "training.batch=0": ["[training] batch is 0", "write a number of at least 1"],
    "backbone.size=4": ["[backbone] size is 4", "write a number of at least 8"],
    "backbone.options.width=1": ["[backbone.options] width is 1", "write a number of at least 4"],
    "augment.scale=[-1, 1]": ["[augment] scale holds -1", "write a number above 0"],
    "sources.0.annotates=3": ["annotates is 3", "write a list in [ ] or a table"],
    "tasks.digit.type=lable": ['[tasks.digit] has no type "lable"', 'mean "label"'],
    "sources.0.format=tabel": ['has no format "tabel"', 'mean "table"'],
    "backbone.name=smal": ['[backbone] has no name "smal"', 'mean "small"'],
    "backbone.name=resnt18": ['[backbone] has no name "resnt18"', 'mean "resnet18"'],
    "training.balancer=eqal": ['[training] has no balancer "eqal"', 'mean "equal"'],
    "training.device=gpu": ['[training] device is "gpu"', "does not have", "Here: cpu"],
    "backbone.weights=lost.safetensors": ["lost.safetensors: there is no such file of weights"],
    "sources.0.path=nowhere": ["nowhere does not exist"],
    "sources.0.path=oneglance.toml": ["nothing known reads", "name its format: "],
    "sources.0.image=photo": ['labels.csv  has no column "photo"', "Known: ", "image"],
    "sources.0.group=scen": ['labels.csv  group is "scen"', 'mean "scene"'],
    "sources.0.encoding=utf-88": ['encoding = "utf-88" is no known one'],
    'sources.0.annotates=["digt"]': ['annotates names "digt", which is no task', 'mean "digit"'],
    'sources.0.annotates={digt = ["1"]}': ['annotates names "digt", which is no task', 'mean "digit"'],
    "sources.0.columns.digt=digit": ['columns names "digt", which is no task', 'mean "digit"'],
    "sources.0.columns.digit=digt": ['columns.digit names the field "digt"', 'mean "digit"'],
    "tasks.digit.from=digt": ['no source holds anything in the field "digt"', 'mean "digit"', "`from`"],
    'tasks.digit.uses=["shaps"]': ['[tasks.digit] uses "shaps", which is no task', 'mean "shapes"'],
    'tasks.digit.uses=["digit"]': ["the tasks digit use each other in a circle"],
    'tasks.digit.class_weights={"77" = 2.0}': ['class_weights names "77", which is no class'],
    'tasks.digit.classes=["1", "2"]': ["labels.csv:", "digit is "],
    "tasks.covered.log=true": ["covered", "above 0"],
    "split.validation=0.9": ["[split]: test and validation together leave nothing to train on"],
    "training.epochs": ['"training.epochs" is not of the form key.path=value'],
    "sources.7.path=x": ["names number 7 of 1", "numbered from 0"],
    "text=x": ['has no key "text"'],
}


@pytest.mark.parametrize("override", CONFIGURATIONS)
def test_a_wrong_configuration(override: str, home: Path, shell: Shell) -> None:
    before = files(home)
    said = shell("train", "oneglance.toml", "--out", "runs/b", "--set", override).refused()
    for words in CONFIGURATIONS[override]:
        assert words in said
    left_alone(home, before)


def test_a_circle_of_uses(home: Path, shell: Shell) -> None:
    Path("oneglance.toml").write_text(
        CONFIG.replace(
            "[tasks.background]\n", 'uses = ["background"]\n[tasks.background]\nuses = ["digit"]\n'
        )
    )
    said = shell("check", "oneglance.toml").refused()
    assert said == "oneglance.toml: the tasks digit, background use each other in a circle"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[training\n", "is not valid TOML"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"", 'needs the key "sources"'),
    ],
)
@pytest.mark.parametrize("verb", ["train", "check"])
def test_a_file_that_is_no_configuration(
    verb: str, content: bytes, words: str, home: Path, shell: Shell
) -> None:
    Path("oneglance.toml").write_bytes(content)
    before = files(home)
    said = shell(verb, "oneglance.toml").refused()
    assert said.startswith("oneglance.toml: ")
    assert words in said
    left_alone(home, before)


def test_a_configuration_that_is_not_there_or_is_a_folder(home: Path, shell: Shell) -> None:
    for verb in ("check", "train"):
        said = shell(verb, "lost.toml").refused()
        assert said == "lost.toml: there is no such file — write one with: oneglance init PICTURES"
        assert shell(verb, "scenes").refused().startswith("scenes: is a folder, not a configuration — ")


def test_pretrained_weights_without_a_connection(
    home: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "no cache"))
    before = files(home)
    words = ["train", "oneglance.toml", "--set", "backbone.name=resnet18", "--set", "backbone.options={}"]
    said = shell(*words).refused()
    assert said.startswith("[backbone]: the pretrained weights of resnet18 are neither on this machine nor")
    for way in ("go online once", 'weights = "weights.safetensors"', 'weights = "none"'):
        assert way in said
    left_alone(home, before)


# Wrong data.

HEAD = "image,kind,price\n"


def rows(kind: str = "xy", price: str = "{}", count: int = 30) -> str:
    cells = ((kind[number % len(kind)].strip(), price.format(number)) for number in range(count))
    return "".join(f"images/{n:05}.png,{said},{cost}\n" for n, (said, cost) in enumerate(cells))


def row(kind: str = "x", price: str = "3", picture: str = "images/00040.png") -> str:
    return f"{picture},{kind},{price}\n"


TABLES: dict[str, tuple[str | bytes, list[str]]] = {
    "nothing in it": ("", ["labels.csv  is empty"]),
    "no rows": (HEAD, ["labels.csv  holds no pictures"]),
    "one picture": (HEAD + row(), ["no picture is left for validation and test", "1 pictures"]),
    "no picture column": (
        "name,kind,price\nx,y,3\n",
        ["no column looks like the pictures' names", "image = "],
    ),
    "no answers": (HEAD + rows(" ", ""), ["kind  no source holds anything in the field"]),
    "no price": (HEAD + rows(price=""), ['price  no source holds anything in the field "price"']),
    "a misspelt column": (rows().join(["image,knd,price\n", ""]), ['field "kind"', 'mean "knd"']),
    "a constant number": (HEAD + rows(price="3"), ["price", "there is nothing to learn"]),
    "a single class": (HEAD + rows("x"), ["kind", 'only the class "x"']),
    "words for a number": (
        HEAD + rows() + row(price="cheap"),
        ['labels.csv:32  price is "cheap"', "such as 30"],
    ),
    "not a number": (HEAD + rows() + row(price="nan"), ['labels.csv:32  price is "nan"', "finite"]),
    "infinity": (HEAD + rows() + row(price="-inf"), ['labels.csv:32  price is "-inf"', "finite"]),
    "too large": (HEAD + rows() + row(price="1e999"), ['labels.csv:32  price is "1e999"', "finite"]),
    "not utf-8": (
        (HEAD + rows()).encode() + b"images/00040.png,\xe9,3\n",
        ["labels.csv:32  is not utf-8 text", 'encoding = "cp1252"'],
    ),
    "utf-16": ((HEAD + rows()).encode("utf-16"), ["is not utf-8 text", 'encoding = "utf-16"']),
    "a NUL": (HEAD + rows() + row("\0"), ["labels.csv:32  holds a NUL character"]),
    "duplicate columns": ("image,kind,kind,price\n", ['two columns are called "kind"', "its own name"]),
    "a contradiction": (HEAD + rows() + row("y", "0", "images/00000.png"), ["labels.csv:32", "labels.csv:2"]),
    "all pictures lost": (HEAD + rows().replace("images/", "lost/"), ["labels.csv:2", "is not there"]),
}


@pytest.fixture
def shop(home: Path) -> Path:
    """A configuration with a label and a number; the table is the test's."""
    text = CONFIG[: CONFIG.index("[tasks.digit]")].replace('group = "scene"\n', "")
    text += '[tasks.kind]\ntype = "label"\n[tasks.price]\ntype = "number"\n'
    text += CONFIG[CONFIG.index("[cache]") :].replace("epochs = 2", "epochs = 1")
    (home / "shop.toml").write_text(text)
    return home


def write(home: Path, content: str | bytes) -> None:
    data = content if isinstance(content, bytes) else content.encode()
    (home / "scenes" / "labels.csv").write_bytes(data)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_cannot_be_used(name: str, shop: Path, shell: Shell) -> None:
    content, words = TABLES[name]
    write(shop, content)
    before = files(shop)
    said = shell("train", "shop.toml", "--out", "runs/b").refused()
    left_alone(shop, before)
    checked = shell("check", "shop.toml")
    assert checked.code == 1, "what a training refuses, a check refuses"
    for part in words:
        assert part in said
        assert part in checked.out
    assert "Traceback" not in checked.err


USABLE: dict[str, tuple[str, int, list[str]]] = {
    "as it should be": (HEAD + rows(), 0, []),
    "a class with one picture": (
        HEAD + rows() + row("zz"),
        0,
        ['kind "zz"  has 1 picture', "drop the class"],
    ),
    "a path leaving its folder": (
        HEAD + rows() + row(picture="../../secret.png"),
        0,
        ['labels.csv:32  "../../secret.png" is no file in the pictures\' folder', "the row is left out"],
    ),
    "a web address": (HEAD + rows() + row(picture="https://a.b/c.png"), 0, ["is a web address"]),
    "a picture that is not there": (
        HEAD + rows() + row(picture="images/lost.png"),
        3,
        ['labels.csv:32  the picture "images/lost.png" is not there', "the row is left out"],
    ),
    "too many cells": (HEAD + rows() + "images/00040.png,x,3,4,5\n", 0, ["labels.csv:32  has 5 cells"]),
    "an open quotation mark": (HEAD + rows() + 'images/00040.png,"x,3\n', 0, ["quotation mark", "left out"]),
}


@pytest.mark.parametrize("name", USABLE)
def test_a_table_that_can_be_used_but_for_a_row(name: str, shop: Path, shell: Shell) -> None:
    content, code, words = USABLE[name]
    write(shop, content)
    checked = shell("check", "shop.toml")
    assert checked.code == code
    said = shell("train", "shop.toml", "--out", "runs/b")
    assert said.code == 0
    for part in words:
        assert part in checked.out
        assert part in said.err
    trained_on = Path("runs/b/split.csv").read_text().splitlines()[1:]
    assert len(trained_on) == 31 if "one picture" in name else 30


def test_pictures_of_one_pixel_and_of_one_row_work(shop: Path, shell: Shell) -> None:
    for name, size in {"dot": (1, 1), "wide": (20_000, 1), "tall": (1, 20_000)}.items():
        for copy in range(5):
            Image.new("RGB", size, (40 * copy, 9, 9)).save(shop / "scenes" / f"{name}{copy}.png")
    odd = "".join(row(picture=f"{name}{n}.png") for name in ("dot", "wide", "tall") for n in range(5))
    write(shop, HEAD + rows() + odd)
    assert shell("check", "shop.toml").code == 0
    assert shell("train", "shop.toml", "--out", "runs/b").code == 0
    assert shell("evaluate", "runs/b").code == 0


def test_unreadable_pictures_are_named_and_left_out(shop: Path, shell: Shell) -> None:
    write(shop, HEAD + rows())
    whole = (shop / "scenes/images/00001.png").read_bytes()
    (shop / "scenes/images/00001.png").write_bytes(whole[: len(whole) // 2])
    (shop / "scenes/images/00002.png").write_bytes(b"")
    said = shell("check", "shop.toml")
    assert said.code == 3
    assert "images/00001.png" in said.out
    assert "images/00002.png" in said.out
    said = shell("train", "shop.toml", "--out", "runs/b", "--set", "split.test=0")
    assert said.code == 3
    assert "2 of 30 pictures cannot be read and are left out" in said.err
    named = json.loads((shop / "runs/b/unreadable.json").read_text())
    assert sorted(Path(row["image"]).name for row in named) == ["00001.png", "00002.png"]
    assert all(row["error"] for row in named)


def test_no_readable_picture_at_all(shop: Path, shell: Shell) -> None:
    write(shop, HEAD + rows())
    for number in range(PICTURES):
        (shop / f"scenes/images/{number:05}.png").write_bytes(b"no picture %d" % number)
    before = files(shop)
    said = shell("train", "shop.toml", "--out", "runs/b").refused()
    assert "no picture of the train split can be read" in said
    left_alone(shop, before)


def test_an_empty_folder(home: Path, shell: Shell) -> None:
    Path("empty").mkdir()
    before = files(home)
    for words in (["train", "oneglance.toml"], ["check", "oneglance.toml"]):
        said = shell(*words, "--set", "sources=[{path='empty'}]")
        assert said.code == 1
        assert "empty  holds no pictures" in said.out + said.err
    assert shell("init", "empty", "--out", "new.toml").refused().startswith("empty  holds no pictures")
    assert shell("predict", "runs/a", "empty").refused().startswith("empty  holds no pictures")
    left_alone(home, before)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["init", "lost"], "lost: there is no such file or folder"),
        (["init", "oneglance.toml"], "oneglance.toml: is no place of pictures that we know — give a folder"),
        (["init", "scenes/images"], "nothing there looks like an answer — name a table of answers"),
        (["init", "runs", "scenes/labels.csv"], "none of the 60 pictures that it names is in runs"),
        (["init", "scenes/labels.csv", "--recipe", "clasic"], 'there is no recipe "clasic". Did you mean'),
        (["init", "scenes/labels.csv", "--out", "no/new.toml"], "no/new.toml: cannot be written"),
    ],
)
def test_init_that_finds_nothing(words: list[str], message: str, home: Path, shell: Shell) -> None:
    before = files(home)
    out = [] if "--out" in words else ["--out", "new.toml"]
    assert message.replace("/", os.sep) in shell(*words, *out).refused().replace("/", os.sep)
    left_alone(home, before)


# Runs that are not there, not finished, or changed.


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["evaluate", "runs/z"], "runs/z: there is no such run folder — list them with: oneglance runs"),
        (["evaluate", "oneglance.toml"], "oneglance.toml: is a configuration and not a run — name the"),
        (["predict", "oneglance.toml", "scenes"], "which this makes: oneglance train oneglance.toml"),
        (["predict", "runs/z", "scenes"], "runs/z: there is no such run folder — list them with"),
        (["train", "runs/z", "--resume"], "there is no such file"),
        (["evaluate", "scenes"], "scenes: is not a run folder: it has no config.toml"),
        (["predict", "scenes", "scenes"], "scenes: is not a run folder: it has no config.toml"),
        (["train", "scenes", "--resume"], "scenes: is not a run folder: it has no config.toml"),
        (
            ["train", "runs/a"],
            "runs/a: is a folder, not a configuration — to go on with this run: oneglance train runs",
        ),
        (["train", "oneglance.toml", "--resume"], "no unfinished run of scenes in runs/ — name its folder"),
        (["train", "oneglance.toml", "--out", "runs/a"], "runs/a: holds a run already — continue it with"),
        (["train", "oneglance.toml", "--out", "oneglance.toml"], "a file is in the way"),
        (["evaluate", "runs/a", "--split", "train"], '"train" is no split to score — choose test or'),
        (["predict", "runs/a", "lost.png"], "lost.png: there is no such file or folder"),
        (["predict", "runs/a", "lost/*.png"], "lost/*.png: no picture matches"),
        (["predict", "runs/a", "oneglance.toml"], "is no place of pictures that we know — give a folder"),
        (["predict", "runs/a", "scenes", "--out", "a.xlsx"], 'has the ending ".xlsx" — use .jsonl, .csv or'),
        (["predict", "runs/a", "scenes", "--out", "no/a.csv"], "cannot be written"),
        (["predict", "runs/a", "scenes", "--device", "gpu"], '"gpu", which this machine does not have'),
        (["get", "mnits"], 'there is no set "mnits". Did you mean "mnist"?'),
    ],
)
def test_a_request_that_makes_no_sense(words: list[str], message: str, home: Path, shell: Shell) -> None:
    before = files(home)
    assert message in shell(*words).refused()
    left_alone(home, before)


@pytest.mark.parametrize("words", [["evaluate", "runs/a"], ["predict", "runs/a", "scenes"]])
def test_a_run_that_is_not_finished(words: list[str], home: Path, shell: Shell) -> None:
    (home / "runs/a/tasks.json").unlink()
    before = files(home)
    said = shell(*words).refused()
    assert said == ("runs/a: this run is not finished — continue it with: oneglance train runs/a --resume")
    left_alone(home, before)


def test_evaluate_after_the_data_changed(home: Path, shell: Shell) -> None:
    table = home / "scenes/labels.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    before = files(home)
    said = shell("evaluate", "runs/a").refused()
    assert said == (
        "runs/a: the pictures or groups have changed since this run was trained — train anew to be sure"
    )
    left_alone(home, before)


# A machine that fails.


def test_a_loss_that_becomes_nan_before_anything_is_learned(home: Path, shell: Shell) -> None:
    before = files(home)
    said = shell("train", "oneglance.toml", "--out", "runs/b", "--set", "training.learning_rate=1e30")
    last = said.refused().splitlines()[-1]
    assert last.startswith("the loss of digit, background, shapes, covered became NaN or infinite in epoch 1")
    assert "lower training.learning_rate" in last
    left_alone(home, before)


def test_a_loss_that_becomes_nan_later(home: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last good epoch stays, and the run can be used."""
    from oneglance.tasks.number import Number

    loss, calls = Number.loss, 0

    def spoilt(self: Number, raw: Any, target: Any) -> Any:
        nonlocal calls
        calls += 1
        found, known = loss(self, raw, target)
        return (found * float("nan") if calls > 4 else found), known

    monkeypatch.setattr(Number, "loss", spoilt)
    said = shell("train", "oneglance.toml", "--out", "runs/b").refused().splitlines()[-1]
    assert said.startswith("the loss of covered became NaN or infinite in epoch 2")
    assert "runs/b keeps the weights of epoch 1" in said
    assert RunFolder("runs/b").finished
    assert shell("predict", "runs/b", "scenes/images/00000.png").code == 0


class FullDisk:
    """From the given write on, no byte can be made safe in the folder."""

    def __init__(self, folder: Path, after: int) -> None:
        self.folder, self.left, self.fsync = folder, after, os.fsync

    def __call__(self, file: int) -> None:
        place = Path(f"/proc/self/fd/{file}").readlink()
        if place.is_relative_to(self.folder):
            self.left -= 1
            if self.left < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
        self.fsync(file)


linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs to know which file is written")


@pytest.mark.slow  # a training for each file
@linux
@pytest.mark.parametrize("after", range(0, 9, 2))
def test_a_full_disk_while_training(
    after: int, home: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever file finds the disk full: one message, and the training goes on once there is room."""
    before = files(home)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", FullDisk(home / "runs" / "b", after))
        said = shell("train", "oneglance.toml", "--out", "runs/b").refused().splitlines()[-1]
    assert re.fullmatch(r".*runs/b.*: the disk is full — free some space or name another folder", said)
    left = files(home) - before
    assert not [name for name in left if "/." in name], "half a file is left"
    if left:
        assert shell("train", "runs/b", "--resume").code == 0
    else:
        assert shell("train", "oneglance.toml", "--out", "runs/b").code == 0
    whole = (home / "runs/a/weights.safetensors").read_bytes()
    assert (home / "runs/b/weights.safetensors").read_bytes() == whole


@linux
@pytest.mark.parametrize(
    "words",
    [
        ["predict", "runs/a", "scenes", "--out", "new/answers.csv"],
        ["predict", "runs/a", "scenes", "--out", "new/answers.jsonl"],
        ["predict", "runs/a", "scenes", "--out", "new/answers.parquet"],
        ["evaluate", "runs/a", "--out", "new"],
        ["init", "scenes/labels.csv", "--out", "new/new.toml"],
    ],
)
def test_a_full_disk_elsewhere(
    words: list[str], home: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("new").mkdir()
    monkeypatch.setattr(os, "fsync", FullDisk(home / "new", 0))
    assert "the disk is full" in shell(*words).refused()
    assert files(home / "new") == set()


def refuse_writing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a read-only folder says, also to an administrator."""

    def guarded(real: Callable[..., Any], writes: Callable[..., bool]) -> Callable[..., Any]:
        def call(path: Any, *words: Any, **named: Any) -> Any:
            inside = isinstance(path, str | Path) and Path(path).absolute().is_relative_to(folder)
            if inside and writes(*words, **named):
                raise OSError(errno.EROFS, "Read-only file system", str(path))
            return real(path, *words, **named)

        return call

    def opens_to_write(mode: Any = "r", *_: Any, **named: Any) -> bool:
        return bool(set(str(mode)) & set("wxa+"))

    import io

    monkeypatch.setattr(io, "open", guarded(io.open, opens_to_write))
    monkeypatch.setattr(builtins, "open", guarded(builtins.open, opens_to_write))
    monkeypatch.setattr(os, "mkdir", guarded(os.mkdir, lambda *_, **__: True))


@pytest.mark.parametrize(
    "words",
    [
        ["train", "oneglance.toml", "--out", "locked/b"],
        ["train", "oneglance.toml", "--out", "locked"],
        ["evaluate", "runs/a", "--out", "locked"],
        ["evaluate", "runs/a", "--out", "locked/deep"],
        ["predict", "runs/a", "scenes", "--out", "locked/a.csv"],
        ["init", "scenes/labels.csv", "--out", "locked/new.toml"],
    ],
)
def test_a_read_only_folder(
    words: list[str], home: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("locked").mkdir()
    refuse_writing(home / "locked", monkeypatch)
    said = shell(*words).refused().splitlines()[-1]
    assert re.match(r"locked\b.*: cannot be written: not allowed — name another folder", said)
    assert files(home / "locked") == set()


def test_a_read_only_run_cannot_go_on(home: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "runs/a/tasks.json").unlink()
    before = {path: path.read_bytes() for path in Path("runs/a").iterdir()}
    refuse_writing(home / "runs" / "a", monkeypatch)
    said = shell("train", "runs/a", "--resume").refused().splitlines()[-1]
    assert "cannot be written: not allowed" in said
    assert {path: path.read_bytes() for path in Path("runs/a").iterdir()} == before
