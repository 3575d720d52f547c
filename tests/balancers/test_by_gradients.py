"""The methods that need the Gram matrix of the gradients, against TorchJD and the papers' formulas."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partialmethod

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

DRAWS = 1000
SEED = 7


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
    fine = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-11)
    monkeypatch.setattr(cvxpy.Problem, "solve", partialmethod(cvxpy.Problem.solve, **fine))


# Name, options, oracle, draws: the slow solvers of the oracles are asked less often.
ORACLES: dict[str, tuple[str, dict[str, float], Callable[[Tensor], Tensor], int]] = {
    "upgrad": ("upgrad", {}, theirs_of_upgrad, DRAWS),
    "pcgrad": ("pcgrad", {}, with_global_seed(lambda g: PCGradWeighting()(g) / len(g)), DRAWS),
    "imtl_g": ("imtl_g", {}, IMTLGWeighting(), DRAWS),
    "aligned": ("aligned", {}, AlignedMTLWeighting(), DRAWS),
    "cagrad": ("cagrad", {}, lambda g: CAGradWeighting(0.5)(g) / 1.5, 150),
    "cagrad 0.2": ("cagrad", {"c": 0.2}, lambda g: CAGradWeighting(0.2)(g) / 1.2, 50),
    "fairgrad 1": ("fairgrad", {}, to_mean_norm(FairGradWeighting(1.0)), 100),
    "fairgrad 2": ("fairgrad", {"alpha": 2.0}, to_mean_norm(FairGradWeighting(2.0)), 100),
}
against_torchjd = pytest.mark.parametrize(
    ("name", "options", "oracle", "draws"), ORACLES.values(), ids=ORACLES
)


@against_torchjd
@pytest.mark.usefixtures("exact")
@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")  # by the solver's own, stricter measure
def test_agrees_with_torchjd(
    name: str, options: dict[str, float], oracle: Callable[[Tensor], Tensor], draws: int
) -> None:
    method = build_balancer(name, options)
    for losses, gram in problems(draws):
        torch.testing.assert_close(ours(method, losses, gram), oracle(gram), rtol=1e-5, atol=1e-5)


@against_torchjd
@pytest.mark.usefixtures("exact")
@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")  # by the solver's own, stricter measure
def test_agrees_with_torchjd_where_tasks_are_absent(
    name: str, options: dict[str, float], oracle: Callable[[Tensor], Tensor], draws: int
) -> None:
    """TorchJD is asked about the rest alone."""
    method = build_balancer(name, options)
    for place, (losses, gram) in enumerate(problems(draws // 5)):
        tasks = len(losses)
        present = torch.ones(tasks, dtype=torch.bool)
        present[place % tasks] = False
        found = method.weights(
            losses * present, present, gram * present * present[:, None], seed=SEED
        ).double()
        assert (found[~present] == 0).all()
        rest = oracle(gram[present][:, present])
        torch.testing.assert_close(found[present], rest, rtol=1e-5, atol=1e-5)


def test_mgda_is_the_shortest_mixture() -> None:
    """Its conditions of optimality; TorchJD's Frank-Wolfe steps end a little above."""
    method = build_balancer("mgda", {})
    for place, (losses, gram) in enumerate(problems()):
        found = ours(method, losses, gram)
        along = gram @ found
        square = found @ along
        assert (found >= 0).all() and found.sum() == pytest.approx(1, abs=1e-6)
        assert (along >= square - 1e-5 * gram.diagonal().max()).all()
        if place < 20:
            theirs = MGDAWeighting()(gram)
            assert square <= theirs @ gram @ theirs * (1 + 1e-6)


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


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0, 5.0])
def test_fairgrad_solves_its_equation(alpha: float) -> None:
    method = build_balancer("fairgrad", {"alpha": alpha})
    for losses, gram in problems(DRAWS // 5):
        found = ours(method, losses, gram)
        ratio = gram @ found * found ** (1 / alpha)  # the same number for all, whatever the scale
        assert (found > 0).all()
        assert ratio.max() / ratio.min() == pytest.approx(1, abs=1e-4)


def test_db_mtl_without_memory_is_the_published_formula() -> None:
    """Lin et al. 2023, algorithm 1: every gradient of a log loss, at the norm of the largest."""
    method = build_balancer("db_mtl", {"memory": 0.0})
    draw = torch.Generator().manual_seed(SEED)
    for _ in range(DRAWS):
        losses, rows = random_losses(5, draw), torch.randn(5, 9, generator=draw, dtype=torch.float64)
        logs = rows / losses[:, None]
        theirs = (logs * logs.norm(dim=1).max() / logs.norm(dim=1, keepdim=True)).sum(0)
        unit = losses.log().mean().exp() / 5
        found = ours(method, losses, rows @ rows.T)
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
    for alpha in (0.0, 1.5):
        method = build_balancer("gradnorm", {"alpha": alpha})
        weights, first = torch.ones(4, dtype=torch.float64), None
        for _ in range(50):
            losses, gram = random_losses(4, draw), random_gram(4, draw)
            torch.testing.assert_close(ours(method, losses, gram), weights / 4, rtol=1e-5, atol=1e-6)
            first = losses if first is None else first
            norms = gram.diagonal().sqrt()
            weights = weights.clone().requires_grad_()
            weighted = weights * norms / norms.mean()
            behind = losses / first
            target = (weighted.mean() * (behind / behind.mean()) ** alpha).detach()
            (weighted - target).abs().sum().backward()
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


def test_upgrad_solves_its_programs() -> None:
    """Each projection by a general solver: the shortest mixture with weights of at least the task's own
    (Quinton and Rey 2024, proposition 1).
    """
    method = build_balancer("upgrad", {})
    for losses, gram in problems(60, most=5):
        count = len(gram)
        ridged = (gram / gram.trace() + 1e-4 * torch.eye(count)).numpy()
        found = []
        for row in np.eye(count):
            v = cvxpy.Variable(count)
            cvxpy.Problem(cvxpy.Minimize(cvxpy.quad_form(v, cvxpy.psd_wrap(ridged))), [v >= row]).solve(
                solver="CLARABEL", tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12
            )
            found.append(v.value)
        expected = torch.from_numpy(np.mean(found, axis=0))
        torch.testing.assert_close(ours(method, losses, gram), expected, rtol=1e-5, atol=1e-5)
