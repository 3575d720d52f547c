"""Pictures decoded in parallel: a decoder that crashes, hangs or eats memory costs one picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from oneglance.data.images.decode import Canvas, Limits, canvas_of
from oneglance.data.images.letterbox import Fit
from oneglance.data.record import ImageRef
from oneglance.errors import PictureError
from oneglance.parallel.cpus import processors
from oneglance.parallel.process_pool import ProcessPool

FEW = 64  # so many pictures are decoded before the processes would have started


def decode(
    refs: Iterable[ImageRef], fit: Fit, limits: Limits, workers: int = 0, few: int = FEW
) -> Iterator[Canvas | PictureError]:
    """Every picture in order; one that cannot be decoded whole is a PictureError in its place.

    ``workers`` processes decode ahead by a bounded number of pictures, whatever the length of ``refs``;
    0 is one per processor. Fewer than ``few`` pictures, or ``workers=1``, are decoded right here.
    """
    refs = iter(refs)
    first = list(islice(refs, few))
    count = processes(workers) if len(first) == few else 0
    with ProcessPool(Decode(fit, limits), crashed, count, chunk_of(fit), memory(limits)) as pool:
        yield from pool.map(chain(first, refs))


@dataclass(frozen=True)
class Decode:
    """Decodes one reference, in a process of the pool."""

    fit: Fit
    limits: Limits

    def __call__(self, ref: ImageRef) -> Canvas | PictureError:
        try:
            return canvas_of(ref, self.fit, self.limits)
        except PictureError as error:
            return error


def crashed(ref: ImageRef, what: str) -> PictureError:
    """The answer for a picture whose process died; ``what`` is the reason."""
    return PictureError(what, location=ref.name)


@dataclass(frozen=True)
class DecodeInto:
    """Decode a picture straight into its row of the file, so that no pixel travels between processes."""

    decode: Decode
    path: Path

    def __call__(self, item: tuple[int, ImageRef]) -> tuple[int, int] | PictureError:
        row, ref = item
        canvas = self.decode(ref)
        if isinstance(canvas, PictureError):
            return canvas
        # Written, not mapped: a full disk is then an error and not the end of the process.
        with self.path.open("rb+") as file:
            file.seek(row * canvas.pixels.nbytes)
            file.write(canvas.pixels.data)
        return canvas.width, canvas.height


def crashed_row(item: tuple[int, ImageRef], what: str) -> PictureError:
    """The same for ``DecodeInto``."""
    return crashed(item[1], what)


def processes(workers: int) -> int:
    """How many processes to start for ``[cache] workers``; 0: the pictures are decoded right here."""
    return 0 if workers == 1 else workers or processors()


def chunk_of(fit: Fit) -> int:
    """How many pictures travel together: about a megabyte of canvases."""
    return min(64, max(1, 1_000_000 // fit.nbytes))


def memory(limits: Limits) -> int:
    """Bytes that decoding the largest allowed picture may take: 4 bytes a pixel, five times over."""
    return int(20e6 * limits.megapixels + 2e6 * limits.megabytes + 1e9)
