"""Classes and files that are called like HTML, scripts, links and tricks with the direction of text: in a
real browser all of them are text, on the page of the service and in the reports, and nothing runs.
"""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.browser import browser, choose, in_a_browser, opened, playwright  # noqa: F401
from support.compared import compared
from support.drawn import settings
from support.hostile import NAMES, classes, hostile
from support.service import Running, picture, running

import oneglance
from oneglance.evaluation.reports.comparison import write_page
from oneglance.progress import Screen
from oneglance.serving.app import Settings

pytestmark = in_a_browser

FILES = [name.replace("/", "_")[:200] + ".png" for name in NAMES]
# What would show that a name has become more than text.
STRANGE = """() => {
    const all = [...document.querySelectorAll("*")];
    const called = (one) => [...one.attributes].some((each) => each.name.startsWith("on"));
    const link = (one) => ["href", "src", "action"].some((key) => /^\\s*javascript:/i.test(one[key]));
    return {
        ran: window.ranWith || [],
        scripts: [...document.scripts].filter((one) => !one.src.endsWith("/page.js")).length,
        handlers: all.filter(called).length,
        links: all.filter(link).length,
        pictures: [...document.images].filter((one) => !one.src.startsWith("data:image/jpeg")).length,
        polluted: Object.keys(Object.prototype).length > 0,
    };
}"""
NOTHING = {"ran": [], "scripts": 0, "handlers": 0, "links": 0, "pictures": 0, "polluted": False}
RAN = "() => { window.ranWith = []; window.ran = (number) => window.ranWith.push(number); }"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept") / "labels.csv"


@pytest.fixture(scope="module")
def service(table: Path) -> Iterator[Running]:
    with running(Settings(name=NAMES[0], corrections=table), hostile, processes=1) as started:
        yield started


def watched(browser: Any, url: str, **how: Any) -> Iterator[Any]:
    """The page there, in which nothing but its own script may run."""
    asked: list[str] = []

    def dismissed(dialog: Any) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    for page in opened(browser, url, **how):
        page.on("dialog", dismissed)
        page.evaluate(RAN)
        yield page
        page.wait_for_timeout(300)  # a picture that fails would tell its handler by now
        assert page.evaluate(STRANGE) == NOTHING
        assert asked == []


def test_what_would_be_seen_is_seen(browser: Any, service: Running) -> None:
    """The check itself, on a page that takes a name for HTML; its own rules still forbid to run it."""
    for page in opened(browser, service.url):
        page.evaluate(RAN)
        page.evaluate("name => { document.querySelector('#answers').innerHTML = name; }", NAMES[0])
        strange = page.evaluate(STRANGE)
        assert (strange["handlers"], strange["pictures"]) == (1, 1)
        page.wait_for_timeout(300)
        assert page.evaluate("window.ranWith") == []


def test_on_the_page_names_are_text(browser: Any, service: Running, tmp_path: Path) -> None:
    known = classes()
    paths = []
    for number, name in enumerate(FILES):
        paths.append(tmp_path / name)
        paths[-1].write_bytes(picture((25 * number, 0, 0)))
    for page in watched(browser, service.url, viewport={"width": 1280, "height": 900}):
        cards = choose(page, *paths)
        assert NAMES[0] in page.inner_text("#model")
        for number, path in enumerate(paths):
            card = cards.nth(number)
            assert card.locator("h2").text_content() == path.name
            values = card.locator(".value").all_text_contents()
            name = known[number]
            assert values[0] == values[1] == name
            assert '"><script>ran(6)</script>' in values[2]
            assert values[3] == f"2 × {name}"
            assert f"colour: {name}" in card.locator(".boxes").text_content()
            assert card.get_by_text("4 numbers").count() == 1  # the embedding
            for each in NAMES:
                assert each in card.text_content()
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_text_that_runs_to_the_left_turns_nothing_else_around(
    browser: Any, service: Running, tmp_path: Path
) -> None:
    turned = next(name for name in NAMES if "\u202e" in name)
    path = tmp_path / "a.png"
    path.write_bytes(picture((25 * classes().index(turned), 0, 0)))
    left_of = """([outer, name]) => {
        const where = (text) => {
            const walker = document.createTreeWalker(outer, NodeFilter.SHOW_TEXT);
            for (let node; (node = walker.nextNode()); ) {
                const at = node.data.indexOf(text);
                if (at < 0) continue;
                const range = document.createRange();
                range.setStart(node, at);
                range.setEnd(node, at + text.length);
                return range.getBoundingClientRect();
            }
        };
        return [where(name).left, where("colour").left];
    }"""
    for page in watched(browser, service.url):
        line = choose(page, path).locator(".boxes button").first
        name, after = page.evaluate(left_of, [line.element_handle(), turned])
        assert name < after


