"""Base64 as people write it, in the service, tables and Label Studio alike."""

from __future__ import annotations

import base64
import json
import textwrap
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.oriented_files import saved

from oneglance.data.image_inputs import read
from oneglance.data.parsing.base64_pictures import from_base64, is_inline
from oneglance.data.record import Record
from oneglance.errors import Problem
from oneglance.serving.limits import Refused
from oneglance.serving.request_body import picture_of

PNG = saved("PNG")
PLAIN = base64.b64encode(PNG).decode()

SPELLINGS: dict[str, Callable[[bytes], str]] = {
    "plain": lambda data: base64.b64encode(data).decode(),
    "for web addresses": lambda data: base64.urlsafe_b64encode(data).decode(),
    "without padding": lambda data: base64.b64encode(data).decode().rstrip("="),
    "lines of 76": lambda data: base64.encodebytes(data).decode(),
    "lines of Windows": lambda data: "\r\n".join(textwrap.wrap(base64.b64encode(data).decode(), 64)) + "\r\n",
    "spaces around": lambda data: f"  {base64.b64encode(data).decode()}\t\n",
    "data URL": lambda data: "data:image/png;base64," + base64.b64encode(data).decode(),
    "data URL with more": lambda data: (
        "DATA:image/png;name=a.png;charset=utf-8;BASE64," + base64.b64encode(data).decode().rstrip("=")
    ),
    "data URL without a type": lambda data: "data:;base64," + base64.urlsafe_b64encode(data).decode(),
    "data URL with escapes": lambda data: (
        "data:image/png;base64," + quote(base64.b64encode(data).decode(), "")
    ),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@given(data=st.binary(max_size=200))
def test_every_spelling_is_read(spelling: str, data: bytes) -> None:
    assert from_base64(SPELLINGS[spelling](data)) == data


@pytest.mark.parametrize(
    "text",
    [
        "!",
        "ä",
        "A",
        "AAAAA",
        "AA=A",
        "AAAA====",
        "data:image/png,AAAA",
        "data:image/png;base64",
        "data:,",
        "AA\0A",
        "AAAA" + chr(0xD800),
        "٣٣٣٣",
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_base64(text)
    with pytest.raises(Refused, match="is not base64"):
        picture_of({"data": text}, "pictures[0]")


@given(st.text())
def test_no_text_raises_anything_else(text: str) -> None:
    for written in (text, f"data:{text}", f"data:image/png;base64,{text}"):
        with suppress(ValueError):
            assert isinstance(from_base64(written), bytes)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_service_takes_every_spelling(spelling: str) -> None:
    assert picture_of({"name": "a.png", "data": SPELLINGS[spelling](PNG)}, "pictures[0]").data == PNG


def test_names_of_files_are_no_base64() -> None:
    for name in ("photos/a.png", "/9j/a.jpg", "Qk" * 50 + ".jpg", "iVBORw0KGgo", "R0lGOD" * 30 + "/a b.gif"):
        assert not is_inline(name)
    assert is_inline(PLAIN) and is_inline("data:image/png;base64,") and is_inline("DATA:,x")


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("table", ["csv", "jsonl", "label studio"])
def test_a_picture_that_is_written_where_its_name_is_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str, table: str
) -> None:
    monkeypatch.chdir(tmp_path)
    written = SPELLINGS[spelling](PNG)
    if table == "csv":
        path = Path("a.csv")
        path.write_text(f'image,kind\n"{written}",cat\n', newline="")
    elif table == "jsonl":
        path = Path("a.jsonl")
        path.write_text(json.dumps({"image": written, "kind": "cat"}) + "\n")
    else:
        path = Path("a.json")
        choice = {"type": "choices", "from_name": "kind", "to_name": "i", "value": {"choices": ["cat"]}}
        path.write_text(json.dumps([{"data": {"image": written}, "annotations": [{"result": [choice]}]}]))
    records, problems = read(path, {"path": str(path)}, tmp_path)
    assert problems == []
    (record,) = records
    assert record.image.load() == PNG
    assert record.answers["kind"] == "cat" and record.image.name.startswith(path.name)


def test_a_damaged_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("b.csv").write_text(f'image,kind\n"data:image/png;base64,{PLAIN}!",cat\n{PLAIN},dog\n')
    records, problems = read("b.csv", {"path": "b.csv"}, tmp_path)
    assert [type(record) for record in records] == [Record]
    (problem,) = problems
    assert isinstance(problem, Problem) and problem.location == "b.csv:2"
    assert "is no picture in base64" in problem.what and len(problem.what) < 100
