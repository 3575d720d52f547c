"""Masks beside pictures: where they lie, and what their values mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from support.annotated import annotations_of, boxes, kinds, read
from support.layouts import CLASSES, HEIGHT, PARTS, THINGS, WIDTH, draw, found_things, proposed

from oneglance.data.images.decoding import decode_pool
from oneglance.data.images.decoding.decode_pool import DecodeMask, decode_with
from oneglance.data.images.references import FileImage
from oneglance.data.inspection.missing_files import missing_pictures
from oneglance.data.parsing.annotations.mask_parts import MaskReader
from oneglance.data.source import open_source
from oneglance.data.sources.masks import MASK_LIMITS
from oneglance.errors import DataError, PictureError


def mask(path: Path, *things: tuple[int, int, int, int, int], mode: str = "L") -> None:
    """A picture of the things (value and four edges) on 0."""
    values = np.zeros((HEIGHT, WIDTH), np.uint16 if mode == "I;16" else np.uint8)
    for value, x0, y0, x1, y1 in things:
        values[y0:y1, x0:x1] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values)
    if mode == "P":
        image.putpalette([n for colour in range(256) for n in (colour, 255 - colour, 7)])
    image.save(path)


def plain(path: Path) -> None:
    """A picture of nothing in particular."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (WIDTH, HEIGHT), (90, 120, 90)).save(path)


def things_of(stem: str, *numbers: int) -> list[tuple[int, int, int, int, int]]:
    return [(numbers[CLASSES.index(label)], *edges) for label, *edges in THINGS[stem]]  # type: ignore[misc]


@pytest.mark.parametrize("start", ["", "./", "/home/someone/set/", "D:\\sets\\"])
@pytest.mark.parametrize("lists", ["{part}.txt", "{part}_list.txt"])
def test_lists_of_pictures_with_their_masks(tmp_path: Path, start: str, lists: str) -> None:
    """Whatever their names are, and wherever they lay when the lists were written."""
    for number, stem in enumerate(THINGS):
        draw(tmp_path / "set" / "photos" / f"{stem}.png")
        mask(tmp_path / "set" / "drawn" / f"{90 - number}.png", *things_of(stem, 1, 2))
        file = tmp_path / "set" / lists.format(part=PARTS[stem])
        line = f"{start}photos/{stem}.png {start}drawn/{90 - number}.png\n"
        file.write_text((file.read_text() if file.exists() else "") + line)
    found = proposed(tmp_path / "set")
    assert found.parts == PARTS
    assert {name: sorted(things) for name, things in found.things.items()} == {
        stem: sorted((str(1 + CLASSES.index(label)), *edges) for label, *edges in things)
        for stem, things in THINGS.items()
    }


@pytest.mark.parametrize(
    ("pictures", "masks"),
    [
        ("images/{stem}.png", "masks/{stem}.png"),
        ("imgs/{stem}.png", "mask/{stem}_mask.png"),
        ("{stem}.png", "masks/{stem}.png"),
        ("{stem}.png", "{stem}_mask.png"),
        ("{stem}.jpg", "{stem}.png"),
        ("{part}/images/{stem}.png", "{part}/masks/{stem}.png"),
        ("images/{part}/{stem}.png", "annotations/{part}/{stem}.png"),
        ("{part}/{stem}.png", "{part}annot/{stem}.png"),
        ("{part}_images/{stem}.png", "{part}_masks/{stem}.png"),
        ("images_prepped_{part}/{stem}.png", "annotations_prepped_{part}/{stem}.png"),
        ("one/photos/{stem}.png", "one/SegmentationClass/{stem}.png"),
    ],
)
def test_masks_wherever_they_lie(tmp_path: Path, pictures: str, masks: str) -> None:
    for stem in THINGS:
        names = {"stem": stem, "part": PARTS[stem]}
        draw(tmp_path / "set" / pictures.format(**names))
        mask(tmp_path / "set" / masks.format(**names), *things_of(stem, 255, 255))
    found = proposed(tmp_path / "set")
    assert {stem: sorted(edges for _, *edges in things) for stem, things in found.things.items()} == {
        stem: sorted(edges for _, *edges in things) for stem, things in THINGS.items()
    }
    assert found.tasks == {"objects": {"type": "boxes", "single": "object"}}
    assert found.parts == (PARTS if "part" in pictures else dict.fromkeys(THINGS, ""))
    assert "# holds masks: boxes are those around their connected parts" in found.text


