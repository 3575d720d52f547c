"""Finished networks become one, on pictures without answers."""

# ruff: noqa: F811

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.combined import SOURCE, several  # noqa: F401
from support.drawn import own_cache, settings
from support.user import TASKS, Shell, shell, trained  # noqa: F401

import oneglance
from oneglance.errors import ConfigError, DataError, RunError
from oneglance.evaluation.distillation import report
from oneglance.inference.predictor import Predictor
from oneglance.progress import Screen
from oneglance.results.distilled import Distilled
from oneglance.storage.run_folder import RunFolder

FEW = {"training.epochs": 1}
OPENED: list[str] = []  # runs, in the order in which their networks were opened
_made: dict[str, tuple[Path, Distilled]] = {}


class Saying(Screen):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


SCREEN = Saying()


@pytest.fixture(scope="module", autouse=True)
def few_resamples() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("oneglance.evaluation.bootstrap.RESAMPLES", 40)
        yield


@pytest.fixture(scope="module")
def student(several: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Distilled]:
    """The run that learned all of two teachers of different canvases, and its report."""
    if "student" not in _made:
        folder = tmp_path_factory.mktemp("distilled")
        shutil.copytree(several / "scenes/images", folder / "plain")
        boxes = folder / "boxes"
        shutil.copytree(several / "runs/boxes", boxes)
        state = json.loads((boxes / "tasks.json").read_text())
        state["things"]["threshold"] = 0.0  # it has hardly learned, and is sure of nothing
        (boxes / "tasks.json").write_text(json.dumps(state))
        opened = Predictor.open.__func__  # type: ignore[attr-defined]

        def counted(cls: type[Predictor], /, run: RunFolder, **how: Any) -> Predictor:
            OPENED.append(run.path.name)
            return opened(cls, run, **how)  # type: ignore[no-any-return]

        with own_cache(tmp_path_factory), pytest.MonkeyPatch.context() as patch:
            patch.setattr("oneglance.detection.soft_boxes.LEAST", 0.0)
            patch.setattr(Predictor, "open", classmethod(counted))
            report = oneglance.distil(
                [several / "runs/a", boxes],
                pictures=folder / "plain",
                out=folder / "one",
                overrides=FEW,
                screen=SCREEN,
            )
        _made["student"] = folder, report
    return _made["student"]


def test_one_network_answers_what_all_answer(student: tuple[Path, Distilled]) -> None:
    folder, report = student
    model = oneglance.load(report.run)
    assert set(model.tasks) == {*TASKS, "things"}
    picture = next((folder / "plain").iterdir())
    answers = oneglance.predict(report.run, picture)[0]["answers"]
    assert answers.keys() == {*TASKS, "things"}


def test_each_teacher_is_opened_once_to_teach_and_once_to_be_scored(
    student: tuple[Path, Distilled],
) -> None:
    assert OPENED == ["a", "boxes", "one", "a", "boxes"]


def test_it_says_what_both_score_on_the_same_pictures(student: tuple[Path, Distilled]) -> None:
    folder, report = student
    assert json.loads((folder / "one/distil.json").read_text()) == report.to_dict()
    assert report.tasks.keys() == {*TASKS, "things"}
    for task in report.tasks.values():
        assert task.student.n == task.teacher.n == task.difference.n > 0
        assert task.student.value is not None and task.difference.value is not None
        assert task.difference.value == pytest.approx(task.student.value - (task.teacher.value or 0))
    cost = report.cost
    assert cost["teachers"]["parameters"] > cost["student"]["parameters"] > 0
    assert cost["student"]["ms_per_picture"] > 0


def test_what_a_teacher_is_scored_by_is_not_learned_from(
    student: tuple[Path, Distilled],
    several: Path,
) -> None:
    folder, _ = student
    names = {split: set[str]() for split in ("train", "validation", "test")}
    for name, _, split in RunFolder.open(folder / "one").split():
        names[split].add(Path(name).name)
    for run in ("a", "boxes"):
        held = {
            Path(n).name for n, _, split in RunFolder.open(several / "runs" / run).split() if split == "test"
        }
        assert held and held <= names["test"]
    assert any("held back for scores" in line for line in SCREEN.lines)


def test_nobody_answered_and_all_the_same_an_epoch_is_judged(student: tuple[Path, Distilled]) -> None:
    folder, _ = student
    (row,) = RunFolder.open(folder / "one").history()
    assert row["skill"] is not None and row["validation"]["covered"]["mae"] > 0
    states = [json.loads((folder / name / "tasks.json").read_text()) for name in ("one", "boxes")]
    assert states[0]["things"]["classes"] == states[1]["things"]["classes"]
    assert any(line.startswith("nobody answered digit") for line in SCREEN.lines)


def test_it_begins_as_its_first_teacher(student: tuple[Path, Distilled]) -> None:
    folder, _ = student
    assert json.loads((folder / "one/start.json").read_text())["heads"] == list(TASKS)


