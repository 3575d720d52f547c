"""What init finds in a folder: tables, the column of the pictures' names, boxes beside answers."""

from __future__ import annotations

import tomllib
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import oneglance
from oneglance.errors import ConfigError, DataError

KINDS = ("hat", "cap", "shoe")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def draw(folder: Path, names: Sequence[str]) -> None:
    """A picture of each name, no two alike."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (9, 12, 3), np.uint8)
        Image.fromarray(pixels).save(folder / name)


def table(path: Path, header: str, row: Callable[[int], str], count: int = 30) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *map(row, range(count))]) + "\n", encoding="utf-8")


def proposed(*given: str, **said: Any) -> dict[str, Any]:
    text = oneglance.init(*given, force=True, **said).read_text(encoding="utf-8")
    return {"text": text, **tomllib.loads(text)}


def sound(pictures: int, **said: Any) -> None:
    """The configuration reads so many pictures, without a fatal problem."""
    from oneglance.config import load
    from oneglance.data.dataset import load_dataset
    from oneglance.task import build_tasks

    config = load("oneglance.toml")
    data = load_dataset(config, list(build_tasks(config.tasks).values()), strict=False)
    assert not [problem for problem in data.problems if problem.fatal and problem.kind != "too few"]
    assert len(data.records) == pictures


def test_ids_without_ending_in_another_folder(place: Path) -> None:
    draw(place / "fashion/images", [f"{15970 + n}.jpg" for n in range(30)])
    table(place / "fashion/styles.csv", "id,kind,score", lambda n: f"{15970 + n},{KINDS[n % 3]},{n}")
    config = proposed("fashion")
    assert config["sources"] == [{"path": "fashion/styles.csv", "image": "id"}]
    assert config["tasks"]["kind"] == {"type": "label"}
    assert 'names 30 pictures otherwise than their files are called: 30 in "images/"' in config["text"]
    sound(30)


@pytest.mark.parametrize("ending", ["jsonl", "parquet", "parquet with gaps"])
def test_ids_that_are_numbers(place: Path, ending: str) -> None:
    draw(place / "fashion/images", [f"{15970 + n}.jpg" for n in range(30)])
    ids: list[float | None] = [15970 + n for n in range(30)]
    kinds = [KINDS[n % 3] for n in range(30)]
    file = place / f"fashion/styles.{ending.partition(' ')[0]}"
    if ending == "jsonl":
        file.write_text(
            "".join(f'{{"id": {i}, "kind": "{kind}"}}\n' for i, kind in zip(ids, kinds, strict=True))
        )
    else:
        ids += [None] if "gaps" in ending else []  # as pandas writes them: floating numbers
        kind_of = pa.float64() if "gaps" in ending else pa.int64()
        pq.write_table(pa.table({"id": pa.array(ids, kind_of), "kind": [*kinds, "hat"][: len(ids)]}), file)
    config = proposed("fashion")
    assert config["sources"] == [{"path": f"fashion/{file.name}", "image": "id"}]
    assert config["tasks"]["kind"] == {"type": "label"}
    sound(30)


def test_a_configuration_in_another_folder_proposes_the_same(place: Path) -> None:
    draw(place / "fashion/images", [f"{n}.jpg" for n in range(30)])
    table(place / "fashion/styles.csv", "id,kind", lambda n: f"{n},{KINDS[n % 3]}")
    (place / "away").mkdir()
    text = oneglance.init("fashion", out="away/new.toml").read_text(encoding="utf-8")
    (source,) = tomllib.loads(text)["sources"]
    assert source == {"path": (place / "fashion/styles.csv").resolve().as_posix(), "image": "id"}


def test_names_in_another_case_beside_a_folder_of_tables(place: Path) -> None:
    draw(place / "set/Photos", [f"IMG_{n:03}.JPG" for n in range(30)])
    table(place / "set/meta/answers.tsv", "name\tkind", lambda n: f"img_{n:03}\t{KINDS[n % 3]}")
    config = proposed("set")
    assert config["sources"] == [{"path": "set/meta/answers.tsv", "images": "set", "image": "name"}]
    sound(30)


def test_the_column_is_the_one_whose_pictures_are_there(place: Path) -> None:
    draw(place / "set", [f"{n}.png" for n in range(30)])
    table(place / "set/a.csv", "large,small,kind", lambda n: f"big_{n}.png,{n}.png,{KINDS[n % 3]}")
    assert proposed("set")["sources"] == [{"path": "set/a.csv", "image": "small"}]


def test_badly_saved_rows_are_named_and_the_others_kept(place: Path) -> None:
    draw(place / "fashion/images", [f"{n}.jpg" for n in range(30)])
    names = {6: "Red, warm hat", 21: "Cap, blue"}
    table(place / "fashion/styles.csv", "id,kind,name", lambda n: f"{n},{KINDS[n % 3]},{names.get(n, 'x')}")
    config = proposed("fashion")
    assert config["tasks"] == {"kind": {"type": "label"}}
    assert (
        "# 2 rows are left out (lines 8, 23): the first has 4 cells, but there are 3 columns; put"
        in (config["text"])
    )
    sound(28)


def test_boxes_and_answers_beside_each_other(place: Path) -> None:
    draw(place / "food/images", [f"{n}.jpg" for n in range(30)])
    table(place / "food/labels.csv", "image,item,kind", lambda n: f"{n}.jpg,i{n // 3:03},{KINDS[n % 3]}")
    table(place / "food/boxes.csv", "image,name,xmin,ymin,xmax,ymax", lambda n: f"{n}.jpg,bun,1,1,6,7")
    table(place / "food/notes.csv", "day,weather", lambda n: f"day {n},rain")
    config = proposed("food")
    assert config["sources"] == [
        {"path": "food/boxes.csv"},
        {"path": "food/labels.csv", "group": "item"},
    ]
    types = {name: task["type"] for name, task in config["tasks"].items()}
    assert types == {"objects": "boxes", "kind": "label"}
    assert "# not read: notes.csv: " in config["text"]
    sound(30)


def test_options_write_what_they_say(place: Path) -> None:
    draw(place / "photos", [f"{n}.jpg" for n in range(30)])
    row = "{n}.jpg,b{n}.jpg,{kind},{n},s{group}"
    header = "view,back,kind,score,shop"
    table(place / "a.csv", header, lambda n: row.format(n=n, kind=KINDS[n % 3], group=n // 10))
    table(place / "b.csv", "image,name,xmin,ymin,xmax,ymax", lambda n: f"{n}.jpg,bun,1,1,6,7")
    (place / "mine.safetensors").write_bytes(b"")
    config = proposed(
        "photos",
        "a.csv",
        image="view",
        boxes="b.csv",
        group="shop",
        task=["kind", "score=label", "objects"],
        backbone="mobilenetv3_small_100",
        size="320x240",
        weights="mine.safetensors",
    )
    assert config["sources"] == [
        {"path": "a.csv", "images": "photos", "image": "view", "group": "shop"},
        {"path": "b.csv", "images": "photos"},
    ]
    assert config["tasks"] == {
        "kind": {"type": "label"},
        "score": {"type": "label"},
        "objects": {"type": "boxes"},
    }
    assert config["backbone"] == {
        "name": "mobilenetv3_small_100",
        "size": [320, 240],
        "weights": "mine.safetensors",
    }


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"image": "file"}, 'has no column "file"'),
        ({"group": "seler"}, 'no picture has a field "seler" for the group. Did you mean "seller"'),
        ({"task": "kin"}, 'no field "kin" to ask for. Did you mean "kind"'),
        ({"task": "kind=lable"}, 'no type of task "lable". Did you mean "label"'),
        ({"task": "seller"}, '"seller" does not look like an answer'),
        ({"size": "large"}, '"large" is no size — write pixels'),
    ],
)
def test_options_that_fit_nothing_are_refused(place: Path, said: dict[str, str], message: str) -> None:
    draw(place / "photos", [f"{n}.jpg" for n in range(30)])
    table(place / "a.csv", "image,kind,seller", lambda n: f"{n}.jpg,{KINDS[n % 3]},s{n // 5:03}")
    with pytest.raises((ConfigError, DataError)) as refused:
        proposed("photos", "a.csv", **said)
    assert message in str(refused.value)
    assert not Path("oneglance.toml").exists()


def faces(place: Path) -> list[str]:
    names = [f"{20 + n * 7 % 31}_{n % 2}_{n % 5}_20170117{n:09}.jpg" for n in range(120)]
    draw(place / "faces", names)
    return names


def test_answers_in_names_are_proposed_where_nothing_else_is(place: Path) -> None:
    faces(place)
    config = proposed("faces")
    assert config["sources"] == [{"path": "faces", "name_pattern": "{name1}_{name2}_{name3}_{#}"}]
    assert config["tasks"] == {
        "name1": {"type": "number", "low": 0},
        "name2": {"type": "label"},
        "name3": {"type": "label"},
    }
    assert (
        '# the names of the pictures seem to hold answers: in "20_0_0_20170117000000000", name1 is "20" and '
        'name2 is "0" and name3 is "0"\n'
        "# rename these fields in name_pattern and in [tasks] together; {_} stands for text that is no answer"
    ) in config["text"]
    sound(120)


def test_answers_in_names_are_read_in_parts_and_archives(place: Path) -> None:
    names = [f"train/{KINDS[n % 3]}.{n}.jpg" for n in range(30)] + [f"test/{n}.jpg" for n in range(30)]
    draw(place / "photos", names)
    assert proposed("photos")["sources"] == [{"path": "photos", "name_pattern": "{name1}.{#}"}]
    with zipfile.ZipFile(place / "photos.zip", "w") as archive:
        for name in names[:30]:
            archive.write(place / "photos" / name, f"photos/{name}")
    config = proposed("photos.zip")
    assert config["sources"] == [{"path": "photos.zip", "name_pattern": "{name1}.{#}"}]
    assert config["tasks"] == {"name1": {"type": "label"}}
    sound(30)


def test_names_are_not_asked_where_folders_or_tables_say_more(place: Path) -> None:
    names = faces(place)
    table(place / "faces/labels.csv", "image,kind", lambda n: f"{names[n]},{KINDS[n % 3]}")
    assert proposed("faces")["sources"] == [{"path": "faces/labels.csv"}]
    draw(place / "sorted", [f"{KINDS[n % 3]}/{('red', 'blue')[n % 2]}_{n}.jpg" for n in range(30)])
    config = proposed("sorted")
    assert config["sources"] == [{"path": "sorted"}] and list(config["tasks"]) == ["folder"]


def rows(path: Path, names: Sequence[str], header: str = "image,kind") -> None:
    table(path, header, lambda n: f"{names[n]},{KINDS[n % 3]}", len(names))


def parts_of(pictures: int) -> dict[str, int]:
    """How many pictures of each split the configuration reads, after it was found sound."""
    from oneglance.config import load
    from oneglance.data.dataset import load_dataset
    from oneglance.task import build_tasks

    sound(pictures)
    config = load("oneglance.toml")
    data = load_dataset(config, list(build_tasks(config.tasks).values()), strict=False)
    return {split: len(getattr(data.splits, split)) for split in ("train", "validation", "test")}


@pytest.mark.parametrize("wrapper", ["", "archive/", "archive/data/"])
@pytest.mark.parametrize("name", ["{}", "seg_{}/seg_{}", "{}_images", "{}_set/{}_set", "{}1"])
def test_folders_of_splits_are_parts_and_no_task(place: Path, name: str, wrapper: str) -> None:
    draw(
        place / "set",
        [
            f"{wrapper}{name.format(s, s)}/{KINDS[n % 3]}/{n}.png"
            for s in ("train", "test")
            for n in range(18)
        ],
    )
    config = proposed("set")
    assert config["sources"] == [{"path": "set"}]
    assert config["tasks"] == {"folder": {"type": "label"}}
    assert parts_of(36)["test"] == 18


def test_a_test_part_that_waits_for_answers_is_left_out(place: Path) -> None:
    draw(
        place / "set",
        [f"train/{KINDS[n % 3]}/{n}.png" for n in range(30)] + [f"test/{n}.jpg" for n in range(8)],
    )
    assert proposed("set")["tasks"] == {"folder": {"type": "label"}}
    assert parts_of(30) == {"train": 21, "validation": 3, "test": 6}


def test_tables_of_parts_are_one_source(place: Path) -> None:
    draw(place / "set/images", [f"{n}.jpg" for n in range(60)])
    rows(place / "set/train.csv", [f"{n}.jpg" for n in range(40)])
    rows(place / "set/test.csv", [f"{n}.jpg" for n in range(40, 60)])
    config = proposed("set")
    assert config["sources"] == [{"path": "set", "format": "table"}]
    assert config["tasks"] == {"kind": {"type": "label"}}
    assert parts_of(60)["test"] == 20


def test_tables_of_one_name_in_folders_of_parts_are_one_source(place: Path) -> None:
    """As Roboflow writes several classes for a picture; the few pictures of a part hold only some of them."""
    for part, count in {"train": 30, "valid": 6, "test": 4}.items():
        draw(place / "set" / part, [f"{part}{n}.jpg" for n in range(count)])
        kinds = [n % (3 if part == "train" else 2) for n in range(count)]
        lines = [
            f"{part}{n}.jpg, {kind == 0:d}, {kind == 1:d}, {kind == 2:d}" for n, kind in enumerate(kinds)
        ]
        table(place / "set" / part / "_classes.csv", "filename, hat, shoe, coat", lines.__getitem__, count)
    config = proposed("set")
    assert config["sources"] == [{"path": "set", "format": "table"}]
    assert config["tasks"] == {"class": {"type": "label", "from": ["hat", "shoe", "coat"]}}
    assert parts_of(40) == {"train": 30, "validation": 6, "test": 4}


def test_the_format_is_the_one_that_reads_more_than_a_few_pictures(place: Path) -> None:
    """Two pictures that somebody annotated for YOLO lie in a set of lines of boxes."""
    for part, count in {"train": 60, "valid": 20}.items():
        draw(place / "set" / part, [f"{part}{n}.jpg" for n in range(count)])
        lines = "".join(f"{part}{n}.jpg 1,2,8,7,{n % 2}\n" for n in range(count))
        (place / "set" / part / "_annotations.txt").write_text(lines)
    draw(place / "set" / "test", ["a.png", "b.png"])
    for stem in "ab":
        (place / "set" / "test" / f"{stem}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    config = proposed("set")
    assert config["sources"] == [{"path": "set", "format": "boxes_table"}]
    assert parts_of(80)["validation"] == 20


def test_hardly_any_picture_that_is_read_is_told(place: Path) -> None:
    draw(place / "set" / "test", ["a.png", "b.png"])
    draw(place / "set" / "train", [f"{n}.png" for n in range(40)])
    for stem in "ab":
        (place / "set" / "test" / f"{stem}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    assert "only 2 of 42 pictures there are read" in proposed("set")["text"]


def test_tables_of_parts_in_a_folder_of_their_own(place: Path) -> None:
    draw(place / "set/pictures", [f"{n}.jpg" for n in range(60)])
    rows(place / "set/lists/train_labels.csv", [f"{n}.jpg" for n in range(40)])
    rows(place / "set/lists/val_labels.csv", [f"{n}.jpg" for n in range(40, 60)])
    assert proposed("set")["sources"] == [{"path": "set/lists", "format": "table", "images": "set"}]
    assert parts_of(60)["validation"] == 20


def test_tables_that_ask_for_different_things_stay_apart(place: Path) -> None:
    draw(place / "set/images", [f"{n}.jpg" for n in range(60)])
    rows(place / "set/train.csv", [f"{n}.jpg" for n in range(40)])
    rows(place / "set/test.csv", [f"{n}.jpg" for n in range(40, 60)], "image,colour")
    assert proposed("set")["sources"] == [{"path": "set/test.csv"}, {"path": "set/train.csv"}]


def test_a_table_of_a_part_names_the_pictures_of_its_part(place: Path) -> None:
    """As contests have it: the same ids in both folders, and no answers for the test pictures."""
    draw(place / "set", [f"train/{n}.jpg" for n in range(30)] + [f"test/{n}.jpg" for n in range(20)])
    rows(place / "set/train.csv", list(map(str, range(30))), "id,kind")
    table(place / "set/test.csv", "id", str, 20)
    rows(place / "set/sample_submission.csv", list(map(str, range(20))), "id,kind")
    assert proposed("set")["sources"] == [{"path": "set/train.csv", "image": "id"}]
    assert parts_of(30)["train"] == 21


def test_class_folders_beside_a_table_are_asked_too(place: Path) -> None:
    names = [f"{KINDS[n % 3]}/{n}.jpg" for n in range(30)]
    draw(place / "set", names)
    table(place / "set/labels.csv", "image,price", lambda n: f"{names[n]},{5 + n * 7 % 23}")
    config = proposed("set")
    assert config["sources"] == [{"path": "set/labels.csv"}, {"path": "set"}]
    assert {name: task["type"] for name, task in config["tasks"].items()} == {
        "price": "number",
        "folder": "label",
    }
    sound(30)


def test_folders_that_say_what_a_table_says_are_not_asked(place: Path) -> None:
    names = [f"{KINDS[n % 3]}/{n}.jpg" for n in range(30)]
    draw(place / "set", names)
    table(
        place / "set/labels.csv",
        "image,class_id,colour",
        lambda n: f"{names[n]},{n % 3},{('red', 'blue')[n % 2]}",
    )
    assert proposed("set")["sources"] == [{"path": "set/labels.csv"}]


def test_class_folders_of_more_pictures_than_a_table_says_the_same_of(place: Path) -> None:
    names = [f"{('train', 'val')[n % 5 == 0]}/{KINDS[n % 3]}/{n}.jpg" for n in range(60)]
    draw(place / "set", names)
    known = [n for n, name in enumerate(names) if name.startswith("train")][:30]
    table(place / "set/train.csv", "filename,class", lambda n: f"{known[n]}.jpg,{KINDS[known[n] % 3]}")
    config = proposed("set")
    assert config["sources"] == [{"path": "set"}]
    assert config["tasks"] == {"folder": {"type": "label"}}
    assert "# not read: train.csv: it says of 30 pictures what folders say of 60" in config["text"]
    sound(60)


def test_pictures_that_no_table_names_are_told(place: Path) -> None:
    draw(place / "set", [f"photos/{n}.jpg" for n in range(40)])
    rows(place / "set/labels.csv", [f"{n}.jpg" for n in range(30)])
    config = proposed("set")
    assert config["sources"] == [{"path": "set/labels.csv"}]
    assert '# 10 of 40 pictures there, such as "set/photos/30.jpg", are in no table' in config["text"]


def test_folders_of_splits_beside_a_table_without_parts(place: Path) -> None:
    names = [f"{('train', 'test')[n % 4 == 0]}/{n}.jpg" for n in range(40)]
    draw(place / "set", names)
    rows(place / "set/labels.csv", names)
    assert proposed("set")["sources"] == [{"path": "set/labels.csv"}, {"path": "set"}]
    assert parts_of(40)["test"] == 10


@pytest.mark.parametrize(
    "path",
    [
        "set/{n}.jpg",
        "set/part{shard}/{n}.jpg",
        "a/b/c/{n}.jpg",
        "archive/images/set{shard}/{n}.jpg",
        "2021/0{shard}/{n}.jpg",
        "202{shard}/0{shard}/{n}.jpg",
        "2021-0{shard}/1{shard}/{n}.jpg",
        "DCIM/10{shard}CANON/{n}.jpg",
        "x/New folder ({shard})/{n}.jpg",
    ],
)
def test_folders_that_say_nothing_are_not_proposed(place: Path, path: str) -> None:
    draw(place / "photos", [path.format(n=n, shard=1 + n % 3) for n in range(30)])
    with pytest.raises(DataError):
        proposed("photos")


def yolo(folder: Path) -> None:
    for split, count in (("train", 12), ("val", 6)):
        draw(folder / "images" / split, [f"{split}{n}.jpg" for n in range(count)])
        (folder / "labels" / split).mkdir(parents=True)
        for n in range(count):
            (folder / "labels" / split / f"{split}{n}.txt").write_text(f"{n % 2} 0.5 0.5 0.4 0.4\n")


def test_names_of_yolo_classes_in_yaml_that_holds_no_more(place: Path) -> None:
    yolo(place / "set")
    (place / "set/names.yaml").write_text("names:\n  0: cat\n  1: dog\n")
    config = proposed("set")
    assert "cat (9), dog (9)" in config["text"]
    assert parts_of(18)["validation"] == 6


def test_one_of_several_folders_that_cannot_be_read_is_named(place: Path) -> None:
    yolo(place / "all/set")
    (place / "all/configs").mkdir()
    (place / "all/configs/my.yaml").write_text("path: ../set\ntrain: images/train\nnames: [cat, dog]\n")
    config = proposed("all")
    assert config["sources"] == [{"path": "all/set"}]
    assert '# not read: configs: train names "images/train", which is not there' in config["text"]
