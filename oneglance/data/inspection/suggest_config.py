"""``oneglance init``: a first oneglance.toml, guessed from the answers in the data.

A guess is a start: its reason is written beside it in the file, for a person to correct.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from oneglance.data.images.header import header
from oneglance.data.inspection.column_profile import Column, columns
from oneglance.data.inspection.column_rules import RULES, Guess, are_of_tools, is_folder_field, nothing
from oneglance.data.inspection.fields.field_words import DATED, DAY
from oneglance.data.inspection.fields.point_columns import without_points
from oneglance.data.inspection.fields.yes_no_columns import yes_no_together
from oneglance.data.parsing.annotations.box_spellings import EDGES
from oneglance.data.quoting import plain, quoted
from oneglance.data.recipe import FROM_NOTHING, Key, Seen, with_given
from oneglance.data.recipe import recipe as find_recipe
from oneglance.data.record import BoxAnnotations, Record
from oneglance.errors import DataError, command
from oneglance.toml.writer import key as toml_key
from oneglance.toml.writer import lines as toml_lines

OF_A_BOX = re.compile(r"(?:roi|bbox|box|bb|bndbox|rect)[._ ]?")  # before the name of an edge
SIZE_FIELDS = frozenset({"width", "height"})  # of the picture, where four edges stand beside them
OF_THE_DRAWING = frozenset(
    {"truncated", "difficult", "occluded", "pose", "keyframe", "outside", "iscrowd", "crowd", "ignore"}
    | {"isoccluded", "istruncated", "isgroupof", "isdepiction", "isinside", "confidence", "score", "source"}
    | {"z_order", "rotation", "track_id", "area", "segmented"}
)  # attributes of boxes, in small letters, that annotation tools and known sets add of themselves
CONTAINER = 0.95  # share of the pictures in one folder that is a place and no class
ENOUGH_GROUPS = 10  # fewer can hardly be spread over three splits
WITHOUT_CLASS = (
    "without a class, so all have one name; a column of classes is named by the source's key label"
)
MOST_NAMED = 8  # classes of boxes, and fields of one reason, that a comment names
OTHER_PICTURES = 0.2  # share of the rows whose boxes lie outside their pictures, from which these are others
SAMPLE = 16  # pictures whose size is read, spread evenly


@dataclass(frozen=True)
class Proposal:
    """One table of [[sources]], with what stands in it."""

    source: Mapping[str, Any]  # its keys
    records: Sequence[Record]  # they say whether the data are split already, and how large a canvas is needed
    guesses: Sequence[Guess]  # one per field
    notes: Sequence[str] = ()  # on how it was read
    misfits: int = 0  # rows with a box that lies outside of its picture

    @property
    def is_useful(self) -> bool:
        """Whether anything in it may be asked."""
        return any(one.type for one in self.guesses)

    @property
    def fits_its_pictures(self) -> bool:
        """Whether not so many boxes lie outside that they were drawn in other pictures of the same names."""
        return self.misfits < max(2, OTHER_PICTURES * len(self.records))

    def with_group(self, field: str) -> Proposal:
        """The same with another group."""
        chosen = Guess(field, "", {"group": field}, "as was said")
        guesses = [
            chosen if one.field == field else replace(one, settings={}) if "group" in one.settings else one
            for one in self.guesses
        ]
        return replace(self, guesses=guesses)


def guess(records: Sequence[Record]) -> list[Guess]:
    """One guess per field of ``records``, in the order of the fields; at most one is the group.

    Args:
        records: as a source reads them, with answers by field.
    """
    profiles = columns(records)
    edges = _edges([column.field for column in profiles])
    dated = any(is_folder_field(c.field) and len(c) and c.share(DATED) == 1 for c in profiles)
    of_tools = any(map(are_of_tools, profiles))
    guesses = []
    for column in profiles:
        original = next((c.field for c in profiles if _is_copy(column, c, records)), None)
        if original is not None:
            guesses.append(nothing(column, f"says the same as {quoted(original)} in {column.coverage}"))
        elif _is_container(column, records):
            top = quoted(column.counts.most_common(1)[0][0], 30)
            guesses.append(nothing(column, f"says {top} of nearly all, whose folders say more"))
        elif of_tools and is_folder_field(column.field) and column.distinct > 1:
            guesses.append(nothing(column, "says where a tool has put pictures and annotations"))
        elif dated and is_folder_field(column.field) and column.share(DAY) == 1:
            guesses.append(nothing(column, "says when, below a folder that is a year or a day"))
        elif column.field in edges:
            guesses.append(nothing(column, 'is an edge of a box: read with format = "boxes_table"'))
        elif edges and column.field.lower() in SIZE_FIELDS:
            guesses.append(nothing(column, "is the size of the picture"))
        elif any(isinstance(value, BoxAnnotations) for value in column.values):
            guesses.append(_boxes(column, records))
        else:
            guesses.append(next(task for rule in RULES if (task := rule(column)) is not None))
    by_field = {column.field: column for column in profiles}
    return _one_group(without_points(yes_no_together(guesses, by_field, records)), by_field)


def _edges(fields: Sequence[str]) -> set[str]:
    """The fields of the four edges of a box, if all four are there: ``xmin``, ``Roi.X1``."""
    bare = {OF_A_BOX.sub("", field.lower(), count=1): field for field in fields}
    four = next((names for names in EDGES if all(name in bare for name in names)), ())
    return {bare[name] for name in four}


def _boxes(column: Column, records: Sequence[Record]) -> Guess:
    """The guess for a field of boxes, with the attributes of the boxes; a line of the reason for each."""
    boxes = [
        (record, box)
        for record in records
        if isinstance(annotations := record.answers.get(column.field), BoxAnnotations)
        for box in annotations.boxes
        if not box.ignore
    ]
    counts = Counter(box.label for _, box in boxes if box.label)
    if not boxes:
        return nothing(column, "holds no box")
    lines = [f"{len(boxes):,} boxes in {column.coverage}: {_words(counts) or WITHOUT_CLASS}"]
    keys: dict[str, Any] = {} if counts else {"single": "object"}
    guesses = [
        replace(one, type="", settings={}, reason="is about the drawing of the box, not about the thing")
        if one.type and one.field.lower() in OF_THE_DRAWING
        else one
        for one in guess([Record(record.location, record.image, box.attributes) for record, box in boxes])
    ]
    attributes = {}
    for name, attribute in _named([one for one in guesses if one.type]):
        attributes[name] = _task_keys(name, attribute)
        lines.append(f"{name} of a box: {_of_boxes(attribute.reason)}")
    lines += (f"not asked of a box: {g.field}: {_of_boxes(g.reason)}" for g in guesses if not g.type)
    keys |= {"attributes": attributes} if attributes else {}
    return Guess(column.field, "boxes", keys, "\n".join(lines))


def _words(counts: Counter[str]) -> str:
    """``cat (12), dog (7)`` and how many classes more."""
    named = [f"{plain(label, 30)} ({count:,})" for label, count in counts.most_common(MOST_NAMED)]
    more = f" and {len(counts) - MOST_NAMED:,} more classes" if len(counts) > MOST_NAMED else ""
    return ", ".join(named) + more


def _of_boxes(reason: str) -> str:
    """A reason about rows, reworded for rows that are boxes."""
    return re.sub(r"\b((?:all|of) [\d,]+) rows", r"\1 boxes", reason, count=1)


def _is_copy(column: Column, other: Column, records: Sequence[Record]) -> bool:
    """Whether ``column`` repeats ``other``, which has a shorter name."""
    if len(other.field) >= len(column.field):
        return False
    if other.field == "folder" and re.fullmatch(r"folder\d+", column.field):
        rows = [r for r in records if column.field in r.answers]  # the deepest, where folders go so far
    elif column.values == other.values:
        rows = list(records)
    else:
        return False
    return all(r.answers.get(column.field) == r.answers.get(other.field) for r in rows)


def _is_container(column: Column, records: Sequence[Record]) -> bool:
    """Whether one folder of a level holds nearly all pictures, in several folders below it."""
    level = re.fullmatch(r"folder(\d+)", column.field)
    if not level or column.distinct < 2:
        return False
    top, count = column.counts.most_common(1)[0]
    below = f"folder{int(level[1]) + 1}"
    inside = [r.answers for r in records if r.answers.get(column.field) == top]
    is_deeper = all(below in answers for answers in inside)
    return count >= CONTAINER * len(column) and is_deeper and len({one["folder"] for one in inside}) > 1


def _one_group(guesses: Sequence[Guess], profiles: Mapping[str, Column]) -> list[Guess]:
    """Groups often lie in one another, as visits of patients: the widest serves, if there are enough."""
    candidates = sorted((profiles[g.field].distinct, g.field) for g in guesses if "group" in g.settings)
    chosen = next(
        (name for count, name in candidates if count >= ENOUGH_GROUPS),
        candidates[-1][1] if candidates else "",
    )
    return [
        Guess(g.field, "", {}, f"{g.reason}; {quoted(chosen)} is taken for the group")
        if "group" in g.settings and g.field != chosen
        else g
        for g in guesses
    ]


def toml(
    proposals: Sequence[Proposal],
    *,
    recipe: str = "auto",
    backbone: Mapping[str, Any] | None = None,
    minutes: float | None = None,
    file: str = "oneglance.toml",
) -> str:
    """The text of oneglance.toml, which ``oneglance.config.load`` reads.

    Args:
        proposals: the sources; a task of one is answered by all that have its field.
        recipe: the name of a file of ``oneglance/data/recipes/``.
        backbone: keys of [backbone] that were given.
        minutes: that the training is to take, in place of the epochs of the recipe.
        file: what the text is written to, as commands name it.

    Raises:
        ConfigError: an unknown recipe.
        DataError: there is no task, or a name cannot be written.
    """
    chosen = find_recipe(recipe)
    records = [record for proposal in proposals for record in proposal.records]
    tasks, others = _tasks(proposals)
    if not tasks:
        hint = "name a table of answers, or sort the pictures into a folder per class"
        path = str(proposals[0].source.get("path", ""))
        raise DataError("nothing there looks like an answer", location=path, hint=hint)
    then = f"Written by oneglance init. Correct what it guessed wrong, then run: {command('check', file)}"
    lines = [_comment(then), ""]
    for proposal in proposals:
        lines += [*_source(proposal.guesses, proposal.source), *map(_comment, proposal.notes), ""]
    lines += [*_split(records), ""]
    for name, task in _named(tasks):
        lines += map(_comment, task.reason.split("\n"))
        if unknown := task.settings.get("unknown"):
            words = " and ".join(map(quoted, unknown))
            lines += [_comment(f"{words} means here that nobody knows: correct `unknown` if it is an answer")]
        lines += [f"[tasks.{toml_key(name)}]"]
        lines += [*toml_lines({**_task_keys(name, task), **chosen.task_keys(task.type)}), ""]
    lines += [*map(_comment, others), ""] if others else []
    given = backbone or {}
    side, thing = _sizes(records)
    seen = Seen.here(_answered(records, tasks), side, [task.type for task in tasks], thing)
    if named := given.get("name"):
        seen = replace(seen, pretrained=named not in FROM_NOTHING and given.get("weights") != "none")
    keys = with_given("backbone", given, list(chosen.keys(seen)))
    if minutes is not None:
        length = Key("training", "minutes", minutes, "as many epochs as fit, measured before the first step")
        keys = [length, *(key for key in keys if (key.table, key.name) != ("training", "epochs"))]
        keys.sort(key=lambda key: key.table == "training")
    return "\n".join([*lines, *_recipe_lines(recipe, keys)]) + "\n"


def _recipe_lines(name: str, keys: Sequence[Key]) -> Iterator[str]:
    """The tables that a recipe writes, with the reasons behind their keys."""
    yield _comment(f"What follows is the recipe {name}; another one: oneglance init --recipe")
    tables = list(dict.fromkeys(key.table for key in keys))
    for table in tables:
        yield f"[{table}]"
        for key in keys:
            if key.table == table:
                (line,) = toml_lines({key.name: key.value})
                yield f"{line}  {_comment(key.why)}" if key.why else line
        yield from [""] if table != tables[-1] else []


def _tasks(proposals: Sequence[Proposal]) -> tuple[list[Guess], list[str]]:
    """The tasks of all sources, a field once, and what is said of the fields that are none."""
    tasks: dict[str, Guess] = {}
    others: list[str] = []
    unasked: dict[str, str] = {}
    for proposal in proposals:
        for one in proposal.guesses:
            first = tasks.setdefault(one.field, one) if one.type else one
            if first.type != one.type:
                path = proposal.source.get("path", "")
                others.append(f"in {path}, {one.field} looks like {one.type}: {one.reason}")
            elif not (one.type or one.settings):
                unasked.setdefault(one.field, one.reason)
    lines = by_reason((field, reason) for field, reason in unasked.items() if field not in tasks)
    return list(tasks.values()), [*others, *(f"not asked: {fields}: {reason}" for fields, reason in lines)]


def by_reason(reasons: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Fields, each with a reason -> the first fields of each reason, and how many more, with it."""
    fields_of: dict[str, list[str]] = {}
    for field, reason in reasons:
        fields_of.setdefault(reason, []).append(field)
    return [(_first(fields), reason) for reason, fields in fields_of.items()]


