"""The range of values of a set of pictures, measured over a sample of them: see ``value_range``."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from oneglance.data.images.decode import Limits
from oneglance.data.images.decoding.decode_pool import processes
from oneglance.data.images.fetching import ahead, fetched
from oneglance.data.images.header import opened_file
from oneglance.data.images.references import ArrayImage
from oneglance.data.picture_files.opening import open_picture
from oneglance.data.picture_files.pillow_settings import pillow_settings
from oneglance.data.picture_files.value_range import KINDS, Bounds, kind_of_numbers, numbers_of, range_of
from oneglance.data.picture_files.wide_values import wide_values, without_unmeasured
from oneglance.data.record import ImageRef
from oneglance.errors import Problem
from oneglance.parallel.process_pool import ProcessPool
from oneglance.progress import Progress

SAMPLE = 200  # pictures
RARE = 0.1  # percent of the values at each end of a file that floating numbers may leave outside


@dataclass(frozen=True)
class Measured:
    """What a sample of pictures holds in numbers of one kind."""

    kind: str
    bounds: Bounds  # what is to be black and white
    low: float  # of the values themselves
    high: float
    pictures: int  # that hold such numbers
    strange: int = 0  # of these, how many hold NaN or infinite values as well

    def describe(self) -> str:
        """A line for people."""
        names = {"16-bit": "16 bits", "integer": "whole numbers", "float": "floating numbers"}
        black, white = self.bounds
        line = (
            f"pictures in {names[self.kind]} hold values from {self.low:g} to {self.high:g}, measured in "
            f"{self.pictures:,} of the training pictures: {black:g} is black and {white:g} white in all"
        )
        return line + (f"; {self.strange:,} hold NaN or infinite values" if self.strange else "")

    def problem(self) -> Problem:
        """The same for ``check``."""
        black, white = self.bounds
        hint = f"say so, or otherwise, in [pictures]: value_range = [{black:g}, {white:g}]"
        return Problem("[pictures]", self.describe(), hint, kind="value_range", fatal=False)


@dataclass(frozen=True)
class Extent:
    """The values of one file."""

    kind: str = ""  # "": 8 bits, or it cannot be read
    low: float = 0.0
    high: float = 0.0
    strange: bool = False


def measured(
    refs: Sequence[ImageRef], limits: Limits, workers: int = 0, progress: Progress | None = None
) -> list[Measured]:
    """What is to be black and white among ``refs``, for each kind of numbers of more than 8 bits that a
    sample of them holds; empty where all have 8 bits.
    """
    step = max(1, len(refs) / SAMPLE)
    chosen = [refs[int(row * step)] for row in range(min(SAMPLE, len(refs)))]
    wide = [ref for ref, is_wide in zip(chosen, ahead(_is_wide, chosen), strict=True) if is_wide]
    if not wide:
        return []
    extents: dict[str, list[Extent]] = defaultdict(list)
    count = processes(workers) or 1  # never here: a file of another form than usual is decoded within bounds
    with ProcessPool(Measure(limits), _failed, count, 8, limits.memory, limits.seconds) as pool:
        for done, extent in enumerate(pool.map(fetched(wide)), 1):
            if extent.kind:
                extents[extent.kind].append(extent)
            if progress is not None:
                progress(done, len(wide), "measuring values")
    return [_joined(kind, extents[kind]) for kind in KINDS if kind in extents]


def _is_wide(ref: ImageRef) -> bool:
    """Whether a picture has more than 8 bits, by the beginning of its file; False where it cannot be read."""
    if isinstance(ref, ArrayImage):  # all of them are uint8
        return False
    try:
        file = opened_file(ref)
        if isinstance(file, np.ndarray):
            return False
        with file, pillow_settings():
            return bool(kind_of_numbers(open_picture(file).source))
    except MemoryError:
        raise
    except Exception:  # decoders raise whatever they like on damaged files
        return False


def _joined(kind: str, alike: Sequence[Extent]) -> Measured:
    low, high = min(one.low for one in alike), max(one.high for one in alike)
    strange = sum(one.strange for one in alike)
    return Measured(kind, range_of(kind, low, high), low, high, len(alike), strange)


def _failed(ref: ImageRef, what: str) -> Extent:
    return Extent()  # decoding it raises the reason, with its name


@dataclass(frozen=True)
class Measure:
    """Measures one reference."""

    limits: Limits

    def __call__(self, ref: ImageRef) -> Extent:
        try:
            loaded = ref.load()
            return _extent(loaded, self.limits) if isinstance(loaded, bytes) else Extent()
        except Exception:  # decoders raise whatever they like on damaged files, and memory is bounded
            return Extent()


def _extent(loaded: bytes, limits: Limits) -> Extent:
    with pillow_settings():
        file = open_picture(io.BytesIO(loaded))
        kind = kind_of_numbers(file.source)
        if not kind or file.width * file.height > limits.megapixels * 1e6:
            return Extent()
        if not isinstance(file.source, ImageFileDirectory_v2) and file.source.mode == "CMYK":
            return Extent()
        values = without_unmeasured(wide_values(file, loaded), file)
    if values.ndim == 3:
        values = values[..., :3]
    if values.dtype.kind != "f":
        return Extent(kind, float(values.min()), float(values.max()))
    numbers = numbers_of(values)
    finite = numbers[np.isfinite(numbers)]
    if not finite.size:
        return Extent()
    low, high = float(finite.min()), float(finite.max())
    if low < -1 or high > 1:  # a few values far outside would make all others look alike
        low, high = (float(value) for value in np.percentile(finite, [RARE, 100 - RARE]))
    return Extent(kind, low, high, finite.size < numbers.size)
