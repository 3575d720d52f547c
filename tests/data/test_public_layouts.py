"""Sets as they lie in public repositories: what belongs to the repository and what to the data."""

from __future__ import annotations

import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

import oneglance
from oneglance.data.record import BoxAnnotations, Record
from oneglance.data.source import open_source
from oneglance.data_api import summarize
from oneglance.errors import DataError


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files_of(place: Path, *names: str) -> None:
    """A small picture of each name."""
    for name in names:
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 16), (len(name) % 255, 80, 9)).save(path)


def in_parts(top: str, kinds: Sequence[str]) -> list[str]:
    """Names of 9, 3 and 4 pictures of each kind in train, val and test."""
    parts = {"train": 9, "val": 3, "test": 4}
    return [
        f"{top}/{part}/{kind}/{part}{n}.jpg"
        for part, count in parts.items()
        for kind in kinds
        for n in range(count)
    ]


def tasks_of(path: Path) -> dict[str, dict[str, object]]:
    """The tasks that ``init`` proposes for a folder."""
    file = oneglance.init(path, out=path.parent / "oneglance.toml", force=True)
    tables: dict[str, dict[str, object]] = tomllib.loads(file.read_text())["tasks"]
    return tables


def test_pictures_of_a_readme_are_no_class(place: Path) -> None:
    """As repositories hold them: classes in dataset/, and logos and screenshots beside it."""
    classes = [f"repo/dataset/{name}/{n}.jpg" for name in ("with_mask", "without_mask") for n in range(20)]
    files_of(
        place, *classes, "repo/Readme_images/Screenshot 1.png", "repo/site/logos/logo.png", "repo/plot.png"
    )
    assert tasks_of(place / "repo") == {"folder": {"type": "label"}}
    source = tomllib.loads((place / "oneglance.toml").read_text())["sources"]
    assert source == [{"path": "repo", "leave_out": ["Readme_images", "site/logos"]}]
    assert "# left out: Readme_images, which holds 1 picture" in (place / "oneglance.toml").read_text()
    records = [item for item in open_source(source[0], place).read() if isinstance(item, Record)]
    assert len(records) == 41


def test_so_it_is_in_a_zip_of_the_repository(place: Path) -> None:
    files_of(
        place,
        *(f"repo/data/{kind}/{n}.jpg" for kind in ("hat", "shoe") for n in range(20)),
        "repo/docs/a.png",
    )
    with zipfile.ZipFile(place / "repo.zip", "w") as archive:
        for file in sorted((place / "repo").rglob("*.*")):
            archive.write(file, file.relative_to(place).as_posix())
    assert tasks_of(place / "repo.zip") == {"folder": {"type": "label"}}
    (source,) = tomllib.loads((place / "oneglance.toml").read_text())["sources"]
    assert source["leave_out"] == ["docs"]
    assert len([item for item in open_source(source, place).read() if isinstance(item, Record)]) == 40


def test_classes_that_are_called_as_illustrations_are_kept_where_they_are_many(place: Path) -> None:
    files_of(place, *(f"web/{name}/{n}.jpg" for name in ("logos", "icons", "photos") for n in range(20)))
    assert tasks_of(place / "web") == {"folder": {"type": "label"}}
    assert "leave_out" not in (place / "oneglance.toml").read_text()


def test_folders_of_classes_that_are_called_as_masks_are_classes(place: Path) -> None:
    """``mask`` is a folder of masks only beside a folder of pictures."""
    files_of(place, *(f"faces/{name}/{n}.jpg" for name in ("mask", "no_mask") for n in range(20)))
    assert tasks_of(place / "faces") == {"folder": {"type": "label"}}
    assert "leave_out" not in (place / "oneglance.toml").read_text()


