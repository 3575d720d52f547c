"""What all tests share."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

# Two workers with two threads each on two cores would wait for each other; children inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long a machine takes that other programs use says nothing of the code.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real pictures; tests that need it are skipped where it is absent."""
    place = Path(os.environ.get("ONEGLANCE_SHARED") or ROOT.parent / "shared")
    if not (place / "data").is_dir():
        pytest.skip(f"no real pictures at {place}: set ONEGLANCE_SHARED")
    return place


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="skip what trains a network")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is slow may take longer where the machine is slow or busy."""
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(1200))


@pytest.fixture(scope="session", autouse=True)
def no_training(request: pytest.FixtureRequest) -> Iterator[None]:
    """With ``--quick``, a test ends as skipped where it begins to train, itself or in one of its fixtures."""
    if not request.config.getoption("--quick"):
        yield
        return
    from oneglance.training.learner import Learner

    def skip(*_: object) -> NoReturn:
        pytest.skip("trains a network: left out with --quick")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Learner, "update", skip)
        yield


@pytest.fixture(scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Names of folders. pytest would look at all earlier ones for each name, of thousands of tests."""
    folder = tmp_path_factory.mktemp("caches")
    return (folder / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def own_cache(caches: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes into the user's cache."""
    folder = next(caches)
    folder.mkdir()
    monkeypatch.setenv("ONEGLANCE_CACHE", str(folder))


@pytest.fixture(autouse=True, scope="module")
def no_process_kept() -> Iterator[None]:
    """The process that decodes what is not plain is kept for the next picture, but not for the next file."""
    yield
    if pool := sys.modules.get("oneglance.data.images.decoding.decode_pool"):
        pool._kept.cache_clear()


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests to which it does not matter how exact an interval is: a tenth of the time."""
    monkeypatch.setattr("oneglance.evaluation.bootstrap.RESAMPLES", 100)
