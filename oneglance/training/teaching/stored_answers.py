"""What teachers say of the training pictures as they are: one pass for each teacher, kept in the run folder.

teachers/1.json                   which network, and what it was asked
teachers/1-00000.safetensors, …   its soft targets, some pictures in each file; with [training]
                                  teacher_features also its features, float16

A file appears as a whole, so a training that was stopped during the pass goes on with the next one.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import TypeAdapter
from safetensors.numpy import load as read_arrays
from safetensors.numpy import save as written_arrays

from oneglance.config import Config
from oneglance.data.dataset import SplitData
from oneglance.data.images.decode import Canvas
from oneglance.data.images.decoding.decode_pool import decode_with
from oneglance.data.images.letterbox import Fit, Placement
from oneglance.errors import DataError, RunError
from oneglance.inference.engine import BATCH, EngineOutput
from oneglance.inference.familiarity.novelty import Novelty
from oneglance.progress import Screen
from oneglance.storage.atomic_files import make_folder, write_bytes, write_json
from oneglance.storage.run_files import OtherForm, Part, in_form
from oneglance.storage.run_folder import ANEW, RunFolder
from oneglance.task import Target, Task
from oneglance.training.data_loader import PictureStore
from oneglance.training.teaching.shared_features import narrow
from oneglance.training.teaching.soft_targets import less_trusted
from oneglance.training.teaching.teachers import Teacher

SAMPLE = 256  # pictures by which a teacher is judged that is asked in every step
PICTURES = 2048  # in each file
FAMILIAR = 0.1  # share of familiar pictures that lie as far as those in which a teacher is trusted less
LEAST_TRUST = 0.1  # in what is said of a picture that is as unlike the familiar ones as any
NEARLY_NONE = 0.02  # share of familiar pictures below which a teacher has nothing to say


class KeptAnswers(Part):
    """teachers/1.json."""

    teacher: str
    sha256: str
    asked: str  # digest of the pictures and of the tasks that learn


KEPT = TypeAdapter(KeptAnswers)


class Seen(NamedTuple):
    """What a teacher made of n pictures."""

    vectors: np.ndarray  # float16 [n, d]: its shared features
    trust: np.ndarray  # float32 [n]


def sampled_answers(
    teachers: Sequence[Teacher],
    tasks: Mapping[str, Task],
    config: Config,
    split: SplitData,
    store: PictureStore,
    screen: Screen,
) -> tuple[np.ndarray, dict[str, Target], dict[str, Seen]]:
    """Some pictures of ``split``, evenly spread, their soft targets by task, and the teachers' features.

    Raises:
        DataError: a teacher finds nothing in these pictures.
    """
    rows = np.arange(0, len(split.rows), max(1, -(-len(split.rows) // SAMPLE)))
    soft: dict[str, Target] = {}
    seen: dict[str, Seen] = {}
    for teacher in teachers:
        lesson = Lesson(teacher, tasks, config, split, store)
        arrays = lesson.given(rows, screen)
        soft |= lesson.by_task(arrays)
        seen |= lesson.seen(arrays)
    return rows, soft, seen


def stored_answers(
    folder: RunFolder,
    teachers: Sequence[Teacher],
    tasks: Mapping[str, Task],
    config: Config,
    split: SplitData,
    store: PictureStore,
    screen: Screen,
) -> tuple[dict[str, Target], dict[str, Seen], float]:
    """Soft targets by task and the teachers' features, aligned with the pictures of ``split``, and seconds
    that the passes took.

    Raises:
        RunError: a teacher is not the network that this run began with, or what is kept is damaged.
        DataError: a teacher finds nothing in these pictures.
    """
    soft: dict[str, Target] = {}
    seen: dict[str, Seen] = {}
    seconds = 0.0
    for number, teacher in enumerate(teachers, 1):
        lesson = Lesson(teacher, tasks, config, split, store)
        parts = [
            _read(path) if path.exists() else _made(path, lesson, rows, screen)
            for path, rows in _files(folder, number, lesson)
        ]
        arrays = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        seconds += float(arrays[" seconds"].sum())
        soft |= lesson.by_task(arrays)
        seen |= lesson.seen(arrays)
    return soft, seen, seconds


def _files(folder: RunFolder, number: int, lesson: Lesson) -> list[tuple[Path, np.ndarray]]:
    """The files of a teacher with the pictures of each, by their place in the split; what is there of another
    teacher or of other pictures is gone.
    """
    home = make_folder(folder / "teachers")
    index, asked, digest = home / f"{number}.json", lesson.asked(), lesson.teacher.digest()
    kept = _index(index) if index.exists() else None
    if kept is not None and kept.asked == asked and kept.sha256 != digest:
        raise RunError(
            "is not what this run began to learn from: it was trained on since then, or is another run",
            location=lesson.teacher.title,
            hint="train anew with another --out, or put back what was there",
        )
    if kept is None or kept.asked != asked:
        for path in home.glob(f"{number}-*.safetensors"):
            path.unlink()
        write_json(index, {"teacher": lesson.teacher.title, "sha256": digest, "asked": asked})
    rows = np.arange(len(lesson.split.rows))
    pieces = np.split(rows, range(PICTURES, len(rows), PICTURES))
    return [(home / f"{number}-{part:05d}.safetensors", piece) for part, piece in enumerate(pieces)]


def _index(path: Path) -> KeptAnswers:
    try:
        return in_form(json.loads(path.read_bytes()), KEPT)
    except (OSError, ValueError, OtherForm):
        raise RunError("is damaged", location=str(path), hint=ANEW) from None


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        return dict(read_arrays(path.read_bytes()))
    except Exception:  # of a damaged file it raises what it likes
        hint = "remove it: --resume makes it again"
        raise RunError("is damaged", location=str(path), hint=hint) from None


def _made(path: Path, lesson: Lesson, rows: np.ndarray, screen: Screen) -> dict[str, np.ndarray]:
    arrays = lesson.given(rows, screen)
    write_bytes(path, written_arrays({key: np.ascontiguousarray(value) for key, value in arrays.items()}))
    return arrays


@dataclass(frozen=True)
class Lesson:
    """A teacher before the pictures of a split, whose answers ``tasks`` are to learn."""

    teacher: Teacher
    tasks: Mapping[str, Task]
    config: Config
    split: SplitData
    store: PictureStore

    def asked(self) -> str:
        """A digest of the pictures, and of all else that its soft targets depend on."""
        names = self.teacher.names
        about: dict[str, Any] = {
            "pictures": [record.image.name for record in self.split.records],
            "tasks": {name: [self.tasks[name].state(), self.config.tasks[name]] for name in names},
            "canvas": [list(self.config.backbone.canvas), self.config.pictures.fit],
        }
        if self.config.training.teacher_features:
            about["features"] = "float16"
        return hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()

    def given(self, rows: np.ndarray, screen: Screen) -> dict[str, np.ndarray]:
        """The soft targets of the pictures at ``rows`` of the split by ``TASK KEY``; under `` familiar`` how
        far a teacher is trusted, and under `` seconds`` the time that each picture took: float32 [n]; under
        `` features`` its shared features where they are wanted. What cannot be read is not trusted.
        """
        began = time.perf_counter()
        parts: list[dict[str, np.ndarray]] = []
        for chosen, canvases, readable in self._canvases(rows):
            output = self.teacher.predictor.forward(canvases)
            familiar = familiarity(output, self.teacher.predictor.novelty) * readable
            arrays: dict[str, np.ndarray] = {" familiar": familiar}
            if self.config.training.teacher_features:
                arrays[" features"] = narrow(output.vectors, self.config, self.teacher.title)
            for name in self.teacher.names:
                raw = output.raw[self.teacher.names[name]]
                soft = self.tasks[name].soft_target(raw, self.teacher.task(name), self._places(chosen))
                arrays |= {f"{name} {key}": value for key, value in soft.items()}
            parts.append(arrays)
            screen.progress(int(chosen[-1]) + 1, len(self.split.rows), f"asking {self.teacher.title}")
        whole = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        each = (time.perf_counter() - began) / len(rows)
        return {**whole, " seconds": np.full(len(rows), each, dtype=np.float32)}

    def by_task(self, arrays: dict[str, np.ndarray]) -> dict[str, Target]:
        """What ``given`` gave for all pictures, with the trust in each by how familiar it is.

        Raises:
            DataError: there is nothing in it to learn from.
        """
        familiar = arrays[" familiar"]
        title = self.teacher.title
        if np.mean(familiar > LEAST_TRUST) < NEARLY_NONE:
            raise DataError(
                f"of {len(familiar):,} pictures hardly one is like those it was trained on",
                location=title,
                hint="add pictures like its own, or leave this teacher out",
            )
        soft: dict[str, Target] = {}
        for name in self.teacher.names:
            own = {k.removeprefix(f"{name} "): v for k, v in arrays.items() if k.startswith(f"{name} ")}
            if not self.tasks[name].says_something(own):
                raise DataError(
                    f"finds nothing for {name} in any of {len(familiar):,} pictures",
                    location=title,
                    hint="add pictures in which there is something to find, or leave this teacher out",
                )
            soft[name] = less_trusted(own, familiar)
        return soft

    def seen(self, arrays: dict[str, np.ndarray]) -> dict[str, Seen]:
        """The features in it, under the teacher's key; none where they are not wanted."""
        if " features" not in arrays:
            return {}
        return {self.teacher.key: Seen(arrays[" features"], arrays[" familiar"])}

    def _canvases(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Some of ``rows``, their pictures on the teacher's canvas, and float32 [n], 0 for what cannot be
        read. Where both canvases are the same, the decoded pictures are at hand.
        """
        pieces = np.split(rows, range(BATCH, len(rows), BATCH))
        predictor = self.teacher.predictor
        same = predictor.fit == Fit.declared(self.config)
        if same and predictor.config.pictures.value_range == self.config.pictures.value_range:
            for piece in pieces:
                canvases = self.store.gather(self.split.rows[piece])
                yield piece, canvases, np.ones(len(piece), dtype=np.float32)
            return
        refs = (self.split.records[row].image for row in rows.tolist())
        decoded = decode_with(predictor.decoding, refs, self.config.cache.workers)
        blank = predictor.decoding.blank().pixels
        for piece in pieces:
            pictures = [next(decoded) for _ in piece]
            readable = np.array([isinstance(one, Canvas) for one in pictures], dtype=np.float32)
            yield (
                piece,
                np.stack([one.pixels if isinstance(one, Canvas) else blank for one in pictures]),
                readable,
            )

    def _places(self, rows: np.ndarray) -> list[tuple[Placement, Placement]]:
        there, here = self.teacher.predictor.fit, Fit.declared(self.config)
        sizes = self.store.sizes(self.split.rows[rows]).tolist()
        return [(there.placement(*size), here.placement(*size)) for size in sizes]


def familiarity(output: EngineOutput, novelty: Novelty | None) -> np.ndarray:
    """How far a teacher is trusted in n pictures, by how unlike its training pictures they are: float32 [n]
    from ``LEAST_TRUST`` to 1.
    """
    if novelty is None:
        return np.ones(len(output.vectors), dtype=np.float32)
    nearer = 1 - novelty.unfamiliar(output.vectors, output.middle)
    return np.clip(nearer / FAMILIAR, LEAST_TRUST, 1).astype(np.float32)