def test_corrections_take_and_show_such_names(
    browser: Any, service: Running, table: Path, tmp_path: Path
) -> None:
    path = tmp_path / FILES[0]
    path.write_bytes(picture((5, 0, 0)))
    for page in watched(browser, service.url):
        card = choose(page, path)
        card.get_by_role("button", name="Correct these answers").click()
        field = card.locator("input[list]").first
        field.fill("=<img src=x onerror=ran(7)>")
        card.locator("select").first.select_option(NAMES[0])
        card.get_by_role("button", name="Keep").click()
        card.get_by_text("Kept in labels.csv").wait_for()
        assert "=<img src=x onerror=ran(7)>" in card.text_content()
        assert card.locator(".value").nth(4).text_content() == sorted(NAMES[:2])[0]  # of the last task
    with table.open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row["kind"] == "'=<img src=x onerror=ran(7)>"
    assert "constructor" not in row  # nobody changed it
    with table.with_name("labels-objects.csv").open(newline="", encoding="utf-8") as file:
        assert {row["label"] for row in csv.DictReader(file)} == {classes()[0], NAMES[0]}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """report.html of a training on a table with such names, the pictures called so too."""
    folder = tmp_path_factory.mktemp("reported")
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    rows, boxes = [], []
    for number in range(120):
        name = f"{number}{FILES[number % len(FILES)]}"
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(folder / "images" / name)
        kind = NAMES[number % len(NAMES)]
        rows.append({"image": name, "kind": kind, "style": kind})
        boxes.append([name, kind, 4, 4, 20 + number % 8, 24, kind])
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    with (folder / "boxes.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "label", "xmin", "ymin", "xmax", "ymax", "colour"])
        writer.writerows(boxes)
    config = f"""
        [[sources]]
        path = "rows.jsonl"
        images = "images"
        [[sources]]
        path = "boxes.csv"
        images = "images"
        [tasks.kind]
        type = "label"
        [tasks.style]
        type = "tags"
        [tasks.things]
        type = "boxes"
        from = "objects"
        width = 8
        attributes.colour = {{ type = "label" }}
        [tasks.look]
        type = "embedding"
        like = "kind"
        size = 8
        [split]
        test = 0.3
        {settings(epochs=1)}"""
    (folder / "oneglance.toml").write_text(config, encoding="utf-8")
    run = oneglance.train(folder / "oneglance.toml", out=folder / "run", screen=Screen())
    run.evaluate(screen=Screen())
    return run.path / "report.html"


def test_in_the_report_names_are_text(browser: Any, report: Path) -> None:
    for page in watched(browser, report.as_uri(), viewport={"width": 900, "height": 900}):
        text = page.locator("body").text_content()
        for name in NAMES:
            assert name[:100] in text, name
        for name in FILES:
            assert name[:80] in text, name
        assert page.evaluate("document.documentElement.scrollWidth") <= 900


def test_in_a_comparison_names_are_text(browser: Any, tmp_path: Path) -> None:
    """Names of tasks are checked when they are read, but compare.json may come from anybody."""
    value = compared()
    [*values] = value["tasks"].values()
    value["tasks"] = {name: {**values[0], "unit": name[:50], "baselines": {}} for name in NAMES}
    for entry in value["tasks"].values():
        entry["baselines"] = {name: {**entry["joint"], "seconds": 1.0} for name in NAMES[:3]}
    value["notes"] = list(NAMES)
    words = dict.fromkeys(("task", "why", "command"), NAMES[0])
    value["advice"] = [{**words, "remedy": "weight", "cost": {"words": NAMES[1]}}]
    for summary in value["summary"].values():
        summary |= {"worst_task": NAMES[0], "worse": list(NAMES), "better": [NAMES[1]]}
    path = tmp_path / "compare.html"
    write_page(path, value, title=NAMES[1])
    for page in watched(browser, path.as_uri(), viewport={"width": 900, "height": 900}):
        text = page.locator("body").text_content()
        for name in NAMES:
            assert name[:100] in text, name
        assert page.evaluate("document.documentElement.scrollWidth") <= 900
