"""A service with every type of task, boxes and an embedding among them, whose processes are killed and which
is told to stop while requests are under way: an answer that comes is the whole answer.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from support.everything import NAMES, Made, agree, made  # noqa: F401
from support.service import Reply, Running, Strings, picture, service_url

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
SECONDS = 6


@POSIX
@pytest.mark.slow  # two processes that open an exported network and are killed for six seconds
def test_every_answer_that_comes_is_whole(made: Made, tmp_path: Path) -> None:  # noqa: F811
    words = [sys.executable, "-m", "oneglance", "serve", str(made.file), "--port", "0", "--processes", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr
        try:
            url = service_url(process.stderr)
            log: list[str] = []  # it is read all the time: the service waits where nobody reads it
            reader = threading.Thread(target=log.extend, args=(process.stderr,))
            reader.start()
            service = Running(int(url.rpartition(":")[2].strip("/")), Strings(tmp_path))
            first = answers(service.predict(("a.png", picture())))
            assert set(first) == NAMES and len(first["look"]["vector"]) == 8
            with ThreadPoolExecutor(3) as clients:
                end = time.monotonic() + SECONDS
                asked = [clients.submit(replies_until, service, end) for _ in range(3)]
                kills = killed_until(psutil.Process(process.pid), end)
                replies = [reply for each in asked for reply in each.result()]
            for reply in replies:
                if reply.status == 200:
                    agree(first, answers(reply))
                else:
                    reply.refused(503)
            assert kills > 2 and sum(reply.status == 200 for reply in replies) > 5
            under_way: list[Reply] = []
            client = threading.Thread(
                target=lambda: under_way.append(service.predict(*[("a.png", picture())] * 64))
            )
            client.start()
            while service.metric("pictures_inside") < 64 and client.is_alive():
                time.sleep(0.001)
            process.send_signal(signal.SIGTERM)
            client.join(60)
            assert process.wait(60) == 0
            reader.join(60)
            assert "Traceback" not in "".join(log)
            for each in under_way[0].json["pictures"]:
                agree(first, each["answers"])
        finally:
            process.kill()


def answers(reply: Reply) -> dict[str, dict[str, list[float]]]:
    assert reply.status == 200, reply
    result: dict[str, dict[str, list[float]]] = reply.json["pictures"][0]["answers"]
    return result


def replies_until(service: Running, end: float) -> list[Reply]:
    replies = []
    while time.monotonic() < end:
        replies.append(service.predict(("a.png", picture())))
    return replies


def killed_until(service: psutil.Process, end: float) -> int:
    rng, kills = random.Random(0), 0
    while time.monotonic() < end:
        time.sleep(rng.uniform(0.3, 1))
        if children := service.children():
            rng.choice(children).kill()
            kills += 1
    return kills
