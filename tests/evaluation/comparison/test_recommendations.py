"""Which remedy a comparison leads to, and what it is said to cost."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.compared import TASKS, compared
from support.toy import learner

from oneglance import config as configuration
from oneglance.evaluation.comparison.recommendations import (
    losing_tasks,
    own_part,
    recommend,
    recommendations,
)
from oneglance.evaluation.comparison.remedy import Observations, OwnPart
from oneglance.evaluation.comparison.wording import sentences
from oneglance.evaluation.reports.comparison import write_page
from oneglance.network import Network
from oneglance.storage.run_folder import RunFolder

TEXT = """
[[sources]]
path = "x"
[tasks.kind]
type = "label"
[tasks.price]
type = "number"
[tasks.style]
type = "tags"
[training]
epochs = 10
"""
EVEN = dict.fromkeys(TASKS, 1.0)


def parsed(*overrides: str) -> configuration.Config:
    return configuration.parse(TEXT, base=Path(), location="shop.toml", overrides=overrides)


def history(norms: dict[str, float] = EVEN, jitter: float = 0.0, **cosines: float) -> list[dict[str, Any]]:
    """Nine epochs; cosines by ``kind_price``."""
    rows = []
    for epoch in range(9):
        move = jitter * (-1) ** epoch
        pairs = {"kind | price": 0.1, "kind | style": 0.1, "price | style": 0.1}
        pairs |= {name.replace("_", " | "): value + move for name, value in cosines.items()}
        rows.append({"epoch": epoch + 1, "loss": {}, "gradients": {"norms": norms, "cosines": pairs}})
    return rows


def observed(config: configuration.Config | None = None, **changes: Any) -> Observations:
    own = dict.fromkeys(TASKS, OwnPart("stage", 250_000, 0.14))
    return replace(Observations(config or parsed(), EVEN, [history()], 30.0, own), **changes)


def one(result: dict[str, Any], observations: Observations) -> dict[str, Any]:
    (chosen,) = recommendations(result, observations)
    return chosen


AGAINST: dict[str, Any] = {"kind_price": -0.3}
LOST = compared(("price",), ("price",))


def test_with_nothing_worse_there_is_nothing_to_do(tmp_path: Path) -> None:
    result = compared()
    assert recommendations(result, observed()) == [] == recommend(result, parsed(), tmp_path / "gone")
    assert sentences([]) == []


def test_without_both_there_is_no_advice(tmp_path: Path) -> None:
    result = {**compared(("price",)), "summary": {}}
    assert losing_tasks(result) == [] == recommend(result, parsed(), tmp_path / "gone")


@pytest.mark.parametrize(("verdict", "remedy"), [("no difference", "guidance"), ("worse", "private_stage")])
def test_teachers_where_they_mended_it(verdict: str, remedy: str) -> None:
    result = compared(("price",), ("price",))
    result["tasks"]["price"]["guided_steps"] = {"verdict": verdict}
    result["cost"]["guided"] = {**result["cost"]["joint"], "seconds": 420.0}
    chosen = one(result, observed(histories=[history(**AGAINST)], out=Path("/there/compare")))
    assert chosen["remedy"] == remedy
    if remedy == "guidance":
        assert chosen["cost"]["seconds"] == 320 and "--set" in chosen["command"]
        assert "/there/compare/runs/single-kind-0" in chosen["command"]


def test_a_quota_where_it_is_answered_in_a_part_of_every_step() -> None:
    parts = {"kind": 0.5, "price": 0.25, "style": 0.25}
    chosen = one(LOST, observed(parsed("training.source_temperature=2"), answered=parts))
    assert chosen["remedy"] == "source_quota" and "25 % of the pictures of a step" in chosen["why"]
    words = chosen["command"].split(" --set ")[1:]
    assert set(words) >= {
        "training.source_quota=true",
        "training.source_temperature=1.0",
        "training.epochs=20",  # an epoch has half as many steps then
    }
    assert chosen["cost"]["seconds"] == 200 and "3.0 times as many pictures" in chosen["cost"]["words"]
    has_one = parsed("training.source_quota=true")
    assert one(LOST, observed(has_one, answered=parts))["remedy"] != "source_quota"
    assert one(LOST, observed(answered=dict.fromkeys(parts, 0.9)))["remedy"] != "source_quota"


def test_longer_training_where_the_time_of_all_mended_it() -> None:
    """Even where gradients conflict: what was measured comes before what is supposed."""
    chosen = one(compared(("price",)), observed(histories=[history(**AGAINST)]))
    assert chosen["remedy"] == "longer training" and chosen["task"] == "price"
    assert chosen["command"] == "oneglance train shop.toml --set training.epochs=30"
    assert chosen["cost"]["seconds"] == 200 and chosen["cost"]["parameters"] == 0
    assert "3.0 times as long" in chosen["cost"]["words"]


def test_a_budget_shortened_the_comparison_but_not_the_training_advised() -> None:
    chosen = one(compared(("price",), epochs=5), observed(long=15.0))
    assert "training.epochs=30" in chosen["command"]
    assert chosen["cost"]["seconds"] == 400  # ten epochs take 200 s, thirty 600


@pytest.mark.parametrize("long", [0.0, 8.0])
def test_longer_is_not_advised_where_it_would_be_shorter(long: float) -> None:
    assert one(compared(("price",)), observed(long=long))["remedy"] != "longer training"


def test_a_stage_of_its_own_where_gradients_conflict() -> None:
    chosen = one(LOST, observed(histories=[history(**AGAINST), history(kind_price=-0.2)]))
    assert chosen["remedy"] == "private_stage" and "kind (mean cosine −0.25" in chosen["why"]
    assert shlex.split(chosen["command"])[3:] == ["--set", 'training.task_stage=["price"]']
    cost = chosen["cost"]
    assert (cost["seconds"], cost["parameters"], cost["ms_per_picture"]) == (14, 250_000, 0.28)
    assert "250,000 parameters (25 % more)" in cost["words"] and "14 % longer" in cost["words"]


def test_a_backbone_that_cannot_be_parted_gets_an_adapter() -> None:
    observations = observed(histories=[history(**AGAINST)], own={"price": OwnPart("adapter", 9, 0.001)})
    command = one(LOST, observations)["command"]
    (setting,) = shlex.split(command)[4:]
    assert parsed(setting).training.task_stage == {"price": "adapter"}


def test_tasks_that_each_need_a_stage_get_it_in_one_training() -> None:
    config = parsed("training.seed=3", 'training.task_stage={style="adapter"}')
    result = compared(("kind", "price"), ("kind", "price"))
    both = recommendations(result, observed(config, histories=[history(**AGAINST)]))
    assert [entry["remedy"] for entry in both] == ["private_stage", "private_stage"]
    assert both[0]["command"] == both[1]["command"]
    overrides = shlex.split(both[0]["command"])[4::2]
    assert overrides[0] == "training.seed=3", "what this comparison was told stays"
    wanted = {"style": "adapter", "kind": "stage", "price": "stage"}
    assert parsed(*overrides).training.task_stage == wanted


@pytest.mark.parametrize(
    ("cosines", "jitter"), [({"kind_price": -0.05}, 0.0), ({"kind_price": -0.15}, 0.3)], ids=["weak", "noise"]
)
def test_what_is_no_conflict_beyond_noise_is_none(cosines: dict[str, Any], jitter: float) -> None:
    observations = observed(histories=[history(jitter=jitter, **cosines)])
    assert one(LOST, observations)["remedy"] not in ("private_stage", "longer training")


def test_a_weight_where_it_is_hardly_heard() -> None:
    chosen = one(LOST, observed(histories=[history({"kind": 5.0, "price": 1.0, "style": 5.0})]))
    assert chosen["remedy"] == "weight" and "9 % of the gradient" in chosen["why"]
    assert chosen["command"] == "oneglance tune shop.toml --seeds 3"
    assert chosen["cost"]["seconds"] > 300 and chosen["cost"]["parameters"] == 0


def test_a_weight_that_it_already_has_counts() -> None:
    observations = observed(histories=[history({"kind": 5.0, "price": 1.0, "style": 5.0})])
    assert one(LOST, replace(observations, weights={**EVEN, "price": 9.0}))["remedy"] == "grouping"


def test_else_a_network_apart() -> None:
    chosen = one(LOST, observed())
    assert chosen["remedy"] == "grouping" and "alone" in chosen["why"]
    assert chosen["command"] == "oneglance compare shop.toml --groups kind+style,price --seeds 2 --out ."
    assert chosen["cost"]["seconds"] == 100 and chosen["cost"]["parameters"] == 1_000_000


def test_a_parting_after_a_budget_is_a_comparison_of_its_own() -> None:
    """With other epochs than those of the configuration, the folder of the first would refuse it."""
    result = {**compared(("price",), ("price",), epochs=5), "budget": 60.0}
    command = one(result, observed(out=Path("compare/shop")))["command"]
    assert command.endswith("--out compare/shop-parted --set training.epochs=5")


def test_a_network_apart_as_the_gradients_speak_for() -> None:
    observations = observed(
        histories=[history(kind_price=-0.3, price_style=-0.3)], own={}
    )  # with a stage of its own
    chosen = one(LOST, observations)
    assert chosen["remedy"] == "grouping" and "kind + style | price" in chosen["why"]
    assert "--groups kind+style,price" in chosen["command"]


def test_without_a_look_at_gradients_there_is_still_an_answer() -> None:
    assert one(LOST, observed(histories=[[]]))["remedy"] == "grouping"


# What can be made of the single networks that are there.


def at_hand(folder: Path) -> Observations:
    """Finished single networks, of which that of the style also declares the kind."""
    singles = {}
    for name in TASKS:
        text = TEXT.split("[tasks.")[0] + f'[tasks.{name}]\ntype = "label"\n'
        if name == "style":
            text += '[tasks.kind]\ntype = "label"\nweight = 0\n'
        run = RunFolder.create(
            folder / f"compare/runs/single-{name}-0", configuration.parse(text, base=folder)
        )
        singles[name] = run.path
    return observed(singles=singles, out=folder / "compare")


def test_the_single_networks_where_nothing_else_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    single = {"parameters": 3_000_000, "ms_per_picture": 6.0, "seconds": 300.0, "peak_mb": 900.0}
    result = {**LOST, "cost": {**LOST["cost"], "single": single}}
    chosen = one(result, at_hand(tmp_path))
    assert chosen["remedy"] == "combine" and "also at equal total time" in chosen["why"]
    runs = " ".join(f"compare/runs/single-{name}-0" for name in TASKS)
    assert chosen["command"] == (
        f"oneglance combine {runs} --out compare/combined --rename single-style-0.kind=style_kind"
    )
    assert (chosen["cost"]["parameters"], chosen["cost"]["ms_per_picture"]) == (2_000_000, 4.0)
    others = {other["remedy"]: other for other in chosen["others"]}
    assert list(others) == ["guidance", "distil", "extend"]
    (teachers,) = shlex.split(others["guidance"]["command"])[4:]
    assert parsed(teachers).training.teachers == [str(tmp_path / run) for run in runs.split()]
    assert others["distil"]["command"] == f"oneglance distil {runs} --pictures shop.toml"
    assert others["extend"]["command"] == ("oneglance extend compare/runs/single-price-0 shop.toml --stage")
    assert others["extend"]["cost"]["parameters"] == 500_000
    lines = sentences([chosen])
    assert len(lines) == 4 and lines[2].startswith("or one network that learns from the single ones. Why: ")
    write_page(tmp_path / "a.html", {**result, "advice": [chosen]}, title="shop")
    assert "oneglance</span> <span>distil" in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_they_stand_beside_a_remedy_of_one_network(tmp_path: Path) -> None:
    single = {"parameters": 3_000_000, "ms_per_picture": 6.0, "seconds": 300.0, "peak_mb": 900.0}
    result = {**LOST, "cost": {**LOST["cost"], "single": single}}
    chosen = one(result, replace(at_hand(tmp_path), histories=[history(**AGAINST)]))
    assert chosen["remedy"] == "private_stage"
    assert [other["remedy"] for other in chosen["others"]] == ["combine", "guidance", "distil", "extend"]


def test_nothing_is_made_of_networks_that_are_not_there(tmp_path: Path) -> None:
    result = {**LOST, "cost": {**LOST["cost"], "single": LOST["cost"]["joint"]}}
    some = at_hand(tmp_path)
    less = replace(some, singles={"kind": some.singles["kind"]})
    assert one(result, less)["remedy"] == "grouping" and one(result, less)["others"] == []


def test_the_sentences_and_the_page_say_it(tmp_path: Path) -> None:
    result: dict[str, Any] = {
        **LOST,
        "advice": recommendations(LOST, observed(histories=[history(**AGAINST)])),
    }
    (line,) = sentences(result["advice"])
    assert line.startswith("price learned worse than alone; try a part of the network of its own")
    assert line.endswith(result["advice"][0]["command"])
    json.dumps(result["advice"])
    write_page(tmp_path / "a.html", result, title="shop")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "What to do" in page and "training.task_stage=[&#34;price&#34;]" in page
    write_page(tmp_path / "b.html", {**compared(), "advice": []}, title="shop")
    assert "Nothing: no task is significantly worse" in (tmp_path / "b.html").read_text(encoding="utf-8")


def test_what_a_part_costs_is_counted(tmp_path: Path) -> None:
    network: Network = learner(tmp_path / "run").network
    result = own_part(network, places=False)
    stage = network.backbone.copy_last_stage()
    assert result.kind == "stage" and result.parameters == sum(p.numel() for p in stage.parameters())
    parted = learner(tmp_path / "other", 'training.task_stage=["weight"]').network
    grown = [sum(p.numel() for p in each.parameters()) for each in (network, parted)]
    assert result.parameters == grown[1] - grown[0]
    assert 0.05 < result.operations < 1
    assert network.backbone.gives_below is False


def test_a_part_of_what_cannot_be_parted_is_an_adapter(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = learner(
        tmp_path / "run", 'backbone.name="classical"', "backbone.options={}", "backbone.size=32"
    ).network
    result = own_part(network, places=False)
    assert result.kind == "adapter" and result.parameters > 0
