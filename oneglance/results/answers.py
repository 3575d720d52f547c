"""What ``predict`` gives: the answers to pictures, one after the other."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from oneglance.data.images.decode import Limits
from oneglance.data.record import ImageRef
from oneglance.errors import PictureError
from oneglance.inference.annotated_images import annotated
from oneglance.inference.prediction_files import flattened
from oneglance.result import Result, ResultList, Row, framed, text_table
from oneglance.task import Prediction, Task

if TYPE_CHECKING:
    from pandas import DataFrame

PICTURES = 12  # that a notebook shows; a line says how many more there are
PIXELS = 320  # of the longer side of a picture in a notebook
BARS = 5  # classes of one answer that get a bar, the most probable first


class Answer(Result):
    """The answers to one picture; as a mapping, the row that ``oneglance predict`` writes.

    ``{"image", "width", "height", "unfamiliar", "answers"}``, with ``"unknown": True`` where few familiar
    pictures are as unlike the training pictures; or ``{"image", "error"}`` for a picture that cannot be read.
    """

    def __init__(
        self,
        row: Mapping[str, Any],
        tasks: Mapping[str, Task],
        ref: ImageRef | None = None,
        limits: Limits | None = None,
    ) -> None:
        """
        Args:
            ref: where the picture is, for drawing it.
            limits: of pictures that are decoded for drawing.
        """
        super().__init__(row)
        self._tasks, self._ref, self._limits = tasks, ref, limits or Limits()

    @property
    def image(self) -> str:
        """What the picture is called: its path, its path in an archive, or ``picture 1``."""
        name: str = self["image"]
        return name

    @property
    def error(self) -> str:
        """Why there are no answers; "" where there are."""
        return str(self.get("error", ""))

    @property
    def answers(self) -> dict[str, Prediction]:
        """One answer per task; none where there is an error."""
        answers: dict[str, Prediction] = self.get("answers", {})
        return answers

    @property
    def width(self) -> int | None:
        """Of the upright picture in pixels; None where it cannot be read."""
        return self.get("width")

    @property
    def height(self) -> int | None:
        """Of the upright picture in pixels; None where it cannot be read."""
        return self.get("height")

    @property
    def unfamiliar(self) -> float | None:
        """The share of validation pictures that are more like the training pictures than this one, from 0 to
        1; None where it was not measured.
        """
        return self.get("unfamiliar")

    @property
    def unknown(self) -> bool:
        """Whether the picture is so unfamiliar that its answers should not be trusted."""
        return bool(self.get("unknown", False))

    def draw(self) -> Image.Image:
        """The picture with its answers on it: boxes with captions, all else on a strip below.

        Raises:
            PictureError: there are no answers, or the picture cannot be read any more.
        """
        return self._drawn(lines=True)

    def headline(self) -> str:
        unknown = "  (unknown: unlike the training pictures)" if self.unknown else ""
        size = f"  {self.width}×{self.height}" if self.width else ""
        return f"{self.image}{size}{unknown}{f'  {self.error}' if self.error else ''}"

    def rows(self) -> list[Row]:
        """A row per task, with its answer in words."""
        return [{"task": name, "answer": text} for name, text in self.in_words().items()]

    def in_words(self) -> dict[str, str]:
        """One short text per task."""
        return {name: self._tasks[name].format_prediction(answer) for name, answer in self.answers.items()}

    def _drawn(self, *, lines: bool, largest: int = 1280) -> Image.Image:
        if self.error or self._ref is None:
            raise PictureError(self.error or "is not at hand any more", location=self.image)
        try:
            return annotated(self, self._ref, self._tasks, self._limits, largest=largest, lines=lines)
        except OSError as error:
            what = f"cannot be read any more ({error.strerror or error})"
            raise PictureError(what, location=self.image) from None

    def _repr_html_(self) -> str:
        return framed(self._figure())

    def _figure(self) -> str:
        """The picture with its boxes, and beside it a block per task."""
        caption = f"<p><b>{html.escape(self.headline())}</b></p>"
        if self.error:
            return caption
        try:
            file = io.BytesIO()
            self._drawn(lines=False, largest=PIXELS).save(file, "JPEG", quality=85)
            source = f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
            picture = f'<img alt="{html.escape(self.image)}" src="{source}" style="max-width:{PIXELS}px">'
        except PictureError as error:
            picture = f"<i>{html.escape(error.what)}</i>"
        blocks = "".join(
            f'<div style="margin-bottom:.5em"><b>{html.escape(name)}</b> {html.escape(text)}'
            f"{_bars(self.answers[name])}</div>"
            for name, text in self.in_words().items()
        )
        return (
            f'{caption}<div style="display:flex;flex-wrap:wrap;gap:1em;align-items:flex-start">'
            f'{picture}<div style="min-width:14em">{blocks}</div></div>'
        )


class Answers(ResultList[Answer]):
    """The answers to several pictures, in order."""

    def headline(self) -> str:
        count = len(self)
        failed = sum(bool(answer.error) for answer in self)
        unread = f", {failed:,} of them cannot be read" if failed else ""
        return f"answers to {count:,} picture{'' if count == 1 else 's'}{unread}"

    def rows(self) -> list[Row]:
        """A row per picture with the columns that ``oneglance predict --out answers.csv`` writes."""
        return [flattened(answer) for answer in self]

    def to_frame(self) -> DataFrame:
        """A frame of pandas: a row per picture, and the columns of ``oneglance predict --out answers.csv``.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return super().to_frame()

    def __repr__(self) -> str:
        return "\n".join([self.headline(), *text_table([_in_a_line(answer) for answer in self])])

    def _repr_html_(self) -> str:
        figures = "".join(answer._figure() for answer in self[:PICTURES])
        more = len(self) - PICTURES
        rest = f"<p>… and {more:,} more</p>" if more > 0 else ""
        return framed(f"<p>{html.escape(self.headline())}</p>{figures}{rest}")


def _in_a_line(answer: Answer) -> Row:
    words: Row = {"image": answer.image, **answer.in_words()}
    return {**words, "error": answer.error} if answer.error else words


def _bars(answer: Prediction) -> str:
    """A bar per probable class, for an answer that holds probabilities."""
    probabilities = answer.get("probabilities")
    if not isinstance(probabilities, Mapping):
        return ""
    return "".join(_each_bar(sorted(probabilities.items(), key=lambda pair: -pair[1])[:BARS]))


def _each_bar(shares: Sequence[tuple[str, float]]) -> Iterator[str]:
    for name, share in shares:
        yield (
            '<div style="display:flex;gap:.5em;align-items:center;font-size:.9em">'
            f'<span style="width:7em;overflow:hidden;text-overflow:ellipsis">{html.escape(name)}</span>'
            '<span style="width:8em;border:1px solid currentColor;height:.6em">'
            f'<span style="display:block;height:100%;width:{100 * share:.1f}%;background:currentColor">'
            f"</span></span><span>{share:.0%}</span></div>"
        )
