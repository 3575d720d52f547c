"""The head of an embedding, and the losses that shape it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from oneglance.nn.mlp import MLP


class Projection(nn.Module):
    """An MLP to vectors of length 1; with ``proxies``, the cosines to so many learned vectors follow."""

    def __init__(
        self, inputs: int, hidden: Sequence[int], outputs: int, *, dropout: float, proxies: int
    ) -> None:
        super().__init__()
        self.own = outputs
        self.mlp = MLP(inputs, hidden, outputs, dropout=dropout, bias=np.zeros(outputs, dtype=np.float32))
        self.proxies = nn.Parameter(torch.randn(proxies, outputs)) if proxies else None

    def forward(self, vector: Tensor, maps: Sequence[Tensor] = ()) -> tuple[Tensor, Tensor]:
        """(vectors [n, outputs], raw output [n, outputs + proxies])."""
        own = F.normalize(self.mlp(vector)[1].float(), dim=1)
        if self.proxies is None:
            return own, own
        return own, torch.cat([own, own @ F.normalize(self.proxies, dim=1).T], dim=1)


def contrastive(vectors: Tensor, key: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Supervised contrastive loss (Khosla et al. 2020, arXiv 2004.11362, equation 2) of each picture of a
    batch, relative to that of vectors that are all the same: ([n], known [n]).

    Args:
        vectors: [n, d] of length 1.
        key: int64 [n]; equal: alike; -1: nobody knows, so that it is neither near nor far from any other.
    """
    known = key >= 0
    others = known[None] & ~torch.eye(len(key), dtype=torch.bool, device=key.device)
    alike = others & (key[:, None] == key[None])
    closeness = (vectors @ vectors.T / temperature).masked_fill(~others, -torch.inf)
    # A row without any other is of no use, and its logarithm would be that of 0.
    useful = known & alike.any(dim=1)
    log = closeness - torch.logsumexp(torch.where(useful[:, None], closeness, 0), dim=1, keepdim=True)
    loss = -torch.where(alike, log, 0).sum(dim=1) / alike.sum(dim=1).clamp(min=1)
    same = torch.log(others.sum(dim=1).clamp(min=2).float())
    return loss / same, useful.float()


def proxy(cosines: Tensor, key: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Normalised softmax over one proxy per class (Zhai and Wu 2019, arXiv 1811.12649, equation 3), relative
    to that of vectors that are as near to each: ([n], known [n]).
    """
    known = key >= 0
    loss = F.cross_entropy(cosines / temperature, key.clamp(min=0), reduction="none")
    return loss / math.log(cosines.shape[1]), known.float()
