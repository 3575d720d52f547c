"""How many threads torch computes with."""

from __future__ import annotations

import torch

from oneglance.parallel.cpus import threads


def use_allowed_processors() -> int:
    """At most as many threads as there are processors for this process, in a container too: torch by itself
    counts those of the whole machine, and threads that have no processor of their own wait for each other.

    Returns:
        The number of threads.
    """
    allowed = min(torch.get_num_threads(), threads())
    torch.set_num_threads(allowed)
    return allowed
