"""Processors that may be used: affinity, and the quotas of all groups, in the files of both versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from oneglance.parallel.cpus import processors, threads

V2 = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
V1 = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"


@pytest.fixture(autouse=True)
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)), raising=False)


def drawn(system: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (system / name).parent.mkdir(parents=True, exist_ok=True)
        (system / name).write_text(text)
    return system


def test_without_groups_all_count(tmp_path: Path) -> None:
    assert processors(tmp_path) == 16


def test_the_narrowest_quota_counts(tmp_path: Path) -> None:
    files = {
        "proc/self/mountinfo": V2,
        "proc/self/cgroup": "0::/a/b\n",
        "sys/fs/cgroup/a/cpu.max": "250000 100000\n",
        "sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
    }
    assert processors(drawn(tmp_path, files)) == 3


def test_version_1(tmp_path: Path) -> None:
    folder = "sys/fs/cgroup/cpu,cpuacct/jobs"
    files = {
        "proc/self/mountinfo": V1,
        "proc/self/cgroup": "5:cpu,cpuacct:/jobs\n4:memory:/\n",
        f"{folder}/cpu.cfs_quota_us": "400000\n",
        f"{folder}/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    }
    assert processors(drawn(tmp_path, files)) == 4


@pytest.mark.parametrize(("root", "own"), [("/docker/x", "/docker/x"), ("/", "/../..")])
def test_a_container_that_sees_its_own_group_only(tmp_path: Path, root: str, own: str) -> None:
    files = {
        "proc/self/mountinfo": V2.replace("0:26 /", f"0:26 {root}"),
        "proc/self/cgroup": f"0::{own}\n",
        "sys/fs/cgroup/cpu.max": "200000 100000\n",
    }
    assert processors(drawn(tmp_path, files)) == 2


@pytest.mark.parametrize("text", ["", "max", "0 0", "x y", "100000"])
def test_what_says_nothing_limits_nothing(tmp_path: Path, text: str) -> None:
    files = {"proc/self/mountinfo": V2, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": text}
    assert processors(drawn(tmp_path, files)) == 16


def test_the_user_may_want_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert threads() == 1
