"""Names in tables that are not what the files are called."""

from __future__ import annotations

import json
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import pytest

from oneglance.data.images.references import FileImage, MemberImage
from oneglance.data.parsing import image_paths
from oneglance.data.record import Record
from oneglance.data.source import open_source
from oneglance.errors import Problem


def table(folder: Path, written: list[str], files: list[str], **keys: Any) -> tuple[list[str], list[Problem]]:
    """The files that the names of a table lead to, from ``folder``, and what is said."""
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    (folder / "t.jsonl").write_text("\n".join(json.dumps({"image": name, "kind": "x"}) for name in written))
    found, problems = [], []
    for item in open_source({"path": "t.jsonl", **keys}, folder).read():
        if isinstance(item, Record):
            assert isinstance(item.image, FileImage)
            found.append(item.image.path.removeprefix(f"{folder.resolve()}/"))
        else:
            problems.append(item)
    return found, problems


DRIVE = "C:\\Users\\Bob\\data\\"


@pytest.mark.parametrize(
    ("names", "files", "how"),
    [
        (["a", "b.b"], ["a.jpg", "b.b.png"], '2 without their ending ("a" is "a.jpg")'),
        (["A.JPG"], ["a.jpg"], '1 in another case or Unicode form ("A.JPG" is "a.jpg")'),
        (["Cat/a.jpg"], ["cat/a.jpg"], '1 in another case or Unicode form ("Cat/a.jpg" is "cat/a.jpg")'),
        (
            [DRIVE + "a.jpg", DRIVE + "cat\\b.jpg"],
            ["a.jpg", "cat/b.jpg"],
            f'2 without the beginning "{DRIVE}"',
        ),
        (["/home/bob/d/cat/a.jpg"], ["photos/cat/a.jpg"], '1 without the beginning "/home/bob/d/"'),
        (["\\\\nas\\share\\cat\\a.jpg"], ["cat/a.jpg"], '1 without the beginning "\\\\nas\\share\\"'),
        (["a.jpg", "b.jpg"], ["x/y/a.jpg", "x/y/b.jpg"], '2 in "x/y/" ("a.jpg" is "x/y/a.jpg")'),
        (["cat/1.jpg", "cat/2.jpg"], ["train/cat/1.jpg", "test/cat/2.jpg"], '1 in "train/"'),
        (["a.png", "b.PNG"], ["a.jpg", "b.jpg"], '2 with another ending ("a.png" is "a.jpg")'),
        (["photos/a.jpg"], ["a.jpg"], '1 without the beginning "photos/"'),
        ([DRIVE + "CAT\\A"], ["cat/a.jpg"], "1 without the beginning"),
    ],
)
def test_a_name_is_found_by_its_end_and_it_is_said_once(
    tmp_path: Path, names: list[str], files: list[str], how: str
) -> None:
    found, problems = table(tmp_path, names, files)
    assert found == files
    (problem,) = problems
    assert f"names {len(names)} pictures otherwise than their files are called: " in problem.what
    assert how in problem.what
    assert not problem.fatal
    assert 'names = "exact"' in problem.hint
    exact, problems = table(tmp_path, names, [], names="exact")
    assert set(exact).isdisjoint(files)
    assert not [p for p in problems if p.kind == "picture names"]


def test_names_that_are_right_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_paths, "TailSearch", None)  # nothing is searched
    assert table(tmp_path, ["a.jpg", "c/b.jpg", "c\\b.jpg"], ["a.jpg", "c/b.jpg", "d/a.jpg"]) == (
        ["a.jpg", "c/b.jpg", "c/b.jpg"],
        [],
    )


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (["cat/1.jpg"], ["dog/1.jpg"]),
        (["/home/bob/train/1.jpg"], ["test/1.jpg"]),
        (["a.png"], ["a.jpg"]),
        (["a.png", "b.png"], ["a.jpg", "b.jpg", "mask.png"]),
        (["a.png", "b.png", "c.png"], ["a.jpg", "b.jpg"]),
        (["aa.jpg"], ["a.jpg"]),
        (["a"], ["sub/b.jpg"]),
        (["a.jpg.jpg"], ["a.jpg"]),
        (["cat/1.jpg", "dog/2.jpg"], ["1.jpg", "2.jpg"]),
        (["../photos/a.jpg"], ["a.jpg"]),  # a name that leads out of the folder is refused
        ([".", "..", "/"], ["a.jpg"]),
    ],
)
def test_what_would_be_a_guess_is_not_made(tmp_path: Path, names: list[str], files: list[str]) -> None:
    found, problems = table(tmp_path, names, files)
    assert set(found).isdisjoint(files)
    assert not [p for p in problems if p.kind == "picture names"]


def test_all_of_it_in_one_table(tmp_path: Path) -> None:
    names = [
        "a.jpg",
        "B.JPG",
        "c",
        DRIVE + "d.jpg",
        "/home/bob/photos/cat/e.jpg",
        "photos/f.jpg",
        "g.jpg",
        "h.jpg",
    ]
    files = ["a.jpg", "b.jpg", "c.png", "d.jpg", "cat/e.jpg", "f.jpg", "dog/g.jpg"]
    found, problems = table(tmp_path, names, [*files, "dog/h.jpg", "cat/h.jpg"])
    assert found == [*files, "h.jpg"]
    assert "names 6 pictures otherwise" in problems[0].what


