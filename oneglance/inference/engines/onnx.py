"""ONNX Runtime as the engine: one .onnx file that holds the network and all that its answers need."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from oneglance import __version__
from oneglance.config import Config
from oneglance.errors import ConfigError, RunError
from oneglance.inference.bounded_passes import BoundedPasses, bounded_memory
from oneglance.inference.engine import Engine, EngineOutput
from oneglance.inference.familiarity.novelty import Novelty
from oneglance.inference.parallel_passes import threads_of_each
from oneglance.inference.trial import try_once
from oneglance.parallel.cpus import threads
from oneglance.storage.plain_files import is_file
from oneglance.storage.remote.local_files import local_file
from oneglance.storage.task_state import InvalidState, restore
from oneglance.task import Task, build_tasks
from oneglance.toml.tables import read_table

INPUT = "pictures"  # uint8 [n, h, w, 3]
VECTORS = "shared features"  # with a space: no name of a value inside the network has one
MIDDLE = "middle features"  # the last output of networks that have them
KEY = "oneglance"  # of the metadata: JSON
CPU = "CPUExecutionProvider"
EXPORT_AGAIN = "write it anew with: oneglance export RUN"


def output_name(task: str) -> str:
    """The output of the file that is the raw output of a task."""
    return f"{task} raw"


def output_names(tasks: Iterable[str], has_middle: bool) -> list[str]:
    """All outputs of the file of a network."""
    return [VECTORS, *map(output_name, tasks), *([MIDDLE] if has_middle else [])]


def engine_output(tasks: Sequence[str], values: Sequence[np.ndarray]) -> EngineOutput:
    """From what has the names of ``output_names``."""
    vectors, *raw = values
    middle = raw.pop() if len(raw) > len(tasks) else None
    return EngineOutput(vectors, dict(zip(tasks, raw, strict=True)), middle=middle)


def has_middle(session: Any, prefix: str = "") -> bool:
    """Whether it gives features from halfway up; files of before do not."""
    return any(output.name == prefix + MIDDLE for output in session.get_outputs())


class Contents(NamedTuple):
    """What a file holds beside the network."""

    config: Config  # what answers depend on; the rest is as if left out
    tasks: dict[str, Task]
    novelty: Novelty | None


class OnnxEngine(Engine):
    """A session of ONNX Runtime.

    Args:
        reopen: opens another session, for so many threads; None: that cannot be done.
        location: the file, for messages.
    """

    def __init__(
        self,
        session: Any,
        tasks: Sequence[str],
        passes: int = 1,
        reopen: Callable[[int], Any] | None = None,
        location: str = "",
    ) -> None:
        self.session, self.tasks, self.passes, self._reopen = session, list(tasks), passes, reopen
        self._bounded, self._location = BoundedPasses(session, location), location
        self.on_gpu = session.get_providers()[0] != CPU
        self.outputs = output_names(tasks, has_middle(session))

    def forward(self, canvases: np.ndarray) -> EngineOutput:
        """See ``Engine``."""
        return EngineOutput.joined([self._pass(piece) for piece in self.pieces(canvases)])

    def _pass(self, canvases: np.ndarray) -> EngineOutput:
        return engine_output(
            self.tasks, self._bounded.run(self.outputs, INPUT, np.ascontiguousarray(canvases))
        )

    def latency_mode(self, threads: int) -> OnnxEngine:
        """See ``Engine``. How many threads a pass takes is a matter of the session."""
        own = self.session.get_session_options().intra_op_num_threads
        if self._reopen is None or self.on_gpu or threads <= own:
            return self
        return OnnxEngine(self._reopen(threads), self.tasks, location=self._location)


def open_file(path: Path, device: str = "auto", passes: int = 0) -> tuple[OnnxEngine, Contents]:
    """The network of an .onnx file that ``export`` wrote, and what it holds beside it.

    Args:
        passes: forward passes in parallel; 0: as many as are of use.

    Raises:
        RunError: there is no such file, it is damaged, or somebody else wrote it.
        ConfigError: no such device here.
    """
    return read_file(opened_file(path, device, passes))


class OpenedFile(NamedTuple):
    """A file whose graph is ready to run, and whose metadata are read."""

    path: Path
    session: Any
    content: Any  # the metadata, as JSON values
    passes: int
    reopen: Callable[[int], Any]  # opens another session, for so many threads


def opened_file(path: Path, device: str = "auto", passes: int = 0) -> OpenedFile:
    """See ``open_file``."""
    if not is_file(path):
        raise RunError("there is no such file", location=str(path), hint=EXPORT_AGAIN)
    try:
        path = local_file(path)
    except OSError as error:
        raise RunError(f"cannot be read ({error.strerror})", location=str(path)) from None
    passes = passes or passes_for(device)
    reopen = partial(open_session, str(path), device, location=str(path))
    session = reopen(threads_of_each(passes))
    with whole(path):  # text that is no UTF-8
        text = session.get_modelmeta().custom_metadata_map.get(KEY)
    if text is None:
        raise RunError(
            "was not written by oneglance: it does not say what its answers mean",
            location=str(path),
            hint=EXPORT_AGAIN,
        )
    with whole(path):
        return OpenedFile(path, session, json.loads(text), passes, reopen)


def read_file(file: OpenedFile) -> tuple[OnnxEngine, Contents]:
    """The network of a file that holds one; see ``open_file``."""
    path = file.path
    with whole(path):
        contents = unpacked_content(file.content, str(path))
        width, height = contents.config.backbone.canvas
        refuse_other_shapes(file.session, list(contents.tasks), (height, width, 3))
    engine = OnnxEngine(file.session, list(contents.tasks), file.passes, file.reopen, str(path))
    try_once(
        engine,
        contents.tasks,
        contents.config.backbone.canvas,
        contents.novelty,
        location=str(path),
        hint=EXPORT_AGAIN,
    )
    return engine, contents


def refuse_other_shapes(session: Any, tasks: Sequence[str], shape: tuple[int, int, int]) -> None:
    """
    Raises:
        ValueError: the graph has other inputs or outputs than pictures of this shape and these tasks.
    """
    (pictures,) = session.get_inputs()
    outputs = [output.name for output in session.get_outputs()]
    if (pictures.name, pictures.type, tuple(pictures.shape[1:])) != (INPUT, "tensor(uint8)", shape):
        raise ValueError(f"it takes {pictures.shape}")
    if outputs != output_names(tasks, has_middle(session)):
        raise ValueError(f"it gives {outputs}")


def passes_for(device: str) -> int:
    """How many passes of a session are of use in parallel: one per processor, or one on a GPU.

    Raises:
        ConfigError: no such device here.
    """
    return threads() if providers(device)[0] == CPU else 1


def open_session(model: str | bytes, device: str, threads: int, *, location: str) -> Any:
    """A session for a file, or for what would be in it, whose passes take so many threads.

    Raises:
        RunError: ONNX Runtime cannot read it.
        ConfigError: no such device here.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised as well
    options.intra_op_num_threads = threads
    bounded_memory(options)
    # Between passes its threads sleep. By default they spin, and take the processors
    # from those that decode pictures and from whatever else runs here.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    engines = providers(device)
    try:
        # Its second try, on the processor alone, is announced on the screen.
        retried = int(engines != [CPU])
        return onnxruntime.InferenceSession(model, options, providers=engines, enable_fallback=retried)
    except Exception:  # its errors have no common class
        raise RunError(
            "is damaged, or newer than ONNX Runtime here", location=location, hint=EXPORT_AGAIN
        ) from None


