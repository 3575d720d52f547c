"""The folder of this user's caches, in the place that the system has for them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from oneglance.storage.plain_files import resolved


def cache_home(named: str = "") -> Path:
    """``named``, else ONEGLANCE_CACHE, else the user's cache folder; it may not exist yet."""
    named = named or os.environ.get("ONEGLANCE_CACHE", "")
    if named:
        return resolved(Path(named).expanduser())
    if sys.platform == "win32":
        home = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        home = "~/Library/Caches"
    else:
        home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "oneglance"
