"""torch's optimizers without the import of its compiler.

Their methods are decorated so that torch.compile leaves them alone, and for that the first call imports the
compiler: two to four seconds and 160 MB of every training. Here only the forward pass is ever compiled, so
the methods below are the same ones undecorated.
"""

from __future__ import annotations

from inspect import unwrap

import torch


class Eager(torch.optim.Optimizer):
    """What all of them share."""

    add_param_group = unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = unwrap(torch.optim.Optimizer.zero_grad)
    state_dict = unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = unwrap(torch.optim.Optimizer.load_state_dict)


class AdamW(Eager, torch.optim.AdamW):
    """As torch has it (Loshchilov and Hutter 2019, arXiv 1711.05101)."""

    step = torch.no_grad()(unwrap(torch.optim.AdamW.step))


class SGD(Eager, torch.optim.SGD):
    """As torch has it."""

    step = torch.no_grad()(unwrap(torch.optim.SGD.step))
