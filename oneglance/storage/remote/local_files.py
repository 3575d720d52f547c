"""Single files of a store as copies on this machine, for what reads files of this machine only."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from pathlib import Path

from oneglance.storage.cache_home import cache_home
from oneglance.storage.remote.addresses import address_of
from oneglance.storage.remote.store import RemoteStore, store_of

LARGEST = 20_000_000_000  # bytes
PIECE = 1 << 22


def local_file(path: str | Path) -> Path:
    """``path``, or the copy of what lies at an address.

    Raises:
        OSError: it cannot be read.
    """
    address = address_of(path)
    if address is None:
        return Path(path)
    store = store_of(address)
    facts = store.facts(address)
    digest = hashlib.blake2b(f"{address}\n{facts}".encode(), digest_size=12).hexdigest()
    copy = cache_home() / "copies" / digest / address.rpartition("/")[2]
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        fetch_file(store, address, copy)
    return copy


def fetch_file(store: RemoteStore, address: str, path: Path) -> None:
    """Fetch a file to ``path``, which is there as a whole or not at all.

    Raises:
        OSError: it cannot be read or written.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with store.open(address, LARGEST) as source, fresh.open("xb") as target:
            shutil.copyfileobj(source, target, PIECE)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
