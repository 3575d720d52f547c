"""WIDER FACE's text files."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.annotated import annotations_of, boxes, corners, draw, kinds, read
from support.layouts import proposed, write

import oneglance
from oneglance.data.record import BoxAnnotations
from oneglance.errors import DataError

FACES = frozenset({"face"})
ZEROS = "0 0 0 0 0 0 0 0 0 0"


def wider(folder: Path, *lines: str, part: str = "train", pictures: str = "WIDER_{}/images") -> Path:
    for line in lines:
        if line.endswith(".jpg"):
            draw(folder / pictures.format(part) / line)
    text = "".join(f"{line} \n" for line in lines)
    write(folder / "wider_face_split" / f"wider_face_{part}_bbx_gt.txt", text)
    return folder


@pytest.mark.parametrize(
    "pictures", ["WIDER_{}/images", "WIDER_{0}/WIDER_{0}/images", "WIDER_{}", "images/{}", "images"]
)
def test_layouts(tmp_path: Path, pictures: str) -> None:
    rows = {}
    for part in ("train", "val"):
        rows[part] = [
            f"0--Parade/{part}1.jpg", "2", "10 20 30 40 0 0 0 0 2 0", "5 6 7 8 2 0 0 1 0 1",
            f"1--Handshaking/{part}2.jpg", "1", "1 2 30 40 1 1 1 0 0 0",
            f"1--Handshaking/{part}3.jpg", "0", ZEROS,
        ]  # fmt: skip
        wider(tmp_path / "set", *rows[part], part=part, pictures=pictures)
    (tmp_path / "set" / "wider_face_split" / "wider_face_test_filelist.txt").write_text("x.jpg\n")
    found = proposed(tmp_path / "set")
    assert found.tasks["objects"]["type"] == "boxes"
    assert found.parts == {
        **{f"train{n}": "train" for n in (1, 2, 3)}, **{f"val{n}": "validation" for n in (1, 2, 3)}
    }  # fmt: skip
    first, _, third = found.records[:3]
    assert corners(first) == [(10, 20, 40, 60), (5, 6, 12, 14)]
    assert [box.ignore for box in boxes(first)] == [False, True]
    assert boxes(first)[0].attributes == {
        "blur": "0", "expression": "0", "illumination": "0", "occlusion": "2", "pose": "0"
    }  # fmt: skip
    assert first.answers["event"] == "Parade"
    assert annotations_of(third) == BoxAnnotations((), FACES)
    assert found.problems == []


def test_one_file(tmp_path: Path) -> None:
    wider(tmp_path / "set", "a.jpg", "1", "10 20 30 40")
    records, problems = read(tmp_path / "set" / "wider_face_split" / "wider_face_train_bbx_gt.txt")
    assert corners(records[0]) == [(10, 20, 40, 60)]
    assert records[0].split == "train"
    assert problems == []


def test_odd_lines_take_nothing_else_along(tmp_path: Path) -> None:
    folder = wider(
        tmp_path / "set",
        *("a.jpg", "1", "10 20 30 40 0 0 0 0 0 0"),
        *("few.jpg", "3", "10 20 30 40 0 0 0 0 0 0"),
        *("none.jpg", "1"),
        *("many.jpg", "9" * 4000, "10 20 30 40"),
        *("word.jpg", "1", "10 20 x 40 0 0 0 0 0 0"),
        *("short.jpg", "1", "10 20"),
        *("flat.jpg", "1", "10 20 0 40 0 0 0 0 0 0"),
        *("huge.jpg", "1", f"10 20 1e999 {'9' * 400}"),
        *("counted.jpg", "0", "10 20 30 40"),
        *("empty.jpg", "0"),
        *("last.jpg", "1", "10 20 30 40 0 0 0 0 0 0"),
    )
    file = folder / "wider_face_split" / "wider_face_train_bbx_gt.txt"
    file.write_text("../../../../etc/x.jpg\n1\n1 2 3 4\n" + file.read_text())
    records, problems = read(folder)
    by_name = {Path(record.image.name).stem: record for record in records}
    known = {name for name, record in by_name.items() if "objects" in record.answers}
    assert known == {"a", "few", "many", "counted", "empty", "last"}
    assert {name for name in known if annotations_of(by_name[name]).queried == FACES} == {
        "a",
        "empty",
        "last",
    }
    assert corners(by_name["last"]) == [(10, 20, 40, 60)]
    assert {"number of boxes", "line of no box", "picture name", "box has no area"} <= set(kinds(problems))


def test_convert(tmp_path: Path) -> None:
    wider(tmp_path / "set", "0--Parade/a.jpg", "1", "10 20 30 40 0 0 0 0 0 0")
    oneglance.convert(tmp_path / "set", "coco", tmp_path / "new")
    found = proposed(tmp_path / "new")
    assert found.things == {"a": [("face", 10, 20, 40, 60)]}


def test_another_folder(tmp_path: Path) -> None:
    write(tmp_path / "set" / "x_bbx_gt.txt", "nothing\n")
    write(tmp_path / "other" / "a.txt", "nothing\n")
    assert [problem.kind for problem in read(tmp_path / "set", format="wider")[1]] == ["line", "empty source"]
    with pytest.raises(DataError, match="holds no file such as"):
        read(tmp_path / "other", format="wider")
