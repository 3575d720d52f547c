"""Pictures as clients send them: files of a form, or JSON with base64."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NoReturn

from oneglance.data.images.memory_image import EncodedImage
from oneglance.data.images.references import printable
from oneglance.data.parsing.base64_pictures import from_base64
from oneglance.serving.limits import Refused
from oneglance.serving.multipart import boundary_of, parts

LONGEST_NAME = 200  # characters of a name that are kept
JSON_DELIMITERS = 20_000  # brackets, commas and colons of a JSON body: its values must not fill the memory
FORM = 'send files in a form, or JSON: {"pictures": [{"name": "a.jpg", "data": "<base64>"}]}'


def pictures_of(body: bytes, content_type: str, most: int) -> list[EncodedImage]:
    """The pictures of a request, at least one.

    Raises:
        Refused: they cannot be read from it.
    """
    if _kind(content_type) == "multipart/form-data":
        pictures = [_named(name, data) for name, data in parts(body, boundary_of(content_type), most)]
    else:
        require_json(content_type)
        pictures = list(_from_json(json_of(body), most))
    if not pictures:
        raise Refused(400, "no picture was sent", FORM)
    return pictures


def require_json(content_type: str, hint: str = FORM) -> None:
    """A browser sends JSON for a page of another site only once the service has agreed, which it never does.

    Raises:
        Refused: it is the type of something else.
    """
    if (kind := _kind(content_type)) != "application/json":
        raise Refused(415, f"a body of type {printable(kind[:100]) or 'unknown'} is not read", hint)


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def json_of(body: bytes) -> Any:
    """A JSON value, with NaN refused: JSON has no such number.

    Raises:
        Refused: it is no JSON.
    """
    if sum(body.count(mark) for mark in b"[{,:") > JSON_DELIMITERS:
        raise Refused(413, "the JSON holds too many values", FORM)
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refused(400, "the body is not JSON") from None


def picture_of(item: Any, location: str) -> EncodedImage:
    """``{"name": "a.jpg", "data": "<base64>"}``, the name left out if one likes.

    Raises:
        Refused: it is something else.
    """
    if not isinstance(item, dict) or not set(item) <= {"name", "data"} or "data" not in item:
        raise Refused(422, 'is not {"name": …, "data": …}', FORM, location=location)
    for key, value in item.items():
        if not isinstance(value, str):
            raise Refused(422, "is not text", FORM, location=f"{location}.{key}")
    try:
        data = from_base64(item["data"])
    except ValueError:
        raise Refused(422, "is not base64", location=f"{location}.data") from None
    return _named(item.get("name", ""), data)


def _from_json(value: Any, most: int) -> Iterable[EncodedImage]:
    if not isinstance(value, dict) or set(value) != {"pictures"} or not isinstance(value["pictures"], list):
        raise Refused(422, "the JSON has another form", FORM)
    if len(value["pictures"]) > most:
        raise Refused(413, f"the request has more than {most:,} pictures", "send fewer at once")
    for number, item in enumerate(value["pictures"]):
        yield picture_of(item, f"pictures[{number}]")


def _named(name: str, data: bytes) -> EncodedImage:
    return EncodedImage(printable(name[:LONGEST_NAME]), data)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
