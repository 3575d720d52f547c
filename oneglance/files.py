"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

from oneglance.errors import RunError


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new binary file that takes the place of ``path`` when the block ends well; else ``path`` stays.

    Raises:
        RunError: the place cannot be written or the disk is full.
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


def write_bytes(path: Path, content: bytes) -> None:
    """See ``replacing``."""
    with replacing(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """UTF-8, lines as they are."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Indented, and with NaN refused: JSON has no such number."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_with(path: Path, save: Callable[[Path], Any]) -> None:
    """``save(place)`` for libraries that want a path; it then takes the place of ``path``."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        save(fresh)
        with fresh.open("rb+") as file:
            os.fsync(file.fileno())
        fresh.chmod(0o666 & ~_umask())  # some libraries keep their files to themselves
        fresh.replace(path)
    except OSError as error:
        raise explained(error, path) from error
    finally:
        with suppress(OSError):
            fresh.unlink()


@cache
def _umask() -> int:
    """What the user's settings take away from the rights of new files; asking means setting it."""
    kept = os.umask(0)
    os.umask(kept)
    return kept


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
        return RunError("the disk is full", where=str(path), cure="free some space or name another folder")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return RunError(
            "cannot be written: not allowed", where=str(path), cure="name another folder with --out"
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return RunError("cannot be written: a file is in the way", where=str(path))
    return RunError(f"cannot be written ({error.strerror or error})", where=str(path))