def _first(fields: Sequence[str]) -> str:
    more = f" and {len(fields) - MOST_NAMED:,} more" if len(fields) > MOST_NAMED else ""
    return ", ".join(fields[:MOST_NAMED]) + more


def _source(guesses: Sequence[Guess], source: Mapping[str, Any]) -> Iterator[str]:
    yield "[[sources]]"
    yield from toml_lines(source)
    for task in guesses:
        if "group" in task.settings:
            yield _comment(f"pictures with the same {task.field} go to the same split: {task.reason}")
            yield from toml_lines(task.settings)
    commas = [task.field for task in guesses if task.decimal == ","]
    if commas:
        yield _comment("numbers are written with a decimal comma")
        mixed = any(task.decimal == "." for task in guesses)
        yield from toml_lines({"decimal": dict.fromkeys(commas, ",") if mixed else ","})


def _split(records: Sequence[Record]) -> Iterator[str]:
    if {record.split for record in records} not in ({""}, {"train"}):
        yield "# The data name the split of some or all pictures; this is for the others."
    yield "[split]"
    yield "test = 0.2  # share kept for evaluate"
    yield "validation = 0.1  # share that stops, chooses and calibrates"


def _named(tasks: Sequence[Guess]) -> Iterator[tuple[str, Guess]]:
    """Each task with a name that is short to write: the field's, of letters, digits and _ only."""
    taken: set[str] = set()
    for task in tasks:
        name = plain = re.sub(r"\W+", "_", task.field).strip("_") or "task"
        while name in taken:
            name = f"{plain}_{len(taken) + 1}"
        taken.add(name)
        yield name, task


