"""Numbers as a person reads them."""

from __future__ import annotations

import pytest

from oneglance.evaluation.reports.pages import percent


@pytest.mark.parametrize(
    ("share", "text"), [(0.055, "+6 %"), (-0.25, "−25 %"), (8.5, "+850 %"), (30.93, "× 32"), (None, "–")]
)
def test_a_share_that_grows_tenfold_is_a_multiple(share: float | None, text: str) -> None:
    assert percent(share) == text
