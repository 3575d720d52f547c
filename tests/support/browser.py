"""A real browser: Chromium of the system, headless."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 60_000  # milliseconds: the machine may be busy

in_a_browser = [
    pytest.mark.slow,  # a browser starts, and each test opens its page anew
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright.expect.set_options(timeout=PATIENCE)
    with playwright.sync_playwright() as driver:
        flags = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=flags, timeout=3 * PATIENCE)
        yield chromium
        chromium.close()


def opened(browser: Any, url: str, **how: Any) -> Iterator[Any]:
    """The page there, which must speak to nobody else and never fail in its script."""
    context = browser.new_context(**how)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    hosts, faults = set(), []
    page.on("request", lambda request: hosts.add(request.url.split("?")[0]))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(url)
    yield page
    assert {host for host in hosts if not host.startswith((url, "blob:", "data:"))} == set()
    assert faults == []
    context.close()


def choose(page: Any, *paths: Path) -> Any:
    """Choose pictures with the button of the service's page; the cards."""
    with page.expect_file_chooser() as chooser:
        page.click("#choose")
    chooser.value.set_files([str(path) for path in paths])
    playwright.expect(page.locator(".card h2")).to_have_count(len(paths))
    return page.locator(".card")
