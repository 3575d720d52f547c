"""What people correct lands in tables that ``train`` reads."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.hostile import hostile
from support.service import painted, picture, running
from support.user import CONFIG, home, trained  # noqa: F401

import oneglance
from oneglance import config as configuration
from oneglance.data.images.memory_image import EncodedImage
from oneglance.data.record import Record
from oneglance.data.source import open_source
from oneglance.errors import ConfigError, RunError
from oneglance.progress import Screen
from oneglance.serving.app import Settings
from oneglance.serving.corrections import Corrections
from oneglance.serving.limits import Refused
from oneglance.storage.run_folder import RunFolder
from oneglance.task import build_tasks

RED, BLUE = EncodedImage("../a.png", picture("red")), EncodedImage("b.jpg", picture("blue", kind="JPEG"))
BUTTON = {"box": [1, 2, 30, 40.5], "label": "button", "attributes": {"colour": {"value": "red"}}}


@pytest.fixture
def kept(tmp_path: Path) -> Corrections:
    return Corrections(tmp_path / "labels.csv", painted().tasks)


def read(path: Path) -> dict[str, Any]:
    """What ``train`` reads there: the answers by picture."""
    items = list(open_source({"path": str(path)}, path.parent).read())
    records = [item for item in items if isinstance(item, Record)]
    assert records == items
    return {Path(record.image.stamp()[0]).name[:6]: record.answers for record in records}


def short(picture: EncodedImage) -> str:
    return picture.stamp()[0][:6]


def test_each_task_has_its_column(kept: Corrections) -> None:
    name = kept.keep(RED, 64, 48, {"kind": {"value": "scarf"}, "price": {"value": 3}})
    kept.keep(BLUE, 64, 48, {"style": {"values": ["dotted", "striped"]}})
    assert (kept.path.parent / name).read_bytes() == RED.data
    assert read(kept.path) == {
        short(RED): {"category": "scarf", "price": "3"},
        short(BLUE): {"style": "dotted|striped"},
    }


def test_a_second_correction_replaces_the_first_and_leaves_the_rest(kept: Corrections) -> None:
    kept.keep(RED, 64, 48, {"kind": {"value": "scarf"}, "price": {"value": 3}})
    kept.keep(BLUE, 64, 48, {"price": {"value": 1.5}})
    kept.keep(RED, 64, 48, {"kind": {"value": "hat"}})
    assert read(kept.path)[short(RED)] == {"category": "hat", "price": "3"}
    assert len(kept.path.read_text().splitlines()) == 3


def test_no_tag_at_all_is_an_answer(kept: Corrections) -> None:
    kept.keep(RED, 64, 48, {"style": {"values": []}})
    assert read(kept.path)[short(RED)] == {"style": "plain"}


def test_boxes_have_a_table_of_their_own(kept: Corrections) -> None:
    kept.keep(RED, 64, 48, {"objects": {"boxes": [BUTTON, BUTTON]}})
    kept.keep(RED, 64, 48, {"objects": {"boxes": [BUTTON]}})
    kept.keep(BLUE, 64, 48, {"objects": {"boxes": []}})
    assert not kept.path.exists()
    records = read(kept.path.with_name("labels-objects.csv"))
    (box,) = records[short(RED)]["objects"].boxes
    assert (box.x0, box.y0, box.x1, box.y1, box.label) == (1, 2, 30, 40.5, "button")
    assert box.attributes["colour"] == "red"
    assert records[short(BLUE)]["objects"].boxes == ()


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({}, "nothing was corrected"),
        ({"knid": {"value": "hat"}}, "knid: is no task"),
        ({"kind": "hat"}, "has no answer"),
        ({"kind": {"value": None}}, "has no answer"),
        ({"kind": {"value": True}}, "has no answer"),
        ({"kind": {"value": {"a": 1}}}, "has no answer"),
        ({"kind": {"value": ""}}, "means unknown"),
        ({"kind": {"values": ["a", "b"]}}, "several values"),
        ({"price": {"value": "about 30"}}, "write a number"),
        ({"price": {"value": 1e300}}, "finite"),
        ({"style": {"values": ["a|b"]}}, "cannot be written"),
        ({"objects": {"value": "hat"}}, "has no boxes"),
        ({"objects": {"boxes": [{}]}}, "another form"),
        ({"objects": {"boxes": [{**BUTTON, "box": [1, 2, 3]}]}}, "another form"),
        ({"objects": {"boxes": [{**BUTTON, "box": [1, 2, 1, 4]}]}}, "outside its picture"),
        ({"objects": {"boxes": [{**BUTTON, "box": [0, 0, 65, 4]}]}}, "outside its picture of 64×48"),
        ({"objects": {"boxes": [{**BUTTON, "box": [0, 0, True, 4]}]}}, "another form"),
        ({"objects": {"boxes": [{**BUTTON, "label": " "}]}}, "another form"),
        ({"objects": {"boxes": [{**BUTTON, "attributes": {"image": {"value": "x"}}}]}}, "unknown attribute"),
        ({"objects": {"boxes": [{**BUTTON, "attributes": {"colour": "x"}}]}}, "another form"),
    ],
)
def test_what_no_task_understands_is_refused(kept: Corrections, answers: Any, words: str) -> None:
    with pytest.raises(Refused, match=words) as refused:
        kept.keep(RED, 64, 48, answers)
    assert refused.value.status == 422
    assert list(kept.path.parent.rglob("*.*")) == []


def test_odd_words_survive_the_table(kept: Corrections) -> None:
    word = 'a "shoe", =1+1;\nnew'
    kept.keep(RED, 64, 48, {"kind": {"value": word}})
    kept.keep(BLUE, 64, 48, {"kind": {"value": "hat"}})
    assert read(kept.path)[short(RED)] == {"category": word}


def test_a_formula_is_text_in_a_spreadsheet_and_reads_back(kept: Corrections) -> None:
    kept.keep(RED, 64, 48, {"kind": {"value": "=HYPERLINK(1)"}, "price": {"value": -3}})
    kept.keep(BLUE, 64, 48, {"objects": {"boxes": [{**BUTTON, "label": "@button"}]}})
    assert ",'=HYPERLINK(1),-3\n" in kept.path.read_text()
    assert read(kept.path)[short(RED)] == {"category": "=HYPERLINK(1)", "price": "-3"}
    (box,) = read(kept.path.with_name("labels-objects.csv"))[short(BLUE)]["objects"].boxes
    assert box.label == "@button"


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"kind": {"value": "a\0"}}, "kind: is .*NUL"),
        ({"kind": {"value": "\ud800"}}, "half a character"),
        ({"kind": {"value": "x" * 200_000}}, "200,000 characters"),
        ({"style": {"values": ["dotted", "\udfff"]}}, "half a character"),
        ({"style": {"values": [f"tag {n}" for n in range(2000)]}}, "characters"),
        ({"objects": {"boxes": [{**BUTTON, "label": "x\0"}]}}, "NUL"),
        ({"objects": {"boxes": [{**BUTTON, "attributes": {"colour": {"value": "\0"}}}]}}, "NUL"),
        ({"objects": {"boxes": [{**BUTTON, "box": [0, 0, 1, 10**400]}]}}, "outside"),
        ({"objects": {"boxes": [{**BUTTON, "box": [0, 0, 1, float("inf")]}]}}, "outside"),
    ],
)
def test_what_no_table_holds_is_refused_and_blocks_nobody(
    kept: Corrections, answers: Any, words: str
) -> None:
    with pytest.raises(Refused, match=words) as refused:
        kept.keep(RED, 64, 48, answers)
    assert refused.value.status == 422
    kept.keep(BLUE, 64, 48, {"kind": {"value": "hat"}})
    assert read(kept.path) == {short(BLUE): {"category": "hat"}}


ANY = st.text(st.one_of(st.characters(exclude_categories=()), st.sampled_from("'=+-@\t\r\n\0\",;|1 \u2028")))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), ANY, ANY, ANY), min_size=1, max_size=6))
def test_whatever_is_kept_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[str, str, str, str]]
) -> None:
    """All of Unicode, in classes, tags, classes of boxes and attributes, one after another."""
    kept = Corrections(tmp_path_factory.mktemp("any") / "labels.csv", painted().tasks)
    whole: dict[str, dict[str, Any]] = {}
    boxes: dict[str, Any] = {}
    for name, word, label, colour in said:
        picture = EncodedImage(f"{name}.png", RED.data + name.encode())
        box = {**BUTTON, "label": label, "attributes": {"colour": {"value": colour}}}
        for answers in (
            {"kind": {"value": word}},
            {"style": {"values": [word, label]}},
            {"objects": {"boxes": [box]}},
        ):
            try:
                kept.keep(picture, 64, 48, answers)
            except Refused as refused:
                assert refused.status == 422
                continue
            if "kind" in answers:
                whole.setdefault(short(picture), {})["kind"] = word.strip()
            elif "style" in answers:
                whole.setdefault(short(picture), {})["style"] = kept.tasks["style"].read([word, label])
            else:
                boxes[short(picture)] = (label.strip(), colour.strip())
    fields = {"kind": "category", "style": "style"}
    if kept.path.exists():
        again = read(kept.path)
        assert again.keys() == whole.keys()
        for key, answers in whole.items():
            got = {name: kept.tasks[name].read(again[key][fields[name]]) for name in answers}
            assert got == answers
    if boxes:
        records = read(kept.path.with_name("labels-objects.csv"))
        assert records.keys() == boxes.keys()
        for key, expected in boxes.items():
            (box,) = records[key]["objects"].boxes
            assert (box.label, box.attributes["colour"]) == expected


def test_attributes_go_to_the_columns_that_they_are_read_from(tmp_path: Path) -> None:
    config = configuration.parse(
        """
        sources = [{path = "none"}]
        [tasks.things]
        type = "boxes"
        single = "thing"
        attributes.what = {type = "label", from = "label"}
        attributes.hue = {type = "label", from = "colour"}
        attributes.signs = {type = "tags"}
        """,
        base=Path(),
    )
    kept = Corrections(tmp_path / "labels.csv", build_tasks(config.tasks))
    box = {"box": [1, 2, 3.25, 4], "label": "thing"}
    attributes = {"what": {"value": "cup"}, "hue": {"value": "red"}, "signs": {"values": ["a", "b"]}}
    kept.keep(RED, 64, 48, {"things": {"boxes": [{**box, "attributes": attributes}, box]}})
    first, second = read(kept.path.with_name("labels-things.csv"))[short(RED)]["objects"].boxes
    assert (first.label, first.attributes) == ("cup", {"colour": "red", "signs": "a|b"})
    assert (second.label, second.attributes) == ("", {})  # what it is has nobody said
    with pytest.raises(Refused, match="cannot be written in a cell"):
        kept.keep(RED, 64, 48, {"things": {"boxes": [{**box, "attributes": {"signs": {"values": ["a|b"]}}}]}})


def test_one_content_has_one_name(kept: Corrections) -> None:
    names = {
        kept.keep(EncodedImage(name, RED.data), 64, 48, {"price": {"value": number}})
        for number, name in enumerate(("a.jpg", "a.png", "a", "a.svg", "a.exe", "../../x.jxl"))
    }
    assert len(names) == 1 and names.pop().endswith(".png")  # what it is, not what it is called
    assert len(list(kept.pictures.iterdir())) == 1
    assert read(kept.path) == {short(RED): {"price": "5"}}


def test_where_one_table_cannot_be_read_none_is_written(kept: Corrections) -> None:
    kept.path.with_name("labels-objects.csv").write_text("a,b\n1,2\n")
    with pytest.raises(RunError, match="has no column image"):
        kept.keep(RED, 64, 48, {"kind": {"value": "hat"}, "objects": {"boxes": [BUTTON]}})
    assert not kept.path.exists() and list(kept.pictures.iterdir()) == []


def test_where_the_tables_lie_is_for_the_log_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = tmp_path / "secret place" / "labels.csv"
    with running(Settings(corrections=table)) as service:
        table.write_text("a,b\n1,2\n")
        sent = {"data": base64.b64encode(picture()).decode(), "answers": {"price": {"value": 1}}}
        said = service.send("/corrections", sent).refused(500)
        assert said.startswith("labels.csv: has no column image") and "secret" not in said
    assert any("secret place" in str(record.__dict__.get("fields")) for record in caplog.records)


def test_nobody_answers_an_embedding(tmp_path: Path) -> None:
    kept = Corrections(tmp_path / "labels.csv", hostile().tasks)
    with pytest.raises(Refused, match="look: ") as refused:
        kept.keep(RED, 64, 48, {"look": {"values": [0.5, 0.5]}})
    assert refused.value.status == 422
    kept.keep(RED, 64, 48, {"kind": {"value": "=<b>"}})
    assert read(kept.path)[short(RED)] == {"kind": "=<b>"}


def test_the_same_box_twice_is_one(kept: Corrections) -> None:
    plain = {"box": BUTTON["box"], "label": "button"}
    kept.keep(RED, 64, 48, {"objects": {"boxes": [plain, BUTTON, BUTTON]}})
    (box,) = read(kept.path.with_name("labels-objects.csv"))[short(RED)]["objects"].boxes
    assert box.attributes == {"colour": "red"}
    blue = {**BUTTON, "attributes": {"colour": {"value": "blue"}}}
    with pytest.raises(Refused, match="the same box twice, with different attributes"):
        kept.keep(RED, 64, 48, {"objects": {"boxes": [BUTTON, blue]}})


def test_a_table_that_a_spreadsheet_saved_is_gone_on_with(kept: Corrections) -> None:
    kept.path.write_bytes("\ufeffimage;category\r\nmine.png;häßlich\r\n".encode())
    kept.path.with_name("mine.png").write_bytes(BLUE.data)
    kept.keep(RED, 64, 48, {"kind": {"value": "a;b"}})
    assert read(kept.path)[short(RED)] == {"category": "a;b"}
    assert "mine.png,häßlich\n" in kept.path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (b"image,category\na.png,hat,more\n", r"labels.csv:2: has 3 cells"),
        (b'image,category\na.png,"hat\n', r"labels.csv:2: has a quotation mark"),
        (b"image,category\na.png,h\xe4t\n", "is not utf-8 text"),
        (b"image,category\na.png,h\0t\n", "NUL"),
    ],
)
def test_a_table_that_cannot_be_read_whole_stays_as_it_is(
    kept: Corrections, table: bytes, words: str
) -> None:
    kept.path.write_bytes(table)
    with pytest.raises(RunError, match=f"{words}.* correct the table"):
        kept.keep(RED, 64, 48, {"kind": {"value": "scarf"}})
    assert kept.path.read_bytes() == table


def test_what_others_wrote_in_the_table_stays(kept: Corrections) -> None:
    kept.path.write_text("image,category,remark\nmine.png,hat,old\n")
    kept.keep(RED, 64, 48, {"kind": {"value": "scarf"}})
    assert kept.path.read_text().startswith("image,category,remark\nmine.png,hat,old\n")
    kept.path.write_text("a,b\n1,2\n")
    with pytest.raises(RunError, match="has no column image"):
        kept.keep(RED, 64, 48, {"kind": {"value": "scarf"}})
    assert kept.path.read_text() == "a,b\n1,2\n"


def test_a_network_trains_on_them(home: Path) -> None:
    """The way round: a run's own tasks, corrections of new pictures, and a training that reads both."""
    folder = RunFolder.open(home / "runs" / "a")
    kept = Corrections(home / "more.csv", folder.tasks(folder.config()))
    names = [
        kept.keep(
            EncodedImage("x.png", picture((shade, 0, 0))),
            64,
            48,
            {"digit": {"value": "3"}, "shapes": {"values": []}, "covered": {"value": 7.5}},
        )
        for shade in (40, 80, 120)
    ]
    both = CONFIG.replace("[tasks.digit]", '[[sources]]\npath = "more.csv"\n\n[tasks.digit]', 1)
    (home / "both.toml").write_text(both)
    short = {"training.epochs": 1}
    run = oneglance.train(home / "both.toml", overrides=short, out=home / "both", screen=Screen())
    used = {Path(name).name for name, _, _ in run.folder.split()}
    assert {Path(name).name for name in names} <= used


