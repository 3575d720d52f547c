"""Every kind of picture is read, or named with what would read it."""

from __future__ import annotations

import io
import logging
import struct
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features
from support.heic_files import HEIC
from support.oriented_files import HEIGHT, MARK, WIDTH, marked, saved

from oneglance.data.images.decode import Limits, open_upright
from oneglance.data.images.header import Header, header
from oneglance.data.images.memory_image import EncodedImage
from oneglance.data.images.references import is_picture
from oneglance.data.picture_files import opening
from oneglance.data.picture_files.formats import FORMATS, PICTURE_ENDINGS, format_of, without_companions
from oneglance.data.picture_files.pillow_settings import has_heif
from oneglance.errors import PictureError

LIMITS = Limits()

TODAY = (
    ".jxl .svg .cr2 .cr3 .nef .arw .dng .psd .heics .heic .heif .hif .avif .avifs .jp2 .exr .hdr .ico .tga"
    " .webp .jfif .apng .dcm .fits .raf .orf .rw2 .qoi .dds .icns"
)


@pytest.mark.parametrize("ending", TODAY.split())
def test_the_endings_of_today_are_pictures(ending: str) -> None:
    assert is_picture(f"photos/a{ending}") and is_picture(f"A{ending.upper()}")


def test_an_ending_has_one_meaning_and_small_letters() -> None:
    counts = Counter(ending for one in FORMATS for ending in one.endings)
    assert [ending for ending, count in counts.items() if count > 1] == []
    assert all(ending == ending.lower() and ending.startswith(".") for ending in PICTURE_ENDINGS)


def reason(content: bytes) -> str:
    with pytest.raises(PictureError) as caught:
        open_upright(content, LIMITS)
    assert header(EncodedImage("a", content)) is None
    return f"{caught.value.what} — {caught.value.hint}"


def brand(name: bytes) -> bytes:
    return struct.pack(">I", 24) + b"ftyp" + name + bytes(40)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            b"\xff\x0a" + bytes(50),
            "a JPEG XL picture, which is not read here; it is read by the package imag",
        ),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(50), "a JPEG XL picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing, .* package cairosvg"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- made -->\n<svg width="3"></svg>', "an SVG drawing"),
        (b"8BPS\0\1" + bytes(50), "a Photoshop file, .* package psd-tools"),
        (b"v/1\x01" + bytes(50), "an OpenEXR picture, .* package OpenEXR"),
        (b"#?RADIANCE\n", "a Radiance picture, .* package imageio"),
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(50), "a raw file of a camera, .* package rawpy"),
        (brand(b"crx "), "a raw file of a camera, .* package rawpy"),
        (b"FUJIFILMCCD-RAW 0201", "a raw file of a camera"),
        (bytes(128) + b"DICM" + bytes(10), "a DICOM picture, .* package pydicom"),
        (b"SIMPLE  =                    T", "a FITS picture, .* package astropy"),
        (b"gimp xcf v011", "a GIMP file, which is not read"),
        (brand(b"mp42"), "is not a picture but a film"),
        (b"%PDF-1.4 ...", "is not a picture but a PDF document"),
        (b"PK\3\4....", "is not a picture but a zip archive"),
        (b"<!DOCTYPE html><title>404</title>", "is not a picture but a web page — download it again"),
        (b"version https://git-lfs.github.com/spec/v1\n", "the pointer to a file that Git LFS keeps"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "is not a picture"),
        (bytes(500), "is not a picture but zeros — copy it again"),
        (b"hello", "is not a picture"),
        (b"", "is empty"),
    ],
)
def test_what_is_not_read_is_named_for_what_it_is(content: bytes, words: str) -> None:
    with pytest.raises(PictureError, match=words):
        raise PictureError(reason(content))


# ---- HEIC and AVIF


@pytest.mark.skipif(not has_heif(), reason="no plug-in for HEIC is installed")
@pytest.mark.parametrize("orientation", HEIC)
def test_heic_is_read_and_its_boxes_are_those_of_the_upright_picture(orientation: int) -> None:
    upright = open_upright(HEIC[orientation], LIMITS)
    assert header(EncodedImage("a.heic", HEIC[orientation])) == Header(*upright.size)
    rows, columns = np.nonzero(np.asarray(upright)[..., 0] > 128)
    seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    turned = Header(WIDTH, HEIGHT, orientation)
    assert upright.size == turned.upright
    corners = sorted(zip(turned.turned(*MARK[:2]), turned.turned(*MARK[2:]), strict=True))
    assert sorted([(seen[0], seen[2]), (seen[1], seen[3])]) == sorted(tuple(sorted(pair)) for pair in corners)


