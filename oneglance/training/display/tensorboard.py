"""The history as TensorBoard shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from oneglance.config import Config
from oneglance.errors import needs_extra
from oneglance.storage.run_folder import RunFolder


@contextmanager
def tensorboard(config: Config, run: RunFolder) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A listener for rows of the history; it does nothing unless [training] tensorboard is on.

    Raises:
        MissingExtraError: it is on and TensorBoard is not installed.
    """
    if not config.training.tensorboard:
        yield lambda row: None
        return
    with needs_extra("tensorboard", "training.tensorboard = true"):
        from torch.utils.tensorboard import SummaryWriter
    with SummaryWriter(str(run / "tensorboard")) as writer:
        yield lambda row: _write(writer, row)


def _write(writer: Any, row: dict[str, Any]) -> None:
    epoch = row["epoch"]
    for name, value in row["loss"].items():
        if value is not None:
            writer.add_scalar(f"loss/{name}", value, epoch)
    for name, metrics in row["validation"].items():
        for metric, value in metrics.items():
            if value is not None:
                writer.add_scalar(f"{name}/{metric}", value, epoch)
    writer.add_scalar("rate", row["rate"], epoch)
    writer.flush()
