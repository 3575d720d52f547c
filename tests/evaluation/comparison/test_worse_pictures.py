"""`compare --robustness`: every arm on the same worse pictures, as each alone would be scored on them."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.user import Shell, shell  # noqa: F401

import oneglance
from oneglance.data.synthetic import write_scenes
from oneglance.errors import ConfigError
from oneglance.evaluation import bootstrap, robustness
from oneglance.evaluation.baselines import estimators
from oneglance.evaluation.comparison import worse_pictures
from oneglance.evaluation.corruptions.catalogue import FAMILIES
from oneglance.progress import Screen
from oneglance.task import build_tasks

pytestmark = pytest.mark.slow  # a comparison is trained and scored again and again

CONFIG = """
[[sources]]
path = "scenes/labels.csv"
[tasks.background]
type = "label"
[tasks.covered]
type = "number"
[backbone]
name = "small"
size = 32
options = {width = 4, depth = 1}
[training]
epochs = 1
device = "cpu"
[cache]
workers = 1
"""
BOXES = """
[[sources]]
path = "scenes/boxes.csv"
[tasks.objects]
type = "boxes"
"""
ARMS = ["joint", "single", "classical"]
FEW = {"noise": ("shot_noise",), "weather": ("fog", "frost")}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    write_scenes(folder / "scenes", count=45, size=32)
    (folder / "oneglance.toml").write_text(CONFIG, encoding="utf-8")
    (folder / "boxes.toml").write_text(
        CONFIG.replace('[tasks.background]\ntype = "label"', BOXES), encoding="utf-8"
    )
    return folder


@pytest.fixture(scope="module", autouse=True)
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pytest.MonkeyPatch]:
    """Few resamples, and three of the fifteen corruptions."""
    families = {family: {name: FAMILIES[family][name] for name in names} for family, names in FEW.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worse_pictures, "RESAMPLES", 40)
        patch.setattr(worse_pictures, "EACH", 1)
        patch.setattr(estimators, "STEPS", 20)
        patch.setattr(estimators, "ROUNDS", 4)
        patch.setattr(robustness, "FAMILIES", families)
        patch.setattr(robustness, "STRENGTHS", (1, 4))
        patch.setattr(robustness, "RESAMPLES", 40)
        patch.setattr(bootstrap, "RESAMPLES", 40)
        patch.setenv("ONEGLANCE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield patch


@pytest.fixture(scope="module")
def compared(drawn: Path) -> oneglance.Comparison:
    return ask(drawn)


def ask(drawn: Path, **changes: Any) -> oneglance.Comparison:
    settings = {"seeds": 2, "only": ["joint", "single", "classical", "constant"], "robustness": True}
    return oneglance.compare(
        drawn / "oneglance.toml", out=drawn / "out", screen=Screen(), **{**settings, **changes}
    )


def test_every_arm_is_scored_clean_and_worse(compared: oneglance.Comparison) -> None:
    assert list(compared.robustness) == ["background", "covered"]
    for name, task in compared.robustness.items():
        assert list(task.scores) == ARMS
        for arm, scored in task.scores.items():
            assert list(scored.corruptions) == ["shot_noise", "fog", "frost"]
            means = [sum(score.value or 0 for score in each) / 2 for each in scored.corruptions.values()]
            assert scored.corrupted.value == pytest.approx(sum(means) / 3)
            assert scored.families["weather"].value == pytest.approx(sum(means[1:]) / 2)
            assert scored.clean.seeds == (1 if arm == "classical" else 2)
            # All test pictures are shown, so that it is the same score.
            assert scored.clean.value == pytest.approx(compared.tasks[name].scores[arm].value)


def test_differences_are_in_pairs(compared: oneglance.Comparison) -> None:
    tasks = build_tasks({n: {"type": t.type} for n, t in compared.tasks.items()})
    for name, task in compared.robustness.items():
        joint, single = task.scores["joint"], task.scores["single"]
        values = {key: one.value for key, one in task.differences.items()}
        assert values["clean"] == pytest.approx(joint.clean.value - single.clean.value)  # type: ignore[operator]
        worse = joint.corrupted.value - single.corrupted.value  # type: ignore[operator]
        assert values["corrupted"] == pytest.approx(worse)
        up = 1 if tasks[name].best else -1  # whether more is better
        assert values["lost"] == pytest.approx(up * (values["clean"] - worse), abs=1e-9)  # type: ignore[operator]


def test_a_joint_network_is_scored_as_its_run_would_be(compared: oneglance.Comparison, drawn: Path) -> None:
    alone = [
        oneglance.robustness(drawn / f"out/runs/joint-{seed}", split="test", out=drawn / "r", screen=Screen())
        for seed in (0, 1)
    ]
    for name, task in compared.robustness.items():
        for kind, scores in task.scores["joint"].corruptions.items():
            theirs = [[score.value or 0 for score in one.tasks[name].corruptions[kind]] for one in alone]
            mean = [sum(of_strength) / 2 for of_strength in zip(*theirs, strict=True)]
            assert [score.value for score in scores] == pytest.approx(mean)


def test_what_is_there_is_read_and_other_arms_are_not(
    compared: oneglance.Comparison, drawn: Path, few: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, int]] = []
    scored = worse_pictures._scored

    def noted(arms: Any, pictures: Any, condition: tuple[str, int]) -> Any:
        made.append(condition)
        return scored(arms, pictures, condition)

    with few.context() as patch:
        patch.setattr(worse_pictures, "_scored", noted)
        (drawn / "out/robustness/fog-4.npz").unlink()
        (drawn / "out/robustness/frost-1.npz").write_bytes(b"PK cut short")
        again = ask(drawn)
        assert made == [("fog", 4), ("frost", 1)]
        assert again["robustness"] == compared["robustness"]
        ask(drawn, seeds=1)
        assert len(made) == 2 + 1 + 6, "with one seed less, all of it is another comparison"


def test_the_page_and_the_table_say_it(compared: oneglance.Comparison, drawn: Path, shell: Shell) -> None:
    page = compared.page()
    assert "Worse pictures" in page and "What joint loses more than single" in page
    assert (
        "Worse pictures"
        not in oneglance.Comparison(
            {key: value for key, value in compared.items() if key != "robustness"}
        ).page()
    )
    line = ("compare", drawn / "boxes.toml", "--out", drawn / "boxes", "--only", "classical,constant")
    response = shell(*line, "--robustness")
    assert response.code == 0
    lines = [line.split() for line in response.out.splitlines()]
    assert ["task", "pictures", "classical", "joint", "−", "single"] in lines
    assert [line[0] for line in lines].count("corrupted") == 2 and "lost" not in response.out
    held = json.loads((drawn / "boxes/compare.json").read_text(encoding="utf-8"))
    assert "differences" not in held["robustness"] and list(held["tasks"]) == ["objects", "covered"]
    for name, task in held["robustness"]["tasks"].items():
        assert task["classical"]["clean"]["value"] == pytest.approx(held["tasks"][name]["classical"]["value"])


def test_there_must_be_something_to_score(drawn: Path) -> None:
    with pytest.raises(ConfigError, match="--robustness: has nothing to score — add one of joint"):
        ask(drawn, only=["constant"])
