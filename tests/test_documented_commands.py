"""What the README and the first page of the documentation say is typed, in order, in one folder.

So that it takes a minute and not a day, each command gets what ``SHORTER`` adds to it, and every
oneglance.toml that is written says one epoch. ``ELSEWHERE`` is run by other tests.
"""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.user import Shell, shell  # noqa: F401

import oneglance

ROOT = Path(__file__).resolve().parent.parent
ONE_EPOCH = ["--set", "training.epochs=1", "--set", "training.precision=fp32"]
SHORTER = {
    "start": ONE_EPOCH,
    # Nothing is fetched from the internet.
    "train oneglance.toml": [*ONE_EPOCH, "--set", "backbone.weights=none", "--set", "backbone.size=32"],
    "train runs/photos --resume --set": ["--set", "training.epochs=2"],
    "compare": [*ONE_EPOCH, "--seeds", "1", "--only", "joint,constant"],
}
ELSEWHERE = {"demo": "tests/test_demonstration.py", "serve": "examples/first_hour.sh, it never ends"}


def typed(page: str) -> Iterator[tuple[str, str]]:
    """(language, text) of each command and of each Python block of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for language, block in re.findall(r"^```(sh|python)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for one in block.splitlines() if language == "sh" else [block]:
            if one.startswith("oneglance ") or language == "python":
                yield language, one


def draw(path: Path, colour: tuple[int, int, int], seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).normal(colour, 20, (24, 32, 3))
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the pages speak of: photos/, catalogue/ with labels.csv and boxes.csv, new/, and other formats."""
    monkeypatch.setenv("ONEGLANCE_CACHE", str(tmp_path / "cache"))
    work = tmp_path / "work"
    colours = {"hat": (200, 40, 40), "shirt": (40, 40, 200)}
    rows, boxes, tasks = ["image,seller,kind,style,price"], ["image,name,xmin,ymin,xmax,ymax,colour"], []
    for number in range(24):
        kind = ("hat", "shirt")[number % 2]
        draw(work / "photos" / kind / f"{'ab'[number % 2]}{number // 2 + 1}.jpg", colours[kind], number)
        draw(work / "catalogue" / f"a{number}.jpg", colours[kind], 100 + number)
        rows.append(
            f"a{number}.jpg,{number // 2},{kind},{('plain', 'striped|long')[number % 3 == 0]},{number}"
        )
        boxes.append(f"catalogue/a{number}.jpg,{kind},2,2,{10 + number % 5},12,red")
        area = {"x": 10, "y": 10, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": [kind]}
        region = {
            "type": "rectanglelabels",
            "from_name": "objects",
            "to_name": "image",
            "original_width": 32,
            "original_height": 24,
            "value": area,
        }
        annotated = {"image": f"catalogue/a{number}.jpg"}
        tasks.append({"id": number, "data": annotated, "annotations": [{"result": [region]}]})
    (work / "labels.csv").write_text("\n".join(rows) + "\n")
    (work / "boxes.csv").write_text("\n".join(boxes) + "\n")
    (work / "export.json").write_text(json.dumps(tasks))
    for number in (90, 91):
        draw(work / "new" / f"{number}.jpg", colours["hat"], number)
    monkeypatch.chdir(work)
    oneglance.convert("boxes.csv", "voc", "photos_voc")
    return work


def lengthened(words: list[str]) -> list[str]:
    """The words of a command with those that make it short."""
    line = " ".join(words)
    added = [more for beginning, more in SHORTER.items() if line.startswith(beginning)]
    return words + [word for more in added for word in more]


@pytest.mark.slow  # a dozen trainings, scores and exports of tiny networks: 30 s on a quiet machine
@pytest.mark.parametrize("page", ["README.md", "docs/first-hour.md"])
def test_what_a_page_says_works_in_order(page: str, folder: Path, shell: Shell) -> None:
    for language, text in typed(page):
        if language == "python":
            exec(compile(text, page, "exec"), {})
            continue
        words = shlex.split(text, comments=True)[1:]
        if words[0] in ELSEWHERE:
            continue
        response = shell(*lengthened(words))
        assert response.code == 0, f"{page}: {text}\n{response.err}"
        for config in folder.glob("*.toml"):
            shorter = re.sub(r"^epochs = .*", "epochs = 1", config.read_text(), flags=re.MULTILINE)
            config.write_text(shorter)
    if page == "README.md":
        assert len((folder / "answers.csv").read_text().splitlines()) == 1 + 2
        assert len(list((folder / "drawn").iterdir())) == 2


def test_pages_hold_what_is_to_be_typed() -> None:
    assert len(list(typed("README.md"))) >= 11
    assert len(list(typed("docs/first-hour.md"))) >= 16
