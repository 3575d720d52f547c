"""Whether a process of this machine holds the lock of a folder."""

from __future__ import annotations

from pathlib import Path


def is_locked(folder: Path) -> bool:
    """Whether one trains in it now; no where the file system knows no locks."""
    from filelock import FileLock, Timeout  # which comes with what trains

    try:
        lock = FileLock(folder / "lock", timeout=0)
        lock.acquire()
    except Timeout:
        return True
    except (OSError, NotImplementedError):
        return False
    lock.release()
    return False
