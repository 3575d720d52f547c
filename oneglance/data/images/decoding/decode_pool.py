"""Pictures decoded in parallel: a decoder that crashes, hangs or eats memory costs one picture.

Many pictures are decoded by processes with bounds. Of a few, those that are plain (``plain_pictures``) are
decoded right here, and all others by one process that is kept for the next of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
from PIL import Image

from oneglance.data.images.decode import (
    Canvas,
    Limits,
    canvas_of,
    canvases_of,
    load,
    mask_values,
    open_upright,
)
from oneglance.data.images.decoding.plain_pictures import is_plain
from oneglance.data.images.fetching import fetched
from oneglance.data.images.letterbox import Fit
from oneglance.data.images.memory_image import EncodedImage, PixelImage
from oneglance.data.record import ImageRef
from oneglance.errors import PictureError
from oneglance.parallel.cpus import processors
from oneglance.parallel.process_pool import ProcessPool

FEW = 64  # so many pictures are decoded before the processes would have started
MASK_BYTES = 125_000  # of the values of a usual mask


Decoded = TypeVar("Decoded")
Made = TypeVar("Made", covariant=True)


class Bounded(Protocol[Made]):
    """What is made of one reference, in a process of the pool. Its members below are equal by value."""

    @property
    def limits(self) -> Limits:
        """What decoding one picture may cost."""

    @property
    def nbytes(self) -> int:
        """Of what is made of one picture."""

    def __call__(self, ref: ImageRef, /) -> Made | PictureError: ...

    def __hash__(self) -> int: ...


class Decoding(Bounded[Made], Protocol[Made]):
    """Canvases of one reference."""

    def blank(self) -> Made:
        """The same of a black picture of one pixel."""

    def within(self, megapixels: float, megabytes: float) -> Self:
        """The same for pictures that are no larger than this either."""


def decode(
    refs: Iterable[ImageRef], fit: Fit, limits: Limits, workers: int = 0, few: int = FEW
) -> Iterator[Canvas | PictureError]:
    """Every picture in order; one that cannot be decoded whole is a PictureError in its place. See
    ``decode_with``.
    """
    return decode_with(Decode(fit, limits), refs, workers, few)


def decode_with(
    job: Bounded[Decoded], refs: Iterable[ImageRef], workers: int = 0, few: int = FEW
) -> Iterator[Decoded | PictureError]:
    """What ``job`` makes of every picture, in order; of one that cannot be decoded whole a PictureError.

    ``workers`` processes decode ahead by a bounded number of pictures, whatever the length of ``refs``;
    0 is one per processor. Fewer than ``few`` pictures, or ``workers=1``, are decoded one after the other.
    """
    refs = iter(refs)
    first = list(islice(refs, few))
    with pool_of(job, workers if len(first) == few else 1) as pool:
        yield from pool.map(fetched(chain(first, refs)))


def pool_of(job: Bounded[Decoded], workers: int) -> ProcessPool[ImageRef, Decoded | PictureError]:
    """The processes of ``decode_with``, to be used more than once."""
    count = processes(workers)
    return decoding_pool(job if count else DecodePlainHere(job), crashed, count)


def decoder(fit: Fit, limits: Limits, count: int) -> Decode | DecodePlainHere[Canvas]:
    """The function for ``count`` processes; with 0, for this one."""
    return Decode(fit, limits) if count else DecodePlainHere(Decode(fit, limits))


class _Bounded(Protocol):
    @property
    def limits(self) -> Limits: ...

    @property
    def nbytes(self) -> int: ...

    def __call__(self, item: Any, /) -> Any: ...


def decoding_pool(
    job: _Bounded, failed: Callable[[Any, str], PictureError], count: int
) -> ProcessPool[Any, Any]:
    """``count`` processes that decode within bounds; with 0, this one does it."""
    limits = job.limits
    return ProcessPool(job, failed, count, chunk_of(job), limits.memory, limits.seconds)


@dataclass(frozen=True)
class Decode:
    """Decodes one reference onto one canvas."""

    fit: Fit
    limits: Limits

    @property
    def nbytes(self) -> int:
        return self.fit.nbytes

    def __call__(self, ref: ImageRef) -> Canvas | PictureError:
        try:
            return canvas_of(ref, self.fit, self.limits)
        except PictureError as error:
            return error

    def blank(self) -> Canvas:
        return Canvas(np.zeros(self.fit.shape, np.uint8), 1, 1)

    def within(self, megapixels: float, megabytes: float) -> Decode:
        own = self.limits
        limits = replace(
            own, megapixels=min(own.megapixels, megapixels), megabytes=min(own.megabytes, megabytes)
        )
        return Decode(self.fit, limits)


@dataclass(frozen=True)
class DecodeOntoEach:
    """Decodes one reference onto several canvases; see ``canvases_of``."""

    canvases: tuple[Decode, ...]

    @property
    def limits(self) -> Limits:
        """What one canvas alone may cost, for they are made one after the other."""
        each = [one.limits for one in self.canvases]
        return Limits(max(one.megapixels for one in each), max(one.megabytes for one in each))

    @property
    def nbytes(self) -> int:
        return sum(one.nbytes for one in self.canvases)

    def __call__(self, ref: ImageRef) -> tuple[Canvas, ...] | PictureError:
        try:
            return canvases_of(ref, [(one.fit, one.limits) for one in self.canvases])
        except PictureError as error:
            return error

    def blank(self) -> tuple[Canvas, ...]:
        return tuple(one.blank() for one in self.canvases)

    def within(self, megapixels: float, megabytes: float) -> DecodeOntoEach:
        return DecodeOntoEach(tuple(one.within(megapixels, megabytes) for one in self.canvases))


@dataclass(frozen=True)
class DecodePlainHere(Generic[Decoded]):
    """What ``job`` makes of one reference, in this process if it is plain."""

    job: Bounded[Decoded]

    @property
    def limits(self) -> Limits:
        return self.job.limits

    @property
    def nbytes(self) -> int:
        return self.job.nbytes

    def __call__(self, ref: ImageRef) -> Decoded | PictureError:
        try:
            read = in_memory(ref.name, load(ref))
        except PictureError as error:
            return PictureError(error.what, location=ref.name, hint=error.hint)
        if may_be_decoded_here(read):
            return self.job(read)
        answer: Decoded | PictureError = bounded(self.job, read)
        return answer


@dataclass(frozen=True)
class DecodeUpright:
    """Decodes one reference, no larger than it is drawn, in a process of the pool."""

    limits: Limits
    largest: int  # pixels of its longer side

    @property
    def nbytes(self) -> int:
        return 3 * self.largest * self.largest

    def __call__(self, ref: ImageRef) -> np.ndarray | PictureError:
        try:
            return np.asarray(self.picture(ref))
        except PictureError as error:
            return PictureError(error.what, location=ref.name, hint=error.hint)

    def picture(self, ref: ImageRef) -> Image.Image:
        picture = open_upright(load(ref), self.limits, least_side=self.largest)
        if max(picture.size) > self.largest:
            picture.thumbnail((self.largest, self.largest))
        return picture


def upright(ref: ImageRef, limits: Limits, largest: int) -> Image.Image:
    """The picture as a person sees it, its longer side at most ``largest`` pixels, decoded within bounds.

    Raises:
        PictureError: it cannot be decoded whole.
        OSError: it cannot be read.
    """
    job = DecodeUpright(limits, largest)
    read = in_memory(ref.name, ref.load())
    if may_be_decoded_here(read):
        return job.picture(read)
    pixels = bounded(job, read)
    if isinstance(pixels, PictureError):
        raise pixels
    return Image.fromarray(pixels)


@dataclass(frozen=True)
class DecodeMask(Generic[Decoded]):
    """What ``use``, equal by value, makes of the values of one mask (``mask_values``)."""

    limits: Limits
    use: Callable[[np.ndarray], Decoded]

    @property
    def nbytes(self) -> int:
        return MASK_BYTES

    def __call__(self, ref: ImageRef) -> Decoded | PictureError:
        try:
            return self.use(mask_values(ref, self.limits))
        except PictureError as error:
            return error


def in_memory(name: str, loaded: bytes | np.ndarray) -> EncodedImage | PixelImage:
    """A picture that was read, once: a file that changes meanwhile is judged and decoded as the same."""
    return PixelImage(name, loaded) if isinstance(loaded, np.ndarray) else EncodedImage(name, loaded)


def may_be_decoded_here(read: EncodedImage | PixelImage) -> bool:
    """Whether it may be decoded without bounds."""
    return isinstance(read, PixelImage) or is_plain(read.data)


def bounded(job: Bounded[Any] | DecodeUpright, ref: ImageRef) -> Any:
    """What ``job`` gives for one reference, in the process that is kept for it."""
    return _kept(job, os.getpid()).submit([ref]).result()[0]


@lru_cache(maxsize=2)
def _kept(job: Bounded[Any] | DecodeUpright, process: int) -> ProcessPool[ImageRef, Any]:
    """One process, started when it is first needed. A fork of this process has its own."""
    return ProcessPool(job, crashed, 1, 1, job.limits.memory, job.limits.seconds)


def crashed(ref: ImageRef, what: str) -> PictureError:
    """The answer for a picture whose process died; ``what`` is the reason."""
    return PictureError(what, location=ref.name)


@dataclass(frozen=True)
class DecodeInto:
    """Decode a picture straight into its row of the file, so that no pixel travels between processes."""

    decode: Decode | DecodePlainHere[Canvas]
    path: Path

    @property
    def nbytes(self) -> int:
        return self.decode.nbytes

    @property
    def limits(self) -> Limits:
        return self.decode.limits

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


class _Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


def chunk_of(one: _Sized) -> int:
    """How many pictures travel together: about a megabyte of canvases."""
    return min(64, max(1, 1_000_000 // one.nbytes))
