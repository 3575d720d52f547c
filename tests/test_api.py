"""Every verb as a function."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import json
import re
import shutil
import signal
import tomllib
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.user import CONFIG, PICTURES, TASKS, files, home, trained  # noqa: F401

import oneglance
from oneglance.data import synthetic
from oneglance.data.record import Box, BoxAnnotations, Record
from oneglance.data.source import open_source
from oneglance.errors import ConfigError, DataError, RunError, StoppedError
from oneglance.progress import Screen
from oneglance.starting import demonstration
from oneglance.storage.run_folder import RunFolder
from oneglance.storage.training_lock import training_lock

pytestmark = pytest.mark.usefixtures("few_resamples")

SILENT = Screen()
ONE_EPOCH = ("training.epochs=1",)


class Heard(Screen):
    """Remembers what is said, and what was done how far."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.done: dict[str, tuple[int, int]] = {}
        self.closed = False

    def say(self, text: str) -> None:
        self.lines.append(text)

    def progress(self, done: int, total: int, what: str) -> None:
        self.done[what] = (done, total)

    def close(self) -> None:
        self.closed = True


# init


def test_init_writes_what_train_reads(home: Path) -> None:
    place = oneglance.init("scenes/labels.csv", out="new.toml")
    assert place == Path("new.toml")
    written = tomllib.loads(place.read_text(encoding="utf-8"))
    assert written["sources"] == [{"path": "scenes/labels.csv", "group": "scene"}]
    kinds = {name: task["type"] for name, task in written["tasks"].items()}
    assert kinds == {"digit": "label", "background": "label", "shapes": "tags", "covered": "number"}
    assert not [problem for problem in oneglance.check(place, screen=SILENT) if problem.fatal]


@pytest.mark.parametrize("pictures", ["scenes", "scenes/images"])
def test_init_finds_where_the_names_of_a_table_start(home: Path, pictures: str) -> None:
    place = oneglance.init(pictures, "scenes/labels.csv", out="new.toml")
    (source,) = tomllib.loads(place.read_text(encoding="utf-8"))["sources"]
    assert source == {"path": "scenes/labels.csv", "images": "scenes", "group": "scene"}
    assert not [problem for problem in oneglance.check(place, screen=SILENT) if problem.fatal]


def test_init_says_which_names_were_found_by_their_ends(home: Path) -> None:
    text = Path("scenes/labels.csv").read_text(encoding="utf-8")
    Path("theirs.csv").write_text(text.replace("images/", "D:\\scenes\\").upper().replace("IMAGE,", "image,"))
    place = oneglance.init("scenes/images", "theirs.csv", out="new.toml")
    written = place.read_text(encoding="utf-8")
    assert tomllib.loads(written)["sources"][0]["images"] == "scenes/images"
    assert (
        '# names 60 pictures otherwise than their files are called: 60 without the beginning "D:\\SCENES\\"'
        in written
    )
    assert not [problem for problem in oneglance.check(place, screen=SILENT) if problem.fatal]


def test_init_reads_folders_and_archives(home: Path) -> None:
    for number, path in enumerate(sorted(Path("scenes/images").iterdir())[:20]):
        folder = Path("photos") / ("hat" if number % 2 else "shirt")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / path.name)
    shutil.make_archive("photos", "zip", "photos")
    for given in ("photos", "photos.zip"):
        place = oneglance.init(given, out="new.toml", force=True)
        written = tomllib.loads(place.read_text(encoding="utf-8"))
        assert written["sources"] == [{"path": given}]
        assert written["tasks"] == {"folder": {"type": "label"}}
        assert not [problem for problem in oneglance.check(place, screen=SILENT) if problem.fatal]