def test_a_configuration_adds_answers_and_all_else(
    several: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ONEGLANCE_CACHE", str(tmp_path / "cache"))
    text = (several / "oneglance.toml").read_text()
    sources, _, rest = text.partition("[tasks.digit]")
    settings = rest[rest.index("[cache]") :]
    toml = several / "distil.toml"
    toml.write_text(sources + '[tasks.digit]\ntype = "label"\n' + settings)
    report = oneglance.distil(
        [several / "runs/classical"], pictures=toml, out=tmp_path / "one", overrides=FEW
    )
    kept = RunFolder.open(tmp_path / "one").config()
    assert list(kept.tasks) == ["digit", "kind", "amount"]
    assert kept.backbone.name == "small" and not kept.training.from_
    assert report.tasks.keys() == {"kind", "amount"}  # those that somebody taught


def test_the_same_call_scores_a_finished_run_again(
    student: tuple[Path, Distilled], several: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, before = student
    monkeypatch.setattr("oneglance.finished_api.train", None)  # it would be called
    runs, plain, one = [several / "runs/a", folder / "boxes"], folder / "plain", folder / "one"
    again = oneglance.distil(runs, pictures=plain, out=one, overrides=FEW, screen=SCREEN)
    assert again.to_dict()["tasks"] == before.to_dict()["tasks"]
    with pytest.raises(RunError, match="a run of another configuration"):
        oneglance.distil(runs, pictures=plain, out=one, overrides={"training.epochs": 7})


def test_a_teacher_whose_pictures_have_moved_is_not_scored(
    student: tuple[Path, Distilled], several: Path, tmp_path: Path
) -> None:
    folder, _ = student
    shutil.copytree(folder / "one", tmp_path / "one")
    shutil.copytree(folder / "boxes", tmp_path / "boxes")
    (tmp_path / "boxes/overrides.json").write_text(json.dumps({"base": str(tmp_path), "overrides": {}}))
    run = RunFolder.open(tmp_path / "one")
    teachers = {"training.teachers": [str(several / "runs/a"), str(tmp_path / "boxes")]}
    run.change(run.config().with_changes(teachers))
    result = report(run, SCREEN)
    assert result["tasks"].keys() == set(TASKS)
    assert any("are not where they were" in note for note in result["notes"])
    assert any(note.startswith("things is not scored") for note in result["notes"])


def test_two_tasks_of_one_name_are_refused(several: Path) -> None:
    runs = [several / "runs/a", several / "runs/all"]
    with pytest.raises(ConfigError, match='each have a task "digit"') as error:
        oneglance.distil(runs, pictures=several / "scenes/images")
    assert "oneglance combine" in error.value.hint


def test_pictures_in_which_nothing_is_left_are_refused(several: Path, tmp_path: Path) -> None:
    run = RunFolder.open(several / "runs/a")
    (tmp_path / "tests").mkdir()
    for name, _, split in run.split():
        if split == "test":
            shutil.copy(several / "scenes/images" / Path(name).name, tmp_path / "tests")
    with pytest.raises(DataError, match="test pictures of a teacher"):
        oneglance.distil([run.path], pictures=tmp_path / "tests", out=tmp_path / "one", overrides=FEW)
    assert not (tmp_path / "one").exists()


@pytest.mark.slow  # three trainings and an export
def test_on_the_command_line_a_label_and_a_boxes_run_become_one_that_answers_both(
    student: tuple[Path, Distilled],
    several: Path,
    shell: Shell,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, _ = student  # its boxes/ is sure of all that it finds
    monkeypatch.setenv("ONEGLANCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("oneglance.detection.soft_boxes.LEAST", 0.0)
    shutil.copytree(several / "scenes", tmp_path / "scenes")
    monkeypatch.chdir(tmp_path)
    text = SOURCE + '[tasks.digit]\ntype = "label"\n' + settings(epochs=1)
    Path("digit.toml").write_text(text, encoding="utf-8")
    assert shell("train", "digit.toml", "--out", "digit").code == 0
    runs, features = ("digit", folder / "boxes"), "training.teacher_features=0.5"
    words = ("--pictures", "scenes/images", "--out", "one", "--set", "training.epochs=1", "--set", features)
    made = shell("distil", *map(str, runs), *words, "--json")
    assert made.code == 0, made.err
    report = json.loads(made.out)
    assert {name: task["metric"] for name, task in report["tasks"].items()} == {
        "digit": "accuracy",
        "things": "ap",
    }
    assert report["cost"]["teachers"]["parameters"] > report["cost"]["student"]["parameters"]
    assert shell("export", "one").code == 0
    answers = []
    for network in ("one", "one/model.onnx"):
        shown = shell("predict", network, "scenes/images", "--json")
        answers.append([json.loads(line)["answers"] for line in shown.out.splitlines()])
    ours, files = answers
    assert len(ours) == len(files) == len(list(Path("scenes/images").iterdir()))
    digits = {row["digit"]["value"] for row in ours}
    known = set(json.loads(Path("digit/tasks.json").read_text())["digit"]["classes"])
    assert digits and digits <= known
    assert [row["digit"]["value"] for row in files] == [row["digit"]["value"] for row in ours]
    classes = set(json.loads(Path("one/tasks.json").read_text())["things"]["classes"])
    for row in ours + files:
        assert {box["label"] for box in row["things"]["boxes"]} <= classes


def test_the_shell_shows_both(
    student: tuple[Path, Distilled],
    shell: Shell,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, report = student
    monkeypatch.setattr("oneglance.distil", lambda *_, **__: report)
    shown = shell("distil", "runs/a", "--pictures", "plain")
    assert shown.code == 0 and "student − teacher" in shown.out and "covered" in shown.out
    assert json.loads(shell("distil", "runs/a", "--pictures", "plain", "--json").out) == report.to_dict()
