"""Where nothing is understood: what was seen is shown, bounded and harmless, and what comes nearest."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import oneglance
from oneglance.data.proposing.seen_files import SeenFiles
from oneglance.errors import ConfigError, DataError


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def draw(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (9, 12, 3), np.uint8)
        Image.fromarray(pixels).save(folder / name)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def refused(path: str, verb: Callable[..., object] = oneglance.init) -> str:
    with pytest.raises(DataError) as error:
        verb(path)
    assert not Path("oneglance.toml").exists()
    return str(error.value)


def test_the_whole_message(place: Path) -> None:
    draw(place / "set", *(f"IMG_{1000 + n}.jpg" for n in range(20)), "more/a.png")
    write(place / "set/notes.csv", "when,who\nday 1,me\nday 2,you\nday 3,I\n")
    assert refused("set") == (
        "set: nothing there looks like an answer — name a table of answers, or sort the pictures into a "
        "folder per class\n"
        "seen there:\n"
        "  set/  20 .jpg, 1 .csv\n"
        "    more/  1 .png\n"
        "  notes.csv begins:\n"
        "    when,who\n"
        "    day 1,me\n"
        "    day 2,you\n"
        "what was read there and is not asked:\n"
        "  notes.csv: no column looks like the pictures' names\n"
        '  folder says "more" in 1 of 21 rows\n'
        "the nearest layouts:\n"
        "  a table beside the pictures: image,kind and a row for each picture — notes.csv: no column looks "
        "like the pictures' names\n"
        "  a folder per class: hat/1.jpg, shoe/2.jpg — missing: names that say what the pictures show; here "
        "they are more"
    )


def test_check_and_start_say_the_same(place: Path) -> None:
    draw(place / "set", "x/a.jpg", "x/b.jpg")
    message = refused("set")
    assert refused("set", oneglance.check) == message
    pytest.importorskip("torch")
    assert refused("set", oneglance.start) == message


def test_a_folder_that_is_understood_is_still_no_configuration(place: Path) -> None:
    draw(place / "set", *(f"{kind}/{n}.jpg" for kind in ("hat", "cap") for n in range(6)))
    with pytest.raises(
        ConfigError, match="is a folder, not a configuration — begin with: oneglance init set"
    ):
        oneglance.check("set")


def test_a_table_without_answers_says_why(place: Path) -> None:
    draw(place / "set", *(f"{n}.jpg" for n in range(9)))
    write(place / "set/t.csv", "image,note\n" + "".join(f"{n}.jpg,a text number {n}\n" for n in range(9)))
    assert (
        "t.csv: no column is an answer: note 9 different texts in all 9 rows: too many for classes"
        in refused("set")
    )


PLACE = "say where they are: oneglance init PICTURES set/labels.csv"


@pytest.mark.parametrize(
    ("files", "nearest"),
    [
        ({"answers.xlsx": "PK", "a.jpg": ""}, '"answers.xlsx" is a spreadsheet: save it as CSV'),
        ({"a.xml": "<x/>", "photos/b.jpg": ""}, 'missing: a picture that is called like "a.xml"'),
        ({"a.txt": "0 0.5 0.5 0.1 0.1\n", "b.jpg": ""}, 'missing: a picture that is called like "a.txt"'),
        ({"labels.csv": "image,kind\na.jpg,hat\n"}, f'the pictures that "labels.csv" names; {PLACE}'),
        ({"x.json": '{"images": []}', "a.jpg": ""}, 'missing: "annotations" and "categories" in "x.json"'),
        ({"x.json": '{"shapes": [], "flags": {}}', "a.jpg": ""}, 'missing: a picture that "x.json" names'),
        ({"x.json": '{"project": {"data_format_version": "3.1", "vid_list": []}}', "a.jpg": ""}, "of VIA 3"),
        ({"photos.zip": "PK"}, "name it, oneglance init set/photos.zip, or unpack it"),
        ({"photos.rar": "Rar"}, 'unpack "photos.rar"'),
        ({"x.npy": "x"}, '"x.npy" is not read: write its pictures as PNG'),
        ({"only.docx": "x"}, "missing: pictures"),
        ({}, "missing: pictures"),
    ],
)  # fmt: skip
def test_the_nearest_layout(place: Path, files: dict[str, str], nearest: str) -> None:
    (place / "set").mkdir()
    for name, text in files.items():
        if name.endswith(".jpg"):
            draw(place / "set", name)
        else:
            write(place / "set" / name, text)
    lines = refused("set").partition("the nearest layouts:\n")[2].splitlines()
    assert len(lines) == 2
    assert nearest in lines[0] or nearest in lines[1]


def test_what_is_shown_is_bounded_and_harmless(place: Path) -> None:
    for number in range(60):
        write(place / f"set/a/b/c/d{number}/x\x1b[2J{number}.tex", "x")
        write(place / f"set/e{number}/f/g/\u202ename.pdf", "x")
    write(place / "set/t.csv", "\x1b[31mred,\x07bell\r\n" + "long " * 5000 + "\n" + "\n".join("abcdefg"))
    write(place / "set/binary.txt", "a\0b")
    os.mkfifo(place / "set/pipe.json")
    message = refused("set")
    assert all(line.isprintable() for line in message.splitlines())
    assert len(message.splitlines()) < 45 and max(map(len, message.splitlines())) < 260
    assert "  … and 56 more folders: 56 .pdf" in message and r"\x1b[31mred,\x07bell" in message


def test_many_folders_take_no_time(place: Path) -> None:
    for number in range(3000):
        (place / f"set/{number}").mkdir(parents=True)
        (place / f"set/{number}/a.tex").touch()
    began = time.process_time()
    assert "    … and 2,995 more folders: 2,995 .tex" in SeenFiles.of(place / "set").lines()
    assert time.process_time() - began < 2
