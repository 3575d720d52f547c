"""Folders that are parts of a data set: found at any level, and never taken for classes."""

from __future__ import annotations

import pytest

from oneglance.data.parsing.folders.split_folders import split_folders

PARTS = {
    "plain": (["train/cat", "train/dog", "test/cat"], {"train/cat": "train cat", "test/cat": "test cat"}),
    "one alone": (["train/cat", "train/dog"], {"train/dog": "train dog"}),
    "scenes": (
        ["seg_train/seg_train/sea", "seg_train/seg_train/ice", "seg_test/seg_test/sea"],
        {"seg_train/seg_train/sea": "train sea", "seg_test/seg_test/sea": "test sea"},
    ),
    "of pictures": (["train_images", "test_images"], {"train_images": "train ", "test_images": "test "}),
    "sets": (
        ["training_set/training_set/cats", "training_set/training_set/dogs", "test_set/test_set/cats"],
        {"training_set/training_set/dogs": "train dogs", "test_set/test_set/cats": "test cats"},
    ),
    "one word": (
        ["trainset/a", "testset/b", "valset/a"],
        {"trainset/a": "train a", "valset/a": "validation a"},
    ),
    "years": (["train2017", "val2017"], {"train2017": "train ", "val2017": "validation "}),
    "numbered": (["train/cats", "test1"], {"train/cats": "train cats", "test1": "test "}),
    "called after the set": (["mnist_train/0", "mnist_test/1"], {"mnist_test/1": "test 1"}),
    "camel": (["TrainImages", "TestImages"], {"TestImages": "test "}),
    "a folder above": (
        ["archive/data/train/a", "archive/data/test/b"],
        {"archive/data/train/a": "train archive/data/a"},
    ),
    "classes above": (["a/train", "a/test", "b/train", "b/test"], {"a/train": "train a", "b/test": "test b"}),
    "packed twice": (["train_zip/train/a", "val_zip/val/a"], {"val_zip/val/a": "validation a"}),
    "a class of this name": (["train/train", "train/bus", "test/bus"], {"train/train": "train train"}),
}
NONE = {
    "classes": ["cat", "dog"],
    "vehicles": ["bus", "car", "train"],
    "things": ["train_station", "test_tube"],
    "places": ["train_station", "bus_station"],
    "classes with one": ["a/train", "b"],
    "levels of classes": ["a/train", "a/bus", "b/car"],
    "one longer name": ["train_images"],
    "nothing": [],
    "the top": [""],
    "masks": ["train", "train_masks"],
}


def folders(path: str) -> tuple[str, ...]:
    return tuple(filter(None, path.split("/")))


@pytest.mark.parametrize("case", PARTS)
def test_parts_are_found(case: str) -> None:
    paths, expected = PARTS[case]
    parts = split_folders([folders(path) for path in paths])
    assert (parts.strangers, parts.unanswered) == ((), ())
    found = {path: parts.of(folders(path)) for path in expected}
    assert {path: f"{split} {'/'.join(left)}" for path, (split, left) in found.items()} == expected


@pytest.mark.parametrize("case", NONE)
def test_classes_stay_classes(case: str) -> None:
    parts = split_folders([folders(path) for path in NONE[case]])
    assert parts.splits == {}
    assert all(parts.of(folders(path)) == ("", folders(path)) for path in NONE[case])


def test_what_lies_beside_parts_is_named() -> None:
    parts = split_folders([*map(folders, ["train/a", "test/a", "extra/a", "seg_pred", ""])])
    assert parts.strangers == ("extra", "")
    assert parts.unanswered == ("seg_pred",)
    assert parts.is_unanswered(("seg_pred", "more")) and not parts.is_unanswered(("train",))
