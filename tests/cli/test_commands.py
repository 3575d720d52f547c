"""The shell: verbs, exit codes, what goes to standard output and what to standard error."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import typer
from support.user import PICTURES, SHELL_DETECTION, TASKS, Said, Shell, files, home, shell, trained  # noqa: F401

import oneglance
from oneglance.cli import commands
from oneglance.data.writer import targets
from oneglance.results.grouping import Grouping

pytestmark = pytest.mark.usefixtures("few_resamples")

VERBS = [
    *(
        "check",
        "cluster",
        "combine",
        "compare",
        "convert",
        "demo",
        "distil",
        "embed",
        "evaluate",
        "explain",
        "export",
        "extend",
        "finish",
        "get",
        "group",
        "init",
        "label-next",
        "map",
        "merge",
    ),
    *(
        "predict",
        "robustness",
        "runs",
        "search",
        "serve",
        "start",
        "suspects",
        "train",
        "tune",
        "watch",
        "weights",
    ),
]
GROUP: Any = typer.main.get_command(commands.app)


# Help.


def test_the_verbs_are_those_of_the_library() -> None:
    assert sorted(GROUP.commands) == VERBS
    assert {verb.replace("-", "_") for verb in VERBS} <= set(oneglance.__all__)


@pytest.mark.parametrize("verb", VERBS)
def test_every_argument_and_option_is_explained(verb: str, shell: Shell) -> None:
    command = GROUP.commands[verb]
    assert command.help
    for parameter in command.params:
        assert parameter.help, f"{verb} {parameter.name}"
    response = shell(verb, "--help")
    assert response.code == 0
    for parameter in command.params:
        for option in parameter.opts:
            assert option.lstrip("-") in response.out


@pytest.mark.parametrize("verb", VERBS)
def test_an_option_of_the_shell_is_an_argument_of_the_function(verb: str) -> None:
    import inspect

    ours = set(inspect.signature(getattr(oneglance, verb.replace("-", "_"))).parameters)
    names = {parameter.name for parameter in GROUP.commands[verb].params}
    # `--yes` is `ask=False`, the default; `--watch` opens a page around the function.
    assert names - {"as_json", "help", "yes", "watch"} <= ours


def test_version_and_help(shell: Shell) -> None:
    assert shell("--version") == Said(0, f"oneglance {oneglance.__version__}\n", "")
    response = shell("--help")
    assert all(verb in response.out for verb in VERBS)
    assert shell("-h") == response


@pytest.mark.parametrize(
    "words", [[], ["trian"], ["train"], ["train", "a.toml", "--epochs", "3"], ["predict", "runs/a"]]
)
def test_wrong_usage_is_exit_code_2(words: list[str], shell: Shell) -> None:
    assert shell(*words).code == 2


def test_tab_completes_verbs_and_options(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_ONEGLANCE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "oneglance tr")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert shell().out.split() == ["train"]
    monkeypatch.setenv("COMP_WORDS", "oneglance train --re")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert shell().out.split() == ["--resume"]


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish"])
def test_completion_can_be_shown(kind: str, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SHELL_DETECTION, "1")
    response = shell("--show-completion", kind)
    assert response.code == 0
    assert "oneglance" in response.out


# init, check


def test_init_says_what_to_do_next(home: Path, shell: Shell) -> None:
    response = shell("init", "scenes/images", "scenes/labels.csv", "--out", "new.toml", "--recipe", "classic")
    assert (response.code, response.err) == (0, "")
    first, head, *tasks, last = response.out.splitlines()
    assert first.startswith("60 pictures")
    assert head.split() == ["task", "answered", "unknown", "answers"]
    assert {row.split()[0] for row in tasks} == set(TASKS)
    assert last == "wrote new.toml: read it, then run: oneglance train new.toml"
    again = shell("init", "scenes", "--out", "new.toml")
    assert again.refused() == "new.toml: exists already — name another with --out, or add --force"
    assert shell("init", "scenes/images", "--out", "new.toml", "--force").code == 1, "no folder per class"
    assert shell("init", "scenes", "--out", "new.toml", "--force").code == 0, "its table is found"
    assert shell("init", "scenes/labels.csv", "--out", "new.toml", "--force").code == 0


def table(home: Path, *rows: str) -> None:
    path = home / "scenes" / "labels.csv"
    path.write_text(path.read_text() + "".join(row + "\n" for row in rows))


def test_check_has_three_exit_codes(home: Path, shell: Shell) -> None:
    response = shell("check", "oneglance.toml")
    assert response.code == 0
    assert response.err == ""
    assert re.fullmatch(r"\d+ problems", response.out.splitlines()[-1])
    Path("scenes/images/00003.png").write_bytes(b"no picture")
    response = shell("check", "oneglance.toml")
    assert response.code == 3
    assert re.search(r"^images/00003\.png  .* — left out", response.out, re.MULTILINE)
    assert shell("check", "oneglance.toml", "--no-pictures").code == 0
    table(home, "images/lost.png,s1,1,sea,none,3")
    assert shell("check", "oneglance.toml", "--no-pictures").code == 3
    table(home, "images/00000.png,,,,,much")
    response = shell("check", "oneglance.toml")
    assert response.code == 1
    assert response.out.startswith('labels.csv:63  covered is "much"')


def test_check_speaks_json(home: Path, shell: Shell) -> None:
    Path("scenes/images/00003.png").write_bytes(b"no picture")
    response = shell("check", "oneglance.toml", "--json")
    assert response.code == 3
    problems = json.loads(response.out)
    assert {tuple(problem) for problem in problems} == {("where", "what", "cure", "kind", "fatal")}
    assert [problem["where"] for problem in problems if problem["kind"] == "unreadable"] == [
        "images/00003.png"
    ]


def test_no_problems_is_said_too(home: Path, shell: Shell) -> None:
    rows = [f"images/{number:05}.png,{'xy'[number % 2]}" for number in range(PICTURES)]
    Path("scenes/labels.csv").write_text("\n".join(["image,kind", *rows]) + "\n")
    Path("kind.toml").write_text('[[sources]]\npath = "scenes/labels.csv"\n[tasks.kind]\ntype = "label"\n')
    response = shell("check", "kind.toml")
    assert (response.code, response.err) == (0, "")
    first, _, row, last = response.out.splitlines()
    assert first == "60 pictures: 42 train, 6 validation, 12 test"
    assert row.split() == ["kind", "60", "0", "x", "30,", "y", "30"]
    assert last == "no problems"
    assert json.loads(shell("check", "kind.toml", "--json").out) == []


# convert


def test_convert_writes_what_init_reads(home: Path, shell: Shell) -> None:
    assert shell("convert", "scenes/labels.csv", "new", "--to", "coco") == Said(0, "wrote new\n", "")
    assert len(list(Path("new/images").iterdir())) == PICTURES
    assert shell("init", "new", "--out", "new.toml").code == 0
    assert shell("convert", "scenes/labels.csv", "new", "--to", "coco").refused() == (
        "new: is not empty — name a new folder"
    )
    refused = shell("convert", "scenes/labels.csv", "other", "--to", "cocco").refused()
    assert refused == 'no format "cocco" can be written. Did you mean "coco"?'
    assert not Path("other").exists()


def test_convert_names_every_format_that_can_be_written(shell: Shell) -> None:
    response = re.sub(r"[│\s]+", " ", shell("convert", "--help").out)
    assert f"the format to write: {', '.join(targets()[:-1])} or {targets()[-1]}" in response


def test_convert_tells_what_is_left_out(home: Path, shell: Shell) -> None:
    response = shell("convert", "scenes/labels.csv", "scenes/boxes.csv", "a", "--to", "yolo")
    assert response.code == 0
    assert 'the field "digit" cannot be said in this format' in response.out
    response = shell("convert", "scenes/labels.csv", "c", "--to", "yolo")
    assert response.code == 3
    assert f"boxes are unknown cannot be said in this format ({PICTURES} times, here first)" in response.out
    Path("scenes/images/00003.png").unlink()
    response = shell("convert", "scenes/labels.csv", "b", "--to", "coco", "--json")
    assert response.code == 3
    result = json.loads(response.out)
    assert result["out"] == "b"
    assert [problem["kind"] for problem in result["problems"]] == ["unreadable"]


# train, evaluate, runs


def test_train_and_what_comes_after(home: Path, shell: Shell) -> None:
    response = shell("train", "oneglance.toml", "--set", "training.epochs=1", "--set", "backbone.size=16")
    assert response.code == 0
    assert response.out == "now run: oneglance evaluate runs/scenes\n"
    lines = response.err.splitlines()
    assert lines[-1] == "finished: runs/scenes (epoch 1 is kept)"
    assert re.fullmatch(r"epoch 1/1  \d+ s   digit .*  covered ±.* %", lines[-2])
    assert json.loads(Path("runs/scenes/overrides.json").read_text())["overrides"] == {
        "training.epochs": 1,
        "backbone.size": 16,
    }


def test_train_speaks_json(home: Path, shell: Shell) -> None:
    response = shell("train", "oneglance.toml", "--set", "training.epochs=1", "--out", "runs/b", "--json")
    result = json.loads(response.out)
    assert result["run"] == "runs/b"
    assert [row["epoch"] for row in result["history"]] == [1]


def test_resume_of_a_finished_run(home: Path, shell: Shell) -> None:
    assert shell("train", "runs/a", "--resume") == Said(
        0,
        "now run: oneglance evaluate runs/a\n",
        "runs/a is finished already, with 2 epochs; to train it longer: "
        "oneglance train runs/a --resume --set training.epochs=4\n",
    )


def test_ctrl_c_is_130_and_names_the_way_on(
    home: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    from oneglance.screens.terminal import Terminal

    def interrupt(*_: object) -> None:
        import signal

        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Terminal, "step", interrupt)
        response = shell("train", "oneglance.toml", "--out", "runs/b")
    assert response.code == 130
    assert response.out == ""
    last = response.err.splitlines()[-1]
    assert last.endswith("nothing is lost — go on with: oneglance train runs/b --resume")
    assert shell("train", "runs/b", "--resume").code == 0


def test_ctrl_c_elsewhere_is_quiet(home: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(oneglance, "check", interrupt)
    response = shell("check", "oneglance.toml")
    assert response.code == 130
    assert "Traceback" not in response.err


def test_evaluate_shows_a_table(home: Path, shell: Shell) -> None:
    response = shell("evaluate", "runs/a")
    assert response.code == 0
    assert response.err == ""
    head, *lines = response.out.splitlines()
    assert head.split() == ["task", "metric", "value", "95", "%", "interval", "constant", "n"]
    assert [line.split()[0] for line in lines if not line.startswith(" ")][: len(TASKS)] == list(TASKS)
    assert lines[-1] == f"look at {Path('runs/a/report.html')}"
    assert "pictures of the test split, read for the first time" in lines[-2]
    assert "read 2 times" in shell("evaluate", "runs/a").out


def test_evaluate_speaks_json(home: Path, shell: Shell) -> None:
    response = shell("evaluate", "runs/a", "--split", "validation", "--out", "place", "--json")
    assert json.loads(response.out) == json.loads(Path("place/report.json").read_text())
    assert json.loads(response.out)["split"] == "validation"


def test_runs_are_listed(home: Path, shell: Shell) -> None:
    response = shell("runs")
    assert response.code == 0
    head, row, note = response.out.splitlines()
    assert head.split() == ["run", "state", "epochs", "best", "skill", *TASKS, "minutes"]
    assert row.split()[:3] == ["a", "finished", "2"]
    assert note == "scores are of the validation split, at the epoch that is kept"
    result = json.loads(shell("runs", "--json").out)
    assert [run["run"] for run in result] == ["a"]
    assert shell("runs", "nowhere") == Said(0, "no runs in nowhere\n", "")
    assert json.loads(shell("runs", "nowhere", "--json").out) == []


def test_tables_are_not_folded_in_a_pipe(home: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    (home / "runs/a").rename(home / "runs" / ("[b] :smile: " + "long " * 20))
    response = shell("runs")
    assert response.code == 0
    assert len(response.out.splitlines()) == 3
    assert "[b] :smile: long" in response.out, "a name is no markup"


# predict


def test_predict_prints_pure_json_lines(home: Path, shell: Shell) -> None:
    Path("bad.png").write_bytes(b"no picture")
    response = shell("predict", "runs/a", "scenes/images/00001.png", "bad.png", "scenes/images/0000[02].png")
    assert response.code == 3
    rows = [json.loads(line) for line in response.out.splitlines()]
    names = ["scenes/images/00001.png", "bad.png", "scenes/images/00000.png", "scenes/images/00002.png"]
    assert [row["image"] for row in rows] == names
    assert list(rows[1]) == ["image", "error"]
    assert response.err.startswith("bad.png  ")
    assert len(response.err.splitlines()) == 1


def test_predict_names_strangers_and_answers_the_rest(home: Path, shell: Shell) -> None:
    for name in ("README.md", "Thumbs.db", "labels.txt"):
        Path(f"scenes/images/{name}").write_text("scenes/images/00001.png\n")
    Path("scenes/images/broken.png").symlink_to("nowhere.png")
    response = shell("predict", "runs/a", "scenes/images/*", "lost.png", "scenes/images/00001.png")
    assert response.code == 3
    rows = [json.loads(line) for line in response.out.splitlines()]
    wrong = {row["image"] for row in rows if "error" in row}
    strangers = {f"scenes/images/{name}" for name in ("README.md", "Thumbs.db", "labels.txt", "broken.png")}
    assert wrong == strangers | {"lost.png"}
    assert len(rows) == PICTURES + 6
    assert {line.partition("  ")[0] for line in response.err.splitlines()} == wrong


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_predict_writes_a_file_and_prints_nothing(home: Path, shell: Shell, ending: str) -> None:
    Path("scenes/images/00003.png").write_bytes(b"no picture")
    response = shell("predict", "runs/a", "scenes/images", "--out", f"answers.{ending}")
    assert (response.code, response.out) == (3, "")
    rows: list[dict[str, Any]]
    if ending == "parquet":
        rows = pq.read_table("answers.parquet").to_pylist()
    elif ending == "csv":
        with Path("answers.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    else:
        text = Path("answers.jsonl").read_text(encoding="utf-8")
        rows = [json.loads(line) for line in text.splitlines()]
    assert [row["image"] for row in rows] == [f"scenes/images/{n:05}.png" for n in range(PICTURES)]
    assert [number for number, row in enumerate(rows) if row.get("error")] == [3]
    if ending != "jsonl":
        first = ["image", "width", "height", "unfamiliar", "unknown", "digit", "digit_confidence"]
        assert list(rows[0])[:7] == first
        assert list(rows[0])[-5:] == ["covered", "covered_low", "covered_high", "covered_unit", "error"]


def test_other_alphabets_are_written_as_they_are(home: Path, shell: Shell) -> None:
    name = "写真 ü.png"
    Path("scenes/images/00001.png").rename(name)
    response = shell("predict", "runs/a", name)
    assert f'"image": "{name}"' in response.out


# Other processes: what the imports of this one would hide.


def python(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        check=False,
    )


EXTRA = "torch torchvision timm sklearn scipy matplotlib safetensors jinja2"
HEAVY = f"{EXTRA} pyarrow onnxruntime numpy PIL"  # pydantic is needed by Typer itself


@pytest.mark.parametrize("words", [[], ["--help"], ["train", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    code = f"""
import sys
import oneglance.cli.commands
sys.argv = ["oneglance", *{words!r}]
try:
    if {words!r}:
        oneglance.cli.commands.main()
