"""Arrays in a file, under a key that says what they were made of: what a stopped command has worked out."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from oneglance.storage.atomic_files import make_folder, write_bytes
from oneglance.storage.fingerprint import ordered
from oneglance.storage.plain_files import is_file, open_plain


def digest(value: Any) -> str:
    """A key for values, the same in every process."""
    text = repr(ordered(value)).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:24]


def keep(path: Path, key: str, arrays: dict[str, np.ndarray]) -> None:
    """Write an .npz file; ``arrays`` hold numbers, and none is called ``key`` or ``file``.

    Raises:
        RunError: it cannot be written.
    """
    file = io.BytesIO()
    np.savez(file, key=np.array(key), **arrays)  # type: ignore[arg-type]
    make_folder(path.parent)
    write_bytes(path, file.getbuffer())


def kept(path: Path, key: str) -> dict[str, np.ndarray] | None:
    """What ``keep`` wrote for the same key; None where there is no such thing."""
    if not is_file(path):
        return None
    try:
        with open_plain(path) as opened, np.load(opened, allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, ValueError, LookupError, EOFError, BadZipFile):
        return None  # cut short: it is made anew
    return arrays if str(arrays.pop("key", "")) == key else None
