"""From references to pictures to their features, kept in an index on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from oneglance.data.images.content_hash import stamp_of
from oneglance.data.images.decoding.decode_pool import decode_with
from oneglance.data.record import ImageRef
from oneglance.errors import DataError, PictureError
from oneglance.features.index import FeatureIndex
from oneglance.inference.answering import Answering
from oneglance.inference.engine import BATCH
from oneglance.inference.shards.shard import question
from oneglance.model import Model, load
from oneglance.progress import Screen
from oneglance.storage.plain_files import is_folder

FILE = "features.sqlite"  # the index in a run folder, unless another is named


@dataclass(frozen=True)
class Features:
    """The pictures of some references that can be read, in their order, and where their features are kept."""

    refs: list[ImageRef]
    stamps: list[bytes]  # of each
    task: str  # whose features
    index: FeatureIndex
    new: int  # pictures that were looked at just now
    unreadable: int

    def vectors(self) -> Iterator[np.ndarray]:
        """Float32 [m, d], some pictures at once."""
        return self.index.vectors(self.task, self.stamps)

    def answers(self) -> Iterator[dict[str, Any]]:
        """For each picture a row of ``predict`` without its name."""
        return self.index.answers(self.task, self.stamps)


class Extractor:
    """A network and its index."""

    def __init__(self, model: Model, index: FeatureIndex, task: str) -> None:
        self.model, self.index, self.task = model, index, task

    @classmethod
    @contextmanager
    def open(
        cls, run: str | Path, task: str, index: str | Path | None, device: str, screen: Screen
    ) -> Iterator[Extractor]:
        """
        Args:
            run: a run folder, a folder of ``combine`` or an .onnx file.
            task: whose features; "": those that all tasks share.
            index: the file; default: ``features.sqlite`` in the run folder, or beside the .onnx file.

        Raises:
            OneglanceError: the run or the index cannot be used, or there is no such task.
        """
        model = load(run, device=device)
        predictor = model.predictor
        predictor.vectors([predictor.decoding.blank()], task)  # refused before any picture is looked at
        path = Path(index) if index is not None else default_index(Path(run))
        title = Path(run).resolve().name
        kept = FeatureIndex.open(path, network_digest(Path(run), predictor), title, renew=index is None)
        try:
            yield cls(model, kept, task)
        finally:
            kept.close()
            screen.close()

    def features(
        self, refs: Sequence[ImageRef], screen: Screen, what: str = "looking at pictures"
    ) -> Features:
        """The features of all that can be read; the others are told on the screen. After each batch they are
        kept: an interruption costs one.

        Raises:
            DataError: none can be read.
            RunError: the index cannot be written.
        """
        stamps = [stamp_of(ref) for ref in refs]
        known = self.index.known(self.task, (stamp for stamp in stamps if stamp is not None))
        todo, seen = [], set(known)
        for row, stamp in enumerate(stamps):
            if stamp is None or stamp not in seen:
                todo.append(row)
                seen.update(() if stamp is None else (stamp,))
        before = len(known)
        failed = self._look_at(refs, stamps, todo, screen, what)
        readable = [row for row, stamp in enumerate(stamps) if stamp is not None and stamp not in failed]
        if not readable:
            raise DataError("no picture can be read", location=refs[0].name if len(refs) == 1 else "")
        return Features(
            [refs[row] for row in readable],
            [stamp for row in readable if (stamp := stamps[row]) is not None],
            self.task,
            self.index,
            len({stamps[row] for row in readable}) - before,
            len(refs) - len(readable),
        )

    def _look_at(
        self,
        refs: Sequence[ImageRef],
        stamps: Sequence[bytes | None],
        todo: Sequence[int],
        screen: Screen,
        what: str,
    ) -> set[bytes]:
        """The stamps of those that cannot be read."""
        predictor, failed, done = self.model.predictor, set[bytes](), 0
        rows = iter(todo)
        decoded = decode_with(predictor.decoding, (refs[row] for row in todo), predictor.workers)
        while batch := list(zip(islice(rows, BATCH), islice(decoded, BATCH), strict=True)):
            readable: list[tuple[bytes, Any]] = []
            for row, item in batch:
                stamp = stamps[row]
                if not isinstance(item, PictureError) and stamp is not None:
                    readable.append((stamp, item))
                    continue
                reason = item.what if isinstance(item, PictureError) else "was not there at first"
                screen.say(f"{refs[row].name}  {reason} — left out")
                failed.update(() if stamp is None else (stamp,))
            if readable:
                answers, vectors = predictor.rows_and_vectors([item for _, item in readable], self.task)
                self.index.add(self.task, [stamp for stamp, _ in readable], vectors, answers)
            done += len(batch)
            screen.progress(done, len(todo), what)
        return failed


def default_index(run: Path) -> Path:
    """In a run folder, or beside a file."""
    return run / FILE if is_folder(run) else run.with_name(f"{run.stem}.{FILE}")


def network_digest(run: Path, predictor: Answering[Any]) -> str:
    """Of all that answers follow from beside the picture: weights, what tasks learned, canvas."""
    shown: dict[str, Any] = {"described": predictor.described(), "decoding": repr(predictor.decoding)}
    return question(run, [], json.loads(json.dumps(shown, default=str)))
