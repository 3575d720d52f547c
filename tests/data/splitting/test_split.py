"""Parts are drawn by group, evenly, the same way every time, and what the data say themselves holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.tiny import amount, row, word

from oneglance.config import SplitTable
from oneglance.data.merging.merge_records import DisjointSets
from oneglance.data.record import Record
from oneglance.data.splitting.split import SPLITS, SplitIndices, split, stratify_labels, units_of
from oneglance.data.splitting.stratify import ranks
from oneglance.errors import DataError


def rows(*places: tuple[str, str]) -> list[Record]:
    """A record per (group, split)."""
    return [row(n, str(n), group, split_name) for n, (group, split_name) in enumerate(places)]


def alone(count: int) -> list[Record]:
    return rows(*[("", "")] * count)


def rows_by_split(splits: SplitIndices) -> dict[str, list[int]]:
    return {name: getattr(splits, name).tolist() for name in SPLITS}


def test_shares_are_those_of_the_table() -> None:
    splits = split(alone(1000), SplitTable(test=0.25, validation=0.15))
    assert {name: len(indices) for name, indices in rows_by_split(splits).items()} == {
        "train": 600,
        "validation": 150,
        "test": 250,
    }


def test_names_tell_the_split_of_each_record_in_order() -> None:
    splits = split(alone(50), SplitTable())
    names = splits.names()
    assert {
        name: [n for n, indices in enumerate(names) if indices == name] for name in SPLITS
    } == rows_by_split(splits)


def test_the_same_seed_gives_the_same_splits_and_another_seed_others() -> None:
    records = rows(*[(f"g{n % 40}", "") for n in range(200)])
    classes = [(f"c{n % 7}",) for n in range(200)]
    one, same, other = (split(records, SplitTable(seed=seed), classes) for seed in (3, 3, 4))
    assert rows_by_split(one) == rows_by_split(same) != rows_by_split(other)


def test_a_test_split_of_nothing_is_allowed() -> None:
    splits = split(alone(10), SplitTable(test=0, validation=0.2))
    assert [len(indices) for indices in rows_by_split(splits).values()] == [8, 2, 0]


def test_what_the_data_say_holds() -> None:
    given = [("", split_name) for split_name in ["train", "validation", "test"] * 20]
    splits = split(rows(*given), SplitTable())
    assert splits.names() == [split_name for _, split_name in given]


def test_validation_comes_out_of_train_where_nobody_names_it() -> None:
    given = [(f"g{n // 4}", "train") for n in range(80)] + [("", "test")] * 20
    splits = split(rows(*given), SplitTable(validation=0.1))
    assert splits.test.tolist() == list(range(80, 100))
    assert len(splits.validation) == 8
    assert_whole_groups(rows(*given), splits)


def test_test_comes_out_of_train_where_nobody_names_it() -> None:
    splits = split(rows(*[("", "train")] * 80, *[("", "validation")] * 20), SplitTable(test=0.25))
    assert splits.validation.tolist() == list(range(80, 100))
    assert len(splits.test) == 20


def test_train_is_not_touched_where_somebody_names_all_splits() -> None:
    given = [*[("", "train")] * 30, ("", "validation"), ("", "test"), *[("", "")] * 60]
    splits = split(rows(*given), SplitTable())
    assert set(range(30)) <= set(splits.train.tolist())


def test_a_source_without_splits_is_drawn_into_all_beside_one_that_has_them() -> None:
    given_ = rows(*[("", split_name) for split_name in SPLITS for _ in range(5)])
    free = [replace(r, source="b.csv") for r in alone(100)]
    names = split(given_ + free, SplitTable()).names()
    assert Counter(names[15:]) == {"train": 70, "validation": 10, "test": 20}


def test_empty_cells_of_a_source_that_names_a_test_split_do_not_join_it() -> None:
    given = [("", "test")] * 10 + [("", "")] * 90
    splits = split(rows(*given), SplitTable())
    assert splits.test.tolist() == list(range(10))
    assert len(splits.validation) == 9


def test_who_says_nothing_follows_its_group() -> None:
    given = [("a", "test"), ("a", ""), ("b", "validation"), ("b", ""), ("c", "train"), ("c", "")]
    splits = split(rows(*given), SplitTable())
    assert splits.names() == ["test", "test", "validation", "validation", "train", "train"]


def test_equal_pictures_stay_together_across_groups() -> None:
    records = rows(*[(f"g{n // 2}", "") for n in range(60)])
    digests: list[bytes | None] = [None] * 60
    digests[0] = digests[17] = digests[42] = b"copy"
    for seed in range(5):
        names = split(records, SplitTable(seed=seed), digests=digests).names()
        assert len({names[n] for n in (0, 1, 16, 17, 42, 43)}) == 1


def test_equal_pictures_do_not_move_what_the_data_say() -> None:
    given = [("", "train"), ("", "test"), *[("", "train")] * 30, ("", "validation"), ("", "test")]
    digests = [b"copy", b"copy", *[None] * 32]
    assert split(rows(*given), SplitTable(), digests=digests).names() == [
        split_name for _, split_name in given
    ]


def test_rare_classes_reach_all_splits() -> None:
    """Each of ten classes has four pictures: drawing blindly would almost never do it."""
    classes = [(f"rare{n % 10}",) if n < 40 else ("common",) for n in range(400)]
    for seed in range(3):
        names = split(alone(400), SplitTable(seed=seed), classes).names()
        indices = Counter(zip(classes, names, strict=True))
        assert all(indices[(f"rare{c}",), split_name] for c in range(10) for split_name in SPLITS)


def test_classes_are_spread_evenly_over_groups_of_uneven_size() -> None:
    random = np.random.default_rng(0)
    sizes = random.integers(1, 30, 90)
    places = [(f"g{g}", "") for g, size in enumerate(sizes) for _ in range(size)]
    classes = [("yes",) if int(group[1:]) % 3 == 0 else ("no",) for group, _ in places]
    splits = split(rows(*places), SplitTable(), classes)
    share = np.array([row == ("yes",) for row in classes])
    for name, wanted in zip(SPLITS, (0.7, 0.1, 0.2), strict=True):
        indices = getattr(splits, name)
        assert len(indices) / len(places) == pytest.approx(wanted, abs=0.03)
        assert share[indices].mean() == pytest.approx(share.mean(), abs=0.1)


def test_one_huge_group_trains() -> None:
    places = [("huge", "")] * 500 + [(f"g{n}", "") for n in range(500)]
    names = split(rows(*places), SplitTable()).names()
    assert names[0] == "train"
    assert Counter(names) == {"train": 700, "validation": 100, "test": 200}


@pytest.mark.parametrize("groups", [3, 4, 6])
def test_a_few_groups_fill_every_split(groups: int) -> None:
    places = [(f"g{n % groups}", "") for n in range(60)]
    splits = split(rows(*places), SplitTable())
    assert all(rows_by_split(splits).values())


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "no picture is left for train and validation and test: there are 0 pictures"),
        (alone(2), "no picture is left for test: there are 2 pictures — add pictures, or set test = 0"),
        (rows(("g", ""), ("g", "")), "there are 2 pictures in 1 group — add pictures of other groups"),
        (rows(("", "test"), ("", "test")), "no picture is left for train and validation"),
        (rows(("", "train"), ("", "test")), "no picture is left for validation"),
    ],
)
def test_an_empty_split_is_refused(records: list[Record], message: str) -> None:
    with pytest.raises(DataError) as refused:
        split(records, SplitTable())
    assert message in str(refused.value)


def test_shares_that_leave_nothing_to_train_on_are_refused() -> None:
    with pytest.raises(DataError, match="leave nothing to train on"):
        split(alone(10), SplitTable(test=0.6, validation=0.4))


def test_stratify_labels_are_the_classes_of_each_task() -> None:
    records = [row(2, "a", kind="hat", price=3.0), row(3, "b"), row(4, "c", kind="hat")]
    indices = stratify_labels(records, [word("kind"), amount("price")])
    assert indices == [('kind "hat"',), (), ('kind "hat"',)]
    assert indices[0] is indices[2]


def assert_whole_groups(records: list[Record], splits: SplitIndices) -> None:
    names = splits.names()
    places = {(r.group, name) for r, name in zip(records, names, strict=True) if r.group}
    assert len(places) == len({group for group, _ in places})


@settings(deadline=None, max_examples=40)
@given(
    groups=st.lists(st.sampled_from(["", *"abcdefgh"]), min_size=1, max_size=25),
    copies=st.lists(st.tuples(st.integers(0, 24), st.integers(0, 24)), max_size=5),
    test=st.floats(0, 0.6),
    validation=st.floats(0.01, 0.35),
    seed=st.integers(0, 5),
)
def test_every_record_is_in_one_split_and_groups_stay_whole(
    groups: list[str], copies: list[tuple[int, int]], test: float, validation: float, seed: int
) -> None:
    records = rows(*[(group, "") for group in groups])
    digests: list[bytes | None] = [None] * len(records)
    for one, two in copies:
        if max(one, two) < len(records):
            digests[one] = digests[two] = digests[one] or digests[two] or f"{one} {two}".encode()
    try:
        splits = split(records, SplitTable(test=test, validation=validation, seed=seed), digests=digests)
    except DataError:
        assume(False)
    together = sorted(n for indices in rows_by_split(splits).values() for n in indices)
    assert together == list(range(len(records)))
    assert_whole_groups(records, splits)
    names = splits.names()
    seen = {(digest, name) for digest, name in zip(digests, names, strict=True) if digest is not None}
    assert len(seen) == len({digest for digest, _ in seen})


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from(["", *"abc"]), st.sampled_from(["", *SPLITS])), min_size=1, max_size=30
    )
)
def test_nobody_leaves_a_split_that_it_names_but_train_for_one_that_nobody_names(
    group_and_split: list[tuple[str, str]],
) -> None:
    try:
        names = split(rows(*group_and_split), SplitTable()).names()
    except DataError:
        assume(False)
    named = {split_name for _, split_name in group_and_split}
    for (_, split_name), name in zip(group_and_split, names, strict=True):
        assert split_name in ("", name) or (split_name == "train" and name not in named)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(["", "g", "h", "i"]), st.sampled_from(["hat", "cap", None]), st.booleans()),
        max_size=12,
    ),
    st.lists(st.sampled_from([None, b"1", b"2"]), min_size=12, max_size=12),
)
def test_units_and_classes_are_those_that_a_walk_over_the_records_finds(
    items: list[tuple[str, str | None, bool]], digests: list[bytes | None]
) -> None:
    records = [
        replace(
            row(n, str(n), group),
            answers={**({"kind": kind} if kind else {}), **({"price": 1.0} if priced else {})},
        )
        for n, (group, kind, priced) in enumerate(items)
    ]
    assert units_of(records, digests[: len(records)]).tolist() == walked_units(
        records, digests[: len(records)]
    )
    labels = stratify_labels(records, [word("kind"), amount("price")])
    assert list(labels) == [(f'kind "{kind}"',) if kind else () for _, kind, _ in items]
    assert labels.values == list(dict.fromkeys(labels))


def walked_units(records: list[Record], digests: list[bytes | None]) -> list[int]:
    """Records of a group or of one picture are of one unit; units are numbered by rank."""
    codes: dict[str, int] = {}
    units = [codes.setdefault(r.group, len(codes)) if r.group else -1 - n for n, r in enumerate(records)]
    joined: DisjointSets[int] = DisjointSets()
    for n, digest in enumerate(digests):
        if digest is not None and (first := digests.index(digest)) != n:
            joined.join(units[first], units[n])
    roots = list(map(joined.root, units))
    return [sorted(set(roots)).index(root) for root in roots]


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=30))
def test_ranks_are_those_of_sorting(numbers: list[int]) -> None:
    expected = np.unique(numbers, return_inverse=True)[1].reshape(-1)
    assert ranks(np.array(numbers)).tolist() == expected.tolist()
