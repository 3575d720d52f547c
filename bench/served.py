"""The service of the tests, whose answer follows from a picture's colour: what attacks over HTTP share."""

from __future__ import annotations

import atexit
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.service import Running, running

from oneglance.serving.app import Settings


def started(settings: Settings) -> Running:
    """It runs until this process ends."""
    context = running(settings, processes=1)
    atexit.register(context.__exit__, None, None, None)
    return context.__enter__()
