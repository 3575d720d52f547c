"""Features and answers of pictures, kept in one file, so that only new and changed pictures are looked at.

Why SQLite: each batch is written whole or not at all, whatever ends the process; a picture is looked up among
a million in microseconds; and it comes with Python.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np

from oneglance.errors import RunError
from oneglance.storage.atomic_files import possible
from oneglance.storage.plain_files import exists, plain_stat

OURS = 0x6F676C31  # the number by which SQLite knows whose file it is
ASKED = 500  # pictures of one question; SQLite allows 999 values
BLOCK = 2000  # pictures whose vectors are in memory at once
ELSEWHERE = "name another file with --index"

TABLES = """
CREATE TABLE about (network TEXT NOT NULL, run TEXT NOT NULL);
CREATE TABLE pictures (
  features TEXT NOT NULL, stamp BLOB NOT NULL, vector BLOB NOT NULL, answers TEXT NOT NULL,
  UNIQUE (features, stamp)
);
"""
REFUSALS = {  # what SQLite calls it -> in plain words, and what to do
    "SQLITE_FULL": ("the disk is full", f"free some space, or {ELSEWHERE}"),
    "SQLITE_BUSY": ("is in use by another process", f"wait for it, or {ELSEWHERE}"),
    "SQLITE_LOCKED": ("is in use by another process", f"wait for it, or {ELSEWHERE}"),
    "SQLITE_READONLY": ("cannot be written: not allowed", ELSEWHERE),
    "SQLITE_CANTOPEN": ("cannot be opened or made", ELSEWHERE),
    "SQLITE_PERM": ("cannot be written: not allowed", ELSEWHERE),
    "SQLITE_NOTADB": ("is no index of features", ELSEWHERE),
    "SQLITE_CORRUPT": ("is damaged", f"delete it, and it is made anew, or {ELSEWHERE}"),
}


class FeatureIndex:
    """What one network makes of pictures, by ``stamp_of`` of each and by whose features they are: "" for
    those that all tasks share, else the name of a task.
    """

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self.path, self._database = path, database

    @classmethod
    def open(cls, path: Path, network: str, run: str, *, renew: bool = False) -> Self:
        """The index at ``path``; a new one where there is none.

        Args:
            network: a digest of the network and of how it is shown pictures.
            run: what people call the network.
            renew: whether an index of another network is begun anew, and not refused.

        Raises:
            RunError: it is something else, damaged, of another network, or cannot be written.
        """
        if exists(possible(path)):
            try:
                plain_stat(path)
            except OSError as error:
                raise RunError(f"{error.strerror}", location=str(path), hint=ELSEWHERE) from None
        with _explained(path):
            database = sqlite3.connect(path, timeout=30, isolation_level=None)
        index = cls(path, database)
        try:
            index._begin(network, run, renew)
        except BaseException:
            index.close()
            raise
        return index

    def _begin(self, network: str, run: str, renew: bool) -> None:
        with _explained(self.path), self._transaction():
            (owner,) = self._database.execute("PRAGMA application_id").fetchone()
            (tables,) = self._database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
            if not tables:
                self._database.execute(f"PRAGMA application_id = {OURS}")
                for statement in filter(str.strip, TABLES.split(";")):
                    self._database.execute(statement)
                self._database.execute("INSERT INTO about VALUES (?, ?)", (network, run))
                return
            if owner != OURS:
                raise RunError("is no index of features", location=str(self.path), hint=ELSEWHERE)
            kept, name = self._database.execute("SELECT network, run FROM about").fetchone()
            if kept == network:
                return
            if not renew:
                raise RunError(
                    f"holds the features of another network, {name}",
                    location=str(self.path),
                    hint=f"{ELSEWHERE}, or delete this one, and it is made anew",
                )
            self._database.execute("DELETE FROM pictures")
            self._database.execute("UPDATE about SET network = ?, run = ?", (network, run))

    def close(self) -> None:
        """Nothing more will be asked of it."""
        self._database.close()

    def known(self, features: str, stamps: Iterable[bytes]) -> set[bytes]:
        """Those of ``stamps`` that are in it."""
        return {stamp for rows in self._asked("stamp", features, stamps) for (stamp,) in rows}

    def add(
        self,
        features: str,
        stamps: Sequence[bytes],
        vectors: np.ndarray,
        answers: Sequence[Mapping[str, Any]],
    ) -> None:
        """All of these pictures, or none where the process ends meanwhile.

        Args:
            vectors: float32 [n, d].
            answers: a row as ``predict`` gives it for each.
        """
        rows = [
            (features, stamp, vector.astype("<f4").tobytes(), json.dumps(row, ensure_ascii=False))
            for stamp, vector, row in zip(stamps, vectors, answers, strict=True)
        ]
        with _explained(self.path), self._transaction():
            self._database.executemany("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?)", rows)

    def vectors(self, features: str, stamps: Sequence[bytes]) -> Iterator[np.ndarray]:
        """The vectors of pictures that are in it, in order: float32 [m, d], ``BLOCK`` of them at once."""
        for start in range(0, len(stamps), BLOCK):
            block = stamps[start : start + BLOCK]
            kept = dict(row for rows in self._asked("stamp, vector", features, block) for row in rows)
            yield np.stack([np.frombuffer(kept[stamp], "<f4") for stamp in block]).astype(np.float32)

    def answers(self, features: str, stamps: Sequence[bytes]) -> Iterator[dict[str, Any]]:
        """The rows of ``predict``, likewise, without the name of the picture."""
        for start in range(0, len(stamps), BLOCK):
            block = stamps[start : start + BLOCK]
            kept = dict(row for rows in self._asked("stamp, answers", features, block) for row in rows)
            yield from (json.loads(kept[stamp]) for stamp in block)

    def _asked(self, columns: str, features: str, stamps: Iterable[bytes]) -> Iterator[list[tuple[Any, ...]]]:
        every = list(stamps)
        for start in range(0, len(every), ASKED):
            part = every[start : start + ASKED]
            slots = ",".join("?" * len(part))
            question = f"SELECT {columns} FROM pictures WHERE features = ? AND stamp IN ({slots})"
            with _explained(self.path):
                rows = self._database.execute(question, (features, *part)).fetchall()
            yield rows

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "") or ""
        primary = "_".join(name.split("_")[:2])
        what, hint = REFUSALS.get(primary, ("cannot be read or written", ELSEWHERE))
        raise RunError(what, location=str(path), hint=hint) from None