def test_a_configuration_elsewhere_still_finds_its_data(home: Path, tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    place = oneglance.init("scenes/labels.csv", out=tmp_path / "away" / "new.toml")
    (source,) = tomllib.loads(place.read_text(encoding="utf-8"))["sources"]
    assert Path(source["path"]) == (home / "scenes" / "labels.csv").resolve()
    assert not [problem for problem in oneglance.check(place, screen=SILENT) if problem.fatal]


def test_init_spares_what_is_there(home: Path) -> None:
    with pytest.raises(ConfigError, match="exists already — name another with --out, or add --force"):
        oneglance.init("scenes/labels.csv")
    assert Path("oneglance.toml").read_text() == CONFIG
    oneglance.init("scenes/labels.csv", force=True)
    assert Path("oneglance.toml").read_text() != CONFIG


def test_init_knows_the_recipe_of_a_textbook(home: Path) -> None:
    place = oneglance.init("scenes/labels.csv", out="new.toml", recipe="classic")
    written = tomllib.loads(place.read_text(encoding="utf-8"))
    assert written["training"]["optimizer"] == "sgd"
    assert written["tasks"]["digit"]["hidden"] == [128]
    with pytest.raises(ConfigError, match='there is no recipe "clasic"'):
        oneglance.init("scenes/labels.csv", out="other.toml", recipe="clasic")
    assert not Path("other.toml").exists()


# convert


def boxes_and_labels() -> list[Path]:
    """A table of boxes and one of words about the same pictures, and about one more each."""
    rows = [f"0000{n}.png,{kind},1,2,9,12" for n, kind in enumerate(("cat", "dog", "cat"))]
    Path("boxes.csv").write_text("\n".join(["image,label,xmin,ymin,xmax,ymax", *rows]) + "\n")
    Path("words.csv").write_text("image,mood,split\n00001.png,calm,train\n00003.png,wild,test\n")
    return [Path("boxes.csv"), Path("words.csv")]


def said_in(place: str) -> dict[str, dict[str, Any]]:
    """What is said of each picture of a data set, by the name of its file."""
    records = [item for item in open_source({"path": place}, Path()).read() if isinstance(item, Record)]
    return {Path(record.image.name).name: {**record.answers, "part": record.split} for record in records}


def test_convert_joins_sources_and_loses_nothing(home: Path) -> None:
    before = files(home) | {"boxes.csv", "words.csv"}
    screen = Heard()
    problems = oneglance.convert(boxes_and_labels(), "coco", "new", images="scenes/images", screen=screen)
    assert problems == []
    assert screen.done["writing"] == (4, 4)
    assert screen.closed
    assert {name for name in files(home) if not name.startswith("new")} == before
    found = said_in("new")
    assert {name: (said.get("mood"), said["part"]) for name, said in found.items()} == {
        "00000.png": (None, ""),
        "00001.png": ("calm", "train"),
        "00002.png": (None, ""),
        "00003.png": ("wild", "test"),
    }
    boxes = {name: said["objects"] for name, said in found.items() if "objects" in said}
    assert boxes["00001.png"] == BoxAnnotations((Box(1, 2, 9, 12, "dog"),), frozenset({"cat", "dog"}))
    assert "00003.png" not in boxes, "nobody looked for boxes in it"
    for name in found:
        assert (Path("new/images") / name).read_bytes() == (Path("scenes/images") / name).read_bytes()


def test_convert_may_leave_the_pictures_where_they_are(home: Path) -> None:
    oneglance.convert("scenes/labels.csv", "table", "new", copy=False, screen=SILENT)
    assert files(Path("new")) == {"labels.csv"}
    assert len(said_in("new/labels.csv")) == PICTURES


def test_convert_writes_nothing_of_sources_that_contradict_each_other(home: Path) -> None:
    places = boxes_and_labels()
    Path("more.csv").write_text("image,mood\n00001.png,wild\n")
    with pytest.raises(DataError, match=r'mood is "wild", but "calm" in words\.csv:2 for the same picture'):
        oneglance.convert([*places, "more.csv"], "coco", "new", images="scenes/images", screen=SILENT)
    assert not Path("new").exists()


def test_convert_refuses_before_it_reads(home: Path) -> None:
    with pytest.raises(ConfigError, match='Did you mean "voc"'):
        oneglance.convert("nowhere", "vocc", "new", screen=SILENT)
    with pytest.raises(RunError, match="is not empty"):
        oneglance.convert("nowhere", "voc", "scenes", screen=SILENT)
    with pytest.raises(DataError, match="nowhere: there is no such file"):
        oneglance.convert("nowhere", "voc", "new", screen=SILENT)


# check


def test_check_tells_all_and_changes_nothing(home: Path) -> None:
    before = files(home)
    table = Path("scenes/labels.csv")
    table.write_text(table.read_text() + "images/lost.png,s1,1,sea,none,3\nimages/00000.png,s0,,,,much\n")
    Path("scenes/images/00003.png").write_bytes(b"no picture")
    screen = Heard()
    problems = oneglance.check("oneglance.toml", screen=screen)
    found = {problem.kind: problem for problem in problems}
    assert found["picture not there"].location == "labels.csv:62"
    assert found["misfit: covered"].location == "labels.csv:63"
    assert found["misfit: covered"].fatal
    assert not found["unreadable"].fatal
    assert found["unreadable"].location == "images/00003.png"
    assert screen.done["looking at every picture"] == (PICTURES, PICTURES)
    assert screen.closed
    assert files(home) == before
    shown = oneglance.summary(problems)
    assert shown[0].startswith("labels.csv:63  covered is "), "what stops a training comes first"


def test_check_without_pictures_opens_none(home: Path) -> None:
    Path("scenes/images/00003.png").write_bytes(b"no picture")
    problems = oneglance.check("oneglance.toml", pictures=False, screen=SILENT)
    assert "unreadable" not in {problem.kind for problem in problems}


def test_check_names_what_a_promised_coverage_needs(home: Path) -> None:
    """As train refuses it, each task by itself; a coverage that nobody asked for promises nothing."""
    ours = ["tasks.background.coverage=0.99", "tasks.digit.coverage=0.5"]
    problems = oneglance.check("oneglance.toml", overrides=ours, pictures=False, screen=SILENT)
    (one,) = (problem for problem in problems if problem.fatal)
    assert one.location == "background" and "coverage = 0.99 needs 99 validation" in one.what
    assert "choose a coverage of at most 0." in one.hint and "validation split" in one.hint
    assert not [one for one in oneglance.check("oneglance.toml", pictures=False, screen=SILENT) if one.fatal]


@pytest.mark.parametrize("column", ["digit", "covered"])
def test_check_refuses_what_train_refuses(home: Path, column: str) -> None:
    text = "image,digit,covered\n" + "".join(
        f"images/{number:05}.png,{3 if column == 'digit' else number % 5},"
        f"{3 if column == 'covered' else number}\n"
        for number in range(PICTURES)
    )
    Path("scenes/labels.csv").write_text(text)
    ours = ["sources.0.group=", "tasks={digit={type='label'},covered={type='number'}}"]
    problems = oneglance.check("oneglance.toml", overrides=ours, screen=SILENT)
    assert [problem for problem in problems if problem.fatal and column in str(problem)]
    with pytest.raises(DataError, match=column):
        oneglance.train("oneglance.toml", overrides=ours, out="runs/b", screen=SILENT)
    assert not Path("runs/b").exists()


# train


def test_train_makes_a_run(home: Path) -> None:
    screen = Heard()
    run = oneglance.train("oneglance.toml", overrides=ONE_EPOCH, out="runs/b", screen=screen)
    assert repr(run) == "Run('runs/b')"
    assert files(run.path) == {
        "config.toml",
        "environment.json",
        "fingerprint.json",
        "fitted.json",
        "lock",
        "history.jsonl",
        "losses.safetensors",
        "novelty.safetensors",
        "unreadable.json",
        "overrides.json",
        "split.csv",
        "tasks.json",
        "weights.safetensors",
    }
    assert (run.path / "config.toml").read_text() == CONFIG
    assert json.loads((run.path / "overrides.json").read_text())["overrides"] == {"training.epochs": 1}
    assert [row["epoch"] for row in run.history()] == [1]
    assert screen.lines[-1] == "finished: runs/b (epoch 1 is kept)"
    assert screen.closed


@pytest.mark.slow  # several trainings
def test_runs_get_names_of_their_own(home: Path) -> None:
    Path("clothes.toml").write_text(CONFIG)
    train = partial(oneglance.train, overrides=ONE_EPOCH, screen=SILENT)
    assert [train(name).path for name in ("clothes.toml", "clothes.toml", "oneglance.toml")] == [
        Path("runs/clothes"),
        Path("runs/clothes-2"),
        Path("runs/scenes"),
    ]


def test_the_same_seed_gives_the_same_run(trained: Path, home: Path) -> None:
    again = oneglance.train("oneglance.toml", out="runs/b", screen=SILENT)
    for name in ("weights.safetensors", "tasks.json", "split.csv"):
        assert (again.path / name).read_bytes() == (trained / "runs/a" / name).read_bytes()


def test_a_run_is_not_written_over(home: Path) -> None:
    before = (home / "runs/a/weights.safetensors").read_bytes()
    with pytest.raises(RunError, match="holds a run already"):
        oneglance.train("oneglance.toml", out="runs/a", screen=SILENT)
    assert (home / "runs/a/weights.safetensors").read_bytes() == before


class Stops(Screen):
    """Presses Ctrl-C in the step of that number."""

    def __init__(self, at: int) -> None:
        self.left = at

    def step(self, epoch: int, epochs: int, step: int, steps: int, pictures: int) -> None:
        self.left -= 1
        if not self.left:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("way", ["folder", "file", "file and out"])
def test_a_stopped_training_goes_on(trained: Path, home: Path, way: str) -> None:
    with pytest.raises(StoppedError, match="nothing is lost — go on with: oneglance train runs/b --resume"):
        oneglance.train("oneglance.toml", out="runs/b", screen=Stops(2))
    assert not RunFolder("runs/b").finished
    screen = Heard()
    resume = partial(oneglance.train, resume=True, screen=screen)
    if way == "folder":
        run = resume("runs/b")
    elif way == "file":
        run = resume("oneglance.toml")
    else:
        run = resume("oneglance.toml", out="runs/b")
    assert run.path == Path("runs/b")
    assert "going on in epoch 1 after step 2" in screen.lines
    whole = (trained / "runs/a/weights.safetensors").read_bytes()
    assert (run.path / "weights.safetensors").read_bytes() == whole, "as if it had never been stopped"


def test_a_finished_run_has_nothing_to_go_on_with(home: Path) -> None:
    screen = Heard()
    before = {path: path.read_bytes() for path in Path("runs/a").iterdir()}
    assert oneglance.train("runs/a", resume=True, screen=screen).path == Path("runs/a")
    assert screen.lines == [
        "runs/a is finished already, with 2 epochs; to train it longer: "
        "oneglance train runs/a --resume --set training.epochs=4"
    ]
    for few in (1, 2):
        longer = {"training.epochs": few}
        assert oneglance.train("oneglance.toml", resume=True, overrides=longer, screen=screen).path == Path(
            "runs/a"
        )
    assert {path: path.read_bytes() for path in Path("runs/a").iterdir()} == before


def stopped(name: str = "runs/b") -> None:
    with pytest.raises(StoppedError):
        oneglance.train("oneglance.toml", out=name, screen=Stops(2))


def test_a_stopped_run_can_be_finished(home: Path) -> None:
    stopped()
    with pytest.raises(RunError, match="has not finished a single epoch"):
        oneglance.finish("runs/b", screen=SILENT)
    with pytest.raises(StoppedError):
        oneglance.train("runs/b", resume=True, screen=Stops(3))
    run = oneglance.finish("runs/b", screen=SILENT)
    assert run.folder.finished and len(run.history()) == 1
    screen = Heard()
    assert oneglance.finish("runs/b", screen=screen).path == run.path
    assert screen.lines == ["runs/b is finished already"]


def test_what_goes_on_is_what_was_begun(home: Path) -> None:
    stopped()
    with pytest.raises(RunError) as caught:
        oneglance.train("runs/b", resume=True, overrides=["training.learning_rate=0.1"], screen=SILENT)
    assert str(caught.value) == (
        "runs/b: was begun with other settings: [training] learning_rate was not set, is 0.1 — train anew, "
        "or leave that out; what may change: training.epochs, minutes, patience, and what does not alter "
        "what is learned (training.device, cache, where files lie)"
    )
    Path("oneglance.toml").write_text(CONFIG.replace("batch = 16", "batch = 8"))
    with pytest.raises(RunError, match=r"was begun with another configuration than oneglance\.toml is now"):
        oneglance.train("oneglance.toml", out="runs/b", resume=True, screen=SILENT)
    with pytest.raises(RunError, match="no unfinished run of scenes in runs/"):
        oneglance.train("oneglance.toml", resume=True, screen=SILENT)
    table = Path("scenes/labels.csv")
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(RunError, match="the data have changed since this run began"):
        oneglance.train("runs/b", resume=True, screen=SILENT)
    assert (home / "runs/b/resume.pt").exists(), "it may still go on once the data are back"


def kept_overrides(run: str) -> dict[str, object]:
    kept: dict[str, object] = json.loads((Path(run) / "overrides.json").read_text())["overrides"]
    return kept


def test_the_same_command_with_resume_goes_on(trained: Path, home: Path) -> None:
    """Equal values are no change, neither to what was said then nor to what the file or a default says."""
    ours = ["training.clip=5.0", "augment.shift=0.2", "training.epochs=2"]
    with pytest.raises(StoppedError):
        oneglance.train("oneglance.toml", out="runs/b", overrides=ours, screen=Stops(2))
    with pytest.raises(StoppedError):
        oneglance.train("oneglance.toml", out="runs/other", overrides=["augment.shift=0.3"], screen=Stops(2))
    before = (home / "runs/b/overrides.json").read_bytes()
    screen = Heard()
    run = oneglance.train(
        "oneglance.toml", resume=True, overrides=[*ours, "training.ema=0.998"], screen=screen
    )
    assert run.path == Path("runs/b"), "not the younger one, which was begun with other settings"
    assert "going on in epoch 1 after step 2" in screen.lines
    assert (home / "runs/b/overrides.json").read_bytes() == before


@pytest.mark.parametrize("way", ["--set", "file"])
def test_a_run_that_goes_on_can_become_longer(home: Path, way: str) -> None:
    stopped()
    if way == "--set":
        longer = partial(oneglance.train, overrides=["training.epochs=3", "cache.gigabytes=1"])
    else:
        text = CONFIG.replace("epochs = 2", "epochs = 3").replace("[cache]", "[cache]\ngigabytes = 1")
        Path("oneglance.toml").write_text(text)
        longer = partial(oneglance.train)
    with pytest.raises(StoppedError):
        longer("oneglance.toml", resume=True, screen=Stops(1))
    assert kept_overrides("runs/b") == {"training.epochs": 3, "cache.gigabytes": 1}
    run = oneglance.train("runs/b", resume=True, screen=SILENT)  # which has it by itself now
    assert [row["epoch"] for row in run.history()] == [1, 2, 3]


@pytest.mark.slow  # several trainings
def test_a_finished_run_is_trained_longer(home: Path) -> None:
    oneglance.evaluate("runs/a", screen=SILENT)
    report = Path("runs/a/report.json").read_bytes()
    screen = Heard()
    run = oneglance.train("oneglance.toml", resume=True, overrides="training.epochs=4", screen=screen)
    assert run.path == Path("runs/a")
    assert "going on after epoch 2, with the weights that were kept" in screen.lines
    assert [row["epoch"] for row in run.history()] == [1, 2, 3, 4]
    assert run.folder.finished and not (run.path / "report.json").exists()
    assert (run.path / "earlier-report.json").read_bytes() == report
    assert len(run.evaluate(screen=SILENT)["tasks"]) == 4


def test_a_finished_run_whose_data_have_changed_stays_as_it_is(home: Path) -> None:
    table = Path("scenes/labels.csv")
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    before = {path: path.read_bytes() for path in Path("runs/a").iterdir()}
    with pytest.raises(RunError, match="the data have changed since this run began"):
        oneglance.train("runs/a", resume=True, overrides="training.epochs=4", screen=SILENT)
    assert {path: path.read_bytes() for path in Path("runs/a").iterdir()} == before


def test_a_run_that_is_being_trained_is_left_alone(home: Path) -> None:
    stopped()
    with training_lock(RunFolder("runs/b")), pytest.raises(RunError, match="another process right now"):
        oneglance.train("runs/b", resume=True, screen=SILENT)
    assert oneglance.train("runs/b", resume=True, screen=SILENT).folder.finished


def test_minutes_are_a_setting_like_others(home: Path) -> None:
    screen = Heard()
    run = oneglance.train("oneglance.toml", out="runs/b", minutes=9, screen=screen)
    assert kept_overrides("runs/b") == {"training.minutes": 9}
    assert any(line.startswith("9 minutes: 2 epochs of ") for line in screen.lines)
    assert len(run.history()) == 2
    again = oneglance.train("runs/b", resume=True, minutes=18, screen=screen)
    assert len(again.history()) == 2 and "to train it longer" in screen.lines[-1], "epochs says 2"


def test_resume_needs_no_pretrained_weights(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted: list[bool] = []
    from oneglance.backbone import build_backbone as build

    stopped()
    monkeypatch.setattr(
        "oneglance.training.preparation.early_checks.build_backbone",
        lambda table, base, *, load_weights=True: (
            wanted.append(load_weights) or build(table, base, load_weights=load_weights)  # type: ignore[func-returns-value]
        ),
    )
    oneglance.train("runs/b", resume=True, screen=SILENT)
    assert wanted[0] is False


def test_a_folder_that_was_there_keeps_what_is_not_ours(home: Path) -> None:
    Path("mine").mkdir()
    Path("mine/diary.txt").write_text("dear diary")
    with pytest.raises(oneglance.OneglanceError):
        oneglance.train(
            "oneglance.toml", overrides=["training.learning_rate=1e30"], out="mine", screen=SILENT
        )
    assert Path("mine/diary.txt").read_text() == "dear diary"


# predict


def test_predict_gives_one_object_per_picture(home: Path) -> None:
    run = oneglance.Run("runs/a")
    names = ["scenes/images/00005.png", "scenes/images/00001.png"]
    rows = run.predict(names, screen=SILENT)
    assert [row["image"] for row in rows] == names
    assert [tuple(row["answers"]) for row in rows] == [TASKS, TASKS]
    (alone,) = run.predict(names[0], screen=SILENT)
    assert alone["answers"]["digit"]["value"] == rows[0]["answers"]["digit"]["value"]
    assert json.loads(json.dumps(rows.to_dict(), allow_nan=False)) == rows


def test_predict_tells_how_far_it_is(home: Path) -> None:
    screen = Heard()
    rows = oneglance.predict("runs/a", "scenes/images", screen=screen)
    assert len(rows) == PICTURES
    assert screen.done == {"predicting": (PICTURES, PICTURES)}
    assert screen.closed


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_predict_writes_a_file(home: Path, ending: str) -> None:
    out = Path(f"answers.{ending}")
    assert oneglance.predict("runs/a", "scenes/images", out=out, screen=SILENT) == []
    if ending == "parquet":
        images = pq.read_table(out).column("image").to_pylist()
    else:
        images = [line.split('"' if ending == "jsonl" else ",") for line in out.read_text().splitlines()]
        images = [words[3] for words in images] if ending == "jsonl" else [words[0] for words in images][1:]
    assert images == [f"scenes/images/{number:05}.png" for number in range(PICTURES)]


def test_predict_reads_archives_in_order(home: Path) -> None:
    with zipfile.ZipFile("new.zip", "w") as archive:
        for number in (3, 1, 2):
            archive.write(f"scenes/images/{number:05}.png", f"{number}.png")
        archive.writestr("4.png", b"no picture")
    rows = oneglance.predict("runs/a", ["new.zip", "scenes/images/00001.png"], screen=SILENT)
    assert [row["image"] for row in rows] == [
        *(f"new.zip/{number}.png" for number in (1, 2, 3, 4)),
        "scenes/images/00001.png",
    ]
    assert ["error" in row for row in rows] == [False, False, False, True, False]
    assert rows[0]["answers"]["digit"]["value"] == rows[4]["answers"]["digit"]["value"]


def test_a_moved_run_answers_all_the_same(home: Path, tmp_path: Path) -> None:
    before = oneglance.predict("runs/a", "scenes/images/00000.png", screen=SILENT)
    shutil.move("runs/a", tmp_path / "moved")
    shutil.move("scenes/images/00000.png", tmp_path / "00000.png")
    shutil.rmtree("scenes")
    after = oneglance.predict(tmp_path / "moved", tmp_path / "00000.png", screen=SILENT)
    assert after[0]["answers"] == before[0]["answers"]


# runs


def test_runs_are_listed(home: Path) -> None:
    shutil.copytree("runs/a", "runs/b")
    (home / "runs/b/tasks.json").unlink()
    (home / "runs/not a run").mkdir()
    first, second = oneglance.runs()
    assert (first["run"], first["state"], first["epochs"]) == ("a", "finished", 2)
    assert (second["run"], second["state"]) == ("b", "not finished")
    assert tuple(first["scores"]) == TASKS
    assert first["backbone"] == "small"
    assert oneglance.runs("nowhere") == []


@pytest.mark.parametrize("damage", ["config.toml", "overrides.json", "history.jsonl"])
def test_one_damaged_run_does_not_hide_the_others(home: Path, damage: str) -> None:
    shutil.copytree("runs/a", "runs/b")
    (home / "runs/b" / damage).write_bytes(b"{\xff")
    first, second = oneglance.runs()
    assert first["state"] == "finished"
    assert second["state"].startswith("damaged: ")
    assert set(first) == set(second)


# demo


def smaller(demo: str) -> str:
    """The same for a small network, and for an epoch only."""
    demo, sizes = re.subn(r"size = 64\noptions = .*", "size = 32\noptions = { width = 4, depth = 2 }", demo)
    demo, lengths = re.subn(r"epochs = \d+", 'epochs = 1\nprecision = "fp32"', demo)
    assert sizes == lengths == 1
    return demo


@pytest.fixture
def small_demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The demo with fewer and smaller pictures, and less to learn."""
    monkeypatch.setattr(synthetic, "write_scenes", partial(synthetic.write_scenes, size=32))
    monkeypatch.setattr(demonstration, "PICTURES", PICTURES)
    monkeypatch.setattr(demonstration, "DEMO", smaller(demonstration.DEMO))
    monkeypatch.chdir(tmp_path)


def test_the_demo_does_everything_once(small_demo: None) -> None:
    screen = Heard()
    run = oneglance.demo(screen=screen)
    assert run.path == Path("demo/runs/demo")
    assert {"report.json", "report.html", "tasks.json"} <= files(run.path)
    assert files(Path("demo")) >= {"oneglance.toml", "scenes/labels.csv", "answers.jsonl"}
    rows = [json.loads(line) for line in Path("demo/answers.jsonl").read_text().splitlines()]
    parts = [split for *_, split in RunFolder(run.path).split()]
    assert 0 < len(rows) == parts.count("test") < PICTURES
    assert "error" not in "".join(map(str, rows))
    assert json.loads((run.path / "report.json").read_text())["reads"] == 1


@pytest.mark.slow  # two demonstrations
def test_the_demo_may_be_run_again(small_demo: None) -> None:
    first = oneglance.demo(screen=SILENT)
    second = oneglance.demo(screen=SILENT)
    assert (first.path, second.path) == (Path("demo/runs/demo"), Path("demo/runs/demo-2"))
    weights = [(run.path / "weights.safetensors").read_bytes() for run in (first, second)]
    assert weights[0] == weights[1]


def test_the_demo_spares_a_folder_of_somebodys(small_demo: None) -> None:
    Path("oneglance.toml").write_text(CONFIG)
    with pytest.raises(ConfigError, match="is another one already — name a new folder for the demo"):
        oneglance.demo(".", screen=SILENT)
    assert Path("oneglance.toml").read_text() == CONFIG
    assert not Path("scenes").exists()


@pytest.mark.slow  # the real one, of half its length: 1,500 pictures and four epochs
def test_the_real_demo_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "epochs = 9\n" in demonstration.DEMO
    monkeypatch.setattr(demonstration, "DEMO", demonstration.DEMO.replace("epochs = 9\n", "epochs = 4\n"))
    run = oneglance.demo(tmp_path / "demo", screen=SILENT)
    report = json.loads((run.path / "report.json").read_text())["tasks"]
    assert report["background"]["metrics"]["accuracy"]["low"] > 0.9
    assert report["digit"]["metrics"]["accuracy"]["low"] > 0.5, "0.1 is chance, 9 epochs reach 0.98"


# Everything together: a number, a label, tags of three states, answers from two sources.


def write_shop(folder: Path) -> None:
    """The folders ``kinds/`` know the kind of every picture, ``shop/labels.csv`` price and tags of some."""
    draw = np.random.default_rng(0)
    rows: list[Sequence[object]] = []
    for number in range(48):
        red = number % 2
        pixels = draw.integers(0, 60, (16, 16, 3)).astype(np.uint8)
        pixels[..., 0 if red else 2] += 180
        place = Path("kinds") / ("red" if red else "blue") / f"{number:02}.png"
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / place)
        if number % 4:
            striped = ("yes", "no", "")[number % 3]
            rows.append((place.as_posix(), 10 + number if number % 5 else "", striped, "no"))
    (folder / "shop").mkdir()
    lines = ["photo,eur,striped,plain", *(",".join(map(str, row)) for row in rows)]
    (folder / "shop" / "labels.csv").write_text("\n".join(lines) + "\n")


SHOP = """\
[[sources]]
path = "shop/labels.csv"
images = "."
image = "photo"
columns = { price = "eur" }
annotates = ["price", "style"]
[[sources]]
path = "kinds"
columns = { kind = "folder" }
annotates = ["kind"]

[tasks.kind]
type = "label"
[tasks.price]
type = "number"
log = true
[tasks.style]
type = "tags"
from = ["striped", "plain"]
[tasks.verdict]
type = "label"
from = "folder"
uses = ["kind", "price"]

[cache]
workers = 1
[backbone]
size = 16
options = { width = 4, depth = 2 }
[augment]
colour = 0
[training]
epochs = 6
batch = 8
learning_rate = 0.02
precision = "fp32"
device = "cpu"
"""


@pytest.mark.slow  # a network learns until it answers
def test_one_network_learns_from_several_sources(tmp_path: Path) -> None:
    write_shop(tmp_path)
    config = tmp_path / "shop.toml"
    config.write_text(SHOP.replace('annotates = ["kind"]', 'annotates = ["kind", "verdict"]'))
    assert [str(p) for p in oneglance.check(config, screen=SILENT) if p.fatal] == []
    run = oneglance.train(config, out=tmp_path / "run", screen=SILENT)
    with (run.path / "split.csv").open() as file:
        assert len(file.readlines()) == 1 + 48, "a picture of both sources is one picture"
    report = run.evaluate(screen=SILENT)
    answered = {name: task["answered"] for name, task in report["tasks"].items()}
    assert answered["kind"] == answered["verdict"] == report["pictures"]
    assert 0 < answered["price"] < report["pictures"]
    assert 0 < answered["style"] < report["pictures"]
    assert report["tasks"]["kind"]["metrics"]["accuracy"]["value"] == 1.0, "red and blue are easy"
    answer = run.predict(tmp_path / "kinds/red/01.png", screen=SILENT)[0]["answers"]
    assert answer["kind"]["value"] == "red"
    assert answer["price"]["value"] > 0
    assert set(answer["style"]["probabilities"]) == {"striped", "plain"}


def test_tags_of_three_states_stay_three(tmp_path: Path) -> None:
    """Yes, no and nobody looked, tag by tag."""
    from oneglance import config as configuration
    from oneglance.data.dataset import load_dataset
    from oneglance.task import build_tasks

    write_shop(tmp_path)
    declared = configuration.parse(SHOP.replace('["kind"]', '["kind", "verdict"]'), base=tmp_path)
    tasks = build_tasks(declared.tasks)
    records = load_dataset(declared, list(tasks.values())).records
    lines = (tmp_path / "shop/labels.csv").read_text().splitlines()[1:]
    said = {line.split(",")[0]: line.split(",")[2] for line in lines}
    assert set(said.values()) == {"yes", "no", ""}
    words: dict[str, Any] = {record.image.name: record.answers.get("style") for record in records}
    for name, cell in said.items():
        answer = next(found for image, found in words.items() if image.endswith(name))
        assert ("striped" in answer.present) == (cell == "yes")
        assert (answer.queried is None or "striped" in answer.queried) == (cell != "")
