"""The verb: what it says before it opens, and how it ends."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.service import Reply, Running, Strings, form, picture, service_url
from support.user import trained  # noqa: F401

import oneglance
from oneglance.errors import ConfigError, MissingExtraError, OneglanceError
from oneglance.progress import Screen
from oneglance.serving.http_server import GRACE, JsonLines, is_loopback, open_socket

# The painted network in a process of its own.
pytestmark = pytest.mark.slow  # services are started and stopped

SERVED = """
import sys
sys.path.insert(0, sys.argv[1])
from support.service import opened
import oneglance, oneglance.serving.model_pool as model_pool
model_pool.open_model = opened
oneglance.serve("painted", port=0)
"""


POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")


@POSIX
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_it_answers_until_it_is_stopped(name: str) -> None:
    words = [sys.executable, "-W", "error", "-c", SERVED, str(Path(__file__).parents[1])]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        url = service_url(process.stderr)
        body, kind = form(("secret.png", picture()))
        asked = urllib.request.Request(f"{url}predict", body, {"content-type": kind})
        with urllib.request.urlopen(asked, timeout=120) as answer:
            assert json.load(answer)["pictures"][0]["image"] == "secret.png"
        process.send_signal(getattr(signal, name))
        rest = process.stderr.read()
        assert process.wait(60) == 0
    *lines, last = rest.splitlines()
    assert last == "stopped"
    entries = [json.loads(line) for line in lines]
    assert [(line["event"], line["path"], line["status"]) for line in entries] == [
        ("request", "/predict", 200)
    ]
    assert "secret" not in rest


@dataclass
class Asked:
    """A service in a process of its own, and requests that are under way there."""

    process: subprocess.Popen[str]
    running: Running
    replies: list[Reply]
    clients: list[threading.Thread]

    def stop(self, *signals: int, group: bool = False) -> None:
        for number in signals:
            if group:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)
            time.sleep(0.3)

    def end(self) -> tuple[str, float]:
        """What it said at its end, and after how many seconds."""
        began = time.monotonic()
        for client in self.clients:
            client.join(60)
        assert self.process.stderr
        rest = self.process.stderr.read()
        assert self.process.wait(60) == 0
        assert rest.endswith("stopped\n") and "Traceback" not in rest
        return rest, time.monotonic() - began


@contextmanager
def asked(folder: Path, delay: float) -> Iterator[Asked]:
    """Six requests are under way, each pass taking so long."""
    words = [sys.executable, "-W", "error", "-c", SERVED, str(Path(__file__).parents[1])]
    with subprocess.Popen(
        words,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "STRINGS": str(folder)},
        start_new_session=True,
    ) as process:
        assert process.stderr
        url = service_url(process.stderr)
        service = Running(int(url.rpartition(":")[2].strip("/")), Strings(folder))
        service.strings.pull(delay=delay)
        replies: list[Reply] = []
        clients = [
            threading.Thread(target=lambda: replies.append(service.predict(("a.png", picture()))))
            for _ in range(6)
        ]
        for client in clients:
            client.start()
        while service.metric("pictures_inside") < 6:
            time.sleep(0.02)
        try:
            yield Asked(process, service, replies, clients)
        finally:
            process.kill()


@POSIX
@pytest.mark.parametrize("group", [False, True])
def test_what_is_under_way_is_answered_at_sigterm_and_nothing_new_is_taken(
    tmp_path: Path, group: bool
) -> None:
    with asked(tmp_path, delay=1) as service:
        idle = socket.create_connection(("127.0.0.1", service.running.port), timeout=30)
        service.stop(signal.SIGTERM, signal.SIGTERM, group=group)
        assert idle.recv(1) == b""  # closed
        with pytest.raises(ConnectionError):
            service.running.ask("/health")
        _, seconds = service.end()
        idle.close()
    assert seconds < 15
    assert [reply.status for reply in service.replies] == [200] * 6
    assert {reply.json["pictures"][0]["answers"]["kind"]["value"] for reply in service.replies} == {"hat"}


@POSIX
def test_who_asks_twice_is_not_kept_waiting(tmp_path: Path) -> None:
    with asked(tmp_path, delay=30) as service:
        service.stop(signal.SIGINT, signal.SIGINT)
        _, seconds = service.end()
    assert seconds < 10
    assert all("is stopping" in reply.refused(503) for reply in service.replies)
    assert len(service.replies) == 6


@POSIX
def test_what_takes_too_long_is_given_up_at_the_end(tmp_path: Path) -> None:
    with asked(tmp_path, delay=60) as service:
        half = socket.create_connection(("127.0.0.1", service.running.port), timeout=60)
        half.sendall(b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nabc")
        time.sleep(0.3)
        service.stop(signal.SIGTERM)
        _, seconds = service.end()
        assert half.recv(4096).startswith(b"HTTP/1.1 503")
        half.close()
    assert GRACE - 2 < seconds < GRACE + 10
    assert all(int(reply.headers["retry-after"]) >= 1 for reply in service.replies)
    assert all("is stopping" in reply.refused(503) for reply in service.replies)


def test_what_cannot_be_served_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OneglanceError):
        oneglance.serve(tmp_path / "nothing", screen=Screen())
    with pytest.raises(ConfigError, match="a key is letters"):
        oneglance.serve(tmp_path, api_key="two words", screen=Screen())


def test_a_missing_package_is_named_with_its_hint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(sys.modules):
        if name.startswith(("oneglance.serving.", "starlette.")) and name != "oneglance.serving.serve":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette", None)
    with pytest.raises(
        MissingExtraError, match=r'needs the package starlette — pip install "oneglance\[serve\]"'
    ):
        oneglance.serve(tmp_path, screen=Screen())


def test_an_address_in_use_is_refused() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(OneglanceError, match=r"cannot be listened at .* name another with --port"):
            open_socket("127.0.0.1", other.getsockname()[1])
    with pytest.raises(OneglanceError, match="cannot be listened at"):
        open_socket("192.0.2.1", 0)  # no address of any machine


@pytest.mark.parametrize(
    ("host", "only_here"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("127.9.9.9", True),
        ("0.0.0.0", False),
        ("a", False),
    ],
)
def test_what_is_reached_from_here_only(host: str, only_here: bool) -> None:
    assert is_loopback(host) is only_here


def test_a_fault_is_one_line_of_the_log() -> None:
    import logging

    try:
        raise ValueError("a\nb")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "fault", (), sys.exc_info())
    line = JsonLines().format(record)
    assert "\n" not in line
    assert json.loads(line)["fault"].startswith("Traceback")


@pytest.mark.parametrize(("rate", "why"), [(0.001, "cannot resolve"), (2, "is between 0 and 1, not 2")])
def test_a_share_of_false_alarms_that_cannot_be_kept_is_refused(trained: Path, rate: float, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        oneglance.serve(trained / "runs/a", port=0, processes=1, false_alarm=rate, screen=Screen())
