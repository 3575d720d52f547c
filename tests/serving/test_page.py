"""The page in a real browser: Chromium of the system, headless, with real clicks and keys."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.browser import browser, choose, in_a_browser, opened, playwright  # noqa: F401
from support.service import Running, picture, running

from oneglance.serving.app import Settings
from oneglance.serving.middleware import Access

pytestmark = in_a_browser


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept") / "labels.csv"


@pytest.fixture(scope="module")
def service(table: Path) -> Iterator[Running]:
    with running(Settings(name="clothes", corrections=table)) as started:
        yield started


@pytest.fixture
def page(browser: Any, service: Running) -> Iterator[Any]:
    yield from opened(browser, service.url)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Pictures of the names' colours, and what is none."""
    made = {name: tmp_path / f"{name}.png" for name in ("red", "blue")}
    for name, path in made.items():
        path.write_bytes(picture(name, (300, 200)))
    made["broken"] = tmp_path / "broken.png"
    made["broken"].write_bytes(picture("red")[:60])
    made["odd"] = tmp_path / "<img src=x onerror=alert(1)>.png"
    made["odd"].write_bytes(picture("red"))
    return made


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_chosen_pictures_are_answered(page: Any, files: dict[str, Path]) -> None:
    cards = choose(page, files["red"], files["blue"], files["broken"], files["odd"])
    playwright.expect(page.locator(".card .error")).to_have_count(1)
    assert cards.count() == 4
    red = cards.nth(0).inner_text()
    for words in ("red.png", "300 × 200 pixels", "hat", "dotted", "EUR", "1 × button", "colour: blue"):
        assert words in red
    assert "<b>shoe</b>" in red  # a class is text
    assert "is cut short" in cards.nth(2).inner_text()
    assert files["odd"].name in cards.nth(3).inner_text()
    assert page.inner_text("#status") == "4 pictures answered"
    width = (
        cards.nth(0)
        .locator(".chosen .fill")
        .first.evaluate("bar => bar.offsetWidth / bar.parentNode.offsetWidth")
    )
    assert width > 0.9  # the hat's bar
    page.click("#clear")
    assert cards.count() == 0


def test_a_click_shows_what_an_answer_rests_on(page: Any, tmp_path: Path) -> None:
    path = tmp_path / "spot.png"
    image = Image.new("RGB", (64, 48), (60, 60, 60))
    image.paste((255, 0, 0), (28, 20, 36, 28))
    image.save(path)
    choose(page, path)
    pixel = "([x, y]) => [...document.querySelector('canvas').getContext('2d').getImageData(x, y, 1, 1).data]"
    before = [page.evaluate(pixel, spot) for spot in ([96, 72], [4, 4])]
    why = page.locator(".why").first
    why.click()
    playwright.expect(why).to_have_attribute("aria-pressed", "true")
    red, green, _, _ = page.evaluate(pixel, [96, 72])
    assert red > 200 and green > 100, "yellow in the middle"
    assert page.evaluate(pixel, [4, 4]) == before[1]
    other = page.locator(".why").nth(1)
    other.click()
    playwright.expect(other).to_have_attribute("aria-pressed", "true")
    playwright.expect(why).to_have_attribute("aria-pressed", "false")
    other.click()
    assert page.evaluate(pixel, [96, 72]) == before[0]


def test_tiny_pictures_are_not_blown_up(page: Any, tmp_path: Path) -> None:
    for size, shown in (((32, 20), [96, 60]), ((160, 80), [480, 240]), ((1, 1), [3, 3])):
        path = tmp_path / f"{size[0]}.png"
        path.write_bytes(picture("blue", size))
        canvas = choose(page, path).locator("canvas")
        assert canvas.evaluate("canvas => [canvas.width, canvas.height]") == shown
        page.click("#clear")


def test_a_failure_has_a_cure_beside_it(page: Any, files: dict[str, Path]) -> None:
    card = choose(page, files["broken"]).nth(0)
    assert "Save it as JPEG or PNG, or choose another picture." in card.inner_text()


def test_boxes_are_drawn_where_they_are(page: Any, files: dict[str, Path]) -> None:
    canvas = choose(page, files["blue"]).locator("canvas")
    pixels = "(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x, y, 1, 1).data].slice(0, 3)"
    # Of 300 x 200 pixels, shown as 480 x 320; the box goes from 8 to 24 of the network's 32 pixels.
    assert canvas.evaluate("canvas => [canvas.width, canvas.height]") == [480, 320]
    inside, edge, outside = (canvas.evaluate(pixels, place) for place in ([240, 160], [120, 200], [100, 200]))
    assert inside == outside == [0, 0, 255]
    assert edge != inside


def test_dropped_and_pasted_pictures_are_answered(page: Any, files: dict[str, Path]) -> None:
    data = page.evaluate_handle(
        """async () => {
            const blob = await new Promise((done) => {
                const canvas = Object.assign(document.createElement("canvas"), { width: 40, height: 30 });
                canvas.getContext("2d").fillRect(0, 0, 40, 30);
                canvas.toBlob(done);
            });
            const data = new DataTransfer();
            data.items.add(new File([blob], "given.png", { type: "image/png" }));
            return data;
        }"""
    )
    page.dispatch_event("#drop", "dragover", {"dataTransfer": data})
    assert "over" in page.get_attribute("#drop", "class")
    page.dispatch_event("#drop", "drop", {"dataTransfer": data})
    page.wait_for_selector(".card .answer")
    page.evaluate("data => dispatchEvent(new ClipboardEvent('paste', { clipboardData: data }))", data)
    playwright.expect(page.locator(".card canvas")).to_have_count(2)
    assert "40 × 30 pixels" in page.locator(".card").nth(1).inner_text()


