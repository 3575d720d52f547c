"""What a path holds that answers pictures: a run folder, a combined folder or an .onnx file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from oneglance.inference.answering import Answering
from oneglance.inference.predictor import Predictor, open_predictor
from oneglance.storage.plain_files import is_file, is_folder
from oneglance.storage.run_files import COMBINED


def open_answering(
    path: str | Path,
    *,
    device: str = "auto",
    precision: str = "",
    false_alarm: float | None = None,
    passes: int = 0,
) -> Answering[Any]:
    """One network, see ``open_predictor``, or several that ``combine`` put together.

    Raises:
        RunError: it is none of these, not finished, or damaged.
        ConfigError: no such device here, or a share of false alarms too small for the validation split.
    """
    if is_file(Path(path) / COMBINED):
        from oneglance.inference.combined.predictor import CombinedPredictor
        from oneglance.storage.combined_folder import CombinedFolder

        return CombinedPredictor.open(
            CombinedFolder.open(path),
            device=device,
            precision=precision,
            false_alarm=false_alarm,
            passes=passes,
        )
    if Path(path).suffix.lower() == ".onnx" and not is_folder(path):
        from oneglance.inference.combined.onnx_file import NETWORKS, open_combined_file
        from oneglance.inference.engines.onnx import opened_file, read_file

        file = opened_file(Path(path), device, passes)
        if isinstance(file.content, dict) and NETWORKS in file.content:
            return open_combined_file(file, file.content, false_alarm)
        engine, contents = read_file(file)
        return Predictor(engine, contents.tasks, contents.config, contents.novelty, false_alarm)
    return open_predictor(path, device=device, precision=precision, false_alarm=false_alarm, passes=passes)
