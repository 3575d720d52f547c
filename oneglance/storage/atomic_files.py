"""Files are written whole or not at all.

Why no library does it: ``atomicwrites`` is no longer maintained; this is a dozen lines.
"""

from __future__ import annotations

import errno
import glob
import json
import math
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from oneglance.errors import RunError
from oneglance.storage.remote.addresses import address_of, is_remote
from oneglance.storage.remote.store import store_of

BESIDE = re.compile(r"\..+\.\d+\.[0-9a-f]{8}")  # a name that ``beside`` gives
HOUR = 3600  # seconds after which a folder that nobody completes is a leftover


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new binary file that replaces ``path`` when the block ends well; else ``path`` stays.

    What lies elsewhere is sent when the block ends well: a store replaces whole files.

    Raises:
        RunError: it cannot be written or the disk is full.
    """
    if (address := address_of(path)) is not None:
        with _sent(address) as file:
            yield file
        return
    fresh = beside(path)
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


def remove_files(paths: Iterable[Path], folder: Path) -> None:
    """Files that were written here, and the folder they are in where nothing else is; what cannot be removed
    stays.
    """
    for path in paths:
        with suppress(OSError):
            if (address := address_of(path)) is not None:
                store_of(address).remove(address)
            else:
                path.unlink()
    if not is_remote(folder):
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def _sent(address: str) -> Iterator[IO[bytes]]:
    """A new file on this machine that is sent to ``address`` when the block ends well."""
    with tempfile.TemporaryDirectory(prefix="oneglance-") as scratch:
        whole = Path(scratch) / "whole"
        try:
            with whole.open("xb") as file:
                yield file
            store_of(address).send(address, whole)
        except OSError as error:
            raise explained(error, Path(address)) from error


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


@contextmanager
def new_folder(path: Path, last: str) -> Iterator[Path]:
    """A new folder beside ``path`` to be filled; when the block ends well it gets that name, else it is gone.
    Where ``path`` is a folder already, the files go into it, the one called ``last`` after all others.

    Raises:
        RunError: it cannot be written.
    """
    if (address := address_of(path)) is not None:
        with tempfile.TemporaryDirectory(prefix="oneglance-") as scratch:
            yield Path(scratch)
            _send_all(Path(scratch), address, last)
        return
    parent = make_folder(path.absolute().parent)
    for left in _left_in(parent, f".{glob.escape(path.name)}.*.*", HOUR):
        shutil.rmtree(left, ignore_errors=True)
    fresh = beside(path)
    try:
        fresh.mkdir()
        yield fresh
        if path.exists():
            for file in sorted(fresh.iterdir(), key=lambda file: (file.name == last, file.name)):
                file.replace(path / file.name)
        else:
            fresh.rename(path)
    except OSError as error:
        raise explained(error, path) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _send_all(folder: Path, address: str, last: str) -> None:
    """Every file in ``folder`` and its folders, the one called ``last`` after all others."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    try:
        for path in sorted(files, key=lambda path: path.relative_to(folder).as_posix() == last):
            whole = f"{address}/{path.relative_to(folder).as_posix()}"
            store_of(whole).send(whole, path)
    except OSError as error:
        raise explained(error, Path(address)) from error


def beside(path: Path) -> Path:
    """A hidden name beside ``path`` that nobody has, for what is not complete, or not any more."""
    whole = possible(path).absolute()
    return whole.with_name(f".{whole.name}.{os.getpid()}.{secrets.token_hex(4)}")


def possible(path: Path) -> Path:
    """``path``, if a file can have such a name.

    Raises:
        RunError: it holds a NUL or half a character.
    """
    try:
        name = os.fsencode(path)
    except UnicodeEncodeError:
        name = b"\0"
    if b"\0" in name:
        raise RunError("no file can have such a name", location=ascii(str(path)))
    return path


def sweep(folder: Path, older: float = 0) -> None:
    """Remove files that ``replacing`` had begun in ``folder`` when its process was killed.

    Args:
        older: seconds that nobody has written them; of use where other processes write there too.
    """
    for fresh in () if is_remote(folder) else _left_in(folder, ".*.*", older):
        with suppress(OSError):
            fresh.unlink()


def _left_in(folder: Path, pattern: str, older: float) -> Iterator[Path]:
    """What lies in ``folder`` under names that ``beside`` gives, unchanged for ``older`` seconds."""
    for path in folder.glob(pattern):
        with suppress(OSError):
            if BESIDE.fullmatch(path.name) and path.stat().st_mtime <= time.time() - older:
                yield path


def finite(value: float) -> float | None:
    """``value`` as JSON can hold it: neither NaN nor infinite."""
    return float(value) if math.isfinite(value) else None


def make_folder(path: Path) -> Path:
    """``path`` and its parents; a store makes folders with the files in them."""
    if is_remote(path):
        return path
    try:
        possible(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explained(error, path) from error
    return path


def here(path: Path) -> Path:
    """``path``, if it is on this machine.

    Raises:
        RunError: it is an address, where such a folder cannot be made.
    """
    if is_remote(path):
        raise RunError(
            "has to be a folder of this machine", location=str(path), hint="copy it there afterwards"
        )
    return path


def explained(error: OSError, path: Path) -> RunError:
    """The same as a message for people."""
    if error.errno == errno.ENOSPC:
        return RunError("the disk is full", location=str(path), hint="free some space or name another folder")
    if error.errno == errno.EFBIG:
        return RunError(
            "may not become so large here",
            location=str(path),
            hint="raise the limit (ulimit -f) or name another folder",
        )
    if error.errno == errno.EDQUOT:
        return RunError("your share of the disk is full", location=str(path), hint="free some space")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return RunError(
            "cannot be written: not allowed", location=str(path), hint="name another folder with --out"
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return RunError("cannot be written: a file is in the way", location=str(path))
    return RunError(f"cannot be written ({error.strerror or error})", location=str(path))