def _task_keys(name: str, task: Guess) -> dict[str, Any]:
    """The keys of the task of that name."""
    return {"type": task.type, **({"from": task.field} if name != task.field else {}), **task.settings}


def _comment(text: str) -> str:
    return f"# {plain(text, 300)}"


def _answered(records: Sequence[Record], tasks: Sequence[Guess]) -> int:
    """How many pictures answer any of the tasks; one that several sources know counts once."""
    fields = {task.field for task in tasks}
    return len({record.image for record in records if not fields.isdisjoint(record.answers)})


def _sizes(records: Sequence[Record]) -> tuple[int | None, float | None]:
    """Pixels of the longer side of most pictures, and the share of it that most things in boxes take, by the
    root of their area: medians of a sample, of which nothing is decoded; None where there are none.
    """
    sides, shares = list[int](), list[float]()
    for record in records[:: max(1, len(records) // SAMPLE)]:
        if (size := header(record.image)) is None:
            continue
        sides.append(max(size.width, size.height))
        shares += [
            math.sqrt(abs((box.x1 - box.x0) * (box.y1 - box.y0))) / sides[-1]
            for answer in record.answers.values()
            if isinstance(answer, BoxAnnotations)
            for box in answer.boxes
        ]
    side = round(float(np.median(sides))) if sides else None
    return side, float(np.median(shares)) if shares else None
