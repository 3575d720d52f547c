"""How much memory this process may take: what asks for more gets a MemoryError, before the system kills
something else.

Only Linux keeps to the limit; elsewhere nothing happens here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_lock = threading.Lock()
_inside = 0  # how many threads read within a bound
_before = (0, 0)  # the limits of the process without them


def held() -> int:
    """Bytes of data that this process holds, where the system tells; else 0."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmData:"):
                return 1024 * int(line.split()[1])
    return 0


def limit_memory(more: int) -> None:
    """From now on this process may take at most so many bytes more; 0: any number."""
    if more and (now := held()):
        _limit(now + more, now + more)


@contextmanager
def at_most(more: int) -> Iterator[None]:
    """Within the block this process, all of its threads together, may take at most so many bytes more."""
    global _inside, _before
    with _lock:
        if resource is not None and _inside == 0:
            _before = resource.getrlimit(resource.RLIMIT_DATA)
        _inside += 1
        if now := held():
            _limit(now + more, _before[1])
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0 and resource is not None:
                _limit(*_before)


def _limit(soft: int, hard: int) -> None:
    with suppress(ValueError, OSError):  # a bound that is set already stays
        if resource is not None:
            unlimited = resource.RLIM_INFINITY
            if hard != unlimited and (soft == unlimited or soft > hard):
                soft = hard
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
