"""Runs that a newer oneglance trained, and that this one cannot read for that reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from oneglance.errors import OneglanceError, RunError
from oneglance.storage.plain_files import read_plain

LARGEST = 1_000_000  # bytes of environment.json


@contextmanager
def named_if_newer(run: Path, address: str) -> Iterator[None]:
    """Where what is done in it fails, and a newer oneglance trained the run in the folder ``run``, called
    ``address``, that is what is told.

    Raises:
        RunError: that is why.
    """
    try:
        yield
    except OneglanceError:
        if newer := newer_version(run):
            raise RunError(
                f"was trained by oneglance {newer}, and this is {version('oneglance')}",
                location=address,
                hint="update oneglance here, or name another run",
            ) from None
        raise


def newer_version(run: Path) -> str:
    """The version of oneglance that trained a run, where it is newer than this one; else ""."""
    try:
        kept: Any = json.loads(read_plain(run / "environment.json", LARGEST))
        theirs = str(kept["packages"]["oneglance"])
    except (OneglanceError, OSError, ValueError, RecursionError, LookupError, TypeError):
        return ""
    return theirs if _numbers(theirs) > _numbers(version("oneglance")) else ""


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdigit()]
