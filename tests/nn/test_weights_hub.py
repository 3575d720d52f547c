"""A hub that cannot be reached is known soon, and its client then looks only at what it has kept."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from huggingface_hub import constants

from oneglance.nn import weights_hub
from oneglance.nn.weights_hub import hub, reachable


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(weights_hub, "getproxies", dict)
    reachable.cache_clear()
    yield
    reachable.cache_clear()


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_what_listens_is_reachable(listening: int) -> None:
    assert reachable(f"http://127.0.0.1:{listening}")


def test_what_refuses_is_not(listening: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert not reachable(f"http://127.0.0.1:{port}")


def test_a_name_that_is_looked_up_for_ever_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def connect(*address: object) -> None:
        ended.wait(20)
        raise OSError

    monkeypatch.setattr(socket, "create_connection", connect)
    began = time.monotonic()
    assert not reachable("https://hub.invalid", seconds=0.1)
    assert time.monotonic() - began < 10
    ended.set()


def test_a_proxy_is_asked_in_its_place(listening: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for proxy in (f"http://127.0.0.1:{listening}", f"127.0.0.1:{listening}"):
        reachable.cache_clear()
        monkeypatch.setattr(weights_hub, "getproxies", lambda proxy=proxy: {"https": proxy})
        assert reachable("https://hub.invalid")


@pytest.mark.parametrize("answers", [True, False])
def test_the_client_is_offline_where_nothing_answers(answers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(weights_hub, "reachable", lambda url: answers)
    with hub():
        assert constants.is_offline_mode() is not answers
    assert not constants.is_offline_mode()


def test_who_is_offline_by_choice_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(weights_hub, "reachable", lambda url: True)
    with hub():
        assert constants.is_offline_mode()
    assert constants.is_offline_mode()
