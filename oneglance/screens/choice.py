"""Which screen is right where this process runs."""

from __future__ import annotations

import sys

from oneglance.progress import Screen
from oneglance.screens.notebook import Notebook
from oneglance.screens.terminal import Terminal


def default_screen() -> Screen:
    """That of a notebook or a terminal; a silent one for a program that has no standard error."""
    if in_notebook():
        return Notebook()
    return Terminal() if sys.stderr is not None else Screen()


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None
