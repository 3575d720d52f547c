"""The files of all shards as one, equal to the bytes to that of one process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from oneglance.errors import DataError
from oneglance.inference.prediction_files import ROWS, CocoFile, by_ending
from oneglance.inference.shards.shard import Note, Shard
from oneglance.storage.atomic_files import replacing
from oneglance.storage.plain_files import for_arrow, open_plain

SHOWN = 5  # missing shards that a message names


def merge(whole: Path) -> tuple[int, int]:
    """Write ``whole`` from its shards, which stay.

    Returns:
        (shards, pictures).

    Raises:
        DataError: shards are missing, or answer different questions.
        RunError: the file cannot be written.
    """
    parts = _parts(whole)
    return len(parts), join(parts, whole)


def join(parts: Sequence[Path], whole: Path) -> int:
    """Write ``whole`` from the files of all shards, in order.

    Returns:
        The pictures in it.

    Raises:
        DataError: they answer different questions, or one is not whole.
        RunError: the file cannot be written.
    """
    writers: dict[str, Callable[[Sequence[Path], IO[bytes]], None]] = {
        ".jsonl": _joined,
        ".csv": _tables,
        ".parquet": _parquet,
        ".json": _coco,
    }
    write = by_ending(whole, writers)
    notes = [(path, Note.read(path)) for path in parts]
    unsure = [path for path, note in notes if note is None]
    if unsure:
        what = "was not written to its end, or not by predict --shard"
        raise DataError(what, location=str(unsure[0]), hint="answer this shard again")
    known = [note for _, note in notes if note is not None]
    asked = {(note.question, note.pictures) for note in known}
    if len(asked) > 1 or sum(note.rows for note in known) != known[0].pictures:
        what = "the shards answer different networks, pictures or settings"
        raise DataError(what, location=str(whole), hint="answer all of them again with the same words")
    with replacing(whole) as file:
        write(parts, file)
    return known[0].pictures


def _parts(whole: Path) -> list[Path]:
    try:
        existing = Shard.existing(whole)
    except OSError:
        existing = {}
    if not existing:
        hint = f"write them with: oneglance predict RUN PICTURES --out {whole.name} --shard 1/16"
        raise DataError("has no shards beside it", location=str(whole), hint=hint)
    if len(existing) > 1:
        counts = " and of ".join(str(count) for count in sorted(existing))
        raise DataError(f"has shards of {counts}", location=str(whole), hint="remove those of one kind")
    ((count, numbers),) = existing.items()
    if missing := sorted(set(range(1, count + 1)) - numbers):
        named = ", ".join(f"{number}/{count}" for number in missing[:SHOWN])
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise DataError(f"misses the shards {named}{more}", location=str(whole), hint="answer them too")
    return [Shard(number, count).path(whole) for number in range(1, count + 1)]


def _joined(parts: Sequence[Path], file: IO[bytes]) -> None:
    for path in parts:
        with open_plain(path) as part:
            shutil.copyfileobj(part, file)


def _tables(parts: Sequence[Path], file: IO[bytes]) -> None:
    """Each has the same first line."""
    for number, path in enumerate(parts):
        with open_plain(path) as part:
            first = part.readline()
            if not number:
                file.write(first)
            shutil.copyfileobj(part, file)


def _parquet(parts: Sequence[Path], file: IO[bytes]) -> None:
    """In row groups as one process writes them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pq.read_schema(for_arrow(parts[0]))
    with pq.ParquetWriter(file, schema) as writer:
        waiting: list[Any] = []
        rows = 0
        for path in parts:
            for batch in pq.ParquetFile(for_arrow(path)).iter_batches(ROWS):
                waiting.append(batch)
                rows += len(batch)
                if rows >= ROWS:
                    table = pa.Table.from_batches(waiting, schema).combine_chunks()
                    writer.write_table(table.slice(0, ROWS).combine_chunks())
                    rest = table.slice(ROWS)
                    waiting, rows = rest.to_batches(), len(rest)
        if rows:
            writer.write_table(pa.Table.from_batches(waiting, schema).combine_chunks())


def _coco(parts: Sequence[Path], file: IO[bytes]) -> None:
    """Pictures and annotations are numbered on; the categories are those of every shard."""
    with TemporaryFile() as aside:
        joined, boxed, categories = CocoFile(file, aside), False, list[Any]()
        for path in parts:
            before = joined.images
            for kind, content in _items(path):
                if kind == "categories":
                    categories = content
                elif kind == "images":
                    joined.add_image(content)
                elif content is None:
                    boxed = True
                else:
                    joined.add_annotation(content | {"image_id": before + content["image_id"]})
        joined.end(categories, with_annotations=boxed)


def _items(path: Path) -> Iterator[tuple[str, Any]]:
    """The pictures, annotations and categories of a file that ``predict`` wrote, where each has its line.
    Where annotations begin, also if there are none, comes None.
    """
    kind = "images"
    with TextIOWrapper(open_plain(path), "utf-8", newline="\n") as file:
        for text in file:
            if text.startswith('"categories": '):
                yield "categories", json.loads(text.removeprefix('"categories": ').rstrip().removesuffix("}"))
            elif text.startswith('"annotations": ['):
                kind = "annotations"
                yield kind, None
            elif text.startswith("{") and not text.startswith('{"images": ['):
                yield kind, json.loads(text.rstrip().rstrip(",").removesuffix("]"))