def test_the_path_must_be_that_of_a_table(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"use one such as labels\.csv"):
        Corrections(tmp_path / "labels.txt", {})


def test_corrections_over_http(tmp_path: Path) -> None:
    table = tmp_path / "new" / "labels.csv"
    with running(Settings(corrections=table)) as service:

        def correct(number: int) -> int:
            data = base64.b64encode(picture((number, 0, 0))).decode()
            sent = {"name": "a.png", "data": data, "answers": {"price": {"value": number}}}
            return service.send("/corrections", sent).status

        with ThreadPoolExecutor(8) as people:
            assert list(people.map(correct, range(20))) == [200] * 20
        assert len(read(table)) == 20
        bad = {"name": "a.png", "data": "AAAA", "answers": {"price": {"value": 1}}}
        assert service.send("/corrections", bad).refused(422) == "a.png: is not a picture"
        wrong: Any
        for wrong in ([], {}, {"data": "AAAA"}, {"data": "AAAA", "answers": []}, {"answers": {}}):
            service.send("/corrections", wrong).refused(422)
        assert service.ask("/corrections", b"{", "application/json").refused(400)
        odd = "\ud800\0\x1b" + 100_000 * "x"
        data = base64.b64encode(picture()).decode()
        for answers in ({odd: {"value": 1}}, {"kind": {"value": odd}}, {"price": {"value": odd}}):
            said = service.send("/corrections", {"data": data, "answers": answers}).refused(422)
            assert said.isprintable() and len(said) < 600
        said = service.ask("/corrections", b"{}", "text/plain").refused(415)
        assert said.startswith("a body of type text/plain is not read — send JSON")
    assert len(list((tmp_path / "new" / "labels-pictures").iterdir())) == 20


def test_two_services_may_keep_corrections_in_the_same_tables(tmp_path: Path) -> None:
    """Two of them, as two processes have them: nothing that either has kept is lost."""
    two = [Corrections(tmp_path / "labels.csv", painted().tasks) for _ in range(2)]

    def keep(number: int) -> str:
        shade = EncodedImage("a.png", picture((number, 0, 0)))
        return two[number % 2].keep(shade, 64, 48, {"price": {"value": number}})

    with ThreadPoolExecutor(4) as people:
        list(people.map(keep, range(24)))
    assert sorted(int(row["price"]) for row in read(two[0].path).values()) == list(range(24))


def test_who_waits_too_long_for_the_tables_is_asked_to_come_again(
    kept: Corrections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oneglance.serving.corrections.PATIENCE", 0.1)
    late = Corrections(kept.path, kept.tasks)
    with kept._alone(), pytest.raises(Refused, match="another service") as refused:
        late.keep(RED, 64, 48, {"price": {"value": 1}})
    assert (refused.value.status, refused.value.retry) == (503, 1)
    late.keep(RED, 64, 48, {"price": {"value": 1}})
