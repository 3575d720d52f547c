"""The head of most tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn


class MLP(nn.Module):
    """A multi-layer perceptron; without hidden layers it is one linear layer.

    Its last layer starts small with the given bias, so that the first answers are the best constant ones.
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        outputs: int,
        *,
        dropout: float,
        bias: np.ndarray,
        added: MLP | None = None,
    ) -> None:
        """``added`` looks at the same vector, and its raw output comes after this one's."""
        super().__init__()
        self.added = added
        layers: list[nn.Module] = []
        for width in hidden:
            layers += [nn.Dropout(dropout), nn.Linear(inputs, width), nn.ReLU()]
            inputs = width
        self.body = nn.Sequential(*layers)
        self.drop = nn.Dropout(dropout)
        self.last = nn.Linear(inputs, outputs)
        nn.init.normal_(self.last.weight, std=0.01)
        with torch.no_grad():
            self.last.bias.copy_(torch.as_tensor(bias))
        self.own = inputs if hidden else outputs  # width of the task's own features

    def forward(self, vector: Tensor, maps: Sequence[Tensor] = ()) -> tuple[Tensor, Tensor]:
        """(own features [n, own], raw output [n, outputs]); own: the last hidden layer, else the output.
        It looks at the vector [n, inputs] alone.
        """
        inner = self.body(vector)
        raw = self.last(self.drop(inner))
        own = inner if len(self.body) else raw
        if self.added is not None:
            raw = torch.cat([raw, self.added(vector)[1]], dim=1)
        return own, raw