@pytest.mark.parametrize(
    ("picture", "own"),
    [("images/{}_image.png", "masks/{}_mask.png"), ("img/{}-rgb.jpg", "gt/{}_annotation.png")],
)
def test_pictures_may_say_in_their_names_that_they_are_pictures(
    tmp_path: Path, picture: str, own: str
) -> None:
    for stem in THINGS:
        plain(tmp_path / "set" / picture.format(stem))
        mask(tmp_path / "set" / own.format(stem), *things_of(stem, 255, 255))
    records, _ = read(tmp_path / "set")
    drawn = [sorted(edges for _, *edges in things) for _, things in sorted(THINGS.items())]
    assert [sorted(edges for _, *edges in found_things(record)) for record in records] == drawn


def test_a_mask_beside_a_picture_of_its_name_in_class_folders(tmp_path: Path) -> None:
    """As in sets of defects: ``MT_Crack/Imgs/a.jpg`` and ``a.png``, grey with edges that a camera blurred."""
    for number, kind in enumerate(("MT_Crack", "MT_Free", "MT_Crack", "MT_Free")):
        folder = tmp_path / "set" / kind / "Imgs"
        plain(folder / f"{number}.jpg")
        values = np.zeros((HEIGHT, WIDTH), np.uint8)
        if kind == "MT_Crack":
            values[4:20, 4:30] = 255
            values[3, 4:30], values[20, 4:30] = 60, 250 - number
        Image.fromarray(values).save(folder / f"{number}.png")
    found = proposed(tmp_path / "set")
    assert found.tasks == {"folder1": {"type": "label"}, "objects": {"type": "boxes", "single": "object"}}
    kinds_of_tile = [record.answers["folder1"] for record in found.records]
    assert kinds_of_tile == ["MT_Crack", "MT_Crack", "MT_Free", "MT_Free"]
    assert [len(boxes(record)) for record in found.records] == [1, 1, 0, 0]


def test_masks_beside_pictures_are_no_pictures_that_nobody_names(tmp_path: Path) -> None:
    for number in range(4):
        plain(tmp_path / "set" / f"{number}.jpg")
        mask(tmp_path / "set" / (f"{number}.png" if number % 2 else f"{number}_mask.png"), (255, 0, 0, 9, 9))
    records, _ = read(tmp_path / "set", format="masks")
    assert len(records) == 4
    assert missing_pictures(records)[1] == []
    plain(tmp_path / "set" / "other.png")
    assert kinds(missing_pictures(records)[1]) == ["unnamed picture"]


def test_a_drawing_is_no_mask(tmp_path: Path) -> None:
    """A picture of a page of text, with thousands of values: it is named, and fills no memory."""
    noise = np.random.default_rng(0).integers(0, 2**24, (300, 400)).astype("<u4").view(np.uint8)
    values = noise.reshape(300, 400, 4)[..., :3].astype(np.int64) @ [65536, 256, 1]
    assert MaskReader(whole=False, cuts=True)(values).parts is None


def test_the_same_photograph_in_two_formats_is_no_mask(tmp_path: Path) -> None:
    for number in range(4):
        noise = np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        for ending in ("jpg", "png"):
            path = tmp_path / "set" / f"{number % 2}s" / f"{number}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noise).save(path)
    assert open_source({"path": str(tmp_path / "set")}, tmp_path).format == "folder"


def test_a_few_parts_of_other_values_are_faults_of_the_drawing(tmp_path: Path) -> None:
    for number in range(60):
        plain(tmp_path / "set" / "images" / f"{number:02d}.png")
        mask(tmp_path / "set" / "masks" / f"{number:02d}.png", (1 if number == 7 else 255, 0, 0, 9, 9))
    records, problems = read(tmp_path / "set")
    assert {box.label for record in records for box in boxes(record)} == {""}
    assert "odd values" in kinds(problems)


