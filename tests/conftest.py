"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Two workers with two threads each on two cores would wait for each other; children inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real pictures; tests that need it are skipped where it is absent."""
    place = Path(os.environ.get("ONEGLANCE_SHARED") or ROOT.parent / "shared")
    if not (place / "data").is_dir():
        pytest.skip(f"no real pictures at {place}: set ONEGLANCE_SHARED")
    return place


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes into the user's cache."""
    monkeypatch.setenv("ONEGLANCE_CACHE", str(tmp_path_factory.mktemp("cache")))