def providers(device: str) -> list[str]:
    """What ONNX Runtime may run on, the best first.

    Raises:
        ConfigError: no such device here.
    """
    import onnxruntime

    gpu = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    available = {"cpu": [CPU]}
    if gpu:
        available["cuda"] = available["auto"] = ["CUDAExecutionProvider", CPU]
    available.setdefault("auto", available["cpu"])
    if device not in available:
        here = ", ".join(sorted(available.keys() - {"auto"}))
        raise ConfigError(f'the device is "{device}", which ONNX Runtime here does not have. Here: {here}.')
    return available[device]


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """What goes wrong in understanding the file is a damage of it: only we write such files."""
    try:
        yield
    except InvalidState as error:
        raise RunError(f"is damaged: {error}", location=str(path), hint=EXPORT_AGAIN) from None
    except Exception:  # a foreign file may fail anywhere
        raise RunError(
            "is damaged, or of another version of oneglance", location=str(path), hint=EXPORT_AGAIN
        ) from None


# What stands in the metadata.


def packed(config: Config, tasks: Mapping[str, Task], novelty: Novelty | None) -> str:
    """What answers need, as JSON. Paths of the data, and all else that says who and where, are left out."""
    backbone = {"name": config.backbone.name, "size": config.backbone.size, "mirror": config.backbone.mirror}
    return json.dumps(
        {
            "version": __version__,
            "config": {"tasks": config.tasks, "backbone": backbone, "pictures": config.pictures.model_dump()},
            "tasks": {name: task.state() for name, task in tasks.items()},
            "novelty": {n: as_text(a) for n, a in novelty.arrays().items()} if novelty else None,
        },
        ensure_ascii=False,
        allow_nan=False,
    )


def unpacked(text: str, location: str) -> Contents:
    """The mirror of ``packed``."""
    return unpacked_content(json.loads(text), location)


def unpacked_content(content: Any, location: str) -> Contents:
    """The same of JSON values."""
    config: Config = read_table(Config, {"sources": [{}], **declared(content)}, location=location)
    tasks = build_tasks(config.tasks, location)
    restore(tasks, content["tasks"])
    arrays = content["novelty"]
    novelty = Novelty.restored({name: from_text(a) for name, a in arrays.items()}) if arrays else None
    return Contents(config, tasks, novelty)


def declared(content: Any) -> dict[str, Any]:
    """The tables that ``packed`` wrote; others, such as [cache], are not for the file to say."""
    return {name: content["config"][name] for name in ("tasks", "backbone", "pictures")}


def as_text(array: np.ndarray) -> dict[str, Any]:
    """An array of numbers as JSON values; its bytes are little-endian."""
    little = array.astype(array.dtype.newbyteorder("<"))
    data = base64.b64encode(little.tobytes()).decode("ascii")
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": data}


def from_text(encoded: Mapping[str, Any]) -> np.ndarray:
    """The mirror of ``as_text``.

    Raises:
        ValueError: it is no array of small numbers.
    """
    if encoded["dtype"] not in ("float16", "float32"):
        raise ValueError(encoded["dtype"])
    data = base64.b64decode(encoded["data"], validate=True)
    return np.frombuffer(data, dtype=np.dtype(encoded["dtype"]).newbyteorder("<")).reshape(encoded["shape"])
