"""Answers drawn on pictures."""

from __future__ import annotations

import errno
import math
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from oneglance.errors import RunError
from oneglance.inference import drawing as module
from oneglance.inference import lettering
from oneglance.inference.drawing import (
    LARGEST,
    PALETTE,
    SMALLEST,
    colour_of,
    draw,
    drawing_name,
    write_drawing,
)
from oneglance.inference.lettering import FONT, ROWS, Lettering, in_one_row

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=30)  # halves of pairs too
BLUE, OTHER = 0, 1
END = st.floats(-500, 1000)


def black(width: int = 400, height: int = 320) -> Image.Image:
    return Image.new("RGB", (width, height))


def letters(drawing: Image.Image) -> np.ndarray:
    """bool [h, w]: where white letters are; neither black nor the blue of the boxes has any red."""
    return np.asarray(drawing)[:, :, 0] > 0


def cropped(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(mask)
    return mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def pixels_of(drawing: Image.Image, number: int) -> int:
    return int((np.asarray(drawing) == colour_of(number)).all(2).sum())


# Captions.


@settings(deadline=None, max_examples=40)
@given(box=st.tuples(END, END, END, END))
@example(box=(0.0, 0.0, 400.0, 320.0))
@example(box=(399.0, 0.0, 400.0, 1.0))
@example(box=(-300.0, 900.0, -200.0, 1000.0))
def test_a_caption_is_whole_wherever_its_box_lies(box: tuple[float, ...]) -> None:
    inner = draw(black(), [((150, 150, 250, 250), "Agpq 0.93", BLUE)])
    assert np.array_equal(
        cropped(letters(draw(black(), [(box, "Agpq 0.93", BLUE)]))), cropped(letters(inner))
    )


def test_a_caption_stands_on_its_box() -> None:
    strip = np.asarray(draw(black(), [((150, 150, 250, 250), "hat", BLUE)]))
    rows, columns = np.nonzero((strip[:150] == colour_of(BLUE)).all(2))
    assert (columns.min(), rows.max()) == (150, 149) and rows.min() > 120


@pytest.mark.parametrize(
    ("box", "room"), [((150, 150, 250, 250), 8), ((0, 0, 400, 320), 4), ((380, 290, 400, 320), 3)]
)
def test_captions_do_not_cover_each_other_while_there_is_room(box: tuple[float, ...], room: int) -> None:
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight"][:room]
    together = letters(draw(black(), [(box, word, BLUE) for word in words])).sum()
    assert together == sum(letters(draw(black(), [(box, word, BLUE)])).sum() for word in words)


def test_a_caption_leaves_a_small_box_in_sight() -> None:
    at_the_edge = (200, 0, 212, 12)
    bare = pixels_of(draw(black(), [(at_the_edge, "", BLUE)]), BLUE)
    beside = draw(black(), [(at_the_edge, "a long caption", BLUE), ((0, 310, 9, 319), "", OTHER)])
    assert (np.asarray(beside)[:12, 200:212] == colour_of(BLUE)).all(2).sum() == bare


def test_a_caption_too_long_for_the_picture_ends_with_dots() -> None:
    letters_of = Lettering.fit(400)
    cut = letters_of.cut("word " * 90, 200)
    assert cut.startswith("word word") and cut.endswith("…")
    assert 150 < letters_of.font.getlength(cut) <= 200
    assert letters_of.cut("word", 200) == "word"


def test_more_captions_than_free_positions() -> None:
    drawing = draw(black(40, 40), [((0, 0, 40, 40), f"caption {i}", i) for i in range(100)])
    assert drawing.size == (SMALLEST, SMALLEST)


# Boxes.


def test_the_first_box_lies_on_top() -> None:
    drawing = draw(black(), [((10, 10, 90, 90), "", BLUE), ((10, 10, 90, 90), "", OTHER)])
    assert pixels_of(drawing, BLUE) and not pixels_of(drawing, OTHER)


def test_a_box_is_drawn_where_it_lies() -> None:
    drawing = np.asarray(draw(black(400, 400), [((100, 40, 200, 80), "", BLUE)]))
    rows, columns = np.nonzero((drawing == colour_of(BLUE)).all(2))
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (100, 40, 200, 80)
    assert not drawing[45:75, 105:195].any()  # only its line


def test_boxes_follow_the_scale_of_the_picture() -> None:
    drawing = np.asarray(draw(black(2560, 1280), [((1000, 400, 2000, 800), "", BLUE)]))
    rows, columns = np.nonzero((drawing == colour_of(BLUE)).all(2))
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (500, 200, 1000, 400)


@pytest.mark.parametrize(
    "box",
    [
        (200, 100, 200, 100),
        (200, 100, 260, 100),
        (400, 320, 400, 320),
        (-90, -90, -20, -20),
        (500, 10, math.inf, 90),
        (-math.inf, -math.inf, math.inf, math.inf),
    ],
)
def test_a_box_without_area_or_outside_is_still_seen(box: tuple[float, ...]) -> None:
    assert pixels_of(draw(black(), [(box, "", BLUE)]), BLUE) >= 16


def test_swapped_corners_are_the_same_box() -> None:
    assert draw(black(), [((90, 80, 10, 20), "x", BLUE)]) == draw(black(), [((10, 20, 90, 80), "x", BLUE)])


def test_a_box_that_lies_nowhere_is_left_out_and_the_others_stay() -> None:
    other = ((10, 20, 90, 80), "x", BLUE)
    assert draw(black(), [((0, math.nan, 9, 9), "y", OTHER), other]) == draw(black(), [other])


# Colours.


def test_classes_differ_in_colour_as_far_as_colours_go() -> None:
    colours = [colour_of(number) for number in range(3 * len(PALETTE))]
    assert colours == list(PALETTE) * 3
    assert len(set(PALETTE)) == len(PALETTE)


@pytest.mark.parametrize("ground", PALETTE)
def test_captions_are_readable(ground: tuple[int, int, int]) -> None:
    def luminance(colour: tuple[int, int, int]) -> float:  # WCAG 2
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in np.array(colour) / 255]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    low, high = sorted([luminance(ground), luminance(module._ink(ground))])
    assert (high + 0.05) / (low + 0.05) >= 4.5


