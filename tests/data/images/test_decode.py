from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, UnidentifiedImageError
from support.strange_refs import Broken, Drawn, Missing

from oneglance.data.images.decode import Limits, canvas_of, open_upright
from oneglance.data.images.letterbox import PADDING, Fit, Placement
from oneglance.errors import PictureError

LIMITS = Limits()
sizes = st.integers(1, 3000)
sides = st.integers(8, 300)
fits = st.builds(Fit, sides | st.tuples(sides, sides), st.sampled_from(["letterbox", "crop"]))
WIDE, HIGH = (96, 32), (40, 80)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pixel(image: Image.Image, x: int = 0, y: int = 0) -> tuple[int, ...]:
    return tuple(np.asarray(image)[y, x].tolist())


def four_corners(width: int = 60, height: int = 40) -> Image.Image:
    """No two orientations of this picture look alike."""
    array = np.zeros((height, width, 3), np.uint8)
    array[: height // 2, : width // 2] = (255, 0, 0)
    array[: height // 2, width // 2 :] = (0, 255, 0)
    array[height // 2 :, : width // 2] = (0, 0, 255)
    array[height // 2 :, width // 2 :] = (255, 255, 0)
    return Image.fromarray(array)


# ---- upright

STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}  # how a camera that writes this orientation stores the picture


def stored(orientation: int, kind: str, side: int = 60) -> bytes:
    image = four_corners(side, side * 2 // 3)
    turn = STORED[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image if turn is None else image.transpose(turn), kind, exif=exif.tobytes())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", STORED)
def test_every_orientation_of_every_format_is_turned_upright(orientation: int, kind: str) -> None:
    image = open_upright(stored(orientation, kind), LIMITS)
    assert image.size == (60, 40)
    difference = np.abs(np.asarray(image).astype(int) - np.asarray(four_corners()))
    assert difference.mean() < 20  # JPEG and WebP smear the colours along the middle
    assert image.getexif().get(0x0112) is None  # saved again, it is not turned twice


@pytest.mark.parametrize(
    "fit", [Fit(size, fit) for size in (32, WIDE, HIGH) for fit in ("letterbox", "crop")]
)
@pytest.mark.parametrize("orientation", STORED)
def test_a_turned_jpeg_that_is_decoded_small_fits_the_same_canvas(orientation: int, fit: Fit) -> None:
    ref = Bytes(stored(orientation, "JPEG", side=600))
    canvas = canvas_of(ref, fit, LIMITS)
    assert (canvas.width, canvas.height) == (600, 400)
    expected = fit.canvas(four_corners(600, 400)).astype(int)
    assert np.abs(canvas.pixels - expected).mean() < 4


def test_the_orientations_of_a_real_picture_agree(shared: Path) -> None:
    folder = shared / "data/own_pictures/exif_orientation"
    for kind, size in {"Landscape": (1800, 1200), "Portrait": (1200, 1800)}.items():
        canvases = [
            canvas_of(Bytes((folder / f"{kind}_{n}.jpg").read_bytes()), Fit(96), LIMITS) for n in range(9)
        ]
        assert {(canvas.width, canvas.height) for canvas in canvases} == {size}
        for canvas in canvases[1:]:
            assert np.abs(canvas.pixels.astype(int) - canvases[0].pixels).mean() < 1


def test_a_hint_makes_a_jpeg_smaller_but_not_too_small() -> None:
    image = open_upright(stored(6, "JPEG", side=1200), LIMITS, least_side=100)
    assert 100 <= max(image.size) < 300
    assert image.width > image.height
    assert open_upright(stored(6, "JPEG", side=1200), LIMITS).size == (1200, 800)


# ---- colours


def test_sixteen_bits_keep_their_scale() -> None:
    values = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
    image = open_upright(encoded(Image.fromarray(values)), LIMITS)
    assert np.asarray(image)[0, :, 0].tolist() == [0, 0, 1, 128, 255]
    big_endian = encoded(Image.frombytes("I;16B", (5, 1), values.astype(">u2").tobytes()), "TIFF")
    assert np.array_equal(np.asarray(open_upright(big_endian, LIMITS)), np.asarray(image))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.0, 200.0], [0, 100, 200]),
        ([0.0, 257.0, 65535.0], [0, 1, 255]),
        ([-3.0, 0.0, 3.0], [0, 128, 255]),
        ([0.0, float("nan"), float("inf")], [0, 0, 0]),
        ([-2.0, -2.0, -2.0], [0, 0, 0]),
        ([0.0, 5e6, 1e7], [0, 128, 255]),
    ],
)
def test_floating_grey_is_read_in_its_likely_range(values: list[float], expected: list[int]) -> None:
    image = open_upright(encoded(Image.fromarray(np.array([values], np.float32)), "TIFF"), LIMITS)
    assert np.asarray(image)[0, :, 0].tolist() == expected


