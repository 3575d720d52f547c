"""The methods that need the Gram matrix of the gradients, against TorchJD and the papers' formulas."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partialmethod

import cvxpy
import numpy as np
import pytest
import torch
from torch import Tensor
from torchjd.aggregation import (
    AlignedMTLWeighting,
    CAGradWeighting,
    FairGradWeighting,
    IMTLGWeighting,
    MGDAWeighting,
    PCGradWeighting,
    UPGradWeighting,
)

from oneglance.balancer import Balancer, build_balancer, gram_matrix

# Another library's solvers, for each balancer: two minutes together.
pytestmark = [pytest.mark.thorough, pytest.mark.slow]

DRAWS = 1000
SEED = 7
FINE = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-11)  # of a general solver


def problems(count: int = DRAWS, most: int = 8) -> Iterator[tuple[Tensor, Tensor]]:
    """(losses [k], Gram matrix [k, k]) of random gradients of different sizes, most of which conflict."""
    draw = torch.Generator().manual_seed(SEED)
    for _ in range(count):
        tasks = int(torch.randint(2, most + 1, (1,), generator=draw))
        yield random_losses(tasks, draw), random_gram(tasks, draw)


def random_gram(tasks: int, draw: torch.Generator) -> Tensor:
    rows = torch.randn(tasks, 2 * tasks, generator=draw, dtype=torch.float64)
    rows *= torch.exp(0.5 * torch.randn(tasks, 1, generator=draw, dtype=torch.float64))
    return rows @ rows.T


def random_losses(tasks: int, draw: torch.Generator) -> Tensor:
    return torch.exp(torch.randn(tasks, generator=draw, dtype=torch.float64))


def ours(method: Balancer, losses: Tensor, gram: Tensor, seed: int = SEED) -> Tensor:
    present = torch.ones(len(losses), dtype=torch.bool)
    return method.weights(losses, present, gram, seed=seed).double()


def beside_an_absent_task(method: Balancer, losses: Tensor, gram: Tensor, place: int) -> Tensor:
    """The same of all tasks but a further one, at ``place``, that the batch knows nothing of."""
    present = torch.arange(len(losses) + 1) != place
    more, wider = torch.zeros(len(present)).double(), torch.zeros(len(present), len(present)).double()
    more[present], wider[torch.outer(present, present)] = losses, gram.flatten()
    found = method.weights(more, present, wider, seed=SEED).double()
    assert found[place] == 0
    return found[present]


def with_global_seed(weighting: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def seeded(gram: Tensor) -> Tensor:
        torch.manual_seed(SEED)
        return weighting(gram)

    return seeded


def to_mean_norm(weighting: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def scaled(gram: Tensor) -> Tensor:
        weights, norms = weighting(gram), gram.diagonal().sqrt()
        return weights * norms.mean() / (weights @ norms)

    return scaled


def theirs_of_upgrad(gram: Tensor) -> Tensor:
    pytest.importorskip(
        "quadprog", reason="TorchJD's UPGrad needs quadprog, which is GPL and so not installed"
    )
    return UPGradWeighting()(gram)


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """The solver of TorchJD's CAGrad stops early: its weights are good to 1e-4 only."""
    monkeypatch.setattr(cvxpy.Problem, "solve", partialmethod(cvxpy.Problem.solve, **FINE))


# Those who try are exact, and look for their answers in another way: of a problem with few tasks, every
# set of weights that may be at their bound is tried.


def supports(tasks: int) -> np.ndarray:
    """Every choice of some of the tasks, bool [2^k, k]."""
    return (np.arange(2**tasks)[:, None] >> np.arange(tasks) & 1).astype(bool)


def mgda_by_trying(gram: Tensor) -> Tensor:
    """The shortest mixture (Sener and Koltun 2018, equation 3): of each support, that whose products with its
    gradients are equal. The right one has no negative weight and no smaller product outside.
    """
    g, free = gram.numpy(), supports(len(gram))[1:].astype(float)
    matrices = free[:, :, None] * g * free[:, None] + np.eye(len(g)) * (1 - free[:, None])
    found = np.linalg.solve(matrices, free[:, :, None])[..., 0]
    found /= found.sum(axis=1, keepdims=True)
    along = found @ g
    lacking = np.minimum(along - (along * found).sum(axis=1, keepdims=True), found * g.diagonal())
    return torch.from_numpy(found[lacking.min(axis=1).argmax()])


def upgrad_by_trying(gram: Tensor) -> Tensor:
    """The mean over the tasks of the shortest mixture with weights of at least the task's own (Quinton and
    Rey 2024, proposition 1), with the ridge of 1e-4 that TorchJD has as well.
    """
    g, free = (gram / gram.trace()).numpy(), supports(len(gram)).astype(float)
    g = g + 1e-4 * np.eye(len(g))
    held = np.eye(len(g)) * (1 - free[:, None])  # their weights are the bound
    matrices = free[:, :, None] * g * free[:, None] + held
    found = np.linalg.solve(matrices, held - free[:, :, None] * (g @ held))  # [2^k, weights, task]
    lacking = np.minimum(found - np.eye(len(g)), g @ found)
    best = lacking.min(axis=1).argmax(axis=0)
    return torch.from_numpy(found[best, :, np.arange(len(g))].mean(axis=0))


