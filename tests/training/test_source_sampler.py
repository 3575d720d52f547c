"""How often the pictures of each source come, and how many of each task are in a step."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import toy

from oneglance import config as configuration
from oneglance.data.record import Record
from oneglance.errors import ConfigError
from oneglance.training.data_loader import Batch
from oneglance.training.preparation.early_checks import refuse_impossible
from oneglance.training.source_sampler import QuotaSampler, SourceSampler


def test_at_temperature_1_every_picture_comes_once() -> None:
    epoch = SourceSampler(["a"] * 7 + ["b"] * 3).epoch(np.random.default_rng(0))
    assert sorted(epoch.tolist()) == list(range(10)) != epoch.tolist()


def test_temperature_2_takes_square_roots() -> None:
    sampling = SourceSampler(["big"] * 400 + ["small"] * 100, 2.0)
    assert sampling.counts == [400, 200]
    assert sampling.describe(64) == "big 400 pictures (67%), small 100 pictures 2.0 times (33%)"
    counts = Counter(sampling.epoch(np.random.default_rng(1)).tolist())
    assert {counts[row] for row in range(400)} == {1}
    assert {counts[row] for row in range(400, 500)} == {2}


def test_a_high_temperature_makes_all_alike() -> None:
    assert SourceSampler(["a"] * 50 + ["b"] * 5 + ["c"], 1e6).counts == [50, 50, 50]


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=4),
    temperature=st.floats(1, 50),
    seed=st.integers(0, 99),
)
def test_whatever_the_sources(sizes: list[int], temperature: float, seed: int) -> None:
    sources = [f"s{place}" for place, size in enumerate(sizes) for _ in range(size)]
    sampling = SourceSampler(sources, temperature)
    epoch = sampling.epoch(np.random.default_rng(seed))
    assert len(epoch) == len(sampling)
    counts = Counter(epoch.tolist())
    for name, rows, drawn in zip(sampling.names, sampling.rows, sampling.counts, strict=True):
        assert {sources[row] for row in rows} == {name}
        found = [counts[row] for row in rows.tolist()]
        assert sum(found) == drawn >= len(rows)
        assert max(found) - min(found) <= 1  # none again before all others
    assert sum(len(rows) for rows in sampling.rows) == len(sources)
    assert sampling.epoch(np.random.default_rng(seed)) == pytest.approx(epoch)


# Quotas.

BATCH = 16


def in_steps(answered: list[list[str]], seed: int = 0, batch: int = BATCH) -> list[Counter[str]]:
    """How many pictures with an answer each task has, step by step."""
    sampler = QuotaSampler(answered)
    order = sampler.epoch(np.random.default_rng(seed))
    assert len(order) == len(sampler)
    parts = np.array_split(order, sampler.steps(batch))
    return [Counter(name for row in part.tolist() for name in answered[row]) for part in parts]


def test_sources_that_each_know_a_part() -> None:
    answered = [["cells"]] * 40 + [["kind"]] * 160 + [["raccoons"]] * 77
    sampler = QuotaSampler(answered)
    assert sampler.steps(BATCH) == 10
    assert sampler.describe(BATCH) == (
        "10 steps of 48 pictures: "
        "for cells 16 (each 4.0 times), for kind 16, for raccoons 16 (each 2.1 times)"
    )
    for step in in_steps(answered):
        assert all(15 <= step[name] <= 17 for name in ("cells", "kind", "raccoons"))


def test_one_source_that_knows_all_is_as_without() -> None:
    answered = [["kind", "price"]] * 100
    sampler = QuotaSampler(answered)
    assert (len(sampler), sampler.steps(BATCH)) == (100, 7)
    assert sorted(sampler.epoch(np.random.default_rng(0)).tolist()) == list(range(100))


def test_a_task_with_few_answers_among_others() -> None:
    """Its pictures come more often, and bring answers to the other task along."""
    answered = [["kind"]] * 150 + [["kind", "price"]] * 50
    steps = in_steps(answered)
    assert len(steps) == 13  # as many as 200 pictures in batches of 16
    assert all(15 <= step["price"] <= 16 and step["kind"] >= 25 for step in steps)


def test_pictures_without_answers_come_once_and_none_again_before_all_others() -> None:
    sampler = QuotaSampler([["a"]] * 6 + [["b"]] * 15 + [[]] * 4)
    counts = Counter(sampler.epoch(np.random.default_rng(3)).tolist())
    assert {counts[row] for row in range(6)} == {2, 3}
    assert {counts[row] for row in range(6, 25)} == {1}


@settings(deadline=None, max_examples=60)
@given(
    kinds=st.dictionaries(
        st.frozensets(st.sampled_from("abc"), min_size=1), st.integers(1, 60), min_size=1, max_size=5
    ),
    batch=st.integers(2, 32),
    seed=st.integers(0, 99),
)
def test_each_task_has_its_share_of_every_step(
    kinds: dict[frozenset[str], int], batch: int, seed: int
) -> None:
    answered = [sorted(kind) for kind, count in kinds.items() for _ in range(count)]
    steps = in_steps(answered, seed, batch)
    sizes = [sum(name in tasks for tasks in answered) for name in "abc"]
    share = max(sizes) / len(steps)  # of the task with the most: that of a step of its own network
    for name in {name for tasks in answered for name in tasks}:
        assert sum(step[name] for step in steps) >= max(sizes) - len(kinds) / 2
        assert min(step[name] for step in steps) > share - len(kinds) - 1  # each kind is one short, at most
    assert QuotaSampler(answered).epoch(np.random.default_rng(seed)).tolist() == (
        QuotaSampler(answered).epoch(np.random.default_rng(seed)).tolist()
    )


# In a training.

TEXT = toy.CONFIG.replace('uses = ["kind", "style"]', "").replace("[augment]", "[augment]\nmosaic = 0")
QUOTA = "training.source_quota=true"


@pytest.fixture
def parted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every picture is asked one thing: the kind of most of them, the weight, style and verdict of few."""
    world = toy.world

    def in_parts(count: int = 60) -> tuple[toy.Pixels, list[Record]]:
        store, records = world(count)
        names = [name for name, times in zip(toy_tasks(), (12, 6, 4, 2), strict=True) for _ in range(times)]
        return store, [
            replace(r, answers={n: a for n, a in r.answers.items() if n == names[row % len(names)]})
            for row, r in enumerate(records)
        ]

    def toy_tasks() -> list[str]:
        return ["kind", "weight", "style", "verdict"]

    monkeypatch.setattr(toy, "world", in_parts)
    monkeypatch.setattr(toy, "TRAINING", 48)


