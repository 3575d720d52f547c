"""One of several equal parts of the pictures, and the file that holds its answers.

A shard is a stretch of the pictures in their order. Its ends lie between two batches of the whole, so that
each picture is answered in the same company as in one process: its answers are then the same to the last bit.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from oneglance.data.record import ImageRef
from oneglance.errors import ConfigError, RunError
from oneglance.inference.engine import BATCH
from oneglance.inference.prediction_files import write_answers
from oneglance.storage.atomic_files import write_json
from oneglance.storage.plain_files import add_to_digest, is_file, read_plain, resolved, scan
from oneglance.storage.remote.addresses import is_remote
from oneglance.storage.remote.copies import fetched_folder
from oneglance.storage.remote.local_files import local_file
from oneglance.storage.run_files import ANSWERING
from oneglance.task import Prediction, Task

LARGEST = 4_000_000  # bytes of a note
NAMED = 300  # unreadable pictures in it; with six bytes for a character that is less than LARGEST
LONGEST = 1000  # characters of a name, or of why

Unread = tuple[str, str]  # a picture, and why it cannot be read
ANSWERED_BY = (*ANSWERING, "novelty.safetensors")  # files of a run folder


@dataclass(frozen=True)
class Shard:
    """The ``number``-th of ``count``, from 1."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """``3/16``.

        Raises:
            ConfigError: it is no such pair.
        """
        match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text.strip())
        number, count = map(int, match.groups()) if match else (0, 0)
        if not 1 <= number <= count:
            raise ConfigError(f'--shard "{text}" is none', hint="--shard 3/16 is the third of sixteen")
        return cls(number, count)

    def of(self, refs: Sequence[ImageRef]) -> Sequence[ImageRef]:
        """Its stretch of the pictures; of few pictures some shards have none."""
        first, end = (self._edge(len(refs), number) for number in (self.number - 1, self.number))
        return refs[first:end]

    def _edge(self, pictures: int, number: int) -> int:
        batches = -(-pictures // BATCH)
        return min(pictures, batches * number // self.count * BATCH)

    def path(self, whole: Path) -> Path:
        """``answers.csv`` -> ``answers.3-of-16.csv``."""
        return whole.with_name(f"{whole.stem}.{self.number}-of-{self.count}{whole.suffix}")

    @staticmethod
    def existing(whole: Path) -> dict[int, set[int]]:
        """The shards of ``whole`` that are there: their numbers, by how many there are to be."""
        stem, ending = re.escape(whole.stem), re.escape(whole.suffix)
        name = re.compile(rf"{stem}\.([0-9]{{1,6}})-of-([0-9]{{1,6}}){ending}")
        there: dict[int, set[int]] = {}
        with scan(resolved(whole.parent)) as entries:
            for entry in entries:
                if match := name.fullmatch(entry.name):
                    there.setdefault(int(match[2]), set()).add(int(match[1]))
        return there


@dataclass(frozen=True)
class Note:
    """What stands beside the answers of a shard: which question they answer. Two shards of one question
    differ in ``rows`` only.
    """

    question: str  # of the network, all pictures and the settings: a digest
    pictures: int  # in all
    rows: int  # in this shard
    failed: int = 0  # of these, pictures that cannot be read
    unread: tuple[Unread, ...] = ()  # which, or the first of them; --shard says it once and keeps none

    def with_unread(self, unread: Sequence[Unread]) -> Note:
        """The same shard, in which these pictures cannot be read."""
        short = tuple((name[:LONGEST], why[:LONGEST]) for name, why in unread[:NAMED])
        return replace(self, failed=len(unread), unread=short)

    def write(self, answers: Path) -> None:
        """Beside the file of its answers, once that is whole."""
        write_json(note_path(answers), asdict(self))

    @classmethod
    def read(cls, answers: Path) -> Note | None:
        """None where there is none, or it is damaged: its shard has to be answered again."""
        path = note_path(answers)
        if not is_file(path):
            return None
        try:
            kept: Any = json.loads(read_plain(path, LARGEST))
            pictures, rows, failed = (int(kept[key]) for key in ("pictures", "rows", "failed"))
            # Earlier versions kept no names.
            unread = tuple((str(name), str(why)) for name, why in kept.get("unread", ()))
            return cls(str(kept["question"]), pictures, rows, failed, unread)
        except (ValueError, KeyError, TypeError, OSError):
            return None


@dataclass(frozen=True)
class ShardWork:
    """What one process has to do."""

    refs: Sequence[ImageRef]
    path: Path  # of the answers
    note: Note

    @classmethod
    def of(
        cls, shard: str, out: Path | None, run: str | Path, refs: Sequence[ImageRef], settings: object
    ) -> ShardWork:
        """
        Args:
            shard: such as ``3/16``.
            out: what the file of all shards will be called.
            refs: all pictures.
            settings: what else the answers depend on, as JSON values.

        Raises:
            ConfigError: there is no such shard, or no ``out``.
        """
        part = Shard.parse(shard)
        if out is None:
            raise ConfigError("--shard writes a file", hint="add --out answers.csv")
        own = part.of(refs)
        asked = question(Path(run), refs, settings)
        return cls(own, part.path(out), Note(asked, len(refs), len(own)))

    def done(self) -> Note | None:
        """The note of an earlier process that did the same, where its file is there."""
        kept = Note.read(self.path) if is_file(self.path) else None
        return kept if kept is not None and replace(kept, failed=0, unread=()) == self.note else None

    def write(
        self,
        answers: Iterable[Mapping[str, Any]],
        example: Mapping[str, Prediction],
        tasks: Mapping[str, Task],
    ) -> None:
        """Write its file, see ``write_answers``, and then the note."""
        failed = 0

        def counted() -> Iterator[Mapping[str, Any]]:
            nonlocal failed
            for row in answers:
                failed += "error" in row
                yield row

        write_answers(counted(), self.path, example, tasks)
        replace(self.note, failed=failed).write(self.path)


def note_path(answers: Path) -> Path:
    return answers.with_name(f"{answers.name}.shard")


def question(run: Path, refs: Sequence[ImageRef], settings: object) -> str:
    """A digest of all that answers follow from: the network, which pictures in which order, the settings.

    Raises:
        RunError: the run cannot be read.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    try:
        for path in sorted(_files(run)):
            add_to_digest(digest, path)
    except OSError as error:
        raise RunError(f"cannot be read ({error.strerror})", location=str(run)) from None
    for ref in refs:
        digest.update(f"{ref.name}\0".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _files(run: Path) -> list[Path]:
    """On this machine: of a run elsewhere, those of its copy."""
    if is_file(run):
        return [local_file(run)]
    if is_remote(run):
        run = fetched_folder(run)
    return [path for name in ANSWERED_BY for path in run.rglob(name) if path.is_file()]
