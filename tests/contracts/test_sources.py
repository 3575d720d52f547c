"""What holds for every source format; a new one is tested as soon as it has a sample here."""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oneglance.data.record import Record
from oneglance.data.source import Source, format_class, formats, open_source
from oneglance.errors import ConfigError, DataError, Problem


def draw(path: Path, colour: int) -> None:
    out = io.BytesIO()
    Image.new("RGB", (8, 6), (colour, 0, 0)).save(out, "PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(out.getvalue())


def folder(base: Path) -> Path:
    for n, kind in enumerate(("cat", "dog")):
        draw(base / "photos" / kind / f"{n}.png", n)
    return base / "photos"


def table(base: Path) -> Path:
    folder(base)
    (base / "labels.csv").write_text("image,kind\nphotos/cat/0.png,cat\nphotos/dog/1.png,\n")
    return base / "labels.csv"


def listing(base: Path) -> Path:
    folder(base)
    (base / "list.txt").write_text("photos/cat/0.png\nphotos/dog/1.png\n")
    return base / "list.txt"


def idx(base: Path) -> Path:
    (base / "numbers").mkdir()
    pixels = np.arange(2 * 4 * 5, dtype=np.uint8)
    head = struct.pack(">HBB3I", 0, 8, 3, 2, 4, 5)
    (base / "numbers" / "train-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
    (base / "numbers" / "train-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, 2) + b"\3\4")
    return base / "numbers"


def cifar(base: Path) -> Path:
    (base / "cifar").mkdir()
    for n, name in enumerate(("train.bin", "test.bin")):
        (base / "cifar" / name).write_bytes(bytes([n, n]) + bytes(3072))
    return base / "cifar"


def boxes_table(base: Path) -> Path:
    folder(base)
    rows = "photos/cat/0.png,cat,1,1,5,4\nphotos/dog/1.png,,,,,\n"
    (base / "boxes.csv").write_text("image,label,xmin,ymin,xmax,ymax\n" + rows)
    return base / "boxes.csv"


def coco(base: Path) -> Path:
    folder(base)
    images = [{"id": 1, "file_name": "photos/cat/0.png"}, {"id": 2, "file_name": "photos/dog/1.png"}]
    box = {"id": 7, "image_id": 1, "category_id": 3, "bbox": [1, 1, 4, 3]}
    said = {"images": images, "annotations": [box], "categories": [{"id": 3, "name": "cat"}]}
    (base / "instances.json").write_text(json.dumps(said))
    return base / "instances.json"


def cvat(base: Path) -> Path:
    folder(base)
    (base / "annotations.xml").write_text(
        "<annotations><version>1.1</version>"
        '<image id="0" name="photos/cat/0.png"><box label="cat" xtl="1" ytl="1" xbr="5" ybr="4"/></image>'
        '<image id="1" name="photos/dog/1.png"/></annotations>'
    )
    return base / "annotations.xml"


def label_studio(base: Path) -> Path:
    folder(base)
    names = enumerate(("cat/0.png", "dog/1.png"))
    tasks = [{"id": n, "data": {"image": name}, "annotations": []} for n, name in names]
    (base / "photos" / "tasks.json").write_text(json.dumps(tasks))
    return base / "photos" / "tasks.json"


def tao(base: Path) -> Path:
    for n, part in enumerate(("train", "val")):
        draw(base / "set" / "images" / f"{n}.png", n)
        (base / "set" / f"{part}.csv").write_text(f"fname,kind\n{n}.png,cat\n")
    return base / "set"


def voc(base: Path) -> Path:
    for n in range(2):
        draw(base / "voc" / "JPEGImages" / f"{n}.png", n)
        page = base / "voc" / "Annotations" / f"{n}.xml"
        page.parent.mkdir(exist_ok=True)
        page.write_text(f"<annotation><filename>{n}.png</filename></annotation>")
    return base / "voc"


def webdataset(base: Path) -> Path:
    folder(base)
    with tarfile.open(base / "shard.tar", "w") as archive:
        for n, kind in enumerate(("cat", "dog")):
            archive.add(base / "photos" / kind / f"{n}.png", f"{n}.png")
            (base / f"{n}.cls").write_text(str(n))
            archive.add(base / f"{n}.cls", f"{n}.cls")
    return base / "shard.tar"


def yolo(base: Path) -> Path:
    for n in range(2):
        draw(base / "yolo" / "images" / f"{n}.png", n)
    (base / "yolo" / "labels").mkdir()
    (base / "yolo" / "labels" / "0.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (base / "yolo" / "data.yaml").write_text("train: images\nnames: [cat]\n")
    return base / "yolo" / "data.yaml"


SAMPLES: dict[str, Callable[[Path], Path]] = {
    "boxes_table": boxes_table,
    "cifar": cifar,
    "coco": coco,
    "cvat": cvat,
    "folder": folder,
    "idx": idx,
    "label_studio": label_studio,
    "listing": listing,
    "table": table,
    "tao": tao,
    "voc": voc,
    "webdataset": webdataset,
    "yolo": yolo,
}  # format -> what writes a sample of two pictures or more below a folder and gives its path

every_format = pytest.mark.parametrize("name", formats())


@pytest.fixture
def path(name: str, tmp_path: Path) -> Path:
    if name not in SAMPLES:
        pytest.fail(f"sources/{name}.py has no sample here: add one to SAMPLES")
    return SAMPLES[name](tmp_path)


@pytest.fixture
def source(path: Path) -> Source:
    return open_source({"path": path.name}, path.parent)


def records(source: Source) -> list[Record]:
    found = list(source.read())
    assert [item for item in found if isinstance(item, Problem) and item.fatal] == []
    return [item for item in found if isinstance(item, Record)]


def test_no_format_is_lost() -> None:
    assert set(SAMPLES) <= set(formats())


@every_format
def test_it_is_found_by_looking(name: str, source: Source, path: Path) -> None:
    assert source.format == name
    assert type(source) is format_class(name)
    assert source.path == path.resolve()


@every_format
def test_nobody_else_claims_it_with_equal_right(name: str, path: Path) -> None:
    claims = {other: format_class(other).rank for other in formats() if format_class(other).recognises(path)}
    assert [other for other, rank in claims.items() if rank >= claims[name]] == [name]


@every_format
def test_it_does_not_claim_what_it_cannot_know(name: str, tmp_path: Path) -> None:
    (tmp_path / "strange.xyz").write_bytes(b"\0\1\2")
    for path in ("strange.xyz", "nowhere", "nowhere.zip"):
        assert not format_class(name).recognises(tmp_path / path)


@every_format
def test_records_are_complete_and_come_again(name: str, source: Source) -> None:
    first = records(source)
    assert len(first) >= 2
    assert first == records(source)
    for record in first:
        assert record.location
        assert record.image.name
        assert record.source == source.title
        assert record.split in {"", "train", "validation", "test"}
        assert all(type(field) is str for field in record.answers)
        assert None not in record.answers.values()
        assert "" not in record.answers.values()
    assert len({record.location for record in first}) == len(first)


@every_format
def test_pictures_load_and_have_stamps(name: str, source: Source) -> None:
    for record in records(source):
        loaded = record.image.load()
        if isinstance(loaded, bytes):
            Image.open(io.BytesIO(loaded)).load()
        else:
            assert loaded.dtype == np.uint8
            assert loaded.ndim == 2 or loaded.shape[2:] == (3,)
    stamps = [record.image.stamp() for record in records(source)]
    assert len(set(stamps)) == len(stamps)


@every_format
def test_refs_travel_and_are_keys(name: str, source: Source) -> None:
    refs = [record.image for record in records(source)]
    again = pickle.loads(pickle.dumps(refs))
    assert again == refs
    assert len({*refs, *again}) == len(refs)
    assert not any(hasattr(ref, "__dict__") for ref in refs)  # there may be a million
    for ref, other in zip(refs, again, strict=True):
        np.testing.assert_array_equal(ref.load(), other.load())


@every_format
def test_the_title_is_what_messages_say(name: str, path: Path) -> None:
    source = open_source({"path": path.name, "name": "shop"}, path.parent)
    assert {record.source for record in records(source)} == {"shop"}


@every_format
def test_a_picture_that_went_away_is_an_oserror(name: str, source: Source) -> None:
    refs = [record.image for record in records(source)]
    for file in {str(ref.stamp()[0]) for ref in refs}:
        Path(file).unlink()
    for ref in refs:
        for ask in (ref.load, ref.stamp):
            with pytest.raises(FileNotFoundError):
                ask()


@every_format
def test_unknown_keys_are_refused(name: str, path: Path) -> None:
    with pytest.raises(ConfigError, match='has no key "imagse"'):
        open_source({"path": path.name, "imagse": "x"}, path.parent)


@every_format
def test_a_damaged_file_is_told_and_never_more(name: str, path: Path) -> None:
    """Bytes lost, changed and repeated anywhere: what is read is a record, a Problem or a DataError."""
    chance = random.Random(0)
    files = [file for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    texts = [file for file in files if file.suffix != ".png"]
    for _ in range(60 if texts else 0):
        file = chance.choice(texts)
        whole = file.read_bytes()
        start = chance.randrange(len(whole) + 1)
        end = min(len(whole), start + chance.choice((1, 2, 8, 10_000)))
        middle = chance.choice((b"", b"\xff", b"\0", b"[", b"<", b'"', b"9" * 400, whole[start:end] * 2))
        file.write_bytes(whole[:start] + middle + whole[end:])
        try:
            for item in open_source({"path": path.name, "format": name}, path.parent).read():
                assert isinstance(item, Record | Problem)
                str(item)
        except DataError as error:
            assert str(error)
        file.write_bytes(whole)
