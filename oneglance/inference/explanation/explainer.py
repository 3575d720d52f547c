"""From decoded pictures to what each of their answers rests on, for one network or several."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from oneglance.data.images.decode import Canvas
from oneglance.data.images.decoding.decode_pool import decode_with
from oneglance.data.images.letterbox import Placement
from oneglance.data.record import ImageRef
from oneglance.errors import ConfigError, nearest
from oneglance.inference.answering import Answering, Part
from oneglance.inference.explanation.grids import inside
from oneglance.inference.explanation.occlusion import occlusion_heats
from oneglance.inference.predictor import Predictor
from oneglance.report_items import ExplainedAnswer

Method = Literal["auto", "gradient", "occlusion"]
METHODS = get_args(Method)


Heat = tuple[np.ndarray, Placement]
"""float32 [h, w] of a canvas, from 0 to 1, and how the picture lies on that."""


class Explanation(NamedTuple):
    """What one answer to one picture rests on."""

    task: str
    answer: str  # as a person reads it
    heat: np.ndarray  # float32 [h, w] of the canvas, from 0 to 1
    placement: Placement  # of the picture on the canvas
    box: tuple[float, ...] | None  # where the answer lies in the picture, in its pixels
    method: str  # by which the heat was found


class Explainer:
    """Explains the answers of whatever answers pictures.

    Args:
        method: ``gradient`` needs a run folder and features with positions; ``occlusion`` passes only;
            ``auto`` is the first where it can be had.
        tasks: only these; none named: all.

    Raises:
        ConfigError: no such method or task, or this network has no gradients or no positions.
    """

    def __init__(self, answering: Answering[Any], method: str = "auto", tasks: Collection[str] = ()) -> None:
        if method not in METHODS:
            raise ConfigError(f'"{method}" is no method', hint=f"choose {', '.join(METHODS)}")
        if odd := sorted(set(tasks) - set(answering.tasks)):
            raise ConfigError(f'there is no task "{odd[0]}".{nearest(odd[0], answering.tasks)}')
        self._tasks = set(tasks) or set(answering.tasks)
        self._parts = [part for part in answering.parts() if self._tasks & set(part.names.values())]
        reasons = {why for part in self._parts if (why := no_gradients(part.predictor))}
        if reasons and method == "gradient":
            raise ConfigError(
                f"{min(reasons)}, so there are no maps from gradients", hint="--method occlusion"
            )
        self.method = "gradient" if method == "auto" and not reasons else method
        self.remark = (
            f"{min(reasons)}: parts of each picture are hidden in turn, which is slow" if reasons else ""
        )

    def explain(self, decoded: Any) -> Iterator[Explanation]:
        """Of each answer to one picture, in the order of the tasks."""
        for part in self._parts:
            wanted = {own: name for own, name in part.names.items() if name in self._tasks}
            yield from self._explained(part, part.canvas_of(decoded), wanted)

    def _explained(self, part: Part, canvas: Canvas, wanted: Mapping[str, str]) -> Iterator[Explanation]:
        predictor = part.predictor
        placement = predictor.fit.placement(canvas.width, canvas.height)
        shown = predictor.fit.shown(canvas.width, canvas.height)
        by_gradient = self.method == "gradient" or (self.method == "auto" and not no_gradients(predictor))
        heat_of: Callable[[str, ExplainedAnswer], np.ndarray] | None = None
        if by_gradient:
            from oneglance.inference.explanation.gradients import GradientPass

            passed = GradientPass(predictor.network, canvas.pixels)
            raw, heat_of = passed.raw, passed.heat
        else:
            raw = predictor.forward(canvas.pixels[None]).raw
        answers = {own: predictor.tasks[own].explained_answers(raw[own]) for own in wanted}
        slow = {
            own: [one for one in several if heat_of is None or one.slope is None]
            for own, several in answers.items()
        }
        slow_heats = iter(_occluded(predictor, canvas, slow))
        for own, several in answers.items():
            for answer in several:
                if heat_of is None or answer.slope is None:
                    heat, method = next(slow_heats), "occlusion"
                else:
                    heat, method = inside(heat_of(own, answer), shown), "gradient"
                yield Explanation(
                    wanted[own], answer.words, heat, placement, _in_picture(answer, placement), method
                )


def heats_of(predictor: Predictor, task: str, refs: Sequence[ImageRef]) -> Iterator[Heat | None]:
    """What the answer to each picture rests on as a whole, from gradients; None where there are none, or
    nothing is answered, or the picture cannot be read any more.
    """
    if not refs or no_gradients(predictor):
        yield from (None for _ in refs)
        return
    from oneglance.inference.explanation.gradients import GradientPass

    for canvas in decode_with(predictor.decoding, refs, predictor.workers):
        if not isinstance(canvas, Canvas):
            yield None
            continue
        passed = GradientPass(predictor.network, canvas.pixels)
        whole = ExplainedAnswer.joined(predictor.tasks[task].explained_answers(passed.raw[task]))
        placement = predictor.fit.placement(canvas.width, canvas.height)
        shown = predictor.fit.shown(canvas.width, canvas.height)
        yield None if whole is None else (inside(passed.heat(task, whole), shown), placement)


def no_gradients(predictor: Predictor) -> str:
    """Why there are no maps from gradients, in words; "" where there are."""
    if predictor.engine.network is None:
        return "an .onnx file has no gradients"
    from oneglance.inference.explanation.gradients import has_positions

    if not has_positions(predictor.network):
        return f"the features of the backbone {predictor.config.backbone.name} have no positions"
    return ""


def _occluded(
    predictor: Predictor, canvas: Canvas, answers: Mapping[str, Sequence[ExplainedAnswer]]
) -> list[np.ndarray]:
    if not any(answers.values()):
        return []
    shown = predictor.fit.shown(canvas.width, canvas.height)
    heats = occlusion_heats(lambda pictures: predictor.forward(pictures).raw, canvas.pixels, shown, answers)
    return [heat for several in heats.values() for heat in several]


def _in_picture(answer: ExplainedAnswer, placement: Placement) -> tuple[float, ...] | None:
    if answer.box is None:
        return None
    corners = placement.to_image(np.array(answer.box, dtype=np.float64)[None])[0]
    return tuple(np.clip(corners, 0, np.tile([placement.width, placement.height], 2)).round(2).tolist())
