"""What init guesses of a table, and that the file it writes is one that oneglance reads."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.tiny import Ref

from oneglance.config import load, parse
from oneglance.data.images.references import FileImage
from oneglance.data.inspection.column_rules import Guess
from oneglance.data.inspection.suggest_config import Proposal, guess, toml
from oneglance.data.recipe import names
from oneglance.data.record import Box, BoxAnnotations, Record
from oneglance.data.source import open_source
from oneglance.errors import ConfigError, DataError
from oneglance.task import build_tasks

cells = st.one_of(
    st.none(), st.text(max_size=8), st.sampled_from(["a", "b|c", "3.5", "?"]), st.integers(), st.floats()
)


def table(**columns: Sequence[Any]) -> list[Record]:
    """A record per row; None and "" are empty cells."""
    return rows(columns)


def rows(columns: Mapping[str, Sequence[Any]]) -> list[Record]:
    cells = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return [
        Record(f"a.csv:{n}", Ref(str(n)), {f: v for f, v in answers.items() if v not in (None, "")})
        for n, answers in enumerate(cells, 2)
    ]


def only(**columns: Sequence[Any]) -> Guess:
    (guessed,) = guess(table(**columns))
    return guessed


def test_few_words_are_a_label() -> None:
    guessed = only(kind=["hat", "cap", "shoe", ""] * 10)
    assert guessed == Guess("kind", "label", {}, "3 distinct words in 30 of 40 rows")


@pytest.mark.parametrize("words", [["yes", "no"], ["True", "False"], ["0", "1"], [0, 1], [True, False]])
def test_yes_and_no_are_a_label(words: list[Any]) -> None:
    assert only(kids=words * 10).type == "label"


@pytest.mark.parametrize(("separator", "text"), [("|", "a|b"), (";", "a; b"), (",", "a, b")])
def test_words_between_separators_are_tags(separator: str, text: str) -> None:
    guessed = only(style=[text, "a", "b", f"b{separator}a", "none"] * 10)
    assert (guessed.type, guessed.settings) == ("tags", {"separator": separator, "none": ["none"]})
    assert guessed.reason == f'2 distinct words between "{separator}" in all 50 rows'


def test_lists_are_tags() -> None:
    assert only(style=[["a", "b"], ["b"], [], ["a"]] * 5).type == "tags"


@pytest.mark.parametrize("cells", [["['a', 'b']", "['b']", "[]"], ['["a","b"]', '["b"]', '["a"]']])
def test_lists_as_python_and_json_write_them_are_tags(cells: list[str]) -> None:
    guessed = only(genres=cells * 5)
    assert (guessed.type, guessed.settings) == ("tags", {})
    assert guessed.reason == "lists of 2 distinct words in all 15 rows"


def test_a_cell_that_is_no_list_among_lists_is_named() -> None:
    guessed = only(genres=["['a', 'b']", "['b']"] * 5 + ["['a' 'b']"])
    assert (guessed.type, guessed.reason) == (
        "",
        """holds lists, but "['a' 'b']" is none: correct such cells""",
    )


@pytest.mark.parametrize(
    ("no", "yes"), [("0", "1"), (0, 1), ("-1", "1"), (False, True), ("False", "True"), ("no", "yes")]
)
def test_columns_of_yes_and_no_beside_each_other_are_tags(no: Any, yes: Any) -> None:
    bits = [[no if n >> shift & 1 else yes for n in range(40)] for shift in range(3)]
    records = table(
        smiling=bits[0], hat=bits[1], young=bits[2], age=[str(20 + n * 7 % 50) for n in range(40)]
    )
    guesses = guess(records)
    assert [(one.field, one.type) for one in guesses] == [("attributes", "tags"), ("age", "number")]
    config = parse(written(records), base=Path())
    assert config.tasks["attributes"] == {"type": "tags", "from": ["smiling", "hat", "young"]}
    cells = {name: records[1].answers[name] for name in ("smiling", "hat", "young")}
    assert build_tasks(config.tasks)["attributes"].read(cells).present == {"hat", "young"}


def test_tags_in_columns_are_called_after_their_common_beginning() -> None:
    bits = {f"defect_{name}": [int(n % k == 0) for n in range(40)] for k, name in enumerate("abc", 2)}
    assert guess(rows(bits))[0].field == "defect"


def test_two_columns_of_yes_and_no_are_two_questions() -> None:
    bits = [[n >> shift & 1 for n in range(40)] for shift in range(2)]
    assert [one.type for one in guess(table(hat=bits[0], kids=bits[1]))] == ["label", "label"]


def test_a_column_per_class_of_which_exactly_one_is_yes_is_a_label() -> None:
    records = rows(
        {name: [int(n % 3 == k) for n in range(30)] for k, name in enumerate(("cat", "dog", "cow"))}
    )
    (guessed,) = guess(records)
    assert (guessed.field, guessed.type) == ("class", "label")
    assert guessed.reason.endswith("; in every row exactly one is yes, which is the class")
    config = parse(written(records), base=Path())
    assert build_tasks(config.tasks)["class"].read(records[1].answers) == "dog"


@pytest.mark.parametrize(
    "names", [["batch1", "batch2"], ["images_001", "images_002"], ["2021-05-03", "2021-06-11"]]
)
def test_folders_that_say_nothing_are_not_asked(names: list[str]) -> None:
    (guessed,) = guess(table(folder=names * 10))
    assert guessed.type == ""
    assert "2 of them, such as" in guessed.reason


def test_numbered_folders_of_people_are_the_group_and_those_of_classes_a_label() -> None:
    assert only(folder=[f"patient{n // 4:02}" for n in range(60)]).settings == {"group": "folder"}
    assert only(folder=[f"grade{n % 4}" for n in range(60)]).type == "label"
    assert only(folder=[str(n % 10) for n in range(60)]).type == "label"


@pytest.mark.parametrize("first", [0, 1, 20])
def test_folders_that_are_numbers_are_classes(first: int) -> None:
    """The flowers of Oxford lie in 1 to 102, and drawn letters in 0 to 79, beside folders of other things."""
    names = [str(first + n % 90) for n in range(450)]
    assert only(folder=names).type == "label"
    guessed = only(folder=names + ["sample", "source"] * 5)
    assert (guessed.type, guessed.settings["unknown"]) == ("label", ["sample", "source"])
    assert guessed.reason == (
        '90 distinct whole numbers in all 460 rows, but not in 10, such as "sample": unknown until corrected'
    )


def test_a_level_of_folders_that_only_repeats_the_deepest_is_not_asked() -> None:
    records = [
        Record(f"a/{n}", Ref(str(n)), {"folder1": "animals", "folder2": "ab"[n % 2], "folder": "ab"[n % 2]})
        if n % 3
        else Record(f"a/{n}", Ref(str(n)), {"folder1": "things", "folder": "things"})
        for n in range(60)
    ]
    assert {one.field: one.type for one in guess(records)} == {
        "folder1": "label",
        "folder": "label",
        "folder2": "",
    }


def test_how_many_is_a_number() -> None:
    assert only(bedrooms=[1 + n % 5 for n in range(60)]).type == "number"
    assert only(stars=[1 + n % 5 for n in range(60)]).type == "label"


def test_what_a_tool_says_of_a_box_is_not_asked() -> None:
    boxes = [
        box("cat", truncated=str(n % 2), occluded="01"[n % 3 // 2], colour="rb"[n // 2 % 2])
        for n in range(40)
    ]
    (guessed,) = guess(with_boxes(boxes))
    assert guessed.settings == {"attributes": {"colour": {"type": "label"}}}
    assert (
        "not asked of a box: truncated: is about the drawing of the box, not about the thing"
        in guessed.reason
    )


@pytest.mark.parametrize(
    "texts",
    [
        ["Miller, Anna", "Smith, John", "Jones, Mary", "Brown, Tom"] * 5,
        ["a long, quiet street", "two dogs, one cat", "rain, wind and snow", "no one, nowhere"] * 5,
    ],
)
def test_a_comma_in_a_name_or_sentence_separates_no_tags(texts: list[str]) -> None:
    assert only(who=texts).type != "tags"


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("weight_g", "g"),
        ("volume_cm3", "cm3"),
        ("mass_kg", "kg"),
        ("price_eur", "EUR"),
        ("age_years", "years"),
        ("size [mm]", "mm"),
        ("price", ""),
        ("big", ""),
    ],
)
def test_numbers_have_the_unit_of_their_name(name: str, unit: str) -> None:
    (guessed,) = guess(rows({name: [str(20.5 + n) for n in range(40)]}))
    assert guessed.type == "number"
    assert guessed.settings.get("unit", "") == unit
    assert guessed.reason == "numbers from 20.5 to 59.5 in all 40 rows"


def test_numbers_over_decades_are_learned_as_logarithms() -> None:
    random = np.random.default_rng(0)
    assert only(price=np.exp(random.normal(3, 1.5, 300)).tolist()).settings == {"log": True}
    assert only(price=random.uniform(10, 100, 300).tolist()).settings == {"low": 0}
    assert only(price=[*np.exp(random.normal(3, 1.5, 300)).tolist(), 0.0]).settings == {"low": 0}


def test_what_is_never_below_0_is_given_that_limit() -> None:
    whole, halves = [20 + n % 50 for n in range(80)], [n + 0.5 for n in range(60)]
    for guessed in (only(age=whole), only(things=whole), only(price=halves)):
        assert guessed.settings == {"low": 0}
    for guessed in (
        only(angle=halves),
        only(age=[-1, *whole]),
        only(temperature=whole),
        only(outside_celsius=whole),
    ):
        assert "low" not in guessed.settings


def test_the_largest_numbers_are_numbers() -> None:
    for numbers in ([1e308, -1e308, 3.5, -1e300], [1e308, 5e-324, 1e-300, 3.5], [1e308, 9e307, 8e307, 7e307]):
        assert only(price=numbers * 5).type == "number"


def test_a_few_cells_that_are_no_numbers_are_reported() -> None:
    guessed = only(price=[*map(str, range(100, 200)), "about 30"])
    assert guessed.type == "number"
    assert 'but not in 1, such as "about 30": unknown until corrected' in guessed.reason
    assert guessed.settings["unknown"] == ["about 30"]
    many = only(price=[*map(str, range(1000, 2000)), *(f"about {n}" for n in range(30))])
    assert "correct them" in many.reason and "unknown" not in many.settings


@pytest.mark.parametrize(
    ("name", "numbers", "odd", "type"),
    [
        ("class", 90, ["other", "x"], "label"),
        ("category_id", 300, ["other"], "label"),
        ("digit", 10, ["other"], "label"),
        ("age", 90, ["50+"], "number"),
        ("age", 5, ["5+"], "number"),
        ("weight", 90, ["ten"], "number"),
    ],
)
def test_a_few_words_among_numbers(name: str, numbers: int, odd: list[str], type: str) -> None:
    """Codes stay a label, and amounts a number; what the words mean is unknown."""
    guessed = only(**{name: [str(1 + n % numbers) for n in range(900)] + odd * 10})
    assert (guessed.type, guessed.settings["unknown"]) == (type, odd)
    assert f'such as "{odd[0]}": unknown until corrected' in guessed.reason


def test_more_words_among_ages_are_no_classes() -> None:
    assert only(age=[str(20 + n % 40) for n in range(90)] + ["50+"] * 10).type == "number"
    assert only(age=["20-29", "30-39", "50+"] * 30).type == "label"


@pytest.mark.parametrize(
    "names",
    [
        ["JPEGImages", "data_annotated", "SegmentationClass"],
        ["JPEGImages", "SegmentationClassPNG", "SegmentationObjectVisualization", "icons"],
        ["images", "masks", "image_2"],
        ["imgs", "gt", "labels"],
    ],
)
def test_folders_that_tools_write_are_no_classes(names: list[str]) -> None:
    guesses = guess(table(folder1=["a", "b", "a", "a", "b"] * 12, folder=(names * 60)[:60]))
    assert [one.type for one in guesses if one.field == "folder"] == [""]
    assert any(name in names for name in ("images", "imgs")) or not any(one.type for one in guesses)


def test_a_folder_of_a_tool_beside_classes_is_none_of_them() -> None:
    guessed = only(folder=["hat", "shoe"] * 40 + ["Visualization"] * 3)
    assert (guessed.type, guessed.settings) == ("label", {"unknown": ["Visualization"]})


@pytest.mark.parametrize("name", ["digit", "label", "class_id"])
def test_small_codes_are_a_label(name: str) -> None:
    (guessed,) = guess(rows({name: [n % 10 for n in range(100)]}))
    assert guessed.type == "label"
    assert "ordinal" not in guessed.settings


@pytest.mark.parametrize(
    "names",
    [
        ["left_eye_x", "left_eye_y", "nose_x", "nose_y"],
        ["x10", "y10", "x11", "y11"],
        [str(place) for place in range(12)],
    ],
)
def test_coordinates_of_points_are_not_asked(names: list[str]) -> None:
    """A network that sees shifted pictures learns nothing of places in the file's pixels."""
    fields = {name: [(7 * n + 13 * place) % 90 + 0.5 for n in range(60)] for place, name in enumerate(names)}
    guesses = {one.field: one for one in guess(table(**fields, kind=["hat", "shoe"] * 30))}
    assert {name: guesses[name].type for name in names} == dict.fromkeys(names, "")
    assert guesses["kind"].type == "label"
    assert "point" in guesses[names[0]].reason


