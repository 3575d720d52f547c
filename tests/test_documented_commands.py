"""What the README, the first pages and the guides say is typed, page by page and in order, in a real folder.

Then the same for commands that commands print: each works when it is copied.

So that it takes a minute and not a day, each command gets what ``SHORTER`` adds to it, and every
oneglance.toml that is written says one epoch. What is not typed stands in ``NOT_TYPED``, with its reason.
"""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from support.drawn import settings
from support.user import Said, Shell, shell  # noqa: F401

import oneglance
from oneglance.progress import Screen

ROOT = Path(__file__).resolve().parent.parent
GUIDES = sorted(page.relative_to(ROOT).as_posix() for page in (ROOT / "docs/guides").glob("*.md"))
PAGES = ["README.md", "docs/index.md", "docs/first-hour.md", *GUIDES]
TYPED = ("sh", "console", "python")  # languages of blocks that somebody types
SHOWN = ("toml", "json", "text", "")  # and of those that somebody reads
ONE_EPOCH = ["--set", "training.epochs=1", "--set", "training.precision=fp32"]
SHORTER = {
    "start": [*ONE_EPOCH, "--set", "backbone.size=32"],
    # Nothing is fetched from the internet.
    "train oneglance.toml": [*ONE_EPOCH, "--set", "backbone.weights=none", "--set", "backbone.size=32"],
    "train runs/photos --resume --set": ["--set", "training.epochs=2"],
    "compare": ["--only", "joint,constant", *ONE_EPOCH, "--seeds", "1"],
    "compare oneglance.toml --groups": ["--only", "joint,single"],
    "compare oneglance.toml --guided": ["--only", "joint,single"],
    "distil": ONE_EPOCH,
    "suspects": ["--folds", "3"],  # as many as twelve sellers allow
    "cluster": ["--clusters", "2"],  # of the few pictures here
    "tune": ["--seeds", "1", "--budget", ""],  # a second is enough for 81 sets of weights here
}
# The beginnings of what is not typed here, and why; a file that a reason names is there.
NOT_TYPED = {
    "make ": "installs everything anew and runs these tests; tests/test_readme.py looks for the targets",
    "pip install": "needs the internet; tests/test_readme.py looks for the extras",
    "oneglance demo": "takes minutes; tests/test_api.py runs it on few pictures",
    "oneglance weights --measure": "takes a while; tests/pretrained/test_pretrained_listing.py measures one",
    "oneglance serve": "never ends; tests/examples/test_first_hour.py types it and asks it",
    "ONEGLANCE_API_KEY=a-long-secret oneglance serve": "never ends; tests/serving/test_app.py has a key",
    "curl ": "asks a service; tests/serving/test_app.py sends the same form",
    "oneglance compare oneglance.toml --robustness": "takes minutes; test_worse_pictures.py",
    "oneglance train oneglance.toml --workers": "tests/training/distributed/test_workers.py types it",
    "oneglance train runs/all --resume --workers": "of another machine; test_workers.py goes on there",
    "torchrun ": "needs machines; tests/training/distributed/test_machines.py starts two on this one",
    "import oneglance\nfrom ray.train": "needs a cluster; tests/training/distributed/test_ray.py has one",
    "oneglance init s3://": "needs a store; tests/data/test_remote_sources.py reads from one",
    "oneglance train oneglance.toml --out s3://": "the same; tests/storage/remote/test_copies.py does so",
    "oneglance train s3://": "the same; it goes on there",
    "oneglance predict runs/kind https://": "the same; test_remote_sources.py reads from a server",
    "oneglance predict s3://": "the same; test_copies.py",
    "docker ": "needs Docker; tests/serving/test_deploy.py reads what it builds from",
    "oneglance extend runs/kind kids.toml --out runs/tuned --tune": "asks for more validation pictures than "
    "are drawn here; tests/training/test_held_tasks.py tunes",
    "from oneglance.testing import": "of an installed package; tests/examples/test_extension.py installs one",
}


class Typed(NamedTuple):
    """A command, or a whole block of Python."""

    page: str
    language: str
    text: str

    def reason(self) -> str | None:
        """Why it is not typed."""
        found = (why for beginning, why in NOT_TYPED.items() if self.text.startswith(beginning))
        return next(found, None)


