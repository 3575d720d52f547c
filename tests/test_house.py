"""The house stays easy to find one's way in: short files, small folders, names in the field's words."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "oneglance"
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST, SIDE_BY_SIDE, MEDIAN = 400, 15, 100
# A file per member, as many as there are.
MEMBERS = {
    "recipes",
    "balancers",
    "sources",
    "writers",
    "tasks",
    "backbones",
    "engines",
    "results",
}

# What this project used to call things, and nobody else does. None of them names anything in the code.
PRIVATE_WORDS = frozenset(
    {
        *{"advice", "arms", "crew", "cure", "evidence", "found", "has_places", "lanes", "litmus", "looked"},
        *{"marks", "misfit", "place_back", "rim", "said", "strata", "surest", "told", "turns", "unite"},
        "wrongness",
    }
)


def names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every name that the code gives to something, and its line."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name, line
            case ast.arg():
                yield node.arg, line
            case ast.Name(ctx=ast.Store()):
                yield node.id, line
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr, line


def private(name: str) -> bool:
    """Whether one of the words of ``name``, or the whole of it, is a private one."""
    plain = name.strip("_").lower()
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    return plain in PRIVATE_WORDS or bool(PRIVATE_WORDS & set(words))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_names_are_the_fields_words(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert [f"line {line}: {name}" for name, line in names(tree) if private(name)] == []


def test_no_file_is_named_by_a_private_word() -> None:
    assert [file for file in FILES if private(file.stem)] == []


def lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


def test_a_long_file_says_why() -> None:
    silent = [file for file in FILES if "onger than 400 lines" not in "".join(lines(file)[:12])]
    assert [file for file in silent if len(lines(file)) > LONGEST] == []


def test_most_files_are_short() -> None:
    assert median(len(lines(file)) for file in FILES) <= MEDIAN


def test_few_files_lie_side_by_side() -> None:
    """In the package itself lie the contracts, each beside the folder of its members."""
    folders = Counter(file.parent for file in FILES if file.name not in {"__init__.py", "__main__.py"})
    crowded = {folder for folder, count in folders.items() if count > SIDE_BY_SIDE + (folder == PACKAGE)}
    assert sorted(str(folder) for folder in crowded if folder.name not in MEMBERS) == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("found = 1", True),
        ("def told(): ...", True),
        ("def f(said): ...", True),
        ("class Crew: ...", True),
        ("self.found_boxes = 1", True),
        ("for surest in []: ...", True),
        ("foundation = soundness = 1", False),
        ("x = found", False),  # where it comes from is what counts
    ],
)
def test_the_check_sees_what_it_should(text: str, wrong: bool) -> None:
    assert any(private(name) for name, _ in names(ast.parse(text))) is wrong


# Where files of strangers are read: only storage/plain_files.py asks the system about them.
READERS = [
    *(PACKAGE / "data").rglob("*.py"),
    PACKAGE / "config.py",
]
OWN_FILES = {"synthetic.py", "decoded_cache.py", "content_hash.py", "decode_pool.py", "download.py"}
RAISING = {"is_file", "is_dir", "exists", "resolve", "stat", "read_bytes", "read_text", "iterdir", "isfile"}


def unguarded(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name, on = node.func.attr, ast.unparse(node.func.value)
            opens = name == "open" and on not in ("Image", "tarfile", "codecs") and bool(node.args)
            if opens or (
                name in RAISING and on not in ("entry", "info") and not on.endswith(("question", "_words"))
            ):
                yield f"{file.name}:{node.lineno} {on}.{name}"


def test_files_of_strangers_are_opened_in_one_place() -> None:
    """A pipe, a device or a name of 300 characters is met there, and nowhere else."""
    found = [line for file in READERS if file.name not in OWN_FILES for line in unguarded(file)]
    assert found == []


def test_the_check_of_reading_sees_what_it_should(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(
        "path.open('rb')\nPath(a).is_file()\nos.path.isfile(a)\nopen_plain(a)\nImage.open(a)\nx.resolve()"
    )
    assert [line.partition(" ")[2] for line in unguarded(file)] == [
        "path.open",
        "Path(a).is_file",
        "os.path.isfile",
        "x.resolve",
    ]


def test_no_two_files_of_tests_have_one_name() -> None:
    """pytest imports them by their bare names, and stops before the first test where two are the same."""
    names = Counter(file.name for file in (PACKAGE.parent / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


CLOCK_OF_ALL = re.compile(r"""setattr\(\s*(?:"[\w.]*\btime\.|time,\s*")(?:sleep|monotonic|perf_counter)\b""")


def test_no_test_replaces_the_clock_of_other_threads() -> None:
    """A thread of the package that sleeps beside the test would be interrupted in its place. A module's own
    name ``time`` is replaced instead: ``setattr(module, "time", SimpleNamespace(sleep=...))``.
    """
    assert CLOCK_OF_ALL.search('monkeypatch.setattr("oneglance.a.time.sleep", f)')
    assert CLOCK_OF_ALL.search('monkeypatch.setattr(time, "monotonic", f)')
    files = [file for file in (PACKAGE.parent / "tests").rglob("*.py") if file != Path(__file__).resolve()]
    assert [file.name for file in files if CLOCK_OF_ALL.search(file.read_text(encoding="utf-8"))] == []
