"""Finished runs become one folder, or a message says why not."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.combined import RUNS, several  # noqa: F401
from support.user import Shell, files, shell, trained  # noqa: F401

import oneglance
from oneglance.errors import OneglanceError, RunError
from oneglance.progress import Screen
from oneglance.storage.combined_folder import CombinedFolder


@pytest.fixture
def here(several: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own with copies of the runs; the current one."""
    for name in RUNS:
        shutil.copytree(several / "runs" / name, tmp_path / "runs" / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_holds_what_answers_need_and_nothing_to_go_on_with(several: Path) -> None:
    there = files(several / "runs/all")
    for name in RUNS:
        assert {
            f"networks/{name}/{file}" for file in ("config.toml", "weights.safetensors", "tasks.json")
        } < there
    assert not [name for name in there if name.endswith((".pt", ".onnx", "report.json"))]
    kept = json.loads((several / "runs/all/combined.json").read_text())
    assert kept == {"version": 1, "networks": [{"name": name, "rename": {}} for name in RUNS]}


def test_tasks_of_one_name_need_another(here: Path, shell: Shell) -> None:
    shutil.copytree("runs/a", "more runs/a")
    said = shell("combine", "runs/a", "more runs/a", "runs/boxes", "--out", "runs/all").refused()
    assert said.startswith('a and a-2 each have a task "digit", and 3 more names are there twice')
    assert not Path("runs/all").exists()
    proposed = said[said.index("oneglance combine") :]
    assert shell(*shlex.split(proposed)[1:]).code == 0
    tasks = oneglance.load("runs/all", device="cpu").tasks
    assert {"digit", "a-2_digit", "a-2_covered", "things"} < set(tasks)
    assert tasks["a-2_digit"].name == "a-2_digit"


def test_a_clash_that_renaming_made_is_told_by_the_own_name(here: Path, shell: Shell) -> None:
    words = ["combine", "runs/a", "runs/classical", "--out", "all", "--rename", "classical.kind=digit"]
    said = shell(*words).refused()
    assert 'a and classical each have a task "digit"' in said
    assert said.endswith("--rename classical.kind=classical_digit")
    assert shell(*words[:-1], "classical.kind=classical_digit").code == 0


def test_of_a_combined_folder_its_networks_are_taken(here: Path) -> None:
    oneglance.combine(["runs/a", "runs/classical"], out="two", rename={"a.digit": "sign"}, screen=Screen())
    names = {"a.sign": "mark", "classical.kind": "digit"}
    oneglance.combine(["two", "runs/boxes"], out="three", rename=names, screen=Screen())
    kept = {one.name: dict(one.rename) for one in CombinedFolder.open("three").networks}
    assert kept == {"a": {"digit": "mark"}, "classical": {"kind": "digit"}, "boxes": {}}
    assert {"mark", "digit", "things"} < set(oneglance.load("three", device="cpu").tasks)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["runs/a"], "one run alone is nothing to combine — name at least two finished runs"),
        (["runs/a", "runs/../runs/a"], "runs/../runs/a: is named twice"),
        (["runs/a", "runs/lost"], "runs/lost: there is no such run folder"),
        (["runs/a", "runs"], "runs: is not a run folder"),
        (["runs/a", "runs/a/model.onnx"], "runs/a/model.onnx: is a file of export"),
        (["runs/a", "runs/boxes", "--rename", "a.digit"], '--rename "a.digit" gives no new name'),
        (
            ["runs/a", "runs/boxes", "--rename", "a.digits=b"],
            'there is no such task. Did you mean "a.digit"?',
        ),
        (
            ["runs/a", "runs/boxes", "--rename", "a.digit=a/b"],
            'a name is letters, digits, _, - and spaces, not "a/b"',
        ),
    ],
)
def test_what_cannot_be_combined(here: Path, shell: Shell, words: list[str], why: str) -> None:
    assert why in shell("combine", *words, "--out", "all").refused()
    assert not Path("all").exists()


