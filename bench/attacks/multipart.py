"""Requests to the service with damaged heads, forms, JSON and query strings, over a real socket.

The network is that of the tests, whose answer follows from a picture's colour: where a damaged request still
carries the picture whole and alone, the answer must be the right one. After each, an untouched request must
be answered as before.
"""

from __future__ import annotations

import base64
import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
from served import started  # first: it says where support is
from support.service import Running, form, picture

from oneglance.serving.app import Settings
from oneglance.serving.limits import Bounds

RED = picture("red")
FORM, FORM_TYPE = form(("a.png", RED))
TWO = form(("a.png", RED), ("ä.png", picture("blue")))[0]
AS_JSON = json.dumps({"pictures": [{"name": "a.png", "data": base64.b64encode(RED).decode()}]}).encode()
ENCODED = base64.b64encode(RED)
# What parsers of HTTP and of forms have tripped over.
PIECES = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\0", b"--", b"--edge", b"\r\n--edge", b"--edge--", b'"', b"\\",
    b'\\"', b";", b"%00", b"%", b"?", b"#", b"/../", b" ", b"\t", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"{",
    b"[" * 60,
    b"}", b"\\ud800", b"content-length: 0\r\n", b"content-length: 99999999999999999999\r\n",
    b"content-length: -1\r\n",
    b"transfer-encoding: chunked\r\n", b"content-encoding: gzip\r\n", b"expect: 100-continue\r\n",
    b"host: evil.example\r\n", b"origin: null\r\n", b"sec-fetch-site: cross-site\r\n",
    b"connection: upgrade\r\nupgrade: websocket\r\n", b"x: " + b"y" * 70_000 + b"\r\n",
    b"filename*=utf-8''%00",
    b"boundary=" + b"x" * 80, b"1e999", b"NaN",
)  # fmt: skip
_service: list[Running] = []
_right: list[Any] = []


def prepare(folder: Path) -> None:
    _service.append(started(Settings(bounds=Bounds(head_seconds=2, seconds=8))))
    _right.append(untouched())
    assert _right[0]["pictures"][0]["answers"]["kind"]["value"] == "hat"


def attempt(folder: Path, rng: np.random.Generator) -> str:
    sent, alone = damaged(rng)
    reply = exchanged(sent)
    outcome = judged(reply, alone and (RED in sent or ENCODED in sent))
    assert untouched() == _right[0], "a good request is answered in another way than before"
    return outcome


def damaged(rng: np.random.Generator) -> tuple[bytes, bool]:
    """The bytes of a request, and whether it held one picture before."""
    kind = int(rng.integers(3))
    body = (FORM, TWO, AS_JSON)[kind]
    content_type = "application/json" if kind == 2 else FORM_TYPE
    path = rng.choice(
        np.array(["/predict", "/predict?a=b&c=%41", "/model", "/health", "//predict"], dtype=object)
    )
    head = f"POST {path if rng.random() < 0.3 else '/predict'} HTTP/1.1\r\nhost: localhost\r\n"
    head += f"content-type: {content_type}\r\n"
    raw_head, where = bytearray(head.encode()), rng.random()
    raw_body = bytearray(body)
    for _ in range(rng.integers(1, 3)):
        change(raw_head if where < 0.4 else raw_body, rng)
    if rng.random() < 0.95:  # else the service must wait for nothing
        length = len(raw_body) + (int(rng.integers(-20, 20)) if rng.random() < 0.1 else 0)
        raw_head += f"content-length: {max(0, length)}\r\n".encode()
    return bytes(raw_head + b"connection: close\r\n\r\n" + raw_body), kind != 1


def change(raw: bytearray, rng: np.random.Generator) -> None:
    at = int(rng.integers(len(raw) + 1))
    kind = rng.integers(5)
    if kind == 0:
        raw[at:at] = PIECES[int(rng.integers(len(PIECES)))]
    elif kind == 1:
        del raw[at : at + int(rng.integers(1, 30))]
    elif kind == 2:
        raw[at:at] = raw[at : at + int(rng.integers(1, 200))]
    elif kind == 3:
        raw[at : at + 1] = bytes([int(rng.integers(256))])
    else:
        raw[at : at + int(rng.integers(1, 12))] = PIECES[int(rng.integers(len(PIECES)))]


def exchanged(sent: bytes) -> bytes:
    """All that the service says; the client says no more after its request."""
    with socket.create_connection(("127.0.0.1", _service[0].port), timeout=15) as line:
        try:
            line.sendall(sent)
            line.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass
        reply = b""
        try:
            while got := line.recv(65536):
                reply += got
        except ConnectionError:
            pass
    return reply


def judged(reply: bytes, whole: bool) -> str:
    """Every answer on the connection: a shortened body makes the rest of it a request of its own."""
    outcome = "refused"  # nothing: the request was not whole when the client had sent all
    while reply:
        head, _, reply = reply.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        code = int(status.split()[1])
        if code == 100:
            continue
        headers = dict(line.lower().split(": ", 1) for line in lines)
        length = int(headers["content-length"])
        assert code == 200 or 400 <= code < 500, reply[:500]
        body, reply = reply[:length], reply[length:]
        if code == 200 and not headers["content-type"].startswith("application/json"):
            continue  # a damaged path may name the page
        if not body:  # the answer to HEAD
            return outcome
        value = json.loads(body)
        if code != 200:
            assert isinstance(value["error"], str) and value["error"].isprintable(), value
            continue
        outcome = "answered"
        rows = value.get("pictures", [])
        if whole and len(rows) == 1 and "answers" in rows[0]:
            wanted = _right[0]["pictures"][0]
            assert {**rows[0], "image": ""} == {**wanted, "image": ""}, "another answer to the same picture"
    return outcome


def untouched() -> Any:
    reply = _service[0].ask("/predict", FORM, FORM_TYPE)
    assert reply.status == 200, reply
    return reply.json
