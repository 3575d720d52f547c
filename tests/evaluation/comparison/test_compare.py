"""Did learning together help? The whole comparison on a few drawn pictures."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import json
import re
import shutil
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.user import CONFIG, Shell, shell  # noqa: F401

import oneglance
from oneglance import balancer
from oneglance import config as configuration
from oneglance.data.synthetic import write_scenes
from oneglance.errors import ConfigError, RunError, StoppedError
from oneglance.evaluation.comparison import compare, plan, variants
from oneglance.evaluation.comparison.peak_memory import Peak, peak_memory
from oneglance.evaluation.reports.comparison import quality
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder
from oneglance.training.experiment_data import ExperimentData

ARMS = ("joint", "joint_long", "single", "constant")
TASKS = ("background", "covered")
TEXT = re.sub(r"\[tasks\.(digit|shapes)\]\n(\w+ = .*\n)+", "", CONFIG)  # two tasks are enough
QUICK = ["training.epochs=1", "backbone.options={width=4, depth=1}"]


class Heard(Screen):
    """Notes what is said."""

    def __init__(self) -> None:
        self.lines = list[str]()

    def say(self, text: str) -> None:
        self.lines.append(text)

    @property
    def trained(self) -> list[str]:
        """The runs that were trained, in order."""
        return [line.split()[1].rstrip(":") for line in self.lines if line.startswith("training ")]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures and a configuration; nobody changes it."""
    folder = tmp_path_factory.mktemp("drawn")
    write_scenes(folder / "scenes", count=60, size=32)
    (folder / "oneglance.toml").write_text(TEXT, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def compared(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """A finished comparison: its folder, what it returned, what it said."""
    out, listener = tmp_path_factory.mktemp("compared") / "out", Heard()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONEGLANCE_CACHE", str(tmp_path_factory.mktemp("cache")))
        result = ask(drawn, out, listener, seeds=2)
    return out, result, listener


def ask(drawn: Path, out: Path, screen: Screen | None = None, **settings: Any) -> oneglance.Comparison:
    settings = {"only": ["joint", "single", "constant"], **settings}
    return oneglance.compare(
        drawn / "oneglance.toml", overrides=QUICK, out=out, screen=screen or Screen(), **settings
    )


Compared = tuple[Path, oneglance.Comparison, Heard]


def test_what_is_written_is_what_is_returned(compared: Compared) -> None:
    out, result, _ = compared
    assert json.loads((out / "compare.json").read_text(encoding="utf-8")) == result
    assert tuple(result["tasks"]) == TASKS
    for task in result["tasks"].values():
        for arm in ARMS:
            assert list(task[arm]) == ["value", "low", "high", "n", "seeds"]
            assert task[arm]["seeds"] == (1 if arm == "constant" else 2)
            assert task[arm]["low"] <= task[arm]["value"] <= task[arm]["high"]
        for entry in (task, task["equal_time"]):
            assert list(entry["difference"]) == ["value", "low", "high", "p"]
            assert entry["verdict"] in ("better", "worse", "no difference")
        assert task["difference"]["value"] == pytest.approx(task["joint"]["value"] - task["single"]["value"])
    for arm in ("joint", "joint_long", "single"):
        assert list(result["cost"][arm]) == ["seconds", "peak_mb", "parameters", "ms_per_picture"]
        assert all(value > 0 for value in result["cost"][arm].values())


def test_every_training_is_an_ordinary_run(compared: Compared) -> None:
    out, result, listener = compared
    names = [
        f"{arm}-{seed}" for seed in (0, 1) for arm in (*(f"single-{t}" for t in TASKS), "joint", "joint_long")
    ]
    assert listener.trained == names
    assert {path.name for path in (out / "runs").iterdir()} == set(names)
    assert oneglance.runs(out / "runs")[0]["state"] == "finished"
    for name in names:
        run = RunFolder.open(out / "runs" / name)
        assert run.read_json("reads.json") == {"test": 1}
    report = oneglance.evaluate(out / "runs" / "single-covered-1", screen=Screen())
    ours = [oneglance.evaluate(out / "runs" / f"joint-{seed}", screen=Screen()) for seed in (0, 1)]
    assert list(report["tasks"]) == ["covered"]
    scores = [comparison["tasks"]["background"]["metrics"]["accuracy"]["value"] for comparison in ours]
    assert result["tasks"]["background"]["joint"]["value"] == pytest.approx(np.mean(scores))
    n = ours[0]["tasks"]["background"]["answered"]
    assert result["tasks"]["background"]["joint"]["n"] == n, "all arms answer for the same pictures"


def test_all_arms_have_the_same_split_and_other_seeds(compared: Compared) -> None:
    out, _, _ = compared
    runs = {path.name: RunFolder.open(path) for path in (out / "runs").iterdir()}
    assert len({tuple(run.split()) for run in runs.values()}) == 1
    for name, run in runs.items():
        assert run.config().training.seed == int(name[-1])
    assert runs["joint-0"].network_tensors().keys() == runs["joint-1"].network_tensors().keys()


def test_what_is_finished_is_read_not_trained_again(drawn: Path, compared: Compared, tmp_path: Path) -> None:
    out, result, _ = compared
    again = tmp_path / "out"
    shutil.copytree(out, again)
    shutil.rmtree(again / "runs" / "single-covered-1")
    listener = Heard()
    repeated = ask(drawn, again, listener, seeds=2)
    assert listener.trained == ["single-covered-1"]
    assert repeated["tasks"]["background"]["joint"] == result["tasks"]["background"]["joint"]
    # The same seed learns the same again.
    assert repeated["tasks"]["covered"]["single"]["value"] == pytest.approx(
        result["tasks"]["covered"]["single"]["value"]
    )


def test_what_the_clock_once_told_stays(drawn: Path, compared: Compared, tmp_path: Path) -> None:
    """A network that is trained again never takes the same time; the one that was as long as it stays."""
    out, _, _ = compared
    again = tmp_path / "out"
    shutil.copytree(out, again)
    history = again / "runs/single-covered-1/history.jsonl"
    rows = [json.loads(line) for line in history.read_text(encoding="utf-8").splitlines()]
    slow = [json.dumps({**row, "seconds": 20 * row["seconds"]}) + "\n" for row in rows]
    history.write_text("".join(slow), encoding="utf-8")
    listener = Heard()
    ask(drawn, again, listener, seeds=2)
    assert listener.trained == []


@pytest.mark.slow  # single, joint, guided and born-again networks are trained
def test_single_networks_teach_and_are_charged_for(drawn: Path, compared: Compared, tmp_path: Path) -> None:
    out, before, _ = compared
    again = tmp_path / "out"
    shutil.copytree(out, again)
    listener = Heard()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("oneglance.training.teaching.stored_answers.NEARLY_NONE", 0.0)  # hardly trained
        result = ask(drawn, again, listener, seeds=2, guided=True)
    kinds = ("guided", *(f"born_again-{name}" for name in TASKS))
    assert listener.trained == [f"{kind}-{seed}" for seed in (0, 1) for kind in kinds]
    run = RunFolder.open(again / "runs/guided-1").config()
    assert [Path(one).name for one in run.training.teachers] == [f"single-{name}-1" for name in TASKS]
    assert not any(Path(one).is_absolute() for one in run.training.teachers)
    for name, task in result["tasks"].items():
        assert task["single"] == before["tasks"][name]["single"]
        for pairing, (ours, theirs) in (
            ("guided_steps", ("guided", "single")),
            ("guided_control", ("guided", "born_again")),
        ):
            difference = task[ours]["value"] - task[theirs]["value"]
            assert task[pairing]["difference"]["value"] == pytest.approx(difference)
    cost = result["cost"]
    for kind in ("guided", "born_again"):
        assert cost[kind]["seconds"] > cost["single"]["seconds"]
    assert cost["guided"]["parameters"] == cost["joint"]["parameters"]
    page = (again / "compare.html").read_text(encoding="utf-8")
    assert "taught by the single networks" in page


def test_without_single_networks_nobody_can_teach(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs joint and single networks"):
        ask(drawn, tmp_path / "out", only=["joint"], guided=True)


def test_runs_of_another_comparison_are_refused(drawn: Path, compared: Compared, tmp_path: Path) -> None:
    out, _, _ = compared
    shutil.copytree(out, tmp_path / "out")
    with pytest.raises(
        RunError, match=r"another configuration or other data — compare anew with another --out"
    ):
        oneglance.compare(
            drawn / "oneglance.toml",
            overrides=[*QUICK, "training.learning_rate=0.5"],
            out=tmp_path / "out",
            only=["joint"],
            screen=Screen(),
        )


def test_the_page_holds_all_of_it_and_loads_nothing(compared: Compared) -> None:
    out, result, _ = compared
    page = (out / "compare.html").read_text(encoding="utf-8")
    for words in ("at equal steps", "at equal total time", *TASKS, "no difference", "Cost against quality"):
        assert words in page
    assert not re.search(r'(?:src|href)="(?!data:|#)', page) and "<script" not in page
    drawn = quality(result)
    assert drawn is not None and {line.name for line in drawn.lines} >= {"joint", "single networks"}


def test_names_of_the_data_are_escaped(compared: Compared, tmp_path: Path) -> None:
    from oneglance.evaluation.reports.comparison import write_page

    result = json.loads(json.dumps(compared[1].to_dict()).replace("covered", "<b>"))
    write_page(tmp_path / "page.html", result, title="<i>")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<b>" not in page and "<i>" not in page.replace("<i></i>", "")


@pytest.mark.slow  # every baseline is fitted
def test_baselines_alone_take_no_training(drawn: Path, tmp_path: Path, shell: Shell) -> None:
    response = shell(
        "compare",
        drawn / "oneglance.toml",
        "--out",
        tmp_path / "out",
        "--only",
        "classical,constant",
        "--json",
    )
    assert response.code == 0
    result = json.loads(response.out)
    assert not (tmp_path / "out" / "runs").exists() and result["cost"] == {} and result["summary"] == {}
    for task in result["tasks"].values():
        assert set(task["baselines"]) == {"classical features, linear", "classical features, boosted trees"}
        assert task["classical"]["value"] in [score["value"] for score in task["baselines"].values()]
        assert "joint" not in task and "verdict" not in task
    assert "trained" not in response.out


@pytest.mark.slow  # several trainings
@pytest.mark.skipif(plan.CONTROL not in balancer.names(), reason="there are no random weights yet")
def test_a_balancer_stands_beside_random_weights(drawn: Path, tmp_path: Path) -> None:
    listener = Heard()
    result = ask(drawn, tmp_path, listener, only=["joint", "constant"], balancers=["equal"], seeds=1)
    assert listener.trained == ["joint-0", "balancer_equal-0", "balancer_rlw-0"]
    assert list(result["balancers"]) == ["equal", "rlw"]
    assert result["balancers"]["equal"]["against"] == "rlw" and "helps" not in result["balancers"]["rlw"]
    scores = result["balancers"]["equal"]["tasks"]
    assert scores["background"] == result["tasks"]["background"]["joint"], "it is the default"
    says = "helps" if result["balancers"]["equal"]["helps"] else "does not help"
    assert f">{says}<" in (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert "one seed" in " ".join(result["notes"])


@pytest.mark.slow  # several trainings
def test_single_networks_as_large_together_as_the_joint_one(drawn: Path, tmp_path: Path) -> None:
    listener = Heard()
    result = oneglance.compare(
        drawn / "oneglance.toml",
        overrides=["training.epochs=1", "backbone.options={width=16, depth=2}"],
        out=tmp_path,
        only=["joint", "single_same_size"],
        seeds=1,
        screen=listener,
    )
    assert listener.trained == [*(f"single_same_size-{task}-0" for task in TASKS), "joint-0"]
    sizes = [result["cost"][arm]["parameters"] for arm in ("single_same_size", "joint")]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.15)
    run = RunFolder.open(tmp_path / "runs" / "single_same_size-covered-0").config()
    assert (run.backbone.options, list(run.tasks)) == ({"width": 11, "depth": 2}, ["covered"])
    assert list(result["summary"]) == ["equal_size"]
    for task in result["tasks"].values():
        assert "verdict" not in task and "equal_time" not in task, "there are no single networks as they are"
        difference = task["joint"]["value"] - task["single_same_size"]["value"]
        assert task["equal_size"]["difference"]["value"] == pytest.approx(difference)


def test_where_nothing_smaller_exists_it_says_so(drawn: Path, tmp_path: Path) -> None:
    result = ask(drawn, tmp_path, only=["single_same_size", "constant"], seeds=1)
    (note,) = (note for note in result["notes"] if "single_same_size" in note)
    assert note.startswith("single_same_size is left out: small has no smaller relative with 1/2")
    assert result["cost"] == {} and not (tmp_path / "runs").exists()


def test_the_table(drawn: Path, tmp_path: Path, shell: Shell) -> None:
    response = shell(
        "compare", drawn / "oneglance.toml", "--out", tmp_path / "out", "--only", "constant", "--seeds", 1
    )
    assert response.code == 0
    lines = response.out.splitlines()
    assert lines[0].split() == ["task", "metric", "constant"]
    assert [line.split()[0] for line in lines[1:3]] == list(TASKS)
    assert "mae %" in response.out


# Memory.


def held(mb: int) -> float:
    """The peak of work that holds ``mb`` million bytes for a moment."""
    with peak_memory(torch.device("cpu")) as peak:
        block = np.ones(mb * 10**6 // 8)
        time.sleep(0.1)
        del block
    return peak.mb


def test_a_peak_is_that_of_the_work_alone() -> None:
    little, much, again = held(1), held(300), held(1)
    assert 250 < much - little < 400
    assert again < much - 200, "what earlier work took does not count"


def test_a_peak_is_noted_though_the_work_fails() -> None:
    with pytest.raises(ValueError, match="gone"), peak_memory(torch.device("cpu")) as peak:
        raise ValueError("gone")
    assert peak.mb > 10


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_peak_on_a_gpu_is_that_of_its_tensors() -> None:
    there = torch.device("cuda")
    kept = torch.ones(2 * 10**6, device=there)
    for mb in (80, 8):
        with peak_memory(there) as peak:
            torch.ones(mb * 10**6 // 4, device=there)
        assert mb + 8 <= peak.mb < mb + 10, f"with the {kept.nbytes / 1e6:.0f} MB that were there"


def test_memory_is_kept_with_the_run(drawn: Path, compared: Compared, tmp_path: Path) -> None:
    out, result, _ = compared
    runs = {path.name: variants.peak_mb(RunFolder.open(path)) for path in (out / "runs").iterdir()}
    alone = [mb for name, mb in runs.items() if name.startswith("single-") and mb]
    assert result["cost"]["single"]["peak_mb"] == max(alone), "one is trained after the other"
    assert len(alone) == 2 * len(TASKS) and min(alone) > 50
    again = tmp_path / "out"
    shutil.copytree(out, again)
    (again / "runs" / "joint-0" / "memory.json").unlink()  # of a run that an older version trained
    assert ask(drawn, again, seeds=1)["cost"]["joint"]["peak_mb"] is None


def test_a_training_that_was_stopped_and_went_on_has_one_peak(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(tmp_path)
    config = parsed('[[sources]]\npath = "x"\n[tasks.kind]\ntype = "label"', 'training.device="cpu"')
    for mb, expected in ((70.04, 70.0), (50.0, 70.0), (90.0, 90.0)):
        monkeypatch.setattr(variants, "peak_memory", lambda device, mb=mb: nullcontext(Peak(mb)))
        with variants._peak_noted(run, config):
            pass
        assert variants.peak_mb(run) == expected


# What is asked.


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"only": ["joined"]}, r'--only: has no "joined"\. Did you mean "joint"\?'),
        ({"seeds": 0}, "--seeds: 0 seeds are none"),
        ({"budget": "half an hour"}, r'--budget: is "half an hour" — write a time such as 90s, 30m or 2h'),
        ({"budget": "0m"}, "write a time such as"),
        ({"balancers": ["famos"]}, r"has no balancer \"famos\""),
    ],
)
def test_what_means_nothing_is_told_before_anything_is_read(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        oneglance.compare("gone.toml", screen=Screen(), **settings)


@pytest.mark.parametrize(("written", "seconds"), [("90s", 90), ("30m", 1800), ("1.5 h", 5400)])
def test_a_budget_is_a_time(written: str, seconds: float) -> None:
    assert plan.seconds(written) == seconds


def test_without_words_everything_is_asked() -> None:
    wanted = plan.plan(5, "", [], [])
    assert wanted.only == plan.USUAL and wanted.both and wanted.budget is None


# Which trainings.


def parsed(text: str, *overrides: str) -> configuration.Config:
    return configuration.parse(text, base=Path(), overrides=overrides)


SHOP = """
    [[sources]]
    path = "x"
    [tasks.kind]
    type = "label"
    classes = ["a \\"quoted\\" ü", "b"]
    [tasks.price]
    type = "number"
    [tasks.verdict]
    type = "label"
    uses = ["kind", "price"]
    [tasks.look]
    type = "embedding"
    like = "kind"
    [training]
    seed = 7
    task_stage = { verdict = "adapter", price = "stage" }
    """


def test_alone_means_without_the_others() -> None:
    config = parsed(SHOP)
    for task, declared in (("kind", ["kind"]), ("verdict", ["verdict"]), ("look", ["look", "kind"])):
        result = variants.variant(config, 2, 5, tasks=[task])
        assert list(result.tasks) == declared
        assert result.tasks[task].get("uses", []) == []
        assert (result.training.seed, result.training.epochs) == (9, 5)
    assert variants.variant(config, 0, 5, tasks=["kind"]).tasks["kind"]["classes"] == ['a "quoted" ü', "b"]
    assert variants.variant(config, 0, 5, tasks=["look"]).tasks["kind"]["weight"] == 0


def test_a_group_keeps_what_its_tasks_have_of_each_other() -> None:
    config = parsed(SHOP)
    result = variants.variant(config, 0, 5, tasks=["kind", "verdict"])
    assert list(result.tasks) == ["kind", "verdict"]
    assert result.tasks["verdict"]["uses"] == ["kind"]
    assert result.training.task_stage == {"verdict": "adapter"}
    assert not variants.variant(config, 0, 5, tasks=["price"]).training.task_stage


def test_an_epoch_in_which_the_machine_slept_does_not_count(tmp_path: Path) -> None:
    rows = [
        {"epoch": epoch, "skill": 0.5, "kept": epoch == 1, "seconds": spent}
        for epoch, spent in enumerate((2.0, 900.0, 2.0, 2.2), 1)
    ]
    (tmp_path / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert variants.seconds(RunFolder(tmp_path)) == pytest.approx(4 * 2.1)


@pytest.mark.slow  # joint, single and parted networks are trained, and other parted ones
def test_tasks_can_be_parted(tmp_path: Path) -> None:
    write_scenes(tmp_path / "scenes", count=40, size=32)
    text = re.sub(r"\[tasks\.shapes\]\n(\w+ = .*\n)+", "", CONFIG)
    (tmp_path / "oneglance.toml").write_text(text, encoding="utf-8")
    listener = Heard()
    settings: dict[str, Any] = {"seeds": 1, "only": ["joint", "single"]}
    groups = [["background", "covered"], ["digit"]]
    result = ask(tmp_path, tmp_path / "out", listener, groups=groups, **settings)
    assert "parted-background+covered-0" in listener.trained and "parted-digit-0" not in listener.trained
    assert RunFolder.open(tmp_path / "out/runs/parted-background+covered-0").read_json("reads.json") == {
        "test": 1
    }
    assert set(result["summary"]) == {"equal_steps", "equal_time", "equal_time_parted"}
    digit, covered = (result["tasks"][name] for name in ("digit", "covered"))
    assert digit["parted"] == digit["single"]
    assert digit["equal_time_parted"]["difference"]["value"] == 0
    gap = covered["parted"]["value"] - covered["single"]["value"]
    assert covered["equal_time_parted"]["difference"]["value"] == pytest.approx(gap)
    cost = result["cost"]
    assert cost["joint"]["parameters"] < cost["parted"]["parameters"] < cost["single"]["parameters"]
    page = (tmp_path / "out/compare.html").read_text(encoding="utf-8")
    assert "Several networks − single, at equal total time" in page
    # The same comparison with another parting trains the new networks only.
    again = Heard()
    ask(tmp_path, tmp_path / "out", again, groups=[["digit", "covered"], ["background"]], **settings)
    assert again.trained == ["parted-digit+covered-0"]


@pytest.mark.parametrize(
    ("groups", "what"),
    [
        ("digit+background,covered", r'names "digit"'),
        ("background", "leaves out covered"),
        ("background,covered+background", "names a task twice"),
        ("background+covered", "is the joint network"),
        ("background,covered", "are the single networks"),
    ],
)
def test_a_parting_that_is_none_is_refused(groups: str, what: str, drawn: Path, shell: Shell) -> None:
    response = shell("compare", drawn / "oneglance.toml", "--groups", groups).refused()
    assert re.search(what, response) and "--groups" in response


def test_a_parting_needs_something_to_be_compared_with() -> None:
    with pytest.raises(ConfigError, match="need joint and single"):
        plan.plan(1, "", ["joint"], [], [["a", "b"], ["c"]])


def test_what_sources_say_of_other_tasks_is_left_out() -> None:
    sources: list[dict[str, Any]] = [
        {"path": "a", "annotates": ["kind", "style"], "columns": {"style": "s"}},
        {"path": "b", "annotates": {"style": ["x"]}},
        {"path": "c"},
    ]
    assert variants.speaking_of(sources, ["kind"]) == [
        {"path": "a", "annotates": ["kind"], "columns": {}},
        {"path": "b", "annotates": {}},
        {"path": "c"},
    ]


def test_a_stopped_comparison_says_how_to_go_on(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(self: Any, until: int | None = None) -> None:
        raise StoppedError("stopped in epoch 1 after step 1; nothing is lost", hint="another command")

    monkeypatch.setattr("oneglance.training.trainer.Trainer.run", stop)
    with pytest.raises(StoppedError, match=r"joint-0: stopped .* — the same command goes on from here"):
        ask(drawn, tmp_path / "out", only=["joint"], seeds=1)


def test_a_budget_shortens_all_alike(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One epoch of one network is told to take a second: 1 joint, 2 single, 2 joint for as long."""
    listener, asked = Heard(), list[tuple[str, int]]()

    def trained(experiment: Any, path: Path, config: Any, *rest: Any) -> None:
        asked.append((path.name, config.training.epochs))

    monkeypatch.setattr(variants, "trained", trained)
    monkeypatch.setattr(variants, "seconds", lambda run: 1.0)
    config = configuration.load(drawn / "oneglance.toml", ["training.epochs=9"])
    wanted = plan.plan(2, "41s", ["joint", "single"], [])
    experiment = ExperimentData.load(config, Screen())
    comparison = compare.Comparison(experiment, tmp_path, wanted, listener)
    assert comparison._affordable(41.0) == 4
    assert asked == [("timing", 1)], "it is timed with one epoch"
    assert comparison._affordable(1000.0) == 9, "never more than the configuration says"
    comparison.plan = plan.plan(2, "49s", ["joint", "single", "single_same_size"], [])
    comparison.smaller = config.backbone  # 2 more at most
    assert comparison._affordable(57.0) == 4
    assert comparison._affordable(1.0) == 1
    assert any("more than the budget" in line for line in listener.lines)
