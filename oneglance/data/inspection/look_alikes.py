"""Classes that may be one class, written in two ways, and classes that may be no class but a gap."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from unicodedata import is_normalized

from oneglance.data.cell import number, without_invisible
from oneglance.data.inspection.column_profile import UNKNOWN
from oneglance.data.merging.merge_records import DisjointSets
from oneglance.data.quoting import quoted
from oneglance.errors import Problem
from oneglance.toml.writer import inline

MOST_SHOWN = 4  # spellings of one class in a message
MOST_GROUPS = 4  # classes in a message
GAPS = UNKNOWN | {"none", "missing", "n. a.", "k. a."}

Words = Mapping[str, int]  # word -> pictures that have it


def look_alikes(task: str, words: Words) -> list[Problem]:
    """One problem that names every group of words that are alike, if there are any."""
    groups = _groups(words)
    if not groups:
        return []
    what = "; ".join(_described(alike, words, difference) for alike, difference in groups[:MOST_GROUPS])
    more = f"; and {len(groups) - MOST_GROUPS:,} more" if len(groups) > MOST_GROUPS else ""
    pairs = [(word, alike[0]) for alike, _ in groups[:MOST_GROUPS] for word in alike[1:]]
    joined = f"{{ {', '.join(f'{_escaped(word)} = {_escaped(first)}' for word, first in pairs)} }}"
    if all(difference == KEYS[0][1] for _, difference in groups) and len(groups) > 1:
        joined = '"look-alikes"'
    hint = f"if they are one, write in [tasks.{task}]: join = {joined}"
    return [Problem(task, f"has the classes {what}{more}", hint, kind="look-alike classes", fatal=False)]


def differing_in_case(words: Words) -> dict[str, str]:
    """Word -> the most frequent one that differs from it in capital letters only. Words of one or two letters
    are left alone, as ``a`` and ``A`` may be two.
    """
    first: dict[str, str] = {}
    for word in sorted(words, key=lambda word: (-words[word], word)):
        first.setdefault(word.casefold(), word)
    return {
        word: other
        for word in words
        if (other := first[word.casefold()]) != word and len(re.findall(r"[^\W\d_]", word)) > 2
    }


def _groups(words: Words) -> list[tuple[list[str], str]]:
    """Words that are alike by any of ``KEYS``, the most frequent first, and in what they differ at most."""
    sets: DisjointSets[str] = DisjointSets()
    differences: dict[str, str] = {}  # of the set of a root
    known = frozenset(filter(None, map(_loose, words)))
    for key, difference in KEYS:
        first: dict[str, str] = {}
        for word in words:
            one, two = sets.root(first.setdefault(key(word, known), word)), sets.root(word)
            if one != two:
                sets.join(one, two)
                differences[one] = difference
    groups: dict[str, list[str]] = defaultdict(list)
    for word in words:
        groups[sets.root(word)].append(word)
    ordered = {
        root: sorted(alike, key=lambda word: (-words[word], not is_normalized("NFC", word), word))
        for root, alike in groups.items()
        if len(alike) > 1
    }
    return [(alike, differences[root]) for root, alike in ordered.items()]


def gaps(task: str, words: Words, chosen: Sequence[str]) -> Iterator[Problem]:
    """A problem for each word that often means that nobody knows, unless it is ``chosen`` as a class."""
    for word, count in words.items():
        if word.strip().casefold() in GAPS and word not in chosen and not (word == "-" and "+" in words):
            what = f"{quoted(word)} is a class, of {_pictures(count)}"
            hint = f"if it means that nobody knows, write in [tasks.{task}]: unknown = [{inline(word)}]"
            yield Problem(task, what, hint, kind="class or unknown", fatal=False)


def _described(alike: Sequence[str], words: Words, difference: str) -> str:
    escaped = len({without_invisible(word) for word in alike}) < len(alike) or any(
        not word.isprintable() for word in alike
    )
    shown = [f"{_escaped(word) if escaped else quoted(word)} ({_pictures(words[word])})" for word in alike]
    more = f" and {len(shown) - MOST_SHOWN:,} more" if len(shown) > MOST_SHOWN else ""
    return f"{', '.join(shown[:MOST_SHOWN])}{more}, which {difference}"


def _pictures(count: int) -> str:
    return f"{count:,} picture{'s' * (count != 1)}"


def _escaped(word: str) -> str:
    """As TOML may write it, so that no two words look the same."""
    plain = inline(word)
    return "".join(
        c if c.isascii() and c.isprintable() else f"\\u{ord(c):04x}" if ord(c) < 65536 else f"\\U{ord(c):08x}"
        for c in plain
    )


def _same_look(word: str, known: frozenset[str]) -> str:
    return without_invisible(word)


def _loose(word: str) -> str:
    """Without case, kinds of dashes, underscores and what Unicode holds for compatibility. A letter by itself
    keeps its case: letters are classes of their own.
    """
    visible = "".join(c for c in unicodedata.normalize("NFKC", word) if unicodedata.category(c) != "Cf")
    dashes = re.sub(r"[\s_\u2010-\u2015-]+", " ", visible).strip()
    return dashes.casefold() if len(dashes) > 1 else visible


def _same_loosely(word: str, known: frozenset[str]) -> str:
    return _loose(word)


def _singular(word: str, known: frozenset[str]) -> str:
    """The singular of ``word``, if that is a word too."""
    loose = _loose(word)
    for ending, instead in (("ies", "y"), ("es", ""), ("s", "")):
        singular = loose.removesuffix(ending) + instead
        if loose.endswith(ending) and len(singular) >= 3 and singular in known:
            return singular
    return loose


def _size(word: str, known: frozenset[str]) -> str:
    size = number(word)
    return word if size is None else f"= {size!r}"


KEYS: tuple[tuple[Callable[[str, frozenset[str]], str], str], ...] = (
    (_same_look, "look the same"),
    (_same_loosely, "differ only in upper and lower case, spaces or dashes"),
    (_singular, "differ only as one and many do"),
    (_size, "are the same number"),
)
