"""Small files that would fill the memory or take for ever: pictures, tables, archives, annotations.

Every attempt draws the kind and the sizes, writes the file and reads it as a person would: pictures by
``predict``'s decoder, a few at a time, everything else as a source. What comes out is right or refused; the
frame watches time and memory.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from oneglance.data.image_inputs import pictures
from oneglance.data.images.decode import Canvas, Limits
from oneglance.data.images.decoding.decode_pool import decode
from oneglance.data.images.header import header
from oneglance.data.images.letterbox import Fit
from oneglance.data.record import Record
from oneglance.data.source import open_source
from oneglance.errors import OneglanceError
from oneglance.progress import Screen

Image.MAX_IMAGE_PIXELS = None
SIDES = (60, 500, 2000, 6000, 14_000, 30_000)  # pixels


def prepare(folder: Path) -> None:
    """Nothing: each attempt makes its own."""


def make(folder: Path, rng: np.random.Generator) -> Path:
    for old in folder.iterdir():
        old.unlink()
    makers = [*PICTURES, *OTHERS]
    return makers[rng.integers(len(makers))](folder, rng)


def attempt(made: Path, rng: np.random.Generator) -> str:
    is_picture = made.suffix in PICTURE_ENDINGS
    return (decoded if is_picture else read)(made)


def decoded(path: Path) -> str:
    refs = pictures([path, path], Screen())
    answers = list(decode(refs, Fit(32), Limits()))
    sizes = {(answer.width, answer.height) for answer in answers if isinstance(answer, Canvas)}
    assert len(sizes) <= 1 and len(answers) == 2
    head = header(refs[0])
    if sizes and head is not None:
        assert sizes == {head.upright}
    return "answered" if sizes else "refused"


def read(path: Path) -> str:
    try:
        items = list(open_source({"path": str(path)}, path.parent).read())
    except OneglanceError:
        return "refused"
    for item in items[:3]:
        if isinstance(item, Record):
            try:
                item.image.load()
            except OSError:
                continue
    return "answered" if any(isinstance(item, Record) for item in items) else "refused"


# ---- pictures


def pixels(folder: Path, rng: np.random.Generator) -> Path:
    """Of one colour, in any mode and format, of any size up to more than is allowed."""
    side = int(rng.choice(SIDES))
    mode = str(rng.choice(["1", "L", "RGB", "RGBA", "P", "CMYK", "I;16", "F"]))
    endings = {
        "CMYK": ("tif", "jpg"),
        "I;16": ("tif", "png"),
        "F": ("tif",),
        "RGBA": ("png", "webp", "tif"),
    }.get(mode, ("png", "tif", "gif", "bmp", "jpg", "webp", "jp2"))
    ending = str(rng.choice(endings))
    if side > 14_000 or (ending in ("jp2", "webp") and side > 2000) or (ending == "bmp" and side > 6000):
        return claimed(folder, rng)
    path = folder / f"a.{ending}"
    options = {"compression": str(rng.choice(["tiff_deflate", "tiff_lzw"]))} if ending == "tif" else {}
    image = Image.new(mode, (side, int(rng.integers(1, side + 1))))
    if ending in ("jpg", "webp", "jp2", "gif") and mode not in ("RGB", "CMYK", "L"):
        image = image.convert("RGB")
    image.save(path, **options)
    return path


def claimed(folder: Path, rng: np.random.Generator) -> Path:
    """A small picture whose head claims a large one."""
    width, height = (int(2 ** rng.uniform(4, 16)) - 1 for _ in range(2))
    kind = str(rng.choice(["png", "jpg", "gif", "bmp", "tif", "webp"]))
    file = io.BytesIO()
    Image.effect_noise((40, 30), 50).convert("RGB").save(file, {"jpg": "JPEG", "tif": "TIFF"}.get(kind, kind))
    content = bytearray(file.getvalue())
    if kind == "png":
        content[16:24] = struct.pack(">II", width, height)
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    elif kind == "jpg":
        at = content.index(b"\xff\xc0") + 5
        content[at : at + 4] = struct.pack(">HH", height, width)
    elif kind == "gif":
        content[6:10] = struct.pack("<HH", width, height)
    elif kind == "bmp":
        content[18:26] = struct.pack("<ii", width, height)
    elif kind == "webp":
        content[26:30] = struct.pack("<HH", width & 0x3FFF, height & 0x3FFF)
    else:
        for tag, value in ((256, width), (257, height), (278, height), (279, 2**31 - 1)):
            at = content.find(struct.pack("<HH", tag, 4)), content.find(struct.pack("<HH", tag, 3))
            if max(at) > 0:
                content[max(at) + 2 : max(at) + 12] = struct.pack("<HII", 4, 1, value)
    path = folder / f"claimed.{kind}"
    path.write_bytes(content)
    return path


def noted(folder: Path, rng: np.random.Generator) -> Path:
    """Tags, profiles, texts, segments and scans without measure."""
    file = io.BytesIO()
    jpeg = bool(rng.integers(2))
    Image.new("L", (50, 50)).save(file, "JPEG" if jpeg else "PNG", **({"progressive": True} if jpeg else {}))
    content, count = file.getvalue(), int(10 ** rng.uniform(1, 5))
    size = min(65_000, int(10 ** rng.uniform(0, 5)), 30_000_000 // count)
    if jpeg and rng.integers(3) == 0:
        scan = content[content.rindex(b"\xff\xda") : -2]
        content = content[:-2] + scan * count + content[-2:]
    elif jpeg:
        tags = struct.pack("<2sHIH", b"II", 42, 8, min(count, 5000))
        tags += b"".join(struct.pack("<HHII", n + 1, 7, size, 8) for n in range(min(count, 5000)))
        note = (b"Exif\0\0" + tags + bytes(size))[:65_000] if rng.integers(2) else bytes(size)
        marker = int(rng.choice([0xE1, 0xE2, 0xED, 0xFE]))
        content = content[:2] + struct.pack(">BBH", 0xFF, marker, len(note) + 2) + note + content[2:]
    else:
        kind = bytes(rng.choice([b"zTXt", b"tEXt", b"iTXt", b"iCCP", b"eXIf", b"vpAg"]))
        body = (
            b"a\0\0" + zlib.compress(bytes(50_000_000))
            if kind in (b"zTXt", b"iCCP")
            else b"a\0" + bytes(size)
        )
        chunk = struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))
        content = content[:33] + chunk * min(count, 30_000_000 // len(chunk)) + content[33:]
    path = folder / ("noted.jpg" if jpeg else "noted.png")
    path.write_bytes(content)
    return path


# ---- all else


def parquet(folder: Path, rng: np.random.Generator) -> Path:
    rows = int(10 ** rng.uniform(0, 5))
    length = int(min(10 ** rng.uniform(0, 8), 3e8 / rows))
    kind = rng.integers(4)
    cells: pa.Array
    if kind == 0:
        cells = pa.array(["x" * length] * rows if length * rows < 3e8 else ["x"])
    elif kind == 1:
        cells = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * length]))
    elif kind == 2:
        cells = pa.array([[1] * min(length, 10_000_000)] + [[1]] * (rows - 1))
    else:
        cells = pa.array([bytes(min(length, 250_000_000))] + [b"x"] * (rows - 1))
    image = cells if kind == 3 else pa.array(["a.png"] * len(cells))
    path = folder / "a.parquet"
    codec = str(rng.choice(["zstd", "snappy", "gzip"]))
    pad = pa.array([os.urandom(2) for _ in range(len(cells))])
    pq.write_table(pa.table({"image": image, "t": cells, "pad": pad}), path, compression=codec)
    return path


def text(folder: Path, rng: np.random.Generator) -> Path:
    """Tables and annotations: wide, deep, long."""
    count = int(10 ** rng.uniform(1, 6.7))
    ending, content = [
        ("csv", "image," + ",".join(f"c{n}" for n in range(min(count, 400_000))) + "\na.png\n"),
        ("csv", "image,a\na.png," + "x" * count + "\n"),
        ("csv", 'image,a\na.png,"' + "x\n" * min(count, 1_000_000)),
        ("jsonl", json.dumps({"image": "a.png", **{f"c{n}": n for n in range(min(count, 100_000))}})),
        ("jsonl", '{"image": "a.png", "a": ' + "[" * count),
        ("json", '{"images": ' + "[" * count),
        ("json", '{"images": [], "annotations": [' + ",".join(["[]"] * count) + '], "categories": []}'),
        ("yaml", "names: [a]\ntrain: images\n" + "".join(f"a{n}: b\n" for n in range(count))),
        ("yaml", "names: " + "[" * count),
        ("yaml", "names: [a]\ntrain: " + "x" * count + "\n"),
        ("xml", "<annotation><!--" + "x" * (10 * count) + "--></annotation>"),
        ("xml", "<annotation>" + "<object>" * count),
        ("xml", "<annotations><image " + " ".join(f'a{n}=""' for n in range(count)) + "/></annotations>"),
    ][rng.integers(13)]
    path = folder / f"a.{ending}"
    path.write_text(content)
    return path


def archive(folder: Path, rng: np.random.Generator) -> Path:
    size = int(min(10 ** rng.uniform(2, 8.5), 250_000_000))
    count = int(10 ** rng.uniform(0, 4))
    if rng.integers(2):
        path = folder / "a.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("a.png", bytes(size))
            packed.filelist *= count
        return path
    path = folder / "a.tar.gz"
    with gzip.open(path, "wb", 1) as file:
        for number in range(min(count, max(1, 300_000_000 // size))):
            head = tarfile.TarInfo(f"{number}.png")
            head.size = size
            head.type = bytes(rng.choice([tarfile.REGTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE]))
            file.write(head.tobuf(tarfile.GNU_FORMAT) + bytes(size + -size % 512))
        file.write(bytes(1024))
    return path


PICTURE_ENDINGS = (".png", ".tif", ".gif", ".bmp", ".jpg", ".webp", ".jp2")
PICTURES: list[Callable[[Path, np.random.Generator], Path]] = [pixels, claimed, noted]
OTHERS: list[Callable[[Path, np.random.Generator], Path]] = [parquet, text, archive]