def test_masks_that_are_no_boxes_are_no_pictures_either(place: Path) -> None:
    """As in sets of pets: the breed stands in the names, and trimaps lie in a folder of annotations."""
    names = [f"{breed}_{n}" for breed in ("Abyssinian", "pug", "beagle") for n in range(1, 9)]
    files_of(
        place, *(f"pets/images/{n}.jpg" for n in names), *(f"pets/annotations/trimaps/{n}.png" for n in names)
    )
    for number, part in enumerate(("trainval", "test")):
        lines = (f"{name} {1 + row} 1 2" for row, name in enumerate(names) if row % 2 == number)
        (place / "pets" / "annotations" / f"{part}.txt").write_text("\n".join(lines))
    assert tasks_of(place / "pets") == {"name1": {"type": "label"}}
    (source,) = tomllib.loads((place / "oneglance.toml").read_text())["sources"]
    assert source["leave_out"] == ["annotations"]
    records = [item for item in open_source(source, place).read() if isinstance(item, Record)]
    assert {record.split for record in records} == {"train", "test"}
    assert len(records) == 24


@pytest.mark.parametrize(
    ("files", "inside"),
    [
        (("meta/train.txt", "meta/test.txt"), "images/"),
        (("train.txt", "val.txt"), ""),
        (("labels/train1.txt", "labels/test1.txt", "labels/train2.txt"), "images/"),
    ],
)
def test_lists_of_pictures_beside_class_folders_are_splits(
    place: Path, files: tuple[str, ...], inside: str
) -> None:
    names = [f"{kind}/{number}" for kind in ("pie", "sushi") for number in range(10)]
    files_of(place, *(f"food/{inside}{name}.jpg" for name in names))
    for number, file in enumerate(files):
        (place / "food" / file).parent.mkdir(exist_ok=True)
        (place / "food" / file).write_text("\n".join(names[number::2] if number < 2 else names[5:]))
    assert tasks_of(place / "food") == {"folder": {"type": "label"}}
    records = [item for item in open_source({"path": "food"}, place).read() if isinstance(item, Record)]
    others = {"train", "validation"} if "val.txt" in files else {"train", "test"}
    assert {record.split for record in records} == others
    assert [r.split == "train" for r in records] == [number % 2 == 0 for number in range(20)]


def test_lists_of_other_pictures_say_nothing(place: Path) -> None:
    files_of(place, *(f"food/{kind}/{number}.jpg" for kind in ("pie", "sushi") for number in range(10)))
    (place / "food" / "train.txt").write_text("\n".join(f"other/{n}" for n in range(10)))
    (place / "food" / "test.txt").write_text("pie/1\npie/2")
    records = [item for item in open_source({"path": "food"}, place).read() if isinstance(item, Record)]
    assert {record.split for record in records} == {""}


def test_a_table_of_icons_is_no_source(place: Path) -> None:
    """As in sets of traffic signs: Meta.csv names a drawing of each class."""
    rows = [f"{20 + n},{n % 7},{3 + n % 5},{15 - n % 3},{12},{n % 3},signs/{n}.png" for n in range(120)]
    files_of(place, *(f"set/signs/{n}.png" for n in range(120)), *(f"set/Meta/{n}.png" for n in range(6)))
    head = "Width,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2,ClassId,Path"
    (place / "set" / "Train.csv").write_text("\n".join([head, *rows]))
    icons = [f"Meta/{n}.png,{n},{n % 2},3.{n}" for n in range(6)]
    (place / "set" / "Meta.csv").write_text("\n".join(["Path,ClassId,ShapeId,SignId", *icons]))
    assert tasks_of(place / "set") == {"ClassId": {"type": "label"}}
    text = (place / "oneglance.toml").read_text()
    assert "not read: Meta.csv: it names 6 pictures, and none of 120 others" in text
    assert "# not asked: Roi.X1, Roi.Y1, Roi.X2, Roi.Y2: is an edge of a box" in text


def test_parts_of_a_download_are_no_classes(place: Path) -> None:
    files_of(place, *(f"ham/HAM10000_images_part_{n % 2 + 1}/ISIC_{n:07d}.jpg" for n in range(24)))
    rows = [f"ISIC_{n:07d},{('nv', 'mel', 'bkl')[n % 3]}" for n in range(24)]
    (place / "ham" / "metadata.csv").write_text("\n".join(["image_id,dx", *rows]))
    assert tasks_of(place / "ham") == {"dx": {"type": "label"}}


