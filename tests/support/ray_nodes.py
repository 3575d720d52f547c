"""Two machines of a Ray cluster, as processes of this one: ``python -m support.ray_nodes``.

Prints the address, and ends when its input does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PROCESSORS = 1  # of each


@contextmanager
def two_nodes(home: Path) -> Iterator[dict[str, str]]:
    """What the environment of a process holds that may ask them: with the token that each asks for."""
    short = tempfile.mkdtemp(prefix="ray")  # a socket's path holds 107 characters at most
    environment = {
        **os.environ,
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)]),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": "0123456789abcdef" * 4,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # on 127.0.0.1
        "RAY_TMPDIR": short,
        "OMP_NUM_THREADS": str(PROCESSORS),
    }
    words = [sys.executable, "-m", "support.ray_nodes"]
    with subprocess.Popen(
        words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            assert address.startswith("127.0.0.1:"), address
            yield environment | {"RAY_ADDRESS": address}
        finally:
            process.stdin.close()
            process.wait(60)
            shutil.rmtree(short, ignore_errors=True)


def heard_elsewhere() -> list[str]:
    """Addresses, other than those of this machine alone, at which processes that this one started listen."""
    import psutil

    listening = [
        str(each.laddr)
        for process in psutil.Process().children(recursive=True)
        for each in process.net_connections("inet")
        if each.status == "LISTEN"
    ]
    assert listening
    return [each for each in listening if "127.0.0.1" not in each]


def main() -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": PROCESSORS, "include_dashboard": False}
    )
    cluster.add_node(num_cpus=PROCESSORS)
    print(cluster.address, flush=True)
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main()
