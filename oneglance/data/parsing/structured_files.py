"""JSON, XML and YAML files that other people wrote: read within bounds, and nothing in them is run.

Why no library does it: ``defusedxml`` bounds neither depth nor number of elements, and PyYAML neither depth
nor number of values; the parsers are expat, ``json`` and PyYAML all the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import yaml

from oneglance.errors import DataError
from oneglance.storage.plain_files import open_plain, read_plain

LARGEST_JSON = 2_000_000_000  # bytes; it is held in memory as a whole
LARGEST_YAML = 10_000_000
DEEPEST = 100  # elements of XML, or lists and keys of YAML, inside each other
MOST_ELEMENTS = 1_000_000  # and their attributes, in one child of the root
MOST_VALUES = 400_000  # and keys, of YAML: it is read at some hundred thousand in a second
LONGEST_TOKEN = 8_000_000  # bytes of one tag or comment of XML: expat begins it anew with each piece
PIECE = 1 << 18
AGAIN = "export or download it again"


def beginning(path: Path, length: int = 1 << 16) -> bytes:
    """The first bytes of a file; none where it is no file that can be read."""
    try:
        with open_plain(path) as file:
            return file.read(length)
    except OSError:
        return b""


def read_json(path: Path, lighten: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """The one value that the file holds.

    Args:
        path: the file.
        lighten: what to keep of each object, called as soon as it is read, so that unused parts
            never fill the memory.

    Raises:
        DataError: it cannot be read, is cut short, is no JSON or is too large.
    """
    raw = _content(path, LARGEST_JSON)
    try:
        value = json.loads(raw, object_hook=lighten)
        if re.search(rb"\\u[dD][89a-fA-F]", raw):  # half a character may be written so, but no text holds it
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        cut = error.doc[error.pos :].strip() == "" or error.doc.rstrip()[-1:] not in ("}", "]")
        what = "is cut short" if cut else "is no JSON here"
        raise DataError(what, location=f"{path.name}:{error.lineno}", hint=AGAIN) from None
    except (ValueError, RecursionError):
        raise DataError("is no JSON that can be read", location=path.name, hint=AGAIN) from None
    return value


def read_yaml(path: Path) -> Any:
    """The one value that the file holds; all its scalars are text, just as they are written.

    Raises:
        DataError: it cannot be read, is no YAML or is too large.
    """
    raw = _content(path, LARGEST_YAML)
    try:
        return _Yaml(path.name).value(yaml.parse(raw, Loader=_YAML_LOADER))
    except yaml.MarkedYAMLError as error:
        location = f"{path.name}:{error.problem_mark.line + 1}" if error.problem_mark else path.name
        escape = "escape" in str(error.problem)  # "C:\data"
        hint = (
            "put a path with backslashes between single quotes, or write / for \\" if escape else "correct it"
        )
        raise DataError("is no YAML here", location=location, hint=hint) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise DataError("is no YAML that can be read", location=path.name, hint="correct it") from None


# The safe loader would make False of a class called "no", and 8 of "010"; this one is as safe, and in C where
# PyYAML was built so.
_YAML_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class _Yaml:
    """A value out of the events of PyYAML's parser, within bounds; all scalars are text."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._anchors: dict[str, Any] = {}
        self._count = 0

    def value(self, events: Iterator[Any]) -> Any:
        """The value of the only document; None where there is none."""
        documents: list[Any] = []
        levels: list[tuple[list[Any], str | None, bool]] = [
            (documents, None, False)
        ]  # open lists and mappings
        for event in events:
            items = levels[-1][0]
            if isinstance(event, yaml.CollectionStartEvent):
                levels.append(([], event.anchor, isinstance(event, yaml.MappingStartEvent)))
            elif isinstance(event, yaml.CollectionEndEvent):
                inner, anchor, is_mapping = levels.pop()
                self._add(levels[-1][0], self._mapping(inner, event) if is_mapping else inner, anchor)
            elif isinstance(event, yaml.ScalarEvent):
                self._add(items, event.value, event.anchor)
            elif isinstance(event, yaml.AliasEvent):
                if event.anchor not in self._anchors:
                    raise self._error("refers to what is not there", event)
                self._add(items, self._anchors[event.anchor], None)
            if len(levels) > DEEPEST or self._count > MOST_VALUES or len(documents) > 1:
                raise self._error("holds more than is read", event)
        return documents[0] if documents else None

    def _add(self, items: list[Any], value: Any, anchor: str | None) -> None:
        self._count += 1
        items.append(value)
        if anchor is not None:
            self._anchors[anchor] = value

    def _mapping(self, inner: list[Any], event: Any) -> dict[str, Any]:
        keys = inner[::2]
        if not all(isinstance(key, str) for key in keys):
            raise self._error("has a key that is no text", event)
        return dict(zip(keys, inner[1::2], strict=True))

    def _error(self, what: str, event: Any) -> DataError:
        location = f"{self._title}:{event.start_mark.line + 1}"
        return DataError(f"is no YAML that can be read: it {what}", location=location, hint="correct it")


