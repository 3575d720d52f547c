"""Ray: the cluster whose address the environment names, or processes of this machine for the while.

What is started here reports nothing to anybody, shows no dashboard, listens on this machine alone, and lets
nobody in who has not its token.
"""

from __future__ import annotations

import logging
import os
import secrets
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, NamedTuple

from oneglance.errors import ConfigError, RunError, needs_extra
from oneglance.parallel.cpus import processors

ADDRESS = "RAY_ADDRESS"
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
# Both are read when Ray is imported. The first, on every system: a node alone is at 127.0.0.1.
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
STORE = 500_000_000  # bytes of the memory that processes of this machine pass answers through
LONGEST = 300  # characters of what Ray says of a failure


class Share(NamedTuple):
    """What each actor gets, and how many of them the cluster has room for."""

    cpus: int
    gpus: int
    actors: int


@contextmanager
def cluster(verb: str) -> Iterator[Any]:
    """The module ``ray``, connected within the block. A caller who is connected already stays so.

    Raises:
        MissingExtraError: Ray is not installed.
        RunError: the cluster cannot be reached, or failed.
    """
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    address = os.environ.get(ADDRESS, "")
    if address in ("", "local") and "ray" not in sys.modules:
        os.environ.update(LOOPBACK)
        if "RAY_AUTH_MODE" not in os.environ:
            os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
    with needs_extra("ray", verb), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Ray about itself
        import ray
        import ray.data

    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    connected = ray.is_initialized()
    with _in_plain_words(ray, address), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not connected:
            _connect(ray, address)
        try:
            yield ray
        finally:
            if not connected:
                ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address in ("", "local"):
        settings |= {
            "address": "local",
            "num_cpus": processors(),
            "include_dashboard": False,
            "object_store_memory": STORE,
        }
    else:
        settings["address"] = address
    try:
        with _silent():
            ray.init(**settings)
    except (OSError, RuntimeError, ValueError, AssertionError) as error:
        raise RunError(
            f"the Ray cluster cannot be used ({_first_line(error)})",
            location=address,
            hint=f"{ADDRESS} is its address, such as host:6379 or auto, and RAY_AUTH_TOKEN its token",
        ) from None


@contextmanager
def _silent() -> Iterator[None]:
    """Within the block nothing comes to standard error, where Ray logs from C++ before it reads how much."""
    before = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - no path of anybody's
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


@contextmanager
def _in_plain_words(ray: Any, address: str) -> Iterator[None]:
    try:
        yield
    except ray.exceptions.RayError as error:
        what = f"a process of the Ray cluster failed ({_first_line(error)})"
        hint = "what is done is kept: start the same again"
        raise RunError(what, location=address, hint=hint) from error


def _first_line(error: BaseException) -> str:
    """The last of what Ray lists, which is the cause; its first words where there is no such list."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[-1] if lines else type(error).__name__
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def share_of(ray: Any, device: str, processors_of_one: int) -> Share:
    """How actors share the cluster: one per GPU where it has some and ``device`` allows it, else one for so
    many processors, or for all of the largest machine where none has as many.

    Raises:
        ConfigError: it has no such device, or nothing at all.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus = [int(node.get("CPU", 0)) for node in nodes]
    with_gpu = [node for node in nodes if node.get("GPU", 0) >= 1]
    if with_gpu and device in ("auto", "cuda"):
        beside = min(int(node.get("CPU", 0) // node["GPU"]) for node in with_gpu)
        return Share(max(1, beside), 1, sum(int(node["GPU"]) for node in with_gpu))
    if device == "cuda":
        raise ConfigError("the Ray cluster has no GPU", hint="use --device auto")
    each = processors_of_one if max(cpus, default=0) >= processors_of_one else max(cpus, default=0)
    if not each:
        raise ConfigError("the Ray cluster has no processors", hint="start workers with: ray start")
    return Share(each, 0, sum(count // each for count in cpus))


def own_version() -> str:
    """Of oneglance, here."""
    return version("oneglance")


def refuse_other_version(wanted: str) -> None:
    """
    Raises:
        RunError: this process of a cluster has another version than the one that asked it.
    """
    if own_version() != wanted:
        what = f"a machine of the cluster has oneglance {own_version()}, the one that asks it {wanted}"
        raise RunError(what, hint="install the same everywhere")
