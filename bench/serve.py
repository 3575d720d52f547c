"""The service under load, relative to what the machine allows.

Decoding, the network, the service and its clients share the cores. The bound is
1 / (1 / decode + 1 / forward), each measured alone in the same minutes, on all cores and in full batches:
`share` is the part of it that the service reaches. Further figures say where the rest is. `share_of_few`
compares with what so many clients could get, a core for each picture: a single client keeps one core busy and
fills no batch. `share_of_lone` compares a single client with a picture whose pass has all cores to itself, as
in the service where the engine can. `share_beside_clients` takes the processor time of the clients,
`client_ms` per picture, off the cores first, for elsewhere they have cores of their own; `service_ms` is that
of the service's own process, `answering_ms` that of the processes that decode and answer. The clients are
threads of a process of their own; each keeps its connection and sends one picture per request. Memory is
shown before and after the soak.

    python bench/serve.py [--run RUN_OR_ONNX] [--engine onnx] [--size 128]
                          [--seconds 5] [--rounds 3] [--soak 10000]
"""

from __future__ import annotations

import os

os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as oneglance does, before torch is loaded

import argparse
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from predict import untrained, written

from oneglance.data.images.decode import Limits
from oneglance.data.images.decoding.decode_pool import decode
from oneglance.data.images.letterbox import Fit
from oneglance.data.images.references import FileImage
from oneglance.inference.export_comparison import random_pictures
from oneglance.inference.exported_network import Exported, as_onnx, quiet
from oneglance.inference.familiarity.novelty import Novelty
from oneglance.inference.predictor import Predictor, open_predictor
from oneglance.model import Model
from oneglance.nn.allocator import keep_freed_memory
from oneglance.parallel.cpus import processors
from oneglance.serving.app import Settings, build_app
from oneglance.serving.http_server import open_socket, server
from oneglance.serving.model_pool import ModelPool, open_model

