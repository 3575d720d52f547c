"""Rules that guess the task of a column. Each looks at one column; the first that applies decides."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from dataclasses import field as default
from typing import Any

import numpy as np

from oneglance.data import cell
from oneglance.data.inspection.column_profile import Column
from oneglance.data.inspection.fields.field_words import (
    AMOUNTS,
    BOTH_SIDES,
    CAMERA_FOLDER,
    CLASS_FIELDS,
    COUNTING,
    COUNTS,
    DATED,
    GENERIC,
    GROUP_FIELDS,
    ID_FIELDS,
    MONEY,
    NO_FINDING,
    NONE,
    ORDER_FIELDS,
    PLACES,
    PORTIONS,
    SPLIT_FIELDS,
    UNITS,
)
from oneglance.data.inspection.look_alikes import differing_in_case
from oneglance.data.parsing.layouts import OF_TOOLS
from oneglance.data.picture_files.formats import PICTURE_ENDINGS
from oneglance.data.quoting import quoted
from oneglance.data.record import SPLIT_NAMES
from oneglance.toml.tables import is_encodable

FEW_GROUPS, MOST_IN_ONE = 10, 0.45  # of so few groups none may hold more than this share
MEASURED = AMOUNTS - COUNTS - COUNTING  # amounts that do not count things
ODD, ODD_AMOUNTS = 0.05, 0.2  # share of cells that are no numbers in a column of numbers, and of an amount
MOST_ODD = 20  # words among numbers that a configuration lists
FEW_CLASSES = 20  # so many are classes even where each has few pictures
MOST_CLASSES = 1000
LONGEST_CLASS = 60  # characters, on average
MOST_OF_TOOLS = 0.2  # share of pictures in folders of annotation tools, by which no folder is a class
NEARLY_CONSTANT = 0.85  # share of one answer that is worth a warning


@dataclass(frozen=True)
class Guess:
    """The guess for one field. Without a ``type`` it is no task; it may be the group: then ``settings``
    are ``{"group": field}``, a key of [[sources]].
    """

    field: str
    type: str
    settings: dict[str, Any] = default(default_factory=dict)  # keys of its [tasks] table
    reason: str = ""
    decimal: str = ""  # the decimal mark of numbers that are text, where all cells together say it


def nothing(column: Column, reason: str) -> Guess:
    return Guess(column.field, "", {}, reason)


def _task(column: Column, type: str, reason: str, **settings: Any) -> Guess:
    """Settings that are empty or False are left out: that is their default."""
    nonempty = {key: value for key, value in settings.items() if value}
    return Guess(
        column.field, type, nonempty | ({"unknown": list(column.unknown)} if column.unknown else {}), reason
    )


# The rules, from the most particular to the most general.


def has_no_name(column: Column) -> Guess | None:
    """JSON can hold half a character, which no file of text can."""
    if column.field.strip() and is_encodable(column.field):
        return None
    return nothing(column, "has no name that can be written")


def has_a_name_of_pandas(column: Column) -> Guess | None:
    """A table that was saved with the numbers of its rows has a column without a name."""
    if re.fullmatch(r"Unnamed: ?\d+(_level_\d+)?", column.field):
        return nothing(column, "has no name in the table, as numbers of rows that pandas adds")
    return None


def is_split(column: Column) -> Guess | None:
    words = {text.lower() for text in column.counts}
    if column.field.lower() in SPLIT_FIELDS and words and words <= set(SPLIT_NAMES):
        return nothing(column, "says which split a picture belongs to")
    return None


def is_constant(column: Column) -> Guess | None:
    if not len(column):
        return nothing(column, "holds no answer that is known")
    if column.distinct == 1:
        return nothing(column, f"says {quoted(column.texts[0], 30)} in {column.coverage}")
    return None


def lists(column: Column) -> Guess | None:
    nested = [value for value in map(_opened, column.values) if isinstance(value, list | tuple | dict)]
    if not nested:
        return None
    words = Counter(
        word
        for value in nested
        if not isinstance(value, dict)
        for word in value
        if isinstance(word, str | int)
    )
    if len(nested) == len(column) and len(words) > 1 and 2 * len(words) <= words.total():
        return _task(column, "tags", f"lists of {len(words):,} distinct words in {column.coverage}")
    if len(nested) < len(column) and all(isinstance(value, str) for value in column.values):
        if 2 * len(nested) < len(column):
            return None
        other = next(text for text in column.texts if cell.as_list(text) is None)
        return nothing(column, f"holds lists, but {quoted(other, 30)} is none: correct such cells")
    return nothing(column, "holds values with an inner structure")


def _opened(value: Any) -> Any:
    """The list that text writes, else the value itself."""
    listed = cell.as_list(value) if isinstance(value, str) else None
    return value if listed is None else listed


def is_folder_field(field: str) -> bool:
    """Whether a field is a level of folders: ``folder``, ``folder2``."""
    return bool(re.fullmatch(r"folder\d*", field))


def are_of_tools(column: Column) -> bool:
    """Whether folders hold the same pictures in several forms, as annotation tools write them: then neither
    these nor those above are classes.
    """
    written = sum(n for text, n in column.counts.items() if OF_TOOLS.fullmatch(text))
    return is_folder_field(column.field) and written > MOST_OF_TOOLS * len(column)


def folders_of_tools(column: Column) -> Guess | None:
    """Of other folders, those that a tool has written beside the classes are none of these."""
    written = [text for text in column.counts if OF_TOOLS.fullmatch(text)]
    if not written or not is_folder_field(column.field):
        return None
    others = [value for value in column.values if value not in written]
    rest = replace(column, values=others, unknown=(*column.unknown, *written))
    return next(guess for rule in RULES if (guess := rule(rest)) is not None)


def folders(column: Column) -> Guess | None:
    """Folders that only number the pictures, or hold those of one person each."""
    if not is_folder_field(column.field):
        return None
    heads = {re.sub(r"[\W\d_]+$", "", text).casefold() for text in column.counts}
    used = {word for head in heads for word in re.findall(r"[^\W\d_]+", head)}
    if len(heads) > 1 and ((used and PLACES.issuperset(used)) or column.share(CAMERA_FOLDER) == 1):
        return nothing(column, f"says nothing of the pictures in it: {quoted(', '.join(column.counts), 60)}")
    if len(heads) > 1:
        return None
    (head,) = heads
    numbered = all(re.search(r"\d\W*$", text) or text.casefold() == head for text in column.counts)
    words = re.findall(r"[^\W\d_]+", head)
    dated = column.share(DATED) == 1
    if dated or (numbered and words and (GENERIC.issuperset(words) or words[-1] in PORTIONS)):
        what = "says when" if dated else "only numbers the folders"
        return nothing(column, f"{what}, {column.distinct:,} of them, such as {quoted(column.texts[0], 30)}")
    if numbered and GROUP_FIELDS & set(words) and column.distinct >= 3 and column.often >= 2:
        reason = f"{column.distinct:,} folders in {column.coverage}, {_each(column)}"
        return Guess(column.field, "", {"group": column.field}, reason)
    return None


def paths(column: Column) -> Guess | None:
    endings = "|".join(ending[1:] for ending in sorted(PICTURE_ENDINGS))
    if column.share(rf"(?i).*\.({endings})|\w+://.*|[^/\\]*[/\\][^/\\]*[/\\].*") > 0.8:
        return nothing(column, "looks like paths or addresses")
    return None


def identifiers(column: Column) -> Guess | None:
    if CLASS_FIELDS & set(column.words):
        return None
    last = next((word for word in reversed(column.words) if not word.isdigit() and word not in COUNTING), "")
    with_digits = column.share(r".*\d.*")
    coded = column.share(r"(?i)[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{16,64}|[a-z_-]+\d{3,}") > 0.9
    is_id = last in ID_FIELDS or (coded and column.distinct > FEW_CLASSES and column.often < 100)
    is_thing = last in GROUP_FIELDS and (with_digits > 0.8 or column.distinct > FEW_CLASSES)
    if not (is_id or is_thing) or column.share(r"[-+]?\d*\.\d+") > 0.5:
        return None
    largest = column.counts.most_common(1)[0][1]
    if column.distinct < FEW_GROUPS and largest > MOST_IN_ONE * len(column):
        what = f"says to whom a picture belongs, but {largest / len(column):.0%} belong to one: no group"
        return nothing(column, what)
    shared = sum(n for n in column.counts.values() if n > 1)
    if 2 * shared >= len(column) and column.distinct >= 3:
        reason = f"{column.distinct:,} values in {column.coverage}, {_each(column)}"
        return Guess(column.field, "", {"group": column.field}, reason)
    return nothing(column, "looks like an identifier")


def separated(column: Column) -> Guess | None:
    for separator in "|;,":
        holders = sum(n for text, n in column.counts.items() if separator in text)
        if holders < max(2, 0.05 * len(column)) or (separator == "," and _are_numbers(column)):
            continue
        counts_of_words: Counter[str] = Counter()
        for text, n in column.counts.items():
            for word in text.split(separator):
                counts_of_words[word.strip()] += n
        del counts_of_words[""]
        repeated = len(counts_of_words) > 1 and counts_of_words.total() >= 3 * len(counts_of_words)
        are_words = separator != "," or (
            len(counts_of_words) <= column.distinct and not all(map(_is_digits, counts_of_words))
        )
        if (
            repeated
            and are_words
            and len(counts_of_words) <= MOST_CLASSES
            and _mean_length(counts_of_words) <= LONGEST_CLASS / 2
        ):
            none = [word for word in counts_of_words if _means_nothing(word)]
            tags = len(counts_of_words) - len(none)
            reason = f'{tags:,} distinct words between "{separator}" in {column.coverage}'
            return _task(column, "tags", reason, separator=separator, none=none)
    return None


def numbers(column: Column) -> Guess | None:
    if not _are_numbers(column) or column.distinct < 3 or any(map(cell.is_code, column.counts)):
        return None
    values = np.array(column.numbers)
    unit, whole = _unit(column.field), bool((values == np.round(values)).all())
    low, high = float(values.min()), float(values.max())
    if whole and not unit and not column.notation.example:
        in_turn = column.distinct == len(column.numbers) == len(column) == high - low + 1
        if in_turn and not MEASURED & set(column.words):
            return nothing(column, "counts the rows")
        if CLASS_FIELDS & set(column.words) or (_is_scale(column, low, high) and not _is_count(column)):
            reason = f"{len(set(column.numbers)):,} distinct whole numbers in {column.coverage}"
            codes = _task(column, "label", reason, ordinal=bool(ORDER_FIELDS & set(column.words)))
            return _without_odd(codes, column)
    log = bool(low > 0 and _is_skewed(values))
    never_below_0 = low >= 0 and _is_amount(column, whole)
    reason = f"numbers from {low:g} to {high:g} in {column.coverage}"
    task = _without_odd(_task(column, "number", reason, unit=unit, log=log), column)
    if never_below_0 and not log:
        task = replace(task, settings=task.settings | {"low": 0})
    if column.unclear:
        unclear = f"{quoted(column.unclear, 30)} may be two numbers"
        return replace(task, reason=f'{task.reason}; {unclear}: say decimal = "," or "." in [[sources]]')
    if column.notation.example:
        example = quoted(column.notation.example, 30)
        value = column.notation.number(column.notation.example)
        point = quoted(column.notation.point, 30)
        mixed = f"; {example} has another decimal mark than {point}: write all with the same"
        read = mixed if value is None else f"; {example} is read as {value:.15g}"
        task = replace(task, reason=task.reason + read)
    return replace(task, decimal=_decimal(column))


def _without_odd(task: Guess, column: Column) -> Guess:
    """The same where a few cells are no numbers: those say so, and nobody knows their answers."""
    odd = len(column) - len(column.numbers)
    if not odd:
        return task
    words = list(dict.fromkeys(column.no_numbers))
    are_few = len(words) <= MOST_ODD
    hint = "unknown until corrected" if are_few else "correct them"
    settings = task.settings | ({"unknown": [*column.unknown, *words]} if are_few else {})
    reason = f"{task.reason}, but not in {odd:,}, such as {quoted(words[0], 30)}: {hint}"
    return replace(task, reason=reason, settings=settings)


def _is_amount(column: Column, whole: bool) -> bool:
    """Whether there can be nothing below 0 of what it says, by its name or for it counts."""
    words = set(column.words)
    return not words & BOTH_SIDES and (whole or bool(words & (AMOUNTS | MONEY)))


def _are_numbers(column: Column) -> bool:
    """Whether all but a few cells are numbers: of an amount, which words can hardly be, all but some."""
    most = ODD_AMOUNTS if AMOUNTS & set(column.words) else ODD
    return len(column) - len(column.numbers) <= most * len(column)


def _decimal(column: Column) -> str:
    return "," if column.notation.decimal == "," else "." if column.notation.point else ""


def classes(column: Column) -> Guess | None:
    many = column.distinct > MOST_CLASSES or _mean_length(column.counts) > LONGEST_CLASS
    rare = column.often < (1.5 if column.distinct <= FEW_CLASSES else 3)
    if many or rare:
        return None
    reason = f"{column.distinct:,} distinct words in {column.coverage}"
    if gap := next((text for text in column.counts if text.casefold() in NONE), ""):
        reason += f"; {quoted(gap)} is one of them: list it in `unknown` if it means that nobody knows"
    word, most = column.counts.most_common(1)[0]
    if most >= NEARLY_CONSTANT * len(column):
        share = f"{most / len(column):.0%} of them are {quoted(word, 30)}"
        reason += f"; {share}, so a network that always says so looks good"
    joined = differing_in_case(column.counts)
    if joined:
        reason += "; those that differ only in capital letters are read as one, see join"
    return _task(column, "label", reason, join=joined)


def free_text(column: Column) -> Guess:
    return nothing(column, f"{column.distinct:,} different texts in {column.coverage}: too many for classes")


RULES: tuple[Callable[[Column], Guess | None], ...] = (
    has_no_name,
    has_a_name_of_pandas,
    is_split,
    is_constant,
    folders_of_tools,
    folders,
    lists,
    paths,
    identifiers,
    separated,
    numbers,
    classes,
    free_text,
)


def _each(column: Column) -> str:
    """How many rows a value has."""
    often = f"{column.often:,.0f}" if column.often >= 100 else f"{column.often:.3g}"
    return f"{often} pictures each"


def _means_nothing(word: str) -> bool:
    """Whether a word among tags says that there is none."""
    return word.lower() in NONE or bool(re.fullmatch(NO_FINDING, word.lower()))


def _unit(name: str) -> str:
    """``volume_cm3`` and ``volume (cm3)`` are in cm3."""
    match = re.search(r"(?:_|\(|\[)([A-Za-z]+[23]?)[\])]?$", name)
    unit = match[1] if match else ""
    if unit.lower() not in UNITS:
        return ""
    return unit.upper() if unit.lower() in MONEY else unit


def _is_scale(column: Column, low: float, high: float) -> bool:
    """Whether whole numbers look like codes or grades: few, without large gaps, from 0 or 1. An amount with
    words among its numbers, such as ``5+``, is none.
    """
    if AMOUNTS & set(column.words) and len(column.numbers) < len(column):
        return False
    few = column.distinct <= FEW_CLASSES and column.often >= 3
    return few and low in (0, 1) and high - low + 1 <= 1.5 * column.distinct


def _is_count(column: Column) -> bool:
    """Whether the name asks how many: ``bedrooms``, ``num_doors``."""
    if ORDER_FIELDS & set(column.words) or not column.words:
        return False
    last = column.words[-1]
    several = len(last) > 3 and last.endswith("s") and not last.endswith(("ss", "us", "is"))
    return several or bool(COUNTS & set(column.words))


def _is_skewed(values: np.ndarray) -> bool:
    """Whether the logarithm of positive ``values`` is the better scale."""
    low, high = np.quantile(values, [0.01, 0.99])
    raw, logged = _skewness(values), _skewness(np.log(values))
    return bool(low < high / 100 or (raw > 2 and abs(logged) < raw / 2))


def _skewness(values: np.ndarray) -> float:
    scaled = values / max(float(np.abs(values).max()), 1e-300)  # so that no power is too large
    spread = float(scaled.std())
    return float((((scaled - scaled.mean()) / spread) ** 3).mean()) if spread > 0 else 0.0


def _mean_length(counts: Counter[str]) -> float:
    return sum(map(len, counts)) / max(1, len(counts))


def _is_digits(word: str) -> bool:
    return bool(re.fullmatch(r"[-+]?\d+", word))