def typed(page: str) -> Iterator[Typed]:
    """All that is typed on a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        if language == "python":
            yield Typed(page, language, block)
        elif language in TYPED:
            for line in block.replace("\\\n", " ").splitlines():
                if line.strip():
                    yield Typed(page, language, line.strip())


EVERYTHING = [one for page in PAGES for one in typed(page)]


def draw(path: Path, colour: tuple[int, int, int], seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).normal(colour, 20, (24, 32, 3))
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)


COLOURS = {"hat": (200, 40, 40), "shirt": (40, 40, 200)}
KINDS = tuple(COLOURS)


def catalogue(photos: str) -> None:
    """Pictures a0.jpg, a1.jpg … in that folder, labels.csv and boxes.csv of them, and new/."""
    rows, boxes = ["image,seller,kind,kids,style,price"], ["image,name,xmin,ymin,xmax,ymax,colour"]
    for number in range(24):
        kind = KINDS[number % 2]
        draw(Path(photos, f"a{number}.jpg"), COLOURS[kind], 100 + number)
        style = ("plain", "striped|long")[number % 3 == 0]
        rows.append(f"a{number}.jpg,{number // 2},{kind},{('yes', 'no')[number % 4 < 2]},{style},{number}")
        boxes.append(f"{photos}/a{number}.jpg,{kind},2,2,{10 + number % 5},12,red")
    Path("labels.csv").write_text("\n".join(rows) + "\n")
    Path("boxes.csv").write_text("\n".join(boxes) + "\n")
    for number in (90, 91):
        draw(Path("new", f"{number}.jpg"), COLOURS["hat"], number)


def folders_of_kinds() -> None:
    """photos/, a folder per kind; catalogue/ with its tables; and other formats of these."""
    for number in range(24):
        kind = KINDS[number % 2]
        draw(Path("photos", kind, f"{'ab'[number % 2]}{number // 2 + 1}.jpg"), COLOURS[kind], number)
    catalogue("catalogue")
    tasks = []
    for number in range(24):
        area = {"x": 10, "y": 10, "width": 30, "height": 40, "rotation": 0}
        region = {
            "type": "rectanglelabels",
            "from_name": "objects",
            "to_name": "image",
            "original_width": 32,
            "original_height": 24,
            "value": area | {"rectanglelabels": [KINDS[number % 2]]},
        }
        annotated = {"image": f"catalogue/a{number}.jpg"}
        tasks.append({"id": number, "data": annotated, "annotations": [{"result": [region]}]})
    Path("export.json").write_text(json.dumps(tasks))
    oneglance.convert("boxes.csv", "voc", "photos_voc")


SELLERS = '[[sources]]\npath = "labels.csv"\nimages = "photos"\ngroup = "seller"\n'
KIND = '[tasks.kind]\ntype = "label"\n'
KIDS = '[tasks.kids]\ntype = "label"\n'
MORE = KIDS + '[tasks.price]\ntype = "number"\n'
BOXES = '[[sources]]\npath = "boxes.csv"\n[tasks.objects]\ntype = "boxes"\nwidth = 8\ndepth = 1\n'
RUNS = {"shop": SELLERS + KIND + MORE + BOXES, "boxes": BOXES, "kind": SELLERS + KIND}


def shop() -> None:
    """photos/ with its tables, and the finished runs that the guides speak of."""
    catalogue("photos")
    numbers = range(24)
    images = [{"id": n, "file_name": f"photos/a{n}.jpg", "width": 32, "height": 24} for n in numbers]
    things = [{"id": n, "image_id": n, "category_id": n % 2, "bbox": [2, 2, 9, 9]} for n in numbers]
    classes = [{"id": number, "name": kind} for number, kind in enumerate(KINDS)]
    coco = {"images": images, "annotations": things, "categories": classes}
    Path("instances_train.json").write_text(json.dumps(coco))
    for run, text in RUNS.items():
        Path(f"{run}.toml").write_text(text + settings(epochs=1), encoding="utf-8")
        oneglance.train(f"{run}.toml", out=f"runs/{run}", screen=Screen())
    shutil.copytree("runs/kind", "runs/street")


def configured_shop() -> None:
    """The same with an oneglance.toml."""
    shop()
    Path("oneglance.toml").write_text(SELLERS + KIND + MORE + settings(epochs=1), encoding="utf-8")


def shop_with_prices() -> None:
    """The same with a run that answers prices alone."""
    configured_shop()
    text = SELLERS + '[tasks.price]\ntype = "number"\n' + settings(epochs=1)
    Path("price.toml").write_text(text, encoding="utf-8")
    oneglance.train("price.toml", out="runs/price", screen=Screen())


def kind_alone() -> None:
    """The same with a configuration of one more task."""
    shop()
    Path("kids.toml").write_text(SELLERS + KIDS + "[training]\nepochs = 1\n", encoding="utf-8")


def shop_with_more_pictures() -> None:
    """The same with pictures that nobody has labelled."""
    configured_shop()
    for number, name in enumerate("abcdef"):
        for folder in ("new", "pool"):
            draw(Path(folder, f"{name}.jpg"), COLOURS[KINDS[number % 2]], 200 + number + len(folder))


def shop_with_a_run_of_photos() -> None:
    """The same with a run called after its pictures."""
    configured_shop()
    shutil.copytree("runs/shop", "runs/photos")


WORLDS: dict[str, Callable[[], None]] = {
    "README.md": folders_of_kinds,
    "docs/first-hour.md": folders_of_kinds,
    "docs/index.md": lambda: catalogue("photos"),
    "docs/guides/teachers.md": shop_with_prices,
    "docs/guides/new-questions.md": kind_alone,
    "docs/guides/features.md": shop_with_more_pictures,
    "docs/guides/trust.md": shop_with_more_pictures,
    "docs/guides/several-machines.md": shop_with_a_run_of_photos,
    "docs/guides/boxes-with-attributes.md": shop,  # init writes oneglance.toml
}


def lengthened(words: list[str]) -> list[str]:
    """The words of a command with those that make it short."""
    line = " ".join(words)
    added = [more for beginning, more in SHORTER.items() if line.startswith(beginning)]
    return words + [word for more in added for word in more]


def run_python(text: str) -> None:
    """As a file that somebody starts."""
    module = ModuleType("typed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "typed", module)
        exec(compile(text, "typed", "exec"), module.__dict__)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one, the current folder."""
    monkeypatch.setenv("ONEGLANCE_CACHE", str(tmp_path / "cache"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.mark.slow  # many trainings, scores and exports of tiny networks: 35 s together on a quiet machine
@pytest.mark.parametrize("page", [page for page in PAGES if any(not one.reason() for one in typed(page))])
def test_what_a_page_says_works_in_order(page: str, folder: Path, shell: Shell) -> None:
    WORLDS.get(page, configured_shop)()
    for one in typed(page):
        if one.reason():
            continue
        if one.language == "python":
            run_python(one.text)
            continue
        words = shlex.split(one.text, comments=True)
        assert words.pop(0) == "oneglance", f"{page}: {one.text}: type it, or say in NOT_TYPED why not"
        said = shell(*lengthened(words))
        assert said.code == 0, f"{page}: {one.text}\n{said.err}"
        for config in folder.glob("*.toml"):
            shorter = re.sub(r"^epochs = .*", "epochs = 1", config.read_text(), flags=re.MULTILINE)
            config.write_text(shorter)
    if page == "README.md":
        assert len((folder / "answers.csv").read_text().splitlines()) == 1 + 2
        assert len(list((folder / "drawn").iterdir())) == 2


def printed(said: Said) -> list[list[str]]:
    """The commands in what was said that can be copied; those with a PLACEHOLDER cannot."""
    found = re.findall(r"oneglance ([a-z].*?)(?=, or |; |$)", said.out + said.err, re.MULTILINE)
    commands = [shlex.split(line) for line in found]
    return [words for words in commands if not any(re.fullmatch("[A-Z]{3,}", word) for word in words)]


@pytest.mark.slow  # two trainings, one that goes on, a comparison: each command prints the next
def test_what_is_printed_works_when_copied(folder: Path, shell: Shell) -> None:
    """From a wrong command to the last that is proposed, in a folder that a shell would take apart."""
    for number in range(12):
        kind = KINDS[number % 2]
        draw(Path("my photos (1)", kind, f"{number}.jpg"), COLOURS[kind], number)
    waiting = [["train", "my photos (1)"]]
    done: list[list[str]] = []
    while waiting:
        words = waiting.pop(0)
        done.append(words)
        begins = words[0] in ("start", "compare") or (words[0] == "train" and "--resume" not in words)
        more = SHORTER["start"] if begins and len(done) > 1 else []
        more = more + (["--only", "joint,constant", "--seeds", "1"] if words[0] == "compare" else [])
        said = shell(*words, *more)
        assert said.code == (len(done) == 1), f"{shlex.join(words)}\n{said.err}"
        new = [one for one in printed(said) if one[0] != "serve" and one not in [*done, *waiting]]
        waiting += new
    verbs = [words[0] for words in done]
    assert verbs[:3] == ["train", "init", "start"]
    assert set(verbs) == {"train", "init", "start", "evaluate", "predict", "compare"}
    run = str(Path("runs", "my photos (1)"))
    assert ["train", run, "--resume", "--set", "training.epochs=2"] in done
    assert len(oneglance.Run(run).history()) == 2


def test_every_block_is_typed_or_has_its_reason() -> None:
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        fences = re.findall(r"^```(\w*)", text, re.MULTILINE)[::2]
        assert set(fences) <= {*TYPED, *SHOWN}, f"{page}: which of its blocks are typed?"
    for one in EVERYTHING:
        if one.language != "python":
            assert one.reason() or one.text.startswith("oneglance "), f"{one.page}: {one.text}"


def test_reasons_are_needed_and_name_what_is_there() -> None:
    for beginning, why in NOT_TYPED.items():
        assert any(one.text.startswith(beginning) for one in EVERYTHING), f"nothing begins with {beginning}"
        assert all((ROOT / file).is_file() for file in re.findall(r"tests/\S+\.py", why)), why
    for beginning in SHORTER:
        assert any(one.text.startswith(f"oneglance {beginning}") for one in EVERYTHING), beginning


def test_pages_hold_what_is_to_be_typed() -> None:
    ran = [one for one in EVERYTHING if not one.reason()]
    assert len(ran) >= 45
    assert sum(one.language == "python" for one in ran) >= 4
    assert len(ran) >= 2 * (len(EVERYTHING) - len(ran)), "more and more is not typed"
