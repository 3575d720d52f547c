"""Pictures that show the same are found, whatever was done to one of them; others that look alike are not."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

import oneglance
from oneglance.data.images.references import FileImage
from oneglance.data.inspection.near_duplicates import candidates
from oneglance.data.inspection.near_duplicates.find import Pair
from oneglance.data.inspection.near_duplicates.report import MANY, problems
from oneglance.data.record import Record
from oneglance.errors import ConfigError
from oneglance.progress import Screen
from oneglance.task import build_tasks

SIDE = 96
KIND = "near_duplicate"


def drawn(seed: int) -> Image.Image:
    """Something with light and dark areas and details, unlike what another seed gives."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 255, (5, 5, 3), dtype=np.uint8)).resize((SIDE, SIDE), 3)
    fine = Image.fromarray(random.integers(0, 255, (20, 20, 3), dtype=np.uint8)).resize((SIDE, SIDE), 3)
    return Image.blend(coarse, fine, 0.4)


def compressed(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "compressed": lambda p: compressed(p, 20),
    "resized": lambda p: p.resize((40, 40)),
    "stretched": lambda p: p.resize((90, 60)),
    "mirrored": ImageOps.mirror,
    "cropped": lambda p: p.crop((6, 3, 91, 88)),
    "cropped_to_its_middle": lambda p: p.crop((12, 0, 84, 96)),
    "brighter": lambda p: ImageEnhance.Brightness(p).enhance(1.25),
    "grey": lambda p: p.convert("L").convert("RGB"),
    "all": lambda p: compressed(ImageOps.mirror(p.crop((5, 2, 92, 90)).resize((60, 60))), 60),
}


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, oneglance.Problems]:
    """A folder of 40 pictures, of which one in four has a changed copy, and what check says of it."""
    folder = tmp_path_factory.mktemp("copies")
    (folder / "pictures").mkdir()
    rows = []
    for number in range(40):
        drawn(number).save(folder / "pictures" / f"p{number:02}.png")
        rows.append((f"p{number:02}.png", "ab"[number % 2], "train"))
    for number, (name, change) in enumerate(CHANGES.items()):
        change(drawn(number)).save(folder / "pictures" / f"{name}.png")
        rows.append((f"{name}.png", "ab"[number % 2], "test"))
    write(folder / "labels.csv", [("image", "kind", "part"), *rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONEGLANCE_CACHE", str(tmp_path_factory.mktemp("cache")))
        return folder, oneglance.check(config(folder), screen=Screen(), fix=True)


def config(folder: Path, *sources: dict[str, str], split: str = "split") -> Path:
    path = folder / "oneglance.toml"
    more = "".join(
        "[[sources]]\n" + "".join(f'{key} = "{value}"\n' for key, value in one.items()) for one in sources
    )
    path.write_text(
        f'[[sources]]\npath = "labels.csv"\nimages = "pictures"\nsplit = "{split}"\n{more}'
        '[tasks.kind]\ntype = "label"\n[backbone]\nname = "small"\nsize = 64\n[cache]\nworkers = 1\n'
    )
    return path


def write(path: Path, rows: list[tuple[str, ...]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found(checked: tuple[Path, oneglance.Problems], change: str) -> None:
    original = f"p{list(CHANGES).index(change):02}.png"
    groups = [set(problem.pictures) for problem in checked[1] if problem.kind == KIND]
    assert any(len(group) == 2 and {change, original[:-4]} == stems(group) for group in groups)


def stems(names: set[str]) -> set[str]:
    return {Path(name).stem for name in names}


def test_nothing_else_is_called_a_copy(checked: tuple[Path, oneglance.Problems]) -> None:
    assert len([problem for problem in checked[1] if problem.kind == KIND]) == len(CHANGES)


def test_what_was_done_is_said(checked: tuple[Path, oneglance.Problems]) -> None:
    said = {
        (stems(set(problem.pictures)) & CHANGES.keys()).pop(): problem.what
        for problem in checked[1]
        if problem.kind == KIND
    }
    assert "(mirrored)" in said["mirrored"]
    assert "(resized)" in said["resized"]
    assert "cropped" in said["cropped"] and "mirrored" not in said["cropped"]


def test_the_table_keeps_copies_together(
    checked: tuple[Path, oneglance.Problems], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ONEGLANCE_CACHE", str(tmp_path))
    folder, problems = checked
    assert problems.fixed == folder / "near_duplicates.csv"
    grouped = {"path": "near_duplicates.csv", "group": "group"}
    before = {path: path.read_bytes() for path in folder.rglob("*.png")}
    again = oneglance.check(config(folder, grouped), screen=Screen(), fix=True)
    assert [problem for problem in again if problem.kind == KIND] == []
    with (folder / "near_duplicates.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(CHANGES)  # written again, with the groups that it gave itself
    assert before == {path: path.read_bytes() for path in folder.rglob("*.png")}
    assert {problem.kind for problem in again} <= {problem.kind for problem in problems}


def test_parts_that_share_a_copy_are_named(
    checked: tuple[Path, oneglance.Problems], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ONEGLANCE_CACHE", str(tmp_path))
    problems = oneglance.check(config(checked[0], split="part"), screen=Screen())
    found = [problem for problem in problems if problem.kind == KIND]
    assert len(found) == len(CHANGES)
    assert any("they are in train and test" in problem.what for problem in found)
    assert all("group" not in p.hint for p in found if "train and test" in p.what)  # no group can help there


def on_a_plate(what: str, shift: int) -> Image.Image:
    """A thing before a background that is always the same, photographed from almost the same place."""
    picture = drawn(1000).resize((SIDE + 4, SIDE + 4)).crop((shift, 0, shift + SIDE, SIDE))
    thing = ImageDraw.Draw(picture)
    thing.ellipse((34, 40, 62, 68), fill="white")
    if what == "egg":
        thing.ellipse((42, 46, 54, 62), fill="brown")
    else:
        thing.rectangle((40, 50, 56, 58), fill="brown")
    return picture


def test_other_things_in_one_place_look_alike_and_contradict_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEGLANCE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "pictures").mkdir()
    rows = [("image", "kind", "part")]
    for number in range(20):
        drawn(number).save(tmp_path / "pictures" / f"p{number:02}.png")
        rows.append((f"p{number:02}.png", "ab"[number % 2], ""))
    for number, what in enumerate(("egg", "egg", "toast", "toast")):
        on_a_plate(what, number).save(tmp_path / "pictures" / f"{what}{number}.png")
        rows.append((f"{what}{number}.png", what, ""))
    compressed(on_a_plate("egg", 0), 60).save(tmp_path / "pictures" / "copy.png")
    write(tmp_path / "labels.csv", [*rows, ("copy.png", "toast", "")])
    (problem,) = [one for one in oneglance.check(config(tmp_path), screen=Screen()) if one.kind == KIND]
    assert len(problem.pictures) == 5
    assert "and 3 more that are the same or look alike" in problem.what
    assert problem.what.count("kind is") == 1
    assert problem.what.endswith('; kind is "toast", but "egg" (copy.png and egg0.png)')
    write(tmp_path / "labels.csv", [row for row in rows if row[0] != "copy.png"])
    (problem,) = [one for one in oneglance.check(config(tmp_path), screen=Screen()) if one.kind == KIND]
    assert "kind is" not in problem.what


def test_a_table_of_the_users_is_not_written_over(tmp_path: Path) -> None:
    write(tmp_path / "near_duplicates.csv", [("image", "group"), ("a.png", "mine")])
    write(tmp_path / "labels.csv", [("image", "kind"), ("a.png", "x")])
    (tmp_path / "pictures").mkdir()
    with pytest.raises(ConfigError, match="no table of check"):
        oneglance.check(config(tmp_path), screen=Screen(), fix=True)
    assert "mine" in (tmp_path / "near_duplicates.csv").read_text()


def test_many_pictures_are_looked_up_in_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in one cell: what is nearest is found among more pictures than are compared one by one."""
    monkeypatch.setattr(candidates, "EXACT", 64)
    random = np.random.default_rng(0)
    coarse = random.integers(0, 255, (500, 12, 12), dtype=np.uint8)
    coarse[-40:] = coarse[:40]
    pictures = coarse.repeat(4, axis=1).repeat(4, axis=2)
    pictures[-20:] = pictures[-20:, :, ::-1]
    found = candidates.candidates(
        np.arange(500), lambda rows: pictures[rows].astype(np.float32), lambda done: None
    )
    mirrored = {
        (min(a, b), max(a, b)): turned
        for a, b, turned in zip(
            found.first.tolist(), found.second.tolist(), found.mirrored.tolist(), strict=True
        )
    }
    assert [mirrored.get((row, 460 + row)) for row in range(40)] == [False] * 20 + [True] * 20


@pytest.mark.parametrize("count", [MANY, MANY + 1])
def test_a_large_group_may_be_of_one_arrangement(count: int) -> None:
    """Photographs of 943 solar cells look alike, and their defects differ."""
    kind = build_tasks({"kind": {"type": "label"}})["kind"]
    records = [
        Record(f"t:{n}", FileImage(f"{n}.png", f"{n}.png"), {"kind": "ab"[n % 2]}) for n in range(count)
    ]
    chain = [Pair(n, n + 1, "", is_copy=True) for n in range(count - 1)]
    digests = [bytes([n]) for n in range(count)]
    (problem,) = problems([chain], records, ["train"] * count, [kind], digests)
    assert ("one arrangement" in problem.what) == (count > MANY)
    assert ("kind is" in problem.what) == (count <= MANY)
    assert len(problem.pictures) == count
