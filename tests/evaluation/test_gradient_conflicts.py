"""Cosines and shares that a history tells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneglance.evaluation.gradient_conflicts import cosines, late_share, pooled, shares


def row(epoch: int, norms: dict[str, float], pairs: dict[str, float], **loss: float | None) -> dict[str, Any]:
    return {"epoch": epoch, "loss": loss, "gradients": {"norms": norms, "cosines": pairs}}


NORMS = {"a": 1.0, "b": 3.0, "c": 1.0}


def test_the_last_third_of_the_epochs_speaks() -> None:
    early = [row(n, NORMS, {"a | b": 0.9, "a | c": 0.9, "b | c": 0.9}) for n in (1, 2, 3, 4)]
    late = [row(5, NORMS, {"a | b": -0.4, "a | c": 0.1}), row(6, NORMS, {"a | b": -0.2, "a | c": 0.3})]
    found = cosines([*early, *late])
    assert found is not None
    assert found.names == ("a", "b", "c")
    expected = [[np.nan, -0.3, 0.2], [-0.3, np.nan, np.nan], [0.2, np.nan, np.nan]]
    np.testing.assert_allclose(found.mean(), expected)
    assert found.spread()[0, 1] == pytest.approx(0.1 * np.sqrt(2))
    assert found.worst("a") == ("b", pytest.approx(-0.3))  # type: ignore[comparison-overlap]
    assert found.worst("c") is None


@pytest.mark.parametrize(
    "history",
    [
        [],
        [{"epoch": 1, "loss": {"a": 1.0}}],
        [{"epoch": 1, "loss": {}, "gradients": {}}],
        [row(1, {"a": 1.0}, {})],
    ],
    ids=["no epochs", "an old run", "never looked", "one task"],
)
def test_nothing_is_made_up(history: list[dict[str, Any]]) -> None:
    assert cosines(history) is None


def test_epochs_without_a_look_do_not_count() -> None:
    seen = [row(n, NORMS, {"a | b": n / 10, "a | c": 0.0, "b | c": 0.0}) for n in (1, 2, 3)]
    blind: list[dict[str, Any]] = [
        {"epoch": n, "loss": {}, "gradients": {"norms": {}, "cosines": {}}} for n in (4, 5, 6)
    ]
    found = cosines([*seen, *blind])
    assert found is not None and found.mean()[0, 1] == pytest.approx(0.3)


def test_names_may_hold_the_bar_between_names() -> None:
    norms = {"a | b": 1.0, "c": 1.0}
    found = cosines([row(1, norms, {"a | b | c": 0.5})])
    assert found is not None and found.mean()[0, 1] == 0.5


@given(
    st.dictionaries(st.sampled_from("abcd"), st.floats(1e-6, 1e6) | st.none(), min_size=1),
    st.dictionaries(st.sampled_from("abcd"), st.floats(0.01, 100)),
)
def test_shares_sum_to_one(loss: dict[str, float | None], weights: dict[str, float]) -> None:
    (found,) = shares([{"epoch": 1, "loss": loss}], weights, of="loss")
    known = {name for name, value in loss.items() if value is not None}
    assert set(found) == known
    assert not known or sum(found.values()) == pytest.approx(1)


def test_shares_count_the_weights() -> None:
    history = [row(1, NORMS, {}, a=1.0, b=0.5, c=None)]
    assert shares(history, {"b": 2.0}, of="loss") == [{"a": 0.5, "b": 0.5}]
    assert shares(history, {}, of="norms") == [pytest.approx({"a": 0.2, "b": 0.6, "c": 0.2})]


def test_several_trainings_speak_together() -> None:
    one = [row(n, NORMS, {"a | b": -0.2}) for n in range(3)]
    other = [row(n, NORMS, {"a | b": -0.4}) for n in range(6)]
    found = pooled([one, [], other])
    assert found is not None and found.epochs.shape == (3, 3, 3)
    assert found.mean()[0, 1] == pytest.approx((-0.2 - 0.4 - 0.4) / 3)
    assert pooled([[], []]) is None


def test_the_share_at_the_end() -> None:
    early = [row(n, {"a": 9.0, "b": 1.0}, {}) for n in (1, 2)]
    late = [row(3, {"a": 1.0, "b": 3.0}, {})]
    assert late_share([[*early, *late]], {}, "a") == pytest.approx(0.25)
    assert late_share([[*early, *late]], {"a": 3.0}, "a") == pytest.approx(0.5)
    assert late_share([[*early, *late], late], {}, "c") is None and late_share([[]], {}, "a") is None
