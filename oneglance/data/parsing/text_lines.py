"""The lines of a text file in a given encoding, or one message with the line that is not text."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from oneglance.errors import DataError
from oneglance.storage.plain_files import open_plain

LONGEST_LINE = 16_000_000  # characters: a file without line ends must not fill the memory


def lines(path: Path, encoding: str = "utf-8") -> Iterator[str]:
    """The lines with their ends, as ``csv`` wants them. A byte order mark is left out.

    Raises:
        DataError: the file cannot be read, is not in this encoding, or holds what no text holds.
    """
    number = 0
    try:
        decoder = _decoder(encoding)
        with io.TextIOWrapper(open_plain(path), decoder, newline="") as file:
            for number, line in enumerate(iter(partial(file.readline, LONGEST_LINE), ""), 1):
                if "\0" in line:
                    raise DataError(
                        "holds a NUL character, which no text has",
                        location=f"{path.name}:{number}",
                        hint='save the file as text, or give `encoding` (perhaps "utf-16")',
                    )
                if len(line) == LONGEST_LINE:
                    raise DataError(
                        f"is a line of more than {LONGEST_LINE:,} characters",
                        location=f"{path.name}:{number}",
                        hint="save the file with one row per line",
                    )
                yield line
    except UnicodeError:
        raise _not_text(path, encoding) from None
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", location=path.name) from None


def lines_or_none(path: Path) -> Iterator[str]:
    """The lines of a file of UTF-8, up to where it cannot be read: for what only looks at it."""
    with suppress(DataError):
        yield from lines(path)


def _decoder(encoding: str) -> str:
    try:
        codec = codecs.lookup(encoding)
    except (LookupError, ValueError):
        codec = None
    if codec is None or not codec._is_text_encoding:
        raise DataError(f'encoding = "{encoding}" is no known one', hint='write "utf-8" or "cp1252"')
    return "utf-8-sig" if codec.name == "utf-8" else codec.name


def _not_text(path: Path, encoding: str) -> DataError:
    """Where exactly it went wrong; searched for only now, since most text is right."""
    what, hint = f"is not {encoding} text", 'give its `encoding`, such as encoding = "cp1252"'
    with open_plain(path) as file:
        start = file.read(4)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return DataError(what, location=path.name, hint='write encoding = "utf-16"')
        file.seek(0)
        for number, line in enumerate(iter(partial(file.readline, LONGEST_LINE), b""), 1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as error:
                byte = line[error.start]
                return DataError(
                    f"{what}: byte {error.start + 1} of the line is {byte:#04x}",
                    location=f"{path.name}:{number}",
                    hint=hint,
                )
            except UnicodeError:
                break
    return DataError(what, location=path.name, hint=hint)
