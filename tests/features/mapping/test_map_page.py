"""The map in a real browser: with mouse, touch and keyboard, and it asks nobody for anything."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.browser import browser as browser
from support.browser import in_a_browser, opened, playwright

from oneglance.features.mapping.columns import column
from oneglance.features.mapping.page import map_page
from oneglance.features.mapping.projection import Projection
from oneglance.features.mapping.sprites import Plan, sheets

pytestmark = in_a_browser

# Three groups at corners of the square, of 4, 3 and 2 pictures; the last has no thumbnail.
PLACES = np.array([[0, 0]] * 4 + [[1, 1]] * 3 + [[1, 0]] * 2) * 0.9 + np.arange(9)[:, None] * 0.011
NAMES = [f"pool/{name}.jpg" for name in ("a", "b", "=c", 'd "x", y', "e", "f", "g", "h", "i")]
REPORT = {
    "oneglance": "0",
    "date": "2026-11-29",
    "pictures": 9,
    "thumbnails": 8,
    "how": "drawn",
    "trustworthiness": 0.9,
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    kinds: list[str | float | None] = [*["hat"] * 4, *["shoe"] * 3, *["<i>"] * 2]
    columns = [column("kind", kinds), column("price", [1.0, 2.0, None, *map(float, range(6))], "EUR")]
    thumbnails = [Image.new("RGB", (128, 90), (200, 30, 30))] * 8 + [None]
    sprites = sheets(Plan.of(9), thumbnails, 9)
    projection = Projection(PLACES.astype(np.float32), "drawn", 0.9)
    page = map_page(REPORT, NAMES, projection, [c for c in columns if c], sprites, "A & B")
    path = tmp_path_factory.mktemp("map") / "map.html"
    path.write_text(page, encoding="utf-8")
    return path


@pytest.fixture
def page(browser: Any, file: Path) -> Iterator[Any]:
    yield from opened(browser, f"file://{file}", viewport={"width": 1100, "height": 800})


def at(page: Any, row: int) -> tuple[float, float]:
    """Where a picture is drawn while the whole map is seen."""
    box = page.locator("#map").bounding_box()
    side = 0.94 * min(box["width"], box["height"])
    x, y = PLACES[row]
    return box["x"] + box["width"] / 2 + (x - 0.5) * side, box["y"] + box["height"] / 2 + (0.5 - y) * side


def lasso(page: Any, row: int) -> None:
    x, y = at(page, row)
    page.mouse.move(x - 40, y - 40)
    page.mouse.down()
    for right, down in ((40, -40), (40, 40), (-40, 40)):
        page.mouse.move(x + right, y + down)
    page.mouse.up()


def counted(page: Any, text: str) -> None:
    playwright.expect(page.locator("#count")).to_have_text(text)


def test_hover_shows_the_picture_and_what_is_known_of_it(page: Any) -> None:
    page.mouse.move(*at(page, 0))
    card = page.locator("#card")
    playwright.expect(card).to_contain_text("a.jpg")
    playwright.expect(card).to_contain_text("1 EUR")
    picture = card.locator("canvas").evaluate(
        "(c) => [...c.getContext('2d').getImageData(c.width / 2, c.height / 2, 1, 1).data]"
    )
    assert abs(picture[0] - 200) < 12 and abs(picture[1] - 30) < 12
    page.mouse.move(*at(page, 8))
    playwright.expect(card).to_contain_text("<i>")
    assert not card.locator("canvas").is_visible()


def test_the_lasso_selects_and_the_list_is_saved(page: Any) -> None:
    page.click("#lasso")
    lasso(page, 1)
    counted(page, "4 pictures are selected")
    playwright.expect(page.locator("#picked button")).to_have_count(4)
    with page.expect_download() as download:
        page.click("#save")
    rows = list(csv.reader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"))))
    assert rows == [["image"], *([name] for name in NAMES[:4])]
    page.click("#picked button >> nth=0")
    counted(page, "3 pictures are selected")
    page.click("#move")
    page.evaluate("scrollTo(0, 0)")
    page.keyboard.down("Shift")
    lasso(page, 5)
    counted(page, "6 pictures are selected")
    page.click("#none")
    counted(page, "No picture is selected")


def test_a_word_or_a_part_of_a_name_is_shown_alone(page: Any) -> None:
    playwright.expect(page.locator("#legend button")).to_have_count(3)
    page.click("#legend button:has-text('hat')")
    page.click("#view")
    counted(page, "4 pictures are selected")
    page.click("#none")
    page.click("#legend button:has-text('hat')")
    page.fill("#filter", "G.JP")
    page.click("#view")
    counted(page, "1 picture is selected")
    page.select_option("#colour", label="price")
    playwright.expect(page.locator("#legend .ends")).to_contain_text("EUR")


def test_the_keyboard_does_it_all(page: Any) -> None:
    page.focus("#map")
    for _ in range(4):
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowRight")
    playwright.expect(page.locator("#live")).to_contain_text("kind shoe")
    page.keyboard.press("Enter")
    counted(page, "1 picture is selected")
    for _ in range(3):
        page.keyboard.press("+")
    page.keyboard.press("v")
    counted(page, "3 pictures are selected")
    page.keyboard.press("Escape")
    page.keyboard.press("0")
    page.keyboard.press("v")
    counted(page, "9 pictures are selected")


def test_the_wheel_zooms_where_the_pointer_is(page: Any) -> None:
    page.mouse.move(*at(page, 7))
    for _ in range(12):
        page.mouse.wheel(0, -200)
    page.click("#view")
    counted(page, "1 picture is selected")


def test_a_finger_sees_first_and_selects_then(browser: Any, file: Path) -> None:
    size = {"width": 390, "height": 844}
    for page in opened(browser, f"file://{file}", viewport=size, has_touch=True, is_mobile=True):
        page.touchscreen.tap(*at(page, 4))
        playwright.expect(page.locator("#card")).to_contain_text(".jpg")
        counted(page, "No picture is selected")
        page.touchscreen.tap(*at(page, 4))
        counted(page, "1 picture is selected")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
