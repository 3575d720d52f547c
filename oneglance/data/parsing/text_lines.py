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
SMALLEST, LARGEST = 8_192, 4_000_000  # characters of the first piece, and of later ones


def lines(path: Path, encoding: str = "utf-8") -> Iterator[str]:
    """The lines with their ends, as ``csv`` wants them. A byte order mark is left out.

    Raises:
        DataError: the file cannot be read, is not in this encoding, or holds what no text holds.
    """
    for piece in pieces(path, encoding):
        yield from lines_of(piece)


def lines_of(text: str) -> io.StringIO:
    """The lines of a piece of text, with their ends."""
    return io.StringIO(text, newline="")


def pieces(path: Path, encoding: str = "utf-8") -> Iterator[str]:
    """The same text in pieces of whole lines, a small one and then larger ones; what lies before a mistake is
    a piece too.

    Raises:
        DataError: see ``lines``.
    """
    done, size, decoder = 0, SMALLEST, _decoder(encoding)
    try:
        with io.TextIOWrapper(open_plain(path), decoder, newline="") as file:
            while text := file.read(size) + file.readline(LONGEST_LINE):
                if "\0" in text or (len(text) >= LONGEST_LINE and _longest(text) >= LONGEST_LINE):
                    break
                yield text
                done, size = done + len(text), min(2 * size, LARGEST)
            else:
                return
    except UnicodeError:
        pass
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", location=path.name) from None
    yield from _up_to_the_mistake(path, encoding, done)


def _longest(text: str) -> int:
    return max(map(len, lines_of(text)))


def _up_to_the_mistake(path: Path, encoding: str, done: int) -> Iterator[str]:
    """What comes after so many characters, read anew line by line to name the one that is wrong."""
    right: list[str] = []
    try:
        for line in _one_by_one(path, encoding):
            done -= len(line)
            if done < 0:
                right.append(line)
    except DataError:
        yield "".join(right)
        raise
    yield "".join(right)


def _one_by_one(path: Path, encoding: str) -> Iterator[str]:
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


class TextInPieces:
    """Text that is read by lines and by pieces in turn."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._begun, self._pieces = lines_of(""), pieces

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while not (line := self._begun.readline()):
            self._begun = lines_of(next(self._pieces))
        return line

    def piece(self) -> str:
        """What is left of the piece whose lines were read, or the next one; "" at the end."""
        return self._begun.read() or next(filter(None, self._pieces), "")


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