@pytest.mark.parametrize("mode", ["L", "P", "I;16"])
def test_values_are_classes(tmp_path: Path, mode: str) -> None:
    for stem in THINGS:
        draw(tmp_path / "set" / "images" / f"{stem}.png")
        mask(tmp_path / "set" / "masks" / f"{stem}.png", *things_of(stem, 1, 3), mode=mode)
    records, problems = read(tmp_path / "set")
    assert {box.label for record in records for box in boxes(record)} == {"1", "3"}
    assert kinds(problems) == ["masks", "values of masks"]
    records, problems = read(tmp_path / "set", values={"1": "cat", "3": "dog"})
    assert [sorted(found_things(record)) for record in records] == [sorted(one) for one in THINGS.values()]
    assert {annotations_of(record).queried for record in records} == {frozenset(CLASSES)}
    records, problems = read(tmp_path / "set", values={"1": "cat", "3": ""})
    assert [len(boxes(record)) for record in records] == [1, 1, 0, 1]
    records, problems = read(tmp_path / "set", values={"1": "cat"})
    assert [box.label for box in boxes(records[2])] == [""]  # what that is was not said
    assert "value without class" in kinds(problems)
    with pytest.raises(DataError, match="which is no value of a mask"):
        read(tmp_path / "set", values={"cat": "1"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("_classes.csv", "Pixel Value, Class\n0, background\n1, cat\n3, dog"),
        ("classes.txt", "0:_background_\n1:cat\n3:dog\n7:bird\n"),
        ("names.csv", "name,value\ncat,1\ndog,3\n"),
    ],
)
def test_a_legend_beside_the_masks_names_their_values(tmp_path: Path, name: str, text: str) -> None:
    for stem in THINGS:
        draw(tmp_path / "set" / "train" / f"{stem}.jpg")
        mask(tmp_path / "set" / "train" / f"{stem}_mask.png", *things_of(stem, 1, 3))
    (tmp_path / "set" / "train" / name).write_text(text)
    found = proposed(tmp_path / "set")
    assert {stem: sorted(things) for stem, things in found.things.items()} == {
        stem: sorted(things) for stem, things in THINGS.items()
    }
    assert f"{name} names: cat, dog" in found.text


@pytest.mark.parametrize(
    "text",
    [
        "# label:color_rgb:parts:actions\nvoid:0,0,0::\nlight red:255,0,0::\n",
        "255 0 0\tlight red\n0 0 0 Void\n",
    ],
)
def test_a_legend_of_colours(tmp_path: Path, text: str) -> None:
    draw(tmp_path / "set" / "images" / "a.png")
    colours = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    colours[10:20, 10:30] = (255, 0, 0)
    (tmp_path / "set" / "masks").mkdir()
    Image.fromarray(colours).save(tmp_path / "set" / "masks" / "a.png")
    (tmp_path / "set" / "labelmap.txt").write_text(text)
    records, _ = read(tmp_path / "set")
    assert [found_things(record) for record in records] == [[("light red", 10, 10, 30, 20)]]


@pytest.mark.parametrize(
    "text", ["1 cat\n", "name,value\ncat,1\nbird,2\n", "a/1.png 1\na/3.png 3\n", "1 cat\n1 dog\n"]
)
def test_what_is_no_legend_of_these_masks(tmp_path: Path, text: str) -> None:
    for stem in THINGS:
        draw(tmp_path / "set" / "images" / f"{stem}.png")
        mask(tmp_path / "set" / "masks" / f"{stem}.png", *things_of(stem, 1, 3))
    (tmp_path / "set" / "notes.txt").write_text(text)
    records, _ = read(tmp_path / "set")
    assert {box.label for record in records for box in boxes(record)} == {"1", "3"}


def test_each_value_may_be_one_thing(tmp_path: Path) -> None:
    draw(tmp_path / "set" / "images" / "a.png")
    mask(tmp_path / "set" / "masks" / "a.png", (1, 0, 0, 5, 5), (2, 5, 0, 9, 5), (1, 20, 20, 30, 30))
    ((record,), _) = read(tmp_path / "set", values="things")
    assert found_things(record) == [("", 0, 0, 30, 30), ("", 5, 0, 9, 5)]


