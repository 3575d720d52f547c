"""The site that `make docs` builds: complete, and read without asking another host for anything."""

from __future__ import annotations

import functools
import http.server
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import pytest

import oneglance

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"

needs_mkdocs = pytest.mark.skipif(
    find_spec("material") is None or find_spec("mkdocstrings") is None,
    reason="the group docs is not installed: make docs",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; strict, so that a broken link or anchor fails."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-W", "ignore", "-m", "mkdocs", "build", "--strict", "--quiet"]
    built = subprocess.run(
        [*command, "--site-dir", str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


class Loads(HTMLParser):
    """What a page loads by itself, as opposed to what a reader may follow."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and given.get("rel") not in ("canonical", "next", "prev"):
            self.found.append(given.get("href") or "")
        if tag in ("script", "img", "source", "iframe", "video", "audio", "embed"):
            self.found.append(given.get("src") or "")
        self.found += re.findall(r"url\(['\"]?([^)'\"]+)", given.get("style") or "")


def loaded(file: Path) -> list[str]:
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".css":
        return re.findall(r"(?:url\(|@import\s+)['\"]?([^)'\"\s]+)", text)
    parser = Loads()
    parser.feed(text)
    return parser.found


def elsewhere(address: str) -> bool:
    return address.startswith(("http:", "https:", "//"))


@needs_mkdocs
def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    files = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(files) >= 20
    assert {(file.name, one) for file in files for one in loaded(file) if elsewhere(one)} == set()


def test_the_check_would_find_a_font_and_a_script_of_another_host(tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    page.write_text(
        '<link rel="stylesheet" href="https://fonts.example/a.css"><script src="//cdn.example/a.js"></script>'
        '<a href="https://example.org">a reader may follow this</a>'
    )
    assert [elsewhere(one) for one in loaded(page)] == [True, True]
    style = tmp_path / "a.css"
    style.write_text("@font-face { src: url('https://fonts.example/a.woff2') }")
    assert [elsewhere(one) for one in loaded(style)] == [True]


@needs_mkdocs
def test_every_page_is_in_the_site(site: Path) -> None:
    pages = {page.relative_to(DOCS).with_suffix(".html") for page in DOCS.rglob("*.md")}
    pages -= {page for page in pages if page.parts[0] == "generate"}
    assert {page for page in pages if not (site / page).is_file()} == set()
    assert not list(site.rglob("*.py"))


def test_every_public_name_is_on_the_page_about_python() -> None:
    page = (DOCS / "reference" / "python.md").read_text(encoding="utf-8")
    described = re.findall(r"^::: ([\w.]+)$", page, re.MULTILINE)
    public = {name: getattr(oneglance, name) for name in oneglance.__all__}
    wanted = [f"{value.__module__}.{name}" for name, value in public.items()]
    purposes = [base for base in oneglance.Task.__bases__ if base.__module__.startswith("oneglance.task.")]
    wanted += [f"{base.__module__}.{base.__name__}" for base in purposes]
    assert sorted(described) == sorted([*wanted, "oneglance.testing"])


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@needs_mkdocs
def test_in_a_browser_the_search_works_and_no_other_host_is_asked(address: str) -> None:
    browsers = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    browser = next(filter(None, browsers), None)
    if browser is None:
        pytest.skip("the system has no Chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    asked: list[str] = []
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address + "index.html")
        page.locator("[data-md-component=search-query]").click()
        page.keyboard.type("letterbox")
        page.wait_for_selector(".md-search-result__item")
        page.goto(address + "reference/configuration.html")
        page.wait_for_load_state("networkidle")
        chromium.close()
    assert len(asked) >= 5
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
