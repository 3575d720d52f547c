"""What asks for more memory than it may gets a MemoryError, and afterwards all is as before."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from oneglance.parallel.memory_bound import at_most, held

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not bound the memory")


def test_more_than_allowed_is_refused_inside_only() -> None:
    with at_most(100_000_000):
        assert len(bytearray(30_000_000)) == 30_000_000
        with pytest.raises(MemoryError):
            bytearray(4_000_000_000)
    assert len(bytearray(4_000_000_000)) == 4_000_000_000


def test_threads_that_overlap_leave_nothing_behind() -> None:
    entered, left = threading.Event(), threading.Event()

    def first() -> None:
        with at_most(50_000_000):
            entered.set()
            left.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    entered.wait(10)
    with at_most(100_000_000):
        left.set()
        thread.join()
        with pytest.raises(MemoryError):
            bytearray(4_000_000_000)
    assert len(bytearray(4_000_000_000)) == 4_000_000_000


def test_a_process_that_is_bounded_already_stays_so() -> None:
    program = """if True:
        from oneglance.parallel.memory_bound import at_most, limit_memory
        limit_memory(100_000_000)
        with at_most(900_000_000):
            try:
                bytearray(500_000_000)
            except MemoryError:
                print("refused")
        try:
            bytearray(500_000_000)
        except MemoryError:
            print("refused")
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["refused"] * 2, done.stderr
    assert held() > 1_000_000