def test_no_finding_is_no_tag(place: Path) -> None:
    files_of(place, *(f"xray/{n}.png" for n in range(24)))
    findings = ("No Finding", "Effusion|Hernia", "Effusion", "Hernia")
    rows = [f"{n}.png,{findings[n % 4]}" for n in range(24)]
    (place / "xray" / "entries.csv").write_text("\n".join(["image,findings", *rows]))
    assert tasks_of(place / "xray") == {
        "findings": {"type": "tags", "separator": "|", "none": ["No Finding"]}
    }


def test_boxes_in_shares_of_the_sides(place: Path) -> None:
    """As in Open Images."""
    files_of(place, *(f"set/train/{n:04x}.jpg" for n in range(8)))
    rows = [f"{n:04x},xclick,/m/01yrx,1,0.25,0.5,0.125,1.0,0" for n in range(8)]
    head = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded"
    file = place / "set" / "train-annotations-bbox.csv"
    file.write_text("\n".join([head, *rows]))
    assert tasks_of(place / "set") == {"objects": {"type": "boxes"}}
    (source,) = tomllib.loads((place / "oneglance.toml").read_text())["sources"]
    assert source["shares"] is True
    file.write_text("\n".join([head, *rows, "0000,x,/m/1,1,0.1,7,0,1,0"]))
    items = list(open_source(source, place).read())
    held = [item.answers["objects"] for item in items if isinstance(item, Record)]
    assert all(isinstance(one, BoxAnnotations) for one in held)
    first = held[1].boxes[0]
    assert (first.x0, first.y0, first.x1, first.y1) == (5, 2, 10, 16)  # of 20 x 16 pixels
    assert held[0].unplaced == frozenset({"/m/1"})  # a box that lies elsewhere is somewhere
    assert "shares" in [item.kind for item in items if not isinstance(item, Record)]


def test_a_table_that_is_no_utf_8(place: Path) -> None:
    files_of(place, *(f"xray/images/p{n}.jpg" for n in range(12)))
    rows = [f"p{n},{('Pneumonia', 'healthy')[n % 2]},{38 + n % 3} °C" for n in range(12)]
    text = "\n".join(["patientid,finding,temperature", *rows])
    (place / "xray" / "metadata.csv").write_bytes(text.encode("cp1252"))
    assert tasks_of(place / "xray")["finding"] == {"type": "label"}
    written = (place / "oneglance.toml").read_text()
    (source,) = tomllib.loads(written)["sources"]
    assert source["encoding"] == "cp1252"
    assert "# is no UTF-8 text: read as cp1252" in written
    (place / "xray" / "metadata.csv").write_bytes(text.encode("utf-16"))
    tasks_of(place / "xray")
    (source,) = tomllib.loads((place / "oneglance.toml").read_text())["sources"]
    assert source["encoding"] == "utf-16"


def test_words_that_differ_in_capital_letters_are_one_class(place: Path) -> None:
    """As emotions that two people wrote: HAPPINESS and happiness. The letters a and A stay two."""
    words = ("happiness", "HAPPINESS", "happiness", "anger")
    letters = ("a", "A")
    files_of(place, *(f"faces/{n}.jpg" for n in range(24)))
    rows = [f"{n}.jpg,{words[n % 4]},{letters[n // 12]}" for n in range(24)]
    (place / "faces" / "legend.csv").write_text("\n".join(["image,emotion,letter", *rows]))
    assert tasks_of(place / "faces") == {
        "emotion": {"type": "label", "join": {"HAPPINESS": "happiness"}},
        "letter": {"type": "label"},
    }
    assert (
        "differ only in capital letters are read as one, see join" in (place / "oneglance.toml").read_text()
    )


def test_nearly_all_pictures_of_one_user_are_no_group(place: Path) -> None:
    files_of(place, *(f"faces/{n}.jpg" for n in range(40)))
    rows = [f"{n}.jpg,{'u1' if n < 30 else f'u{n % 3 + 2}'},{('sad', 'glad')[n % 2]}" for n in range(40)]
    (place / "faces" / "legend.csv").write_text("\n".join(["image,user.id,emotion", *rows]))
    assert tasks_of(place / "faces") == {"emotion": {"type": "label"}}
    text = (place / "oneglance.toml").read_text()
    assert "# not asked: user.id: says to whom a picture belongs, but 75% belong to one: no group" in text


