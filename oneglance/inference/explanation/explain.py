"""Any number of pictures explained, one after the other: each map is drawn, and written where a folder is
named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

from PIL import Image

from oneglance.data.images.decoding.decode_pool import decode_with
from oneglance.data.record import ImageRef
from oneglance.errors import PictureError
from oneglance.inference.answering import Answering
from oneglance.inference.explanation.explainer import Explainer, Explanation
from oneglance.inference.explanation.heat_drawing import drawn
from oneglance.inference.explanation.map_folder import MapFolder


class ExplainedPicture(NamedTuple):
    """What ``explain`` gives of one picture."""

    entries: list[dict[str, Any]]  # as ``oneglance explain --json`` prints them
    drawings: list[Image.Image]  # of each entry, where no folder keeps them


def explained_pictures(
    answering: Answering[Any], refs: Sequence[ImageRef], explainer: Explainer, folder: MapFolder | None
) -> Iterator[ExplainedPicture]:
    """Each picture in order: ``{"image", "task", "answer", "map", "method"}`` of each of its answers, with
    ``box`` where it lies somewhere; ``{"image", "error"}`` where it cannot be read.

    Raises:
        RunError: the folder cannot be written.
    """
    before = [folder.done(ref) if folder else None for ref in refs]
    new = [ref for ref, entries in zip(refs, before, strict=True) if entries is None]
    decoded = chain(decode_with(answering.decoding, new, answering.workers))
    for ref, entries in zip(refs, before, strict=True):
        if entries is not None:
            yield ExplainedPicture(entries, [])
            continue
        item = next(decoded)
        if isinstance(item, PictureError):
            yield ExplainedPicture([{"image": ref.name, "error": item.what}], [])
            continue
        explanations = list(explainer.explain(item))
        try:
            drawings = [drawn(one, ref, answering.limits) for one in explanations]
        except (OSError, PictureError) as error:  # the file has changed since
            reason = error.what if isinstance(error, PictureError) else error.strerror or error
            yield ExplainedPicture([{"image": ref.name, "error": f"cannot be read any more ({reason})"}], [])
            continue
        yield kept(ref, explanations, drawings, folder)


def kept(
    ref: ImageRef, explanations: Sequence[Explanation], drawings: list[Image.Image], folder: MapFolder | None
) -> ExplainedPicture:
    """The maps of one picture, in the folder where there is one."""
    of_task = Counter(one.task for one in explanations)
    numbers, entries = Counter[str](), list[dict[str, Any]]()
    for one, drawing in zip(explanations, drawings, strict=True):
        numbers[one.task] += 1
        entry: dict[str, Any] = {"image": ref.name, "task": one.task, "answer": one.answer}
        if folder is not None:
            number = numbers[one.task] if of_task[one.task] > 1 else 0
            entry["map"] = str(folder.write(ref, one.task, number, drawing))
        entry["method"] = one.method
        entries.append({**entry, "box": list(one.box)} if one.box is not None else entry)
    if folder is None:
        return ExplainedPicture(entries, drawings)
    folder.finish(ref, entries)
    return ExplainedPicture(entries, [])