def test_whole_numbers_of_32_bits_too() -> None:
    file = encoded(Image.fromarray(np.array([[0, 1000, 65535]], np.int32)), "TIFF")
    assert np.asarray(open_upright(file, LIMITS))[0, :, 0].tolist() == [0, 4, 255]


def test_transparent_pixels_are_white() -> None:
    clear_red, solid_red = (255, 0, 0, 0), (255, 0, 0, 255)
    rgba = Image.new("RGBA", (2, 1), solid_red)
    rgba.putpixel((0, 0), clear_red)
    assert [pixel(open_upright(encoded(rgba), LIMITS), x) for x in (0, 1)] == [(255, 255, 255), (255, 0, 0)]

    half = Image.new("LA", (1, 1), (0, 127))
    assert pixel(open_upright(encoded(half), LIMITS)) == (128, 128, 128)

    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putpixel((1, 0), 1)
    for transparency in (0, b"\x00\xff"):
        image = open_upright(encoded(palette, transparency=transparency), LIMITS)
        assert [pixel(image, x) for x in (0, 1)] == [(255, 255, 255), (0, 0, 255)]

    keyed = encoded(Image.new("RGB", (1, 1), (1, 2, 3)), transparency=(1, 2, 3))
    assert pixel(open_upright(keyed, LIMITS)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("image", "kind", "expected"),
    [
        (Image.new("1", (3, 3), 1), "PNG", (255, 255, 255)),
        (Image.new("L", (3, 3), 77), "PNG", (77, 77, 77)),
        (Image.new("CMYK", (3, 3), (0, 255, 255, 0)), "TIFF", (255, 0, 0)),
        (Image.new("YCbCr", (3, 3), (255, 128, 128)), "TIFF", (255, 255, 255)),
        (Image.new("PA", (3, 3)), "TIFF", None),
        (Image.new("RGB", (3, 3), (1, 2, 3)), "JPEG2000", (1, 2, 3)),
        (Image.new("RGB", (3, 3), (1, 2, 3)), "PPM", (1, 2, 3)),
    ],
)
def test_other_modes(image: Image.Image, kind: str, expected: tuple[int, ...] | None) -> None:
    try:
        file = encoded(image, kind)
    except OSError:
        pytest.skip(f"this Pillow cannot write {image.mode} as {kind}")
    opened = open_upright(file, LIMITS)
    assert opened.mode == "RGB"
    assert expected is None or pixel(opened) == expected


def test_the_first_frame_of_an_animation_and_the_first_picture_of_a_phone() -> None:
    first, second = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 255))
    for kind in ("GIF", "WEBP", "PNG", "TIFF", "MPO"):
        image = open_upright(encoded(first, kind, save_all=True, append_images=[second]), LIMITS)
        red, green, blue = pixel(image)
        assert (red > 250, green < 5, blue < 5) == (True, True, True), kind


# ---- refused


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_a_file_cut_anywhere_is_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # another library may have done so
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    whole = encoded(Image.fromarray(noise), kind)
    open_upright(whole, LIMITS)
    for share in (0.1, 0.5, 0.9):
        with pytest.raises(PictureError, match=r"is cut short|is damaged"):
            open_upright(whole[: int(len(whole) * share)], LIMITS)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_the_usual_cut_is_called_by_its_name() -> None:
    for kind in ("JPEG", "PNG"):
        whole = encoded(four_corners(300, 200), kind)
        with pytest.raises(PictureError, match=r"^is cut short$"):
            open_upright(whole[:-30], LIMITS)


def header_of_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_limits_are_checked_before_decoding() -> None:
    with pytest.raises(PictureError) as caught:
        open_upright(header_of_png(30000, 30000), LIMITS)
    assert caught.value.what == "is 30000×30000 pixels, more than the 200 megapixels allowed"
    assert caught.value.hint == "raise [pictures] megapixels"
    with pytest.raises(PictureError, match="is 3 megabytes, more than the 2 megabytes allowed"):
        open_upright(bytes(3_000_000), Limits(megabytes=2))
    with pytest.raises(PictureError, match="megapixels"):
        open_upright(np.zeros((20, 30), np.uint8), Limits(megapixels=0.0005))


def test_pillows_own_guard_does_not_speak_and_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert open_upright(encoded(four_corners()), LIMITS).size == (60, 40)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_threads_leave_the_switches_as_they_were() -> None:
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)
    file = encoded(four_corners(400, 300), "JPEG")

    def several() -> None:
        for _ in range(20):
            open_upright(file, LIMITS)

    threads = [threading.Thread(target=several) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)) == before


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"", "is empty"),
        (b"hello, I am text", "is not a picture"),
        (b"%PDF-1.4 ...", "is not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "is not a picture"),
        (b"\x89PNG\r\n\x1a\n and then nothing", "is damaged"),
    ],
)
def test_what_is_no_picture_is_reported(file: bytes, reason: str) -> None:
    with pytest.raises(PictureError, match=reason):
        open_upright(file, LIMITS)


