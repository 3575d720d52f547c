"""The pictures of the pages, of the demo on larger drawings: python docs/pictures.py FOLDER

FOLDER keeps the scenes, a run and a comparison, so that a second call only takes the pictures again. It takes
some six minutes on two cores. Needs Playwright and a Chromium (on Debian: apt-get install chromium).
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

import oneglance as og
from oneglance.data.synthetic import write_scenes
from oneglance.starting.demonstration import DEMO

IMAGES = Path(__file__).parent / "images"
COLOURS = (128, 64, 32, 16)  # of a palette; the first with which a file is small enough
LARGEST = 150_000  # bytes
PORT = 8765

COMPARED = """\
[[sources]]
path = "scenes/labels.csv"
group = "scene"

[tasks.digit]
type = "label"
[tasks.background]
type = "label"
[tasks.covered]
type = "number"
unit = "%"

[backbone]
name = "small"
size = 32
options = { width = 16 }

[augment]
flip = false

[training]
epochs = 10
batch = 32
"""


def main(folder: Path) -> None:
    run = trained(folder)
    compared = comparison(folder)
    some = examples(folder, run)
    drawn(some, run, folder / "drawn")
    with browser() as chromium:
        page = chromium.new_page(viewport={"width": 1000, "height": 1250})
        page.goto((run.path / "report.html").resolve().as_uri())
        keep(page.screenshot(), "report.png")
        page.goto((compared / "compare.html").resolve().as_uri())
        keep(page.screenshot(), "compare.png")
        with service(run):
            page.set_viewport_size({"width": 1000, "height": 1150})
            page.goto(f"http://127.0.0.1:{PORT}/")
            page.set_input_files("input[type=file]", str(some[0]))
            page.wait_for_timeout(5_000)
            keep(page.screenshot(), "page.png")


def trained(folder: Path) -> og.Run:
    write_scenes(folder / "scenes", count=1500, size=160)
    config = folder / "oneglance.toml"
    config.write_text(DEMO, encoding="utf-8")
    run = folder / "runs" / "scenes"
    if not (run / "tasks.json").exists():
        og.train(config, out=run, resume=run.exists())
    if not (run / "report.html").exists():
        og.evaluate(run)
    return og.Run(run)


def comparison(folder: Path) -> Path:
    config, out = folder / "compare.toml", folder / "compare"
    config.write_text(COMPARED, encoding="utf-8")
    if not (out / "compare.html").exists():
        og.compare(config, out=out, seeds=3, only=["joint", "single", "classical", "constant"])
    return out


def examples(folder: Path, run: og.Run) -> list[Path]:
    """Three pictures of the test split: nothing here was learned by heart."""
    rows = (run.path / "split.csv").read_text(encoding="utf-8").splitlines()
    names = [row.split(",")[0] for row in rows if row.endswith(",test")]
    return [folder / "scenes" / "images" / Path(name).name for name in names[:15:5]]


def drawn(pictures: list[Path], run: og.Run, folder: Path) -> None:
    """The pictures with their answers, beside each other."""
    shutil.rmtree(folder, ignore_errors=True)
    run.predict([str(path) for path in pictures], draw=folder)
    parts = [Image.open(path).convert("RGB") for path in sorted(folder.iterdir())]
    width, height = max(part.width for part in parts), max(part.height for part in parts)
    sheet = Image.new("RGB", (len(parts) * (width + 10) - 10, height), "white")
    for number, part in enumerate(parts):
        sheet.paste(part, (number * (width + 10), 0))
    keep(sheet, "answers.png")


def keep(picture: Image.Image | bytes, name: str) -> None:
    """Write a small PNG of few colours."""
    opened = Image.open(io.BytesIO(picture)) if isinstance(picture, bytes) else picture
    for colours in COLOURS:
        opened.convert("RGB").quantize(colours, dither=Image.Dither.NONE).save(IMAGES / name, optimize=True)
        size = (IMAGES / name).stat().st_size
        if size <= LARGEST:
            print(f"docs/images/{name}: {size:,} bytes, {colours} colours")
            return
    raise SystemExit(f"{name} is larger than {LARGEST:,} bytes")


@contextmanager
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        yield chromium
        chromium.close()


@contextmanager
def service(run: og.Run) -> Iterator[None]:
    command = [sys.executable, "-m", "oneglance", "serve", str(run.path), "--port", str(PORT)]
    process = subprocess.Popen(command)
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health")
                break
            except OSError:
                time.sleep(1)
        yield
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
