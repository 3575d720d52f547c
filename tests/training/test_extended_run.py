"""A finished run that learns further tasks: what it answered before stays the same to the bit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.drawn import own_cache
from support.everything import NAMES, Made, made  # noqa: F401
from support.user import Shell, shell  # noqa: F401

import oneglance
from oneglance import config as configuration
from oneglance.errors import ConfigError, DataError, RunError
from oneglance.evaluation import distillation
from oneglance.inference.predictor import Predictor
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder

NEW = """\
[[sources]]
path = "scenes/labels.csv"
group = "scene"
[tasks.ground]
type = "label"
from = "background"
uses = ["shapes"]
[tasks.amount]
type = "number"
from = "covered"
[training]
epochs = 2
task_stage = ["amount"]
[split]
seed = 3
"""


@dataclass
class Extended:
    """The finished run ``old`` with its exported file, what it was extended to, and what was said then."""

    folder: Path  # with the pictures
    old: Path
    file: Path
    new: Path
    lines: Sequence[str] = ()

    def photos(self) -> list[Path]:
        return sorted((self.folder / "scenes/images").iterdir())[:9]


_made: list[Extended] = []


class Heard(Screen):
    """Remembers what is said."""

    def __init__(self) -> None:
        self.lines = list[str]()

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="session")
def extended(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Extended:  # noqa: F811
    """A finished run with every type of task, and what it was extended to; nobody changes them."""
    if not _made:
        base = tmp_path_factory.mktemp("extended")
        new, screen = Extended(made.folder, made.run, made.file, base / "more"), Heard()
        with own_cache(tmp_path_factory):
            config = configuration.parse(NEW, base=made.folder)
            oneglance.extend(new.old, config, out=new.new, screen=screen)
        new.lines = screen.lines
        _made.append(new)
    return _made[0]


def rows(model: str | Path, photos: list[Path]) -> list[dict[str, Any]]:
    """What is told of each picture, with every number as it is."""
    return oneglance.load(model).predict(photos, screen=Screen()).to_dict()


def without_new(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for row in rows:
        assert row["answers"].pop("ground") and row["answers"].pop("amount")
    return rows


def test_old_answers_stay_the_same_to_the_bit(extended: Extended) -> None:
    before, after = rows(extended.old, extended.photos()), rows(extended.new, extended.photos())
    assert (
        next(iter(after[0]["answers"])) == "digit"
    )  # the old ones come first, but for those that use others
    assert json.dumps(without_new(after), sort_keys=True) == json.dumps(before, sort_keys=True)


def test_so_do_raw_outputs_and_vectors(extended: Extended) -> None:
    canvases = np.random.default_rng(0).integers(0, 256, (7, 32, 40, 3), np.uint8)
    runs = extended.old, extended.new
    before, after = (Predictor.open(RunFolder.open(run)).forward(canvases) for run in runs)
    assert before.vectors.tobytes() == after.vectors.tobytes()
    assert {name: raw.tobytes() for name, raw in before.raw.items()} == {
        name: after.raw[name].tobytes() for name in before.raw
    }
    assert after.raw["ground"].std() > 0 and after.raw["amount"].std() > 0


@pytest.mark.slow  # two exports
def test_so_do_those_of_exported_files(extended: Extended, tmp_path: Path) -> None:
    oneglance.export(extended.new, out=tmp_path / "more.onnx", screen=Screen())
    files = extended.file, tmp_path / "more.onnx"
    before, after = (rows(file, extended.photos()) for file in files)
    assert json.dumps(without_new(after), sort_keys=True) == json.dumps(before, sort_keys=True)


def test_it_is_a_run_like_any_other(extended: Extended) -> None:
    report = oneglance.evaluate(extended.new, screen=Screen())
    assert set(report["tasks"]) == {*NAMES, "ground", "amount"}
    assert report["tasks"]["ground"]["answered"] > 0
    assert (extended.new / "novelty.safetensors").read_bytes() == (
        extended.old / "novelty.safetensors"
    ).read_bytes()


def test_pictures_that_the_run_knows_stay_in_their_split(extended: Extended) -> None:
    before, after = (RunFolder.open(run).split() for run in (extended.old, extended.new))
    assert before == after  # though the new configuration would draw another split
    assert any("pictures stay in the split that they had" in line for line in extended.lines)
    assert len(RunFolder.open(extended.new).splits_by_content()) == len(before)


def test_pictures_of_a_run_further_back_do_too(extended: Extended, tmp_path: Path) -> None:
    shutil.copytree(extended.new, tmp_path / "run")
    (tmp_path / "run" / "fingerprint.json").unlink()
    theirs, ours = (RunFolder.open(run).splits_by_content() for run in (extended.old, tmp_path / "run"))
    assert theirs and ours == theirs


def test_digests_that_do_not_fit_the_split_say_nothing(extended: Extended, tmp_path: Path) -> None:
    """A damaged folder, such as one of which a teacher is asked what it knows."""
    run = RunFolder(Path(shutil.copytree(extended.old, tmp_path / "run")))
    run.write_split(run.split()[1:])
    assert run.splits_by_content() == {}
    assert distillation._known(run) == set()


def test_the_shell_tells_what_was_made(
    extended: Extended,
    tmp_path: Path,
    shell: Shell,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    text = NEW.replace("scenes/labels.csv", str(extended.folder / "scenes/labels.csv"))
    (tmp_path / "new.toml").write_text(text, encoding="utf-8")
    words = ("extend", extended.old, "new.toml", "--out", "more", "--json")
    said = shell(*words, "--set", "training.epochs=1", "--set", "training.task_stage=[]")
    assert said.code == 0, said
    answer = json.loads(said.out)
    assert answer["run"] == "more"
    assert set(answer["history"][0]["loss"]) == {"ground", "amount"}
    assert (tmp_path / "more" / "config.toml").read_text(encoding="utf-8") == text
    again = shell("train", "more", "--resume")
    assert again.code == 0 and "is finished already" in again.err + again.out


# What cannot be.

OWN = '[tasks.digit]\ntype = "label"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (NEW.replace("shapes", "shape"),
         r'\[tasks.ground\] uses "shape", which is no task. Did you mean "shapes"'),
        (NEW[: NEW.index("[tasks")] + OWN, r"names no task that .*runs/a does not have already: digit, "),
        (NEW + "[backbone]\nsize = 48\n",
         r"\[backbone\] size is \[40, 32\] in .*runs/a, whose answers .* and 48 here — leave size out"),
        (NEW + '[pictures]\nfit = "crop"\n', r'\[pictures\] fit is "letterbox" in .* and "crop" here'),
        (NEW.replace("[training]", '[training]\nfrom = "a"'),
         r"\[training\] from is what extend sets itself"),
        (NEW.replace('["amount"]', '["digit"]'),
         r'task_stage gives "digit" what it does not have in the run'),
        (NEW.replace("[training]", '[tasks.digit]\ntype = "label"\nuses = ["ground"]\n[training]'),
         r'\[tasks.digit\] is another task in .*: uses is \[\] there and \["ground"\] here — .*leave uses'),
        (NEW.replace("[training]", '[tasks.digit]\ntype = "number"\n[training]'),
         r'another task in .*runs/a: type is "label" there and "number" here — .* another name'),
        (NEW.replace("[training]", '[tasks.covered]\ntype = "number"\nunit = "cm"\n[training]'),
         r'unit is "%" there and "cm" here'),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_run_is_told_before_anything_is_read(
    extended: Extended, text: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oneglance.training.experiment_data.load_dataset", None)
    config = configuration.parse(text, base=extended.folder, location="new.toml")
    with pytest.raises(ConfigError, match=message):
        oneglance.extend(extended.old, config, out=extended.folder / "runs/none", screen=Screen())
    assert not (extended.folder / "runs/none").exists()


def test_no_finished_run(extended: Extended, tmp_path: Path) -> None:
    shutil.copytree(extended.old, tmp_path / "run")
    (tmp_path / "run" / "tasks.json").unlink()
    with pytest.raises(RunError, match="this run is not finished"):
        oneglance.extend(tmp_path / "run", configuration.parse(NEW, base=tmp_path), screen=Screen())


@pytest.mark.parametrize("file", ["config.toml", "tasks.json"])
def test_a_run_of_a_newer_version(extended: Extended, tmp_path: Path, file: str) -> None:
    shutil.copytree(extended.old, tmp_path / "run")
    kept = json.loads((tmp_path / "run/environment.json").read_text())
    kept["packages"]["oneglance"] = "99.1"
    (tmp_path / "run/environment.json").write_text(json.dumps(kept))
    odd = {"config.toml": "[training]\nmagic = true\n", "tasks.json": '{"digit": {"magic": true}}'}
    (tmp_path / "run" / file).write_text(odd[file])
    with pytest.raises(RunError, match=r"run: was trained by oneglance 99\.1, .* — update oneglance here"):
        oneglance.extend(tmp_path / "run", configuration.parse(NEW, base=tmp_path), screen=Screen())


def test_where_only_training_pictures_have_answers(
    extended: Extended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They say nothing of how good the answers are."""
    table = (extended.folder / "scenes/labels.csv").read_text().splitlines()
    learned = {row[0] for row in RunFolder.open(extended.old).split() if row[2] == "train"}
    rows = [row for row in table[1:] if any(row.split(",")[0].endswith(name) for name in learned)]
    (tmp_path / "few.csv").write_text("\n".join([table[0], *rows]))
    source = f'path = "{tmp_path / "few.csv"}"\nimages = "scenes"'
    config = configuration.parse(NEW.replace('path = "scenes/labels.csv"', source), base=extended.folder)
    with pytest.raises(DataError, match=r"no picture is left for validation: .* — add answers for further"):
        oneglance.extend(extended.old, config, out=extended.folder / "runs/none", screen=Screen())
