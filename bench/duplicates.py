"""How many changed copies of pictures `check` finds, what else it calls copies, and how long it takes.

    python bench/duplicates.py FOLDER [FOLDER ...]   copies of 60 pictures of each, among all of its pictures
    python bench/duplicates.py --many 100000         the time for so many drawn pictures, one in 50 a copy

Only files in FOLDER are read; copies are made in memory. Pairs that are called copies though nobody made
them are listed with --list: whether they are real only a person can say.
"""

from __future__ import annotations

import argparse
import io
import random
import resource
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from oneglance.data.images.decode import Canvas
from oneglance.data.images.letterbox import Fit
from oneglance.data.inspection.near_duplicates.find import NearDuplicates
from oneglance.data.merging.merge_records import DisjointSets

SIZE = 160
Change = Callable[[Image.Image, random.Random], Image.Image]


def compressed(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def cropped(image: Image.Image, most: float, draw: random.Random) -> Image.Image:
    """Each side loses up to `most` of the picture."""
    left, top, right, bottom = (draw.uniform(0, most) for _ in range(4))
    width, height = image.size
    return image.crop(
        (int(left * width), int(top * height), int((1 - right) * width), int((1 - bottom) * height))
    )


def middle(image: Image.Image, share: float) -> Image.Image:
    edge = (1 - share) / 2
    width, height = image.size
    return image.crop(
        (int(edge * width), int(edge * height), int((1 - edge) * width), int((1 - edge) * height))
    )


def with_hue(image: Image.Image, turn: int) -> Image.Image:
    values = np.asarray(image.convert("HSV")).copy()
    values[..., 0] += np.uint8(turn % 256)
    return Image.fromarray(values, "HSV").convert("RGB")


def scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((max(8, int(image.width * factor)), max(8, int(image.height * factor))))


CHANGES: dict[str, Change] = {
    "resized to 40 %": lambda image, draw: scaled(image, 0.4),
    "JPEG quality 20": lambda image, draw: compressed(image, 20),
    "mirrored": lambda image, draw: ImageOps.mirror(image),
    "cropped, up to 5 % a side": lambda image, draw: cropped(image, 0.05, draw),
    "cropped, up to 10 % a side": lambda image, draw: cropped(image, 0.1, draw),
    "cropped, up to 20 % a side": lambda image, draw: cropped(image, 0.2, draw),
    "middle 70 %": lambda image, draw: middle(image, 0.7),
    "middle square": lambda image, draw: ImageOps.fit(image, (min(image.size),) * 2),
    "brightness 0.7 or 1.25": lambda image, draw: ImageEnhance.Brightness(image).enhance(
        draw.choice([0.7, 1.25])
    ),
    "contrast 0.7 or 1.3": lambda image, draw: ImageEnhance.Contrast(image).enhance(draw.choice([0.7, 1.3])),
    "hue by 17 degrees": lambda image, draw: with_hue(image, draw.choice([-12, 12])),
    "grey": lambda image, draw: image.convert("L").convert("RGB"),
    "white border of 5 %": lambda image, draw: ImageOps.expand(image, int(0.05 * max(image.size)), "white"),
    "mirrored, cropped, recoloured, halved": lambda image, draw: scaled(
        ImageEnhance.Brightness(ImageOps.mirror(cropped(image, 0.08, draw))).enhance(
            draw.choice([0.85, 1.15])
        ),
        0.5,
    ),
}


def canvas(image: Image.Image, fit: Fit) -> Canvas:
    return Canvas(fit.canvas(image), *image.size)


def accuracy(folders: list[Path], count: int, listed: bool) -> None:
    draw, fit = random.Random(0), Fit(SIZE)
    finder = NearDuplicates(fit)
    names: list[str] = []
    origin: list[int] = []
    change_of: dict[int, str] = {}
    for folder in folders:
        files = sorted(
            file
            for file in folder.rglob("*")
            if file.suffix.lower() in (".jpg", ".jpeg", ".png") and file.is_file()
        )
        chosen = set(draw.sample(range(len(files)), min(count, len(files))))
        for number, file in enumerate(files):
            image = ImageOps.exif_transpose(Image.open(file)).convert("RGB")
            image.thumbnail((256, 256))
            own = len(names)
            finder.add(own, canvas(image, fit))
            names.append(str(file.relative_to(folder.parent)))
            origin.append(own)
            if number in chosen:
                for name, change in CHANGES.items():
                    change_of[len(names)] = name
                    finder.add(len(names), canvas(compressed(change(image, draw), 85), fit))
                    names.append(name)
                    origin.append(own)
    start = time.perf_counter()
    groups = finder.groups([], lambda done, total, what: None)
    seconds = time.perf_counter() - start
    alike, copies = DisjointSets[int](), DisjointSets[int]()
    others = []
    for pair in (pair for pairs in groups for pair in pairs):
        alike.join(pair.first, pair.second)
        if pair.is_copy:
            copies.join(pair.first, pair.second)
        if origin[pair.first] != origin[pair.second]:
            others.append((names[origin[pair.first]], names[origin[pair.second]], pair))
    made, joined, called = Counter(change_of.values()), Counter(), Counter()
    for row, name in change_of.items():
        joined[name] += alike.root(row) == alike.root(origin[row])
        called[name] += copies.root(row) == copies.root(origin[row])
    print(f"{'':40} in one group     called copies")
    for name in CHANGES:
        print(
            f"{name:40} {joined[name] / made[name]:.3f} {called[name] / made[name]:16.3f}  n = {made[name]}"
        )
    total = sum(made.values())
    print(f"{'all':40} {joined.total() / total:.3f} {called.total() / total:16.3f}  n = {total}")
    kinds = Counter(pair.is_copy for *_, pair in others)
    print(f"{len(names):,} pictures, {seconds:.1f} s; two different originals:", end=" ")
    print(f"{kinds[True]} pairs called copies, {kinds[False]} that look alike")
    for one, two, pair in others if listed else []:
        print("  copies" if pair.is_copy else "  alike ", one, two, pair.changes)


def speed(count: int) -> None:
    """Pictures whose strength falls with the frequency, as that of photographs does."""
    random_numbers, fit = np.random.default_rng(0), Fit(64)
    across, down = np.fft.rfftfreq(64), np.fft.fftfreq(64)
    strength = 1 / np.maximum(np.hypot(across, down[:, None]), 1 / 64) ** 1.2
    finder, kept = NearDuplicates(fit), []
    start = time.perf_counter()
    for row in range(count):
        if row % 50 == 49:
            pixels = np.asarray(scaled(Image.fromarray(kept[-1][2:60, 3:62]), 0.9).resize((64, 64)))
        else:
            phases = np.exp(2j * np.pi * random_numbers.random(strength.shape))
            grey = np.fft.irfft2(strength * phases, s=(64, 64))
            grey = 128 + 50 * grey / grey.std()
            pixels = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)
            kept = [pixels]
        finder.add(row, Canvas(pixels, 64, 64))
    added = time.perf_counter() - start
    start = time.perf_counter()
    groups = finder.groups([], lambda done, total, what: None)
    seconds = time.perf_counter() - start
    pairs = [pair for group in groups for pair in group]
    right = sum(pair.second % 50 == 49 and pair.first == pair.second - 1 for pair in pairs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{count:,} pictures: drawn and added in {added:.0f} s, searched in {seconds:.0f} s; "
        f"{right} of {count // 50} copies, {len(pairs) - right} other pairs; peak {peak:.0f} MB"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--copies", type=int, default=60, help="pictures of each folder that are copied")
    parser.add_argument("--many", type=int, default=0)
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args()
    if given.many:
        speed(given.many)
    else:
        accuracy(given.folders, given.copies, given.list)