def test_a_run_that_is_not_finished_or_damaged(here: Path, shell: Shell) -> None:
    tasks = Path("runs/boxes/tasks.json").read_bytes()
    Path("runs/boxes/tasks.json").unlink()
    said = shell("combine", "runs/a", "runs/boxes", "--out", "all").refused()
    assert (
        "runs/boxes: this run is not finished — continue it with: oneglance train runs/boxes --resume" in said
    )
    Path("runs/boxes/tasks.json").write_bytes(tasks)
    whole = Path("runs/boxes/weights.safetensors").read_bytes()
    Path("runs/boxes/weights.safetensors").write_bytes(whole[:-100])
    assert "weights.safetensors" in shell("combine", "runs/a", "runs/boxes", "--out", "all").refused()
    Path("runs/boxes/weights.safetensors").write_bytes(whole)
    with Path("runs/boxes/config.toml").open("a") as file:
        file.write("\n[telepathy]\nsense = 6\n")
    assert "telepathy" in shell("combine", "runs/a", "runs/boxes", "--out", "all").refused()
    assert not Path("all").exists()


def test_what_is_there_stays(here: Path, shell: Shell) -> None:
    for out in ("runs/a", "runs"):
        before = files(Path(out))
        assert "--out" in shell("combine", "runs/a", "runs/boxes", "--out", out).refused()
        assert files(Path(out)) == before


def test_verbs_that_cannot_use_it_say_so(
    several: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(several)
    for words in (["train", "runs/all", "--resume"], ["finish", "runs/all"], ["group", "runs/all"]):
        said = shell(*words).refused()
        assert "runs/all: holds several runs that were combined" in said
        assert said.endswith("name one, such as runs/all/networks/a")
    with pytest.raises(RunError, match="holds several runs"):
        oneglance.Run("runs/all").history()


def test_runs_lists_it(several: Path) -> None:
    rows = {row["run"]: row for row in oneglance.runs(several / "runs")}
    assert list(rows) == ["a", "all", "boxes", "classical"]
    assert rows["all"]["state"] == "combined"
    assert rows["all"]["backbone"] == "small + small + classical"
    assert rows["all"]["scores"] == {
        name: score for run in RUNS for name, score in rows[run]["scores"].items()
    }


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        ({"version": 2, "networks": []}, "was written by a newer version of oneglance"),
        ({"version": 1, "networks": []}, "is damaged"),
        ({"version": 1, "networks": [{"name": "../a"}]}, "is damaged"),
        ({"version": 1, "networks": [{"name": ".."}]}, "is damaged"),
        ({"version": 1, "networks": [{"name": "a"}, {"name": "a"}]}, "have the same name"),
        ({"version": 1, "networks": [{"name": "lost"}]}, "there is no such run folder"),
        ({"version": 1, "networks": [{"name": "a", "rename": {"digit": "shapes"}}]}, "have the same name"),
        ([], "is damaged"),
        ("no JSON", "is damaged"),
    ],
)
def test_a_strange_combined_json(here: Path, shell: Shell, kept: object, why: str) -> None:
    shutil.copytree("runs/a", "all/networks/a")
    Path("all/combined.json").write_text(kept if isinstance(kept, str) else json.dumps(kept))
    assert why in shell("predict", "all", "runs").refused()
    (row,) = oneglance.runs(here)
    assert row["run"] == "all" and row["state"].startswith("damaged: ")


def test_a_kill_leaves_nothing(here: Path) -> None:
    """The process is killed in the middle of copying."""
    script = """
import os, shutil, signal, sys
import oneglance
copy = shutil.copyfile
def killed(source, target):
    copy(source, target)
    if "boxes" in str(target):
        os.kill(os.getpid(), signal.SIGKILL)
shutil.copyfile = killed
oneglance.combine(["runs/a", "runs/boxes"], out="runs/all")
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=here, capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert not (here / "runs/all").exists()
    assert [row["run"] for row in oneglance.runs(here / "runs")] == sorted(RUNS)
    for left in (here / "runs").glob(".all.*"):  # an hour later
        os.utime(left, (0, 0))
    oneglance.combine(["runs/a", "runs/boxes"], out="runs/all", screen=Screen())
    assert not list((here / "runs").glob(".all.*"))


def test_a_full_disk_is_one_message(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("oneglance.storage.combined_folder.shutil.copyfile", full)
    with pytest.raises(OneglanceError, match="the disk is full"):
        oneglance.combine(["runs/a", "runs/boxes"], out="all", screen=Screen())
    assert not (here / "all").exists() and not list(here.glob(".all*"))