CLIENTS = (1, 8, 64)
FULL = (16, 64)  # pictures of a batch: whichever is faster is what the machine can do


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--run", help="a run folder or .onnx file; default: an untrained MobileNetV2")
    options.add_argument("--engine", choices=("torch", "onnx"), default="torch", help="without --run")
    options.add_argument("--size", type=int, default=128, help="of the canvas, without --run")
    options.add_argument("--seconds", type=float, default=5, help="of each measurement")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--soak", type=int, default=10_000, help="requests between the looks at memory")
    given = options.parse_args()
    keep_freed_memory()  # as a run that is opened does
    with tempfile.TemporaryDirectory() as place, open_socket("127.0.0.1", 0) as listener:
        folder = str(Path(place) / "pictures")
        Path(folder).mkdir()
        refs = written(Path(folder), 200)
        file = fresh(given.engine, Path(place), given.size)
        opener = opener_of(given.run or file, given.size)
        predictor, settings = every_processor(given.run or file, given.size), Settings()
        single = predictor.latency_mode(processors())
        service = server(build_app(ModelPool(opener, settings.bounds), settings), settings.bounds)
        thread = threading.Thread(target=service.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not service.started:
            time.sleep(0.05)
        port = listener.getsockname()[1]
        load(port, folder, 8, given.seconds)  # the first batches are slower
        turns: list[dict[int, dict[str, float]]] = []
        for _ in range(given.rounds):
            turns.append({})
            decoded = {1: decoding(predictor, refs, 1), 2: decoding(predictor, refs, 0)}
            full = bound(decoded[2], max(forward(predictor, batch) for batch in FULL))
            lonely = bound(decoded[1], forward(single, 1))
            for clients in CLIENTS:
                own = bound(decoded[min(clients, 2)], forward(predictor, min(clients, max(FULL))))
                row = load(port, folder, clients, given.seconds)
                beside = 1 / (1 / full + row["client_ms"] / 1000 / processors())
                turns[-1][clients] = {
                    **row,
                    "share": row["rate"] / full,
                    "share_of_few": row["rate"] / own,
                    **({"share_of_lone": row["rate"] / lonely} if clients == 1 else {}),
                    "share_beside_clients": row["rate"] / beside,
                }
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
            f"{clients:3} clients: {row['rate']:.0f} pictures/s, {row['share']:.2f} of what is possible, "
            f"{row['share_beside_clients']:.2f} beside such clients, {row['share_of_few']:.2f} for so few; ",
            end="",
        )
        if "share_of_lone" in row:
            print(f"{row['share_of_lone']:.2f} of a lone picture on all cores; ", end="")
        print(f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, {row['failed']:.0f} failed")
    print(
        f"memory {before:.0f} MB, after {given.soak:,} requests {after:.0f} MB; {soak['failed']:.0f} failed"
    )
    result = {
        "bench": "serve",
        "engine": type(predictor.engine).__name__,
        "canvas": list(predictor.config.backbone.canvas),
        "clients": table,
        "wanted": 0.8,
        "megabytes": [round(before), round(after)],
        "soak": given.soak,
    }
    print(json.dumps(result))


def opener_of(run: str, size: int = 128) -> Callable[[], Model]:
    """What opens it in a process of the service; "": a network of usual size that has learned nothing, in
    torch.
    """
    return partial(open_model, Path(run), device="cpu") if run else partial(opened_untrained, size)


def opened_untrained(size: int) -> Model:
    """That network, with one pass at a time."""
    predictor = untrained(torch.device("cpu"), "fp32", size)
    predictor.engine.passes = 1
    return Model(predictor)


def every_processor(run: str, size: int) -> Predictor:
    """The same with a pass on each processor: what the machine can do."""
    return open_predictor(run, device="cpu") if run else untrained(torch.device("cpu"), "fp32", size)


def fresh(engine: str, place: Path, size: int = 128, novelty: Novelty | None = None) -> str:
    """That network as a file of the engine."""
    if engine == "torch":
        return ""
    ours = untrained(torch.device("cpu"), "fp32", size)
    with quiet():
        made = as_onnx(
            Exported(ours.network, half=False), ours, random_pictures(ours).canvases, "fp32", "untrained"
        )
    (place / "untrained.onnx").write_bytes(made.content(novelty))
    return str(place / "untrained.onnx")


def bound(decoded: float, forwarded: float) -> float:
    """Pictures per second where both share the cores."""
    return 1 / (1 / decoded + 1 / forwarded)


def decoding(predictor: Any, refs: list[FileImage], workers: int) -> float:
    """Pictures per second that are decoded, once processes have started: here, or with 0 on all cores."""
    fit: Fit = predictor.fit
    decoded = decode(refs * 5, fit, Limits(), workers)
    for _ in range(200):
        next(decoded)
    began, count = time.perf_counter(), sum(1 for _ in decoded)
    return count / (time.perf_counter() - began)


def forward(predictor: Any, batch: int) -> float:
    """Pictures per second in batches of that size."""
    canvases = np.zeros((batch, *predictor.fit.shape), np.uint8)
    placements = [predictor.fit.placement(400, 533)] * batch
    predictor.decode(predictor.forward(canvases).raw, placements)
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < 2:
        predictor.decode(predictor.forward(canvases).raw, placements)
        count += batch
    return count / (time.perf_counter() - began)


def load(
    port: int, folder: str, clients: int, seconds: float = 1e9, requests: int = 10**9
) -> dict[str, float]:
    """Clients in one process beside the service: pictures per second, seconds per request, and milliseconds
    of processor time per picture of the clients, of the service, and of the processes that answer.
    """
    here = psutil.Process()
    pool = here.children(recursive=True)
    words = [sys.executable, __file__, str(port), folder, str(clients), str(seconds), str(requests)]
    before = spent([here]), spent(pool)
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    after = spent([here]), spent(pool)
    took, failed, lasted, own = json.loads(done.stdout)
    p50, p99 = np.percentile(took, [50, 99]).tolist()
    service, answering = (1000 * (end - start) / len(took) for start, end in zip(before, after, strict=True))
    return {
        "rate": len(took) / lasted,
        "p50": p50,
        "p99": p99,
        "failed": failed,
        "client_ms": 1000 * own / len(took),
        "service_ms": service,
        "answering_ms": answering,
    }


def spent(processes: list[psutil.Process]) -> float:
    """Seconds of processor time so far."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def clients_of(port: int, folder: str, clients: int, seconds: float, requests: int) -> None:
    """What the process of the clients does: a thread per client, as cheap as it can be."""
    head = b'--edge\r\ncontent-disposition: form-data; name="pictures"; filename="a.jpg"\r\n\r\n'
    whole = [
        request(head + path.read_bytes() + b"\r\n--edge--\r\n") for path in sorted(Path(folder).iterdir())
    ]
    took: list[float] = []
    failed = 0
    began, used = time.perf_counter(), time.process_time()

    def client(number: int) -> None:
        nonlocal failed
        with socket.create_connection(("127.0.0.1", port)) as line:
            for turn in range(number, requests, clients):
                start = time.perf_counter()
                if start - began > seconds:
                    break
                line.sendall(whole[turn % len(whole)])
                failed += answer(line) != 200
                took.append(time.perf_counter() - start)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps([took, failed, time.perf_counter() - began, time.process_time() - used]))


def request(body: bytes) -> bytes:
    return (
        b"POST /predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: multipart/form-data; boundary=edge\r\n"
        b"content-length: %d\r\n\r\n%s" % (len(body), body)
    )


def answer(line: socket.socket) -> int:
    """Read an answer whole; its status."""
    reply = more(line)
    while (end := reply.find(b"\r\n\r\n")) < 0:
        reply += more(line)
    length = int(reply.partition(b"content-length: ")[2].split(b"\r\n")[0])
    left = end + 4 + length - len(reply)
    while left > 0:
        left -= len(more(line))
    return int(reply[9:12])


def more(line: socket.socket) -> bytes:
    if not (chunk := line.recv(65536)):
        raise SystemExit("the service has hung up")
    return chunk


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
