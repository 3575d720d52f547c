"""The verb: what it says before it opens, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from support.service import form, picture, service_url

import oneglance
from oneglance.errors import ConfigError, MissingExtraError, OneglanceError
from oneglance.progress import Screen
from oneglance.serving.http_server import JsonLines, is_loopback, open_socket

# The painted network in a process of its own.
SERVED = """
import sys
sys.path.insert(0, sys.argv[1])
from support.service import opened
import oneglance, oneglance.serving.model_pool as model_pool
model_pool.open_model = opened
oneglance.serve("painted", port=0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
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
