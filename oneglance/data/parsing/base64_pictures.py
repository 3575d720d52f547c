"""Pictures written as text in base64: how people send them to the service and put them into tables.

One reading for all of them: a data URL or the bare text, wrapped into lines or not, in the usual alphabet or
the one for web addresses, with padding or without.
"""

from __future__ import annotations

import base64
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from oneglance.data.images.memory_image import EncodedImage
from oneglance.data.images.references import MEMBER_LIMIT, file_stat
from oneglance.data.parsing.structured_files import read_json
from oneglance.data.quoting import plain
from oneglance.data.record import ImageRef
from oneglance.errors import DataError, Problem
from oneglance.storage.remote.addresses import is_remote

ALPHABET = frozenset(string.ascii_letters + string.digits + "+/")
_SPACES = {ord(space): None for space in string.whitespace}
_OTHER = str.maketrans("-_", "+/")
_URL = re.compile(r"data:[^,]{0,500};\s*base64\s*,", re.IGNORECASE)
# How the usual kinds of pictures begin: JPEG, PNG, GIF, WebP, TIFF, BMP.
_BEGINNINGS = ("/9j/", "iVBORw0KGgo", "R0lGOD", "UklGR", "SUkqA", "TU0AK", "Qk")
LEAST = 80  # characters of base64 without a data URL before it; the smallest pictures have some more


def from_base64(text: str) -> bytes:
    """The bytes that a text in base64 stands for.

    Raises:
        ValueError: it is no such text.
    """
    text = text.strip()
    if text[:5].lower() == "data:":
        url = _URL.match(text)
        if url is None:
            raise ValueError("a data URL that is not in base64")
        text = text[url.end() :]
        if "%" in text:
            text = unquote_to_bytes(text).decode("ascii", "replace")
    text = text.translate(_SPACES).translate(_OTHER)
    body = text.rstrip("=")
    if len(body) % 4 == 1 or len(text) - len(body) > 2 or not ALPHABET.issuperset(body):
        raise ValueError("not base64")
    return base64.b64decode(body + "=" * (-len(body) % 4), validate=True)


def is_inline(name: str) -> bool:
    """Whether what stands where the name of a picture is expected is the picture itself."""
    if len(name) >= LEAST:
        name = name.strip()
    if name[:5].lower() == "data:":
        return True
    if len(name) < LEAST or not name.startswith(_BEGINNINGS):
        return False
    return ALPHABET.issuperset(name.translate(_SPACES).translate(_OTHER).rstrip("="))


def any_inline(names: Sequence[str]) -> bool:
    """Whether one of many names is one; fast where all are short."""
    may_be = max(map(len, names), default=0) >= LEAST or "data:" in "\n".join(names).lower()
    return may_be and any(map(is_inline, names))


def inline_picture(name: str, location: str) -> EncodedImage | Problem | None:
    """The picture that ``name`` is, called by its location; None for a name as usual."""
    if not is_inline(name):
        return None
    try:
        return EncodedImage(location, from_base64(name))
    except ValueError:
        what = f"{plain(name, 40)} is no picture in base64"
        hint = "write it whole, or the name of a file; the row is left out"
        return Problem(location, what, hint, kind="picture name", fatal=False)


@dataclass(frozen=True, slots=True)
class JsonPicture(ImageRef):
    """A picture that stands under a key of a JSON file; it is read from there each time."""

    path: str
    key: str
    name: str = field(compare=False)

    @property
    def is_remote(self) -> bool:
        return is_remote(self.path)

    def stamp(self) -> tuple[Any, ...]:
        return self.path, *file_stat(self.path), self.key

    def load(self) -> bytes:
        try:
            content = read_json(Path(self.path))
            text = content.get(self.key) if isinstance(content, dict) else None
            data = from_base64(text) if isinstance(text, str) else b""
        except (DataError, ValueError):
            data = b""
        if not 0 < len(data) <= MEMBER_LIMIT:
            raise OSError(5, f"holds no picture in base64 under {plain(self.key)}", self.name)
        return data
