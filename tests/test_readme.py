"""Whatever the pages tell a reader to type is valid: commands, functions, tables and JSON."""

from __future__ import annotations

import ast
import inspect
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import oneglance
from oneglance import config
from oneglance.cli.commands import app
from oneglance.task import build_tasks
from oneglance.toml.tables import read_table

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for page in (ROOT / "docs").rglob("*.md") if page.parent.name != "generate")]
)
EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
GROUP: Any = typer.main.get_command(app)


def blocks(language: str) -> Iterator[Any]:
    """Every block of that language, with the place where it stands."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in re.finditer(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            line = text[: found.start()].count("\n") + 1
            yield pytest.param(found[1], id=f"{page.relative_to(ROOT)}:{line}")


def commands() -> Iterator[Any]:
    """Every command of the pages and those in the comments of the examples."""
    for block in blocks("sh"):
        for line in block.values[0].replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\|", line):
                if words := shlex.split(part, comments=True):
                    yield pytest.param(words, id=f"{block.id} {' '.join(words)}")
    for file in EXAMPLES:
        for line in file.read_text(encoding="utf-8").splitlines():
            if re.match(r"#\s+oneglance \w+ ", line):
                words = shlex.split(line.lstrip("# "), comments=True)
                yield pytest.param(words, id=f"{file.name} {' '.join(words)}")


COMMANDS = list(commands())


@pytest.mark.parametrize("words", COMMANDS)
def test_commands_are_valid(words: list[str]) -> None:
    program, *rest = words
    if program == "oneglance":
        verb, *rest = rest
        assert verb in GROUP.commands
        GROUP.commands[verb].make_context(verb, rest)  # reads the arguments and runs nothing
    elif program == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in rest)
    elif program == "pip":
        assert rest[0] == "install"
        for extra in re.findall(r"\[([\w,]+)\]", " ".join(rest)):
            assert set(extra.split(",")) <= set(PROJECT["optional-dependencies"])
    elif program == "torchrun":
        _, verb, *rest = rest[rest.index("oneglance") :]
        GROUP.commands[verb].make_context(verb, rest)
    else:
        assert program in ("cd", "git", "python", "."), f"nothing checks {program}"
        for file in re.findall(r"\S+\.py\b", " ".join(rest)):
            assert (ROOT / file).is_file()


def test_the_check_of_commands_would_find_a_mistake() -> None:
    assert len(COMMANDS) >= 15
    with pytest.raises(Exception, match="No such option"):
        test_commands_are_valid(["oneglance", "train", "oneglance.toml", "--epochs", "5"])
    with pytest.raises(AssertionError):
        test_commands_are_valid(["oneglance", "trian", "oneglance.toml"])


def test_the_readme_shows_the_way_from_pictures_to_answers() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"^oneglance (\w+)", text, re.MULTILINE)
    verbs = ["start", "init", "check", "train", "evaluate", "predict", "compare", "export", "serve"]
    assert list(dict.fromkeys(shown)) == verbs


@pytest.mark.parametrize("text", list(blocks("python")))
def test_python_uses_names_that_there_are(text: str) -> None:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "og":
            assert node.attr in oneglance.__all__
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner = node.func.value
        if isinstance(owner, ast.Name) and owner.id in ("og", "run"):
            verb = getattr(oneglance, node.func.attr)
            own = [None] if owner.id == "run" else []
            given = {word.arg or "": None for word in node.keywords}
            inspect.signature(verb).bind(*own, *node.args, **given)
            assert owner.id == "og" or hasattr(oneglance.Run, node.func.attr)


WHOLE = {"sources": [{"path": "photos"}], "tasks": {"kind": {"type": "label"}}}


@pytest.mark.parametrize("text", list(blocks("toml")))
def test_tables_are_valid(text: str, tmp_path: Path) -> None:
    """Also those that are only a part of a file."""
    tables = tomllib.loads(text)
    if {"sources", "tasks"} <= set(tables):
        read = config.parse(text, base=tmp_path)
    else:
        read = read_table(config.Config, WHOLE | tables, location="oneglance.toml")
    build_tasks(read.tasks)


@pytest.mark.parametrize("text", list(blocks("json")))
def test_json_is_valid(text: str) -> None:
    assert json.loads(text)
