"""The hub from which timm gets pretrained weights: asked in silence, and only where it can be reached."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

SECONDS = 2.0  # until a hub that says nothing is taken for one that cannot be reached


@contextmanager
def hub() -> Iterator[None]:
    """Within it the hub's client says nothing, and where the hub cannot be reached it looks only at what it
    has kept: by itself it tries again for a minute.
    """
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from huggingface_hub import constants

    log = logging.getLogger("huggingface_hub")
    level, offline = log.level, constants.HF_HUB_OFFLINE
    log.setLevel(logging.CRITICAL)
    constants.HF_HUB_OFFLINE = offline or not reachable(constants.ENDPOINT)
    try:
        yield
    finally:
        log.setLevel(level)
        constants.HF_HUB_OFFLINE = offline


@cache
def reachable(url: str, seconds: float = SECONDS) -> bool:
    """Whether something listens at ``url``, or at the proxy through which it is asked, within ``seconds``."""
    wanted = urlsplit(url)
    proxy = None if proxy_bypass(wanted.hostname or "") else getproxies().get(wanted.scheme)
    asked = urlsplit(proxy if not proxy or "//" in proxy else f"http://{proxy}") if proxy else wanted
    port = asked.port or (443 if asked.scheme == "https" else 80)
    connected = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection((asked.hostname or "", port), seconds).close()
        except OSError:
            return
        connected.set()

    # To look up a name has no time limit of its own.
    asking = threading.Thread(target=connect, daemon=True)
    asking.start()
    asking.join(seconds)
    return connected.is_set()