def test_the_camera_takes_a_picture(page: Any) -> None:
    page.click("#camera")
    playwright.expect(page.locator("#video")).to_have_js_property("readyState", 4)
    page.click("#shoot")
    page.wait_for_selector(".card .answer")
    assert not page.is_visible("#video")


def test_an_answer_is_corrected_by_keyboard(page: Any, files: dict[str, Path], table: Path) -> None:
    card = choose(page, files["red"])
    card.get_by_role("button", name="Correct these answers").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Control+A")
    page.keyboard.type("scarf")
    page.keyboard.press("Enter")
    card.get_by_text("Kept in labels.csv").wait_for()
    (row,) = [row for row in rows(table) if row["category"] == "scarf"]
    assert not row.get("price")  # nobody has said anything about it
    assert (table.parent / row["image"]).read_bytes() == files["red"].read_bytes()
    assert "scarf" in card.inner_text()


def test_all_answers_can_be_confirmed(page: Any, files: dict[str, Path], table: Path) -> None:
    card = choose(page, files["blue"])
    card.get_by_role("button", name="Correct these answers").click()
    card.get_by_label("striped").check()
    card.locator("input[type=number]").fill("12.5")
    card.get_by_label("all other answers are right too").check()
    card.get_by_role("button", name="Keep").click()
    card.get_by_text("Kept in labels.csv").wait_for()
    (row,) = [row for row in rows(table) if row.get("price") == "12.5"]
    assert row["category"] == "shirt"
    assert row["style"] == "dotted|striped"
    boxes = [r for r in rows(table.with_name("labels-objects.csv")) if r["image"] == row["image"]]
    assert [box["label"] for box in boxes] == ["button"]


def test_boxes_are_removed_drawn_and_typed(page: Any, files: dict[str, Path], table: Path) -> None:
    files["red"].write_bytes(picture("red", (400, 200)))
    card = choose(page, files["red"])
    card.get_by_role("button", name="Correct these answers").click()
    card.get_by_role("button", name="remove box 1, button").click()
    canvas = card.locator("canvas")
    canvas.scroll_into_view_if_needed()
    frame = canvas.bounding_box()
    page.mouse.move(frame["x"] + frame["width"] * 0.25, frame["y"] + frame["height"] * 0.25)
    page.mouse.down()
    page.mouse.move(frame["x"] + frame["width"] * 0.5, frame["y"] + frame["height"] * 0.75, steps=4)
    page.mouse.up()
    card.get_by_label("class of box 1").select_option("zip")
    card.get_by_label("edges of a new box").fill("10, 20, 30, 900")
    card.get_by_role("button", name="Add box").click()
    card.get_by_role("button", name="Keep").click()
    card.get_by_text("Kept in labels.csv").wait_for()
    drawn, typed = rows(table.with_name("labels-objects.csv"))[-2:]
    assert drawn["label"] == "zip"
    edges = [float(drawn[name]) for name in ("xmin", "ymin", "xmax", "ymax")]
    assert edges == pytest.approx([100, 50, 200, 150], abs=3)
    assert [typed[name] for name in ("label", "xmin", "ymin", "xmax", "ymax")] == [
        "button",
        "10",
        "20",
        "30",
        "200",
    ]


def test_a_refusal_is_shown_and_nothing_is_lost(page: Any, files: dict[str, Path]) -> None:
    card = choose(page, files["red"])
    card.get_by_role("button", name="Correct these answers").click()
    card.locator("input[type=number]").fill("1e300")
    card.get_by_role("button", name="Keep").click()
    card.get_by_text("write a finite number").wait_for()
    card.get_by_role("button", name="Cancel").click()
    assert "hat" in card.inner_text()


def test_unfamiliar_pictures_are_marked_so(page: Any, files: dict[str, Path], tmp_path: Path) -> None:
    white = tmp_path / "white.png"
    white.write_bytes(picture("white"))
    cards = choose(page, white, files["red"])
    strange, usual = cards.nth(0).inner_text(), cards.nth(1).inner_text()
    assert "I don’t know this kind of picture." in strange
    assert "less familiar than 100 %" in strange
    assert "don’t know" not in usual


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 900), (360, 740)])
def test_it_fits_every_screen(
    browser: Any, service: Running, files: dict[str, Path], scheme: str, width: int, height: int
) -> None:
    for page in opened(
        browser, service.url, viewport={"width": width, "height": height}, color_scheme=scheme
    ):
        card = choose(page, files["red"], files["broken"]).nth(0)
        card.get_by_role("button", name="Correct these answers").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        bright = sum(map(int, ground.removeprefix("rgb(").removesuffix(")").split(","))) / 3
        assert bright > 200 if scheme == "light" else bright < 60


def test_a_key_is_asked_for_and_used(browser: Any, files: dict[str, Path]) -> None:
    with running(Settings(access=Access(key="open sesame"))) as guarded:
        for page in opened(browser, guarded.url):
            page.fill("#key", "open sesame")
            page.keyboard.press("Enter")
            playwright.expect(page.locator("#model")).to_contain_text("kind")
            card = choose(page, files["red"])
            assert "hat" in card.inner_text()
            assert card.get_by_role("button", name="Correct").count() == 0  # none are taken here
