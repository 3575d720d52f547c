"""Files in a form, as browsers and curl send them (RFC 7578), read strictly.

The whole body is in memory already, so parsing is a search for the boundary: it takes time in proportion to
the body, whatever the body holds, and it stops at the first part too many.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from oneglance.serving.limits import Refused

HEAD = 4096  # bytes of a part's own headers
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")  # RFC 2046, section 5.1.1
_FILENAME = re.compile(rb';\s*filename="((?:[^"\\\r\n]|\\.)*)"', re.IGNORECASE)


class FormFile(NamedTuple):
    """One file of a form."""

    name: str  # as the client calls it; it may look like a path and is never used as one
    data: bytes


def boundary_of(content_type: str) -> bytes:
    """What stands between the parts.

    Raises:
        Refused: it is missing or no boundary.
    """
    for parameter in content_type[:1000].split(";")[1:]:
        key, _, value = parameter.strip().partition("=")
        if key.lower() == "boundary":
            value = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
            if _BOUNDARY.fullmatch(value):
                return value.encode()
    raise Refused(
        400, "the form has no boundary of 1 to 70 plain characters", "let your HTTP library write it"
    )


def parts(body: bytes, boundary: bytes, most: int) -> list[FormFile]:
    """Every file of the form.

    Raises:
        Refused: there are more than ``most``, one is no file, or the form is not whole.
    """
    between = b"\r\n--" + boundary
    if not body.startswith(between[2:]):
        raise Refused(400, "the form does not begin with its boundary")
    files: list[FormFile] = []
    at = len(between) - 2
    while not body.startswith(b"--", at):
        if len(files) == most:
            raise Refused(413, f"the form has more than {most:,} parts", "send fewer at once")
        head_end = body.find(b"\r\n\r\n", at, at + HEAD)
        if not body.startswith(b"\r\n", at) or head_end < 0:
            raise Refused(400, f"part {len(files) + 1} of the form has no head")
        end = body.find(between, head_end + 4)
        if end < 0:
            raise Refused(400, "the form is cut short: its last boundary is missing")
        files.append(FormFile(_name(body[at:head_end], len(files) + 1), body[head_end + 4 : end]))
        at = end + len(between)
    return files


def _name(head: bytes, number: int) -> str:
    for line in head.split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.strip().lower() == b"content-disposition" and (match := _FILENAME.search(value)):
            return re.sub(rb"\\(.)", rb"\1", match[1]).decode("utf-8", errors="replace")
    raise Refused(400, f"part {number} of the form is no file", "send pictures as files, nothing else")
