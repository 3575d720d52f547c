"""Values of more than 8 bits: one range for all pictures of a set, and 8 bits as ever."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.oriented_files import chunk, exif, png, saved

from oneglance import config as configuration
from oneglance.config import Config
from oneglance.data.images.decode import Limits, canvas_of, open_upright
from oneglance.data.images.letterbox import Fit
from oneglance.data.images.measured_range import measured
from oneglance.data.images.memory_image import EncodedImage, memory_image
from oneglance.data.images.references import FileImage
from oneglance.data.picture_files.value_range import KINDS, WHOLE_TOPS, ValueRange, in_8_bits, range_of
from oneglance.errors import ConfigError, PictureError

HEIGHT, WIDTH = 30, 40
GUESSED, TWELVE = Limits(), Limits(values=ValueRange.declared([0, 4095]))


def values(top: float, seed: int = 0, bands: int = 1) -> np.ndarray:
    """From 0 to ``top``, both included."""
    drawn = np.random.default_rng(seed).random((HEIGHT, WIDTH, bands)) * top
    drawn[0, 0], drawn[-1, -1] = 0, top
    return drawn[..., 0] if bands == 1 else drawn


def tiff(array: np.ndarray, **options: Any) -> bytes:
    tifffile = pytest.importorskip("tifffile")
    file = io.BytesIO()
    if array.ndim == 3:
        options = {"photometric": "rgb", **options}
    tifffile.imwrite(file, array, **{"photometric": "minisblack", **options})
    return file.getvalue()


def png_of(array: np.ndarray) -> bytes:
    """A PNG of 16 bits for each value: grey, colours, or colours and alpha. Pillow writes only grey."""
    import struct
    import zlib

    bands = 1 if array.ndim == 2 else array.shape[2]
    height, width = array.shape[:2]
    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 3: 2, 4: 6}[bands], 0, 0, 0)
    rows = array.astype(">u2").reshape(height, -1)
    body = b"".join(b"\0" + row.tobytes() for row in rows)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(body))
        + chunk(b"IEND", b"")
    )


def seen(content: bytes, limits: Limits = GUESSED) -> np.ndarray:
    return np.asarray(open_upright(content, limits))


def refs(tmp_path: Path, *contents: bytes) -> list[FileImage]:
    for number, content in enumerate(contents):
        (tmp_path / f"{number}.bin").write_bytes(content)
    return [FileImage(str(tmp_path / f"{number}.bin"), f"{number}") for number in range(len(contents))]


def grey16(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array.astype(np.uint16)).save(file, "PNG")
    return file.getvalue()


# ---- the rule


@pytest.mark.parametrize(
    ("kind", "low", "high", "expected"),
    [
        ("16-bit", 0, 65535, (0, 65535)),
        ("16-bit", 0, 16384, (0, 65535)),
        ("16-bit", 0, 4095, (0, 4095)),
        ("16-bit", 12, 1500, (0, 4095)),
        ("16-bit", 0, 255, (0, 255)),
        ("16-bit", 0, 30, (0, 30)),
        ("16-bit", 7000, 8000, (7000, 8000)),
        ("16-bit", 30000, 65535, (0, 65535)),
        ("16-bit", 0, 0, (0, 1)),
        ("integer", 0, 200, (0, 255)),
        ("integer", 0, 1000, (0, 1023)),
        ("integer", 0, 100_000, (0, 100_000)),
        ("integer", -1000, 3000, (-1000, 3000)),
        ("float", 0.1, 0.9, (0, 1)),
        ("float", 0, 0.001, (0, 1)),
        ("float", 0, 3.5, (0, 3.5)),
        ("float", 0, 254.5, (0, 255)),
        ("float", 0, 1000, (0, 1000)),
        ("float", -1, 1, (-1, 1)),
        ("float", -0.2, 0.7, (-1, 1)),
        ("float", -30, 12, (-30, 12)),
        ("float", 290, 310, (290, 310)),
    ],
)
def test_what_is_black_and_white(kind: str, low: float, high: float, expected: tuple[float, float]) -> None:
    assert range_of(kind, low, high) == expected


@given(st.sampled_from(KINDS), st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_the_range_holds_all_values_and_uses_a_quarter_of_the_scale(
    kind: str, low: float, spread: float
) -> None:
    low, high = (low, low + spread) if kind == "float" else (float(round(low)), float(round(low + spread)))
    black, white = range_of(kind, low, high)
    assert black <= low and white >= high and black < white
    if high > low and not (kind == "float" and low >= -1 and high <= 1):
        assert (high - low) / (white - black) >= 0.0615  # a quarter of what ends at a quarter of the top


# ---- reading


@pytest.mark.parametrize("make", [png_of, tiff, lambda array: tiff(array, byteorder=">")])
@pytest.mark.parametrize("bands", [1, 3])
def test_twelve_bits_in_sixteen(make: Callable[[np.ndarray], bytes], bands: int) -> None:
    array = values(4095, bands=bands).astype(np.uint16)
    content = make(array)
    expected = (array >> 4).astype(np.uint8)
    assert seen(content).max() == 15  # nearly black where nobody has measured
    assert np.array_equal(seen(content, TWELVE), expected if bands == 3 else np.dstack([expected] * 3))


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_colours_of_a_packed_and_turned_file(compression: str | None, orientation: int) -> None:
    array = values(4095, bands=3).astype(np.uint16)
    content = tiff(array, compression=compression, extratags=[(274, "H", 1, orientation, True)])
    expected = np.rot90(array >> 4, -1) if orientation == 6 else array >> 4
    assert np.array_equal(seen(content, TWELVE), expected)
    turned = png_of(array).replace(chunk(b"IEND", b""), chunk(b"eXIf", exif(6)[6:]) + chunk(b"IEND", b""))
    assert np.array_equal(seen(turned, TWELVE), np.rot90(array >> 4, -1))


def test_how_opaque_a_pixel_is_has_its_whole_range() -> None:
    array = np.zeros((2, 3, 4), np.uint16)
    array[..., 3], array[0, 0, 3] = 65535, 0
    assert seen(png_of(array), TWELVE)[0, :2].tolist() == [[255] * 3, [0] * 3]


@pytest.mark.parametrize("bands", [1, 3, 4])
def test_all_of_16_bits_are_as_ever(bands: int) -> None:
    array = values(65535, bands=bands).astype(np.uint16)
    whole = Limits(values=ValueRange.declared({"16-bit": [0, 65535]}))
    for content in (png_of(array), *([tiff(array)] if bands == 1 else [])):
        assert np.array_equal(seen(content, whole), seen(content))
    if bands < 4:
        assert np.array_equal(
            seen(png_of(array), whole)[..., 0], (array.reshape(HEIGHT, WIDTH, -1)[..., 0] >> 8)
        )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "PPM", "JPEG2000"])
def test_8_bits_are_as_ever_whatever_the_range(kind: str) -> None:
    assert np.array_equal(seen(saved(kind), TWELVE), seen(saved(kind)))
    ref = EncodedImage("a", saved(kind))
    assert np.array_equal(canvas_of(ref, Fit(24), TWELVE).pixels, canvas_of(ref, Fit(24), GUESSED).pixels)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("kind", ["uint16", "float32"])
def test_where_0_is_white(byteorder: str, kind: str) -> None:
    top = 4095 if kind == "uint16" else 1.0
    array = values(top).astype(kind)
    limits = Limits(values=ValueRange.declared([0, top]))
    black = seen(tiff(array, byteorder=byteorder), limits)
    white = seen(tiff(array, photometric="miniswhite", byteorder=byteorder), limits)
    assert np.array_equal(white, 255 - black)
    assert black[0, 0].tolist() == [0, 0, 0] and white[0, 0].tolist() == [255, 255, 255]


def test_floating_numbers_beyond_1() -> None:
    limits = Limits(values=ValueRange.declared({"float": [0, 4]}))
    content = tiff(np.array([[0, 1, 2, 4, 5, -1]], np.float32))
    assert seen(content, limits)[0, :, 0].tolist() == [0, 64, 128, 255, 255, 0]
    assert seen(tiff(np.array([[0, 4]], np.float32)))[0, 1, 0] == 4  # nearly black where nobody has measured


def test_what_is_no_number_is_black_and_said() -> None:
    array = np.array([[0, 0.5, 1, np.nan, np.inf, -np.inf, -3.4e38]], np.float32)
    for limits in (GUESSED, Limits(values=ValueRange.declared([0, 1]))):
        canvas = canvas_of(EncodedImage("a", tiff(array)), Fit((7, 1)), limits)
        assert canvas.remark.startswith("holds 4 values that are no numbers")
    assert seen(tiff(array), limits)[0, :, 0].tolist() == [0, 128, 255, 0, 0, 0, 0]
    with pytest.raises(PictureError, match="holds no number"):
        open_upright(tiff(np.full((3, 3), np.nan, np.float32)), GUESSED)
    assert canvas_of(EncodedImage("a", saved("PNG")), Fit(8), limits).remark == ""


def test_a_picture_in_memory_is_read_as_its_file() -> None:
    array = values(4095).astype(np.uint16)
    for content in (grey16(array), tiff(array.astype(np.float32))):
        ref = memory_image(Image.open(io.BytesIO(content)), "a")
        expected = canvas_of(EncodedImage("a", content), Fit(24), TWELVE)
        assert np.array_equal(canvas_of(ref, Fit(24), TWELVE).pixels, expected.pixels)
        assert ref.stamp() == memory_image(Image.open(io.BytesIO(content)), "b").stamp()


@pytest.mark.parametrize("top", WHOLE_TOPS)
def test_the_upper_bits_are_kept(top: int) -> None:
    array = np.array([0, 1, top // 2, top, 65535], np.uint16)
    shift = top.bit_length() - 8
    assert in_8_bits(array, "16-bit", (0, top)).tolist() == [
        0,
        1 >> shift,
        (top // 2) >> shift,
        255,
        255,
    ]


# ---- measuring


def test_a_sample_is_measured(tmp_path: Path) -> None:
    contents = [grey16(values(1500 + number, number)) for number in range(6)]
    (one,) = measured(refs(tmp_path, *contents, saved("PNG"), b"no picture"), GUESSED, workers=1)
    assert (one.kind, one.bounds, one.low, one.high, one.pictures) == ("16-bit", (0, 4095), 0, 1505, 6)
    assert "0 is black and 4095 white in all" in one.describe()
    assert "value_range = [0, 4095]" in one.problem().hint


def test_kinds_are_measured_each_by_itself(tmp_path: Path) -> None:
    floats = values(1).astype(np.float32)
    strange = floats.copy()
    strange[3, 3] = np.nan
    contents = [grey16(values(4000)), tiff(floats), tiff(strange), tiff(values(300).astype(np.int32))]
    found = {one.kind: one for one in measured(refs(tmp_path, *contents), GUESSED, workers=1)}
    assert {kind: one.bounds for kind, one in found.items()} == {
        "16-bit": (0, 4095),
        "integer": (0, 1023),
        "float": (0, 1),
    }
    assert (found["float"].pictures, found["float"].strange) == (2, 1)


def test_one_hot_pixel_does_not_darken_floating_numbers(tmp_path: Path) -> None:
    array = values(10).astype(np.float32)
    array[5, 5] = 1e6
    (one,) = measured(refs(tmp_path, tiff(array)), GUESSED, workers=1)
    assert 9 < one.bounds[1] <= 10


def test_where_all_have_8_bits_nothing_is_measured(tmp_path: Path) -> None:
    assert measured(refs(tmp_path, saved("PNG"), saved("JPEG"), png(behind=True)), GUESSED, workers=1) == []


# ---- what is written


def config(written: Any) -> Config:
    tables = {"sources": [{"path": "."}], "tasks": {"kind": {"type": "label"}}}
    return configuration.load({**tables, "pictures": {"value_range": written}})


def test_the_key() -> None:
    assert Limits.declared(config("auto")).values == ValueRange()
    assert Limits.declared(config([0, 4095])).values.of("float") == (0, 4095)
    both = Limits.declared(config({"16-bit": [0, 1023], "float": [-1, 1]})).values
    assert (both.of("16-bit"), both.of("float"), both.of("integer"), both.of("")) == (
        (0, 1023),
        (-1, 1),
        None,
        None,
    )


@pytest.mark.parametrize(
    "written", ["wide", [5, 5], [9, 1], [1], [0, float("inf")], {"8-bit": [0, 1]}, {"float": [1, 0]}, 3]
)
def test_an_impossible_range_is_refused(written: Any) -> None:
    with pytest.raises(ConfigError, match="value_range"):
        config(written)


@pytest.mark.parametrize("kind", ["float32", "int16", "uint16"])
def test_where_a_map_says_that_nothing_was_measured(tmp_path: Path, kind: str) -> None:
    nothing = {"float32": -9999.0, "int16": -9999, "uint16": 65535}[kind]
    array = (values(200) + 800).astype(kind)
    array[:10] = nothing
    content = tiff(array, extratags=[(42113, "s", 0, f"{nothing}", True)])
    (one,) = measured(refs(tmp_path, content), GUESSED, workers=1)
    assert one.low >= 799 and one.high <= 1000 and one.strange == 1
    canvas = canvas_of(
        EncodedImage("a", content), Fit((WIDTH, HEIGHT)), Limits(values=ValueRange.declared([800, 1000]))
    )
    assert canvas.remark.startswith("holds 400 values that are no numbers")
    assert canvas.pixels[:10].max() == 0 and canvas.pixels.max() == 255
