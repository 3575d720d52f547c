"""The size and orientation of a picture, against what opening it shows."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oneglance.data.images.decode import Limits, open_upright
from oneglance.data.images.header import Header, header
from oneglance.data.images.references import FileImage
from oneglance.data.parsing.box_geometry import bounds


def save(folder: Path, ending: str, orientation: int) -> FileImage:
    """Stored 60 x 40, black, with a white box from 5, 10 to 25, 15."""
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[10:15, 5:25] = 255
    path = folder / f"a{ending}"
    if ending == ".tif":
        Image.fromarray(pixels).save(path, tiffinfo={0x0112: orientation})
    else:
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(pixels).save(path, exif=exif, quality=95)
    return FileImage(str(path), path.name)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".webp"])
def test_boxes_turn_as_the_picture_does(tmp_path: Path, ending: str, orientation: int) -> None:
    ref = save(tmp_path, ending, orientation)
    head = header(ref)
    assert head is not None
    assert head == Header(60, 40, orientation)
    seen = np.asarray(open_upright(ref.load(), Limits()))
    assert (seen.shape[1], seen.shape[0]) == head.upright
    rows, columns = np.nonzero(seen[..., 0] > 128)
    white = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert bounds([head.turned(5, 10), head.turned(25, 15)]) == white


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


@pytest.mark.parametrize("number", [0, 9, 65535])
def test_an_impossible_orientation_is_upright(tmp_path: Path, number: int) -> None:
    head = header(save(tmp_path, ".jpg", number))
    assert head == Header(60, 40)


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
