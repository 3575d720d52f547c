"""``oneglance start``: the whole way in one command, and the commands that it names."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.user import Shell, shell  # noqa: F401

import oneglance
from oneglance.errors import ConfigError, StoppedError
from oneglance.progress import Screen

QUICK = ("--set", "training.epochs=1", "--set", "training.precision=fp32")
ONE_EPOCH = {"training.epochs": 1, "training.precision": "fp32"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty pictures of each of two kinds in ``my photos``, in the working directory."""
    monkeypatch.setenv("ONEGLANCE_CACHE", str(tmp_path / "cache"))
    work = tmp_path / "work"
    drawn = np.random.default_rng(0)
    for kind, colour in {"hat": (200, 40, 40), "shirt": (40, 40, 200)}.items():
        (work / "my photos" / kind).mkdir(parents=True)
        for number in range(20):
            pixels = np.clip(drawn.normal(colour, 20, (24, 32, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(work / "my photos" / kind / f"{number}.png")
    monkeypatch.chdir(work)
    return work


def test_start_goes_the_whole_way_and_its_commands_can_be_copied(folder: Path, shell: Shell) -> None:
    response = shell("start", "my photos", *QUICK)
    assert response.code == 0, response.err
    found = response.err.splitlines()
    assert found[0] == "40 pictures: 28 train, 4 validation, 8 test"
    assert found[1] == "folder (label): hat 20, shirt 20"
    assert found[2] == "nothing looks suspicious"
    assert re.fullmatch(
        r"oneglance\.toml is written: small at 32 × 32 pixels, 1 epoch: about \d+ seconds? of training here, "
        r".*",
        found[3],
    )
    assert Path("runs/my photos/report.json").is_file()
    commands = [shlex.split(line.partition(":")[2]) for line in response.out.splitlines()[-4:]]
    assert [words[:2] for words in commands] == [
        ["oneglance", verb] for verb in ("predict", "serve", "train", "compare")
    ]
    assert shell(*commands[0][1:]).code == 0
    assert len(Path("answers.csv").read_text().splitlines()) == 1 + 40
    assert commands[1][2] == "runs/my photos"
    trained = shell(*commands[2][1:])
    assert trained.out == "now run: oneglance evaluate 'runs/my photos'\n"
    assert shell(*shlex.split(trained.out.partition(": oneglance")[2])).code == 0


def test_a_long_training_says_how_to_have_a_shorter_one(
    folder: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oneglance.starting.first_look.LONG", 0)
    first = shell("start", "my photos", *QUICK)
    assert first.code == 0, first.err
    line = next(line for line in first.err.splitlines() if "shorter" in line)
    assert line == "for a shorter training, the same command with --set training.minutes=20"
    again = shell("start", "my photos", *QUICK, "--out", "runs/short", *line.split()[-2:])
    assert again.code == 0 and "as many epochs as fit into 20 minutes" in again.err
    assert "shorter" not in again.err


def test_a_word_among_numbers_is_said_and_does_not_stop_it(folder: Path, shell: Shell) -> None:
    ages = ["50+" if n == 7 else str(20 + n) for n in range(40)]
    names = [f"{kind}/{n}.png" for kind in ("hat", "shirt") for n in range(20)]
    rows = "".join(f"{name},{age}\n" for name, age in zip(names, ages, strict=True))
    Path("my photos/ages.csv").write_text("image,age\n" + rows)
    response = shell("start", "my photos", *QUICK)
    assert response.code == 0, response.err
    assert 'age (number): 20 to 59, half of them below 40; 1 picture without an answer, "50+" among them' in (
        response.err
    )


@pytest.mark.slow  # a whole training in a process of its own
def test_start_speaks_json_alone_on_standard_output(folder: Path, shell: Shell) -> None:
    broken = folder / "my photos" / "hat" / "broken.png"
    broken.write_bytes(b"no picture")
    response = shell("start", "my photos", "--json", *QUICK)
    assert response.code == 3, response.err
    done = json.loads(response.out)
    assert list(done) == ["config", "run", "report", "chosen", "seconds", "peak_mb"]
    assert done["config"] == "oneglance.toml"
    assert done["run"] == "runs/my photos"
    assert done["report"]["tasks"] == json.loads(Path("runs/my photos/report.json").read_text())["tasks"]
    assert done["chosen"]["epochs"] == 1
    assert done["chosen"]["foretold"]["peak_mb"] > 0
    assert 0 < done["seconds"] < 200
    assert 100 < done["peak_mb"] < 50_000


@pytest.mark.slow  # trains for as long as it is told to
def test_start_takes_the_minutes_that_it_is_given(folder: Path, shell: Shell) -> None:
    response = shell("start", "my photos", "--minutes", "0.03", "--json", "--set", "training.precision=fp32")
    assert response.code == 0, response.err
    written = Path("oneglance.toml").read_text()
    assert "minutes = 0.03" in written and "epochs = " not in written
    assert "as many epochs as fit into 2 seconds" in response.err
    done = json.loads(response.out)
    assert done["chosen"]["minutes"] == 0.03
    assert done["chosen"]["foretold"]["seconds"] == 1.8
    assert done["chosen"]["epochs"] == len((Path(done["run"]) / "history.jsonl").read_text().splitlines())


@pytest.mark.slow  # two trainings from the first picture on
def test_start_goes_on_where_it_was_interrupted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from oneglance.starting import first_training

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(first_training, "evaluate", killed)
        with pytest.raises(KeyboardInterrupt):
            oneglance.start("my photos", overrides=ONE_EPOCH, screen=Screen())
    done = oneglance.start("my photos", overrides=ONE_EPOCH, screen=Screen())
    assert done["run"] == "runs/my photos"
    assert done.report.reads == 1
    again = oneglance.start("my photos", overrides=ONE_EPOCH, screen=Screen())
    assert again["run"] == "runs/my photos-2"


def test_start_keeps_what_is_there(folder: Path) -> None:
    oneglance.init("my photos")
    (folder / "others").mkdir()
    with pytest.raises(ConfigError, match="is not about others"):
        oneglance.start("others", screen=Screen())
    with pytest.raises(ConfigError, match="so --backbone would change nothing"):
        oneglance.start("my photos", backbone="small", screen=Screen())


class Refusing(Screen):
    def ask(self, question: str) -> bool:
        return False


@pytest.mark.slow  # three processes
def test_start_asks_only_where_it_should(folder: Path) -> None:
    with pytest.raises(StoppedError, match="nothing was trained"):
        oneglance.start("my photos", ask=True, screen=Refusing())
    assert Path("oneglance.toml").is_file()
    assert not Path("runs").exists()
