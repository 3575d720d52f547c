"""What every balancing method promises, asked of every file of balancers/."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from oneglance.balancer import Balancer, build_balancer, names
from oneglance.errors import ConfigError

quick = settings(deadline=None, max_examples=50)
every_method = pytest.mark.parametrize("name", names())
steps = st.lists(st.tuples(st.floats(2**-10, 2**10, width=32), st.booleans()), min_size=1, max_size=8)


def weights(name: str, losses: list[float], present: list[bool]) -> Tensor:
    """Of a new balancer, in its first step; losses are 0 where not present, as the loop tells them."""
    told = torch.tensor(losses) * torch.tensor(present)
    return build_balancer(name, {}).weights(told, torch.tensor(present))


def test_no_method_is_lost() -> None:
    assert set(names()) >= {"equal"}


@every_method
@quick
@given(steps)
def test_weights_are_sound(name: str, step: list[tuple[float, bool]]) -> None:
    losses, present = map(list, zip(*step, strict=True))
    found = weights(name, losses, present)
    assert found.dtype == torch.float32 and found.shape == (len(step),)
    assert not found.requires_grad
    assert found.isfinite().all() and (found >= 0).all()
    assert (found[~torch.tensor(present)] == 0).all()
    assert bool(found.sum() > 0) == any(present)


@every_method
@quick
@given(st.integers(1, 8))
def test_nothing_known_nothing_weighed(name: str, count: int) -> None:
    assert weights(name, [1.0] * count, [False] * count).tolist() == [0.0] * count


@every_method
@quick
@given(steps, st.randoms(use_true_random=False))
def test_the_order_of_the_tasks_does_not_matter(
    name: str, step: list[tuple[float, bool]], draw: object
) -> None:
    places = list(range(len(step)))
    draw.shuffle(places)  # type: ignore[attr-defined]
    losses, present = map(list, zip(*step, strict=True))
    found = weights(name, [losses[p] for p in places], [present[p] for p in places])
    torch.testing.assert_close(found, weights(name, losses, present)[places])


@every_method
def test_the_losses_are_left_alone(name: str) -> None:
    losses, present = torch.tensor([0.5, 2.0]), torch.tensor([True, True])
    build_balancer(name, {}).weights(losses, present)
    assert losses.tolist() == [0.5, 2.0] and present.tolist() == [True, True]


@every_method
def test_unknown_options_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"\[training\.balancer_options\] has no key \"speed\""):
        build_balancer(name, {"speed": 1})


@every_method
def test_it_is_a_balancer(name: str) -> None:
    assert isinstance(build_balancer(name, {}), Balancer)


def test_an_unknown_method_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r'\[training\] has no balancer "equals"\. Did you mean "equal"\?'):
        build_balancer("equals", {})


def test_equal_is_the_mean_over_what_is_known() -> None:
    assert weights("equal", [1.0, 9.0, 0.1, 2.0], [True, True, False, True]).tolist() == pytest.approx(
        [1 / 3, 1 / 3, 0, 1 / 3]
    )
