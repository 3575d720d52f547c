"""What lies in a folder, for a person to read: folders with endings and counts, and how texts there begin."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from oneglance.data.images.archives import is_hidden
from oneglance.data.parsing.folder_walk import walk
from oneglance.data.parsing.structured_files import beginning
from oneglance.data.quoting import plain
from oneglance.storage.plain_files import is_folder, resolved

MOST_FILES = 100_000  # files and folders that are looked at
MOST_FOLDERS = 6  # shown in one folder
MOST_LINES = 24  # of the tree
DEEPEST = 3  # folders in one another that are shown
MOST_ENDINGS = 4  # named of one folder
MOST_TEXTS = 3  # files of which the first lines are shown
FIRST_LINES, LONGEST_LINE, FIRST_BYTES = 3, 100, 4096
TEXTS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".txt", ".xml", ".yaml", ".yml", ".data", ".lst", "")


@dataclass
class SeenFiles:
    """The visible files of a folder, by folder and by ending; a file alone is a folder of one."""

    root: Path
    endings: dict[str, Counter[str]] = field(
        default_factory=dict
    )  # folder, from the root -> in small letters
    examples: dict[str, list[str]] = field(default_factory=dict)  # ending -> the first paths from the root
    complete: bool = True

    @classmethod
    def of(cls, root: Path) -> SeenFiles:
        seen = cls(root if is_folder(root) else root.parent)
        if not is_folder(root):
            seen._add("", root.name)
            return seen
        count = 0
        for parent, folders, files in walk(root):
            folders.sort()
            folder = os.path.relpath(parent, root).replace(os.sep, "/")
            folder = "" if folder == "." else folder
            seen.endings.setdefault(folder, Counter())
            for name in sorted(files):
                if not is_hidden(name):
                    seen._add(folder, name)
            count += len(files) + len(folders)
            if count > MOST_FILES:
                seen.complete = False
                break
        return seen

    def _add(self, folder: str, name: str) -> None:
        ending = os.path.splitext(name)[1].lower()  # noqa: PTH122 - a hundred thousand names
        self.endings.setdefault(folder, Counter())[ending] += 1
        examples = self.examples.setdefault(ending, [])
        if len(examples) < 200:
            examples.append(f"{folder}/{name}" if folder else name)

    @property
    def counts(self) -> Counter[str]:
        """How many files have each ending."""
        return self._below[""]

    def lines(self) -> list[str]:
        """The tree of folders, and how some texts there begin: a few lines, without control characters."""
        tree = list(self._tree("", 1))
        if len(tree) > MOST_LINES:
            tree = [*tree[:MOST_LINES], "  …"]
        if not self.complete:
            tree.append(f"  and more: only {MOST_FILES:,} files and folders were looked at")
        return [*tree, *self._texts()]

    def _tree(self, folder: str, depth: int) -> Iterator[str]:
        inside = self._inside.get(folder, [])
        indent = "  " * depth
        title = f"{plain(folder.rpartition('/')[2] or resolved(self.root).name, 60)}/"
        if inside and depth >= DEEPEST:
            folders = "a folder" if len(inside) == 1 else f"{len(inside):,} folders"
            yield f"{indent}{title}  {_counted(self._below[folder])} in it and {folders} there"
            return
        yield f"{indent}{title}  {_counted(self.endings[folder])}"
        shown = inside if len(inside) <= MOST_FOLDERS else inside[: MOST_FOLDERS - 1]
        for name in shown:
            yield from self._tree(name, depth + 1)
        if others := inside[len(shown) :]:
            counts: Counter[str] = Counter()
            for name in others:
                counts.update(self._below[name])
            yield f"{indent}  … and {len(others):,} more folders: {_counted(counts)}"

    @cached_property
    def _below(self) -> dict[str, Counter[str]]:
        """The files in each folder and in those below it."""
        below: dict[str, Counter[str]] = defaultdict(Counter)
        for name, counts in self.endings.items():
            folder = name
            while True:
                below[folder].update(counts)
                if not folder:
                    break
                folder = folder.rpartition("/")[0]
        return below

    @cached_property
    def _inside(self) -> dict[str, list[str]]:
        """The folders directly in each folder."""
        inside: dict[str, list[str]] = defaultdict(list)
        for name in self.endings:
            if name:
                inside[name.rpartition("/")[0]].append(name)
        return inside

    def _texts(self) -> Iterator[str]:
        files = [
            name
            for ending in TEXTS
            for name in self.examples.get(ending, ())[: 2 if ending in TEXTS[:2] else 1]
        ]
        for name in files[:MOST_TEXTS]:
            content = beginning(self.root / name, FIRST_BYTES)
            if not content or b"\0" in content:
                continue
            text = content.decode("utf-8", errors="replace").removeprefix("\ufeff")
            yield f"  {plain(name, 80)} begins:"
            yield from (f"    {plain(line, LONGEST_LINE)}" for line in text.splitlines()[:FIRST_LINES])


def _counted(counts: Counter[str]) -> str:
    """``120 .jpg, 2 .png``"""
    named = counts.most_common(MOST_ENDINGS)
    others = counts.total() - sum(count for _, count in named)
    words = [f"{count:,} {plain(ending, 12) or 'without ending'}" for ending, count in named]
    return ", ".join([*words, f"{others:,} others"] if others else words) or "no files"
