"""Folders that are parts of a data set and say nothing of what is in them: train, test_images, seg_val."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from oneglance.data.images.references import printable
from oneglance.data.record import SPLIT_NAMES

Folders = tuple[str, ...]  # names from the top down

TO_ANSWER = frozenset(
    {
        "pred",
        "predict",
        "predictions",
        "unlabeled",
        "unlabelled",
        "unlabel",
        "inference",
        "query",
        "submission",
    }
)  # what parts are called whose pictures nobody has answered
OF_PICTURES = frozenset(
    {
        "set",
        "sets",
        "data",
        "dataset",
        "image",
        "images",
        "img",
        "imgs",
        "picture",
        "pictures",
        "photo",
        "photos",
    }
    | {"folder", "dir", "split", "part", "zip", "jpg", "jpeg", "png", "resized", "small", "cropped", "final"}
)  # words beside the word of a split that say nothing
SURROUNDED = re.compile(
    "(train|training|val|valid|validation|test|testing)(set|data|images|imgs|folder|dir)"
    "|(images|imgs|data)(train|val|test)"
)


@dataclass(frozen=True)
class SplitFolders:
    """Which folders are splits."""

    depth: int = 0  # the level of their names, from 0
    splits: Mapping[str, str] = field(default_factory=dict)  # name there -> train, validation or test
    twice: frozenset[str] = frozenset()  # names there that hold nothing but a folder that says the same
    strangers: tuple[str, ...] = ()  # other names there; "" for pictures beside them
    unanswered: tuple[str, ...] = ()  # other names there that say that nobody has answered

    def of(self, folders: Folders) -> tuple[str, Folders]:
        """The split of the pictures in a folder, in its own word where that is one, and the folders left.

        Without a split: "" and all folders.
        """
        name = folders[self.depth] if self.depth < len(folders) else ""
        split = self.splits.get(name, "")
        if not split:
            return "", folders
        split = name if name.lower() in SPLIT_NAMES else split
        return split, folders[: self.depth] + folders[self.depth + (2 if name in self.twice else 1) :]

    def is_unanswered(self, folders: Folders) -> bool:
        """Whether they belong to no split, and hold nothing to learn from."""
        return self.depth < len(folders) and folders[self.depth] in self.unanswered


def folder_fields(folders: Folders) -> dict[str, str]:
    """The names of folders as fields: ``folder1`` is the first level, ``folder`` the deepest."""
    names = tuple(map(printable, folders))
    fields = {f"folder{depth}": name for depth, name in enumerate(names, 1)}
    return {**fields, "folder": names[-1]} if names else fields


def split_folders(paths: Collection[Folders]) -> SplitFolders:
    """The splits among the folders that hold pictures.

    Folders that hold all others may stand above, and folders of classes if each holds splits. Names that say
    train, val or test alone are splits if there is nothing else beside them, or train and another one. Longer
    names, such as ``seg_train``, are if train and another one are there and called alike.
    """
    for depth in range(max(map(len, paths), default=0)):
        names = dict.fromkeys(path[depth] if depth < len(path) else "" for path in paths)
        above = len({path[:depth] for path in paths}) == 1
        parts = parts_at(depth, names, paths)
        if parts.splits and (above or (_is_parted(parts.splits.values()) and not parts.strangers)):
            return parts
        if "" in names:
            break
    return SplitFolders()


def parts_at(depth: int, names: Iterable[str], paths: Collection[Folders]) -> SplitFolders:
    """The splits among the ``names`` that folders have at a level.

    Args:
        depth: the level, from 0.
        paths: of the folders that hold pictures.
    """
    plain = {name: SPLIT_NAMES[name.lower()] for name in names if name.lower() in SPLIT_NAMES}
    longer = {name: split for name in names if name not in plain and (split := _split_of(name)[0])}
    rests = {_split_of(name)[1] for name in (*plain, *longer)}
    alike = len(rests) == 1 or all(OF_PICTURES.issuperset(rest) for rest in rests)
    both = {**plain, **longer}
    splits = both if alike and _is_parted(both.values()) else plain
    others = [name for name in names if name not in splits]
    if not splits or (others and not _is_parted(splits.values())):
        return SplitFolders()
    unanswered = [name for name in others if not TO_ANSWER.isdisjoint(_words(name))]
    strangers = [name for name in others if name not in unanswered]
    twice = frozenset(name for name, split in splits.items() if _is_twice(name, split, depth, paths))
    return SplitFolders(depth, splits, twice, tuple(strangers), tuple(unanswered))


def _is_parted(splits: Iterable[str]) -> bool:
    parts = set(splits)
    return "train" in parts and len(parts) > 1


def _split_of(name: str) -> tuple[str, frozenset[str]]:
    """The split that a name says, "" for none or two, and its other words."""
    words = _words(name)
    splits = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
    if len(splits) != 1 or len(words) > 4:
        return "", frozenset()
    return splits.pop(), frozenset(words) - set(SPLIT_NAMES)


def _words(name: str) -> list[str]:
    """``Train_Images2`` and ``trainimages`` are train, images."""
    words = []
    for word in re.findall("[a-z]+", name.lower()):
        match = SURROUNDED.fullmatch(word)
        words += [part for part in match.groups() if part] if match else [word]
    return words


def _is_twice(name: str, split: str, depth: int, paths: Collection[Folders]) -> bool:
    """Whether it holds nothing but one folder of the same split: ``seg_train/seg_train``."""
    inside = {path[depth + 1 : depth + 2] for path in paths if path[depth : depth + 1] == (name,)}
    (one,) = inside if len(inside) == 1 else ((),)
    return bool(one) and (one[0] == name or _split_of(one[0])[0] == split)
