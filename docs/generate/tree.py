"""The tree of the package, with a line for each folder and file: the first sentence of its docstring.

Members of a plural folder are named together: each is described where its word is, in the reference. A member
that is a folder is drawn as one.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "oneglance"

WIDTH = 118  # characters of a line
COLUMN = 28  # where the descriptions begin

# Folders whose files are members of the contract of the same name: no line for each.
MEMBERS = {
    "backbones",
    "balancers",
    "tasks",
    "data/recipes",
    "data/sources",
    "data/writers",
    "inference/engines",
    "results",
}


def page() -> str:
    """architecture.md: the prose beside this file, with the tree in it."""
    template = Path(__file__).with_name("architecture.md").read_text(encoding="utf-8")
    return template.replace("<!-- tree -->", "\n".join(["```text", *tree(), "```"]))


def tree() -> list[str]:
    return ["oneglance/", *below(PACKAGE, 1)]


def below(folder: Path, depth: int, *, files: bool = True) -> list[str]:
    entries = [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith(("_", "."))]
    lines = [line(file.name, said(file), depth) for file in entries if files and file.is_file()]
    for inner in [entry for entry in entries if entry.is_dir()]:
        lines.append(line(f"{inner.name}/", said(inner / "__init__.py"), depth))
        if inner.relative_to(PACKAGE).as_posix() in MEMBERS:
            members = sorted(inner.glob("[a-z]*.py"))
            lines += listed([file.name for file in members], depth + 1) if members else []
            lines += below(inner, depth + 1, files=False)
        elif any(inner.glob("*.py")):
            lines += below(inner, depth + 1)
        else:  # templates and what a browser reads
            lines += listed([file.name for file in sorted(inner.iterdir())], depth + 1)
    return lines


def line(name: str, words: str, depth: int) -> str:
    return f"{'  ' * depth + name:{COLUMN}}  {words}".rstrip()


def listed(names: list[str], depth: int) -> list[str]:
    """Names side by side, in as many lines as it takes."""
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) > WIDTH - 2 * depth:
            lines.append("")
        lines[-1] += f"{name}  "
    return ["  " * depth + one.rstrip() for one in lines]


OTHER = {
    "py.typed": "Type checkers read the annotations.",
    "openapi.json": "What programs may ask, for people and tools.",
    "fonts/": "One free font, so that captions look the same everywhere.",
    "page/": "What a browser reads: one folder, no build step, no other host.",
}


def said(file: Path) -> str:
    """The first sentence of the docstring of a module, as much of it as fits."""
    if file.suffix == ".pyi":
        return "The public names, for editors and type checkers."
    if file.suffix != ".py" or not file.exists():
        return OTHER.get(file.name, OTHER.get(f"{file.parent.name}/", ""))
    words = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    text = " ".join(words.partition("\n\n")[0].split()).replace("``", "")
    sentence = re.split(r"(?<=[a-z0-9)])\. ", re.sub(r" \([^)]*\b\d{4}\b[^)]*\)", "", text))[0].rstrip(".")
    for mark in (":;", ",", ","):
        if len(sentence) > WIDTH - COLUMN:
            sentence = re.split(rf"[{mark}] [^{mark}]*$", sentence)[0]
    return sentence + "."