def test_running_out_of_memory_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(self: Image.Image, *_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "convert", no_memory)
    with pytest.raises(PictureError, match="needs more memory"):
        open_upright(encoded(Image.new("L", (2, 2))), LIMITS)


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"GIF89a", b"BM", b"P6 3 3 255 "]))
def test_no_bytes_raise_anything_else(tail: bytes, head: bytes) -> None:
    try:
        image = open_upright(head + tail, Limits(megapixels=1))
    except PictureError as error:
        assert error.what
    else:
        assert image.mode == "RGB"


def test_a_ref_that_fails_is_named() -> None:
    for ref, reason in (
        (Broken(7), "drawn:7: is not a picture"),
        (Missing(8), r"drawn:8: cannot be read \(No such file or directory\)"),
    ):
        with pytest.raises(PictureError, match=reason) as caught:
            canvas_of(ref, Fit(16), LIMITS)
        assert caught.value.location == ref.name


# ---- arrays


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4)])
def test_arrays_pass_the_same_door(shape: tuple[int, ...]) -> None:
    array = np.full(shape, 255, np.uint8)
    assert pixel(open_upright(array, LIMITS)) == (255, 255, 255)
    assert open_upright(array[::-1, ::-1], LIMITS).size == (7, 5)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 3), np.float32),
        np.zeros((3, 3, 2), np.uint8),
        np.zeros(3, np.uint8),
        np.zeros((0, 3), np.uint8),
    ],
)
def test_arrays_that_are_no_pictures(array: np.ndarray) -> None:
    with pytest.raises(PictureError, match=r"is an array of|has no pixels"):
        open_upright(array, LIMITS)


# ---- canvas


def test_a_picture_of_the_right_size_is_not_touched() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    for fit in (Fit(32), Fit(32, "crop")):
        assert np.array_equal(fit.canvas(Image.fromarray(noise)), noise)
    for size in (WIDE, HIGH):
        noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
        for fit in (Fit(size), Fit(size, "crop")):
            assert np.array_equal(fit.canvas(Image.fromarray(noise)), noise)


def test_letterbox_has_a_grey_rim_and_crop_has_none() -> None:
    white = Image.new("RGB", (200, 100), (255, 255, 255))
    letterboxed = Fit(64).canvas(white)
    assert (letterboxed[:16] == PADDING).all() and (letterboxed[48:] == PADDING).all()
    assert (letterboxed[16:48] == 255).all()
    assert (Fit(64, "crop").canvas(white) == 255).all()


def test_a_rectangle_is_width_by_height() -> None:
    white = Image.new("RGB", (200, 100), (255, 255, 255))
    assert (Fit((64, 32)).canvas(white) == np.full((32, 64, 3), 255)).all()
    beside = Fit((128, 32)).canvas(white)  # as high as the canvas, so it leaves room left and right
    assert (beside[:, :32] == PADDING).all() and (beside[:, 96:] == PADDING).all()
    assert (beside[:, 32:96] == 255).all()
    two = np.repeat(np.array([[[9, 9, 9]], [[200, 200, 200]]], np.uint8), 100, axis=0).repeat(100, axis=1)
    middle = Fit((50, 20), "crop").canvas(Image.fromarray(two))  # 100 x 200: only its middle rows fit
    assert middle.shape == (20, 50, 3) and (middle[:9] == 9).all() and (middle[11:] == 200).all()


def test_a_square_is_a_rectangle() -> None:
    assert Fit(64) == Fit((64, 64)) and Fit(64).turned == Fit(64)
    assert Fit((64, 32), "crop").turned == Fit((32, 64), "crop")


@given(st.integers(8, 4096), sizes, sizes, st.sampled_from(["letterbox", "crop"]))
def test_a_square_is_filled_by_the_longer_or_the_shorter_side(
    side: int, width: int, height: int, fit: Literal["letterbox", "crop"]
) -> None:
    filling = max(width, height) if fit == "letterbox" else min(width, height)
    across, down = (max(1, round(edge * side / filling)) for edge in (width, height))
    expected = Placement(
        across / width, down / height, (side - across) // 2, (side - down) // 2, width, height
    )
    assert Fit(side, fit).placement(width, height) == expected


