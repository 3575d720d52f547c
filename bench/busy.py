"""Training and prediction beside other programs, against the best fixed number of threads.

Beside 0, 1 and 2 processes that only spin, steps of a training and forward passes are counted: as oneglance
does them, and with every fixed number of threads, each with threads that look for work while they wait
(torch's own way) and with threads that sleep. All take turns in one run, each in a process of its own,
since the way of waiting is read when torch is loaded; the others sleep meanwhile. How many threads ours take
is what they chose in half a minute alone beside the busy processes: that look is kept, for in its turns the
other arms would look busy too. Of each the median of the rounds counts, after one round that does not, and
in which what is not half as fast as the best drops out.
Wanted is 0.9 of the best of all fixed ones.

    python bench/busy.py [--seconds 0.6] [--rounds 4]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from oneglance.parallel.neighbours import Neighbours

BUSY = 0, 1, 2  # other processes
WANTED = 0.9
SETTLE = -1  # in place of a number of threads: as oneglance does it, looking at the other programs
WORKS = "training", "training of a larger network", "predicting many", "predicting one"


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--seconds", type=float, default=0.6, help="of each turn")
    options.add_argument("--rounds", type=int, default=4)
    options.add_argument("--settle", type=float, default=30, help="seconds in which ours may choose, alone")
    options.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.work:
        answer_requests()
        return
    workers = {way: worker(way) for way in ("ours", "sleep", "spin")}
    count = len(os.sched_getaffinity(0))
    arms = {"ours": ("ours", 0)}
    arms |= {f"{way} {n}": (way, n) for way in ("sleep", "spin") for n in range(1, count + 1)}
    rows = []
    try:
        for busy in BUSY:
            with spinning(busy):
                for work in WORKS:
                    asked(workers["ours"], work, SETTLE, given.settle)
                    rates = measured(workers, arms, work, given.seconds, given.rounds)
                    fixed = {name: rate for name, rate in rates.items() if name != "ours"}
                    best = max(fixed, key=lambda name: fixed[name])
                    row = {"busy": busy, "work": work, "share": round(rates["ours"] / fixed[best], 3)}
                    row |= {"best": best} | {name: round(rate, 1) for name, rate in rates.items()}
                    print(row, flush=True)
                    rows.append(row)
    finally:
        for process in workers.values():
            process.kill()
    worst = min(row["share"] for row in rows)
    print(
        json.dumps({"bench": "busy", "wanted": WANTED, "worst": worst, "load": os.getloadavg(), "rows": rows})
    )


def measured(
    workers: dict[str, subprocess.Popen[str]],
    arms: dict[str, tuple[str, int]],
    work: str,
    seconds: float,
    rounds: int,
) -> dict[str, float]:
    """Pictures/s of each arm."""
    rates: dict[str, list[float]] = {name: [] for name in arms}
    names = list(arms)
    for turn in range(rounds + 1):
        # Forth and back, so that whoever else comes and goes meets all alike.
        for name in names if turn % 2 else reversed(names):
            way, threads = arms[name]
            rates[name].append(asked(workers[way], work, threads, seconds))
        if turn == 0:
            best = max(each[0] for each in rates.values())
            names = [name for name in names if name == "ours" or rates[name][0] > best / 2]
    return {name: statistics.median(each[1:] or each) for name, each in rates.items()}


@contextmanager
def spinning(count: int) -> Iterator[None]:
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        time.sleep(0.5)
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


# ---- a process that works


def worker(way: str) -> subprocess.Popen[str]:
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    if way == "spin":
        environment["GOMP_SPINCOUNT"] = "300000"  # what GNU's OpenMP does by itself
    command = [sys.executable, __file__, "--work"]
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def asked(process: subprocess.Popen[str], work: str, threads: int, seconds: float) -> float:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps([work, threads, seconds]) + "\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def answer_requests() -> None:
    """Lines of [work, threads (0: as oneglance does it, or ``SETTLE``), seconds]; answers pictures/s."""
    import torch  # after oneglance, as in any program

    from oneglance.nn.allocator import keep_freed_memory
    from oneglance.nn.threads import use_allowed_processors

    keep_freed_memory()
    usual = use_allowed_processors()
    others = Others()
    trainings = training("small", 64, 64, others), training("mobilenetv2_100", 96, 32, others)
    works = dict(zip(WORKS, (*trainings, *passes(others)), strict=True))
    print("ready", flush=True)
    for line in sys.stdin:
        work, threads, seconds = json.loads(line)
        torch.set_num_threads(threads if threads > 0 else usual)
        step, pictures = works[work][0 if threads > 0 else 1], works[work][2]
        others.settle(threads == SETTLE)
        step()
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            step()
            count += pictures
        print(count / (time.perf_counter() - began), flush=True)


Steps = tuple[Callable[[], Any], Callable[[], Any], int]  # with fixed threads, as oneglance; pictures of each


class Others(Neighbours):
    """The other programs; once settled, as they were."""

    def settle(self, looking: bool) -> None:
        self._looking_now = looking
        if looking:
            super().busy()  # the next look begins here

    def busy(self) -> float:
        if self._looking_now:
            self._seen = super().busy()
        return self._seen


def training(name: str, size: int, batch: int, others: Neighbours) -> Steps:
    """Steps of a learner on drawn noise; ours go through the choice of the number of threads."""
    import numpy as np
    import torch
    from loop import endless, our_step

    from oneglance.balancers.equal import Equal
    from oneglance.config import AugmentTable, BackboneTable, TrainingTable
    from oneglance.data.image_inputs import Path
    from oneglance.network import build_network
    from oneglance.task import build_tasks
    from oneglance.training.augment import Augment
    from oneglance.training.data_loader import BatchLoader
    from oneglance.training.learner import Learner
    from oneglance.training.resources.thread_choice import ThreadChoice

    class Noise:
        pixels = np.random.default_rng(0).integers(0, 256, (4 * batch, size, size, 3), dtype=np.uint8)

        def gather(self, rows: np.ndarray) -> np.ndarray:
            return self.pixels[rows]

        def announce(self, batches: Any) -> None:
            pass

    tasks, device = build_tasks({"kind": {"type": "label"}}), torch.device("cpu")
    answers = [str(row % 10) for row in range(4 * batch)]
    tasks["kind"].fit_target(answers)
    network = build_network(BackboneTable(name=name, weights="none", size=size), tasks, Path())
    table = TrainingTable(batch=batch, epochs=10_000)
    learner = Learner(network, tasks, Equal(), Augment(AugmentTable(), network.mean, 20), table, device)
    targets = {"kind": tasks["kind"].encode(answers)}
    stream = endless(BatchLoader(Noise(), np.arange(4 * batch), targets, batch, device))
    choice = ThreadChoice(torch.get_num_threads(), others, lambda text: None)

    def ours() -> None:
        torch.set_num_threads(choice.count)
        choice.step(lambda: our_step(learner, stream))

    return lambda: our_step(learner, stream), ours, batch


def passes(others: Neighbours) -> tuple[Steps, Steps]:
    """Many pictures in parallel passes as predict takes them, and one; fixed: one pass on all threads."""
    import numpy as np
    import torch
    from predict import untrained

    from oneglance.inference.parallel_passes import ParallelPasses
    from oneglance.parallel.free_processors import FreeProcessors

    engine = untrained(torch.device("cpu"), "fp32").engine
    parallel = ParallelPasses(engine, FreeProcessors(neighbours=others))
    many, one = (np.zeros((count, 128, 128, 3), np.uint8) for count in (32, 1))
    return (
        (lambda: engine.forward(many), lambda: parallel.forward(many), 32),
        (lambda: engine.forward(one), lambda: parallel.forward(one), 1),
    )


if __name__ == "__main__":
    main()