def test_few_numbers_of_any_names_are_asked() -> None:
    fields = {name: [(7 * n + 13 * place) % 90 + 0.5 for n in range(60)] for place, name in enumerate("xyz")}
    assert {one.type for one in guess(table(**fields))} == {"number"}


def test_a_hundred_codes_are_a_label_by_their_name_only() -> None:
    codes = [n % 100 for n in range(1000)]
    assert only(fine_label=codes).type == "label"
    assert only(age=codes).type == "number"


def test_a_rating_has_an_order() -> None:
    assert only(rating=[1 + n % 5 for n in range(50)]).settings == {"ordinal": True}


def test_words_for_unknown_are_declared() -> None:
    guessed = only(kind=["hat", "cap", "N/A", "unknown"] * 10)
    assert guessed.settings == {"unknown": ["N/A", "unknown"]}
    assert guessed.reason == "2 distinct words in 20 of 40 rows"


def test_near_constants_come_with_a_warning() -> None:
    guessed = only(kids=["no"] * 96 + ["yes"] * 4)
    assert guessed.type == "label"
    assert '96% of them are "no"' in guessed.reason


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"kind": ["hat"] * 10}, 'says "hat" in all 10 rows'),
        ({"kind": ["?"] * 10}, "no answer that is known"),
        ({"caption": [f"picture of {n} words" for n in range(40)]}, "40 different texts"),
        ({"row": list(range(40))}, "counts the rows"),
        ({"Unnamed: 0": list(range(0, 80, 2))}, "pandas"),
        ({"source": [f"photos/{n % 20}.jpg" for n in range(40)]}, "paths"),
        ({"url": ["https://example.org/a", "https://example.org/b"] * 10}, "paths or addresses"),
        ({"split": ["train", "test"] * 10}, "which split"),
        ({"uuid": [f"{n:032x}" for n in range(40)]}, "identifier"),
        ({"photo_id": [str(n * 7) for n in range(40)]}, "identifier"),
        ({"meta": [{"a": 1}, {"b": 2}] * 10}, "inner structure"),
        ({" ": ["a", "b"] * 10}, "no name"),
        ({"\ud800": ["a", "b"] * 10}, "no name"),
    ],
)
def test_what_is_no_task(columns: dict[str, list[Any]], reason: str) -> None:
    (guessed,) = guess(rows(columns))
    assert (guessed.type, guessed.settings) == ("", {})
    assert reason in guessed.reason


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("sender_id", [str(n // 4) for n in range(80)]),
        ("patientID", [f"P{n // 4:03}" for n in range(80)]),
        ("board", [f"group{n // 4}" for n in range(80)]),
        ("seller", [f"shop of {'abcdefghijklmnopqrstuvwxyz'[n // 4]}" for n in range(100)]),
        ("scan", [f"scan_{n // 3:05}" for n in range(90)]),
    ],
)
def test_identifiers_of_several_pictures_are_the_group(name: str, values: list[str]) -> None:
    (guessed,) = guess(rows({name: values}))
    assert (guessed.type, guessed.settings) == ("", {"group": name})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("object", ["dog", "cat"] * 20),
        ("kind", [f"n0{n % 30:07}" for n in range(300)]),
        ("person_age", [str(20 + n % 50) for n in range(200)]),
    ],
)
def test_what_only_resembles_an_identifier_is_a_task(name: str, values: list[str]) -> None:
    assert guess(rows({name: values}))[0].type


