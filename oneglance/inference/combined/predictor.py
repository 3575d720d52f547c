"""The answers of several networks to the same pictures, behind the interface of one.

A picture's bytes are read once, and decoded onto each distinct canvas; networks with the same canvas share
it. A JPEG is decoded no larger than its canvas needs, so equal answers take a decoding for each canvas of
another scale (``canvases_of``). Each answer is equal to the bit to that of the network alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from oneglance.data.images.decode import Canvas, Limits
from oneglance.data.images.decoding.decode_pool import Decode, DecodeOntoEach
from oneglance.errors import ConfigError, nearest
from oneglance.inference.answering import Answering, Part, stacked
from oneglance.inference.engine import Engine, EngineOutput, JointEngine
from oneglance.inference.parallel_passes import SharedWork
from oneglance.inference.predictor import Predictor
from oneglance.task import Prediction, Task

if TYPE_CHECKING:
    from oneglance.storage.combined_folder import CombinedFolder

Row = dict[str, Any]


class Member(NamedTuple):
    """One of the networks."""

    name: str
    predictor: Predictor
    rename: Mapping[str, str] = {}  # its tasks that are called otherwise among all: own name -> name

    def names(self) -> dict[str, str]:
        """Of its tasks: own name -> name among all."""
        return {name: self.rename.get(name, name) for name in self.predictor.tasks}


class EnginesInTurn(JointEngine):
    """Networks that run one after the other, each on its own engine.

    Args:
        views: the number of each network's canvas among the distinct ones.
    """

    def __init__(self, engines: Sequence[Engine], views: Sequence[int]) -> None:
        self._engines, self._views = list(engines), list(views)
        self.passes = min(engine.passes for engine in engines)
        self.on_gpu = any(engine.on_gpu for engine in engines)

    def prepare_thread(self) -> None:
        """See ``Parallel``."""
        for engine in self._engines:
            engine.prepare_thread()

    @contextmanager
    def few_threads(self, count: int) -> Iterator[None]:
        """See ``Parallel``."""
        with ExitStack() as each:
            for engine in self._engines:
                each.enter_context(engine.few_threads(count))
            yield

    def forward(self, canvases: Sequence[np.ndarray]) -> list[EngineOutput]:
        """See ``JointEngine``."""
        pairs = zip(self._engines, self._views, strict=True)
        return [engine.forward(canvases[view]) for engine, view in pairs]

    def latency_mode(self, threads: int) -> EnginesInTurn:
        """See ``Engine``."""
        others = [engine.latency_mode(threads) for engine in self._engines]
        same = all(one is other for one, other in zip(self._engines, others, strict=True))
        return self if same else EnginesInTurn(others, self._views)


class CombinedPredictor(Answering[tuple[Canvas, ...]]):
    """Several networks. No two of their tasks have the same name once they are renamed."""

    def __init__(self, members: Sequence[Member], engine: JointEngine | None = None) -> None:
        """
        Args:
            engine: runs all of them; default: the engine of each in turn.
        """
        self.members = list(members)
        self.canvases = distinct_canvases([member.predictor.decoding for member in members])
        self.views = [self.canvases.index(member.predictor.decoding) for member in members]
        engines = [member.predictor.engine for member in members]
        self.engine: JointEngine = engine or EnginesInTurn(engines, self.views)
        self._work = SharedWork(self.engine)
        self.tasks = _shown_tasks(self.members)

    @classmethod
    def open(
        cls,
        combined: CombinedFolder,
        *,
        device: str = "auto",
        precision: str = "",
        false_alarm: float | None = None,
        passes: int = 0,
    ) -> CombinedPredictor:
        """Every network of a combined folder; see ``open_predictor``."""
        return cls(
            [
                Member(
                    one.name,
                    Predictor.open(
                        one.run, device=device, precision=precision, false_alarm=false_alarm, passes=passes
                    ),
                    one.rename,
                )
                for one in combined.networks
            ]
        )

    @property
    def decoding(self) -> DecodeOntoEach:
        """See ``Answering``."""
        return DecodeOntoEach(tuple(self.canvases))

    @property
    def limits(self) -> Limits:
        """See ``Answering``: those of the first network. What is answered is small enough for all."""
        return self.members[0].predictor.limits

    @property
    def workers(self) -> int:
        """See ``Answering``."""
        counts = [member.predictor.workers for member in self.members]
        return 0 if 0 in counts else max(counts)

    @property
    def on_gpu(self) -> bool:
        """See ``Answering``."""
        return self.engine.on_gpu

    def described(self) -> dict[str, Any]:
        """The same of each network under ``networks``; ``canvas`` is the largest."""
        each = {member.name: member.predictor.described() for member in self.members}
        return {
            "backbone": " + ".join(one["backbone"] for one in each.values()),
            "canvas": [self.canvases[0].fit.width, self.canvases[0].fit.height],
            "networks": {
                member.name: {**each[member.name], "tasks": list(member.names().values())}
                for member in self.members
            },
        }

    def parts(self) -> list[Part]:
        """See ``Answering``."""
        return [
            Part(member.predictor, member.names(), itemgetter(view))
            for member, view in zip(self.members, self.views, strict=True)
        ]

    def latency_mode(self, threads: int) -> CombinedPredictor:
        """See ``Answering``."""
        engine = self.engine.latency_mode(threads)
        if engine is self.engine:
            return self
        other = copy(self)
        other.engine, other._work = engine, SharedWork(engine)
        return other

    def rows(self, decoded: Sequence[tuple[Canvas, ...]], *, complete: bool = False) -> Iterator[Row]:
        """See ``Answering``. ``unfamiliar`` is that of the network to which the picture is most unfamiliar,
        and ``unknown`` is there if any of them says so; ``networks`` has what each of them says:
        ``{"a": {"unfamiliar": 0.03, "unknown": False, "tasks": ["kind"]}}``.
        """

        def answered(share: Sequence[tuple[Canvas, ...]]) -> list[Row]:
            return self._rows_of(self._outputs(share), share, complete)

        return chain.from_iterable(self._work.map(answered, decoded))

    def _rows_of(
        self, outputs: Sequence[EngineOutput], share: Sequence[tuple[Canvas, ...]], complete: bool
    ) -> list[Row]:
        canvases = [[canvas[view] for canvas in share] for view in self.views]
        parts = [
            member.predictor.rows_of(output, seen, complete=complete)
            for member, output, seen in zip(self.members, outputs, canvases, strict=True)
        ]
        return [self._joined(rows, complete) for rows in zip(*parts, strict=True)]

    def vectors(self, decoded: Sequence[tuple[Canvas, ...]], task: str = "") -> np.ndarray:
        """See ``Answering``: those of the networks one after the other."""

        def joined(share: Sequence[tuple[Canvas, ...]]) -> np.ndarray:
            return self._vectors_of(self._outputs(share), task)

        return np.concatenate(list(self._work.map(joined, decoded)))

    def rows_and_vectors(
        self, decoded: Sequence[tuple[Canvas, ...]], task: str = ""
    ) -> tuple[list[Row], np.ndarray]:
        """See ``Answering``."""

        def both(share: Sequence[tuple[Canvas, ...]]) -> tuple[list[Row], np.ndarray]:
            outputs = self._outputs(share)
            return self._rows_of(outputs, share, complete=False), self._vectors_of(outputs, task)

        shares = list(self._work.map(both, decoded))
        return [row for rows, _ in shares for row in rows], np.concatenate([each for _, each in shares])

    def _vectors_of(self, outputs: Sequence[EngineOutput], task: str) -> np.ndarray:
        if not task:
            return np.concatenate([output.vectors for output in outputs], axis=1)
        for member, output in zip(self.members, outputs, strict=True):
            for own, name in member.names().items():
                if name == task:
                    return member.predictor.vectors_of(output, own)
        raise ConfigError(f'there is no task "{task}".{nearest(task, self.tasks)}')

    def example(self) -> dict[str, Prediction]:
        """See ``Answering``."""
        own: dict[str, Prediction] = {}
        for member in self.members:
            if member.predictor.novelty is not None:
                own |= {"unfamiliar": {"value": 0.0}, "unknown": {"value": True}}
                own |= {
                    f"unfamiliar_{member.name}": {"value": 0.0},
                    f"unknown_{member.name}": {"value": True},
                }
        return {**own, **{name: task.example() for name, task in self.tasks.items()}}

    def _outputs(self, share: Sequence[tuple[Canvas, ...]]) -> list[EngineOutput]:
        """What each network makes of the same pictures."""
        return self.engine.forward(
            [stacked([canvas[view].pixels for canvas in share]) for view in range(len(self.canvases))]
        )

    def _joined(self, rows: Sequence[Row], complete: bool) -> Row:
        """The rows of all networks for the same picture as one."""
        answers: dict[str, Prediction] = {}
        networks: dict[str, Row] = {}
        for member, row in zip(self.members, rows, strict=True):
            seen = row if complete else member.predictor.seen(row)
            names = member.names()
            answers |= {names[name]: answer for name, answer in seen["answers"].items()}
            judged = {key: row[key] for key in ("unfamiliar",) if key in row}
            judged |= {"unknown": row.get("unknown", False)} if judged else {}
            networks[member.name] = {**judged, "tasks": list(names.values())}
        shares = [one["unfamiliar"] for one in networks.values() if "unfamiliar" in one]
        return {
            "width": rows[0]["width"],
            "height": rows[0]["height"],
            **({"unfamiliar": max(shares)} if shares else {}),
            **({"unknown": True} if any(one.get("unknown") for one in networks.values()) else {}),
            "networks": networks,
            "answers": answers,
        }


def distinct_canvases(each: Sequence[Decode]) -> list[Decode]:
    """Each once, the largest first: neighbours in size are most likely to share a decoding."""
    return sorted(dict.fromkeys(each), key=lambda one: -one.nbytes)


def _shown_tasks(members: Sequence[Member]) -> dict[str, Task]:
    """The tasks by their names among all. Two that read the same field of their data read that of their own
    name here: an answer to one is none to the other.
    """
    fields = Counter(
        field for one in members for task in one.predictor.tasks.values() for field in task.fields
    )
    shown: dict[str, Task] = {}
    for member in members:
        for own, name in member.names().items():
            task = member.predictor.tasks[own]
            shared = own != name or any(fields[field] > 1 for field in task.fields)
            changed = {"from_": ""} if shared and isinstance(task.from_, str) else {}
            shown[name] = task.model_copy(update=changed)
            shown[name]._name = name
    return shown
