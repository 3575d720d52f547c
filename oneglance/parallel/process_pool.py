"""A pool of worker processes, each of which may crash, hang or run out of memory and costs one item only.

Each is a Python of its own that reads chunks of items from its input and writes answers to its output.
Longer than 400 lines because both ends of that conversation are here.

Why no library does it: ``concurrent.futures`` and joblib's loky give up the whole pool when one process dies,
``multiprocessing`` runs the user's script again in each process (spawn) or breaks torch's threads (fork), and
none of them bounds the time and memory of one item.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import subprocess
import sys
import threading
import weakref
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Any, Generic, TypeVar

from oneglance.errors import DataError
from oneglance.parallel.dispatcher import Chunk, Dispatcher
from oneglance.parallel.memory_bound import held, limit_memory

SECONDS = 60  # longest time for one item
LEFT_BEHIND = 0.25  # of its memory, what a process may hold between two chunks before it is renewed

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Job(ABC, Generic[Item, Answer]):
    """What a process does, where that is more than a function of one item."""

    does = "decode pictures"  # for the message that the processes do not start, and its hint:
    hint = "decode without: [cache] workers = 1"
    # Whether a process ends once a part of its memory is not free again, so that the next items have all of
    # it: where a new one costs little.
    renewed = False

    def open(self, number: int) -> Any:
        """Called once in each process, before its memory is bounded. ``ProcessPool.start`` returns the
        result.

        Args:
            number: of the process, from 0.
        """

    @abstractmethod
    def one(self, item: Item) -> Any:
        """The result of one item, within the bound on time."""

    def together(self, results: Sequence[Any], latency_mode: bool) -> Sequence[Answer]:
        """The answers to a chunk, from the results of ``one`` for each of its items.

        Args:
            latency_mode: this chunk is the only one under way, so the first process, which gets such chunks,
                may use all processors.
        """
        return results


class _Each(Job[Item, Answer]):
    """A function of one item."""

    renewed = True

    def __init__(self, function: Callable[[Item], Answer]) -> None:
        self._function = function

    def one(self, item: Item) -> Answer:
        return self._function(item)


class ProcessesDoNotStart(DataError):  # noqa: N818 - the name says it
    """Twice in turn a process ended before it could take anything; memory may be scarce."""


class ProcessPool(Generic[Item, Answer]):
    """``count`` processes that apply ``function`` to items, or with ``count=0`` this one.

    An item that takes longer than ``seconds``, or whose process dies twice while it has nothing else to do,
    gets the answer ``failed(item, what)``: once, a process may have been killed for another reason. An
    exception that ``function`` raises is raised here. ``function`` and items must be importable by name.

    Args:
        memory: bytes that a process may take beyond those it holds once it has started; 0: any.
        seconds: for one item.
        threads: of BLAS and OpenMP in each process.
    """

    def __init__(
        self,
        function: Callable[[Item], Answer] | Job[Item, Answer],
        failed: Callable[[Item, str], Answer],
        count: int,
        chunk: int = 16,
        memory: int = 0,
        seconds: int = SECONDS,
        threads: int = 1,
    ) -> None:
        self.count, self.chunk = count, chunk
        self._job: Job[Item, Answer] = function if isinstance(function, Job) else _Each(function)
        if not count:
            self._job.open(0)
        self._dispatcher = Dispatcher(count)
        closing = threading.Event()
        bounds = (memory, seconds)
        processes = [_Process(self._job, n, failed, bounds, threads, closing) for n in range(count)]
        self._processes = processes
        # A thread waits for each process, so that it goes on while the caller is busy with something else.
        # They hold no reference to this object: once nobody else does, it is closed, as at the end of Python.
        serving = [
            threading.Thread(target=_serve, args=(p, self._dispatcher), daemon=True) for p in processes
        ]
        self._close = weakref.finalize(self, _stop, closing, self._dispatcher, processes, serving)
        for thread in serving:
            thread.start()

    def start(
        self,
        on_start: Callable[[int], None] = lambda count: None,
        wanted: Callable[[Any], int] | None = None,
    ) -> Any:
        """Start the processes, which otherwise start when they are first needed: one, and then all others at
        once, for the first may leave files behind that these need. Called before anything else, if at all.

        Args:
            on_start: called with the number of processes that run already.
            wanted: the largest number of processes, from the result of ``open`` in the first.

        Returns:
            The result of the job's ``open`` in the first process.

        Raises:
            ProcessesDoNotStart: they do not.
            Exception: what ``open`` raises.
        """
        on_start(0)
        opened = self._processes[0].start()
        if wanted is not None:
            self.count = min(self.count, wanted(opened))
            self._dispatcher.keep(self.count)
        on_start(1)
        others = self._processes[1 : self.count]
        with ThreadPoolExecutor(len(others) or 1) as pool:
            for count, _ in enumerate(pool.map(_Process.start, others), 2):
                on_start(count)
        return opened

    def submit(self, items: Sequence[Item], latency_mode: bool = False) -> Future[list[Answer]]:
        """The answers to one chunk, when they are there.

        Args:
            latency_mode: no other chunk is expected meanwhile.
        """
        future: Future[list[Answer]] = Future()
        if self.count:
            self._dispatcher.put(Chunk(items, latency_mode, future))
        else:
            future.set_result(list(self._job.together([self._job.one(item) for item in items], latency_mode)))
        return future

    def map(self, items: Iterable[Item]) -> Iterator[Answer]:
        """The answers in the order of ``items``, which are read only a few chunks ahead."""
        if not self.count:
            for item in items:
                yield from self._job.together([self._job.one(item)], False)
            return
        items = iter(items)
        ahead: deque[Future[list[Answer]]] = deque()
        try:
            while chunk := list(islice(items, self.chunk)):
                ahead.append(self.submit(chunk))
                if len(ahead) >= 3 * self.count:
                    yield from ahead.popleft().result()
            while ahead:
                yield from ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()

    def close(self) -> None:
        """End the processes at once; what they were doing is lost."""
        self._close()

    def __enter__(self) -> ProcessPool[Item, Answer]:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()


def _serve(process: _Process, dispatcher: Dispatcher) -> None:
    """The work of a thread: hand chunks to its process until the dispatcher is closed."""
    while (chunk := dispatcher.get(process.number)) is not None:
        if chunk.future.set_running_or_notify_cancel():
            try:
                chunk.future.set_result(process.answers(chunk.items, chunk.latency_mode))
            except BaseException as error:
                chunk.future.set_exception(error)
            process.revive()
    process.end()


def _stop(
    closing: threading.Event,
    dispatcher: Dispatcher,
    processes: Sequence[_Process],
    threads: Sequence[threading.Thread],
) -> None:
    closing.set()
    dispatcher.close()
    for process, thread in zip(processes, threads, strict=True):
        if thread is threading.current_thread():  # the last that holds a reference to the pool
            continue
        while thread.is_alive():  # again and again: it may just be starting its process
            process.kill()
            thread.join(0.05)


# ---- the parent's side of one process

# -P and the parent's own sys.path: a pickle.py in the current folder must not come first.
# Who stops a service or a script by a signal often sends it to its processes too: they end when it does.
_START = """import pickle, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sys.path[:] = pickle.load(sys.stdin.buffer)
from oneglance.parallel.process_pool import work
work()"""


class _Process:
    """One process: started when first needed, and again after it died."""

    def __init__(
        self,
        job: Job[Any, Any],
        number: int,
        failed: Callable[[Any, str], Any],
        bounds: tuple[int, int],  # bytes of memory (0: any), seconds for one item
        threads: int,
        closing: threading.Event,
    ) -> None:
        self._job, self.number = job, number
        self._failed, self._bounds, self._closing = failed, bounds, closing
        self._threads = str(threads)
        self._running: subprocess.Popen[bytes] | None = None
        self._died = False

    def answers(self, items: Sequence[Any], latency_mode: bool, again: bool = True) -> list[Any]:
        """The answers to ``items``. If the process dies, each is tried by itself to find the one at fault,
        and a single one once more if ``again``.
        """
        if self._running is not None and self._running.poll() is not None:
            self.end()  # while it had nothing to do: none of these items is at fault
        if self._running is None:
            try:
                self.start()
            except ProcessesDoNotStart:
                self.start()
        process: Any = self._running
        try:
            _send(process.stdin, (items, latency_mode))
            answers, raised, full = pickle.load(process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError):
            code, self._died = self.end(), True
            if self._closing.is_set():
                raise CancelledError from None
            if len(items) > 1:
                return [answer for item in items for answer in self.answers([item], latency_mode)]
            if code == _TOO_LONG:
                return [self._failed(items[0], f"takes longer than {self._bounds[1]} seconds to decode")]
            if again:
                return self.answers(items, latency_mode, again=False)
            return [self._failed(items[0], "makes the decoder crash")]
        if full:
            self.end()
            self._died = True
        if raised is not None:
            raise raised
        return list(answers)

    def start(self) -> Any:
        """What the job's ``open`` gives."""
        if self._closing.is_set():
            raise CancelledError
        try:
            self._running = process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # C libraries complain there about damaged files
                env={
                    **os.environ,
                    "OPENBLAS_NUM_THREADS": self._threads,
                    "OMP_NUM_THREADS": self._threads,
                },
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
            _send(process.stdin, sys.path)
            _send(process.stdin, (self._job, self.number, *self._bounds))
            opened, raised = pickle.load(process.stdout)  # type: ignore[arg-type]
        except (OSError, EOFError, pickle.UnpicklingError):
            self.end()
            if self._closing.is_set():
                raise CancelledError from None
            what = f"the processes that {self._job.does} do not start"
            raise ProcessesDoNotStart(what, hint=self._job.hint) from None
        if raised is not None:
            self.end()
            raise raised
        self._died = False
        return opened

    def revive(self) -> None:
        """Start again what has died, before somebody has to wait for it."""
        if self._died and self._running is None:
            with suppress(Exception):  # raised for the next chunk
                self.start()

    def kill(self) -> None:
        if (process := self._running) is not None:
            process.kill()

    def end(self) -> int | None:
        """Kill the process if need be; its exit code."""
        process, self._running = self._running, None
        if process is None:
            return None
        # A process that closed its output is about to exit by itself, with the code that says why.
        with suppress(subprocess.TimeoutExpired):
            process.wait(0 if self._closing.is_set() else 1)
        process.kill()
        with suppress(OSError):  # the input may hold what it will never read
            process.stdin.close()  # type: ignore[union-attr]
        process.stdout.close()  # type: ignore[union-attr]
        return process.wait()


