"""Files are written whole or not at all.

Why no library does it: ``atomicwrites`` is no longer maintained; this is a dozen lines.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from oneglance.errors import RunError


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new binary file that replaces ``path`` when the block ends well; else ``path`` stays.

    Raises:
        RunError: it cannot be written or the disk is full.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with fresh.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise explained(error, path) from error
    finally:
        with suppress(OSError):
            fresh.unlink()


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """See ``replacing``."""
    with replacing(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """UTF-8, lines as they are."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Indented, and with NaN refused: JSON has no such number."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def sweep(folder: Path) -> None:
    """Remove files that ``replacing`` had begun in ``folder`` when its process was killed."""
    for fresh in folder.glob(".*.*"):
        if re.fullmatch(r"\..+\.\d+\.[0-9a-f]{8}", fresh.name):
            with suppress(OSError):
                fresh.unlink()


def finite(value: float) -> float | None:
    """``value`` as JSON can hold it: neither NaN nor infinite."""
    return float(value) if math.isfinite(value) else None


def make_folder(path: Path) -> Path:
    """``path`` and its parents."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explained(error, path) from error
    return path


def explained(error: OSError, path: Path) -> RunError:
    """The same as a message for people."""
    if error.errno == errno.ENOSPC:
        return RunError("the disk is full", location=str(path), hint="free some space or name another folder")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return RunError(
            "cannot be written: not allowed", location=str(path), hint="name another folder with --out"
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return RunError("cannot be written: a file is in the way", location=str(path))
    return RunError(f"cannot be written ({error.strerror or error})", location=str(path))
