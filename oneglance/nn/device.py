"""This machine: its device, and which precision is faster here."""

from __future__ import annotations

import contextlib
import json
import platform
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from oneglance.errors import ConfigError, RunError
from oneglance.nn.allocator import keep_freed_memory
from oneglance.storage.atomic_files import make_folder, write_json

GAIN = 1.1  # bf16 must be faster by this factor to be taken: below, it is noise
REPEATS = 3  # the fastest counts
# Seconds of repeats after which there is no other: of few pictures, measuring would take as long as learning
ENOUGH = 2.0


def pick_device(wanted: str) -> torch.device:
    """The device that [training] device names; ``auto`` is a GPU if there is one.

    Raises:
        ConfigError: no such device here.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    kind, colon, number = wanted.partition(":")
    numbers = [str(n) for n in range(torch.cuda.device_count() if kind == "cuda" else 1)]
    if not there.get(kind, False) or (colon and number not in numbers):
        here = ", ".join(name for name, yes in there.items() if yes)
        raise ConfigError(f'[training] device is "{wanted}", which this machine does not have. Here: {here}.')
    return torch.device(wanted)


def has_native_bf16(device: torch.device) -> bool:
    """Whether bfloat16 products are done by the processor itself, not emulated."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        with contextlib.suppress(AttributeError, RuntimeError):
            return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return False


def precise(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """The context in which the network runs in ``fp32`` or ``bf16``."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def faster_precision(step: Callable[[str], Any], device: torch.device, *, key: str, memory: Path) -> str:
    """``fp32`` or ``bf16``, whichever runs ``step(precision)`` faster.

    Measured once per ``key`` and kept in the file ``memory``, so that the same seed on the same machine
    gives the same result however noisy the next measurement would be.
    """
    if not has_native_bf16(device):
        return "fp32"
    key = f"{processor(device)} | torch {torch.__version__} | {torch.get_num_threads()} threads | {key}"
    if (kept := _read_memory(memory).get(key)) in ("fp32", "bf16"):
        return str(kept)
    best = {"fp32": float("inf"), "bf16": float("inf")}
    for precision in best:
        step(precision)
    for repeat in range(REPEATS):
        if repeat and 2 * repeat * min(best.values()) >= ENOUGH:
            break
        for precision in best:  # in turn, so that a slow moment of the machine hits both
            started = time.perf_counter()
            step(precision)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            best[precision] = min(best[precision], time.perf_counter() - started)
    chosen = "bf16" if best["bf16"] * GAIN < best["fp32"] else "fp32"
    with contextlib.suppress(RunError):  # it will be measured again
        make_folder(memory.parent)
        write_json(memory, {**_read_memory(memory), key: chosen})
    return chosen


def _read_memory(memory: Path) -> dict[str, Any]:
    """What was measured before; nothing where the file is missing or damaged."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        measured = json.loads(memory.read_text(encoding="utf-8"))
        if isinstance(measured, dict):
            return measured
    return {}


@cache
def processor(device: torch.device) -> str:
    """The model of the processor or GPU."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def environment(device: torch.device) -> dict[str, Any]:
    """What somebody needs to know to repeat a run; JSON values, nothing that tells who or where."""
    packages = {}
    for name in ("oneglance", "torch", "torchvision", "timm", "numpy", "pillow"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            packages[name] = metadata.version(name)
    return {
        "packages": packages,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": device.type,
        "processor": processor(device),
        "threads": torch.get_num_threads(),
        "keeps_freed_memory": keep_freed_memory() if sys.platform == "linux" else False,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
