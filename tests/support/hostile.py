"""Names that mean something to a browser, and a network whose classes are called so."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from oneglance import config as configuration
from oneglance.data.record import Box, BoxAnnotations
from oneglance.inference.engine import Engine, EngineOutput
from oneglance.inference.predictor import Predictor
from oneglance.model import Model
from oneglance.task import build_tasks

NAMES = (
    "<img src=x onerror=ran(1)>",
    '"><script>ran(2)</script>',
    "</td></table></title></style></textarea><svg onload=ran(3)>",
    "javascript:ran(4)",
    "\u202egnp.exe\u202c\u202e",  # right to left from here
    "x" * 10_000,
    "__proto__",
    "&lt;b&gt;&amp;",
    "{{7*7}}${7*7}`'\"",
    "' onmouseover='ran(5)",
)

CONFIG = """
sources = [{path = "none"}]
[tasks]
kind = {type = "label"}
style = {type = "tags", none = ["plain"]}
price = {type = "number", unit = '"><script>ran(6)</script>'}
objects = {type = "boxes", attributes = {colour = {type = "label"}}}
look = {type = "embedding", like = "kind", size = 4}
constructor = {type = "label"}
[backbone]
name = "small"
size = 32
"""


class HostileEngine(Engine):
    """Answers with the name that the red of a picture tells the number of, in every task."""

    def forward(self, canvases: np.ndarray) -> EngineOutput:
        count, classes = len(canvases), len(NAMES)
        chosen = np.round(canvases[:, 16, 16, 0] / 25).astype(int) % classes
        label = np.where(np.arange(classes) == chosen[:, None], 4.0, -4.0).astype(np.float32)
        boxes = np.full((count, 2, 4 + 2 * classes), -9, np.float32)
        boxes[:, 0, :4] = [8, 8, 24, 24]
        boxes[:, 1, :4] = [2, 2, 6, 6]
        boxes[:, :, 4 : 4 + classes] = boxes[:, :, 4 + classes :] = label[:, None]
        raw: dict[str, np.ndarray] = {
            "kind": label,
            "style": label,
            "price": np.zeros((count, 1), np.float32),
            "objects": boxes,
            "look": np.ones((count, 4), np.float32) / 2,
            "constructor": label[:, :2],
        }
        return EngineOutput(np.zeros((count, 2), np.float32), raw)


def hostile() -> Model:
    """The network."""
    config = configuration.parse(CONFIG, base=Path())
    tasks = build_tasks(config.tasks)
    tasks["kind"].fit_target(NAMES)
    tasks["style"].fit_target([tasks["style"].read([name]) for name in NAMES])
    tasks["price"].fit_target([1.0, 2.0, 3.0])
    boxes = (Box(1, 1, 2, 2, name, {"colour": name}) for name in NAMES)
    tasks["objects"].fit_target([BoxAnnotations((box,)) for box in boxes])
    tasks["look"].fit_target(NAMES)
    tasks["constructor"].fit_target(NAMES[:2])
    return Model(Predictor(HostileEngine(), tasks, config))


def classes() -> list[str]:
    """The classes of its label, in the order in which red counts them."""
    return list(hostile().tasks["kind"].state()["classes"])