def test_a_longer_beginning_than_that_of_others_is_not_left_out(tmp_path: Path) -> None:
    """Its folder is not there: it is not the folder above it."""
    names = [DRIVE + "cat\\1.jpg", DRIVE + "2.jpg"]
    assert table(tmp_path, names, ["1.jpg", "2.jpg"])[0][1:] == ["2.jpg"]
    assert table(tmp_path, names[::-1], ["1.jpg", "2.jpg"])[0][:1] == ["2.jpg"]


def test_several_files_with_the_same_end_are_named(tmp_path: Path) -> None:
    found, problems = table(tmp_path, ["a.jpg", "b.jpg"], ["x/a.jpg", "y/a.jpg", "x/b.jpg"])
    assert found == ["x/b.jpg"]
    assert problems[0].location == "t.jsonl:1"
    assert problems[0].what == '"a.jpg" may be "x/a.jpg" or "y/a.jpg"'
    assert table(tmp_path, ["a"], ["a.jpg", "a.png"])[1][0].what == '"a" may be "a.jpg" or "a.png"'
    assert (
        table(tmp_path, ["Q.jpg", "q.JPG"], ["q.jpg", "Q.JPG"])[1][0].what
        == '"Q.jpg" may be "Q.JPG" or "q.jpg"'
    )


def test_two_names_for_one_file_are_fatal(tmp_path: Path) -> None:
    found, problems = table(tmp_path, ["C:\\cat\\1.jpg", "/dog/1.jpg"], ["1.jpg"])
    assert found == ["1.jpg"]
    assert problems[0].fatal
    assert problems[0].what == '"c:/cat/1" and "/dog/1.jpg" would both be "1.jpg"'
    found, problems = table(tmp_path, ["a", "A.jpg", "./a"], ["a.jpg"])
    assert found == ["a.jpg"] * 3
    assert "names 1 pictures otherwise" in problems[0].what


def test_a_name_in_another_case_is_the_same_picture(tmp_path: Path) -> None:
    """On any file system: else it would be in two splits at once."""
    (tmp_path / "a.jpg").touch()
    (tmp_path / "t.csv").write_text("image,kind\na.jpg,x\nA.JPG,x\n")
    items = [item for item in open_source({"path": "t.csv"}, tmp_path).read() if isinstance(item, Record)]
    assert items[0].image == items[1].image


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_in_either_form(tmp_path: Path, form: Any) -> None:
    other: Any = "NFD" if form == "NFC" else "NFC"
    file, name = (unicodedata.normalize(one, "caf\u00e9.jpg") for one in (form, other))
    assert table(tmp_path, [name], [file])[0] == [file]


def test_members_of_archives_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for name in ("photos/cat/a.jpg", "photos/b.jpg"):
            archive.writestr(name, b"jpeg")
    (tmp_path / "t.csv").write_text(f"image,kind\n{DRIVE}cat\\A.jpg,x\nb,x\nc.jpg,x\nphotos/b.jpg,x\n")
    items = list(open_source({"path": "t.csv", "images": "p.zip"}, tmp_path).read())
    images = [item.image for item in items if isinstance(item, Record)]
    assert [image.member for image in images if isinstance(image, MemberImage)] == [
        "photos/cat/a.jpg",
        "photos/b.jpg",
        "photos/b.jpg",
    ]
    messages = [item.what for item in items if isinstance(item, Problem)]
    assert messages[0] == '"c.jpg" is not in p.zip'
    assert "names 2 pictures otherwise" in messages[1]


def test_a_large_neighbourhood_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_paths, "MOST_SEARCHED", 3)
    assert table(tmp_path, ["A.jpg"], [f"{n}/a.jpg" for n in range(4)])[0] == ["A.jpg"]


@pytest.mark.parametrize("name", ["t.txt", "t.json", "t.xml"])
def test_lists_and_annotation_files_too(tmp_path: Path, name: str) -> None:
    (tmp_path / "sub" / "cat").mkdir(parents=True)
    (tmp_path / "sub" / "cat" / "a.jpg").touch()
    written = DRIVE + "cat\\a.jpg"
    coco = {
        "images": [{"id": 1, "file_name": written, "width": 9, "height": 9}],
        "annotations": [],
        "categories": [],
    }
    image = f'<image id="0" name="{written}" width="9" height="9"/>'
    cvat = f"<annotations><version>1.1</version>{image}</annotations>"
    (tmp_path / name).write_text({"t.txt": written, "t.json": json.dumps(coco), "t.xml": cvat}[name])
    items = list(open_source({"path": name}, tmp_path).read())
    images = [item.image for item in items if isinstance(item, Record)]
    assert [image.path.endswith("sub/cat/a.jpg") for image in images if isinstance(image, FileImage)] == [
        True
    ]
    assert "picture names" in {item.kind for item in items if isinstance(item, Problem)}
