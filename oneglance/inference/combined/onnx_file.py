"""One .onnx file of several networks: an input for each distinct canvas, and the outputs of each network."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field, TypeAdapter

from oneglance import __version__
from oneglance.data.images.decode import Limits
from oneglance.data.images.decoding.decode_pool import Decode
from oneglance.data.images.letterbox import Fit
from oneglance.inference.bounded_passes import BoundedPasses
from oneglance.inference.combined.predictor import CombinedPredictor, Member, distinct_canvases
from oneglance.inference.engine import Engine, EngineOutput, JointEngine
from oneglance.inference.engines.onnx import (
    CPU,
    EXPORT_AGAIN,
    INPUT,
    Contents,
    OpenedFile,
    engine_output,
    has_middle,
    output_names,
    packed,
    unpacked_content,
    whole,
)
from oneglance.inference.predictor import Predictor
from oneglance.inference.trial import try_once
from oneglance.storage.run_files import FolderName, Part, in_form

NETWORKS = "networks"  # the key of the metadata that tells such a file from that of one network
MOST = 64  # networks of a file


class KeptMember(Part):
    """What the metadata say of one network."""

    name: FolderName
    rename: dict[str, str]
    content: dict[str, Any]  # what the file of the network alone would say


MEMBERS = TypeAdapter(Annotated[list[KeptMember], Field(min_length=1, max_length=MOST)])


def prefix(number: int) -> str:
    """Of all names in the graph of the network of that number."""
    return f"{number}/"


def input_name(view: int) -> str:
    """The input for the distinct canvas of that number."""
    return f"{INPUT} {view + 1}" if view else INPUT


def outputs_of(number: int, tasks: Sequence[str], session: Any) -> list[str]:
    """The outputs of the network of that number."""
    return [prefix(number) + name for name in output_names(tasks, has_middle(session, prefix(number)))]


def packed_members(members: Sequence[Member]) -> str:
    """What answers need, as JSON."""
    networks = [
        {
            "name": member.name,
            "rename": dict(member.rename),
            "content": json.loads(packed(one.config, one.tasks, one.novelty)),
        }
        for member in members
        for one in (member.predictor,)
    ]
    content = {"version": __version__, NETWORKS: networks}
    return json.dumps(content, ensure_ascii=False, allow_nan=False)


def open_combined_file(
    file: OpenedFile, content: Mapping[str, Any], false_alarm: float | None = None
) -> CombinedPredictor:
    """The networks of an .onnx file.

    Args:
        content: its metadata.

    Raises:
        RunError: it is damaged.
    """
    location = str(file.path)
    with whole(file.path):
        kept = in_form(content[NETWORKS], MEMBERS)
        parts: list[Contents] = [unpacked_content(one.content, location) for one in kept]
        decoding = [Decode(Fit.declared(one.config), Limits.declared(one.config)) for one in parts]
        canvases = distinct_canvases(decoding)
        tasks = [list(one.tasks) for one in parts]
        names = [one.rename.get(name, name) for one, own in zip(kept, tasks, strict=True) for name in own]
        if len(set(names)) < len(names) or len({one.name for one in kept}) < len(kept):
            raise ValueError("two of its networks or tasks have the same name")
        refuse_other_inputs(file.session, canvases, tasks)
    joint = JointOnnxEngine(file.session, canvases, tasks, file.passes, file.reopen, location)
    members = []
    for number, (one, part) in enumerate(zip(kept, parts, strict=True)):
        engine = PartOfEngine(joint, number, canvases.index(decoding[number]))
        size = part.config.backbone.canvas
        try_once(engine, part.tasks, size, part.novelty, location=location, hint=EXPORT_AGAIN)
        predictor = Predictor(engine, part.tasks, part.config, part.novelty, false_alarm)
        members.append(Member(one.name, predictor, one.rename))
    return CombinedPredictor(members, joint)


def refuse_other_inputs(session: Any, canvases: Sequence[Decode], tasks: Sequence[Sequence[str]]) -> None:
    """
    Raises:
        ValueError: the graph has other inputs or outputs than these canvases and these tasks of each network.
    """
    taken = [(one.name, one.type, tuple(one.shape[1:])) for one in session.get_inputs()]
    if taken != [(input_name(view), "tensor(uint8)", one.fit.shape) for view, one in enumerate(canvases)]:
        raise ValueError(f"it takes {taken}")
    given = [output.name for output in session.get_outputs()]
    if given != [name for number, own in enumerate(tasks) for name in outputs_of(number, own, session)]:
        raise ValueError(f"it gives {given}")


class JointOnnxEngine(JointEngine):
    """One session that runs all networks.

    Args:
        canvases: the distinct ones, in the order of the inputs.
        tasks: own names of those of each network.
        reopen: opens another session, for so many threads; None: that cannot be done.
        location: the file, for messages.
    """

    def __init__(
        self,
        session: Any,
        canvases: Sequence[Decode],
        tasks: Sequence[Sequence[str]],
        passes: int = 1,
        reopen: Callable[[int], Any] | None = None,
        location: str = "",
    ) -> None:
        self.session, self.canvases, self.tasks = session, list(canvases), tasks
        self.passes, self._reopen, self._location = passes, reopen, location
        self._bounded = BoundedPasses(session, location)
        self._outputs = [outputs_of(number, own, session) for number, own in enumerate(tasks)]
        self.on_gpu = session.get_providers()[0] != CPU

    def forward(self, canvases: Sequence[np.ndarray]) -> list[EngineOutput]:
        """See ``JointEngine``."""
        feeds = {input_name(view): np.ascontiguousarray(each) for view, each in enumerate(canvases)}
        values = iter(self._bounded.run_all([name for each in self._outputs for name in each], feeds))
        return [
            engine_output(own, [next(values) for _ in names])
            for own, names in zip(self.tasks, self._outputs, strict=True)
        ]

    def latency_mode(self, threads: int) -> JointOnnxEngine:
        """See ``OnnxEngine``."""
        own = self.session.get_session_options().intra_op_num_threads
        if self._reopen is None or self.on_gpu or threads <= own:
            return self
        return JointOnnxEngine(self._reopen(threads), self.canvases, self.tasks, location=self._location)


class PartOfEngine(Engine):
    """One network of a session that always runs all of them: for trials, not for speed."""

    def __init__(self, joint: JointOnnxEngine, number: int, view: int) -> None:
        self._joint, self._number, self._view = joint, number, view
        self.passes, self.on_gpu = joint.passes, joint.on_gpu

    def forward(self, canvases: np.ndarray) -> EngineOutput:
        """See ``Engine``; the other networks get black pictures."""
        blank = [np.zeros((len(canvases), *one.fit.shape), np.uint8) for one in self._joint.canvases]
        blank[self._view] = canvases
        return self._joint.forward(blank)[self._number]