def test_a_folder_of_a_split_beside_one_of_all_pictures_is_no_task(place: Path) -> None:
    files_of(
        place, *(f"faces/images/{n}.jpg" for n in range(24)), *(f"faces/test/t{n}.jpg" for n in range(6))
    )
    rows = [f"{n}.jpg,{('sad', 'glad')[n % 2]}" for n in range(24)]
    (place / "faces" / "legend.csv").write_text("\n".join(["image,emotion", *rows]))
    assert tasks_of(place / "faces") == {"emotion": {"type": "label"}}


def test_a_table_whose_pictures_are_elsewhere_is_refused(place: Path) -> None:
    """As where pictures have to be downloaded apart: their names alone are no data."""
    (place / "weeds" / "labels").mkdir(parents=True)
    for part in ("train", "test"):
        rows = [f"2016-{part}-{n}.jpg,{n % 3}" for n in range(30)]
        (place / "weeds" / "labels" / f"{part}.csv").write_text("\n".join(["Filename,Label", *rows]))
    with pytest.raises(DataError, match="names 60 pictures, and none of them is there"):
        tasks_of(place / "weeds")


def test_a_folder_of_nearly_all_classes_is_no_class(place: Path) -> None:
    """As where data lie deep in a repository of code, beside pictures of its tests."""
    kinds_of_mood = [f"repo/moods/data/{mood}/{n}.jpg" for mood in ("sad", "glad") for n in range(40)]
    files_of(place, *kinds_of_mood, *(f"repo/tests/unit/{n}.jpg" for n in range(3)))
    assert tasks_of(place / "repo") == {"folder": {"type": "label"}}
    assert '# not asked: folder1: says "moods" of nearly all' in (place / "oneglance.toml").read_text()


def test_a_text_table_in_the_folder_is_found(place: Path) -> None:
    """As old sets come: names, and columns with any space between them."""
    files_of(place, *(f"birds/images/{n:03d}.jpg" for n in range(24)))
    rows = [f"{n:03d}.jpg   {('owl', 'tit')[n % 2]}    {(3 * n) % 7}.5" for n in range(24)]
    (place / "birds" / "labels.txt").write_text("\n".join(["24", "image kind weight_g", *rows]))
    (place / "birds" / "README.txt").write_text("A set of birds.\nThanks to all.\n")
    tasks = tasks_of(place / "birds")
    assert tasks["kind"] == {"type": "label"}
    assert tasks["weight_g"]["type"] == "number"
    (source,) = tomllib.loads((place / "oneglance.toml").read_text())["sources"]
    assert source["path"] == "birds/labels.txt"
    records = [item for item in open_source(source, place).read() if isinstance(item, Record)]
    assert len(records) == 24
    assert all(record.image.stamp() for record in records)


def test_boxes_choose_the_folder_of_the_pictures_in_which_they_were_drawn(place: Path) -> None:
    """Cut-outs beside photographs, of the same names; pandas numbered the rows; the files were saved anew."""
    rows = [f"{n},{n}.png,60,50,90,80" for n in range(12)]
    for n in range(12):
        for name, size in (("crops", (30, 30)), ("images", (100, 90))):
            path = place / f"repo/data/{name}/{n}.{'png' if name == 'crops' else 'jpg'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", size, (n, 80, 9)).save(path)
    table = place / "repo/data/boxes.csv"
    table.write_text("Unnamed: 0,file,xmin,ymin,xmax,ymax\n" + "\n".join(rows) + "\n")
    assert tasks_of(place / "repo") == {"objects": {"type": "boxes", "single": "object"}}
    (source,) = tomllib.loads((place / "oneglance.toml").read_text())["sources"]
    assert source == {"path": "repo/data/boxes.csv", "images": "repo/data/images"}
    assert "the boxes fit the pictures in images/" in (place / "oneglance.toml").read_text()


def test_boxes_that_fit_no_pictures_there_are_told(place: Path) -> None:
    files_of(place, *(f"repo/data/crops/{n}.png" for n in range(12)))
    rows = [f"{n}.png,60,50,90,80" for n in range(6)] + [f"{n}.png,1,2,9,8" for n in range(6, 12)]
    (place / "repo/data/boxes.csv").write_text("file,xmin,ymin,xmax,ymax\n" + "\n".join(rows) + "\n")
    tasks_of(place / "repo")
    assert "6 of 12 rows have a box that lies outside the picture" in (place / "oneglance.toml").read_text()


