"""What oneglance says when something is wrong, and the tree of its errors.

OneglanceError                 location, what, hint: one message, never a traceback in the shell
├── ConfigError                oneglance.toml or a --set says something impossible
├── DataError                  pictures or answers that cannot be used; may hold many problems
│   └── PictureError           one picture cannot be decoded whole
├── WeightsError               weights that are not there or do not fit
├── RunError                   a run folder that is missing, incomplete or cannot be written
├── DivergedError              a loss became NaN or infinite
├── StoppedError               somebody asked a training to stop; it can go on
└── MissingExtraError          a verb needs packages that are not installed
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from oneglance.storage.remote.addresses import redacted


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where it is, what it is, and what to do about it.

    ``fatal`` problems stop a training; the others are reported and the data they concern is left out.
    ``kind`` groups problems that are counted together ("the count and one example").
    """

    location: str
    what: str
    hint: str = ""
    kind: str = ""
    fatal: bool = True
    pictures: tuple[str, ...] = ()  # all that a problem of several concerns, where it names them

    def __post_init__(self) -> None:
        for name in ("location", "what", "hint"):
            text = getattr(self, name)
            if ":/" in text:
                object.__setattr__(self, name, redacted(text))

    def to_dict(self) -> dict[str, str | bool | list[str]]:
        """As ``check --json`` prints it: ``where`` and ``cure`` are the location and the hint; ``pictures``
        is there where a problem names several.
        """
        several = {"pictures": list(self.pictures)} if self.pictures else {}
        return {
            "where": self.location,
            "what": self.what,
            "cure": self.hint,
            "kind": self.kind,
            "fatal": self.fatal,
            **several,
        }

    def __str__(self) -> str:
        return f"{self.location}  {self.what}" + (f" — {self.hint}" if self.hint else "")


class OneglanceError(Exception):
    """Something the user can mend. ``str()`` is the whole message: location – what – hint."""

    def __init__(self, what: str, *, location: str = "", hint: str = "") -> None:
        what, location, hint = redacted(what), redacted(location), redacted(hint)
        self.location, self.what, self.hint = location, what, hint
        super().__init__((f"{location}: " if location else "") + what + (f" — {hint}" if hint else ""))


class ConfigError(OneglanceError):
    """oneglance.toml or a --set says something impossible."""


class DataError(OneglanceError):
    """Pictures or answers that cannot be used."""

    def __init__(
        self, what: str, *, location: str = "", hint: str = "", problems: Sequence[Problem] = ()
    ) -> None:
        super().__init__(what, location=location, hint=hint)
        self.problems = tuple(problems)


class PictureError(DataError):
    """One picture cannot be decoded whole."""


class WeightsError(OneglanceError):
    """Weights that are not there or do not fit the network."""


class RunError(OneglanceError):
    """A run folder that is missing, incomplete or cannot be written."""


class DivergedError(OneglanceError):
    """The loss of a task became NaN or infinite."""


class StoppedError(OneglanceError):
    """Somebody asked a training to stop; it can go on."""


class MissingExtraError(OneglanceError):
    """A verb needs packages that are not installed."""


class InvalidAnswer(ValueError):  # noqa: N818 - not an error by itself: the reader of the answer adds the place
    """An answer that a task cannot understand; the caller knows where it stands."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


def command(*words: object) -> str:
    """``oneglance`` and ``words`` as a line that a shell understands: those with spaces in quotes."""
    return shlex.join(["oneglance", *map(str, words)])


LISTED = 20  # known words that a message lists
COMPARED = 5000  # known words that are compared, none longer than
LONGEST = 200  # characters: it takes the product of both lengths


def nearest(word: str, known: Iterable[str]) -> str:
    """`` Did you mean "…"?`` for the known word nearest in spelling, or the list of known words."""
    known = sorted(known)
    lower = {name.lower(): name for name in known[:COMPARED] if len(name) <= LONGEST}
    close = difflib.get_close_matches(word[:LONGEST].lower(), lower, n=1, cutoff=0.55)
    if close:
        return f' Did you mean "{lower[close[0]]}"?'
    more = f" and {len(known) - LISTED:,} more" if len(known) > LISTED else ""
    listed = (name if len(name) <= LONGEST else f"{name[:LONGEST]}…" for name in known[:LISTED])
    return f" Known: {', '.join(listed)}{more}." if known else ""


@contextmanager
def needs_extra(extra: str, verb: str) -> Iterator[None]:
    """Turn a failed import inside the block into a message that names the extra to install.

    Raises:
        MissingExtraError: a package of ``extra`` is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "oneglance":
            raise
        raise MissingExtraError(
            f"{verb} needs the package {package}", hint=f'pip install "oneglance[{extra}]"'
        ) from None