def test_of_nested_groups_the_widest_is_taken() -> None:
    guessed = guess(
        table(
            visit_id=[f"v{n // 2}" for n in range(120)],
            patient=[f"p{n // 6}" for n in range(120)],
            site_id=[f"s{n // 40}" for n in range(120)],
        )
    )
    assert [g.settings for g in guessed] == [{}, {"group": "patient"}, {}]


def test_a_copy_of_another_field_is_not_asked_twice() -> None:
    words = ["a", "b", "b"] * 5
    guessed = guess(table(folder1=words, folder=words, kind=["b", "b", "a"] * 5))
    assert [g.type for g in guessed] == ["", "label", "label"]
    assert 'the same as "folder"' in guessed[0].reason


def test_boxes_are_left_out_with_a_reason() -> None:
    corner = list(range(40))
    guessed = guess(table(name=["a", "b"] * 20, xmin=corner, ymin=corner, xmax=corner, ymax=corner))
    assert [g.type for g in guessed] == ["label", "", "", "", ""]
    assert {g.reason for g in guessed[1:]} == {'is an edge of a box: read with format = "boxes_table"'}


def with_boxes(*pictures: Sequence[Box], **fields: Sequence[Any]) -> list[Record]:
    """A record per picture, with its boxes in the field ``objects``."""
    others = [dict(zip(fields, values, strict=True)) for values in zip(*fields.values(), strict=True)]
    return [
        Record(f"a.json:{n}", Ref(str(n)), {**answers, "objects": BoxAnnotations(tuple(boxes))})
        for n, (boxes, answers) in enumerate(zip(pictures, others or [{}] * len(pictures), strict=True))
    ]