def test_what_lies_beside_the_parts_is_left_out(place: Path) -> None:
    """An icon of each class with a table of its own, and samples, beside train, val and test."""
    kinds = [f"{top}/{kind}" for top in ("Fruit", "Milk") for kind in ("A", "B", "C")]
    files_of(
        place,
        *in_parts("repo/data", kinds),
        *(f"repo/data/icons-of-classes/{kind}/icon.jpg" for kind in kinds[:4]),
        "repo/samples/a.jpg",
    )
    rows = [f"{number},/icons-of-classes/{kind}/icon.jpg,{kind[0]}" for number, kind in enumerate(kinds[:4])]
    (place / "repo/data/classes.csv").write_text("id,icon,top\n" + "\n".join(rows) + "\n")
    assert tasks_of(place / "repo") == {"folder2": {"type": "label"}, "folder": {"type": "label"}}
    text = (place / "oneglance.toml").read_text()
    (source,) = tomllib.loads(text)["sources"]
    assert source == {"path": "repo", "leave_out": ["data/icons-of-classes", "samples"]}
    assert "# left out: samples, which holds 1 picture, and lies beside test, train, val" in text
    assert "# not read: classes.csv: it names 4 pictures, and 96 are there" in text
    records = [item for item in open_source(source, place).read() if isinstance(item, Record)]
    assert {record.split for record in records} == {"train", "validation", "test"}
    assert len(records) == 96


def test_a_whole_beside_the_parts_that_were_taken_from_it_is_left_out(place: Path) -> None:
    kinds = ("with_mask", "without_mask")
    files_of(
        place,
        *in_parts("repo/work/cut", kinds),
        *(f"repo/work/data/{kind}/{n}.jpg" for kind in kinds for n in range(14)),
        "repo/generator/images/blue.png",
    )
    assert tasks_of(place / "repo") == {"folder": {"type": "label"}}
    text = (place / "oneglance.toml").read_text()
    assert set(tomllib.loads(text)["sources"][0]["leave_out"]) == {"work/data", "generator"}
    assert "# left out: work/data, which holds 28 pictures, and lies beside test, train, val" in text
    assert summarize(place / "oneglance.toml").headline() == "32 pictures: 18 train, 6 validation, 8 test"


def test_a_list_of_all_pictures_is_no_part(place: Path) -> None:
    """As darknet's tools leave it, deep in their own repository: train.txt is the validation list too."""
    data = place / "repo/x64/Release/data"
    files_of(place, *(f"repo/x64/Release/data/img/a{n}.jpg" for n in range(8)))
    for n in range(8):
        (data / f"img/a{n}.txt").write_text("0 0.5 0.5 0.2 0.3\n")
    (data / "obj.names").write_text("air\n")
    (data / "obj.data").write_text(
        "classes= 1\ntrain = data/train.txt\nvalid = data/train.txt\nnames = data/obj.names\n"
    )
    (data / "train.txt").write_text("".join(f"data/img/a{n}.jpg\n" for n in range(8)))
    assert tasks_of(place / "repo") == {"objects": {"type": "boxes"}}
    assert "The data name the split" not in (place / "oneglance.toml").read_text()
    assert summarize(place / "oneglance.toml").headline() == "8 pictures"


def test_coordinates_of_points_are_told_once(place: Path) -> None:
    """As sets of faces come: a table that pandas saved with the pictures' names for the names of its rows."""
    files_of(place, *(f"faces/training/{name}_{n}.jpg" for name in ("ada", "max") for n in range(12)))
    rows = [
        ",".join([f"{name}_{n}.jpg", *(f"{(7 * n + 13 * place) % 90}.0" for place in range(20))])
        for name in ("ada", "max")
        for n in range(12)
    ]
    (place / "faces" / "points.csv").write_text("\n".join([",".join(["", *map(str, range(20))]), *rows]))
    assert tasks_of(place / "faces") == {"name1": {"type": "label"}}
    text = (place / "oneglance.toml").read_text()
    assert "points.csv: no column is an answer: 0, 1, 2, 3, 4, 5, 6, 7 and 12 more seems to be x or y" in text
