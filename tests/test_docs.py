"""Pages that are made from the code and the examples are those that are committed, and say enough."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field

from oneglance import balancer, config
from oneglance.task import build_tasks

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))

from generate import cli, configuration, fields, gallery  # noqa: E402 - docs/ is no package
from generate.pages import pages  # noqa: E402

MADE = pages()
SECTIONS = configuration.sections()


@pytest.mark.parametrize("place", MADE)
def test_what_is_committed_is_what_is_made(place: str) -> None:
    assert (DOCS / place).read_text(encoding="utf-8") == MADE[place], "run: python docs/generate"


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_key_says_what_it_means(heading: str) -> None:
    silent = [key.name for key in SECTIONS[heading][1] if not key.meaning]
    assert silent == [], "write a comment beside the field"


def test_every_table_and_member_has_its_section_once() -> None:
    headings = [configuration.plain(line) for line in written().splitlines() if line.startswith("#")]
    with_keys = {heading for heading, (_, keys) in SECTIONS.items() if keys}
    assert len(with_keys) >= 14
    assert [heading for heading in sorted(with_keys) if headings.count(heading) != 1] == []


def test_every_balancer_is_named() -> None:
    assert [name for name in balancer.names() if f"`{name}`" not in written()] == []


def written() -> str:
    return MADE["reference/configuration.md"]


class Sample(BaseModel):
    """A table as a member declares it."""

    plain: int = Field(3, ge=1, lt=9)  # so many
    # What it is,
    # over two lines.
    above: list[str] | None = None
    inside: float = Field(
        0.5,  # within the parentheses
        gt=0,
    )
    from_: str = Field("", alias="from")  # where it stands; default: the name
    silent: bool = False


class Heir(Sample):
    own: str = ""  # an "own|one"


def test_keys_are_read_from_fields_and_the_comments_beside_them() -> None:
    assert [(key.name, key.type, key.default, key.meaning) for key in fields.keys(Sample)] == [
        ("plain", "whole number, at least 1 and below 9", "`3`", "So many."),
        ("above", "list of texts", "none", "What it is, over two lines."),
        ("inside", "number, above 0", "`0.5`", "Within the parentheses."),
        ("from", "text", "the name", "Where it stands."),
        ("silent", "`true` or `false`", "`false`", ""),
    ]
    (own,) = fields.keys(Heir, Sample)
    assert configuration.rows([own])[-1] == '| `own` | text | `""` | An "own\\|one". |'


def test_a_default_in_words_is_one_that_is_worked_out() -> None:
    """A default that stands in the code must not be retold beside it, where it could drift."""
    wrong = []
    for heading, (model, keys) in SECTIONS.items():
        by_name = {field.alias or name: field for name, field in model.model_fields.items()}
        for key in keys:
            default = by_name[key.name].get_default(call_default_factory=True)
            if (
                not key.default.startswith("`")
                and key.default != "needed"
                and default not in (None, "", [], {})
            ):
                wrong.append(f"{heading} {key.name}")
    assert wrong == []


def test_every_command_and_every_option_is_on_the_page() -> None:
    page = MADE["reference/cli.md"]
    for name, command in cli.commands().items():
        assert f"## `oneglance {name}`" in page
        for parameter in command.params:
            assert cli.names(parameter) in page
            assert cli.meaning(parameter), f"{name} {parameter.name} says nothing"


def test_every_example_is_in_the_gallery_and_most_with_figures() -> None:
    page = MADE["examples.md"]
    files = sorted((ROOT / "examples").glob("*.toml"))
    assert [file.name for file in files if f"\n## {file.name}\n" not in page] == []
    assert len(gallery.results()) >= 6
    for file, table in gallery.results().items():
        assert (ROOT / "examples" / file).is_file()
        assert "\n".join(table) in page


# Every block of the pages that is a whole oneglance.toml, and every example.


def whole_files() -> Iterator[Any]:
    for page in sorted([*DOCS.rglob("*.md"), ROOT / "README.md"]):
        text = page.read_text(encoding="utf-8")
        for block in re.finditer(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            if "[[sources]]" in block[1] and "[tasks" in block[1]:
                line = text[: block.start()].count("\n") + 1
                yield pytest.param(block[1], id=f"{page.relative_to(ROOT)}:{line}")


@pytest.mark.parametrize("text", list(whole_files()))
def test_whole_files_in_the_docs_are_valid(text: str, tmp_path: Path) -> None:
    build_tasks(config.parse(text, base=tmp_path).tasks)


@pytest.mark.parametrize("file", sorted((ROOT / "examples").glob("*.toml")), ids=lambda file: file.stem)
def test_examples_are_valid(file: Path) -> None:
    read = config.load(file)
    build_tasks(read.tasks, location=file.name)
    assert not any(Path(source["path"]).is_absolute() for source in read.sources)


def test_a_whole_file_is_found() -> None:
    assert len(list(whole_files())) >= 10
    assert tomllib.loads(next(iter(whole_files())).values[0])