def labelled(batch: Batch) -> dict[str, int]:
    """How many pictures of a batch answer each task."""
    return {name: int((batch.targets[name]["class"] >= 0).sum()) for name in ("kind", "verdict")}


@pytest.mark.usefixtures("parted")
def test_batches_of_a_training_have_their_share(tmp_path: Path) -> None:
    trainer = toy.begin(tmp_path / "run", QUOTA, text=TEXT)
    steps = [labelled(batch) for batch in trainer.loaders[0].shuffled(0, 0)]
    known = Counter(name for r in trainer.training.records for name in r.answers)
    assert len(steps) == len(trainer.loaders[0]) == -(-known["kind"] // 8)
    for step in steps:
        assert all(abs(step[name] - known["kind"] / len(steps)) <= 1 for name in ("kind", "verdict")), steps
    without = toy.begin(tmp_path / "without", text=TEXT)
    assert len(without.loaders[0]) == 48 // 8 > len(steps)


@pytest.mark.usefixtures("parted")
def test_a_training_with_quotas_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    toy.train(tmp_path / "whole", QUOTA, text=TEXT)
    toy.train(tmp_path / "stopped", QUOTA, text=TEXT, stops=[2, 3])
    assert toy.results(tmp_path / "whole") == toy.results(tmp_path / "stopped")


def test_one_way_to_say_how_often_a_source_comes() -> None:
    config = configuration.parse(
        toy.CONFIG, base=Path(), overrides=[QUOTA, "training.source_temperature=2", "training.device=cpu"]
    )
    with pytest.raises(ConfigError, match=r"both say how often .* — leave one of them out"):
        refuse_impossible(config)
