"""What a task adds to the network: a head and its loss."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

from oneglance.task.answers import Answers

if TYPE_CHECKING:
    from torch import Tensor, nn

    from oneglance.batch_transform import Mix, View
    from oneglance.nn.feature_shape import Shape


class Learning(Answers):
    """A head and its loss against the targets, also where pictures are changed or mixed."""

    # A step of the raw output that means something, such as one logit or one standard deviation: an exported
    # file may differ by a share of it where all outputs are smaller. 0: by a share of the largest alone.
    raw_unit: ClassVar[float] = 0.0

    @property
    def answered_by(self) -> str:
        """The task whose answers it learns from: itself, another, or "" if it needs none."""
        return self.name

    @property
    def views(self) -> int:
        """Augmented copies of each picture of a batch that it needs."""
        return 1

    @abstractmethod
    def head(self, shape: Shape) -> nn.Module:
        """A module from a vector [n, shape.vector] and maps [n, c, h, w], as ``shape.maps`` says, to (own
        features [n, k], raw output [n, ...]); its ``own`` is k.
        """

    @abstractmethod
    def loss(self, raw: Tensor, target: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """(loss, labelled), of the same shape, element by element; the mask is applied by the caller."""

    def mixed_loss(self, raw: Tensor, target: Mapping[str, Tensor], mix: Mix) -> tuple[Tensor, Tensor]:
        """The same for pictures that were mixed: each answer counts by its share."""
        return by_share(self.loss, raw, target, mix)

    def transform_target(self, target: Mapping[str, Tensor], view: View) -> dict[str, Tensor]:
        """The target of the pictures that ``view`` shows. An answer about a whole picture holds of every
        picture that shows nothing else; of several at once it is unknown.
        """
        import torch

        if view.tiles.shape[1] == 1:
            return dict(target)
        alone = view.single_image
        unknown = {name: torch.as_tensor(array) for name, array in self.encode([None]).items()}
        return {
            name: torch.where(
                alone.view(-1, *[1] * (value.ndim - 1)), value, unknown[name].to(value.device, value.dtype)
            )
            for name, value in target.items()
        }

    def queried_mask(self, target: Mapping[str, Tensor]) -> Tensor:
        """bool [n, k]: which classes with positions the annotators of each picture looked for."""
        some = next(iter(target.values()))
        return some.new_zeros((len(some), 0)).bool()


def by_share(
    of: Callable[[Tensor, Mapping[str, Tensor]], tuple[Tensor, Tensor]],
    raw: Tensor,
    target: Mapping[str, Tensor],
    mix: Mix,
) -> tuple[Tensor, Tensor]:
    """(loss, weight) of mixed pictures from those of each of the two."""
    loss, labelled = of(raw, target)
    loss_other, known_other = of(raw, {key: value[mix.partner] for key, value in target.items()})
    share = mix.share * labelled, (1 - mix.share) * known_other
    labelled = share[0] + share[1]
    return (share[0] * loss + share[1] * loss_other) / labelled.clamp(min=1e-12), labelled
