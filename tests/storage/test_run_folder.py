"""The run folder: every file of it, how it is written and read, and what is said when one is damaged."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.toy import CONFIG, train

from oneglance import config as configuration
from oneglance.errors import ConfigError, OneglanceError, RunError
from oneglance.storage.run_folder import RunFolder, free_path, overview, remove, runs_in

quick = settings(deadline=None, max_examples=50)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that no test changes."""
    folder = tmp_path_factory.mktemp("runs") / "toy"
    train(folder, "training.epochs=2")
    RunFolder(folder).write_split([("a.png", "", "train")])
    return folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A copy of it to be damaged."""
    for path in finished.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", configuration.parse(CONFIG, base=tmp_path))


# Making one.


def test_the_configuration_is_kept_byte_for_byte(tmp_path: Path) -> None:
    text = "# größe\r\n" + CONFIG + "\t# the end"
    overrides = {"training.epochs": 7, "tasks.kind.unknown": ["?"]}
    config = configuration.parse(text, base=tmp_path / "data", overrides=overrides)
    run = RunFolder.create(tmp_path / "deep" / "run", config)
    assert (run / "config.toml").read_bytes() == text.encode()
    again = RunFolder.open(run.path).config()
    assert again.training.epochs == 7
    assert (again.text, again.base, again.overrides) == (text, tmp_path / "data", overrides)


def test_a_run_is_not_written_over(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds a run already — continue it with --resume"):
        RunFolder.create(run.path, configuration.parse(CONFIG, base=tmp_path))


def test_a_file_is_no_place_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="a file is in the way"):
        RunFolder.create(tmp_path / "file", configuration.parse(CONFIG, base=tmp_path))


def test_only_a_run_opens(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"gone: there is no such run folder"):
        RunFolder.open(tmp_path / "gone")
    with pytest.raises(RunError, match=r"is not a run folder: it has no config\.toml"):
        RunFolder.open(tmp_path)


# What is written is what is read.


@quick
@given(st.lists(st.tuples(*[st.text(st.characters(codec="utf-8")) for _ in range(3)])))
def test_the_split_comes_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]]) -> None:
    """Pictures have names with commas, quotes and line breaks in them."""
    run = RunFolder(tmp_path_factory.mktemp("split"))
    run.write_split(rows)
    assert run.split() == rows


def test_the_history_comes_back(run: RunFolder) -> None:
    assert run.history() == []
    rows: list[dict[str, Any]] = [
        {"epoch": 1, "skill": None, "kept": True, "seconds": 1, "loss": {"größe\u2028": 0.5}},
        {"epoch": 2, "skill": 0.1, "kept": False, "seconds": 1.5},
    ]
    run.record(rows)
    assert run.history() == rows
    with pytest.raises(ValueError, match="JSON"):
        run.record([{"skill": math.nan}])
    assert run.history() == rows


def test_the_checkpoint_comes_back(run: RunFolder) -> None:
    assert run.checkpoint() is None
    state: dict[str, Any] = {"a": torch.arange(5), "b": {"c": [1, 2.5, None, "d", True, -float("inf")]}}
    run.save_checkpoint(state)
    found = run.checkpoint()
    assert found is not None and torch.equal(found["a"], state["a"]) and found["b"] == state["b"]


def test_the_weights_come_back(run: RunFolder) -> None:
    tensors = {
        "a b": torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last),
        "view": torch.arange(10)[::2],
        "grad": torch.nn.Parameter(torch.randn(3)),
        "count": torch.tensor(4),
    }
    run.save_weights(tensors)
    found = run.network_tensors()
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())


def test_a_finished_run_gives_its_network(finished: Path) -> None:
    run = RunFolder.open(finished)
    config = run.config()
    tasks = run.tasks(config)
    network = run.network(config, tasks)
    assert not network.training
    raw = network(torch.zeros(2, 3, 16, 16, dtype=torch.uint8))
    for name, task in tasks.items():
        assert len(task.decode(raw[name].detach().numpy())) == 2


def test_nothing_is_a_pickle_but_the_checkpoint(finished: Path) -> None:
    assert {path.suffix for path in finished.iterdir()} <= {
        ".toml",
        ".json",
        ".jsonl",
        ".csv",
        ".safetensors",
    }


def test_an_unfinished_run_says_so(run: RunFolder) -> None:
    assert not run.finished
    with pytest.raises(RunError) as caught:
        run.tasks(run.config())
    assert str(caught.value) == (
        f"{run.path}: this run is not finished — continue it with: oneglance train {run.path} --resume"
    )


# Damage.


READERS: dict[str, Callable[[RunFolder], Any]] = {
    "overrides.json": lambda run: run.config(),
    "config.toml": lambda run: run.config(),
    "history.jsonl": lambda run: run.history(),
    "split.csv": lambda run: run.split(),
    "tasks.json": lambda run: run.tasks(run.config()),
    "weights.safetensors": lambda run: run.network_tensors(),
    "resume.pt": lambda run: run.checkpoint(),
    "environment.json": lambda run: run.read_json("environment.json"),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("content", [b"\xff\xfe\0", b"{]", b'{"a": '], ids=["bytes", "brackets", "cut"])
def test_a_damaged_file_is_named(copied: Path, name: str, content: bytes) -> None:
    (copied / name).write_bytes(content)
    run = RunFolder.open(copied)
    with pytest.raises((RunError, ConfigError)) as caught:
        READERS[name](run)
    assert str(copied / name) in str(caught.value)
    assert "train anew" in str(caught.value) or name == "config.toml"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("overrides.json", "{}"),
        ("overrides.json", "[]"),
        ("overrides.json", '{"base": 3, "overrides": {}}'),
        ("overrides.json", '{"base": "/x", "overrides": null}'),
        ("overrides.json", '{"base": "/x", "overrides": [3]}'),
        ("overrides.json", '{"base": 3, "set": []}'),
        ("overrides.json", '{"base": "/x", "set": null}'),
        ("tasks.json", "{}"),
        ("tasks.json", "[1]"),
        ("tasks.json", '{"kind": 3, "weight": 3, "style": 3, "verdict": 3}'),
        ("tasks.json", '{"kind": {"classes": null, "shares": [], "temperature": "warm"}}'),
        ("history.jsonl", '{"epoch": 1}\n{"epoch": '),
        ("history.jsonl", '{"epoch": 1, "skill": "high", "kept": true, "seconds": 1}'),
        ("history.jsonl", '{"epoch": 1, "skill": NaN, "kept": true, "seconds": 1}'),
        ("history.jsonl", '{"epoch": 1, "skill": 1, "kept": true}'),
        ("history.jsonl", '{"epoch": 1, "skill": 1, "kept": true, "seconds": 1, "loss": [1]}'),
        ("overrides.json", '{"base": "/x\\u0000", "overrides": {}}'),
        ("overrides.json", '{"base": "/x", "overrides": {"training": ' + '{"a": ' * 900 + "1" + "}" * 902),
        ("split.csv", "image,group\na,b\n"),
        ("split.csv", "image,group,split\na,b\n"),
        ("split.csv", ""),
        ("environment.json", "[" * 100_000),
    ],
)
def test_text_of_another_form_is_named(copied: Path, name: str, content: str) -> None:
    (copied / name).write_text(content)
    with pytest.raises(RunError, match=r"is damaged(: .+)? — train anew with another --out") as caught:
        READERS[name](RunFolder.open(copied))
    assert caught.value.location == str(copied / name)


@pytest.mark.parametrize("name", ["overrides.json", "tasks.json", "weights.safetensors", "split.csv"])
def test_a_missing_file_is_named(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(RunError) as caught:
        READERS[name](RunFolder.open(copied))
    assert name == "tasks.json" or str(copied / name) in str(caught.value)


@pytest.mark.parametrize("name", ["weights.safetensors", "resume.pt"])
def test_a_file_cut_short_is_named(copied: Path, name: str) -> None:
    run = RunFolder.open(copied)
    run.save_checkpoint({"tensor": torch.zeros(1000)})
    whole = (copied / name).read_bytes()
    for length in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        (copied / name).write_bytes(whole[:length])
        with pytest.raises(RunError, match=r"cannot be read: it is damaged.* — train anew") as caught:
            READERS[name](run)
        assert caught.value.location == str(copied / name)


RAN: list[str] = []


def run_code(word: str) -> None:
    RAN.append(word)


class Evil:
    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return run_code, ("evil",)


def test_a_checkpoint_that_would_run_code_is_refused(run: RunFolder) -> None:
    run.save_checkpoint({"learner": {}, "best": Evil()})
    torch.load(run / "resume.pt", weights_only=False)  # it is real
    assert RAN.pop() == "evil"
    with pytest.raises(RunError, match=r"resume\.pt: cannot be read: .*holds more than tensors"):
        run.checkpoint()
    assert RAN == []


def test_weights_of_another_network_are_refused(copied: Path) -> None:
    run = RunFolder.open(copied)
    run.save_weights({"strange": torch.zeros(3)})
    config = run.config()
    with pytest.raises(OneglanceError, match=r"weights\.safetensors: lacks .* belong to another network"):
        run.network(config, run.tasks(config))


# Many of them.


def test_a_new_place_is_free(tmp_path: Path) -> None:
    places = []
    for _ in range(3):
        places.append(free_path(tmp_path, "toy"))
        places[-1].mkdir()
    assert [place.name for place in places] == ["toy", "toy-2", "toy-3"]


def test_runs_in_a_folder(tmp_path: Path) -> None:
    assert list(runs_in(tmp_path / "gone")) == []
    for name in ("b", "a"):
        RunFolder.create(tmp_path / name, configuration.parse(CONFIG, base=tmp_path))
    (tmp_path / "no run").mkdir()
    assert [run.path.name for run in runs_in(tmp_path)] == ["a", "b"]
    remove(RunFolder(tmp_path / "a"))
    assert [run.path.name for run in runs_in(tmp_path)] == ["b"]


def test_an_overview(finished: Path, run: RunFolder) -> None:
    told = overview(RunFolder.open(finished))
    json.dumps(told, allow_nan=False)
    history = RunFolder(finished).history()
    best = next(row for row in history[::-1] if row["kept"])
    assert told == {
        "run": "toy",
        "state": "finished",
        "backbone": "small",
        "epochs": 2,
        "best_epoch": best["epoch"],
        "skill": best["skill"],
        "scores": {
            "kind": best["validation"]["kind"]["accuracy"],
            "weight": best["validation"]["weight"]["mae"],
            "style": best["validation"]["style"]["map"],
            "verdict": best["validation"]["verdict"]["accuracy"],
        },
        "seconds": sum(row["seconds"] for row in history),
    }
    told = overview(run)
    assert (told["state"], told["epochs"], told["best_epoch"]) == ("not finished", 0, None)


def test_an_overview_of_epochs_that_could_not_be_scored(run: RunFolder) -> None:
    rows: list[dict[str, Any]] = [
        {"epoch": e, "skill": None, "kept": True, "validation": {}, "seconds": 1.5} for e in (1, 2)
    ]
    run.record(rows)
    told = overview(run)
    assert (
        told["best_epoch"] == 2
        and told["skill"] is None
        and told["seconds"] == 3
        and told["scores"]["kind"] is None
    )