def box(label: str, **attributes: Any) -> Box:
    return Box(0, 0, 5, 5, label, attributes)


def test_boxes_are_a_task_with_attributes() -> None:
    cats = [box("cat", colour="red", weight_g=n + 0.5, pose="left", id=f"c{n:03}") for n in range(20)]
    dogs = [box("dog", colour="black"), Box(0, 0, 9, 9, "dog", {}, ignore=True)] * 10
    records = [*with_boxes(cats[:10], cats[10:], dogs, []), Record("a.json:9", Ref("x"), {"kind": "a"})]
    (objects, _) = guess(records)
    assert objects.reason.splitlines() == [
        "30 boxes in 4 of 5 rows: cat (20), dog (10)",
        "colour of a box: 2 distinct words in all 30 boxes",
        "weight_g of a box: numbers from 0.5 to 19.5 in 20 of 30 boxes",
        'not asked of a box: pose: says "left" in 20 of 30 boxes',
        "not asked of a box: id: looks like an identifier",
    ]
    text = written(records)
    assert "# colour of a box: 2 distinct words in all 30 boxes\n" in text
    config = parse(text, base=Path())
    attributes = {"colour": {"type": "label"}, "weight_g": {"type": "number", "unit": "g", "low": 0}}
    assert config.tasks == {"objects": {"type": "boxes", "attributes": attributes}}
    assert config.backbone.size == 320


