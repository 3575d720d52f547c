"""Pictures of kinds that are not read here, told by their endings alone: before anything is decoded."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator

from oneglance.data.picture_files.formats import PICTURE_ENDINGS, with_ending
from oneglance.data.picture_files.pillow_settings import has_heif
from oneglance.data.record import ImageRef
from oneglance.errors import Problem


def unread_kinds(refs: Iterable[ImageRef]) -> Iterator[Problem]:
    """A problem for each kind of pictures that cannot be opened here, with their number and the first."""
    names: dict[str, list[str]] = defaultdict(list)
    for ref in refs:
        ending = os.path.splitext(ref.name)[1].lower()  # noqa: PTH122 - a million names
        if ending in PICTURE_ENDINGS:
            names[ending].append(ref.name)
    for ending, alike in names.items():
        kind = with_ending(ending)
        if (kind.opened and not kind.package) or (kind.opened and has_heif()):
            continue
        more = f"; so are {len(alike) - 1:,} more with the ending {ending}" if len(alike) > 1 else ""
        yield Problem(alike[0], kind.not_opened + more, kind.hint, kind="unreadable", fatal=False)
