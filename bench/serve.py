"""The service under load, relative to what the machine allows.

Decoding, the network, the service and its clients share the cores, so the bound is
1 / (1 / decode + 1 / forward), each measured alone in the same minutes, with as many pictures at once as
there are clients: a single client keeps one core busy with decoding and fills no batch. `share_of_full`
compares with all cores and full batches whatever the number of clients. The clients are threads of a process
of their own; each keeps its connection and sends one picture per request. Memory is told before and after
the soak.

    python bench/serve.py [--run RUN_OR_ONNX] [--seconds 5] [--rounds 3] [--soak 10000]
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from predict import untrained, written

from oneglance.data.decoding import decode
from oneglance.data.images import Fit, Limits
from oneglance.data.refs import FileImage
from oneglance.inference.predictor import BATCH, open_predictor
from oneglance.serving.app import Settings, build_app
from oneglance.serving.server import listening, server

CLIENTS = (1, 8, 64)


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--run", help="a run folder or .onnx file; default: an untrained MobileNetV2")
    options.add_argument("--seconds", type=float, default=5, help="of each measurement")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--soak", type=int, default=10_000, help="requests between the looks at memory")
    given = options.parse_args()
    predictor = (
        open_predictor(given.run, device="cpu") if given.run else untrained(torch.device("cpu"), "fp32")
    )
    with tempfile.TemporaryDirectory() as folder, listening("127.0.0.1", 0) as door:
        refs = written(Path(folder), 200)
        settings = Settings()
        service = server(build_app(predictor, settings), settings.bounds)
        thread = threading.Thread(target=service.run, kwargs={"sockets": [door]}, daemon=True)
        thread.start()
        while not service.started:
            time.sleep(0.05)
        port = door.getsockname()[1]
        load(port, folder, 8, given.seconds)  # the first batches are slower
        turns: list[dict[int, dict[str, float]]] = []
        for _ in range(given.rounds):
            turns.append({})
            decoded = {1: decoding(predictor, refs, 1), 2: decoding(predictor, refs, 0)}
            full = bound(decoded[2], forward(predictor, BATCH))
            for clients in CLIENTS:
                own = bound(decoded[min(clients, 2)], forward(predictor, min(clients, BATCH)))
                row = load(port, folder, clients, given.seconds)
                turns[-1][clients] = {**row, "share": row["rate"] / own, "share_of_full": row["rate"] / full}
        before = memory()
        soak = load(port, folder, 8, requests=given.soak)
        after = memory()
        service.should_exit = True
        thread.join()
    table = {}
    for clients in CLIENTS:
        column = [turn[clients] for turn in turns]
        row = {key: round(statistics.median(turn[key] for turn in column), 4) for key in column[0]}
        table[str(clients)] = row
        p50, p99 = 1000 * row["p50"], 1000 * row["p99"]
        print(
            f"{clients:3} clients: {row['rate']:.0f} pictures/s, {row['share']:.2f} of what is possible, ",
            end="",
        )
        print(f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, {row['failed']:.0f} failed")
    print(
        f"memory {before:.0f} MB, after {given.soak:,} requests {after:.0f} MB; {soak['failed']:.0f} failed"
    )
    result = {
        "bench": "serve",
        "clients": table,
        "wanted": 0.8,
        "megabytes": [round(before), round(after)],
        "soak": given.soak,
    }
    print(json.dumps(result))


def bound(decoded: float, forwarded: float) -> float:
    """Pictures per second where both share the cores."""
    return 1 / (1 / decoded + 1 / forwarded)


def decoding(predictor: Any, refs: list[FileImage], workers: int) -> float:
    """Pictures per second that are decoded, once processes have started: here, or with 0 on all cores."""
    fit: Fit = predictor.fit
    found = decode(refs * 5, fit, Limits(), workers)
    for _ in range(200):
        next(found)
    began, count = time.perf_counter(), sum(1 for _ in found)
    return count / (time.perf_counter() - began)


def forward(predictor: Any, batch: int) -> float:
    """Pictures per second in batches of that size."""
    canvases = np.zeros((batch, *predictor.fit.shape), np.uint8)
    placements = [predictor.fit.place(400, 533)] * batch
    predictor.answers(canvases, placements)
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < 2:
        predictor.answers(canvases, placements)
        count += batch
    return count / (time.perf_counter() - began)


def load(
    port: int, folder: str, clients: int, seconds: float = 1e9, requests: int = 10**9
) -> dict[str, float]:
    """Clients in one process beside the service: pictures per second, seconds per request."""
    words = [sys.executable, __file__, str(port), folder, str(clients), str(seconds), str(requests)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    took, failed, lasted = json.loads(done.stdout)
    rate = len(took) / lasted
    p50, p99 = np.percentile(took, [50, 99]).tolist()
    return {"rate": rate, "p50": p50, "p99": p99, "failed": failed}


def clients_of(port: int, folder: str, clients: int, seconds: float, requests: int) -> None:
    """What the process of the clients does: a thread per client."""
    head = b'--edge\r\ncontent-disposition: form-data; name="pictures"; filename="a.jpg"\r\n\r\n'
    bodies = [head + path.read_bytes() + b"\r\n--edge--\r\n" for path in sorted(Path(folder).iterdir())]
    kind = {"content-type": "multipart/form-data; boundary=edge"}
    took: list[float] = []
    failed = 0
    began = time.perf_counter()

    def client(number: int) -> None:
        nonlocal failed
        line = http.client.HTTPConnection("127.0.0.1", port)
        for turn in range(number, requests, clients):
            start = time.perf_counter()
            if start - began > seconds:
                break
            line.request("POST", "/predict", bodies[turn % len(bodies)], kind)
            answer = line.getresponse()
            answer.read()
            took.append(time.perf_counter() - start)
            failed += answer.status != 200

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps([took, failed, time.perf_counter() - began]))


def memory() -> float:
    """Of the service and its processes, in megabytes."""
    here = psutil.Process()
    return sum(p.memory_info().rss for p in [here, *here.children(recursive=True)]) / 1e6


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1].isdigit():
        port, folder, clients, seconds, requests = sys.argv[1:]
        clients_of(int(port), folder, int(clients), float(seconds), int(requests))
    else:
        main()