def test_boxes_without_a_class_have_one_name() -> None:
    records = with_boxes(*[[box("", colour="red")], [box("", colour="blue"), box("", colour="red")]] * 20)
    (guessed,) = guess(records)
    assert "60 boxes in all 40 rows: without a class, so all have one name" in guessed.reason
    config = parse(written(records), base=Path())
    assert config.tasks["objects"] == {
        "type": "boxes",
        "single": "object",
        "attributes": {"colour": {"type": "label"}},
    }


def test_boxes_beside_other_answers() -> None:
    records = with_boxes(*[[box("cat")], [box("dog"), box("cat")]] * 10, kind=["hat", "cap"] * 10)
    config = parse(written(records), base=Path())
    assert config.tasks == {"kind": {"type": "label"}, "objects": {"type": "boxes"}}


def test_many_classes_of_boxes_are_not_all_named() -> None:
    guessed = guess(with_boxes([box(f"class {n:02}") for n in range(40)]))[0]
    assert guessed.reason.endswith("class 06 (1), class 07 (1) and 32 more classes")
    assert len(guessed.reason) < 300


@pytest.mark.parametrize(
    ("boxes", "reason"),
    [
        ([], "holds no box"),
        ([Box(0, 0, 9, 9, "a", {}, True)], "holds no box"),
    ],
)
def test_boxes_that_cannot_be_asked_for(boxes: list[Box], reason: str) -> None:
    (guessed,) = guess(with_boxes(boxes, boxes))
    assert (guessed.type, guessed.reason) == ("", reason)


