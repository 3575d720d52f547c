"""What every balancing method promises, asked of every file of balancers/."""

from __future__ import annotations

import io

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from oneglance.balancer import Balancer, build_balancer, names
from oneglance.errors import ConfigError

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
BY_CHANCE = {"rlw", "pcgrad"}  # what they draw depends on a task's place
SUM_OF_ONE = METHODS - {
    "aligned",
    "cagrad",
    "db_mtl",
    "fairgrad",
    "pcgrad",
    "upgrad",
}  # others say what they do
MAY_BE_NEGATIVE = {"aligned", "imtl_g"}

quick = settings(deadline=None, max_examples=50)
every_method = pytest.mark.parametrize("name", names())
steps = st.lists(st.tuples(st.floats(2**-10, 2**10, width=32), st.booleans()), min_size=1, max_size=8)


def random_gram(tasks: int, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    rows = torch.randn(tasks, 2 * tasks + 3, generator=draw)
    return rows @ rows.T


def ask(method: Balancer, losses: list[float], present: list[bool], gram: Tensor, **step: int) -> Tensor:
    """Losses and gradients are 0 where not present, as the loop tells them."""
    known = torch.tensor(present)
    return method.weights(torch.tensor(losses) * known, known, gram * known * known[:, None], **step)


def weights(name: str, losses: list[float], present: list[bool], gram: Tensor | None = None) -> Tensor:
    """Of a new balancer, in its first step."""
    gram = random_gram(len(losses)) if gram is None else gram
    return ask(build_balancer(name, {}), losses, present, gram)


def run(method: Balancer, first: int, last: int) -> list[Tensor]:
    """Its weights in the steps from ``first`` on; tasks are absent now and then, epochs end."""
    found = []
    for step in range(first, last):
        losses = (torch.rand(4, generator=torch.Generator().manual_seed(step)) + 0.1).tolist()
        present = [place == 0 or (step + place) % 3 > 0 for place in range(4)]
        found.append(ask(method, losses, present, random_gram(4, step), epoch=step // 3, seed=step))
    return found


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


def test_no_method_is_lost() -> None:
    assert set(names()) >= METHODS


@every_method
@quick
@given(steps)
def test_weights_are_sound(name: str, step: list[tuple[float, bool]]) -> None:
    losses, present = map(list, zip(*step, strict=True))
    found = weights(name, losses, present)
    assert found.dtype == torch.float32 and found.shape == (len(step),)
    assert not found.requires_grad
    assert found.isfinite().all()
    assert name in MAY_BE_NEGATIVE or (found >= 0).all()
    assert (found[~torch.tensor(present)] == 0).all()
    assert bool(found.sum() > 0) == any(present)
    if name in SUM_OF_ONE and any(present):
        assert found.sum().item() == pytest.approx(1, abs=1e-5)


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
    if name in BY_CHANCE:
        pytest.skip("what it draws depends on the place")
    places = list(range(len(step)))
    draw.shuffle(places)  # type: ignore[attr-defined]
    losses, present = map(list, zip(*step, strict=True))
    gram = random_gram(len(step))
    found = weights(name, [losses[p] for p in places], [present[p] for p in places], gram[places][:, places])
    torch.testing.assert_close(found, weights(name, losses, present, gram)[places], rtol=1e-4, atol=1e-5)


@every_method
def test_an_absent_task_is_as_if_it_did_not_exist(name: str) -> None:
    present = torch.tensor([True, False, True, True])
    gram, losses = random_gram(4), torch.tensor([0.5, 1.0, 0.7, 2.0])
    if name in BY_CHANCE:
        pytest.skip("what it draws depends on the place")
    found = weights(name, losses.tolist(), present.tolist(), gram)[present]
    rest = weights(name, losses[present].tolist(), [True] * 3, gram[present][:, present])
    torch.testing.assert_close(found, rest)


@every_method
@pytest.mark.parametrize("place", [0, 2])
def test_a_task_alone_has_weight_one(name: str, place: int) -> None:
    method = build_balancer(name, {})
    alone = [other == place for other in range(3)]
    for step in range(12):
        ask(method, [0.5, 1.5, 1.0], [True] * 3, random_gram(3, step), epoch=step // 4, seed=step)
    found = ask(method, [0.3, 0.4, 0.5], alone, random_gram(3), epoch=4)
    assert found.tolist() == pytest.approx([float(known) for known in alone])


ODD = {
    "no gradient": torch.zeros(3, 3),
    "one has none": torch.diag(torch.tensor([1.0, 0.0, 2.0])),
    "the same": torch.ones(3, 3),
    "nearly the same": torch.ones(3, 3) + 1e-7 * torch.diag(torch.tensor([1.0, -1.0, 0.0])),
    "two opposed": torch.tensor([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    "opposed, of other size": torch.tensor([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]]),
    "they cancel": torch.tensor([[1.0, -0.5, -0.5], [-0.5, 1.0, -0.5], [-0.5, -0.5, 1.0]]),
    "huge and tiny": torch.diag(torch.tensor([1e30, 1.0, 1e-30])),
    "tiny": 1e-30 * torch.eye(3),
    "not quite a Gram matrix": torch.tensor([[1.0, 1.01, 0.0], [1.01, 1.0, 0.0], [0.0, 0.0, 1.0]]),
}


@every_method
@pytest.mark.parametrize("gram", ODD.values(), ids=ODD)
@pytest.mark.parametrize("losses", [[1.0, 1.0, 1.0], [0.0, 1e-30, 1e6]], ids=["usual", "extreme"])
def test_odd_gradients_and_losses(name: str, gram: Tensor, losses: list[float]) -> None:
    method = build_balancer(name, {})
    for step in range(3):
        found = ask(method, losses, [True] * 3, gram, seed=step, epoch=step)
        assert found.isfinite().all() and found.any()
    assert ask(method, [1.0] * 3, [True] * 3, random_gram(3), epoch=3).isfinite().all()


@every_method
@pytest.mark.parametrize("rank", [1, 7, 60])
def test_forty_tasks(name: str, rank: int) -> None:
    rows = torch.randn(40, rank, generator=torch.Generator().manual_seed(1))
    found = weights(name, [1.0] * 40, [True] * 40, rows @ rows.T)
    assert found.isfinite().all() and found.any()


@every_method
@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_no_step_is_made_of_what_is_not_finite(name: str, broken: float) -> None:
    """The loop tells of it; the memory stays sound."""
    method = build_balancer(name, {})
    before = run(method, 0, 4) and method.state()
    gram = random_gram(4)
    if name != "equal":
        assert ask(method, [1.0, broken, 1.0, 1.0], [True] * 4, gram, epoch=1).isnan().all()
    if method.needs_gram:
        gram[1, 2] = gram[2, 1] = broken
        assert ask(method, [1.0] * 4, [True] * 4, gram, epoch=1).isnan().all()
    same(method.state(), before)


@every_method
def test_a_resumed_method_goes_on_as_if_nothing_had_happened(name: str) -> None:
    whole = run(build_balancer(name, {}), 0, 24)
    first, second = build_balancer(name, {}), build_balancer(name, {})
    run(first, 0, 10)
    file = io.BytesIO()
    torch.save(first.state(), file)
    file.seek(0)
    second.restore(torch.load(file, weights_only=True))
    run(first, 10, 24)  # whose memory is its own
    for found, expected in zip(run(second, 10, 24), whole[10:], strict=True):
        assert found.equal(expected)


@every_method
def test_what_state_gives_does_not_change(name: str) -> None:
    method = build_balancer(name, {})
    run(method, 0, 4)
    state = method.state()
    before = {key: kept.clone() for key, kept in state.items()}
    run(method, 4, 9)
    same(state, before)


@every_method
def test_what_is_told_is_left_alone(name: str) -> None:
    losses, present, gram = torch.tensor([0.5, 2.0]), torch.tensor([True, True]), random_gram(2)
    before = gram.clone()
    build_balancer(name, {}).weights(losses, present, gram)
    assert losses.tolist() == [0.5, 2.0] and present.tolist() == [True, True] and gram.equal(before)


@every_method
def test_a_method_by_gradients_says_so(name: str) -> None:
    method, losses, present = build_balancer(name, {}), torch.tensor([0.5, 2.0]), torch.ones(2).bool()
    if method.needs_gram:
        with pytest.raises(ValueError, match="needs the Gram matrix"):
            method.weights(losses, present)
    else:
        found = method.weights(losses, present)
        assert build_balancer(name, {}).weights(losses, present, random_gram(2)).equal(found)


@every_method
def test_unknown_options_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"\[training\.balancer_options\] has no key \"speed\""):
        build_balancer(name, {"speed": 1})


@every_method
def test_every_option_has_limits(name: str) -> None:
    for key in type(build_balancer(name, {})).model_fields:
        with pytest.raises(ConfigError, match=key):
            build_balancer(name, {key: -1.0})


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
