"""What raw output of a label means, there and back, in NumPy and in torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from oneglance.tasks.label.links import Extended, Link, Nominal, Ordinal

LINKS = [Nominal(5), Ordinal(5), Extended(3, 2)]


@pytest.mark.parametrize("link", LINKS, ids=repr)
def test_probabilities_become_the_raw_output_that_gives_them(link: Link) -> None:
    chances = np.random.default_rng(0).dirichlet(np.ones(5), size=50)
    raw = link.raw(chances)
    assert raw.shape == (50, link.width)
    np.testing.assert_allclose(link.chances(raw), chances, atol=1e-12)
    np.testing.assert_allclose(link.chances(link.constant_raw(chances[0])), chances[:1], atol=1e-12)


@pytest.mark.parametrize("link", LINKS, ids=repr)
def test_torch_and_numpy_mean_the_same(link: Link) -> None:
    raw = 3 * np.random.default_rng(1).normal(size=(50, link.width))
    logs = link.log_chances(torch.as_tensor(raw)).numpy()
    np.testing.assert_allclose(np.exp(logs), link.chances(raw), atol=1e-12)
    np.testing.assert_allclose(link.chances(raw).sum(axis=1), 1)


def test_ordinal_probabilities_are_those_of_the_continuation_ratio_model() -> None:
    more = np.array([0.9, 0.5])  # P(y > 0), P(y > 1 | y > 0)
    raw = np.log(more / (1 - more))[None]
    np.testing.assert_allclose(Ordinal(3).chances(raw)[0], [0.1, 0.45, 0.45])


@pytest.mark.parametrize("link", LINKS, ids=repr)
def test_what_never_happens_has_finite_raw_output(link: Link) -> None:
    chances = np.eye(5)
    assert np.isfinite(link.raw(chances)[:, : link.width]).all()
    np.testing.assert_allclose(link.chances(link.raw(chances)).sum(axis=1), 1)
