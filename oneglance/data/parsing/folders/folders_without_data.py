"""Folders beside the data that hold no data: pictures of a README, logos, drawings of the pictures' masks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from oneglance.data.parsing.folders.split_folders import parts_at
from oneglance.data.parsing.layouts import MASK_FOLDERS, PICTURE_FOLDERS, named_split

Folders = tuple[str, ...]

HALF = 0.5  # share of all pictures that train and test hold, where the whole lies beside them
MOST, FEW = 0.1, 12  # share of all pictures, or pictures, that illustrations may have
ILLUSTRATIONS = frozenset(
    {"readme", "doc", "docs", "documentation", "example", "examples", "demo", "demos", "logo", "logos"}
    | {"icon", "icons", "asset", "assets", "figure", "figures", "fig", "figs", "screenshot", "screenshots"}
    | {"static", "media", "css", "js", "www", "web", "website", "result", "results", "output", "outputs"}
    | {"plot", "plots", "graph", "graphs", "preview", "previews", "paper", "slides", "notebook", "notebooks"}
)  # words of folders that belong to a repository and not to its data
BESIDE = frozenset({"image", "images", "img", "imgs", "picture", "pictures", "pics", "files", "of", "for"})
SAME = 0.9  # share of the pictures of a folder of masks that are called as others are


def without_data(names: Sequence[str]) -> dict[str, str]:
    """The folders that hold no data, with what they hold instead. None where nothing would be left.

    Args:
        names: of all pictures, as paths below the source.
    """
    folders = Counter(_folders(name) for name in names)
    aside = {**_beside_parts(folders), **_illustrations(folders), **_masks(names, folders)}
    left = sum(count for folder, count in folders.items() if folder and not is_below(folder, aside))
    return aside if left else {}


def is_below(folder: Folders, tops: Collection[str]) -> bool:
    """Whether ``folder`` is or lies in one of ``tops``, which are paths."""
    return bool(tops) and any("/".join(folder[:depth]) in tops for depth in range(1, len(folder) + 1))


def _beside_parts(folders: Counter[Folders]) -> dict[str, str]:
    """Folders beside those of train and test, wherever they lie, if these hold nearly all pictures; or most,
    and the others have the same classes: they are what the parts were taken from.
    """
    below: Counter[Folders] = Counter()
    for folder, count in folders.items():
        below.update({folder[:depth]: count for depth in range(len(folder))})
    least = HALF * folders.total()
    for above in (folder for folder, count in below.items() if count >= least):  # each holds the next
        inside = [folder for folder in folders if folder[: len(above)] == above]
        names = dict.fromkeys(folder[len(above)] for folder in inside if len(folder) > len(above))
        parts = parts_at(len(above), names, inside)
        others = [f for f in folders if not (parts.of(f)[0] and f in inside) and not parts.is_unanswered(f)]
        classes = {left[-1] for split, left in map(parts.of, inside) if split and left[len(above) :]}
        strange = sum(folders[folder] for folder in others if not _holds_class(folder, classes))
        if parts.splits and others and strange <= MOST * folders.total():
            return _aside(others, above, folders, sorted(parts.splits))
    return {}


def _holds_class(folder: Folders, classes: Collection[str]) -> bool:
    """Whether it is a folder of one of the classes, and of no split."""
    return bool(folder) and folder[-1] in classes and not any(map(named_split, folder))


def _aside(
    others: Sequence[Folders], above: Folders, folders: Counter[Folders], parts: Sequence[str]
) -> dict[str, str]:
    """The highest folders of ``others`` that do not hold the parts, which lie in ``above``."""
    counts: Counter[str] = Counter()
    for folder in others:
        shared = next((n for n, name in enumerate(folder) if above[n : n + 1] != (name,)), len(folder))
        if shared < len(folder):
            counts["/".join(folder[: shared + 1])] += folders[folder]
    rest = f"and lies beside {', '.join(parts)}"
    return {top: f"{_pictures(count)}, {rest}" for top, count in counts.items()}


def _illustrations(folders: Counter[Folders]) -> dict[str, str]:
    """Folders that are called as those of a repository are, if all of them hold few pictures."""
    tops: dict[str, int] = {}
    for folder, count in folders.items():
        top = next(("/".join(folder[: n + 1]) for n, name in enumerate(folder) if _illustrates(name)), "")
        if top:
            tops[top] = tops.get(top, 0) + count
    count_aside, total = sum(tops.values()), folders.total()
    few = count_aside <= max(MOST * total, min(FEW, total / 4))
    return {top: f"{_pictures(count)}, and its name is that of no data" for top, count in tops.items() if few}


def _illustrates(name: str) -> bool:
    words = set(re.findall("[a-z]+", name.lower()))
    return bool(words & ILLUSTRATIONS) and words <= ILLUSTRATIONS | BESIDE


def _masks(names: Sequence[str], folders: Counter[Folders]) -> dict[str, str]:
    """Folders of a usual name for masks, beside one of a usual name for pictures that are called alike."""
    masks, pictures = (
        {folder[: n + 1] for folder in folders for n, part in enumerate(folder) if part.lower() in usual}
        for usual in (MASK_FOLDERS, PICTURE_FOLDERS)
    )
    aside = {}
    for top in sorted(masks - pictures):
        beside = [folder for folder in pictures if folder[:-1] == top[:-1]]
        stems = {Path(name).stem for name in names if _folders(name)[: len(top)] in beside}
        inside = [Path(name).stem for name in names if _folders(name)[: len(top)] == top]
        if stems and sum(stem in stems for stem in inside) >= SAME * len(inside):
            aside["/".join(top)] = f"{len(inside):,} pictures called as those beside it: they may be masks"
    return aside


def _pictures(count: int) -> str:
    return f"{count:,} {'picture' if count == 1 else 'pictures'}"


def _folders(name: str) -> Folders:
    return tuple(name.split("/")[:-1])
