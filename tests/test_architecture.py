"""docs/architecture.md shows the house as it is: every folder and file, and names that there are."""

from __future__ import annotations

import re
from pathlib import Path

from oneglance.task import Task

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "oneglance"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```text\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def drawn(tree: str) -> set[str]:
    """The paths in the tree; a line is a folder or file and its description, or names side by side."""
    paths: set[str] = set()
    folders: list[str] = []
    for line in tree.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        first, *rest = re.split(r"\s{2,}", line.strip())
        if first.endswith("/"):
            folders[depth:] = [first]
            paths.add("".join(folders))
        else:
            side_by_side = all(re.fullmatch(r"\w[\w.]*\.\w+", name) for name in rest)
            names = [first, *rest] if side_by_side else [first]
            paths |= {"".join(folders[:depth]) + name for name in names}
    return paths


def real() -> set[str]:
    """Every folder and file of the package but what begins with an underscore or a dot."""
    found = {"oneglance/"}
    for path in PACKAGE.rglob("*"):
        relative = path.relative_to(PACKAGE)
        if not any(part.startswith(("_", ".")) for part in relative.parts):
            found.add(f"oneglance/{relative.as_posix()}" + ("/" if path.is_dir() else ""))
    return found


def test_the_tree_is_the_real_one() -> None:
    paths = drawn(BLOCKS[0])
    assert len(paths) >= 150
    assert sorted(paths) == sorted(real()), "run: python docs/generate"


def test_the_check_of_the_tree_would_find_what_is_missing() -> None:
    paths = drawn(
        "oneglance/\n  api.py   Functions.\n  tasks/   Types.\n    label.py  tags.py\n  cli/   Shell.\n"
    )
    assert paths == {
        "oneglance/",
        "oneglance/api.py",
        "oneglance/tasks/",
        "oneglance/tasks/label.py",
        "oneglance/tasks/tags.py",
        "oneglance/cli/",
    }


def test_every_folder_and_file_outside_of_members_is_described() -> None:
    described = re.findall(r"^\s+[\w.]+/?\s{2,}(\S.* .*)\.$", BLOCKS[0], re.MULTILINE)
    folders = [path for path in real() if path.endswith("/")]
    assert len(described) >= 100
    assert BLOCKS[0].count("/  ") == len(folders) - 1, "a folder has no description: write a docstring"


def test_files_that_the_page_names_are_there() -> None:
    """In the pictures of the flows and in the text."""
    names = set(re.findall(r"(?<![\w/.])((?:\w+/)+(?:\w+\.(?:py|json|toml))?|\w+\.py)(?![\w(])", PAGE))
    assert len(names) >= 40
    roots = [ROOT, PACKAGE, *(path for path in PACKAGE.rglob("*") if path.is_dir())]
    missing = {name for name in names if not any((root / name).exists() for root in roots)}
    assert missing - {"tasks/mine.py", "data/sources/mine.py", "backbones/mine.py", "balancers/mine.py"} == {
        "demo.py",  # which is said not to be there
        "new/",  # a folder of the reader
    }


def test_methods_of_the_contract_are_there() -> None:
    section = PAGE.partition("## The contract of a task")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+)(?:\(.*?\))?`", section))
    assert len(named) >= 20
    known = {*dir(Task), *Task.model_fields, "shape", "like", "View", "MetricState", "Any"}
    assert named - known == set()


def test_there_is_a_picture_of_a_training_and_of_an_answer() -> None:
    assert len(BLOCKS) == 3
    assert BLOCKS[1].startswith("oneglance train")
    assert BLOCKS[2].startswith("oneglance predict")