def test_colours_soft_edges_and_specks(tmp_path: Path) -> None:
    for stem in "ab":
        draw(tmp_path / "set" / "images" / f"{stem}.png")
    (tmp_path / "set" / "masks").mkdir()
    colours = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    colours[10:20, 10:30] = (255, 0, 0)
    colours[40:42, 50] = (255, 0, 0)
    Image.fromarray(colours).save(tmp_path / "set" / "masks" / "a.png")
    soft = np.clip(np.linspace(0, 300, WIDTH), 0, 200).astype(np.uint8) * np.ones((HEIGHT, 1), np.uint8)
    Image.fromarray(soft).save(tmp_path / "set" / "masks" / "b.png")
    (a, b), problems = read(tmp_path / "set")
    assert [found[1:] for found in found_things(a)] == [(10, 10, 30, 20)]
    ((_, left, top, right, bottom),) = found_things(b)
    assert (left, top, right, bottom) == (34, 0, WIDTH, HEIGHT)
    assert kinds(problems) == ["masks", "soft mask", "specks", "values of masks"]


def test_what_cannot_be_read_is_unknown_and_an_empty_mask_is_nothing(tmp_path: Path) -> None:
    for stem in THINGS:
        draw(tmp_path / "set" / "images" / f"{stem}.png")
    mask(tmp_path / "set" / "masks" / "a.png", (1, 10, 20, 40, 60))
    mask(tmp_path / "set" / "masks" / "b.png")
    whole = (tmp_path / "set" / "masks" / "a.png").read_bytes()
    (tmp_path / "set" / "masks" / "c.png").write_bytes(whole[:-30])
    (a, b, c, d), problems = read(tmp_path / "set")
    assert (len(boxes(a)), boxes(b)) == (1, ())
    assert "objects" not in c.answers
    assert "objects" not in d.answers
    assert kinds(problems) == ["mask", "masks", "no mask"]


def test_a_large_mask_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    for stem in "ab":
        draw(tmp_path / "set" / "images" / f"{stem}.png")
        mask(tmp_path / "set" / "masks" / f"{stem}.png", (1, 10, 20, 40, 60))
    Image.new("1", (10_000, 8_000)).save(tmp_path / "set" / "masks" / "b.png")
    (_, b), problems = read(tmp_path / "set")
    assert "objects" not in b.answers
    assert "10000×8000 pixels, more than the 50 megapixels allowed" in str(problems[0])


def test_classes_in_folders_are_no_masks(tmp_path: Path) -> None:
    for kind in ("mask", "no_mask"):
        for stem in THINGS:
            draw(tmp_path / "set" / kind / f"{stem}.png")
    assert open_source({"path": "set"}, tmp_path).format == "folder"


@pytest.mark.parametrize(("ending", "few"), [("png", 99), ("png", 2), ("bmp", 99), ("tif", 2)])
def test_masks_are_the_same_in_whichever_process_they_are_decoded(
    tmp_path: Path, ending: str, few: int
) -> None:
    for stem in THINGS:
        mask(tmp_path / f"{stem}.{ending}", *things_of(stem, 1, 2))
    (tmp_path / "torn.tif").write_bytes((tmp_path / f"a.{ending}").read_bytes()[:60])
    refs = [FileImage(str(tmp_path / name), name) for name in (f"a.{ending}", "torn.tif", f"b.{ending}")]
    reader = MaskReader(whole=False, cuts=True)
    a, torn, b = decode_with(DecodeMask(MASK_LIMITS, reader), refs, few=few)
    for stem, inside in (("a", a), ("b", b)):
        assert inside == reader(np.asarray(Image.open(tmp_path / f"{stem}.{ending}")))
        assert inside.parts is not None and len(inside.parts) == len(THINGS[stem])
    assert isinstance(torn, PictureError)
    assert torn.location == "torn.tif"


def test_a_mask_that_is_not_plain_is_decoded_by_the_process_that_is_kept(tmp_path: Path) -> None:
    mask(tmp_path / "a.tif", (1, 10, 20, 40, 60))
    before = {child.pid for child in psutil.Process().children()}
    decode_pool._kept.cache_clear()
    job = DecodeMask(MASK_LIMITS, MaskReader(False, True))
    list(decode_with(job, [FileImage(str(tmp_path / "a.tif"), "a.tif")]))
    assert {child.pid for child in psutil.Process().children()} - before
    decode_pool._kept.cache_clear()
