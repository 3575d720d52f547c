"""The size and orientation of a picture, against what opening it shows."""

from __future__ import annotations

import io
import os
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.oriented_files import HEIGHT, MARK, PLACES, WIDTH, chunk, png, saved

from oneglance.data.images.decode import Limits, canvas_of, open_upright
from oneglance.data.images.header import Header, header
from oneglance.data.images.letterbox import Fit
from oneglance.data.images.references import FileImage
from oneglance.data.parsing.annotations.box_geometry import bounds


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("place", PLACES)
def test_boxes_turn_as_the_picture_does(tmp_path: Path, place: str, orientation: int) -> None:
    """For every format and every place in it: pixels, size and a box around a mark agree."""
    ref = save(tmp_path, PLACES[place](orientation))
    head = header(ref)
    assert head == Header(WIDTH, HEIGHT, orientation)
    seen = np.asarray(open_upright(ref.load(), Limits()))
    assert (seen.shape[1], seen.shape[0]) == head.upright
    rows, columns = np.nonzero(seen[..., 0] > 128)
    white = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert bounds([head.turned(*MARK[:2]), head.turned(*MARK[2:])]) == white
    canvas = canvas_of(ref, Fit(32), Limits())  # the size by which boxes are scaled
    assert (canvas.width, canvas.height) == head.upright


@pytest.mark.parametrize("kind", ["BMP", "GIF", "PPM", "JPEG2000"])
def test_formats_without_an_orientation(tmp_path: Path, kind: str) -> None:
    ref = save(tmp_path, saved(kind))
    head = header(ref)
    assert head == Header(WIDTH, HEIGHT)
    assert open_upright(ref.load(), Limits()).size == head.upright


@pytest.mark.parametrize("number", [0, 9, 65535])
@pytest.mark.parametrize("place", ["JPEG, EXIF", "PNG, eXIf behind", "TIFF, its tag", "WebP, EXIF"])
def test_an_impossible_orientation_is_upright(tmp_path: Path, place: str, number: int) -> None:
    ref = save(tmp_path, PLACES[place](number))
    assert header(ref) == Header(WIDTH, HEIGHT)
    assert open_upright(ref.load(), Limits()).size == (WIDTH, HEIGHT)


@pytest.mark.parametrize(
    "damaged",
    [
        png(chunk(b"eXIf", b"II*\0 and then nothing"), behind=True),
        png(chunk(b"zTXt", b"Raw profile type APP1\0\0no zlib"), behind=True),
        png(chunk(b"tEXt", b"Raw profile type exif\0\nexif\n   8\n4578"), behind=False),
        png(chunk(b"iTXt", b"XML:com.adobe.xmp\0"), behind=True),
        png(chunk(b"tEXt", b"no end of the keyword"), behind=True),
        png(chunk(b"zTXt", b"a bomb\0\0" + zlib.compress(bytes(50_000_000))), behind=True),
    ],
)
def test_a_damaged_tag_is_upright(tmp_path: Path, damaged: bytes) -> None:
    assert header(save(tmp_path, damaged)) == Header(WIDTH, HEIGHT)


@pytest.mark.parametrize(
    "content",
    [
        png(*[chunk(b"tEXt", b"")] * 1_000_000, behind=False),
        png(*[chunk(b"tEXt", b"")] * 1_000_000, behind=True),
        saved("JPEG")[:2] + b"\xff\xfe\0\2" * 1_000_000 + saved("JPEG")[2:],
        saved("GIF").replace(b"\x2c\0\0\0\0", b"\x21\xfe\0" * 1_000_000 + b"\x2c\0\0\0\0"),
        png(
            *[chunk(b"zTXt", b"%d\0\0" % n + zlib.compress(bytes(4_000_000))) for n in range(500)],
            behind=True,
        ),
        png(chunk(b"tEXt", b"Raw profile type exif\0" + b"\nexif\n1" + b" " * 1_900_000 + b"!"), behind=True),
        png(
            chunk(b"tEXt", b"Raw profile type APP1\0" + b"\nexif\n1" + b" 0" * 1_900_000 + b"!"), behind=True
        ),
    ],
    ids=[
        "many chunks",
        "many behind",
        "many segments",
        "many extensions",
        "packed texts",
        "spaces",
        "digits",
    ],
)
def test_no_tags_take_long(tmp_path: Path, content: bytes) -> None:
    ref = save(tmp_path, content)
    began = time.monotonic()
    head = header(ref)
    assert head in (None, Header(WIDTH, HEIGHT))
    assert time.monotonic() - began < 5


def save(folder: Path, content: bytes) -> FileImage:
    path = folder / "a.picture"
    path.write_bytes(content)
    return FileImage(str(path), path.name)


def test_what_is_no_picture_has_none(tmp_path: Path) -> None:
    ref = FileImage(str(tmp_path / "a.jpg"), "a.jpg")
    assert header(ref) is None
    for content in (b"", b"\xff\xd8\xff", b"GIF89a", b"hello"):
        (tmp_path / "a.jpg").write_bytes(content)
        assert header(ref) is None
    (tmp_path / "a.jpg").unlink()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "a.jpg")
        assert header(ref) is None


def test_nothing_is_decoded(tmp_path: Path) -> None:
    """The size is there even where the pixels are not."""
    out = io.BytesIO()
    Image.new("RGB", (300, 200)).save(out, "PNG")
    (tmp_path / "a.png").write_bytes(out.getvalue()[:80])
    assert header(FileImage(str(tmp_path / "a.png"), "a.png")) == Header(300, 200)


def test_real_orientations(shared: Path) -> None:
    folder = shared / "data" / "own_pictures" / "exif_orientation"
    for path in sorted(folder.glob("*.jpg")):
        ref = FileImage(str(path), path.name)
        head = header(ref)
        assert head is not None
        assert head.upright == open_upright(ref.load(), Limits()).size
        assert head.orientation == max(1, int(path.stem[-1]))
