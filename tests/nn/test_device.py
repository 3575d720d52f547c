"""The device, and which precision is faster: measured once, then remembered."""

from __future__ import annotations

import getpass
import json
import os
import platform
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from oneglance.errors import ConfigError
from oneglance.nn import device
from oneglance.nn.allocator import keep_freed_memory
from oneglance.nn.device import (
    environment,
    faster_precision,
    has_native_bf16,
    pick_device,
    precise,
)

CPU = torch.device("cpu")


class Clock:
    """Time passes only in steps: so many seconds in each precision."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, native: bool = True, **seconds: float) -> None:
        self.seconds, self.now, self.steps = seconds, 0.0, list[str]()
        monkeypatch.setattr(device, "time", SimpleNamespace(perf_counter=lambda: self.now))
        monkeypatch.setattr(device, "has_native_bf16", lambda device: native)

    def step(self, precision: str) -> None:
        self.steps.append(precision)
        self.now += self.seconds[precision]

    def faster(self, memory: Path, key: str = "net", **rest: Any) -> str:
        return faster_precision(self.step, CPU, key=key, memory=memory, **rest)


@pytest.mark.parametrize(
    ("fp32", "bf16", "expected"),
    [(2.0, 1.0, "bf16"), (1.0, 2.0, "fp32"), (1.0, 1.0, "fp32"), (1.0, 0.95, "fp32"), (1.0, 0.85, "bf16")],
)
def test_the_faster_one_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fp32: float, bf16: float, expected: str
) -> None:
    """bf16 only where the gain is more than noise."""
    assert Clock(monkeypatch, fp32=fp32, bf16=bf16).faster(tmp_path / "precision.json") == expected


def test_long_steps_are_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a training of few pictures, measuring would be a large part."""
    clock = Clock(monkeypatch, fp32=2, bf16=1)
    assert clock.faster(tmp_path / "precision.json") == "bf16"
    assert len(clock.steps) == 4  # a first one of each, then another


def test_measured_once_per_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = tmp_path / "cache" / "precision.json"  # the folder is not there yet
    clock = Clock(monkeypatch, fp32=0.2, bf16=0.1)
    assert clock.faster(memory, "a") == "bf16"
    assert len(clock.steps) == 8  # a first one of each, then three
    clock.steps.clear()
    clock.seconds = {"fp32": 0.1, "bf16": 0.2}  # a later measurement would say otherwise
    assert clock.faster(memory, "a") == "bf16" and clock.steps == []
    assert clock.faster(memory, "b") == "fp32" and len(clock.steps) == 8
    assert clock.faster(memory, "a") == "bf16"
    assert sorted(json.loads(memory.read_text()).values()) == ["bf16", "fp32"]
    assert list(memory.parent.iterdir()) == [memory]


def test_the_first_step_and_a_slow_moment_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch, fp32=0.2, bf16=0.1)
    usual = clock.step

    def step(precision: str) -> None:
        usual(precision)
        if len(clock.steps) in (2, 4):  # both bf16: compiling, and somebody else's work
            clock.now += 100

    clock.step = step  # type: ignore[method-assign]
    assert clock.faster(tmp_path / "precision.json") == "bf16"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"x": "fp64"}'], ids=str
)
def test_a_damaged_memory_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    memory = tmp_path / "precision.json"
    memory.write_bytes(content)
    clock = Clock(monkeypatch, fp32=2, bf16=1)
    assert clock.faster(memory) == "bf16"
    clock.steps.clear()
    assert clock.faster(memory) == "bf16" and clock.steps == []


def test_an_odd_value_is_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = tmp_path / "precision.json"
    clock = Clock(monkeypatch, fp32=1, bf16=2)
    clock.faster(memory)
    memory.write_text(json.dumps(dict.fromkeys(json.loads(memory.read_text()), "fp8")))
    assert clock.faster(memory) == "fp32"
    assert list(json.loads(memory.read_text()).values()) == ["fp32"]


def test_where_nothing_can_be_remembered_it_works_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert Clock(monkeypatch, fp32=2, bf16=1).faster(tmp_path / "file" / "precision.json") == "bf16"


def test_without_native_bf16_nothing_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, native=False, fp32=2, bf16=1)
    assert clock.faster(tmp_path / "precision.json") == "fp32"
    assert clock.steps == [] and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_precise(precision: str, dtype: torch.dtype) -> None:
    with precise(precision, CPU):
        assert (torch.zeros(2, 2) @ torch.zeros(2, 2)).dtype == dtype


# The device.


def test_there_is_always_a_device() -> None:
    assert pick_device("cpu") == CPU
    assert pick_device("auto").type in ("cpu", "cuda", "mps")


@pytest.mark.parametrize("wanted", ["gpu", "", "cpu:1", "cpu:x", "cuda:99", "cuda:x", "cuda:", "tpu", "meta"])
def test_a_device_that_is_not_here(wanted: str) -> None:
    message = rf'\[training\] device is "{wanted}", which this machine does not have\. Here: cpu'
    with pytest.raises(ConfigError, match=message):
        pick_device(wanted)


def test_a_gpu_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("auto") == torch.device("cuda")
    assert pick_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ConfigError, match="Here: cpu, cuda"):
        pick_device("cuda:2")


def test_native_bf16_is_a_plain_answer() -> None:
    assert has_native_bf16(CPU) in (True, False)
    assert has_native_bf16(torch.device("mps")) is False


def test_memory_settings_of_the_user_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "0")
    assert keep_freed_memory.__wrapped__() is False


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert keep_freed_memory.__wrapped__() is False


def test_the_environment_tells_versions_and_nothing_of_who_or_where() -> None:
    told = environment(CPU)
    text = json.dumps(told, allow_nan=False)
    assert {"torch", "timm", "numpy", "pillow"} <= told["packages"].keys()
    assert told["device"] == "cpu" and told["threads"] >= 1 and told["processor"]
    assert str(Path.home()) not in text and os.getcwd() not in text  # noqa: PTH109 - as text
    words = {word.strip('",') for word in text.split()}
    assert not words & {platform.node(), getpass.getuser()}