@pytest.mark.parametrize("name", [b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim"])
def test_every_brand_of_heic_is_named_where_nothing_reads_it(
    name: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "has_heif", lambda: False)
    content = HEIC[1][:8] + name + HEIC[1][12:]
    assert reason(content) == (
        "is a HEIC picture, which needs the package pi-heif — pip install 'oneglance[heic]', "
        "or save it as JPEG"
    )


@pytest.mark.skipif(not has_heif(), reason="no plug-in for HEIC is installed")
def test_a_damaged_heic_is_damaged() -> None:
    for cut in (30, 200, len(HEIC[1]) - 20):
        assert reason(HEIC[1][:cut]).startswith("is ")
    assert reason(brand(b"heic")).startswith("is damaged")


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_a_sequence_of_avif_is_its_first_picture() -> None:
    file = io.BytesIO()
    marked().save(file, "AVIF", save_all=True, append_images=[Image.new("RGB", (WIDTH, HEIGHT))])
    assert open_upright(file.getvalue(), LIMITS).size == (WIDTH, HEIGHT)


# ---- Targa and icons


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P"])
@pytest.mark.parametrize("options", [{}, {"compression": "tga_rle"}, {"orientation": 1}])
def test_targa_is_read(mode: str, options: dict[str, object]) -> None:
    picture = marked().convert(mode)
    file = io.BytesIO()
    picture.save(file, "TGA", **options)
    content = file.getvalue()
    assert np.array_equal(np.asarray(open_upright(content, LIMITS)), np.asarray(picture.convert("RGB")))
    assert header(EncodedImage("a.tga", content)) == Header(WIDTH, HEIGHT)
    old = content.removesuffix(bytes(8) + b"TRUEVISION-XFILE.\0")  # of the first version, without a mark
    assert len(old) < len(content)
    assert np.array_equal(np.asarray(open_upright(old, LIMITS)), np.asarray(picture.convert("RGB")))
    if "compression" not in options:
        assert reason(old[:-200]) == "is not a picture — "


def test_other_bytes_are_no_targa() -> None:
    rng = np.random.default_rng(0)
    for _ in range(2000):
        content = bytearray(rng.integers(0, 256, 400, np.uint8).tobytes())
        content[:3] = b"\0\0\2"
        with pytest.raises(PictureError):
            open_upright(bytes(content), LIMITS)


@pytest.mark.parametrize("bitmap", ["png", "bmp"])
def test_an_icon_is_its_largest_picture(bitmap: str) -> None:
    large = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    file = io.BytesIO()
    large.save(file, "ICO", sizes=[(16, 16), (64, 64), (32, 32)], bitmap_format=bitmap)
    content = file.getvalue()
    assert np.array_equal(np.asarray(open_upright(content, LIMITS)), np.asarray(large))
    assert header(EncodedImage("a.ico", content)) == Header(64, 64)


@pytest.mark.parametrize("inner", [Image.new("1", (20000, 20000)), Image.new("1", (3000, 300))])
def test_an_icon_is_no_way_around_the_limits(inner: Image.Image) -> None:
    png = io.BytesIO()
    inner.save(png, "PNG")
    entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(png.getvalue()), 22)
    with pytest.raises(PictureError, match="megapixels"):
        open_upright(b"\0\0\1\0\1\0" + entry + png.getvalue(), Limits(megapixels=0.5))
    bitmap = struct.pack("<IiiHHIIiiII", 40, 30000, 60000, 1, 32, 0, 0, 0, 0, 0, 0)
    assert reason(b"\0\0\1\0\1\0" + entry[:8] + struct.pack("<II", 40, 22) + bitmap) == "is damaged — "


# ---- TIFF that Pillow does not read


def tiff(values: np.ndarray, **options: object) -> bytes:
    tifffile = pytest.importorskip("tifffile")
    file = io.BytesIO()
    tifffile.imwrite(file, values, **options)
    return file.getvalue()


def colours(kind: str) -> np.ndarray:
    values = np.random.default_rng(0).random((HEIGHT, WIDTH, 3))
    values[0, 0], values[0, 1] = 0, 1
    return values.astype(kind)


@pytest.mark.parametrize("kind", ["float32", "float64", "float16"])
@pytest.mark.parametrize("layout", ["contig", "separate"])
def test_colours_in_floating_numbers_are_read(kind: str, layout: str) -> None:
    values = colours(kind)
    stored = np.moveaxis(values, -1, 0) if layout == "separate" else values
    content = tiff(stored, photometric="rgb", planarconfig=layout)
    seen = np.asarray(open_upright(content, LIMITS))
    assert np.array_equal(seen, np.rint(values.astype(np.float32) * 255).astype(np.uint8))
    assert header(EncodedImage("a.tif", content)) == Header(WIDTH, HEIGHT)


def test_they_are_turned_too() -> None:
    content = tiff(colours("float32"), photometric="rgb", extratags=[(274, "H", 1, 6, True)])
    upright = np.asarray(open_upright(content, LIMITS))
    whole = np.asarray(open_upright(tiff(colours("float32"), photometric="rgb"), LIMITS))
    assert np.array_equal(upright, np.rot90(whole, -1))
    assert header(EncodedImage("a.tif", content)) == Header(WIDTH, HEIGHT, 6)


def test_grey_in_numbers_of_64_bits() -> None:
    grey = colours("float64")[..., 0]
    assert np.array_equal(
        np.asarray(open_upright(tiff(grey, photometric="minisblack"), LIMITS))[..., 0],
        np.rint(grey.astype(np.float32) * 255).astype(np.uint8),
    )


def test_without_the_package_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    content = tiff(colours("float32"), photometric="rgb")
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(PictureError) as caught:
        open_upright(content, LIMITS)
    assert caught.value.what == "is a TIFF of 3 × 32-bit floating numbers, which needs the package tifffile"
    assert "oneglance[tiff]" in caught.value.hint


def test_many_channels_are_no_colours() -> None:
    content = tiff(np.zeros((4, 5, 13), np.float32), photometric="minisblack", planarconfig="contig")
    with pytest.raises(PictureError, match="13 × 32-bit floating numbers: no picture in colour"):
        open_upright(content, LIMITS)


def test_such_a_file_is_no_way_around_the_limits() -> None:
    content = tiff(np.zeros((100, 100, 3), np.float32), photometric="rgb")
    with pytest.raises(PictureError, match="megapixels"):
        open_upright(content, Limits(megapixels=0.005))


@pytest.mark.parametrize("tags", [{50706: b"\1\4\0\0"}, {254: 1, 330: 8}])
def test_a_raw_file_that_is_a_tiff_is_not_taken_for_its_preview(tags: dict[int, object]) -> None:
    assert "raw file of a camera" in reason(saved("TIFF", tiffinfo=tags))


# ---- what lies beside


def test_what_accompanies_a_picture_is_no_picture_of_its_own() -> None:
    names = ["a.CR2", "a.jpg", "b.cr2", "c.svg", "d/a.psd", "e.heic", "e.jpg", "f.png", "f.jpg"]
    assert list(without_companions(names)) == [
        "a.jpg",
        "b.cr2",
        "c.svg",
        "d/a.psd",
        "e.jpg",
        "f.png",
        "f.jpg",
    ]


@pytest.mark.parametrize("name", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000"])
def test_what_is_read_is_known_by_its_beginning(name: str, tmp_path: Path) -> None:
    known = format_of(saved(name)[:200])
    assert known is not None and known.opened


def test_a_library_says_nothing_of_damaged_files() -> None:
    """A logger without a handler prints its errors to the terminal."""
    for name in ("PIL", "tifffile"):
        assert logging.getLogger(name).handlers, name


def test_a_jpeg_of_12_bits_is_not_damaged() -> None:
    content = bytearray(saved("JPEG"))
    start = content.index(b"\xff\xc0")
    assert content[start + 4] == 8
    content[start + 4] = 12
    assert reason(bytes(content)).startswith("is a JPEG of 12 bits, which only the package imagecodecs reads")


def test_a_tiff_that_is_packed_in_an_unknown_way_is_not_damaged() -> None:
    content = tiff(colours("float32"), photometric="rgb")
    ending = struct.pack("<HHIHH", 259, 3, 1, 1, 0)  # the tag of the packing: none
    assert ending in content
    for packing, words in {
        34887: "needs the package imagecodecs",
        50002: "needs the package imagecodecs",
    }.items():
        changed = content.replace(ending, struct.pack("<HHIHH", 259, 3, 1, packing, 0))
        with pytest.raises(PictureError, match=words):
            open_upright(changed, LIMITS)