def children(path: Path, root: str) -> Iterator[Element]:
    """The elements directly inside the outermost one of an XML file, each as soon as it is complete.

    Raises:
        DataError: it cannot be read, is cut short, its outermost element is not called ``root``, or it
            declares a document type. Declared entities could make a small file fill the memory or read
            other files, so such a declaration is refused as soon as it comes.
    """
    tree = _Tree(path.name, root)
    with _readable(path), open_plain(path) as file:
        while piece := file.read(PIECE):
            tree.feed(piece)
            yield from tree.taken()
        tree.feed(b"", last=True)
        yield from tree.taken()


class _Tree:
    """Grows one child of the root at a time."""

    def __init__(self, title: str, root: str) -> None:
        self._title, self._root = title, root
        self._depth = self._count = self._fed = 0
        self._builder = TreeBuilder()
        self._done: list[Element] = []
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def feed(self, piece: bytes, last: bool = False) -> None:
        try:
            self._parser.Parse(piece, last)
            self._fed += len(piece)
            if self._fed - self._parser.CurrentByteIndex > LONGEST_TOKEN:
                what = f"holds a tag or a comment of more than {LONGEST_TOKEN:,} bytes"
                raise DataError(what, location=f"{self._title}:{self._parser.CurrentLineNumber}")
        except expat.ExpatError as error:
            what = "is cut short" if last else "is no XML here"
            raise DataError(what, location=f"{self._title}:{error.lineno}", hint=AGAIN) from None
        except (ValueError, LookupError):
            raise DataError(
                "is in no known encoding", location=self._title, hint="save it as UTF-8"
            ) from None

    def taken(self) -> list[Element]:
        done, self._done = self._done, []
        return done

    def _refuse(self, *_: Any) -> None:
        what = "declares a document type (<!DOCTYPE), which is refused: such files can be made to do harm"
        raise DataError(what, location=self._title, hint="take the declaration out")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._depth and tag != self._root:
            what = f"begins with <{tag[:40]}> where <{self._root}> should be"
            raise DataError(what, location=self._title, hint="name its format")
        self._depth += 1
        self._count += 1 + len(attributes)
        if self._depth > DEEPEST or self._count > MOST_ELEMENTS:
            raise DataError("holds more elements inside one another than are read", location=self._title)
        if self._depth > 1:
            self._builder.start(tag, attributes)

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if self._depth >= 1:
            self._builder.end(tag)
        if self._depth == 1:
            self._done.append(self._builder.close())
            self._builder, self._count = TreeBuilder(), 0

    def _text(self, text: str) -> None:
        if self._depth > 1:
            self._builder.data(text)


def _content(path: Path, most: int) -> bytes:
    with _readable(path):
        return read_plain(path, most)
    raise AssertionError  # for the type checker: the block above returns or raises


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or error})", location=path.name) from None