@given(
    st.lists(
        st.builds(Box, *[st.just(0.0)] * 4, st.text(max_size=5), st.dictionaries(st.text(max_size=5), cells)),
        min_size=6,
        max_size=12,
    )
)
@settings(deadline=None, max_examples=60)
def test_whatever_the_attributes_are_the_file_can_be_read(boxes: list[Box]) -> None:
    records = with_boxes(*([*boxes, box("cat", **{"of what?": "ab"[n % 2]})] * 2 for n in range(4)))
    config = parse(written(records), base=Path())
    assert config.tasks["objects"]["type"] == "boxes"
    assert {task["type"] for task in config.tasks["objects"]["attributes"].values()} <= {
        "label",
        "tags",
        "number",
    }


def written(records: Sequence[Record], recipe: str = "auto", minutes: float | None = None) -> str:
    proposal = Proposal({"path": "labels.csv", "images": "photos"}, (), guess(records))
    return toml([proposal], recipe=recipe, minutes=minutes)


RECORDS = table(
    seller=[f"s{n // 3:03}" for n in range(60)],
    kind=["hat", "cap", ""] * 20,
    style=["a|b", "b", "a"] * 20,
    price_eur=[f"{10 + n}.5" for n in range(60)],
    note=["x"] * 60,
)


def test_the_file_says_what_was_found_and_why() -> None:
    text = written(RECORDS)
    config = parse(text, base=Path())
    assert config.sources == [{"path": "labels.csv", "images": "photos", "group": "seller"}]
    assert config.tasks == {
        "kind": {"type": "label"},
        "style": {"type": "tags", "separator": "|"},
        "price_eur": {"type": "number", "unit": "EUR", "low": 0},
    }
    assert "# 2 distinct words in 40 of 60 rows\n[tasks.kind]\n" in text
    assert '# not asked: note: says "x" in all 60 rows' in text
    assert list(build_tasks(config.tasks)) == ["kind", "style", "price_eur"]


def test_minutes_take_the_place_of_epochs() -> None:
    for name in ("auto", "quick"):
        without = parse(written(RECORDS, name), base=Path()).training
        training = parse(written(RECORDS, name, minutes=7.5), base=Path()).training
        assert training.minutes == 7.5
        assert training.model_fields_set == (without.model_fields_set | {"minutes"}) - {"epochs"}


def test_the_classic_recipe_is_a_textbook_s() -> None:
    config = parse(written(RECORDS, "classic"), base=Path())
    training, augment = config.training, config.augment
    assert (training.batch, training.epochs, training.optimizer) == (32, 10, "sgd")
    assert (training.learning_rate, training.momentum, training.nesterov) == (0.01, 0.9, False)
    assert training.schedule == "constant"
    assert (training.weight_decay, training.warmup, training.ema, training.clip) == (0, 0, 0, 0)
    assert not any(
        (augment.flip, augment.shift, augment.colour, augment.erase, augment.mixup, augment.rotate)
    )
    assert augment.scale == (1.0, 1.0)
    assert {task.hidden[0] for task in build_tasks(config.tasks).values()} == {128}  # type: ignore[attr-defined]
    assert config.tasks["kind"]["smoothing"] == 0


@pytest.mark.parametrize("recipe", [*names(), "default"])
def test_the_file_can_be_loaded_from_disk(tmp_path: Path, recipe: str) -> None:
    path = tmp_path / "oneglance.toml"
    path.write_text(written(RECORDS, recipe), encoding="utf-8")
    assert load(path).tasks


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match='Did you mean "classic"'):
        written(RECORDS, "clasic")


def test_nothing_to_ask_is_an_error_with_a_hint() -> None:
    with pytest.raises(DataError, match=r"labels\.csv: nothing there looks like an answer — name a table"):
        written(table(kind=["hat"] * 5))