# The picture and the strip below it.


@pytest.mark.parametrize(
    ("size", "drawn"),
    [
        ((640, 480), (640, 480)),
        ((32, 32), (SMALLEST, SMALLEST)),
        ((2000, 1500), (LARGEST, 960)),
        ((20, 1000), (SMALLEST, 1000)),
        ((1000, 20), (1000, module.LOWEST)),
        ((1, 30000), (SMALLEST, LARGEST)),
        ((30000, 1), (LARGEST, module.LOWEST)),
        ((1, 1), (SMALLEST, SMALLEST)),
    ],
)
def test_sizes(size: tuple[int, int], drawn: tuple[int, int]) -> None:
    assert draw(black(*size), [((0, 0, *size), "whole", BLUE)]).size == drawn


def test_lines_hide_nothing_of_the_picture() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (330, 400, 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    drawing = draw(picture, lines=["kind: hat (93%)", "price: 31.2 €"])
    assert np.array_equal(np.asarray(drawing)[:330], noise)
    assert drawing.height > draw(picture, lines=["kind: hat (93%)"]).height > 330
    assert np.array_equal(np.asarray(picture), noise)


@settings(deadline=None)
@given(text=ANY_TEXT | st.text("ab ", max_size=200), width=st.integers(60, 400))
def test_rows_fit_and_lose_nothing(text: str, width: int) -> None:
    letters_of = Lettering.fit(400)
    rows = list(letters_of.wrapped(text, width, rows=1000))
    assert all(letters_of.font.getlength(row) <= width for row in rows)
    assert "".join(rows).replace(" ", "") == in_one_row(text).replace(" ", "")


def test_rows_break_at_spaces_and_end_with_dots() -> None:
    letters_of = Lettering.fit(400)
    rows = list(letters_of.wrapped("word " * 90, 200))
    assert len(rows) == ROWS and rows[-1].endswith("…")
    assert all(set(row.split()) == {"word"} for row in rows[:-1])


@settings(deadline=None, max_examples=50)
@given(caption=ANY_TEXT, line=ANY_TEXT)
@example(caption="犬 · Шляпа · قبعة \ud800", line="👩‍👩‍👧 a\x00b\nc\u202e")
@example(caption="x" * 100_000, line="\n" * 100_000)
def test_any_text_can_be_drawn(caption: str, line: str) -> None:
    assert draw(black(), [((9, 9, 99, 99), caption, BLUE)], [line]).width == 400


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "I;16", "1"])
def test_pictures_of_other_modes(mode: str) -> None:
    assert draw(Image.new(mode, (50, 400)), [((0, 0, 9, 9), "x", BLUE)]).mode == "RGB"


# Fonts.