@cache
def ball(tasks: int) -> tuple[cvxpy.Problem, cvxpy.Variable, cvxpy.Parameter, cvxpy.Parameter]:
    """The program of CAGrad, made ready once for each number of tasks."""
    weights, columns = cvxpy.Variable(tasks), cvxpy.Parameter((tasks, tasks))
    along = cvxpy.Parameter(tasks)
    wanted = cvxpy.Minimize(along @ weights + cvxpy.norm(columns @ weights))
    return cvxpy.Problem(wanted, [weights >= 0, cvxpy.sum(weights) == 1]), weights, columns, along


def cagrad_by_program(c: float) -> Callable[[Tensor], Tensor]:
    """Liu et al. 2021, algorithm 1, by a general solver: TorchJD does the same, ten times slower."""

    def weigh(gram: Tensor) -> Tensor:
        g = gram.numpy() / gram.diagonal().mean().item()
        mean = np.full(len(g), 1 / len(g))
        radius = c * np.sqrt(mean @ g @ mean)
        program, weights, columns, along = ball(len(g))
        columns.value, along.value = radius * np.linalg.cholesky(g).T, g @ mean
        program.solve(solver="CLARABEL", **FINE)
        found = weights.value
        return torch.from_numpy((mean + radius * found / np.sqrt(found @ g @ found)) / (1 + c))

    return weigh


# Name, options, oracle, draws: what TorchJD solves slowly it is asked less often, and others then more.
ORACLES: dict[str, tuple[str, dict[str, float], Callable[[Tensor], Tensor], int]] = {
    "upgrad": ("upgrad", {}, theirs_of_upgrad, 300),
    "upgrad by trying": ("upgrad", {}, upgrad_by_trying, DRAWS),
    "mgda by trying": ("mgda", {}, mgda_by_trying, DRAWS),
    "pcgrad": ("pcgrad", {}, with_global_seed(lambda g: PCGradWeighting()(g) / len(g)), DRAWS),
    "imtl_g": ("imtl_g", {}, IMTLGWeighting(), DRAWS),
    "aligned": ("aligned", {}, AlignedMTLWeighting(), DRAWS),
    "cagrad": ("cagrad", {}, lambda g: CAGradWeighting(0.5)(g) / 1.5, 100),
    "cagrad by program": ("cagrad", {}, cagrad_by_program(0.5), DRAWS),
    "cagrad 0.2 by program": ("cagrad", {"c": 0.2}, cagrad_by_program(0.2), 200),
    "fairgrad 1": ("fairgrad", {}, to_mean_norm(FairGradWeighting(1.0)), DRAWS),
    "fairgrad 2": ("fairgrad", {"alpha": 2.0}, to_mean_norm(FairGradWeighting(2.0)), 50),
}


@pytest.mark.parametrize(("name", "options", "oracle", "draws"), ORACLES.values(), ids=ORACLES)
@pytest.mark.usefixtures("exact")
@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")  # by the solver's own, stricter measure
def test_agrees_with_its_oracle(
    name: str, options: dict[str, float], oracle: Callable[[Tensor], Tensor], draws: int
) -> None:
    """Also where a further task is absent, of which the oracle never hears."""
    method = build_balancer(name, options)
    for place, (losses, gram) in enumerate(problems(draws)):
        expected = oracle(gram)
        torch.testing.assert_close(ours(method, losses, gram), expected, rtol=1e-5, atol=1e-5)
        found = beside_an_absent_task(method, losses, gram, place % (len(losses) + 1))
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_mgda_is_no_longer_than_what_torchjd_finds() -> None:
    """Whose Frank-Wolfe steps end a little above."""
    method = build_balancer("mgda", {})
    for losses, gram in problems(100):
        found, theirs = ours(method, losses, gram), MGDAWeighting()(gram)
        assert found @ gram @ found <= theirs @ gram @ theirs * (1 + 1e-6)


