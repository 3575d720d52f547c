"""What a person names becomes pictures, in that order and under those names."""

from __future__ import annotations

import os
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from oneglance.data.image_inputs import A_LIST, folder_of_names, pictures, relative
from oneglance.data.images.decode import Limits
from oneglance.data.images.decoding.decode_pool import decode
from oneglance.data.images.letterbox import Fit
from oneglance.errors import DataError
from oneglance.progress import Screen


class Heard(Screen):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``new/{a,b}.png`` and ``old/deep/a.png``, from the current folder."""
    for name in ("new/b.png", "new/a.png", "old/deep/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), "red").save(tmp_path / name)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def named(*given: str | Path, screen: Screen | None = None) -> list[str]:
    refs = pictures(given, screen or Screen())
    for ref in refs:
        assert ref.load(), "a name that leads nowhere"
    return [ref.name for ref in refs]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["new/a.png"], ["new/a.png"]),
        (["old/deep/a.png", "new/a.png"], ["old/deep/a.png", "new/a.png"]),
        (["new"], ["new/a.png", "new/b.png"]),
        (["new/"], ["new/a.png", "new/b.png"]),
        (["old"], ["old/deep/a.png"]),
        (["old/deep"], ["old/deep/a.png"]),
        (["new/*.png"], ["new/a.png", "new/b.png"]),
        (["new/b.png", "new/*"], ["new/b.png", "new/a.png", "new/b.png"]),
        (["**/a.png"], ["new/a.png", "old/deep/a.png"]),
        (["*"], ["new/a.png", "new/b.png", "old/deep/a.png"]),
        (["./new/../new/a.png"], ["./new/../new/a.png"]),
    ],
)
def test_pictures_are_called_as_they_were_named(photos: Path, given: list[str], expected: list[str]) -> None:
    assert named(*given) == expected


def test_one_may_be_given_without_a_list(photos: Path) -> None:
    assert [ref.name for ref in pictures("new/a.png", Screen())] == ["new/a.png"]
    assert [ref.name for ref in pictures(Path("new"), Screen())] == ["new/a.png", "new/b.png"]


def test_whole_paths_stay_whole(photos: Path) -> None:
    whole = (photos / "new").as_posix()
    assert named(photos / "new") == [f"{whole}/a.png", f"{whole}/b.png"]
    assert named(f"{whole}/*.png") == [f"{whole}/a.png", f"{whole}/b.png"]


def test_a_name_with_the_signs_of_a_pattern_is_a_name(photos: Path) -> None:
    Image.new("RGB", (4, 4)).save(photos / "new" / "[a].png")
    assert named("new/[a].png") == ["new/[a].png"]
    (photos / "new" / "[a].png").unlink()
    assert named("new/[a].png") == ["new/a.png"]


def test_archives_and_tables(photos: Path) -> None:
    with zipfile.ZipFile("set.zip", "w") as archive:
        for name in ("a.png", "b.png"):
            archive.write(photos / "new" / name, f"in/{name}")
    Path("list.csv").write_text("image,kind\nnew/b.png,x\nnew/a.png,y\n")
    Path("list.txt").write_text("new/b.png\n")
    assert named("set.zip") == ["set.zip/in/a.png", "set.zip/in/b.png"]
    assert named("list.csv") == ["new/b.png", "new/a.png"]
    assert named("list.txt", "set.zip")[:2] == ["new/b.png", "set.zip/in/a.png"]


def test_rows_that_name_no_picture_are_reported(photos: Path) -> None:
    Path("list.csv").write_text("image\nnew/b.png\n../x.png\n")
    screen = Heard()
    assert named("list.csv", screen=screen) == ["new/b.png"]
    assert len(screen.lines) == 1
    assert screen.lines[0].startswith('list.csv:3  "../x.png" is no file in the pictures\' folder')


def test_an_empty_folder_among_others_is_reported(photos: Path) -> None:
    screen = Heard()
    assert named("empty", "new/a.png", screen=screen) == ["new/a.png"]
    assert screen.lines[0].startswith("empty  holds no pictures")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nowhere", "nowhere: there is no such file or folder"),
        ("new/*.jpg", "new/*.jpg: no picture matches"),
        ("empty", "empty  holds no pictures"),
        ("strange.xyz", "strange.xyz: is no place of pictures that we know — give a folder, a picture"),
    ],
)
def test_nothing_is_refused(photos: Path, given: str, message: str) -> None:
    Path("strange.xyz").write_text("?")
    with pytest.raises(DataError) as error:
        named(given)
    assert str(error.value).startswith(message)
    assert "oneglance.toml" not in str(error.value), "there is no configuration here"
    with pytest.raises(DataError, match="no pictures are named"):
        named()


STRANGERS = {
    "new/README.md": "is not a picture",
    "new/.DS_Store": "is not a picture",
    "new/Thumbs.db": "is not a picture",
    "new/broken.png": "cannot be read (No such file or directory)",
    "new/lost.png": "there is no such file or folder",
    "lost": "there is no such file or folder",
    "new/*.gif": "no picture matches",
    "new/circle.png": "there is no such file or folder",
    "new/pipe.png": "cannot be read (is no file but a pipe, a socket or a device)",
    "new/pipe": "cannot be read (is no file but a pipe, a socket or a device)",
    "new/notes.txt": A_LIST,
    "new/labels.csv": A_LIST,
    "new/coco.json": A_LIST,
    "new/damaged.zip": "is damaged or no such archive",
    "new/" + "n" * 300 + ".png": "there is no such file or folder",
    "new/" + "n" * 300: "there is no such file or folder",
    "new/folder.png": "",  # a folder of that name holds a picture
    "empty": "",
}


@pytest.fixture
def strangers(photos: Path) -> list[str]:
    """What may lie among pictures, by its name."""
    for name in ("README.md", ".DS_Store", "Thumbs.db"):
        (photos / "new" / name).write_bytes(b"\0\1Bud1 # nothing")
    (photos / "new" / "notes.txt").write_text("a.png\n")
    (photos / "new" / "labels.csv").write_text("image\na.png\n")
    (photos / "new" / "coco.json").write_text('{"images": [], "annotations": [], "categories": []}')
    (photos / "new" / "broken.png").symlink_to("nowhere.png")
    (photos / "new" / "circle.png").symlink_to("circle.png")
    (photos / "new" / "damaged.zip").write_bytes(b"PK")
    os.mkfifo(photos / "new" / "pipe.png")
    os.mkfifo(photos / "new" / "pipe")
    return list(STRANGERS)


def answers(*given: str | Path, beside_others: bool = False) -> dict[str, str]:
    """What is wrong with each, by its name; nothing for a picture."""
    refs = pictures(given, Screen(), beside_others=beside_others)
    decoded = decode(refs, Fit(8), Limits(), workers=1)
    return {ref.name: getattr(canvas, "what", "") for ref, canvas in zip(refs, decoded, strict=True)}


@pytest.mark.parametrize("stranger", [name for name, what in STRANGERS.items() if what])
def test_a_stranger_among_pictures_is_named_and_the_rest_is_answered(
    photos: Path, strangers: list[str], stranger: str
) -> None:
    expected = {"new/a.png": "", stranger: STRANGERS[stranger], "new/b.png": ""}
    if stranger == "new/broken.png":
        expected[stranger] = "there is no such file or folder"
    assert answers("new/a.png", stranger, "new/b.png") == expected


@pytest.mark.parametrize("stranger", [name for name, what in STRANGERS.items() if what])
def test_a_stranger_named_alone_is_an_error_or_its_own_answer(
    photos: Path, strangers: list[str], stranger: str
) -> None:
    if stranger in ("new/notes.txt", "new/labels.csv"):
        assert answers(stranger) == {"a.png": ""}
        assert answers("new/notes.txt", "new/labels.csv") == {"a.png": ""}
    else:
        with pytest.raises(DataError):
            pictures(stranger, Screen())


def test_a_list_beside_a_picture_in_memory_is_a_stranger(photos: Path, strangers: list[str]) -> None:
    assert answers("new/notes.txt", beside_others=True) == {"new/notes.txt": A_LIST}
    assert answers("new/lost.png", beside_others=True) == {"new/lost.png": STRANGERS["new/lost.png"]}


def test_everything_in_a_folder_by_a_pattern(photos: Path, strangers: list[str]) -> None:
    (photos / "new" / "deep").mkdir()
    Image.new("RGB", (4, 4)).save(photos / "new" / "deep" / "c.png")
    wrong = answers("new/*")
    assert [name for name, what in wrong.items() if not what] == ["new/a.png", "new/b.png", "new/deep/c.png"]
    # As for a shell: no hidden files. Links that lead nowhere are there all the same, as names.
    hidden = {".DS_Store", "*.gif", "lost.png", "n" * 300, f"{'n' * 300}.png", "folder.png"}
    visible = {name for name in strangers if name.startswith("new/")} - {f"new/{name}" for name in hidden}
    assert {name for name, what in wrong.items() if what} == visible


def test_only_strangers_are_one_error_that_names_all(photos: Path) -> None:
    with pytest.raises(DataError) as refused:
        pictures(["lost.png", "new/*.gif", "gone"], Screen())
    assert [problem.location for problem in refused.value.problems] == ["lost.png", "new/*.gif", "gone"]


def test_patterns_do_not_follow_links_in_circles(photos: Path) -> None:
    for name in ("x", "y", "z"):
        (photos / "new" / name).symlink_to("..", target_is_directory=True)
    began = time.perf_counter()
    assert named("**/*.png") == ["new/a.png", "new/b.png", "old/deep/a.png"]
    assert named("new/**/*.png") == ["new/a.png", "new/b.png"]
    assert named(f"{photos.as_posix()}/old/**/a.png") == [f"{photos.as_posix()}/old/deep/a.png"]
    assert time.perf_counter() - began < 5


def test_nothing_is_answered_twice_for_lying_in_a_folder_that_matches(photos: Path) -> None:
    assert named("**/*") == ["new/a.png", "new/b.png", "old/deep/a.png"]
    assert named("**") == named(".")
    assert named("o*/**") == ["old/deep/a.png"]


def test_names_in_a_table_may_begin_with_the_folder(photos: Path) -> None:
    Path("inside.csv").write_text("image\na.png\nlost.png\n")
    Path("above.csv").write_text("image\nnew/a.png\n")
    Path("nowhere.csv").write_text("image\nx/a.png\ny/b.png\n")
    assert folder_of_names(Path("inside.csv"), Path("new")) == Path("new")
    assert folder_of_names(Path("above.csv"), Path("new")).resolve() == photos
    with pytest.raises(DataError, match=r"nowhere\.csv: none of the 2 pictures that it names is in new"):
        folder_of_names(Path("nowhere.csv"), Path("new"))


def test_paths_inside_are_written_relative(photos: Path) -> None:
    assert relative(photos, photos / "new") == "new"
    assert relative(photos, "new/a.png") == "new/a.png"
    assert relative(photos, photos) == "."
    assert relative(photos / "new", photos / "old") == (photos / "old").as_posix()
