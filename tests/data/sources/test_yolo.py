"""YOLO: its data.yaml, its folders and its text files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.annotated import annotations_of, boxes, corners, draw, kinds, read

from oneglance.data.record import Box, BoxAnnotations
from oneglance.data.source import open_source
from oneglance.errors import DataError

EVERY = frozenset({"cat", "dog"})


def write(folder: Path, labels: str | None = "0 0.25 0.5 0.3 0.5\n", yaml: str = "", name: str = "a") -> Path:
    draw(folder / "images" / f"{name}.png")
    if labels is not None:
        (folder / "labels").mkdir(exist_ok=True)
        (folder / "labels" / f"{name}.txt").write_text(labels)
    (folder / "data.yaml").write_text(yaml or "train: images\nnames: [cat, dog]\n")
    return folder / "data.yaml"


def test_shares_become_pixels(tmp_path: Path) -> None:
    ((record,), problems) = read(write(tmp_path, "0 0.25 0.5 0.3 0.5\n\n1 0.5 0.5 1 1\r\n"))
    assert problems == []
    assert (record.location, record.split) == ("images/a.png", "train")
    cat, dog = boxes(record)
    assert (cat.x0, cat.y0, cat.x1, cat.y1) == pytest.approx((10, 20, 40, 60))
    assert dog == Box(0, 0, 100, 80, "dog")
    assert annotations_of(record).queried == EVERY


def test_a_picture_without_a_file_is_background(tmp_path: Path) -> None:
    for name in ("b", "d"):
        write(tmp_path, None, name=name)
    write(tmp_path, "", name="c")
    records, (problem,) = read(write(tmp_path))
    assert [len(boxes(record)) for record in records] == [1, 0, 0, 0]
    assert {annotations_of(record) for record in records[1:]} == {BoxAnnotations((), EVERY)}
    assert kinds([problem]) == ["no text file"]
    assert str(problem).startswith("images/b.png  has no text file labels/b.txt")
    assert "2 times" in problem.what


def test_a_folder_with_its_yaml_is_as_good(tmp_path: Path) -> None:
    write(tmp_path / "set")
    source = open_source({"path": "set"}, tmp_path)
    assert source.format == "yolo"
    ((record,), problems) = read(tmp_path / "set")
    assert (record.split, len(boxes(record))) == ("train", 1)
    assert problems == []


def test_names_may_stand_in_a_list(tmp_path: Path) -> None:
    """What tools for drawing boxes leave behind."""
    write(tmp_path / "set")
    (tmp_path / "set" / "data.yaml").unlink()
    (tmp_path / "set" / "classes.txt").write_text("cat\n dog \r\n\n")
    ((record,), problems) = read(tmp_path / "set")
    assert (record.split, [box.label for box in boxes(record)]) == ("", ["cat"])
    assert annotations_of(record).queried == EVERY
    assert problems == []


@pytest.mark.parametrize("given", ["set", "set/obj.data"])
def test_darknet_says_it_in_files(tmp_path: Path, given: str) -> None:
    base = tmp_path / "set"
    for split in ("train", "valid"):
        for name in ("a", "b"):
            draw(base / f"obj_{split}_data" / f"{split}_{name}.png")
        (base / f"obj_{split}_data" / f"{split}_a.txt").write_text("1 0.25 0.5 0.3 0.5\n")
        (base / f"obj_{split}_data" / f"{split}_b.txt").touch()
        names = [f"data/obj_{split}_data/{split}_{name}.png\n" for name in ("a", "b")]
        (base / f"{split}.txt").write_text("".join(names))
    (base / "obj.names").write_text("cat\ndog\n")
    line = (
        "classes = 2\ntrain  = data/train.txt\nvalid  = data/valid.txt\nnames = data/obj.names\nbackup = x/\n"
    )
    (base / "obj.data").write_text(line)
    assert open_source({"path": given}, tmp_path).format == "yolo"
    records, problems = read(tmp_path / given)
    assert problems == []
    assert [(record.split, [box.label for box in boxes(record)]) for record in records] == [
        ("train", ["dog"]),
        ("train", []),
        ("validation", ["dog"]),
        ("validation", []),
    ]
    assert {annotations_of(record).queried for record in records} == {EVERY}
    (base / "obj.data").write_text(line.replace("data/obj.names", "../secret.names"))
    (tmp_path / "secret.names").write_text("cat\n")
    with pytest.raises(DataError, match="has no names of classes"):
        read(tmp_path / given)


@pytest.mark.parametrize("name", ["classes.txt", "other.yaml", "data.yaml"])
def test_other_folders_are_not_claimed(tmp_path: Path, name: str) -> None:
    draw(tmp_path / "set" / "cat" / "a.png")
    (tmp_path / "set" / name).write_text("cat\n")
    assert open_source({"path": "set"}, tmp_path).format == "folder"
    with pytest.raises(DataError, match=r"holds neither data\.yaml nor classes\.txt"):
        read(tmp_path / "set", format="yolo")


def test_no_file_at_all_is_an_error(tmp_path: Path) -> None:
    _, (problem,) = read(write(tmp_path, None))
    assert problem.fatal
    assert "no text file of boxes for any of its 1 pictures" in problem.what


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("2 0.5 0.5 0.1 0.1", "class without name"),
        ("-1 0.5 0.5 0.1 0.1", "class without name"),
        ("0.5 0.5 0.5 0.1 0.1", "class without name"),
        ("cat 0.5 0.5 0.1 0.1", "line of no box"),
        ("0 0.5 0.5 0.1", "line of no box"),
        ("0 0.5 0.5 0.1 0.1 0.9", "line of no box"),
        ("0 0.5 0.5 nan 0.1", "line of no box"),
        ("0 0.5 0.5 0.1 inf", "line of no box"),
        ("0 0.5 0.5 0 0.1", "box has no area"),
        ("0 0.5 0.5 -0.1 0.1", "box has its corners swapped"),
        ("0 50 40 30 20", "pixels"),
        ("0 1.5 0.5 0.1 0.1", "box outside"),
        ("0 0.5 0.5 1.1 0.1", "box beyond the edge"),
        ("0 0.1 0.25 0.4 0.3 0.15 0.75", "polygons"),
        ("0 0.1 0.25 0.4 0.25 0.4 0.75 0.1 0.75", "polygons"),
    ],
)
def test_lines_that_cannot_be_used_are_reported(tmp_path: Path, line: str, kind: str) -> None:
    ((record,), (problem,)) = read(write(tmp_path, f"1 0.5 0.5 0.5 0.5\n{line}\n"))
    assert kinds([problem]) == [kind]
    assert problem.location == "labels/a.txt:2"
    if kind in ("polygons", "box beyond the edge"):
        assert [box.label for box in boxes(record)] == ["dog", "cat"]
    elif "its place is ignored" in problem.hint:
        assert kind == "class without name" or line.startswith("cat")
        assert [box.label for box in boxes(record)] == ["dog", ""]
    else:
        assert 'the class "cat" is unknown in this picture' in problem.hint
        assert [box.label for box in boxes(record)] == ["dog"]
        assert annotations_of(record).queried == frozenset({"dog"})
    if kind == "polygons":
        assert corners(record)[1] == pytest.approx((10, 20, 40, 60))


def test_polygons_are_reported_once_with_their_count(tmp_path: Path) -> None:
    _, (problem,) = read(write(tmp_path, "".join(f"0 0.1 0.25 0.4 0.3 0.15 0.7{n}\n" for n in range(3))))
    assert "its bounds are taken (3 times, here first)" in problem.what


def test_key_points_are_not_taken_for_polygons(tmp_path: Path) -> None:
    path = write(tmp_path, "0 0.25 0.5 0.3 0.5 0.9 0.9\n", "train: images\nnames: [cat]\nkpt_shape: [1, 2]\n")
    ((record,), problems) = read(path)
    assert corners(record)[0] == pytest.approx((10, 20, 40, 60))
    assert problems == []


def test_a_file_that_is_no_text_leaves_its_boxes_unknown(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    (tmp_path / "labels" / "a.txt").write_bytes(b"\xff\xfe0 0.5\n")
    ((record,), problems) = read(path)
    assert record.answers == {"split": "train"}
    assert kinds(problems) == ["label file"]


@pytest.mark.parametrize(
    ("names", "annotations"),
    [
        ("names: [no, on]", {"no", "on"}),
        ("names: {0: cat, 2: hen}", {"cat", "hen"}),
        ("names: [cat, '', hen]", {"cat", "hen"}),
        ("names:\n  0: '010'\n  1: 1.0", {"010", "1.0"}),
        ("nc: 2", {"0", "1"}),
    ],
)
def test_names_are_text_as_written(tmp_path: Path, names: str, annotations: set[str]) -> None:
    ((record,), _) = read(write(tmp_path, yaml=f"train: images\n{names}\n"))
    assert annotations_of(record).queried == frozenset(annotations)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("names: {0: cat, 2: hen}", "has no name for the class 1, but for 2"),
        ("names: [cat, hen, cat]", 'calls the classes 0 and 2 both "cat": they are one class'),
        ("names: [cat, hen]\nnc: 3", "says nc: 3, and names classes up to 1"),
        ("names: [cat, hen]\nnc: 2", ""),
    ],
)
def test_odd_names_are_told(tmp_path: Path, names: str, message: str) -> None:
    ((record,), problems) = read(write(tmp_path, yaml=f"train: images\n{names}\n"))
    assert [box.label for box in boxes(record)] == ["cat"]
    assert [problem.what.startswith(message) for problem in problems] == [True] * bool(message)


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("train: images\n", "has no names"),
        ("train: images\nnames: []\n", "has no names"),
        ("train: images\nnames: [[a], b]\n", "has no names"),
        ("train: images\nnames: {0: a, b: 1}\n", 'names has "b" where the number of a class should be'),
        ("names: [a", "is no YAML here"),
        ("- a\n", "holds no keys"),
        ("&a [*a]: 1\n", "is no YAML"),
        ("!!python/object/apply:os.system [echo]\n", "holds no keys"),
        ("\0", "is no YAML"),
        ("[" * 5000, "is no YAML"),
    ],
)
def test_a_wrong_yaml_is_one_message(tmp_path: Path, yaml: str, message: str) -> None:
    with pytest.raises(DataError) as error:
        read(write(tmp_path, yaml=yaml))
    assert message in str(error.value)


def test_splits_are_folders_lists_or_several(tmp_path: Path) -> None:
    base = tmp_path / "set"
    for split in ("one", "two", "three"):
        draw(base / "images" / split / f"{split}.png")
        (base / "labels" / split).mkdir(parents=True)
        (base / "labels" / split / f"{split}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    draw(base / "images" / "deep" / "er" / "d.png")
    (base / "lists").mkdir()
    (base / "lists" / "three.txt").write_text("images/three/three.png\n./../images/one/none.png\n")
    (base / "data.yaml").write_text(
        "path: .\nnames: [cat]\n"
        "train:\n  - images/one\n  - images/two\nval: lists/three.txt\ntest: images/deep\n"
    )
    records, problems = read(base / "data.yaml")
    annotations = {record.image.name: (record.split, len(boxes(record))) for record in records}
    assert annotations == {
        "images/one/one.png": ("train", 1),
        "images/two/two.png": ("train", 1),
        "images/three/three.png": ("validation", 1),
        "images/deep/er/d.png": ("test", 0),
    }
    assert kinds(problems) == ["no text file", "picture name"]


def test_one_folder_for_two_splits_trains_and_does_not_choose(tmp_path: Path) -> None:
    ((record,), (problem,)) = read(write(tmp_path, yaml="train: images\nval: images\nnames: [cat]\n"))
    assert record.split == "train"
    assert "the first split holds" in str(problem)


@pytest.mark.parametrize(
    "head", ["path: /nowhere/at/all\ntrain: images", "train: ../images", "path: ../other\ntrain: images"]
)
def test_paths_of_another_machine_start_beside_the_file(tmp_path: Path, head: str) -> None:
    ((record,), problems) = read(write(tmp_path, yaml=f"{head}\nnames: [cat]\n"))
    assert record.image.load()
    assert problems == []


@pytest.mark.parametrize(
    "entry",
    [
        r"C:\Users\me\set\images\part",
        r"images\part",
        r".\images\part",
        "/home/me/set/images/part",
        "set/images/part",
        r"'..\set\images\part'",
        '"C:\\\\set\\\\images\\\\part"',
    ],
)
@pytest.mark.parametrize("base", ["", r"path: D:\elsewhere" + "\n"])
def test_paths_of_another_system_are_found_by_their_ends(tmp_path: Path, entry: str, base: str) -> None:
    draw(tmp_path / "images" / "part" / "a.png")
    path = write(tmp_path, yaml=f"{base}train: {entry}\nnames: [cat]\n", name="other")
    records, problems = read(path)
    assert [(record.image.name, record.split) for record in records] == [("images/part/a.png", "train")]
    told = [problem for problem in problems if problem.kind == "path of another machine"]
    assert ['"images/part" is taken' in problem.what for problem in told] == [True]


@pytest.mark.parametrize(
    "line", [r"C:\Users\me\set\images\part\{}.png", r"images\part\{}.png", "/home/me/set/images/part/{}.png"]
)
def test_lists_of_another_system(tmp_path: Path, line: str) -> None:
    write(tmp_path, yaml="train: train.txt\nval: val.txt\nnames: [cat, dog]\n", name="other")
    (tmp_path / "labels" / "part").mkdir()
    for name in "abcd":
        draw(tmp_path / "images" / "part" / f"{name}.png")
        (tmp_path / "labels" / "part" / f"{name}.txt").write_text("1 0.5 0.5 0.2 0.2\n")
    for split, part in (("train", "abc"), ("val", "d")):
        (tmp_path / f"{split}.txt").write_text("".join(f"{line.format(name)}\n" for name in part))
    records, problems = read(tmp_path / "data.yaml")
    assert [record.split for record in records] == ["train"] * 3 + ["validation"]
    assert [[box.label for box in boxes(record)] for record in records] == [["dog"]] * 4
    assert kinds(problems) == ["picture names"] * (2 if ":" in line or line[0] == "/" else 0)


def test_a_backslash_that_yaml_took_for_a_tab(tmp_path: Path) -> None:
    draw(tmp_path / "train" / "a.png")
    ((record,), _) = read(write(tmp_path, yaml='train: "C:\\train"\nnames: [cat]\n', name="other"))
    assert (record.image.name, record.split) == ("train/a.png", "train")
    with pytest.raises(DataError, match="single quotes"):
        read(write(tmp_path, yaml='train: "C:\\data"\nnames: [cat]\n'))


def test_key_points_that_nothing_announces(tmp_path: Path) -> None:
    rows = [f"0 0.25 0.5 0.3 0.5 0.2 0.4 2 0.3 0.6 {seen} 0 0 0\n" for seen in (1, 2)]
    write(tmp_path, rows[0], name="b")
    (a, b), (problem,) = read(write(tmp_path, rows[1] + "0 0.5 0.5 0.1 0.2\n"))
    assert corners(a)[0] == corners(b)[0] == pytest.approx((10, 20, 40, 60))
    assert len(boxes(a)) == 2
    assert "3 key points" in problem.what and "kpt_shape: [3, 3]" in problem.hint


def test_lines_that_are_not_as_kpt_shape_announces(tmp_path: Path) -> None:
    yaml = "train: images\nnames: [cat, dog]\nkpt_shape: [2, 3]\n"
    text = "0 0.25 0.5 0.3 0.5 0.2 0.4 2 0.3 0.6 1\n1 0.1 0.2 0.4 0.3 0.15 0.75\n"
    ((record,), (problem,)) = read(write(tmp_path, text, yaml))
    assert corners(record) == [pytest.approx((10, 20, 40, 60))]
    assert annotations_of(record).queried == frozenset({"cat"})
    assert "holds 7 numbers, where a class and a box are 5 or 11" in problem.what


def test_paths_do_not_leave_the_folder(tmp_path: Path) -> None:
    draw(tmp_path / "secret" / "s.png")
    long = "a/" * 9 + "a" * 5000
    path = write(tmp_path / "set", yaml=f"train: ../../secret\nval: ../secret\ntest: {long}\nnames: [cat]\n")
    (record,), problems = read(path)
    assert record.image.name == "images/a.png"
    assert kinds(problems) == ["no parts"] + ["part not there"] * 3


def test_nothing_there_at_all(tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text("train: images/train\nnames: [cat]\n")
    with pytest.raises(DataError, match='train names "images/train", which is not there'):
        read(tmp_path / "data.yaml")


def test_the_key_images_says_where_the_folders_start(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere")
    (tmp_path / "data.yaml").write_text("path: /nowhere\ntrain: images\nnames: [cat]\n")
    ((record,), _) = read(tmp_path / "data.yaml", images="elsewhere")
    assert len(boxes(record)) == 1


def test_a_picture_that_cannot_be_opened_keeps_its_row(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "images" / "a.png").write_bytes(b"no picture")
    ((record,), _) = read(path)
    assert "objects" not in record.answers


def test_shares_are_of_the_upright_picture(tmp_path: Path) -> None:
    path = write(tmp_path, "0 0.5 0.5 0.5 0.25\n", name="b")
    (tmp_path / "images" / "b.png").unlink()
    draw(tmp_path / "images" / "b.jpg", 100, 80, orientation=8)
    ((record,), problems) = read(path)
    assert corners(record) == [(20, 37.5, 60, 62.5)]
    assert kinds(problems) == ["boxes on a turned picture"]


def test_real_pictures(shared: Path) -> None:
    records, problems = read(shared / "data" / "coco64" / "names.yaml")
    assert len(records) == 64
    assert sum(len(boxes(record)) for record in records) == 440
    assert len(annotations_of(records[0]).queried or ()) == 80
    assert kinds(problems) == ["no parts", "part not there", "part not there"]
    unread: Any = [record for record in records if "objects" not in record.answers]
    assert unread == []
