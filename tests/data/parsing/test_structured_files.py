"""JSON, XML and YAML of strangers: right values, and neither long waits nor much memory."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from oneglance.data.parsing import structured_files
from oneglance.data.parsing.structured_files import beginning, children, read_json, read_yaml
from oneglance.errors import DataError

SOON = 8.0  # seconds, on a machine that does other things too


@pytest.fixture(params=["in C", "in Python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both parsers of PyYAML, for it may have been built without the one in C."""
    if request.param == "in Python":
        monkeypatch.setattr(structured_files, "_YAML_LOADER", yaml.BaseLoader)


def written(folder: Path, content: bytes | str, name: str = "file.yaml") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# nothing\n", None),
        ("a: 010\nb: no\nc: 1.0\nd:\n", {"a": "010", "b": "no", "c": "1.0", "d": ""}),
        ("names: [cat, 'dog: big', \"x\\ny\"]\n", {"names": ["cat", "dog: big", "x\ny"]}),
        ("names:\n  0: cat\n  1: {a: [b]}\n", {"names": {"0": "cat", "1": {"a": ["b"]}}}),
        ("a: &x [p, q]\nb: *x\n", {"a": ["p", "q"], "b": ["p", "q"]}),
        ("a: 1\na: 2\n", {"a": "2"}),
        ("- |\n  two\n  lines\n", ["two\nlines\n"]),
        ("a: !!python/object:os.system x\n", {"a": "x"}),
        ("\ufeffa: é\n", {"a": "é"}),
    ],
)
def test_yaml_is_text_as_it_is_written(tmp_path: Path, text: str, value: object) -> None:
    path = written(tmp_path, text)
    assert read_yaml(path) == value
    if "*x" not in text and "!!" not in text:
        assert yaml.load(path.read_bytes(), Loader=yaml.BaseLoader) == value


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "- " * 5_000 + "a",
        "{a: " * 100_000,
        "? " * 5_000 + "a",
        "a: &x [*x]\n",
        "a: *nowhere\n",
        "[a]: b\n",
        "--- a\n--- b\n",
        "a: [\n",
        "a: \0\n",
    ],
)
def test_yaml_that_cannot_be_read_is_one_message_soon(tmp_path: Path, text: str) -> None:
    began = time.process_time()
    with pytest.raises(DataError, match="YAML") as refused:
        read_yaml(written(tmp_path, text))
    assert refused.value.location.startswith("file.yaml")
    assert time.process_time() - began < SOON


@pytest.mark.parametrize("line", ["a{}: b\n", "- {}\n", "? {}\n", "# {}\n"])
def test_nine_megabytes_of_flat_yaml_are_read_or_refused_soon(tmp_path: Path, line: str) -> None:
    piece = "".join(line.format(number) for number in range(1000))
    path = written(tmp_path, piece * (9_000_000 // len(piece)))
    began = time.process_time()
    try:
        read_yaml(path)
    except DataError as error:
        assert "more than is read" in str(error)
    assert time.process_time() - began < SOON


def test_aliases_do_not_multiply(tmp_path: Path) -> None:
    """Each level holds the one above ten times: 10^9 values, were they copied."""
    levels = ["a0: &a0 x"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert len(read_yaml(written(tmp_path, "\n".join(levels)))["a9"]) == 10


@pytest.mark.parametrize(
    "body",
    [
        b"<!--" + b"x" * 60_000_000 + b"-->",
        b'<b a="' + b"x" * 60_000_000 + b'"/>',
        b"<?p " + b"x" * 60_000_000 + b"?>",
        b"<" + b"x" * 60_000_000 + b"/>",
        b"<b " + b" ".join(b'a%d=""' % n for n in range(2_000_000)) + b"/>",
        b"<b>" + b"<c/>" * 2_000_000 + b"</b>",
        b"<b>" * 10_000,
    ],
    ids=["comment", "attribute", "instruction", "name", "attributes", "elements", "depth"],
)
def test_xml_that_would_take_long_is_refused_soon(tmp_path: Path, body: bytes) -> None:
    path = written(tmp_path, b"<annotations>" + body + b"</annotations>", "a.xml")
    began = time.process_time()
    with pytest.raises(DataError, match=r"a\.xml.*(more than|more elements|is no XML)"):
        list(children(path, "annotations"))
    assert time.process_time() - began < SOON


def test_a_long_comment_and_long_text_are_no_reason_to_refuse(tmp_path: Path) -> None:
    body = f'<!-- {"x" * 3_000_000} --><image points="{"1,2;" * 200_000}">{"t" * 3_000_000}</image>'
    (image,) = children(written(tmp_path, f"<annotations>{body}</annotations>", "a.xml"), "annotations")
    assert len(image.attrib["points"]) == 800_000
    assert image.text == "t" * 3_000_000


@pytest.mark.parametrize("text", ["[" * 1_000_000, '{"a":' * 1_000_000, "[" * 1_000_000 + "]" * 1_000_000])
def test_deep_json_is_one_message(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match="JSON"):
        read_json(written(tmp_path, text, "a.json"))


@pytest.mark.parametrize("read", [read_yaml, read_json, lambda path: list(children(path, "annotations"))])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, read: object) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to("circle")
    for path in (tmp_path / "pipe", tmp_path / "circle", tmp_path / ("n" * 300), tmp_path, Path("/dev/zero")):
        with pytest.raises(DataError, match="cannot be read"):
            read(path)  # type: ignore[operator]
        assert beginning(path) == b""
