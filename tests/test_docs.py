"""docs/configuration.md names every key with its default, and no key that there is not."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from oneglance import backbone, balancer, config
from oneglance.config import Config, Table
from oneglance.data.source import Source, format_class, formats
from oneglance.members import find_member
from oneglance.task import Task, build_tasks, kinds, task_class

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


def documented(page: str) -> dict[str, dict[str, str]]:
    """Heading -> key -> default, from the tables of the page."""
    found: dict[str, dict[str, str]] = {}
    heading = ""
    for line in page.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("#").strip().replace("`", "")
            found[heading] = {}
        elif row := re.fullmatch(r"\| `(\w+)` \| ((?:\\\||[^|])+) \| .+ \|", line):
            found[heading][row[1]] = row[2].replace("\\|", "|")
    return found


def sections() -> Iterator[tuple[str, dict[str, FieldInfo]]]:
    """Heading -> the fields that belong under it."""
    for name, field in Config.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Table):
            yield f"[{name}]", fields(kind)
    yield "[[sources]]", fields(Source)
    for name in formats():
        yield f'format = "{name}"', fields(format_class(name), Source)
    yield "[tasks.NAME]", fields(Task)
    for name in kinds():
        yield f'type = "{name}"', fields(task_class(name), Task)
    for name in backbone.names():
        if own := fields(backbone.backbone_class(name).options):
            yield f"[backbone.options] of {name}", own
    for name in balancer.names():
        if own := fields(find_member(balancer.KIND, name)):
            yield f'balancer = "{name}"', own


def fields(model: type[BaseModel], base: type[BaseModel] = BaseModel) -> dict[str, FieldInfo]:
    """The keys of ``model`` that ``base`` has not."""
    found = {field.alias or name: field for name, field in model.model_fields.items()}
    inherited = {field.alias or name for name, field in base.model_fields.items()}
    return {name: field for name, field in found.items() if name not in inherited}


SECTIONS = dict(sections())
DOCUMENTED = documented(PAGE)


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_key_and_no_other_is_documented(heading: str) -> None:
    assert heading in DOCUMENTED, f"docs/configuration.md has no section {heading}"
    assert sorted(DOCUMENTED[heading]) == sorted(SECTIONS[heading])


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_default_is_the_true_one(heading: str) -> None:
    """In code style it is the TOML of the default; in plain words it explains one that is worked out."""
    for key, field in SECTIONS[heading].items():
        written = DOCUMENTED[heading][key]
        quoted = re.fullmatch(r"`(.+)`", written)
        if quoted and "`" not in quoted[1]:
            said = tomllib.loads(f"x = {quoted[1]}")["x"]
            assert plain(field.get_default(call_default_factory=True)) == said, f"{heading} {key}"
        else:
            assert field.is_required() or field.default in (None, ""), f"{heading} {key}: write its default"


def plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def test_the_page_has_no_section_of_something_gone() -> None:
    assert {heading for heading, keys in DOCUMENTED.items() if keys} <= set(SECTIONS)


def test_the_check_reads_the_page() -> None:
    assert len(SECTIONS) >= 14
    assert sum(map(len, DOCUMENTED.values())) >= 70
    assert documented('## `[split]`\n| `a` | `"\\|"` | b |\n') == {"[split]": {"a": '`"|"`'}}


def whole_files() -> list[str]:
    """Every block of the pages that is a whole oneglance.toml."""
    pages = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"])
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    blocks = re.findall(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [block for block in blocks if "[[sources]]" in block and "[tasks" in block]


@pytest.mark.parametrize("text", whole_files())
def test_whole_files_in_the_docs_are_valid(text: str, tmp_path: Path) -> None:
    build_tasks(config.parse(text, base=tmp_path).tasks)


@pytest.mark.parametrize("file", sorted((ROOT / "examples").glob("*.toml")), ids=lambda file: file.stem)
def test_examples_are_valid(file: Path) -> None:
    read = config.load(file)
    build_tasks(read.tasks, location=file.name)
    assert not any(Path(source["path"]).is_absolute() for source in read.sources)
