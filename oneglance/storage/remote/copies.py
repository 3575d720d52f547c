"""Folders and files of a store as copies on this machine, where networks are read and trained.

A copy lies in the user's cache folder. ``fetch`` makes it what the store holds, and asks only for what has
changed there or here. ``send`` brings what has changed here to the store: file by file in the order in which
they were written, each as a whole or not at all, and what was removed here last. So whoever reads the store
in between, or after this process was killed, finds what a folder of this machine might look like after a
kill, and a run is finished there only once all of its other files are.

No lock holds across machines: two of them that train into one address at once overwrite each other's files.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from oneglance.errors import RunError
from oneglance.storage.cache_home import cache_home
from oneglance.storage.folder_lock import is_locked
from oneglance.storage.remote.addresses import CREDENTIALS, address_of, refusal
from oneglance.storage.remote.local_files import fetch_file
from oneglance.storage.remote.store import RemoteStore, store_of

MOST_FILES = 2000
MOST_BYTES = 20_000_000_000
DEEPEST = 3  # folders inside each other
LEFT_HERE = frozenset({"lock", "finish-request"})  # between processes of one machine
FINISHED = "tasks.json"  # its presence says that a run is finished
NAMES = (
    *("config.toml", "overrides.json", "environment.json", "split.csv", "fingerprint.json", "fitted.json"),
    *("unreadable.json", "history.jsonl", "length.json", "start.json", "held.json", "distil.json"),
    *("weights.safetensors", "losses.safetensors", "novelty.safetensors", "reads.json", "report.json"),
    FINISHED,
)  # of the files of a run, where a server lists none
EVERY = 60.0  # seconds between two times that a training sends what it has

Stamp = tuple[int, int]  # of a file here: size, modification time; in the store: size, version


def fetched_folder(path: str | Path) -> Path:
    """The folder ``path``, or its copy on this machine, equal to what the store holds.

    Raises:
        RunError: it cannot be read.
    """
    copy = FolderCopy.of(path)
    if copy is None:
        return Path(path)
    copy.fetch()
    return copy.folder


class FolderCopy:
    """The copy of one folder. ``folder`` is where it lies."""

    def __init__(self, address: str) -> None:
        self.address = address
        name = address.rpartition("/")[2]
        digest = hashlib.blake2b(address.encode(), digest_size=12).hexdigest()
        self.folder = cache_home() / "copies" / digest / name
        self._state = self.folder.parent / "state.json"
        self._sent = 0.0

    @classmethod
    def of(cls, path: str | Path) -> FolderCopy | None:
        """None for a folder of this machine.

        Raises:
            RunError: such an address is not opened.
        """
        address = address_of(path)
        if address is None:
            return None
        if why := refusal(address):
            raise RunError(why, location=address, hint=CREDENTIALS)
        return cls(address)

    def fetch(self) -> None:
        """Make the copy what the store holds; while a process of this machine trains it, it is that already.

        Raises:
            RunError: it cannot be read, or is larger than any run.
        """
        if self.is_trained_here():
            return
        try:
            store = store_of(self.address)
            there = dict(self._files(store))
            known = self._known()
            for name, stamp in there.items():
                here = self._stamp(name)
                if here is None or known.get(name) != (here, stamp):
                    self._fetch_one(store, name)
                    known[name] = (self._stamp(name) or (0, 0), stamp)
            for name in self._names() - set(there):
                (self.folder / name).unlink()
            self._remember({name: known[name] for name in there})
        except (FileNotFoundError, NotADirectoryError):
            self.clear()
        except OSError as error:
            raise RunError(f"cannot be read ({error.strerror or error})", location=self.address) from None

    def send(self, *, at_most_every: float = 0.0) -> None:
        """Make the store hold what the copy does.

        Args:
            at_most_every: seconds; nothing is done where it was sent more recently.

        Raises:
            RunError: it cannot be written.
        """
        if time.monotonic() - self._sent < at_most_every:
            return
        try:
            store, known = store_of(self.address), self._known()
            here = {name: stamp for name in self._names() if (stamp := self._stamp(name)) is not None}
            gone = sorted(set(known) - set(here), key=lambda name: name != FINISHED)
            if FINISHED in gone:  # it is not finished any more, whatever else has changed
                self._remove(store, known, FINISHED)
            for name in sorted(here, key=lambda name: here[name][1]):
                if name not in known or known[name][0] != here[name]:
                    store.send(f"{self.address}/{name}", self.folder / name)
                    facts = store.facts(f"{self.address}/{name}")
                    known[name] = (here[name], (facts.size, facts.version))
                    self._remember(known)
            for name in gone:
                self._remove(store, known, name)
        except OSError as error:
            what = f"cannot be written ({error.strerror or error})"
            hint = f"what was to be sent lies in {self.folder}"
            raise RunError(what, location=self.address, hint=hint) from None
        self._sent = time.monotonic()

    def is_trained_here(self) -> bool:
        """Whether a process of this machine trains it now; see ``training_lock``."""
        return (self.folder / "lock").exists() and is_locked(self.folder)

    def clear(self) -> None:
        """Forget what lies here."""
        shutil.rmtree(self.folder.parent, ignore_errors=True)

    def _remove(self, store: RemoteStore, known: dict[str, tuple[Stamp, Stamp]], name: str) -> None:
        if known.pop(name, None) is not None:
            with suppress(FileNotFoundError):
                store.remove(f"{self.address}/{name}")
            self._remember(known)

    def _files(self, store: RemoteStore) -> Iterator[tuple[str, Stamp]]:
        """The files in the store: path from the folder, and stamp."""
        count = total = 0
        waiting = [""]
        while waiting:
            start = waiting.pop()
            for name, folder in self._entries(store, start):
                count += 1
                if folder and start.count("/") < DEEPEST:
                    waiting.append(f"{start}{name}/")
                elif not folder:
                    facts = store.facts(f"{self.address}/{start}{name}")
                    total += max(facts.size, 0)
                    yield f"{start}{name}", (facts.size, facts.version)
                if count > MOST_FILES or total > MOST_BYTES:
                    raise OSError(errno.EFBIG, "holds more than any run does")

    def _entries(self, store: RemoteStore, start: str) -> Iterator[tuple[str, bool]]:
        """The names in one folder; where nothing can be listed, those that a run has and that are there."""
        if not store.lists:
            yield from (
                (name, False) for name in NAMES if not start and _is_there(store, f"{self.address}/{name}")
            )
            return
        for entry in store.entries(f"{self.address}/{start}".rstrip("/")):
            if not entry.name.startswith(".") and entry.name not in LEFT_HERE and _is_plain(entry.name):
                yield entry.name, entry.folder

    def _fetch_one(self, store: RemoteStore, name: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fetch_file(store, f"{self.address}/{name}", path)

    def _names(self) -> set[str]:
        """The files here, as the store would name them."""
        return {
            Path(parent, name).relative_to(self.folder).as_posix()
            for parent, folders, files in os.walk(self.folder)
            for name in files
            if not name.startswith(".") and name not in LEFT_HERE
        }

    def _stamp(self, name: str) -> Stamp | None:
        try:
            status = (self.folder / name).stat()
        except OSError:
            return None
        return status.st_size, status.st_mtime_ns

    def _known(self) -> dict[str, tuple[Stamp, Stamp]]:
        """The stamps here and there when both were last the same."""
        try:
            kept = json.loads(self._state.read_bytes())
            return {str(name): (_pair(here), _pair(there)) for name, (here, there) in kept.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def _remember(self, known: dict[str, tuple[Stamp, Stamp]]) -> None:
        self._state.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._state.with_name(f".{self._state.name}.{secrets.token_hex(4)}")
        fresh.write_text(json.dumps(known), encoding="utf-8")
        fresh.replace(self._state)


def _is_there(store: RemoteStore, address: str) -> bool:
    try:
        store.facts(address)
    except FileNotFoundError:
        return False
    return True


def _is_plain(name: str) -> bool:
    return not any(mark in name for mark in "\\:") and name == Path(name).name


def _pair(value: list[int]) -> Stamp:
    first, second = value
    return int(first), int(second)
