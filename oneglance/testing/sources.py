"""What every format of sources promises."""

from __future__ import annotations

import io
import pickle
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from oneglance.data.record import Record
from oneglance.data.source import Source, format_class, formats, open_source
from oneglance.errors import ConfigError, DataError, Problem
from oneglance.testing.promises import keep, require

DAMAGES = 60  # files that are damaged, one after the other
PICTURES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class SourceExample:
    """A format and what writes a sample of it; see ``check_source``."""

    name: str
    write_sample: Callable[[Path], Path]
    keys: Mapping[str, Any] = field(default_factory=dict)

    def open(self, path: Path, **keys: Any) -> Source:
        return open_source({"path": path.name, "format": self.name, **self.keys, **keys}, path.parent)

    @contextmanager
    def sample(self) -> Iterator[Path]:
        """A sample of its own."""
        with TemporaryDirectory() as folder:
            yield self.write_sample(Path(folder).resolve())

    @contextmanager
    def opened(self, **keys: Any) -> Iterator[Source]:
        with self.sample() as path:
            yield self.open(path, **keys)


def records(source: Source) -> list[Record]:
    items = list(source.read())
    for item in items:
        require(not (isinstance(item, Problem) and item.fatal), f"the sample cannot be read: {item}")
    return [item for item in items if isinstance(item, Record)]


def it_recognises_its_sample_and_no_other_does_with_equal_right(example: SourceExample) -> None:
    member = format_class(example.name)
    with example.sample() as path:
        require(member.recognises(path), f"recognises({path.name!r}) is false")
        others = {name: format_class(name) for name in formats()}
        rivals = [
            name
            for name, other in others.items()
            if other is not member and other.recognises(path) and other.rank >= member.rank
        ]
    require(not rivals, f"rank is {member.rank}, no more than that of {', '.join(rivals)}")


def it_does_not_claim_what_it_cannot_know(example: SourceExample) -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / "strange.xyz").write_bytes(b"\0\1\2")
        for name in ("strange.xyz", "nowhere", "nowhere.zip"):
            claimed = format_class(example.name).recognises(Path(folder) / name)
            require(not claimed, f"it recognises {name}, which it cannot know")


def records_are_complete_and_come_again(example: SourceExample) -> None:
    with example.opened() as source:
        first = records(source)
        require(len(first) >= 2, f"the sample has {len(first)} pictures; write two or more")
        require(first == records(source), "read again, the records are others")
        for record in first:
            require(record.location, f"no location: {record}")
            require(record.image.name, f"the picture has no name: {record}")
            require(record.source == source.title, f"the source is not {source.title}: {record}")
            require(record.split in {"", "train", "validation", "test"}, f"split: {record}")
            require(all(type(name) is str for name in record.answers), f"names of fields: {record}")
            empty = [name for name, value in record.answers.items() if value is None or value == ""]
            require(not empty, f"an empty field is not left out: {empty}")
        require(len({record.location for record in first}) == len(first), "two records have one location")


def pictures_load_and_have_stamps(example: SourceExample) -> None:
    with example.opened() as source:
        for record in records(source):
            loaded = record.image.load()
            if isinstance(loaded, bytes):
                Image.open(io.BytesIO(loaded)).load()
            else:
                require(loaded.dtype == np.uint8, f"pixels are {loaded.dtype}")
                require(loaded.ndim == 2 or loaded.shape[2:] == (3,), f"pixels are {loaded.shape}")
        stamps = [record.image.stamp() for record in records(source)]
        require(len(set(stamps)) == len(stamps), "two pictures have one stamp")


def image_references_travel_and_are_keys(example: SourceExample) -> None:
    with example.opened() as source:
        refs = [record.image for record in records(source)]
        again = pickle.loads(pickle.dumps(refs))
        require(again == refs, "references that were pickled are others")
        require(len({*refs, *again}) == len(refs), "references that were pickled have another hash")
        require(not any(hasattr(ref, "__dict__") for ref in refs), "they have no slots, and may be a million")
        for ref, other in zip(refs, again, strict=True):
            np.testing.assert_array_equal(ref.load(), other.load())


def the_title_is_what_messages_say(example: SourceExample) -> None:
    with example.opened(name="shop") as source:
        titles = {record.source for record in records(source)}
        require(titles == {"shop"}, f'with name = "shop" records are of {titles}')


def a_picture_that_went_away_is_an_oserror(example: SourceExample) -> None:
    with example.opened() as source:
        refs = [record.image for record in records(source)]
        for file in {str(ref.stamp()[0]) for ref in refs}:
            Path(file).unlink()
        for ref in refs:
            for ask in (ref.load, ref.stamp):
                try:
                    ask()
                except FileNotFoundError:
                    continue
                require(False, f"{ask.__name__}() of a picture that is gone raises no FileNotFoundError")


def unknown_keys_are_refused(example: SourceExample) -> None:
    with example.sample() as path:
        try:
            example.open(path, imagse="x")
        except ConfigError as error:
            require('has no key "imagse"' in str(error), f"it says: {error}")
        else:
            require(False, "it takes the key imagse")


def a_damaged_file_is_named_and_costs_nothing_more(example: SourceExample) -> None:
    """bytes lost, changed and repeated anywhere: what is read is a record, a Problem or a DataError"""
    with example.sample() as path:
        chance = random.Random(0)
        files = [file for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
        texts = sorted(file for file in files if file.suffix not in PICTURES)
        for _ in range(DAMAGES if texts else 0):
            file = chance.choice(texts)
            whole = file.read_bytes()
            start = chance.randrange(len(whole) + 1)
            end = min(len(whole), start + chance.choice((1, 2, 8, 10_000)))
            middle = chance.choice((b"", b"\xff", b"\0", b"[", b"<", b'"', b"9" * 400, whole[start:end] * 2))
            file.write_bytes(whole[:start] + middle + whole[end:])
            try:
                for item in example.open(path).read():
                    require(isinstance(item, Record | Problem), f"it gives a {type(item).__name__}")
                    str(item)
            except DataError as error:
                require(str(error), "a DataError says nothing")
            file.write_bytes(whole)


EVERY_SOURCE: tuple[Callable[[SourceExample], None], ...] = (
    it_recognises_its_sample_and_no_other_does_with_equal_right,
    it_does_not_claim_what_it_cannot_know,
    records_are_complete_and_come_again,
    pictures_load_and_have_stamps,
    image_references_travel_and_are_keys,
    the_title_is_what_messages_say,
    a_picture_that_went_away_is_an_oserror,
    unknown_keys_are_refused,
    a_damaged_file_is_named_and_costs_nothing_more,
)


def check(example: SourceExample) -> list[str]:
    """Every promise; see ``check_source``."""
    return keep(EVERY_SOURCE, example, f"the source {example.name}")
