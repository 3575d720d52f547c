"""What the service counts, in the text format of Prometheus (version 0.0.4)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

EDGES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds


class Metrics:
    """Numbers that only grow, from the start of the service. No label holds what a client wrote."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()  # by path and status
        self.pictures: Counter[str] = Counter()  # by what became of them
        self._buckets = [0] * (len(EDGES) + 1)
        self._seconds = 0.0

    def request(self, path: str, status: int, seconds: float) -> None:
        """One more request was answered."""
        self.requests[path, status] += 1
        if path == "/predict":
            self._buckets[bisect_left(EDGES, seconds)] += 1
            self._seconds += seconds

    def text(self, now: Mapping[str, tuple[str, float]]) -> str:
        """All of it; ``now`` are the numbers of this moment: name -> what it says, value."""
        lines = [
            *_family(
                "requests_total",
                "counter",
                "Requests by path and status.",
                (
                    (f'{{path="{path}",status="{status}"}}', n)
                    for (path, status), n in sorted(self.requests.items())
                ),
            ),
            *_family(
                "pictures_total",
                "counter",
                "Pictures by what became of them.",
                ((f'{{result="{result}"}}', n) for result, n in sorted(self.pictures.items())),
            ),
            *_family("predict_seconds", "histogram", "Seconds from request to answer.", self._histogram()),
        ]
        for name, (what, value) in now.items():
            lines += _family(name, "gauge", what, [("", value)])
        return "\n".join(lines) + "\n"

    def _histogram(self) -> Iterator[tuple[str, float]]:
        total = 0
        for edge, count in zip([*map(str, EDGES), "+Inf"], self._buckets, strict=True):
            total += count
            yield f'_bucket{{le="{edge}"}}', total
        yield "_sum", round(self._seconds, 6)
        yield "_count", total


def _family(name: str, kind: str, what: str, samples: Iterable[tuple[str, float]]) -> Iterator[str]:
    yield f"# HELP oneglance_{name} {what}"
    yield f"# TYPE oneglance_{name} {kind}"
    for label, value in samples:
        yield (
            f"oneglance_{name}{label} {value:g}"
            if isinstance(value, float)
            else f"oneglance_{name}{label} {value}"
        )