def test_data_that_are_split_already_are_reported() -> None:
    nowhere = FileImage("/nowhere/1.jpg", "1.jpg")  # a picture that is not there stops nothing
    records = [
        Record("a.csv:2", nowhere, {"kind": "ab"[n % 2]}, "", ("train", "")[n // 5]) for n in range(10)
    ]
    assert "# The data name the split" in toml([Proposal({"path": "x"}, records, guess(records))])


def a_png(side: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (20, side)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("loaded", "name", "size"),
    [
        (np.zeros((28, 20), np.uint8), "small", 32),
        (np.zeros((400, 20), np.uint8), "efficientnet_lite0", 128),
        (a_png(28), "small", 32),
        (a_png(400), "efficientnet_lite0", 128),
        (b"no picture", "efficientnet_lite0", 128),
    ],
)
def test_network_and_canvas_fit_the_pictures(
    loaded: Any, name: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Loaded(Ref):
        def load(self) -> Any:
            return loaded

    monkeypatch.setattr("oneglance.data.recipe.find_spec", lambda package: object())
    monkeypatch.setattr("oneglance.data.recipe.shutil.which", lambda program: None)
    records = [Record(f"a.csv:{n}", Loaded(str(n)), {"kind": "ab"[n % 2]}) for n in range(50)]
    config = parse(toml([Proposal({"path": "x"}, records, guess(records))]), base=Path())
    assert (config.backbone.name, config.backbone.size) == (name, size)


@pytest.mark.parametrize(("side", "mosaic"), [(10, 0), (60, 0.5)])
def test_small_things_are_not_made_smaller(side: int, mosaic: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a canvas of 320 pixels they would have 8 and 48 of them."""

    class Loaded(Ref):
        def load(self) -> Any:
            return np.zeros((400, 20), np.uint8)

    monkeypatch.setattr("oneglance.data.recipe.find_spec", lambda package: object())
    boxes = BoxAnnotations((Box(0, 100, side, 100 + side, "a"),))
    records = [Record(f"a.csv:{n}", Loaded(str(n)), {"objects": boxes}) for n in range(50)]
    config = parse(toml([Proposal({"path": "x"}, records, guess(records))]), base=Path())
    assert config.augment.mosaic == mosaic


def test_a_picture_that_two_sources_know_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oneglance.data.recipe.find_spec", lambda package: object())
    boxes = BoxAnnotations((Box(0, 0, 90, 90, "a"),))
    images = [FileImage(f"/photos/{n}.jpg", f"{n}.jpg") for n in range(400)]
    sources: dict[str, list[dict[str, Any]]] = {
        "b.csv": [{"objects": boxes}] * len(images),
        "a.csv": [{"kind": "ab"[n % 2]} for n in range(len(images))],
    }
    proposals = []
    for name, answers in sources.items():
        records = [Record(name, image, own) for image, own in zip(images, answers, strict=True)]
        proposals.append(Proposal({"path": name}, records, guess(records)))
    assert parse(toml(proposals), base=Path()).training.batch == 8, "800 pictures would come in batches of 16"


@settings(deadline=None, max_examples=80)
@given(
    st.dictionaries(st.text(max_size=10), st.lists(cells, min_size=12, max_size=12), min_size=1, max_size=4)
)
def test_whatever_the_columns_are_the_file_can_be_read(columns: dict[str, list[Any]]) -> None:
    records = rows(columns)
    guesses = [*guess(records), Guess("kind", "label")]
    config = parse(toml([Proposal({"path": "x"}, (), guesses)]), base=Path())
    tasks = build_tasks(config.tasks)
    assert {task.fields[0] for task in tasks.values()} == {g.field for g in guesses if g.type}


@pytest.mark.parametrize(
    ("path", "group", "tasks"),
    [
        ("clothing/labels.csv", "sender_id", {"kind": {"type": "label"}, "kids": {"type": "label"}}),
        (
            "food/labels.csv",
            "item",
            {
                "food": {"type": "label"},
                "view": {"type": "label"},
                "volume_cm3": {"type": "number", "unit": "cm3", "low": 0},
                "weight_g": {"type": "number", "unit": "g", "low": 0},
            },
        ),
        ("pcb/tags.csv", "board", {"tags": {"type": "tags", "separator": "|"}}),
        ("own_pictures/rubbish", None, {"folder": {"type": "label"}}),
        ("bccd", None, {"objects": {"type": "boxes"}}),
        ("pcb/boxes.csv", None, {"objects": {"type": "boxes"}}),
    ],
)
def test_real_tables(shared: Path, path: str, group: str | None, tasks: dict[str, Any]) -> None:
    source = {"path": str(shared / "data" / path)}
    records = [item for item in open_source(source, Path()).read() if isinstance(item, Record)]
    config = parse(toml([Proposal(source, records, guess(records))]), base=Path())
    assert config.sources[0].get("group") == group
    assert config.tasks == tasks


def test_long_texts_and_many_rows_take_little_time() -> None:
    records = table(text=["x" * 2000 + str(n) for n in range(3000)], word=["a,b" * 300, "c"] * 1500)
    start = time.process_time()
    guess(records)
    assert time.process_time() - start < 2


# Numbers as they are written in Europe.


@pytest.mark.parametrize("name", ["rating", "price", "size"])
def test_numbers_with_a_decimal_comma_are_numbers(name: str) -> None:
    cells = [f"{1 + n % 5},{n % 10}" for n in range(60)]
    (guessed,) = guess(rows({name: cells}))
    assert (guessed.type, guessed.decimal) == ("number", ",")
    assert guessed.reason == 'numbers from 1 to 5.9 in all 60 rows; "1,0" is read as 1'
    text = written(rows({name: cells}))
    assert parse(text, base=Path()).sources[0]["decimal"] == ","


def test_a_few_words_among_decimal_commas_make_no_tags() -> None:
    guessed = only(rating=[*(f"{1 + n % 5},{n % 2 * 5}" for n in range(60)), "new"])
    assert guessed.type == "number"
    assert 'but not in 1, such as "new"' in guessed.reason


def test_marks_between_thousands_are_none_of_the_number() -> None:
    guessed = only(price=[f"{1 + n}.{100 + n}.000,50" for n in range(40)])
    assert (guessed.type, guessed.decimal) == ("number", ",")
    assert "numbers from 1.1e+06 to" in guessed.reason
    assert only(price=[f"{1 + n} {100 + n}" for n in range(40)]).type == "number"


def test_an_unclear_mark_is_asked_for() -> None:
    records = table(price=[f"{1 + n},{100 + n}" for n in range(40)])
    (guessed,) = guess(records)
    assert (guessed.type, guessed.decimal) == ("number", "")
    assert '"1,100" may be two numbers: say decimal = "," or "." in [[sources]]' in guessed.reason
    assert "decimal" not in parse(written(records), base=Path()).sources[0]


def test_a_column_with_both_marks_is_no_matter_of_taste() -> None:
    guessed = only(price=["3,5", *(f"{n}.5" for n in range(60))])
    assert guessed.reason.endswith('"3,5" has another decimal mark than "0.5": write all with the same')
    assert guessed.decimal == "."


def test_columns_that_differ_in_their_marks_are_told_apart() -> None:
    records = table(a=[f"{n},5" for n in range(40)], b=[f"{n}.5" for n in range(40)])
    assert parse(written(records), base=Path()).sources[0]["decimal"] == {"a": ","}


@pytest.mark.parametrize(
    "codes", [["01", "02", "03", "10"], ["112_05", "113_07", "1_0"], ["1e5x", "0x10", "nan5"]]
)
def test_codes_are_no_numbers(codes: list[str]) -> None:
    assert only(kind=codes * 10).type == "label"


def test_plus_and_minus_are_answers() -> None:
    assert only(result=["+", "-"] * 10).type == "label"
    assert only(kind=["a", "b", "-"] * 10).settings == {"unknown": ["-"]}


def test_ages_in_turn_are_ages_and_do_not_count_the_rows() -> None:
    ages = [str(20 + n) for n in range(40)]
    with_odd = [*ages[:7], "50+", *ages[8:]]
    for column in (ages, with_odd):
        (one,) = guess([Record(f"t:{n}", FileImage("a", "a"), {"age": age}) for n, age in enumerate(column)])
        assert one.type == "number"
