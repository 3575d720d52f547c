"""Addresses of files that lie on other machines: ``s3://bucket/photos/a.jpg``, and which of them are read.

An address goes through the program as a path: its parts, its name and its ending are those of a path. pathlib
makes one of its two slashes, so ``s3:/bucket/a.jpg`` is the same address, and messages write the two again.

Passwords and signatures are no part of an address here: a configuration is kept word for word in the run
folder, and names of pictures stand in answers. The libraries find credentials by themselves.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

CREDENTIALS = (
    "leave it out: the libraries find credentials in ~/.netrc, in the environment and in the files of the "
    "store's own tools"
)
WEB = ("http", "https")
SCHEMES = (*WEB, "s3", "gs", "az", "hf", "memory")

_SCHEMES = "|".join(SCHEMES)
_ADDRESS = re.compile(rf"({_SCHEMES}):[/\\]+(.*)", re.DOTALL)
_IN_TEXT = re.compile(rf"\b({_SCHEMES}):/+(?:[^/\s@\"']+@)?")
_USER = re.compile(rf"\b({_SCHEMES}):/+[^/\s@\"']*@")
_QUERY = re.compile(r"\b(https?:/+[^\s?\"']+)\?[^\s\"']+")


def address_of(path: str | Path) -> str | None:
    """``path`` as an address in its one form, or None for a path on this machine."""
    text = path if type(path) is str else os.fspath(path)
    if ":" not in text[:8]:
        return None
    match = _ADDRESS.fullmatch(text)
    if match is None:
        return None
    rest = match[2].replace("\\", "/") if os.sep == "\\" else match[2]
    return f"{match[1]}://{rest.rstrip('/')}"


def is_remote(path: str | Path) -> bool:
    """Whether ``path`` is an address."""
    return address_of(path) is not None


def scheme_of(address: str) -> str:
    """``s3`` of ``s3://bucket/a.jpg``."""
    return address.partition(":")[0]


def refusal(address: str) -> str:
    """Why an address is not opened; "" where it may be."""
    scheme, _, rest = address.partition("://")
    first, *parts = rest.split("/")
    if "@" in first:
        return "holds a name or a password, which would stand in run folders and messages"
    if scheme in WEB and ("?" in rest or "#" in rest):
        return 'holds a query ("?…" or "#…"), in which signatures stand: these would stand in run folders too'
    if not first and scheme != "memory":
        return "names no bucket" if scheme not in WEB else "names no server"
    if any(part in ("", ".", "..") for part in parts) or "\0" in rest:
        return "has an empty part, or one of dots alone"
    return ""


def path_text(address: str) -> str:
    """An address as the text of its path: the form in which references to pictures hold it."""
    return address.replace("://", ":/", 1)


def redacted(text: str) -> str:
    """``text`` of a message without what is secret in the addresses in it, and with both their slashes."""
    if ":/" not in text:
        return text
    text = _USER.sub(r"\1://***@", text)
    text = _QUERY.sub(r"\1?***", text)
    return _IN_TEXT.sub(lambda match: f"{match[1]}://{match[0].partition(':')[2].lstrip('/')}", text)


def below(root: str, name: str) -> str | None:
    """The path of what is called ``name`` below the address ``root``; None where that leaves it.

    ``name`` is a path from there, or a whole address that begins with ``root``.
    """
    whole = address_of(name)
    if whole is not None:
        if not whole.startswith(f"{root}/"):
            return None
        name = whole[len(root) + 1 :]
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    if not parts or name.startswith("/") or "\0" in name:
        return None
    address = f"{root}/{'/'.join(parts)}"
    if scheme_of(root) in WEB:  # a file may be called so; in an address these mean something else
        address = address.replace("?", "%3F").replace("#", "%23")
    return path_text(address)
