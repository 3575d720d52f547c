"""examples.md: each file of examples/ with the comment at its top, its command and its measured figures."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "examples"
RESULTS = ROOT / "docs" / "results.md"

HEAD = """\
# Examples

Whole configurations of the folder `examples/`, with what came out of them. The comment at the top of each
file says where its pictures come from and how to get them; the tables are those of the [results](results.md),
with their settings there. `folder_to_answers.ipynb` is a notebook from a folder of drawn pictures to
answers, and `extension/` a package with a task, a source, a backbone and a balancer of its own.
"""


def page() -> str:
    measured = results()
    lines = [HEAD, "| file | tasks | network | pixels |", "|---|---|---|---|"]
    files = sorted(EXAMPLES.glob("*.toml"))
    lines += [overview(file) for file in files]
    for file in files:
        lines += ["", *section(file, measured.get(file.name, []))]
    return "\n".join(lines).rstrip() + "\n"


def overview(file: Path) -> str:
    read = tomllib.loads(file.read_text(encoding="utf-8"))
    tasks = ", ".join(f"{name} ({task['type']})" for name, task in read["tasks"].items())
    backbone = read.get("backbone", {})
    name, size = backbone.get("name", "small"), backbone.get("size", 64)
    return f"| [{file.name}](#{anchor(file.name)}) | {tasks} | `{name}` | {pixels(size)} |"


def anchor(heading: str) -> str:
    """As the table of contents makes it."""
    return re.sub(r"[^\w\s-]", "", heading).strip().lower().replace(" ", "-")


def pixels(size: Any) -> str:
    return f"{size[0]} × {size[1]}" if isinstance(size, list) else str(size)


def section(file: Path, tables: list[str]) -> list[str]:
    text = file.read_text(encoding="utf-8")
    comment, configuration = parted(text)
    words: list[str] = []
    commands: list[str] = []
    for line in comment:
        (commands if re.match(r"\s+(oneglance|python) ", line) else words).append(line.strip())
    lines = [f"## {file.name}", "", *paragraphs(words)]
    if commands:
        lines += ["```sh", *commands, "```", ""]
    if tables:
        lines += [*tables, ""]
    return [*lines, "```toml", configuration.strip(), "```"]


def parted(text: str) -> tuple[list[str], str]:
    """(the comment at the top of a file, without its #; what follows)"""
    lines = text.splitlines()
    end = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return [line[1:].rstrip() for line in lines[:end]], "\n".join(lines[end:])


def paragraphs(lines: list[str]) -> list[str]:
    """The lines, with one empty line between paragraphs and at the end."""
    found: list[str] = []
    for line in [*lines, ""]:
        if line or (found and found[-1]):
            found.append(line)
    return found


def results() -> dict[str, list[str]]:
    """Example -> the first table of the part of results.md that trains it."""
    found: dict[str, list[str]] = {}
    for part in re.split(r"^##+ ", RESULTS.read_text(encoding="utf-8"), flags=re.MULTILINE):
        trained = re.search(r"^oneglance train examples/(\w+\.toml)", part, re.MULTILINE)
        table = re.search(r"(?:^\|.*\n)+", part, re.MULTILINE)
        if trained and table:
            found.setdefault(trained[1], table[0].strip().splitlines())
    return found