@pytest.mark.parametrize("fit", [Fit(size, fit) for size in (64, (96, 32)) for fit in ("letterbox", "crop")])
@pytest.mark.parametrize("size", [(1, 1), (1, 20000), (20000, 1), (3, 2)])
def test_extreme_pictures(size: tuple[int, int], fit: Fit) -> None:
    canvas = fit.canvas(Image.new("RGB", size, (255, 255, 255)))
    assert canvas.shape == fit.shape and canvas.dtype == np.uint8
    assert (canvas == 255).all(axis=2).sum() >= min(fit.width, fit.height)  # at least a line of it remains


@settings(deadline=None)
@given(fits, sizes, sizes)
def test_placement(fit: Fit, width: int, height: int) -> None:
    placement = fit.placement(width, height)
    x0, y0, x1, y1 = placement.to_canvas(np.array([[0, 0, width, height]]))[0]
    free = fit.width - (x1 - x0), fit.height - (y1 - y0)
    assert min(map(abs, free)) <= 1e-6  # one way it fills the canvas exactly
    if fit.fit == "letterbox":
        assert min(x0, y0) >= 0 and min(free) >= -1e-6
        assert min(x1 - x0, y1 - y0) >= 1 - 1e-6
    else:
        assert max(x0, y0) <= 0 and max(free) <= 1e-6
    assert abs(x0 + x1 - fit.width) <= 1 + 1e-6 and abs(y0 + y1 - fit.height) <= 1 + 1e-6  # in the middle
    if min(x1 - x0, y1 - y0) > 1:  # its proportions stay, but for rounding to whole pixels
        assert abs(placement.scale_x - placement.scale_y) <= 0.5 / min(width, height) + 1e-9


@settings(deadline=None)
@given(fits, sizes, sizes, st.lists(st.tuples(*[st.floats(-100, 3000)] * 4), max_size=5))
def test_boxes_go_to_the_canvas_and_back(
    fit: Fit, width: int, height: int, boxes: list[tuple[float, ...]]
) -> None:
    there = np.array(boxes, np.float32).reshape(-1, 4)
    placement = fit.placement(width, height)
    back = placement.to_image(placement.to_canvas(there))  # type: ignore[arg-type] # float32 is taken too
    assert back.shape == there.shape
    assert np.allclose(back, there, atol=1e-6 * max(width, height, 1000))


LARGE = [Fit(size, fit) for size in (96, (128, 90), (80, 120)) for fit in ("letterbox", "crop")]


@settings(deadline=None)
@given(st.sampled_from(LARGE), st.integers(100, 400), st.integers(100, 400), st.data())
def test_a_box_lies_on_the_canvas_where_its_pixels_are(
    fit: Fit, width: int, height: int, data: st.DataObject
) -> None:
    x0, y0 = data.draw(st.integers(0, width - 60)), data.draw(st.integers(0, height - 60))
    image = np.zeros((height, width, 3), np.uint8)
    image[y0 : y0 + 60, x0 : x0 + 60] = 255
    canvas = fit.canvas(Image.fromarray(image))
    box = fit.placement(width, height).to_canvas(np.array([[x0, y0, x0 + 60, y0 + 60]]))[0]
    left, top, right, bottom = np.clip(box, 0, [fit.width, fit.height] * 2)
    if right - left < 1 or bottom - top < 1:
        return  # the crop leaves it out
    white = (canvas > 160).all(axis=2)
    assert abs(white.sum() - (right - left) * (bottom - top)) <= 2 * (right - left + bottom - top) + 4
    ys, xs = np.nonzero(white)
    assert np.allclose([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], [left, top, right, bottom], atol=1.5)


# ---- real files


def test_odd_modes_all_open(shared: Path) -> None:
    files = sorted((shared / "data/own_pictures/odd_modes").iterdir())
    assert len(files) == 40
    for path in files:
        image = open_upright(path.read_bytes(), LIMITS)
        assert image.mode == "RGB", path.name
        assert Fit(64).canvas(image).shape == (64, 64, 3)


def test_broken_files_are_all_refused(shared: Path) -> None:
    files = sorted((shared / "data/own_pictures/broken").iterdir())
    assert len(files) == 10
    unusual = files.pop([path.name for path in files].index("hopper_unknown_pixel_mode.tif"))
    with pytest.raises(UnidentifiedImageError):  # not broken: colours in whole numbers of 32 bits
        Image.open(unusual)
    pytest.importorskip("tifffile")
    assert open_upright(unusual.read_bytes(), LIMITS).size == (128, 128)
    for path in files:
        with pytest.raises(PictureError, match=r"is cut short|is damaged|is not a picture"):
            open_upright(path.read_bytes(), LIMITS)


class Bytes(Drawn):
    """A ref to bytes at hand."""

    def __init__(self, file: bytes) -> None:
        super().__init__(0)
        object.__setattr__(self, "file", file)

    def load(self) -> bytes:
        return self.file  # type: ignore[attr-defined]
