"""The memory allocator of this process."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import platform
from collections.abc import Iterator
from functools import cache


@cache
def keep_freed_memory() -> bool:
    """Tell glibc to keep large freed blocks instead of handing them back at every step: a training step
    on CPU is then two to four times faster, as the kernel need not clear the same pages again and again.

    Returns whether it could be set.
    """
    if platform.libc_ver()[0] != "glibc" or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    mmap_threshold, trim_threshold, top_pad, arenas = -3, -1, -2, -8
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    # One arena for all threads: one that a thread has for itself cannot hold large blocks, so keeps none.
    values = (mmap_threshold, 1 << 30), (trim_threshold, (1 << 31) - 1), (top_pad, 128 << 20), (arenas, 1)
    return all(mallopt(key, value) == 1 for key, value in values)


@contextlib.contextmanager
def garbage_collection_off() -> Iterator[None]:
    """For code that makes millions of objects without cycles, which Python would search again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def give_back() -> None:
    """Give back to the system what this process has freed, at the end of a training for instance: glibc keeps
    large blocks otherwise, above all after ``keep_freed_memory``.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
