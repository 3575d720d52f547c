"""The encoding of a table that is no UTF-8, as older programs save them."""

from __future__ import annotations

import codecs
from functools import partial
from pathlib import Path

from oneglance.storage.plain_files import is_file, open_plain

TEXT = frozenset({".csv", ".tsv", ".txt", ".jsonl", ".ndjson"})
CHUNK = 1 << 20
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def encoding_key(table: Path) -> dict[str, str]:
    """The key ``encoding`` of a table of text that is no UTF-8: UTF-16 by its mark, else Windows' Western
    European one if all bytes mean something there. None for what cannot be read.
    """
    if table.suffix.lower() not in TEXT or not is_file(table):
        return {}
    try:
        with open_plain(table) as file:
            if file.read(2) in UTF_16:
                return {"encoding": "utf-16"}
        if _decodes(table, "utf-8"):
            return {}
        return {"encoding": "cp1252"} if _decodes(table, "cp1252") else {}
    except OSError:
        return {}


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with open_plain(path) as file:
        try:
            for chunk in iter(partial(file.read, CHUNK), b""):
                if b"\0" in chunk:
                    return False  # no text at all
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeError:
            return False
    return True