@pytest.mark.parametrize(
    "text", ["kůň – 5 €", "Шляпа", "καπέλο", "قبعة", "כובע", "գլխարկ", "ქუდი", "mũ", "шапка"]
)
def test_alphabets_are_drawn_on_every_machine(text: str) -> None:
    """No letter is the sign for a missing one; the font comes along."""
    font = Lettering.fit(400).font
    missing = bytes(font.getmask("\U0010fffd"))
    assert [letter for letter in text if bytes(font.getmask(letter)) == missing] == []
    assert Lettering.fit(400).cut(text, 300) == text


def test_an_accent_of_its_own_is_joined_to_its_letter() -> None:
    assert Lettering.fit(400).cut("u\u0308ber", 300) == "über"


def test_no_font_is_taken_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = draw(black(), [((50, 50, 90, 90), "hat", BLUE)])
    (tmp_path / FONT.name).write_bytes(b"no font")
    monkeypatch.chdir(tmp_path)
    lettering._font.cache_clear()
    assert np.array_equal(np.asarray(draw(black(), [((50, 50, 90, 90), "hat", BLUE)])), np.asarray(drawing))


def test_the_font_has_its_licence_beside_it() -> None:
    assert "Bitstream Vera" in (FONT.parent / "LICENSE.txt").read_text(encoding="utf-8")


# Files.


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd.jpg",
        "/etc/passwd",
        "C:\\Windows\\system.ini",
        "..",
        ".",
        "",
        "/",
        ".hidden.png",
        "CON.jpg",
        "a\x00b.jpg",
        "a\nb?*:|<>.jpg",
        "pictures.zip/a/b.jpg",
        "x" * 5000 + ".jpg",
        "犬" * 5000,
        "trailing. . ",
        "\udc80.jpg",
    ],
)
def test_a_drawing_stays_in_its_folder(name: str, tmp_path: Path) -> None:
    path = write_drawing(black(20, 20), tmp_path / "out", name)
    assert [path] == list((tmp_path / "out").iterdir())


@settings(deadline=None)
@given(st.lists(ANY_TEXT | st.text("aA/.\\_-", max_size=8), unique=True, max_size=20))
def test_names_are_plain_and_never_collide(names: list[str]) -> None:
    drawn = [drawing_name(name) for name in names]
    assert len({name.casefold() for name in drawn}) == len(names)
    for name in drawn:
        assert PurePosixPath(name).name == PureWindowsPath(name).name == name
        assert not PureWindowsPath(name).drive and not set('<>:"|?*.') & set(name)
        assert len(name.encode()) < 200


def test_two_pictures_of_one_base_name_have_two_drawings(tmp_path: Path) -> None:
    paths = {write_drawing(black(20, 20), tmp_path, name) for name in ("a/hat.jpg", "b/hat.jpg", "a/hat.png")}
    assert len(paths) == len(list(tmp_path.iterdir())) == 3
    assert all(path.name.startswith("hat-") for path in paths)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_drawing_can_be_opened_and_written_again(suffix: Any, tmp_path: Path) -> None:
    for colour in ("red", "white"):
        path = write_drawing(Image.new("RGB", (40, 30), colour), tmp_path, "a.jpeg", suffix)
    assert path.suffix == suffix and list(tmp_path.iterdir()) == [path]
    with Image.open(path) as opened:
        assert opened.size == (40, 30) and opened.getpixel((5, 5)) == (255, 255, 255)


def test_a_drawing_tells_nothing_of_the_camera(tmp_path: Path) -> None:
    picture = black()
    picture.getexif()[0x010F] = "a maker"
    picture.save(tmp_path / "a.jpg", exif=picture.getexif())
    with Image.open(tmp_path / "a.jpg") as photo:
        assert photo.getexif()
        path = write_drawing(draw(photo), tmp_path / "out", "a.jpg")
    with Image.open(path) as drawing:
        assert not drawing.getexif()


def test_a_full_disk_is_an_error_and_the_old_drawing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_drawing(black(20, 20), tmp_path, "a.jpg")
    before = path.read_bytes()

    def full(self: Image.Image, file: Any, **_: Any) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(RunError, match="the disk is full"):
        write_drawing(black(20, 20), tmp_path, "a.jpg")
    assert list(tmp_path.iterdir()) == [path] and path.read_bytes() == before


def test_a_file_in_the_way_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(RunError, match="a file is in the way"):
        write_drawing(black(20, 20), tmp_path / "out", "a.jpg")
