"""What every balancing method promises, asked of every file of balancers/."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneglance.balancer import build_balancer, names
from oneglance.errors import ConfigError
from oneglance.testing.balancers import (
    BalancerExample,
    checks_of,
    first_weights,
    require_any_order,
    require_sound,
)
from oneglance.testing.promises import sentence

METHODS = {
    "aligned",
    "cagrad",
    "db_mtl",
    "dwa",
    "equal",
    "fairgrad",
    "famo",
    "gradnorm",
    "imtl_g",
    "log_sum",
    "mgda",
    "pcgrad",
    "rlw",
    "stch",
    "uncertainty",
    "upgrad",
}
BY_CHANCE = {"rlw", "pcgrad"}  # what they draw depends on a task's index
SUM_OF_ONE = METHODS - {
    "aligned",
    "cagrad",
    "db_mtl",
    "fairgrad",
    "pcgrad",
    "upgrad",
}  # others say what they do
MAY_BE_NEGATIVE = {"aligned", "imtl_g"}
IGNORES_LOSSES = {"equal"}

quick = settings(deadline=None, max_examples=50)
every_method = pytest.mark.parametrize("name", names())
steps = st.lists(st.tuples(st.floats(2**-10, 2**10, width=32), st.booleans()), min_size=1, max_size=8)


def example(name: str, options: dict[str, Any] | None = None) -> BalancerExample:
    return BalancerExample(
        name,
        options or {},
        sums_to_one=name in SUM_OF_ONE,
        may_be_negative=name in MAY_BE_NEGATIVE,
        random=name in BY_CHANCE,
        ignores_losses=name in IGNORES_LOSSES,
    )


PROMISES = [(name, check) for name in names() for check in checks_of(example(name))]


def test_no_method_is_lost() -> None:
    assert set(names()) >= METHODS


@pytest.mark.parametrize(
    ("name", "check"), PROMISES, ids=[f"{sentence(check)}-{name}" for name, check in PROMISES]
)
def test_it_keeps_the_contract(name: str, check: Callable[[BalancerExample], None]) -> None:
    check(example(name))


@every_method
@quick
@given(steps)
def test_weights_are_sound(name: str, step: list[tuple[float, bool]]) -> None:
    losses, present = map(list, zip(*step, strict=True))
    require_sound(example(name), losses, present)


@pytest.mark.parametrize("name", [name for name in names() if name not in BY_CHANCE])
@quick
@given(steps, st.randoms(use_true_random=False))
def test_the_order_of_the_tasks_does_not_matter(
    name: str, step: list[tuple[float, bool]], draw: object
) -> None:
    order = list(range(len(step)))
    draw.shuffle(order)  # type: ignore[attr-defined]
    losses, present = map(list, zip(*step, strict=True))
    require_any_order(example(name), losses, present, order)


@every_method
def test_every_option_has_limits(name: str) -> None:
    for key in type(build_balancer(name, {})).model_fields:
        with pytest.raises(ConfigError, match=key):
            build_balancer(name, {key: -1.0})


def test_an_unknown_method_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r'\[training\] has no balancer "equals"\. Did you mean "equal"\?'):
        build_balancer("equals", {})


def test_equal_is_the_mean_over_what_is_labelled() -> None:
    weights = first_weights(example("equal"), [1.0, 9.0, 0.1, 2.0], [True, True, False, True])
    assert weights.tolist() == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3])
