"""Drawn pictures with every kind of answer: for the demo, the tests and the first minute.

Each picture shows a ground (meadow, night, sand or sea), up to three coloured shapes, and a paper card with a
real handwritten digit. Three pictures in a row show one scene: the same shapes on the same ground, moved
about and in another light, with another digit on the card. They share a group, since each
reveals much of the others.
"""

from __future__ import annotations

import csv
import json
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from oneglance.errors import DataError, needs_extra
from oneglance.parallel.cpus import processors
from oneglance.parallel.process_pool import ProcessPool
from oneglance.storage.atomic_files import explained, here

TASKS = ("digit", "background", "shapes", "covered")
PER_SCENE = 3  # pictures that share a scene
UNKNOWN = 0.15  # share of the answers left out, per task
NOTHING = "none"  # the word for "there is no shape"; an empty cell: unlabelled
FAINT = 0.2  # of a digit's ink: less at its edges is no stroke
WRITTEN = 0.88  # of the card's side: the digit's longer one
MANY = 500  # pictures from which several processes draw, each of which takes a second to start
FINE = 4  # polygons are drawn this many times larger and averaged down, for smooth edges

Colour = tuple[int, int, int]


class Thing(NamedTuple):
    """A shape in a picture; ``box`` is (x0, y0, x1, y1) in pixels."""

    name: str
    colour: str
    box: tuple[float, ...]


@dataclass(frozen=True)
class Scene:
    """One drawn picture with its answers."""

    name: str  # "00017"
    scene: str  # the group
    pixels: np.ndarray  # uint8 [size, size, 3]
    answers: Mapping[str, Any]  # by task; a missing name: unlabelled
    things: tuple[Thing, ...]  # complete, whatever the answers leave out
    card: tuple[float, ...]  # where the digit stands: x0, y0, x1, y1 in pixels


def scenes(count: int = 1500, seed: int = 0, size: int = 64) -> Iterator[Scene]:
    """``count`` pictures of ``size`` x ``size`` pixels. The first ones do not depend on ``count``; with the
    same versions of NumPy and Pillow, the same ``seed`` draws the same pictures.

    Raises:
        MissingExtraError: scikit-learn, which brings the digits, is not installed.
    """
    _handwriting()
    draw = partial(_scene, seed, size)
    if count < MANY:
        yield from map(draw, range(count))
        return
    with ProcessPool(draw, _not_drawn, processors(), chunk=20 * PER_SCENE) as pool:
        yield from pool.map(range(count))


def _scene(seed: int, size: int, number: int) -> Scene:
    group = number // PER_SCENE
    setting = _setting(np.random.default_rng([seed, group]))
    rng = np.random.default_rng([seed, group, number])
    return _picture(setting, rng, name=f"{number:05d}", scene=f"s{group:04d}", size=size)


def _not_drawn(number: int, what: str) -> Scene:
    raise DataError(f"picture {number} could not be drawn: its process crashed or hung")


def write_scenes(folder: Path, count: int = 1500, seed: int = 0, size: int = 64) -> Path:
    """Write ``images/*.png``, ``labels.csv`` (one row per picture) and ``boxes.csv`` (one row per shape; a
    picture without shapes has one row with nothing but its name), and return ``folder``.

    The folder appears whole or not at all. Nothing is done where it already holds just these pictures.

    Raises:
        DataError: the folder holds something else.
        RunError: it cannot be written, or the disk is full.
        MissingExtraError: scikit-learn, which brings the digits, is not installed.
    """
    folder = here(Path(folder)).resolve()
    wish = {"count": count, "seed": seed, "size": size}
    try:
        if folder.exists() and any(folder.iterdir()):
            if _marker(folder) != wish:
                raise DataError("holds other files already", location=str(folder), hint="name a new folder")
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = folder.parent / f".{folder.name}-{secrets.token_hex(4)}"
        try:
            unfinished.mkdir()
            _fill(unfinished, scenes(count, seed, size))
            (unfinished / "scenes.json").write_text(json.dumps(wish), encoding="utf-8")
            if folder.exists():
                folder.rmdir()  # it is empty; Windows renames onto nothing
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise explained(error, folder) from None
    return folder


