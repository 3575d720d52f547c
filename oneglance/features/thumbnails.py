"""Small pictures for the pages about features."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from PIL import Image

from oneglance.data.images.decode import Limits
from oneglance.data.images.decoding.decode_pool import DecodeUpright, decode_with
from oneglance.data.record import ImageRef
from oneglance.errors import PictureError


def thumbnails(
    refs: Iterable[ImageRef], limits: Limits, side: int, workers: int
) -> Iterator[Image.Image | None]:
    """Each picture as a person sees it, its longer side at most ``side`` pixels; None where it cannot be read
    any more.
    """
    for pixels in decode_with(DecodeUpright(limits, side), refs, workers):
        yield None if isinstance(pixels, PictureError) else Image.fromarray(pixels)
