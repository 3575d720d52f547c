"""One file that gives the same answers as the run folder: written, compared with torch, and refused if it
does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from oneglance.errors import ConfigError, RunError, nearest
from oneglance.inference.engines.torch import TorchEngine
from oneglance.inference.export_comparison import (
    all_outputs,
    described,
    disagreement,
    random_pictures,
    records_of_splits,
    sampled,
    scores,
    speed_note,
    speed_over,
)
from oneglance.inference.exported_network import Exported, as_onnx, as_torch, quiet
from oneglance.inference.predictor import Predictor, novelty_of
from oneglance.inference.quantization import TOGETHER
from oneglance.progress import Screen
from oneglance.storage.atomic_files import write_bytes
from oneglance.storage.run_folder import RunFolder

COMPARED = 256  # pictures of the validation split that both answer
CALIBRATED = 256  # pictures of the training split from which int8 learns its ranges

TOLERANCE = {"fp32": 1e-3, "fp16": 2e-2, "int8": 0.5}  # see ``disagreement``
FORMATS = {"onnx": ("fp32", "fp16", "int8"), "torch": ("fp32", "fp16")}  # and the precisions of each
ENDINGS = {"onnx": ".onnx", "torch": ".pt2"}


def export_run(
    run: RunFolder, out: Path | None, format: str, precision: str, screen: Screen
) -> dict[str, Any]:
    """Write the averaged network of a finished run; see ``api.export``."""
    refuse(format, precision)
    ours = in_full_precision(run)
    path = out or run / f"model{'' if precision == 'fp32' else '-' + precision}{ENDINGS[format]}"
    splits = records_of_splits(run, ours, screen)
    compared = sampled(ours, splits["validation"], COMPARED) or random_pictures(ours)
    calibrated = sampled(ours, splits["train"], CALIBRATED) if precision == "int8" else compared
    if calibrated is None:
        raise RunError(
            "int8 needs training pictures, which are not where they were",
            location=run.address,
            hint="put them back, or choose --precision fp16 or fp32",
        )
    screen.say(f"writing {precision}, comparing it on {described(compared)}")
    expected = all_outputs(ours.engine, compared.canvases)
    # Another one: what is exported changes its layers.
    exported = Exported(run.network(ours.config, ours.tasks), half=precision == "fp16")
    with quiet():
        if format == "torch":
            written = as_torch(exported, ours, compared.canvases)
        else:
            written = as_onnx(exported, ours, calibrated.canvases, precision, str(path))
    outputs = all_outputs(written.engine, compared.canvases)
    differences = {
        name: disagreement(expected.raw[name], outputs.raw[name], task.raw_unit)
        for name, task in ours.tasks.items()
    }
    refuse_disagreement(differences, precision, path)
    novelty = ours.novelty
    if novelty is not None and precision != "fp32" and compared.records:
        novelty = novelty.with_familiar(
            outputs.vectors, outputs.middle
        )  # its rounding moves every picture a little
    with quiet():
        content = written.content(novelty)
    write_bytes(path, content)
    speed = None
    if written.full is not None:
        speed = speed_over(written.engine, written.full, compared.canvases[:TOGETHER])
        screen.say(speed_note(precision, speed))
    screen.close()
    before, after = (scores(ours, each.raw, compared) for each in (expected, outputs))
    return {
        "file": str(path),
        "format": format,
        "precision": precision,
        "bytes": len(content),
        "pictures": len(compared.canvases),
        "drawn": not compared.records,
        "disagreement": differences,
        "speed": speed,
        "scores": {name: {**before[name], "file": after[name]["run"]} for name in before},
    }


def in_full_precision(run: RunFolder) -> Predictor:
    """The network of a run in fp32, by torch on the processor: what files are compared with."""
    config = run.config()
    tasks = run.tasks(config)
    engine = TorchEngine(run.network(config, tasks), torch.device("cpu"))
    return Predictor(engine, tasks, config, novelty_of(run))


def refuse(format: str, precision: str) -> None:
    """
    Raises:
        ConfigError: there is no such format or precision.
    """
    if format not in FORMATS:
        raise ConfigError(f'there is no format "{format}".{nearest(format, FORMATS)}')
    if precision not in FORMATS[format]:
        raise ConfigError(
            f'the format {format} has no precision "{precision}". Known: {", ".join(FORMATS[format])}.'
        )


def refuse_disagreement(differences: Mapping[str, float], precision: str, path: Path) -> None:
    """
    Raises:
        RunError: answers differ by more than rounding explains.
    """
    wrong = {name: value for name, value in differences.items() if not value <= TOLERANCE[precision]}
    if wrong:
        most = max(wrong, key=lambda name: wrong[name])
        raise RunError(
            f"the file would answer {most} otherwise than the run: by {wrong[most]:.2g} of its largest "
            f"number, where {TOLERANCE[precision]:g} is allowed; nothing was written",
            location=str(path),
            hint="choose another precision" if precision != "fp32" else "another --format may do better",
        )