def _marker(folder: Path) -> Any:
    """What the pictures in ``folder`` were drawn with; None where it is no such folder."""
    try:
        return json.loads((folder / "scenes.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _fill(folder: Path, drawn: Iterator[Scene]) -> None:
    (folder / "images").mkdir()
    with (
        (folder / "labels.csv").open("w", newline="", encoding="utf-8") as label_file,
        (folder / "boxes.csv").open("w", newline="", encoding="utf-8") as box_file,
    ):
        labels, boxes = csv.writer(label_file), csv.writer(box_file)
        labels.writerow(["image", "scene", *TASKS])
        boxes.writerow(["image", "name", "xmin", "ymin", "xmax", "ymax", "colour"])
        for scene in drawn:
            image = f"images/{scene.name}.png"
            Image.fromarray(scene.pixels).save(folder / image, compress_level=1)
            labels.writerow([image, scene.scene, *(_cell(scene.answers.get(task)) for task in TASKS)])
            boxes.writerows([image, thing.name, *thing.box, thing.colour] for thing in scene.things)
            if not scene.things:
                boxes.writerow([image, *[""] * 6])


def _cell(answer: Any) -> str:
    if answer is None:
        return ""
    return ("|".join(answer) or NOTHING) if isinstance(answer, list) else str(answer)


# What there is to draw.


class _Ground(NamedTuple):
    top: Colour
    bottom: Colour
    grain: tuple[int, int]  # patches of light and shade, down and across
    contrast: float
    dots: tuple[Colour, ...]  # flowers, stars, pebbles, foam
    dot_count: int


GROUNDS = {
    "meadow": _Ground((146, 190, 92), (62, 122, 54), (6, 30), 20, ((255, 250, 228), (250, 216, 84)), 14),
    "night": _Ground((14, 18, 50), (66, 54, 112), (4, 4), 12, ((255, 255, 240), (196, 212, 255)), 36),
    "sand": _Ground((242, 222, 178), (212, 174, 118), (12, 5), 12, ((150, 118, 84), (255, 246, 226)), 36),
    "sea": _Ground((120, 196, 218), (18, 80, 140), (20, 4), 20, ((236, 248, 252),), 10),
}

COLOURS = {
    "blue": (52, 104, 224),
    "green": (34, 156, 84),
    "orange": (247, 140, 36),
    "red": (220, 48, 56),
    "violet": (148, 74, 206),
    "white": (246, 244, 240),
    "yellow": (252, 214, 50),
}

INKS = ((28, 30, 38), (28, 48, 136), (146, 26, 38))


def _ring(corners: int, *radii: float) -> np.ndarray:
    turn = np.linspace(-np.pi / 2, 1.5 * np.pi, corners, endpoint=False)
    ring: np.ndarray = np.stack([np.cos(turn), np.sin(turn)], axis=1) * np.resize(radii, corners)[:, None]
    return ring


def _heart() -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    down = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([16 * np.sin(t) ** 3, -down - 2], axis=1) / 17


# Polygons [corners, 2] around (0, 0), none farther out than 1; y points down.
SHAPES = {
    "circle": _ring(48, 0.85),
    "heart": _heart(),
    "square": _ring(4, 1.0) @ (np.array([[1, 1], [-1, 1]]) / np.sqrt(2)),
    "star": _ring(10, 1.0, 0.45),
    "triangle": _ring(3, 1.0),
}
_DOT = _ring(8, 1.0)


@cache
def _handwriting() -> tuple[np.ndarray, np.ndarray]:
    """The digits that scikit-learn ships, 1,797 of them (Alpaydin and Kaynak 1998, Optical Recognition of
    Handwritten Digits, UCI): float64 [n, 8, 8] from 0 to 1, and what each says.
    """
    with needs_extra("train", "drawing pictures"):
        from sklearn.datasets import load_digits
    digits = load_digits()
    return digits.images / 16, digits.target


# The contents of a scene. All positions and lengths are shares of the picture's side.


class _Shape(NamedTuple):
    name: str
    colour: str
    radius: float


class _Setting(NamedTuple):
    """What the pictures of one scene share."""

    ground: str
    texture: int  # seed of the ground's own random numbers
    shapes: tuple[_Shape, ...]


class _Spot(NamedTuple):
    """Where something lies and how it is turned."""

    centre: np.ndarray
    radius: float
    angle: float  # radians, clockwise

    def outline(self, polygon: np.ndarray) -> np.ndarray:
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.add(polygon @ np.array([[cos, sin], [-sin, cos]]) * self.radius, self.centre)


def _setting(rng: np.random.Generator) -> _Setting:
    count = rng.choice(4, p=[0.1, 0.3, 0.35, 0.25])
    shapes = (_Shape(_any(SHAPES, rng), _any(COLOURS, rng), rng.uniform(0.13, 0.22)) for _ in range(count))
    return _Setting(_any(GROUNDS, rng), int(rng.integers(2**31)), tuple(shapes))


def _any(names: Iterable[str], rng: np.random.Generator) -> str:
    ordered = sorted(names)
    return ordered[rng.integers(len(ordered))]


def _scatter(
    shapes: Iterable[_Shape], card: _Spot, rng: np.random.Generator
) -> Iterator[tuple[_Shape, _Spot]]:
    """A free position for each shape; a shape without one after 30 random trials is left out."""
    taken = [card]
    for shape in shapes:
        for centre in rng.uniform(shape.radius + 0.02, 0.98 - shape.radius, (30, 2)):
            if all(np.hypot(*(centre - s.centre)) > 0.9 * (shape.radius + s.radius) for s in taken):
                taken.append(_Spot(centre, shape.radius, rng.normal(0, 0.2)))
                yield shape, taken[-1]
                break


# Drawing. Canvases are float64 [size, size, 3] from 0 to 255, masks [size, size] from 0 to 1.


def _picture(setting: _Setting, rng: np.random.Generator, *, name: str, scene: str, size: int) -> Scene:
    canvas = _ground(setting.ground, setting.texture, size)
    card = _Spot(rng.uniform(0.34, 0.66, 2), rng.uniform(0.26, 0.31), rng.normal(0, 0.12))
    things, shown = [], np.zeros((size, size))
    for shape, spot in _scatter(setting.shapes, card, rng):
        outline = spot.outline(SHAPES[shape.name])
        mask = _mask([outline], size)
        canvas = _lay(canvas, mask, COLOURS[shape.colour])
        shown = np.maximum(shown, mask)
        things.append(Thing(shape.name, shape.colour, _box(outline, size)))
    paper = _mask([card.outline(SHAPES["square"])], size)
    canvas = _lay(canvas, paper, COLOURS["white"])
    digits, says = _handwriting()
    written = int(rng.integers(len(digits)))
    canvas = _blend(canvas, _ink(digits[written], card, size), INKS[rng.integers(len(INKS))])
    answers = {
        "digit": str(says[written]),
        "background": setting.ground,
        "shapes": sorted({thing.name for thing in things}),
        "covered": round(float((shown * (1 - paper)).mean()) * 100, 1),
    }
    is_labelled = rng.random(len(TASKS)) >= UNKNOWN
    labelled_answers = {task: answers[task] for task, yes in zip(TASKS, is_labelled, strict=True) if yes}
    return Scene(
        name,
        scene,
        _light(canvas, rng),
        labelled_answers,
        tuple(things),
        _box(card.outline(SHAPES["square"]), size),
    )


def _box(outline: np.ndarray, size: int) -> tuple[float, ...]:
    """Around a polygon [corners, 2]."""
    return tuple(round(float(edge) * size, 1) for edge in (*outline.min(axis=0), *outline.max(axis=0)))


@lru_cache(maxsize=1)
def _ground(name: str, texture: int, size: int) -> np.ndarray:
    """What all pictures of one scene are drawn on."""
    ground, rng = GROUNDS[name], np.random.default_rng(texture)
    down = np.linspace(0, 1, size)[:, None, None]
    canvas = np.array(ground.top) * (1 - down) + np.array(ground.bottom) * down
    grain = Image.fromarray(rng.normal(0, 1, ground.grain).astype(np.float32))
    relief = np.asarray(grain.resize((size, size), Image.Resampling.BICUBIC), dtype=np.float64)
    canvas = canvas + (ground.contrast * (relief + rng.normal(0, 0.25, relief.shape)))[:, :, None]
    for colour in ground.dots:
        spots = rng.random((ground.dot_count // len(ground.dots), 3))
        dots = [_DOT * (0.006 + 0.009 * large) + (x, y) for x, y, large in spots]
        canvas = _blend(canvas, _mask(dots, size), colour)
    return canvas


def _mask(outlines: Sequence[np.ndarray], size: int) -> np.ndarray:
    """How much of each pixel lies inside one of the polygons [corners, 2]."""
    fine = Image.new("L", (size * FINE, size * FINE))
    pen = ImageDraw.Draw(fine)
    for outline in outlines:
        # Half a pixel less: Pillow counts from the middle of the first pixel.
        pen.polygon((outline * (size * FINE) - 0.5).ravel().tolist(), fill=255)
    return np.asarray(fine.reduce(FINE), dtype=np.float64) / 255


def _blend(canvas: np.ndarray, mask: np.ndarray, colour: np.ndarray | Colour) -> np.ndarray:
    mixed: np.ndarray = canvas + mask[:, :, None] * (np.asarray(colour) - canvas)
    return mixed


def _lay(canvas: np.ndarray, mask: np.ndarray, colour: Colour) -> np.ndarray:
    """Something flat laid on the canvas, with a soft shadow below it to the right."""
    size = len(mask)
    blurred = Image.fromarray((mask * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(size / 40))
    shadow = np.roll(np.asarray(blurred, dtype=np.float64) / 255, max(1, size // 40), axis=(0, 1))
    canvas = canvas * (1 - 0.45 * shadow[:, :, None])
    shine = 1.06 - 0.16 * np.add.outer(np.linspace(0, 1, size), np.linspace(0, 1, size)) / 2
    return _blend(canvas, mask, np.array(colour) * shine[:, :, None])


def _ink(digit: np.ndarray, card: _Spot, size: int) -> np.ndarray:
    """The mask of a digit [8, 8] written on the card, as large as fits on it with a margin."""
    rows, columns = (np.flatnonzero(digit.max(axis=axis) > FAINT) for axis in (1, 0))
    strokes = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    small = Image.fromarray((np.pad(strokes, 1) * 255).astype(np.uint8))  # padded: strokes end round
    longer = card.radius * np.sqrt(2) * WRITTEN * size * FINE  # the card's side is 1.41 times its radius
    sides = [max(8, round(side * longer / max(strokes.shape))) for side in small.size]
    large = small.resize((sides[0], sides[1]), Image.Resampling.BICUBIC)
    turned = large.rotate(-np.degrees(card.angle), Image.Resampling.BICUBIC, expand=True)
    fine = Image.new("L", (size * FINE, size * FINE))
    x, y = np.round(card.centre * size * FINE - np.array(turned.size) / 2).astype(int).tolist()
    fine.paste(turned, (x, y))
    # Between 8 pixels a stroke is a soft hill; cutting it at half its height gives the edge of a pen.
    return np.clip(np.asarray(fine.reduce(FINE), dtype=np.float64) / 255 * 2 - 0.5, 0, 1)


def _light(canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same in the light of another hour, with the noise of a camera; uint8."""
    warmth = rng.normal(0, 0.05)
    gain = rng.uniform(0.72, 1.08) * np.array([1 + warmth, 1, 1 - warmth])
    return np.clip(canvas * gain + rng.normal(0, 5, canvas.shape), 0, 255).astype(np.uint8)
