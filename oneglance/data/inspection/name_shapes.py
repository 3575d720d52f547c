"""The pattern of names of pictures that share one shape and whose parts come again: they are answers."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from oneglance.data.inspection.column_rules import LONGEST_CLASS, MOST_CLASSES
from oneglance.data.inspection.fields.field_words import (
    AMOUNTS,
    CLASS_FIELDS,
    COUNTING,
    COUNTS,
    GENERIC,
    GROUP_FIELDS,
    ID_FIELDS,
    ORDER_FIELDS,
    word_set,
)
from oneglance.data.parsing.name_pattern import DIGITS, IGNORED, name_pattern, without_ending
from oneglance.data.record import SPLIT_NAMES
from oneglance.errors import InvalidAnswer

LEAST = 8  # pictures of which a shape is believed
MOST = 20_000  # names that are looked at
MOST_PARTS = 16
NEARLY_ALL = 0.95  # of the names have to share the shape
REPEATED = 3  # pictures with the same word, on average, for it to be an answer
REPEATED_NUMBER = 1.5  # the same of a number
LONGEST_NUMBER = 5  # digits; longer ones are identifiers
LEAST_THINGS, EACH_KIND = 20, 0.9  # numbers of things, and their share of which each kind of picture is there
SPLIT_FIELD, THING_FIELD = "split", "item"

CAMERAS = word_set(
    "img dsc dscn dscf pxl mvi vid gopr gx gh dji sam cimg kodak imag hpim pict wa whatsapp screenshot "
    "bildschirmfoto signal telegram snapchat instagram fb scan at am pm p pano burst mvimg received"
)  # what cameras and telephones call their pictures
COPIES = word_set(
    "frame frames copy edited edit thumb thumbnail small medium large original cropped crop final mask gt "
    "rgb depth aug augmented rotated flipped file page shot take seq v ver version x y n"
)  # words beside numbers, or of several pictures made of one
SAYS_NOTHING = CAMERAS | COPIES | GENERIC | COUNTING | ID_FIELDS
MEASURES = AMOUNTS | ORDER_FIELDS | CLASS_FIELDS | COUNTS  # what numbers are, where a word says it
SIZES = word_set("n o b k c z h q t")  # letters behind names from Flickr and Facebook

_BETWEEN = r"[\s_\-.,;:=+@~&!()\[\]{}]"
_PARTS = re.compile(rf"({_BETWEEN}+)")
_WORD_AND_NUMBER = re.compile(r"([^\W\d_]+)(\d+)")
_HEAD_AND_NUMBER = re.compile(rf"(.*[^\W\d_])({_BETWEEN}*)(\d+)(\)?)", re.DOTALL)
_KEY = re.compile(r"([^\W\d_]{2,})[-=_:. ]?$")
_UUID = re.compile(r"(?i)([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})")
_HASH = re.compile(r"(?i)(?=.*\d)(?=.*[a-f])[0-9a-f]{8,}")
_DAY = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])([0-2]\d|3[01])\d*")
_YEAR = re.compile(r"(19|20)\d\d")


@dataclass
class _Part:
    """A part of the names that differs between them."""

    before: str  # the text that is the same in all names and stands before it
    values: list[str]  # of each name
    is_date: bool = False  # a date or a time
    key: str = ""  # the word that says what it is
    field: str = ""  # "" where it is no answer
    is_answer: bool = False  # else a field that helps: the split or the group

    @property
    def counts(self) -> Counter[str]:
        return Counter(self.values)

    @property
    def is_digits(self) -> bool:
        return all(value.isascii() and value.isdigit() for value in self.values)

    @property
    def often(self) -> float:
        return len(self.values) / len(self.counts)

    def share(self, pattern: re.Pattern[str]) -> float:
        return sum(pattern.fullmatch(value) is not None for value in self.values) / len(self.values)


def propose(names: Sequence[str]) -> tuple[str, str]:
    """The pattern for ``name_pattern``, and a name that it reads; both "" where the names do not tell.

    Names of cameras, dates, identifiers, hashes and counters are no answers.
    """
    stems = [without_ending(name).rpartition("/")[2] for name in names[:: max(1, len(names) // MOST)]]
    if len(stems) < LEAST:
        return "", ""
    for pattern in filter(None, (_of_parts(stems), _of_heads(stems))):
        reader = name_pattern(pattern)
        read = []
        for stem in stems:
            try:
                reader.answers(stem)
                read.append(stem)
            except InvalidAnswer:
                continue
        if len(read) >= NEARLY_ALL * len(stems):
            return pattern, read[0]
    return "", ""


def _of_parts(stems: Sequence[str]) -> str:
    """From names that all have as many parts, with the same between them."""
    cut = [_PARTS.split(_UUID.sub(r"\1\2\3\4\5", stem)) for stem in stems]
    shapes = Counter(tuple(pieces[1::2]) for pieces in cut)
    shape, count = shapes.most_common(1)[0]
    if count < NEARLY_ALL * len(stems) or len(shape) >= MOST_PARTS:
        return ""
    columns = list(zip(*(pieces[::2] for pieces in cut if tuple(pieces[1::2]) == shape), strict=True))
    parts, after = _parts(columns, shape)
    for part in parts:
        _judge(part, parts, after)
    answers = [part for part in parts if part.is_answer]
    if len(answers) == 1 and answers[0].is_digits and answers[0].key not in MEASURES:
        return ""  # one number alone may count anything
    if len(answers) > 1 and not any(part.key for part in answers) and _are_one_head(stems, answers):
        return ""
    return _pattern(parts, after) if answers else ""


def _parts(columns: Sequence[Sequence[str]], shape: Sequence[str]) -> tuple[list[_Part], str]:
    """The parts that differ, and the text behind the last one."""
    parts: list[_Part] = []
    dates = _dates(columns)
    before = ""
    for index, column in enumerate(columns):
        values = list(column)
        behind = shape[index] if index < len(shape) else ""
        if len(set(values)) == 1:
            before += values[0] + behind
            continue
        numbered = [_WORD_AND_NUMBER.fullmatch(value) for value in values]
        heads = {match[1] if match else "" for match in numbered}
        key = ""
        if len(heads) == 1 and "" not in heads:  # age26, p07
            (head,) = heads
            before, key = before + head, head.lower()
            values = [value.removeprefix(head) for value in values]
        elif match := _KEY.search(before):
            key = match[1].lower()
        parts.append(_Part(before, values, index in dates, "" if key in SPLIT_NAMES else key))
        before = behind
    return parts, before


def _dates(columns: Sequence[Sequence[str]]) -> set[int]:
    """The columns of dates, and of times behind them."""
    days = [_Part("", list(column)).share(_DAY) > NEARLY_ALL for column in columns]
    years = [_Part("", list(column)).share(_YEAR) > NEARLY_ALL for column in columns]
    small = [all(re.fullmatch(r"0?[1-9]|[12]\d|3[01]", value) for value in column) for column in columns]
    dates: set[int] = set()
    for index in range(len(columns)):
        if days[index] or years[index]:
            dates.add(index)
            near = (index - 1, index - 2) if all(small[max(index - 2, 0) : index]) and index > 1 else ()
            dates.update(near if years[index] else ())
        elif dates and index - 1 in dates | {0} and all(value.isdigit() for value in columns[index]):
            dates.add(index)
    return dates


def _judge(part: _Part, parts: Sequence[_Part], after: str) -> None:
    """Whether a part is an answer, and what its field is called; ``after`` is behind the last one."""
    words = {value.casefold() for value in part.values}
    if part.is_date or part.share(_HASH) > NEARLY_ALL:
        return
    if words <= set(SPLIT_NAMES):
        part.field = SPLIT_FIELD
    elif part.key in GROUP_FIELDS:
        part.field = part.key if part.often >= REPEATED_NUMBER else ""
    elif _numbers_things(part, parts):
        part.field = THING_FIELD
    elif words <= SAYS_NOTHING or (words <= SIZES and part is parts[-1]):
        return
    elif _is_number(part, parts, after) if part.is_digits else _is_word(part):
        part.is_answer = True
        if part.key in SAYS_NOTHING or len(part.key) < 2:
            part.key = ""
        taken = [one.field for one in parts]
        numbered = f"name{1 + sum(field.startswith('name') for field in taken)}"
        part.field = part.key if part.key and part.key not in taken else numbered


def _is_number(part: _Part, parts: Sequence[_Part], after: str) -> bool:
    padded = any(value.startswith("0") and len(value) > 1 for value in part.values)
    if padded and part.key not in MEASURES:
        return False
    longest = max(map(len, part.values))
    if longest > LONGEST_NUMBER or part.often < REPEATED_NUMBER or part.key in SAYS_NOTHING:
        return False
    is_last = part is parts[-1] and not re.search(r"\d", after)
    return not is_last or not _counts(part, [one for one in parts if one is not part])


def _numbers_things(part: _Part, parts: Sequence[_Part]) -> bool:
    """Whether its numbers only say which pictures are of one thing: of nearly each there is one picture of
    every kind, as of the houses of ``12_kitchen.jpg`` and ``12_bathroom.jpg``.
    """
    if part is parts[-1] or not part.is_digits or part.key in MEASURES or len(part.counts) < LEAST_THINGS:
        return False
    others = [one for one in parts if one is not part]
    if any(one.is_digits or not _is_word(one) for one in others):
        return False
    kinds = len(set(zip(*(one.values for one in others), strict=True)))
    pictures = Counter(part.counts.values())
    return kinds > 1 and pictures[kinds] >= EACH_KIND * len(part.counts)


def _counts(part: _Part, others: Sequence[_Part]) -> bool:
    """Whether no number comes twice among pictures that are alike in all else, where that is no chance: it
    counts them.
    """
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for index, value in enumerate(part.values):
        alike[tuple(one.values[index] for one in others)].append(value)
    again = sum(len(values) - len(set(values)) for values in alike.values())
    pairs = sum(len(values) * (len(values) - 1) / 2 for values in alike.values())
    return again <= 0.005 * len(part.values) and pairs >= 3 * len(part.counts)


def _is_word(part: _Part) -> bool:
    """Whether its words come again and again."""
    counts = part.counts
    alone = sum(count == 1 for count in counts.values())
    coded = sum(count for text, count in counts.items() if re.search(r"\d", text))
    return (
        part.often >= REPEATED
        and len(counts) <= MOST_CLASSES
        and alone <= 0.05 * len(part.values)
        and coded <= 0.5 * len(part.values)
        and sum(map(len, counts)) <= LONGEST_CLASS * len(counts)
    )


def _are_one_head(stems: Sequence[str], answers: Sequence[_Part]) -> bool:
    """Whether words belong together, as in ``american_bulldog_12``: one of them says the others."""
    heads = {match[1] for stem in stems if (match := _HEAD_AND_NUMBER.fullmatch(stem))}
    return bool(heads) and len(heads) <= 1.2 * max(len(part.counts) for part in answers)


def _of_heads(stems: Sequence[str]) -> str:
    """From names of any number of words with a number behind them: ``american_bulldog_12``, ``hat (3)``."""
    matches = [match for stem in stems if (match := _HEAD_AND_NUMBER.fullmatch(stem))]
    between = Counter((match[2], match[4]) for match in matches)
    if not between:
        return ""
    (gap, end), count = between.most_common(1)[0]
    if count < NEARLY_ALL * len(stems) or bool(end) != gap.endswith("("):
        return ""
    heads = [match[1] for match in matches if (match[2], match[4]) == (gap, end)]
    first, last = min(heads), max(heads)
    ends = [0, *(match.end() for match in _PARTS.finditer(first))]
    before = first[: max(end for end in ends if last.startswith(first[:end]))]  # what all begin with
    part = _Part(before, [head.removeprefix(before) for head in heads])
    words = {word.casefold() for head in set(part.values) for word in _PARTS.split(head)[::2]}
    if len(part.counts) < 2 or words <= SAYS_NOTHING | set(SPLIT_NAMES) or not _is_word(part):
        return ""
    key = _KEY.search(before)
    known = key is not None and key[1].lower() not in SAYS_NOTHING | set(SPLIT_NAMES)
    part.field = key[1].lower() if key and known else "name1"
    return _pattern([part, _Part(gap, ["0"])], end)


def _pattern(parts: Sequence[_Part], after: str) -> str:
    return "".join(_pieces(parts, after))


def _pieces(parts: Sequence[_Part], after: str) -> Iterator[str]:
    for part in parts:
        yield _literal(part.before)
        yield f"{{{part.field or (DIGITS if part.is_digits else IGNORED)}}}"
    yield _literal(after)


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
