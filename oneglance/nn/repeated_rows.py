"""Arrays of which many rows are equal: each different row once, and a small number for each row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class RepeatedRows:
    """A tensor [n, ...] of which rows are made when asked for.

    Args:
        distinct: [m, ...]; there may be equal ones.
        places: whole numbers [n], of any dtype: where each row stands in ``distinct``; -1: the last.
    """

    distinct: Tensor
    places: Tensor

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, rows: Tensor) -> Tensor:
        return self.distinct[self.places[rows].long()]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The whole array."""
        return np.asarray(self.distinct[self.places.long()].cpu().numpy(), dtype=dtype)

    @property
    def device(self) -> torch.device:
        """Where its rows are made."""
        return self.distinct.device

    def to(self, device: torch.device) -> RepeatedRows:
        """The same on a device."""
        return RepeatedRows(self.distinct.to(device), self.places.to(device))


Rows = Tensor | RepeatedRows
"""What gives rows of a tensor."""

Encoded = Mapping[str, np.ndarray | RepeatedRows]
"""A target of all pictures of a split, of which equal rows may be one."""


def rows_on(device: torch.device, rows: np.ndarray | Rows) -> Rows:
    """An array on a device."""
    return rows.to(device) if isinstance(rows, RepeatedRows) else torch.as_tensor(rows).to(device)
