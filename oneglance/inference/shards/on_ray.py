"""Many pictures answered on a Ray cluster, into the file that one process would have written.

Actors keep the network and the processes that decode. Each answers stretches of whole batches and gives back
the file of a shard; here these are kept in a folder beside the file to come, whole or not at all, and in the
end put together. What is in that folder already is not answered again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from oneglance.data.images.decoding.decode_pool import pool_of
from oneglance.data.images.fetching import fetched
from oneglance.data.record import ImageRef
from oneglance.errors import ConfigError, OneglanceError
from oneglance.inference.answering import Answering
from oneglance.inference.combined.opening import open_answering
from oneglance.inference.engine import BATCH
from oneglance.inference.prediction_files import check_ending, write_answers
from oneglance.inference.shards.merge import join
from oneglance.inference.shards.shard import Note, Shard, ShardWork, Unread, note_path, question
from oneglance.parallel.cpus import threads
from oneglance.parallel.ray_cluster import Share, cluster, own_version, refuse_other_version, share_of
from oneglance.parallel.waiting_threads import let_waiting_threads_sleep
from oneglance.progress import Screen
from oneglance.storage.atomic_files import make_folder, remove_files, write_bytes
from oneglance.storage.plain_files import resolved
from oneglance.storage.remote.addresses import address_of

STRETCH = 4 * BATCH  # pictures that an actor answers at once
MOST = 1000  # stretches, which become longer in their place


@dataclass(frozen=True)
class Order:
    """What every actor has to know."""

    run: str  # an address, or a path that is the same on every machine
    version: str  # of oneglance
    ending: str  # of the file
    device: str
    precision: str  # "": there is no choice
    false_alarm: float | None
    passes: int  # in parallel, as one process makes them; 0: as the device wants
    decoders: int  # processes that decode


@dataclass(frozen=True)
class Stretch:
    """What goes to an actor."""

    number: int
    refs: Sequence[ImageRef]


@dataclass(frozen=True)
class Answered:
    """What comes back."""

    number: int
    content: bytes = b""  # of a file with these answers
    unread: list[Unread] = field(default_factory=list)
    refused: OneglanceError | None = None


class Answerer:
    """An actor."""

    def __init__(self, order: Order) -> None:
        self._order = order

    def __call__(self, row: dict[str, Stretch]) -> dict[str, Answered]:
        stretch = row["stretch"]
        try:
            return {"answered": self._answered(stretch)}
        except OneglanceError as error:
            return {"answered": Answered(stretch.number, refused=error)}

    @cached_property
    def _answering(self) -> Answering[Any]:
        order = self._order
        refuse_other_version(order.version)
        let_waiting_threads_sleep()
        return open_answering(
            order.run,
            device=order.device,
            precision=order.precision,
            false_alarm=order.false_alarm,
            passes=order.passes,
        )

    @cached_property
    def _pool(self) -> Any:
        return pool_of(self._answering.decoding, self._order.decoders)

    def _answered(self, stretch: Stretch) -> Answered:
        unread: list[Unread] = []

        def noted() -> Iterator[dict[str, Any]]:
            decoded = self._pool.map(fetched(stretch.refs))
            for answer in self._answering.answers([ref.name for ref in stretch.refs], decoded):
                if "error" in answer:
                    unread.append((answer["image"], answer["error"]))
                yield answer

        with TemporaryDirectory(prefix="oneglance-") as scratch:
            file = Path(scratch) / f"answers{self._order.ending}"
            write_answers(noted(), file, self._answering.example(), self._answering.tasks)
            return Answered(stretch.number, file.read_bytes(), unread)


class RayPrediction:
    """What the process has to do that asks the cluster.

    Args:
        out: the file to write.

    Raises:
        ConfigError: there is no such file to write.
        RunError: the run cannot be read.
    """

    def __init__(
        self, run: str | Path, refs: Sequence[ImageRef], out: Path, device: str, false_alarm: float | None
    ) -> None:
        check_ending(out)
        self.out, self.failed = out, 0
        self._run, self._device, self._false_alarm = run, device, false_alarm
        self._refs = refs
        count = min(MOST, -(-len(refs) // STRETCH))
        shards = [Shard(number, count) for number in range(1, count + 1)]
        self._folder = out.with_name(f"{out.name}.parts")
        asked = question(Path(run), refs, {"false_alarm": false_alarm})
        self._works = [
            ShardWork(own, shard.path(self._folder / out.name), Note(asked, len(refs), len(own)))
            for shard in shards
            if (own := shard.of(refs))
        ]

    @staticmethod
    def target(out: str | Path | None, shard: str, draw: str | Path | None) -> Path:
        """
        Raises:
            ConfigError: ``predict --ray`` cannot be with these.
        """
        if out is None:
            raise ConfigError("--ray writes a file", hint="add --out answers.csv")
        if shard:
            raise ConfigError("--ray shares the pictures by itself", hint="leave --shard out")
        if draw is not None:
            raise ConfigError("--ray draws nothing", hint="leave --draw out, or draw with --shard 1/16")
        return Path(out)

    def unread(self, screen: Screen) -> Iterator[Unread]:
        """Answer all, and yield the pictures that cannot be read, first those that an earlier process met
        which did a part of this. ``failed`` counts them.

        Raises:
            MissingExtraError: Ray is not installed.
            OneglanceError: the cluster cannot be used, or what an actor met.
        """
        make_folder(self._folder)
        kept = {number: note for number, work in enumerate(self._works) if (note := work.done())}
        done = sum(note.rows for note in kept.values())
        self.failed = sum(note.failed for note in kept.values())
        for note in kept.values():
            yield from note.unread
        left = [Stretch(number, work.refs) for number, work in enumerate(self._works) if number not in kept]
        if left:
            for one in self._answered(left):
                work = self._works[one.number]
                write_bytes(work.path, one.content)
                work.note.with_unread(one.unread).write(work.path)
                done, self.failed = done + len(work.refs), self.failed + len(one.unread)
                screen.progress(done, len(self._refs), "predicting")
                yield from one.unread
        paths = [work.path for work in self._works]
        join(paths, self.out)
        _remove(paths, self._folder)

    def _answered(self, left: Sequence[Stretch]) -> Iterator[Answered]:
        """In the order in which they come."""
        with cluster("predict --ray") as ray:
            share = share_of(ray, self._device, threads())
            order = self._order(share)
            rows = (
                ray.data.from_items([{"stretch": one} for one in left], override_num_blocks=len(left))
                .map(
                    Answerer,
                    fn_constructor_args=(order,),
                    compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(share.actors, len(left))),
                    num_cpus=share.cpus,
                    num_gpus=share.gpus,
                )
                .iter_rows()
            )
            for row in rows:
                one: Answered = row["answered"]
                if one.refused is not None:
                    raise one.refused
                yield one

    def _order(self, share: Share) -> Order:
        """The network is opened here too: what is wrong with it is said before anything starts, and where the
        faster precision is to be found out, it is the same for all.
        """
        opened = open_answering(self._run, false_alarm=self._false_alarm)
        precisions = {str(getattr(part.predictor.engine, "precision", "")) for part in opened.parts()}
        return Order(
            run=address_of(self._run) or str(resolved(self._run)),
            version=own_version(),
            ending=self.out.suffix,
            device=self._device,
            precision=precisions.pop() if len(precisions) == 1 else "",
            false_alarm=self._false_alarm,
            passes=0 if share.gpus else threads(),
            decoders=share.cpus,
        )


def _remove(paths: Iterable[Path], folder: Path) -> None:
    """The parts, once all is in one file."""
    remove_files((one for path in paths for one in (note_path(path), path)), folder)
