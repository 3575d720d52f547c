"""What the pages say of the code is so: messages, words of the glossary, links and anchors."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *(page for page in DOCS.rglob("*.md") if page.parent.name != "generate")])


def texts() -> str:
    """Every string of the package, those of f-strings with a … for each value."""
    found = []
    for file in (ROOT / "oneglance").rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            if isinstance(node, ast.JoinedStr):
                parts = (one.value if isinstance(one, ast.Constant) else "…" for one in node.values)
                found.append("".join(map(str, parts)))
    return "\n".join(found)


TEXTS = texts()


def messages() -> list[str]:
    page = (DOCS / "reference" / "troubleshooting.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.+?) \| ", page, re.MULTILINE)
    return [message for row in rows for message in re.findall(r"`([^`]+)`", row)]


def is_said(message: str) -> bool:
    """Whether each piece of it, between the …, stands in the code."""
    pieces = [piece.strip(' "') for piece in re.split("…|;", message)]
    return all(piece in TEXTS for piece in pieces if len(piece) > 2)


@pytest.mark.parametrize("message", messages())
def test_messages_are_those_of_the_code(message: str) -> None:
    assert is_said(message)


def test_the_check_of_messages_would_find_one_that_is_gone() -> None:
    assert len(messages()) >= 50
    assert not is_said("has no quay …")
    assert is_said("has no key …")


def test_messages_and_words_are_in_alphabetical_order() -> None:
    for name in ("reference/troubleshooting.md", "glossary.md"):
        page = (DOCS / name).read_text(encoding="utf-8")
        for table in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
            rows = [re.sub(r"[`…\" ]", "", row.split(" | ")[0]).lower() for row in table.splitlines()[2:]]
            if "what you see" not in table:
                assert rows == sorted(rows), name


# Links.


def headings(page: Path) -> set[str]:
    """The anchors of a page, as the site makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        words = re.sub(r"\[(.+?)\]\(.+?\)", r"\1", heading.replace("`", ""))
        found.add(re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", words).strip().lower()))
    return found


def links() -> list[Any]:
    return [
        pytest.param(page, link, id=f"{page.relative_to(ROOT)} {link}")
        for page in PAGES
        for link in re.findall(r"\]\((?!https?:)([^)\s]+)", page.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize(("page", "link"), links())
def test_links_and_anchors_lead_somewhere(page: Path, link: str) -> None:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    assert target.exists()
    if anchor:
        assert anchor in headings(target)


def test_every_picture_is_small_and_shown() -> None:
    pictures = sorted((DOCS / "images").iterdir())
    shown = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    for picture in pictures:
        assert f"images/{picture.name}" in shown
        assert picture.stat().st_size <= 150_000