def _send(pipe: Any, message: Any) -> None:
    pipe.write(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))  # whole, or nothing where it cannot be pickled
    pipe.flush()


# ---- the process


def work() -> None:
    """What a process does: answer chunks until its input ends, which it also does when the parent dies."""
    requests: Any = sys.stdin.buffer
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is not an answer
    job, number, memory, seconds = pickle.load(requests)
    opened, raised = _attempt(lambda: job.open(number))
    base = held()
    limit_memory(memory)
    _send(replies, (opened, raised))
    full = False
    while not full and requests.peek(1):  # nothing: the end
        # Outside of what is answered: after an error in the middle of a request the rest of it would be taken
        # for the next one. The process ends instead, and a new one is asked.
        request = pickle.load(requests)
        answers, raised = _attempt(lambda: _answers(job, request, seconds))  # noqa: B023 - called at once
        del request
        full = job.renewed and 0 < LEFT_BEHIND * memory < held() - base
        _send(replies, (answers, raised, full))


def _attempt(what: Callable[[], Any]) -> tuple[Any, Exception | None]:
    """Its result, or the exception that it raises."""
    try:
        return what(), None
    except Exception as error:
        return None, error


def _answers(job: Job[Any, Any], request: tuple[Sequence[Any], bool], seconds: int) -> list[Any]:
    items, latency_mode = request
    results = []
    try:
        for item in items:
            _end_in(seconds)
            results.append(job.one(item))
    finally:
        _end_in(0)
    return list(job.together(results, latency_mode))


_TOO_LONG = -signal.SIGALRM if hasattr(signal, "SIGALRM") else 1  # the exit code


def _end_in(seconds: int) -> None:
    """This process ends after so many seconds, whatever C code it is in; with 0 it does not."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)
    elif seconds:  # Windows: slower to set
        faulthandler.dump_traceback_later(seconds, exit=True)
    else:
        faulthandler.cancel_dump_traceback_later()
