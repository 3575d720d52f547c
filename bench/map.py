"""How smoothly the page of `oneglance map` moves: the time of its frames in headless Chromium.

    python bench/map.py                     50,000 drawn points, the page as large as it may become
    python bench/map.py --points 5000
    python bench/map.py --page runs/a/map.html

The map is dragged and zoomed, 120 steps of each, one with every frame that the browser gives, on a desktop
(1280 x 800) and on a phone (390 x 844, with two pixels per point, as the page draws there). Per frame: how
long the page computes, and how far apart frames are. Chromium has no graphics card here; with one, only the
last step of each frame is faster.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from oneglance.features.mapping.columns import column
from oneglance.features.mapping.page import map_page
from oneglance.features.mapping.projection import Projection
from oneglance.features.mapping.sprites import Plan, sheets

MEASURE = """
window.ask = window.requestAnimationFrame.bind(window);
window.computed = [];
window.requestAnimationFrame = (work) => window.ask((now) => {
  const began = performance.now();
  work(now);
  window.computed.push([now, performance.now() - began]);
});
"""


# A step with each frame that the browser gives: a drag to and fro, then the wheel in and out.
USE = """
(moves) => new Promise((done) => {
  const map = document.getElementById("map"), box = map.getBoundingClientRect();
  const x = box.left + box.width / 2, y = box.top + box.height / 2;
  map.setPointerCapture = () => {};
  const at = (kind, step) => map.dispatchEvent(new PointerEvent(kind, {
    pointerId: 1, pointerType: "mouse", bubbles: true, button: 0,
    clientX: x + 60 * Math.sin(step / 6), clientY: y + 40 * Math.sin(step / 9),
  }));
  at("pointerdown", 0);
  let step = 0;
  const next = () => {
    if (step === moves) at("pointerup", step);
    if (step < moves) at("pointermove", step);
    else map.dispatchEvent(new WheelEvent("wheel", {
      clientX: x, clientY: y, deltaY: step % 40 < 20 ? -120 : 120, cancelable: true,
    }));
    if (++step < 2 * moves) ask(next); else setTimeout(done, 100);
  };
  ask(next);
})
"""


def drawn_page(points: int) -> str:
    draw = np.random.default_rng(0)
    group = draw.integers(0, 12, points)
    middles = draw.uniform(0.12, 0.88, (12, 2))
    places = np.clip(middles[group] + draw.normal(scale=0.045, size=(points, 2)), 0, 1).astype(np.float32)
    plan = Plan.of(points)
    small = (draw.integers(0, 256, (6, 6, 3), np.uint8) for _ in plan.rows)
    pictures = (
        Image.fromarray(one).resize((plan.side, plan.side), Image.Resampling.BICUBIC) for one in small
    )
    sprites = sheets(plan, pictures, points)
    columns = [
        column("kind: answer", [f"class {one}" for one in group.tolist()]),
        column("price: answer", draw.lognormal(size=points).tolist(), "EUR"),
    ]
    report = {
        "oneglance": "0",
        "date": "2026-11-29",
        "pictures": points,
        "thumbnails": int((sprites.slots >= 0).sum()),
        "how": "drawn",
        "trustworthiness": None,
    }
    names = [f"pool/{row:06d}.jpg" for row in range(points)]
    print(f"{report['thumbnails']:,} of {points:,} points with a thumbnail of {plan.side} pixels")
    known = [one for one in columns if one is not None]
    return map_page(report, names, Projection(places, "drawn", None), known, sprites, "bench")


def measured(file: Path, moves: int) -> None:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, width, height, scale in (("desktop", 1280, 800, 1), ("phone", 390, 844, 3)):
            context = browser.new_context(
                viewport={"width": width, "height": height}, device_scale_factor=scale
            )
            page = context.new_page()
            page.add_init_script(MEASURE)
            began = time.perf_counter()
            page.goto(f"file://{file}")
            page.wait_for_timeout(300)
            page.wait_for_function("computed.length > 0")
            opened = time.perf_counter() - began - 0.3
            page.evaluate("computed.length = 0")
            page.evaluate(USE, moves)
            frames = page.evaluate("computed")
            times = [one for _, one in frames]
            gaps = [after[0] - before[0] for before, after in pairwise(frames)]
            print(f"{name}: open after {opened:.1f} s; {len(frames)} frames")
            print(f"  computing {percentiles(times)} ms\n  apart {percentiles(gaps)} ms")
            context.close()
        browser.close()


def percentiles(values: list[float]) -> str:
    ordered = sorted(values)
    return (
        f"median {statistics.median(ordered):.1f}, 95 % below {ordered[int(0.95 * (len(ordered) - 1))]:.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=50_000)
    parser.add_argument("--moves", type=int, default=120)
    parser.add_argument("--page", type=Path)
    arguments = parser.parse_args()
    if arguments.page:
        measured(arguments.page.resolve(), arguments.moves)
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "map.html"
        file.write_text(drawn_page(arguments.points), encoding="utf-8")
        print(f"{file.stat().st_size / 1e6:.1f} MB")
        measured(file, arguments.moves)


if __name__ == "__main__":
    main()
