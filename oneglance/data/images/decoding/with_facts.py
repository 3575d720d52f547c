"""Pictures decoded together with what their files say: for ``check``."""

from __future__ import annotations

from dataclasses import dataclass

from oneglance.data.images.decode import Canvas, Limits, load
from oneglance.data.images.decoding.decode_pool import Decode, in_memory
from oneglance.data.images.file_facts import FileFacts, file_facts
from oneglance.data.record import ImageRef
from oneglance.errors import PictureError


@dataclass(frozen=True)
class DecodeWithFacts:
    """One reference on its canvas, and the facts of its file, in a process of the pool."""

    decode: Decode

    @property
    def limits(self) -> Limits:
        return self.decode.limits

    @property
    def nbytes(self) -> int:
        return self.decode.nbytes

    def __call__(self, ref: ImageRef) -> tuple[Canvas, FileFacts] | PictureError:
        try:
            loaded = load(ref)  # once: a file that changes meanwhile is one picture
        except PictureError as error:
            return PictureError(error.what, location=ref.name, hint=error.hint)
        canvas = self.decode(in_memory(ref.name, loaded))
        return canvas if isinstance(canvas, PictureError) else (canvas, file_facts(loaded))
