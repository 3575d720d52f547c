"""What is free: of the machine, of control groups of both versions, of limits of the process."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from oneglance.parallel.free_memory import free_memory

GB = 10**9
MACHINE = {"proc/meminfo": "MemTotal: 20000000 kB\nMemFree: 1000 kB\nMemAvailable:   9000000 kB\n"}
V2 = {
    "proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
    "proc/self/cgroup": "0::/a/b\n",
}
V1 = {
    "proc/self/mountinfo": "39 31 0:36 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
    "proc/self/cgroup": "4:memory:/jobs\n1:cpu:/other\n0::/\n",
}


@pytest.fixture(autouse=True)
def no_limits_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def drawn(system: Path, *parts: dict[str, str]) -> Path:
    for files in parts:
        for name, text in files.items():
            (system / name).parent.mkdir(parents=True, exist_ok=True)
            (system / name).write_text(text)
    return system


def test_a_machine_of_its_own(tmp_path: Path) -> None:
    assert free_memory(drawn(tmp_path, MACHINE)) == 9000000 * 1024


def test_a_group_of_version_2_and_those_it_lies_in(tmp_path: Path) -> None:
    a, b = "sys/fs/cgroup/a", "sys/fs/cgroup/a/b"
    files = {
        f"{b}/memory.max": "max\n",
        f"{b}/memory.current": str(4 * GB),
        f"{a}/memory.max": str(6 * GB),
        f"{a}/memory.current": str(5 * GB),
        f"{a}/memory.stat": f"anon {2 * GB}\ninactive_file {GB}\nactive_file {GB}\n",
    }
    assert free_memory(drawn(tmp_path, MACHINE, V2, files)) == 3 * GB


def test_what_slows_a_group_down_is_a_limit_too(tmp_path: Path) -> None:
    b = "sys/fs/cgroup/a/b"
    files = {f"{b}/memory.max": "max", f"{b}/memory.high": str(2 * GB), f"{b}/memory.current": str(GB)}
    assert free_memory(drawn(tmp_path, MACHINE, V2, files)) == GB


def test_version_1(tmp_path: Path) -> None:
    top, own = "sys/fs/cgroup/memory", "sys/fs/cgroup/memory/jobs"
    files = {
        f"{own}/memory.limit_in_bytes": str(4 * GB),
        f"{own}/memory.usage_in_bytes": str(2 * GB),
        f"{own}/memory.stat": f"inactive_file 7\ntotal_inactive_file {GB // 2}\n",
        f"{top}/memory.limit_in_bytes": "9223372036854771712\n",
        f"{top}/memory.usage_in_bytes": str(8 * GB),
    }
    assert free_memory(drawn(tmp_path, MACHINE, V1, files)) == 2 * GB + GB // 2


def test_more_taken_than_allowed_is_nothing_free(tmp_path: Path) -> None:
    b = "sys/fs/cgroup/a/b"
    files = {f"{b}/memory.max": str(GB), f"{b}/memory.current": str(2 * GB)}
    assert free_memory(drawn(tmp_path, MACHINE, V2, files)) == 0


@pytest.mark.parametrize(("kind", "field"), [("RLIMIT_AS", "VmSize"), ("RLIMIT_DATA", "VmData")])
def test_limits_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, field: str
) -> None:
    limits = {getattr(resource, kind): 3 * GB}
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limits.get(which, resource.RLIM_INFINITY), 0))
    status = {"proc/self/status": f"Name: python\n{field}:\t 1000000 kB\n"}
    assert free_memory(drawn(tmp_path, MACHINE, status)) == 3 * GB - 1_024_000_000


def test_this_machine_has_some() -> None:
    assert free_memory() > 10**7
