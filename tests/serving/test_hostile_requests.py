"""Whatever comes in, the service says in JSON what is wrong, stays up, and holds no memory."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.service import Running, form, picture, running

from oneglance.serving.app import Settings
from oneglance.serving.limits import Bounds, Refused
from oneglance.serving.multipart import boundary_of, parts
from oneglance.serving.request_body import pictures_of

pytestmark = pytest.mark.slow  # clients that keep a service waiting

psutil = pytest.importorskip("psutil")

RED = picture("red")
BOUNDS = Bounds(megabytes=8, inside=24, head_seconds=1, seconds=60, connections=100)
FORM = "multipart/form-data; boundary=edge"
POST = "POST /predict HTTP/1.1\r\nhost: localhost\r\n"
GROWTH = 150e6  # bytes: eight bodies and what the allocator keeps


@pytest.fixture(scope="module")
def service() -> Iterator[Running]:
    with running(Settings(bounds=BOUNDS)) as started:
        yield started


@pytest.fixture(autouse=True)
def unharmed(service: Running) -> Iterator[None]:
    """After each test the service answers, holds nothing, and has not grown."""
    before = psutil.Process().memory_info().rss
    yield
    assert service.predict(("a.png", RED)).status == 200
    assert service.metric("body_bytes") == 0
    assert service.metric("pictures_inside") == 0
    assert psutil.Process().memory_info().rss < before + GROWTH


@pytest.mark.parametrize("folder", ["broken", "odd_modes", "hostile"])
def test_pictures_from_strangers(service: Running, shared: Path, folder: str) -> None:
    files = sorted((shared / "data" / "own_pictures" / folder).iterdir())
    assert files
    read = 0
    for path in files:
        reply = service.predict((path.name, path.read_bytes()))
        if reply.status == 200:
            read += 1
        else:
            assert reply.refused(422).startswith(f"{path.name}: ")
    assert read == len(files) if folder == "odd_modes" else read < len(files)


def test_a_picture_of_too_many_pixels(service: Running) -> None:
    assert "megapixels" in service.predict(("a.ppm", b"P6 9000 9000 255\n")).refused(422)


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        (b"", FORM, 400, "boundary"),
        (b"--edge--\r\n", FORM, 400, "no picture"),
        (b"--edge\r\n\r\n\r\n--edge--", FORM, 400, "no file"),
        (b'--edge\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--edge--', FORM, 400, "no file"),
        (form(("a.png", RED))[0][:-20], FORM, 400, "cut short"),
        (form(("a.png", RED))[0], "multipart/form-data", 400, "boundary"),
        (form(("a.png", RED))[0], "multipart/form-data; boundary=" + 71 * "x", 400, "boundary"),
        (form(("a.png", RED))[0], 'multipart/form-data; boundary="ed\u00e9"', 400, "boundary"),
        (form(*[("a", b"")] * 10_000)[0], FORM, 413, "more than 64 parts"),
        (b"--edgex" * 100_000, FORM, 400, "no head"),
        (b"\r\n--edge" * 100_000, FORM, 400, "boundary"),
        (bytes(20_000_000), FORM, 413, "larger than 8 megabytes"),
        (RED, "image/png", 415, "image/png"),
        (RED, "", 415, "unknown"),
        (b"", "application/json", 400, "not JSON"),
        (b'{"pictures": NaN}', "application/json", 400, "not JSON"),
        (b"[" * 1_000_000, "application/json", 413, "too many"),
        (b"[" * 10_000, "application/json", 400, "not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "application/json", 400, "not JSON"),
        (b"\xff\xfe{", "application/json", 400, "not JSON"),
        (b"[]", "application/json", 422, "another form"),
        (b"{}", "application/json", 422, "another form"),
        (b'{"pictures": []}', "application/json", 400, "no picture"),
        (b'{"pictures": "a.jpg"}', "application/json", 422, "another form"),
        (b'{"pictures": [{"data": "AA=="}], "url": "http://x"}', "application/json", 422, "another form"),
        (b'{"pictures": [{"url": "http://x"}]}', "application/json", 422, "pictures[0]"),
        (b'{"pictures": [{"data": 1}]}', "application/json", 422, "pictures[0].data"),
        (b'{"pictures": [{"data": "!"}]}', "application/json", 422, "base64"),
        ('{"pictures": [{"data": "ä"}]}'.encode(), "application/json", 422, "base64"),
        (b'{"pictures": [{"data": "AA==", "name": null}]}', "application/json", 422, "pictures[0].name"),
        (json.dumps({"pictures": [{"data": ""}] * 65}).encode(), "application/json", 413, "more than 64"),
    ],
)
def test_bodies(service: Running, body: bytes, kind: str, status: int, words: str) -> None:
    assert words in service.ask("/predict", body, kind).refused(status)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "C:\\a.png", "a\x00b.png", "a" * 3000, "", "\udcff.png"]
)
def test_names_are_names_only(service: Running, name: str) -> None:
    safe = name.encode("utf-8", "replace").decode()
    (row,) = service.predict((safe, RED)).json["pictures"]
    assert "answers" in row
    assert len(row["image"]) <= 210
    assert "\x00" not in row["image"]


def test_a_hundred_megabytes_of_zeros(service: Running) -> None:
    assert "larger than 8 megabytes" in service.ask("/predict", bytes(100_000_000), FORM).refused(413)


def test_a_boundary_of_a_megabyte(service: Running) -> None:
    head = f"{POST}content-type: multipart/form-data; boundary="
    assert b"longer than" in raw(service, head.encode() + b"x" * 1_000_000 + b"\r\n\r\n")


@pytest.mark.parametrize("length", [70_000, 200_000])
def test_a_long_head_that_comes_at_once(service: Running, length: int) -> None:
    sent = b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * length + b"\r\n\r\n"
    reply = raw(service, sent)
    assert reply.startswith(b"HTTP/1.1 431") and b"longer than 65,536 bytes" in reply
    assert raw(service, sent[:60_000] + b"\r\nconnection: close\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_a_client_that_half_closes_gets_its_answer(service: Running) -> None:
    body, kind = form(("a.png", RED))
    head = f"{POST}content-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as line:
        line.sendall(head.encode() + body)
        line.shutdown(socket.SHUT_WR)
        reply = b""
        while got := line.recv(65536):
            reply += got
    assert reply.startswith(b"HTTP/1.1 200") and b'"hat"' in reply


def test_idle_connections_keep_nobody_out() -> None:
    with running(Settings(bounds=Bounds(connections=20))) as service:
        idle = [socket.create_connection(("127.0.0.1", service.port), timeout=60) for _ in range(60)]
        try:
            began = time.monotonic()
            assert [service.predict(("a.png", RED)).status for _ in range(3)] == [200] * 3
            assert time.monotonic() - began < 8  # less than the ten seconds that a head may take
        finally:
            for line in idle:
                line.close()


def test_more_connections_than_there_is_room_for_are_told_so_in_json() -> None:
    asks = f"{POST}content-type: {FORM}\r\ncontent-length: 1000\r\nexpect: 100-continue\r\n\r\n".encode()
    with running(Settings(bounds=Bounds(connections=5))) as service:
        lines = [socket.create_connection(("127.0.0.1", service.port), timeout=60) for _ in range(5)]
        try:
            for line in lines:
                line.sendall(asks)
                assert line.recv(100).startswith(b"HTTP/1.1 100")  # it is under way
            reply = service.ask("/health")
            assert "as many connections" in reply.refused(503)
            assert reply.headers["retry-after"] == "1"
            lines.pop().close()
            while service.ask("/health").status != 200:
                time.sleep(0.1)
        finally:
            for line in lines:
                line.close()


def test_what_is_no_http(service: Running) -> None:
    assert b"not an HTTP request" in raw(service, b"\x16\x03\x01 hello\r\n\r\n")


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /predict HT",
    ],
)
def test_half_a_head_is_not_waited_for(service: Running, sent: bytes) -> None:
    began = time.monotonic()
    assert b"came too slowly" in raw(service, sent)
    assert time.monotonic() - began < 30


def test_half_a_second_head_is_not_waited_for(service: Running) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as line:
        line.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert line.recv(4096).startswith(b"HTTP/1.1 200")
        time.sleep(0.2)  # the answer may come in two pieces
        line.sendall(b"GET /hea")
        reply = b""
        while b"came too slowly" not in reply and (got := line.recv(4096)):
            reply += got
    assert b"came too slowly" in reply


def test_half_a_body_is_not_waited_for() -> None:
    head = (
        f"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: {FORM}\r\ncontent-length: 1000\r\n\r\n"
    )
    with running(Settings(bounds=Bounds(seconds=2))) as service:
        reply = raw(service, head.encode() + b"--edge")
    assert reply.startswith(b"HTTP/1.1 408")
    assert b"not arrived whole within 2 seconds" in reply


def test_a_client_that_goes_away(service: Running) -> None:
    with socket.create_connection(("127.0.0.1", service.port)) as line:
        line.sendall(b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\nabc")
    time.sleep(0.2)


def test_all_bodies_together_are_bounded(service: Running) -> None:
    head = f"{POST}content-type: {FORM}\r\ncontent-length: 7000001\r\n\r\n".encode()
    *first, last = (socket.create_connection(("127.0.0.1", service.port), timeout=60) for _ in range(4))
    try:
        for line in first:
            line.sendall(head + bytes(7_000_000))  # all but the last byte
        while service.metric("body_bytes") < 21e6:
            time.sleep(0.1)
        last.sendall(head + bytes(7_000_001))
        reply = last.recv(4096)
    finally:
        for line in (*first, last):
            line.close()
    assert reply.startswith(b"HTTP/1.1 503")
    assert b"retry-after" in reply
    while service.metric("body_bytes"):
        time.sleep(0.1)


def test_unknown_paths_and_verbs(service: Running) -> None:
    service.ask("/%2e%2e/%2e%2e/etc/passwd").refused(404)
    service.ask("/page/../../app.py").refused(404)
    service.ask("/corrections", b"{}", "application/json").refused(404)  # none are taken
    service.ask("/predict").refused(405)
    service.ask("/predict", b"", headers={"content-encoding": "gzip"}).refused(415)
    service.ask("/health", headers={"host": "["}).refused(400)


# the parser


@settings(deadline=None)
@given(st.lists(st.tuples(st.text("ab./\\\"' ", max_size=9), st.binary(max_size=50)), min_size=1, max_size=5))
def test_every_form_is_read_back(files: list[tuple[str, bytes]]) -> None:
    quoted = [(name.replace("\\", "\\\\").replace('"', '\\"'), data) for name, data in files]
    body, kind = form(*quoted)
    if any(b"\r\n--edge" in data for _, data in files):
        return
    assert [tuple(part) for part in parts(body, boundary_of(kind), 5)] == files


@given(st.binary(max_size=200), st.sampled_from([FORM, "application/json", "text/plain", ""]))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_refused(body: bytes, kind: str) -> None:
    try:
        assert pictures_of(body, kind, 5)
    except Refused as refused:
        assert 400 <= refused.status < 500


@settings(deadline=None)
@given(st.data())
def test_a_damaged_form_is_read_or_refused(data: Any) -> None:
    whole = form(("a.png", b"123"), ("b.png", b"--edge"))[0]
    at = data.draw(st.integers(0, len(whole)))
    damaged = whole[:at] + data.draw(st.binary(max_size=4)) + whole[at + data.draw(st.integers(0, 4)) :]
    with suppress(Refused):
        pictures_of(damaged, FORM, 5)


def test_parsing_takes_time_in_proportion() -> None:
    took = []
    for size in (1_000_000, 8_000_000):
        body = b'--edge\r\ncontent-disposition: form-data; filename="a"\r\n\r\n' + b"\r\n--edg" * (size // 7)
        began = time.process_time()
        with pytest.raises(Refused, match="cut short"):
            parts(body, b"edge", 64)
        took.append(time.process_time() - began)
    assert took[1] < 0.5


def raw(service: Running, sent: bytes) -> bytes:
    """All that the service says to bytes."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as line:
        with suppress(ConnectionError):
            line.sendall(sent)
        reply = b""
        with suppress(ConnectionError):
            while got := line.recv(65536):
                reply += got
    return reply
