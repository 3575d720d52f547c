"""Memory that a training has freed goes back to the system."""

from __future__ import annotations

import gc
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from support.user import home, trained  # noqa: F401

import oneglance
from oneglance.progress import Screen

FREED = """
import numpy as np, psutil
from oneglance.nn.allocator import give_back, keep_freed_memory
assert keep_freed_memory()
held = [np.ones(60_000_000, np.uint8) for _ in range(6)]
del held
before = psutil.Process().memory_info().rss
give_back()
print(before - psutil.Process().memory_info().rss)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps what is freed")
def test_what_was_freed_is_given_back() -> None:
    command = [sys.executable, "-c", FREED]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert int(done.stdout) > 300_000_000


def test_nothing_of_a_training_is_held_after_it(home: Path) -> None:  # noqa: F811
    """Whoever evaluates next in the same process, as ``start`` does, needs the memory."""
    from oneglance.training.learner import Learner

    before = {id(one) for one in gc.get_objects() if type(one) is Learner}
    changes = {"training.epochs": 1}
    oneglance.train(home / "oneglance.toml", overrides=changes, out=home / "runs" / "b", screen=Screen())
    assert {id(one) for one in gc.get_objects() if type(one) is Learner} <= before