finally:
    print("loaded:", *sorted(set({HEAVY!r}.split()) & set(sys.modules)))
"""
    ended = python("-c", code, folder=tmp_path)
    assert ended.stdout.decode().splitlines()[-1] == "loaded:"


@pytest.mark.slow  # every command in a process of its own, with a training
def test_no_warning_of_a_library_reaches_the_user(home: Path) -> None:
    """Training, scoring and answering, with every warning of Python on."""
    code = """
import sys
from oneglance.cli.commands import main
for words in (["train", "oneglance.toml", "--out", "b"], ["evaluate", "b"], ["predict", "b", "scenes"]):
    sys.argv = ["oneglance", *words]
    try:
        main()
    except SystemExit as end:
        assert not end.code, words
"""
    config = Path("oneglance.toml")
    config.write_text(config.read_text().replace('precision = "fp32"\n', ""))  # measured, as for a user
    ended = python("-W", "default", "-c", code, folder=home)
    lines = ended.stderr.decode().splitlines()
    assert ended.returncode == 0, lines
    ours = (
        r"epoch \d/2  .*|finished: b .*|(predicting|scoring|looking|reading|decoding)  .*"
        r"|(digit|background|shapes|covered)\b.*  is in no picture of .*|    and \d+ more: .*"
    )
    assert [line for line in lines if not re.fullmatch(ours, line)] == []
    assert len([line for line in ended.stdout.splitlines() if line.startswith(b"{")]) == PICTURES


WITHOUT = f"""
import contextlib, io, json, sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {EXTRA.split()!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
from oneglance.cli.commands import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["oneglance", *words]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        except BaseException as fault:
            code = repr(fault)
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""


def test_without_the_train_extra(home: Path) -> None:
    """What the light base does, and what it says of the rest."""
    light = [
        ["--help"],
        ["--version"],
        ["init", "scenes/labels.csv", "--out", "new.toml"],
        ["check", "new.toml"],
        ["check", "oneglance.toml", "--json"],
    ]
    needy = {
        "train": ["train", "oneglance.toml"],
        "evaluate": ["evaluate", "runs/a"],
        "predict": ["predict", "runs/a", "scenes"],
        "get": ["get", "mnist"],
        "demo": ["demo"],
        "runs": ["runs"],
    }
    before = files(home)
    ended = python("-c", WITHOUT, json.dumps([*light, *needy.values()]), folder=home)
    response = [json.loads(line) for line in ended.stdout.decode().splitlines()]
    assert [code for code, _, _ in response[: len(light)]] == [0] * len(light), ended.stderr
    for verb, (code, out, err) in zip(needy, response[len(light) :], strict=True):
        assert (code, out) == (1, ""), (verb, code, err)
        assert re.fullmatch(r'.* needs the package \w+ — pip install "oneglance\[train\]"\n', err), verb
    assert files(home) - before == {"new.toml"}


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_answers_redirected_from_a_terminal_are_all_there(home: Path) -> None:
    """`oneglance predict ... > answers.jsonl` in a terminal: the bar there, the answers in the file."""
    import pty

    ours, theirs = pty.openpty()
    with Path("answers.jsonl").open("wb") as out:
        words = [sys.executable, "-m", "oneglance", "predict", "runs/a", "scenes"]
        process = subprocess.Popen(words, stdout=out, stderr=theirs)
        os.close(theirs)
        seen = b""
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            seen += chunk
        assert process.wait() == 0
    os.close(ours)
    assert len(Path("answers.jsonl").read_text().splitlines()) == PICTURES
    assert b'"image"' not in seen


def test_a_reader_who_stops_early_does_no_harm(home: Path) -> None:
    words = [sys.executable, "-m", "oneglance", "predict", "runs/a", "scenes"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    response = process.stderr.read().decode()
    process.stderr.close()
    process.wait()
    assert "Traceback" not in response
    assert "BrokenPipe" not in response


def test_a_pipe_gets_utf_8_whatever_the_locale(home: Path) -> None:
    name = "写真 ü.png"
    Path("scenes/images/00001.png").rename(name)
    ended = python("-m", "oneglance", "predict", "runs/a", name, folder=home, PYTHONIOENCODING="cp1252")
    assert json.loads(ended.stdout.decode("utf-8"))["image"] == name


# Whatever happens outside of this program.

INTERRUPTED = """
import os, runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
at, count = int(sys.argv[1]), None
sys.argv = ["oneglance", *sys.argv[2:]]

def hook(event, args, os=os, signal=signal):
    global count
    if count is None:
        count = 0 if event == "import" and args[0] == "oneglance.cli.commands" else None
        return
    count += 1
    if count == at:
        os.kill(os.getpid(), signal.SIGINT)

sys.addaudithook(hook)
runpy.run_module("oneglance", run_name="__main__", alter_sys=True)
"""  # Ctrl-C at the n-th import, file or call of the system


@pytest.mark.slow  # a process for each moment
@pytest.mark.parametrize("at", [1, 30, 300, 1000, 2000, 4000, 8000])
@pytest.mark.parametrize(
    "words",
    [["check", "oneglance.toml"], ["convert", "scenes", "converted", "--to", "table"]],
    ids=["check", "convert"],
)
def test_ctrl_c_at_any_moment_is_one_word(home: Path, words: list[str], at: int) -> None:
    ended = python("-c", INTERRUPTED, str(at), *words, folder=home)
    err = ended.stderr.decode()
    assert "Traceback" not in err and "Exception ignored" not in err
    assert ended.returncode in (130, 0, 3)
    if ended.returncode == 130:
        assert err.splitlines()[-1] == "stopped"
        assert not Path("converted").exists(), "whole or not at all"
    assert [path for path in home.rglob(".*") if path.is_file()] == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device here")
@pytest.mark.parametrize("words", [["runs"], ["predict", "runs/a", "scenes"], ["check", "oneglance.toml"]])
def test_a_full_disk_behind_standard_output_is_one_message(home: Path, words: list[str]) -> None:
    whole = [sys.executable, "-m", "oneglance", *words]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(whole, stdout=full, stderr=subprocess.PIPE, check=False, timeout=120)
    assert ended.returncode == 1
    err = ended.stderr.decode().splitlines()
    assert err[-1] == "cannot be read or written (No space left on device)"
    assert not any("Traceback" in line or "Exception ignored" in line for line in err)


# What to do with a proposal.


@pytest.mark.parametrize(
    ("proposed", "copied"),
    [
        ([["a", "b"], ["c d"]], "try it: oneglance compare a.toml --groups 'a+b,c d'"),
        ([["a"], ["b"], ["c d"]], "try it: oneglance compare a.toml"),
        ([["a", "b", "c d"]], None),
    ],
    ids=["two networks", "one for each", "one for all"],
)
def test_group_prints_how_to_try_what_it_proposes(
    proposed: list[list[str]],
    copied: str | None,
    shell: Shell,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = {"run": "runs/a", "tasks": ["a", "b", "c d"], "epochs": 3, "cosines": {}, "groupings": []}
    grouping = Grouping(found | {"proposed": proposed, "notes": []})
    monkeypatch.setattr(oneglance, "group", lambda *_, **__: grouping)
    monkeypatch.chdir(tmp_path)
    Path("a.toml").touch()
    said = shell("group", "a.toml")
    assert [line for line in said.out.splitlines() if "try it" in line] == ([copied] if copied else [])
    assert "try it" not in shell("group", "runs").out, "a run folder cannot be compared"