def test_mgda_of_two_tasks_is_the_published_formula() -> None:
    """Sener and Koltun 2018, equation 4."""
    method = build_balancer("mgda", {})
    for place, (losses, gram) in enumerate(problems(most=2)):
        (aa, ab), (_, bb) = gram
        first = ((bb - ab) / (aa + bb - 2 * ab)).clamp(0, 1)
        expected = torch.stack([first, 1 - first])
        torch.testing.assert_close(ours(method, losses, gram), expected, rtol=1e-5, atol=1e-5)
        if place < 100:
            torch.testing.assert_close(MGDAWeighting()(gram), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("alpha", [0.5, 2.0, 5.0])
def test_fairgrad_solves_its_equation(alpha: float) -> None:
    """Ban and Ji 2024, equation 4: a further step of Newton's moves no weight by more than 1e-5 of it."""
    method = build_balancer("fairgrad", {"alpha": alpha})
    for losses, gram in problems():
        found, power = ours(method, losses, gram), 1 / alpha
        unit = ((gram @ found) * found**power).log().mean().exp()
        weights = found / unit ** (1 / (1 + power))  # at the scale of the equation itself
        slope = gram @ weights - weights**-power
        move = torch.linalg.solve(gram + torch.diag(power * weights ** (-power - 1)), slope)
        assert (found > 0).all() and (move / weights).abs().max() < 1e-5


def test_db_mtl_without_memory_is_the_published_formula() -> None:
    """Lin et al. 2023, algorithm 1: every gradient of a log loss, at the norm of the largest."""
    method, other = (build_balancer("db_mtl", {"memory": 0.0}) for _ in range(2))
    draw = torch.Generator().manual_seed(SEED)
    for _ in range(DRAWS):
        losses, rows = random_losses(5, draw), torch.randn(5, 9, generator=draw, dtype=torch.float64)
        logs = rows / losses[:, None]
        theirs = (logs * logs.norm(dim=1).max() / logs.norm(dim=1, keepdim=True)).sum(0)
        unit = losses.log().mean().exp() / 5
        gram = rows @ rows.T
        for found in (ours(method, losses, gram), beside_an_absent_task(other, losses, gram, 2)):
            torch.testing.assert_close(found @ rows, unit * theirs, rtol=1e-5, atol=1e-5)


def test_db_mtl_remembers_norms_less_and_less_briefly() -> None:
    method = build_balancer("db_mtl", {"memory": 0.8, "fading": 1.0})
    one = torch.ones(2, dtype=torch.float64)
    ours(method, one, torch.diag(torch.tensor([1.0, 1.0])))
    found = ours(method, one, torch.diag(torch.tensor([1.0, 9.0])))
    second = 0.4 * 1 + 0.6 * 3  # 0.8 / 2 of the norm before stays
    torch.testing.assert_close(found, torch.tensor([second, 1.0], dtype=torch.float64) / 2)


def test_gradnorm_is_the_published_formula() -> None:
    """Chen et al. 2018, equations 1 and 2, differentiated by torch; norms relative to their mean."""
    draw = torch.Generator().manual_seed(SEED)
    for alpha in 10 * (0.0, 1.5):
        method, other = (build_balancer("gradnorm", {"alpha": alpha}) for _ in range(2))
        weights, first = torch.ones(4, dtype=torch.float64), None
        for _ in range(DRAWS // 20):
            losses, gram = random_losses(4, draw), random_gram(4, draw)
            for found in (ours(method, losses, gram), beside_an_absent_task(other, losses, gram, 1)):
                torch.testing.assert_close(found, weights / 4, rtol=1e-5, atol=1e-5)
            first = losses if first is None else first
            norms = gram.diagonal().sqrt()
            weights = weights.clone().requires_grad_()
            weighted = weights * norms / norms.mean()
            behind = losses / first
            target = (weighted.mean() * (behind / behind.mean()) ** alpha).detach()
            (weighted - target).abs().sum().backward()
            assert weights.grad is not None
            weights = (weights - 0.025 * weights.grad).detach()
            weights *= 4 / weights.sum()


def test_upgrad_and_mgda_go_against_no_task() -> None:
    for losses, gram in problems(200):
        for name in ("upgrad", "mgda"):
            gain = gram @ ours(build_balancer(name, {}), losses, gram)
            assert (gain >= -2e-4 * gram.diagonal().max()).all(), name  # the ridge of upgrad


def test_cagrad_without_a_ball_is_the_mean() -> None:
    for losses, gram in problems(20):
        assert ours(build_balancer("cagrad", {"c": 0.0}), losses, gram).tolist() == pytest.approx(
            [1 / len(losses)] * len(losses)
        )


def test_gram_matrix_sums_over_what_is_shared() -> None:
    draw = torch.Generator().manual_seed(SEED)
    vectors = torch.randn(3, 4, 5, generator=draw)
    maps = torch.randn(3, 4, 2, 6, 6, generator=draw)
    flat = torch.cat([vectors.flatten(1), maps.flatten(1)], dim=1)
    torch.testing.assert_close(gram_matrix([vectors, maps]), flat @ flat.T)
    assert gram_matrix([vectors.bfloat16()]).dtype == torch.float32


def test_the_seed_alone_decides_the_order_of_pcgrad() -> None:
    draw = torch.Generator().manual_seed(SEED)
    losses, gram = random_losses(8, draw), random_gram(8, draw)
    found = [ours(build_balancer("pcgrad", {}), losses, gram, seed) for seed in (1, 1, 2)]
    assert found[0].equal(found[1]) and not found[0].equal(found[2])


@pytest.mark.parametrize("name", ["imtl_g", "aligned", "fairgrad", "cagrad", "upgrad", "mgda"])
def test_gradients_in_another_unit_change_nothing(name: str) -> None:
    for losses, gram in problems(20):
        found = ours(build_balancer(name, {}), losses, gram)
        small = ours(build_balancer(name, {}), losses, gram * np.float64(1e-16))
        torch.testing.assert_close(small, found)
