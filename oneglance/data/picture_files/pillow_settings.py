"""How Pillow opens files from strangers: the formats it may open, and its global switches meanwhile."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib import import_module

from PIL import Image, ImageFile


def _formats() -> tuple[str, ...]:
    """The formats we open, where this Pillow was built with them. None that runs programs or opens files."""
    plugins = ("Bmp", "Gif", "Jpeg", "Mpo", "Png", "Ppm", "Tiff", "WebP", "Avif", "Jpeg2K", "Ico", "Tga")
    for plugin in plugins:
        try:
            import_module(f"PIL.{plugin}ImagePlugin")
        except ImportError:  # AVIF is younger than the oldest Pillow we allow
            continue
    names = ("BMP", "GIF", "JPEG", "MPO", "PNG", "PPM", "TIFF", "WEBP", "AVIF", "JPEG2000", "ICO")
    return tuple(name for name in names if name in Image.OPEN)


FORMATS = _formats()
"""For ``Image.open(..., formats=FORMATS)``. Targa is not among them: its files have no mark, so its plug-in
takes other files for its own."""


@cache
def has_heif() -> bool:
    """Whether Pillow can open "HEIF": with a plug-in, which is loaded when the first such file comes."""
    for package in ("pi_heif", "pillow_heif"):
        try:
            import_module(package).register_heif_opener()
        except (ImportError, AttributeError, OSError):  # not there, or not for this machine
            continue
        return "HEIF" in Image.OPEN
    return False


# Else what Pillow says of damaged files goes to the terminal, where nobody has set up a log.
logging.getLogger("PIL").addHandler(logging.NullHandler())

_lock = threading.Lock()
_inside = 0  # how many threads are decoding
_switched = ExitStack()


@contextmanager
def pillow_settings() -> Iterator[None]:
    """Pillow's guard against bombs, its leniency and Python's warnings are global switches that others
    may have set; they are ours while any thread decodes and go back when the last one is done.
    """
    global _inside
    with _lock:
        if _inside == 0:
            _switched.enter_context(_switches())
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _switched.close()


@contextmanager
def _switches() -> Iterator[None]:
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    Image.MAX_IMAGE_PIXELS = None  # sizes are checked here, against the limits of the user
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before
