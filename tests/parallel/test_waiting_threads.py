"""Threads that wait sleep soon, whatever is imported first, unless somebody wants it otherwise."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from oneglance.parallel.waiting_threads import BY_USER, let_waiting_threads_sleep


def test_nothing_is_set_against_the_user() -> None:
    for name in BY_USER:
        environment = {name: "7"}
        let_waiting_threads_sleep(environment)
        assert environment == {name: "7"}


@pytest.mark.parametrize(
    "module", ["oneglance", "oneglance.cli.commands", "oneglance.inference.engines.torch"]
)
def test_set_before_torch_is_loaded(module: str) -> None:
    script = f"""
import os, sys
from importlib.abc import MetaPathFinder

class Watch(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print("torch with", os.environ.get("GOMP_SPINCOUNT"))

sys.meta_path.insert(0, Watch())
import {module}
print("at the end", os.environ.get("GOMP_SPINCOUNT"))
"""
    clean = {name: value for name, value in os.environ.items() if name not in BY_USER}
    done = subprocess.run(
        [sys.executable, "-c", script], env=clean, capture_output=True, text=True, timeout=120, check=True
    )
    assert {line.rpartition(" ")[2] for line in done.stdout.splitlines()} == {"10000"}
