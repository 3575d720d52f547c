"""Public data sets from the internet, fetched by torchvision's downloaders."""

from __future__ import annotations

import contextlib
import errno
import io
from http.client import HTTPException
from pathlib import Path
from typing import Any

from torchvision import datasets

from oneglance.errors import OneglanceError, nearest
from oneglance.progress import Screen
from oneglance.storage.atomic_files import explained, here, make_folder

SETS = {
    "mnist": ("MNIST", "MNIST/raw"),
    "fashion_mnist": ("FashionMNIST", "FashionMNIST/raw"),
    "cifar10": ("CIFAR10", "cifar-10-batches-py"),
    "cifar100": ("CIFAR100", "cifar-100-python"),
}  # our name: torchvision's class, and the folder it leaves


def download(name: str, folder: Path, screen: Screen) -> Path:
    """Fetch a set into ``folder``; what is there already is not fetched again.

    Returns:
        The folder that a source reads.

    Raises:
        OneglanceError: an unknown name, or it cannot be reached.
    """
    if name not in SETS:
        raise OneglanceError(f'there is no set "{name}".{nearest(name, SETS)}')
    kind, inside = SETS[name]
    target = make_folder(here(folder) / name)
    screen.say(f"fetching {name} into {target}")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            # torchvision checks the sums of what it fetched; we never ask it to unpickle the pictures.
            _fetch(getattr(datasets, kind), target)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise explained(error, target) from None
        raise _unreachable(name) from None
    except (RuntimeError, EOFError, HTTPException):  # torchvision's word for a wrong sum; a cut connection
        raise _unreachable(name) from None
    return target / inside


def _unreachable(name: str) -> OneglanceError:
    hint = "check the connection and try again; what has come already is kept"
    return OneglanceError(f"{name} cannot be fetched, or did not come whole", hint=hint)


def _fetch(kind: type, target: Path) -> None:
    """The download alone, without the constructor that reads the set afterwards."""
    fetcher: Any = object.__new__(kind)
    fetcher.root = str(target)
    fetcher.download()
