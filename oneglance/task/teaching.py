"""How a task is taught by a teacher: a finished network that answers the same question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from oneglance.errors import ConfigError, DataError
from oneglance.storage.task_state import InvalidState
from oneglance.task.answers import Target
from oneglance.task.learning import Learning, by_share
from oneglance.task.state import Stateful

if TYPE_CHECKING:
    from torch import Tensor, nn

    from oneglance.batch_transform import Mix, View
    from oneglance.data.images.letterbox import Placement
    from oneglance.task import Prediction, Task


class Teachable(Learning, Stateful):
    """Soft targets of a teacher and the loss against them. A type that brings neither has no teacher."""

    # The share of a true answer that a teacher's takes by default. What a network makes of all classes says
    # more than one true class does (Hinton et al. 2015, arXiv 1503.02531); of a number it says nothing more.
    teacher_weight: ClassVar[float] = 0.5

    if TYPE_CHECKING:
        type: str  # a key of its table

    def refuse_teacher(self, teacher: Task) -> None:
        """
        Raises:
            ConfigError: ``teacher``, the task of a finished network, cannot teach this one: another type,
                other classes, another unit; or this type brings no ``teach``. What is not learned yet is not
                compared.
        """
        if teacher.type != self.type:
            raise ConfigError(
                f"is of type {teacher.type} there and of type {self.type} here",
                hint="ask for the same type here, or leave this teacher out",
            )
        if type(self).teach is Teachable.teach or type(self).soft_target is Teachable.soft_target:
            raise ConfigError(
                f"tasks of type {self.type} cannot learn from a teacher: the type brings no `teach`",
                hint="take the run out of [training] teachers, or rename the task there",
            )

    def learn_from(self, teacher: Task) -> None:
        """Take classes and scale from ``teacher``, where nobody has answered; else see ``fit_target``.

        Raises:
            DataError: they do not fit the table of this task.
        """
        try:
            self.restore(teacher.state())
        except InvalidState as error:
            raise DataError(f"cannot learn from its teacher alone: {error}", location=self.name) from None

    def prepare_to_teach(self, head: nn.Module) -> None:
        """As the task of a teacher whose network is at hand: from now on its ``head`` there may give more
        than answers need, as long as ``decode`` understands it.
        """

    def soft_target(
        self, raw: np.ndarray, teacher: Task, places: Sequence[tuple[Placement, Placement]] | None = None
    ) -> Target:
        """What ``teacher`` says of n pictures, as arrays that ``teach`` learns from.

        Args:
            raw: float32 [n, ...], the raw output of the teacher's network, as any engine gives it.
            teacher: its task, which ``refuse_teacher`` has let pass.
            places: of each picture, how it lies on the teacher's canvas and on that of this network; None:
                alike. Only what has a position needs it.

        Returns:
            float32 or whole-numbered arrays whose first axis is the picture; among them ``trust``, float32
            [n, ...] in 0 to 1: how much each answer counts. An unsure teacher teaches less.
        """
        raise NotImplementedError

    def teach(self, raw: Tensor, soft: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """(loss, weight) of the raw output against ``soft_target``, element by element, of the same shape as
        ``loss`` gives, and of its size: an answer of a sure teacher counts as much as a true one. The loss is
        least where the network answers as its teacher.
        """
        raise NotImplementedError

    def mixed_teach(self, raw: Tensor, soft: Mapping[str, Tensor], mix: Mix) -> tuple[Tensor, Tensor]:
        """The same for pictures that were mixed after their teacher saw them."""
        return by_share(self.teach, raw, soft, mix)

    def transform_soft_target(self, soft: Mapping[str, Tensor], view: View) -> dict[str, Tensor]:
        """The soft target of the pictures that ``view`` shows, after a teacher saw the old ones."""
        alone = view.single_image
        trust = soft["trust"]
        return {**soft, "trust": trust * alone.view(-1, *[1] * (trust.ndim - 1)).to(trust.dtype)}

    def says_something(self, soft: Target) -> bool:
        """Whether anything can be learned from the soft target of all pictures."""
        return bool((soft["trust"] > 1e-3).any())

    def disagreement(self, soft: Target, target: Target) -> str:
        """Why the teacher of ``soft`` cannot mean what people mean by ``target``, such as another unit, in
        words; "" where it may.
        """
        return ""

    def drawn_answer(self, prediction: Prediction, random: np.random.Generator) -> Any | None:
        """A typed answer in the place of an unknown one, drawn with the probabilities of ``prediction``, so
        that whoever is calibrated or scored by many of them is as sure as the network; None: there is none.
        """
        return None
