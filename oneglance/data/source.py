"""The contract of a source: files on disk that become Records. One file of ``sources/`` is one format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from oneglance.data.cell import as_text
from oneglance.data.columns.coded import Coded
from oneglance.data.columns.packed_images import AlikeImages
from oneglance.data.columns.packed_text import Piece
from oneglance.data.columns.record_columns import RecordBlock
from oneglance.data.parsing.name_pattern import NameReader, name_pattern
from oneglance.data.quoting import nearest_of, quoted
from oneglance.data.record import SPLIT_NAMES, ImageRef, Record
from oneglance.errors import ConfigError, Problem
from oneglance.members import MemberKind, find_member, member_names
from oneglance.storage.plain_files import exists, is_folder, located, why_absent
from oneglance.storage.remote.addresses import CREDENTIALS, WEB, address_of, refusal, scheme_of
from oneglance.toml.tables import Table, read_table

Entry = tuple[str, ImageRef, Mapping[str, Any]]  # (location, image, raw values by field)


@dataclass(frozen=True, slots=True)
class EntryBlock:
    """Many entries at once, whose raw values are text."""

    locations: Piece
    images: AlikeImages | list[ImageRef]
    fields: Mapping[str, Coded]  # of each field the text in every row; missing where it is empty


NAME_A_FILE = "name a table, a zip or a tar there; names in a table start at `images`"
STRANGE_WORDS = 20  # unknown words of a split column that are reported one by one


class Source(Table, ABC):
    """One [[sources]] table. The fields are its keys; a member adds those that only its format needs."""

    # One of the formats below, or one of another package: an entry point, or `"package.module:Class"`;
    # default: found by looking
    format: str = ""
    path: Path  # a folder or a file
    # Where relative picture names start: a folder, a zip or a tar; default: beside the file, or `images`
    # there
    images: Path | None = None
    # A name that is no file's is taken for the one file whose path ends so: names from another machine or
    # folder, in another case, without an ending. `"exact"`: it is not
    names: Literal["", "exact"] = ""
    # Answers in the names of the files: `"{age}_{gender}_{_}"` reads the fields age and gender from
    # `26_0_1_2017.jpg`. `{_}` is any text, `{#}` a number that says nothing; what stands between is as it is
    # written. With `/`, the last folders belong to the name: `"{kind}/{_}"`
    name_pattern: str = ""
    # The field whose equal values go to the same split: all views of one item, all pictures of one patient
    group: str = ""
    # The field that says train, validation or test, where there is one; it wins over `[split]`. `""`: that
    # field, or folders named train, val and test, mean something else
    split: str = "split"
    # The tasks that this source's people looked for: `["kind", "style"]`. All others are unknown here, not
    # "no". A table also names the classes looked for: `{ style = ["striped", "plain"] }`; default: all
    annotates: list[str] | dict[str, list[str]] | None = None
    # Task and field, for a source that calls it something else: `{ kind = "category" }`
    columns: dict[str, str | list[str]] = Field(default_factory=dict)
    # The decimal mark of numbers that are text: `","` or `"."`, or a table by field, `{ price = "," }`; the
    # other mark then stands between thousands. Default: what all cells of a column say together
    decimal: Literal["", ".", ","] | dict[str, Literal[".", ","]] = ""
    # Its answers stand in the place of those that other sources give for the same picture and task: for
    # corrections, such as those of `oneglance suspects`
    wins: bool = False
    name: str = ""  # how messages call this source; default: the name of its path

    rank: ClassVar[int] = 0  # of several formats that recognise a path, the highest wins

    @field_validator("name_pattern")
    @classmethod
    def _is_pattern(cls, text: str) -> str:
        return name_pattern(text).text if text else ""

    @classmethod
    @abstractmethod
    def recognises(cls, path: Path) -> bool:
        """Whether ``path`` looks like this format. Cheap: names and first bytes only."""

    @classmethod
    def proposes(cls, path: Path) -> Mapping[str, Any]:
        """Keys of [[sources]] with which ``init`` says how it reads ``path``, where its looks decide."""
        return {}

    def proposes_after(self, records: Sequence[Record]) -> tuple[Mapping[str, Any], Sequence[str]]:
        """Further keys of [[sources]] with which ``init`` reads it, now that its ``records`` are known, and
        what there is to say of them.
        """
        return {}, ()

    @property
    def field_names(self) -> Mapping[str, str | list[str]]:
        """The field of each task that this source calls otherwise."""
        return self.columns

    @abstractmethod
    def entries(self) -> Iterator[Entry | Problem]:
        """Every picture with the location that names it and its raw values by field; a Problem for each entry
        that cannot be used.

        Raw values are as the source has them: text of a table's cell, a list or number where the format
        has such; an empty cell is left out.
        """

    @property
    def exact(self) -> bool:
        """Whether names of pictures are taken as they are written."""
        return self.names == "exact"

    @property
    def title(self) -> str:
        return self.name or self.path.name

    def read(self) -> Iterator[Record | Problem]:
        """The entries as Records, with group and split taken from the raw values, where they also stay.

        A split word or a group field that means nothing is fatal, since a picture might train that was
        meant for testing; each is reported once, at the end. So is a source without any picture.
        """
        for item in self._as_records(self.entries()):
            assert not isinstance(item, RecordBlock)
            yield item

    def read_blocks(self) -> Iterator[RecordBlock | Record | Problem]:
        """The same, with many records at once where the format can."""
        yield from self.read()

    def _as_records(
        self, entries: Iterator[EntryBlock | Entry | Problem]
    ) -> Iterator[RecordBlock | Record | Problem]:
        title, group, split, split_words = self.title, self.group, self.split, _SplitWords(self.split)
        names = NameReader(name_pattern(self.name_pattern)) if self.name_pattern else None
        fields: Mapping[str, Any] | None = None  # of the last picture
        ungrouped = bool(group)
        for item in entries:
            if isinstance(item, Problem):
                yield item
                continue
            if isinstance(item, EntryBlock):
                block = self._record_block(item, split_words)
                ungrouped = ungrouped and not block.groups.known.any()
                fields = {name: cells[-1] for name, cells in item.fields.items() if cells[-1] is not None}
                yield block
                continue
            location, image, fields = item
            others: Mapping[str, str] = {}
            if names is not None:
                fields, others = names.read(image.name, fields)
            group_value = fields.get(group) if group else None
            if group_value is not None:
                ungrouped = False
            word = fields.get(split)
            split_name = "" if word is None else split_words.split(word, location)
            yield Record(
                location,
                image,
                fields,
                "" if group_value is None else as_text(group_value),
                split_name,
                title,
            )
            if others:  # the name is a second mention of the picture: both have to agree
                yield Record(f"{image.name} (its name)", image, others, source=f"{title} (names)")
        yield from split_words.problems()
        yield from names.problems() if names else ()
        if fields is None:
            yield Problem(
                title, "holds no pictures", "put some into it, or give another path", kind="empty source"
            )
        elif ungrouped:
            what = f"group is {quoted(group)}, but no picture has this field.{nearest_of(group, fields)}"
            yield Problem(title, what, kind="group")

    def _record_block(self, block: EntryBlock, split_words: _SplitWords) -> RecordBlock:
        def column(name: str) -> Coded:
            """Of text, missing where it is empty."""
            return (block.fields.get(name) if name else None) or Coded.missing(len(block.images))

        groups, words = column(self.group), column(self.split).mapped(str)
        groups = Coded(groups.codes, list(map(as_text, groups.values)))
        _, first = np.unique(words.codes, return_index=True)
        firsts = first.tolist()[len(first) - len(words.values) :]
        splits = {
            word: split_words.split(word, block.locations.text(row), count) or None
            for word, row, count in zip(words.values, firsts, words.counts().tolist(), strict=True)
        }
        return RecordBlock(
            block.locations, block.images, block.fields, groups, words.mapped(splits.get), self.title
        )


class _SplitWords:
    """What the words of a split column mean; the strange ones are counted."""

    def __init__(self, field: str) -> None:
        self._field = field
        self._strange: dict[str, tuple[int, str]] = {}  # word -> how often, where first

    def split(self, word: Any, location: str, times: int = 1) -> str:
        """``train``, ``validation`` or ``test``; "" for a strange word, which comes so many times."""
        plain = word if type(word) is str and word in SPLIT_NAMES else str(word).strip().lower()
        split = SPLIT_NAMES.get(plain, "")
        if not split:
            if plain not in self._strange and len(self._strange) >= STRANGE_WORDS:
                plain = "…"
            count, first = self._strange.get(plain, (0, location))
            self._strange[plain] = (count + times, first)
        return split

    def problems(self) -> Iterator[Problem]:
        for word, (count, first) in self._strange.items():
            what = f"{self._field} is {quoted(word)} ({count:,} times, here first)"
            hint = 'write train, validation or test, or set split = "" if the field means something else'
            yield Problem(first, what, hint, kind="split word")


KIND: MemberKind[Source] = MemberKind(
    Source,  # type: ignore[type-abstract]
    folder="oneglance.data.sources",
    key="format",
    group="oneglance.sources",
)


def formats() -> list[str]:
    """The names of all formats, in alphabetical order."""
    return member_names(KIND)


def format_class(name: str, *, location: str = "") -> type[Source]:
    """``boxes_table`` -> ``sources/boxes_table.py`` -> ``class BoxesTable``; see ``members``.

    Raises:
        ConfigError: no such format.
    """
    return find_member(KIND, name, section="[[sources]]", location=location)


def recognising_formats(path: Path) -> list[str]:
    """The formats that ``path`` looks like, the likeliest first. An extension that cannot be used is not
    asked: it concerns those who name it.
    """
    recognising: list[tuple[int, str]] = []
    for name in formats():
        try:
            member = format_class(name)
        except ConfigError:
            continue
        if member.recognises(path):
            recognising.append((-member.rank, name))
    return [name for _, name in sorted(recognising)]


def proposed_keys(path: Path) -> Mapping[str, Any]:
    """What the likeliest format that recognises ``path`` proposes to write into [[sources]]."""
    name = next(iter(recognising_formats(path)), "")
    return format_class(name).proposes(path) if name else {}


def _refuse_address(path: str, location: str) -> None:
    """Refuse an address that may not stand in a configuration.

    Raises:
        ConfigError: with the reason.
    """
    address = address_of(path)
    if address is not None and (why := refusal(address)):
        raise ConfigError(f"[[sources]] {path} {why}", location=location, hint=CREDENTIALS)


def unlisted(path: str | Path) -> str:
    """What there is to say of a folder of the web as a source; "" of anything else."""
    address = address_of(path)
    is_web_folder = address is not None and scheme_of(address) in WEB and is_folder(path)
    return "is a folder of the web, in which nothing can be listed" if is_web_folder else ""


def open_source(table: Mapping[str, Any], base: Path, location: str = "oneglance.toml") -> Source:
    """The Source for one [[sources]] table; its paths start at ``base``.

    Raises:
        ConfigError: no such path, an unknown format or key, or nothing recognises the path.
    """
    table = dict(table)
    if not table.get("path"):
        raise ConfigError('[[sources]] needs the key "path"', location=location)
    for key in ("path", "images"):
        if table.get(key):
            _refuse_address(str(table[key]), location)
            table[key] = located(base, str(table[key]))
    path: Path = table["path"]
    if what := unlisted(path):
        raise ConfigError(f"[[sources]] path {path} {what}", location=location, hint=NAME_A_FILE)
    if not exists(path):
        raise ConfigError(f"[[sources]] path {path} {why_absent(path)}", location=location)
    name = str(table.get("format", "")) or next(iter(recognising_formats(path)), "")
    if not name:
        raise ConfigError(
            f"[[sources]] nothing known reads {path}",
            location=location,
            hint=f"name its format: {', '.join(formats())}",
        )
    source: Source = read_table(
        format_class(name, location=location),
        {**table, "format": name},
        location=location,
        section="[sources]",
    )
    return source
