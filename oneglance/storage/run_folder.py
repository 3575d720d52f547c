"""The run folder: every file in it, how it is written and how it is read. None of them is a pickle.
Longer than 400 lines because each file has a pair of methods.

config.toml          byte for byte what the user wrote
overrides.json       what --set changed, by dotted key, and where relative paths of config.toml start
environment.json     versions, device, processor, precision
split.csv            each picture, its group and its split
fingerprint.json     digests of the pictures and answers that it was begun with
unreadable.json      pictures that could not be decoded and are left out, with the reason
history.jsonl        a line per epoch
length.json          epochs that fit into the minutes of [training], if it names them
teachers/            what teachers say of the training pictures, if [training] names some
distil.json          what ``distil`` found of teachers and student
features.sqlite      features and answers of pictures that were embedded, searched, clustered or mapped
clusters.csv, clusters.json, clusters.html   what ``cluster`` found
map.html             what ``map`` drew
start.json           the run whose weights it started from, if any, and what was taken
held.json            how well an extended run answers what it may not get worse at, before and after
earlier-splits.json  of the pictures that an extended run knew, digest and split
fitted.json          classes and scales when the training began
resume.pt            tensors and plain values to go on with; gone once the training is finished
weights.safetensors  the best averaged weights so far
losses.safetensors   of each training picture in each epoch; see ``training.picture_losses``
losses/              of each epoch that is not in that file yet; gone once the training is finished
novelty.safetensors  feature vectors of some training and validation pictures: what is familiar
tasks.json           classes, scales, thresholds, temperatures; its presence says that the run is finished
examples.json        validation pictures with their answers after the last epoch; only with train --watch
lock                 held by the process that trains it
finish-request       another process asks that one to finish
report.json, report.html   what ``evaluate`` found
earlier-report.json, .html   the same of a run that was finished and then went on
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from pydantic import TypeAdapter
from safetensors.torch import save
from torch import Tensor

from oneglance import config as configuration
from oneglance.config import CacheTable, Config
from oneglance.data.dataset import Dataset
from oneglance.data.splitting.earlier_splits import first_splits
from oneglance.errors import RunError, WeightsError, command
from oneglance.network import Network, build_network
from oneglance.nn.bounded_building import no_larger_than
from oneglance.nn.checkpoints import fill, read_plain, read_tensors, shapes_in
from oneglance.parallel.cpus import processors
from oneglance.storage import run_files
from oneglance.storage.atomic_files import beside, new_folder, write_bytes, write_json, write_text
from oneglance.storage.fingerprint import Fingerprint
from oneglance.storage.plain_files import exists, folders_with, is_file, is_folder, names_in
from oneglance.storage.remote.copies import EVERY, FolderCopy
from oneglance.storage.run_files import MIDDLE, KeptExamples, OtherForm, in_form
from oneglance.storage.run_version import named_if_newer
from oneglance.storage.task_state import restore
from oneglance.task import Task, build_tasks
from oneglance.toml.overrides import Changes

SPLIT_HEADER = ("image", "group", "split")
FINISH_REQUEST = "finish-request"  # a file by which another process asks the one that trains to finish
ANEW = "train anew with another --out"
LARGEST_TEXT = 500_000_000  # bytes of a file of text; those of a million pictures take a fifth


Value = TypeVar("Value")


class RunFolder:
    """One run on disk. Of one in a store, ``path`` is its copy on this machine."""

    def __init__(self, path: str | Path) -> None:
        self.copy = FolderCopy.of(path)
        self.path = Path(path) if self.copy is None else self.copy.folder
        self.name = self.path.name  # in a list of runs; longer where two would be called the same

    def __repr__(self) -> str:
        return f"RunFolder({self.address!r})"

    @property
    def address(self) -> str:
        """How people name it."""
        return str(self.path) if self.copy is None else self.copy.address

    def send(self, *, at_most_every: float = 0.0) -> None:
        """Bring what has changed to the store that holds the run; nothing to do for one on this machine.

        Args:
            at_most_every: seconds; nothing is done where it was sent more recently.

        Raises:
            RunError: it cannot be written.
        """
        if self.copy is not None:
            self.copy.send(at_most_every=at_most_every)

    # Making one.

    @classmethod
    def create(cls, path: Path, config: Config, dataset: Dataset | None = None) -> RunFolder:
        """A new run folder, which appears as a whole: a process that is killed leaves none, or one that can
        be gone on with.

        Raises:
            RunError: there is a run already, or it cannot be written.
        """
        run = cls(path)
        if exists(path / "config.toml") or (run.copy is not None and run.copy.is_trained_here()):
            raise RunError(
                "holds a run already",
                location=str(path),
                hint="continue it with --resume, or name another --out",
            )
        if run.copy is not None:
            run.copy.clear()
        with new_folder(run.path, last="config.toml") as filling:
            fresh = cls(filling)
            fresh._write_overrides(config)
            if dataset is not None:
                fresh.write_split(dataset.rows())
                fresh.write_fingerprint(Fingerprint.of(config, dataset))
            write_text(fresh / "config.toml", config.text)
        return run

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """An existing run folder.

        Raises:
            RunError: it is none.
        """
        run = cls(path)
        if run.path.suffix == ".toml" and is_file(run.path):
            hint = f"name the folder of a run, which this makes: {command('train', run.path)}"
            raise RunError("is a configuration and not a run", location=str(path), hint=hint)
        if run.copy is not None:
            run.copy.fetch()
        if not is_folder(run.path):
            raise RunError(
                "there is no such run folder", location=str(path), hint="list them with: oneglance runs"
            )
        if is_file(run / run_files.COMBINED):
            raise RunError(
                "holds several runs that were combined, and this can be done with one of them only",
                location=str(path),
                hint=f"name one, such as {next(iter(names_in(run / 'networks')), run / 'networks')}",
            )
        if not is_file(run / "config.toml"):
            raise RunError("is not a run folder: it has no config.toml", location=str(path))
        return run

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    # What was declared.

    def config(self) -> Config:
        """The configuration it was made with; paths start where they started then."""
        with named_if_newer(self.path, self.address):
            return self._config()

    def _config(self) -> Config:
        kept = self.read_json("overrides.json", run_files.OVERRIDES)
        with self.whole("overrides.json"):
            overrides = Changes.of(kept.set or []) if kept.overrides is None else Changes(kept.overrides)
        text = self.read_text("config.toml")
        with self.whole("config.toml"):
            return configuration.parse(
                text,
                base=Path(kept.base),
                location=str(self / "config.toml"),
                overrides=overrides,
                earlier=True,
            )

    def answering_config(self) -> Config:
        """The same for those who only ask the run: it may be a stranger's, who names no folder that is opened
        here, and does not choose how many processes this machine starts.
        """
        config = self.config()
        workers = min(config.cache.workers, processors())
        return config.model_copy(update={"cache": CacheTable(workers=workers), "sources": []})

    def change(self, config: Config) -> None:
        """From now on the run goes by ``config``, which is its own with some keys changed."""
        if config.overrides != self.config().overrides:
            self._write_overrides(config)

    def _write_overrides(self, config: Config) -> None:
        write_json(self / "overrides.json", {"base": str(config.base), "overrides": config.overrides})

    def write_split(self, rows: Iterable[Sequence[str]]) -> None:
        """Rows of (picture, group, split)."""
        out = io.StringIO()
        table = csv.writer(out)  # with its own \r\n, or a name with \r in it would not be quoted
        table.writerow(SPLIT_HEADER)
        table.writerows(rows)
        write_text(self / "split.csv", out.getvalue())

    def split(self) -> list[tuple[str, ...]]:
        """Rows of (picture, group, split) as written."""
        text = io.StringIO(self.read_text("split.csv"), newline="")
        with self.whole("split.csv"):
            header, *rows = (tuple(row) for row in csv.reader(text))
            if header != SPLIT_HEADER:
                raise OtherForm("its first line is another")
            in_form(rows, run_files.SPLIT)
            return rows

    def write_fingerprint(self, fingerprint: Fingerprint) -> None:
        """What the run was begun with, or goes on with."""
        write_text(self / "fingerprint.json", json.dumps(fingerprint.to_dict(), ensure_ascii=False) + "\n")

    def fingerprint(self) -> Fingerprint | None:
        """What write_fingerprint() wrote; None for a run of a version that kept nothing."""
        if not (self / "fingerprint.json").exists():
            return None
        kept = self.read_json("fingerprint.json", run_files.FINGERPRINT)
        return Fingerprint(kept.configuration, kept.pictures, kept.answers)

    def splits_by_content(self) -> dict[str, str]:
        """The split of each picture that taught this run, or one that it extends, by the digest of its
        content; none of a run that kept no digests.
        """
        own, kept = list[tuple[str, str]](), self.fingerprint()
        if kept is not None and kept.fits(rows := self.split()):
            own = [(digest, row[2]) for digest, row in zip(kept.pictures, rows, strict=True) if digest]
        if not (self / "earlier-splits.json").exists():
            return first_splits(own)
        earlier = self.read_json("earlier-splits.json", run_files.EARLIER_SPLITS)
        return first_splits([*own, *earlier.items()])

    def write_earlier_splits(self, splits: Mapping[str, str]) -> None:
        """What ``splits_by_content`` of the run says that this one extends."""
        write_json(self / "earlier-splits.json", splits)

    def write_held(self, scores: Mapping[str, Any]) -> None:
        """By task ``{"metric", "before": {"value", "low", "high", "n"}, "after", "worse"}``."""
        write_json(self / "held.json", scores)

    def held(self) -> dict[str, Any]:
        """What write_held() wrote; empty where nothing is held."""
        if not (self / "held.json").exists():
            return {}
        return {n: one.model_dump() for n, one in self.read_json("held.json", run_files.HELD).items()}

    def write_fitted(self, tasks: Mapping[str, Task]) -> None:
        """What the tasks learned of the training split when the training began: classes and scales."""
        if not (self / "fitted.json").exists():
            write_json(self / "fitted.json", {name: task.state() for name, task in tasks.items()})

    def restore_fitted(self, tasks: Mapping[str, Task]) -> None:
        """Classes and scales as they were when the training began, where something was kept of them."""
        if (self / "fitted.json").exists():
            kept: Any = self.read_json("fitted.json")
            if kept != {name: task.state() for name, task in tasks.items()}:
                self._restore(tasks, "fitted.json")

    def write_unreadable(self, failures: Iterable[tuple[str, str]]) -> None:
        """(picture, why it cannot be decoded) of everything that training leaves out."""
        write_json(
            self / "unreadable.json", [{"image": location, "error": what} for location, what in failures]
        )

    def unreadable(self) -> list[dict[str, str]]:
        """What write_unreadable() wrote."""
        if not (self / "unreadable.json").exists():
            return []
        return [failure.model_dump() for failure in self.read_json("unreadable.json", run_files.UNREADABLE)]

    # On the way.

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Tensors and plain values, so that reading them needs no trust."""
        whole = io.BytesIO()  # in memory first: torch has words of its own for a full disk
        torch.save(dict(state), whole)
        write_bytes(self / "resume.pt", whole.getbuffer())
        self.send(at_most_every=EVERY)

    def checkpoint(self) -> dict[str, Any] | None:
        """What save_checkpoint() wrote last; None where there is nothing.

        Raises:
            RunError: the file is damaged or holds more than tensors and plain values.
        """
        path = self / "resume.pt"
        if not path.exists():
            return None
        try:
            state: dict[str, Any] = read_plain(path)
        except WeightsError as error:
            raise RunError(error.what, location=error.location, hint=ANEW) from None
        return state

    def save_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Named tensors; they replace the old ones at once."""
        whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        write_bytes(self / "weights.safetensors", save(whole))

    def record(self, history: Sequence[Mapping[str, Any]]) -> None:
        """A line per epoch."""
        lines = [json.dumps(row, allow_nan=False, ensure_ascii=False) for row in history]
        write_text(self / "history.jsonl", "".join(line + "\n" for line in lines))

    def history(self) -> list[dict[str, Any]]:
        """The rows that record() wrote.

        Raises:
            RunError: the file is damaged.
        """
        if not (self / "history.jsonl").exists():
            return []
        text = self.read_text("history.jsonl")
        with self.whole("history.jsonl"):
            rows = [json.loads(line) for line in text.split("\n") if line]
            in_form(rows, run_files.HISTORY)
            return rows

    def write_examples(self, examples: Mapping[str, Any]) -> None:
        """A few validation pictures with their answers now, for the live page."""
        write_json(self / "examples.json", examples)

    def examples(self) -> KeptExamples | None:
        """None where nobody looked on.

        Raises:
            RunError: the file is damaged.
        """
        if not (self / "examples.json").exists():
            return None
        return self.read_json("examples.json", run_files.EXAMPLES)

    # The end.

    def save_novelty(
        self,
        training: np.ndarray,
        validation: np.ndarray,
        directions: np.ndarray | None,
        middle: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Feature vectors of pictures of both parts, float16 [n, k]: of length 1, or these brought to the
        ``directions``, float32 [d, k]; and what ``Novelty.learned`` needs of features from halfway up.
        """
        parts = {"training": training, "validation": validation}
        if directions is not None:
            parts["directions"] = directions
        parts |= {MIDDLE + name: each for name, each in (middle or {}).items()}
        write_bytes(
            self / "novelty.safetensors", save({n: torch.from_numpy(part) for n, part in parts.items()})
        )

    def novelty(self) -> dict[str, Any] | None:
        """What save_novelty() wrote, by its names; None for a run of before there was such a file.

        Raises:
            RunError: the file is damaged.
        """
        if not (self / "novelty.safetensors").exists():
            return None
        tensors = self.tensors("novelty.safetensors")
        with self.whole("novelty.safetensors"):
            parts = {name: tensors[name].numpy() for name in ("training", "validation")}
            if "directions" in tensors:
                parts["directions"] = tensors["directions"].numpy()
            if any(part.ndim != 2 or not len(part) for part in parts.values()):
                raise OtherForm("it holds no vectors")
            if len({part.shape[1] for part in parts.values()}) > 1:
                raise OtherForm("it holds no vectors of one length")
            names = [name for name in tensors if name.startswith(MIDDLE)]
            middle = {name[len(MIDDLE) :]: tensors[name].numpy() for name in names}
            every = [*parts.values(), *middle.values()]
            if not all(part.dtype.kind == "f" and np.isfinite(part).all() for part in every):
                raise OtherForm("it holds no finite numbers")
            if middle and middle.get("validation", every[0][:0, 0]).shape != (len(parts["validation"]),):
                raise OtherForm("it holds no distance of each picture")
            return {**parts, "middle": middle} if middle else parts

    def take_novelty(self, other: RunFolder) -> None:
        """The same vectors as another run has, byte for byte."""
        if (other / "novelty.safetensors").exists():
            write_bytes(self / "novelty.safetensors", (other / "novelty.safetensors").read_bytes())

    def finish(self, tasks: Mapping[str, Task]) -> None:
        """From now on the run can be used."""
        write_json(self / "tasks.json", {name: task.state() for name, task in tasks.items()})
        (self / "resume.pt").unlink(missing_ok=True)

    def reopen(self) -> None:
        """A finished run is to go on: it is not finished any more, and its report becomes an earlier one."""
        for name in ("report.json", "report.html"):
            if (self / name).exists():
                (self / name).replace(self / f"earlier-{name}")
        (self / "tasks.json").unlink(missing_ok=True)

    @property
    def finished(self) -> bool:
        return (self / "tasks.json").exists()

    def tasks(self, config: Config) -> dict[str, Task]:
        """The tasks with what they learned.

        Raises:
            RunError: the training is not finished, or the file is damaged.
        """
        if not self.finished:
            raise RunError(
                "this run is not finished",
                location=self.address,
                hint=f"continue it with: {command('train', self.address, '--resume')}",
            )
        with named_if_newer(self.path, self.address):
            tasks = build_tasks(config.tasks, location=str(self / "config.toml"))
            self._restore(tasks, "tasks.json")
        return tasks

    def _restore(self, tasks: Mapping[str, Task], name: str) -> None:
        states: Any = self.read_json(name)
        with self.whole(name):
            restore(tasks, states)

    def network(self, config: Config, tasks: Mapping[str, Task]) -> Network:
        """The trained network, on the CPU and ready to answer.

        Raises:
            WeightsError: the weights are those of another network.
            RunError: they are missing or damaged, or the network is larger than any that is meant to be used.
        """
        with named_if_newer(self.path, self.address):
            return self._network(config, tasks)

    def _network(self, config: Config, tasks: Mapping[str, Task]) -> Network:
        path = self / "weights.safetensors"
        with self._weights_named(), no_larger_than(shapes_in(path), location=str(path)):
            network = build_network(
                config.backbone,
                tasks,
                config.base,
                load_weights=False,
                task_stage=config.training.task_stage,
            )
        fill(network, self.network_tensors(), location=str(path))
        network.backbone.gives_middle = self._keeps_middle()
        return network.eval()

    def _keeps_middle(self) -> bool:
        """Whether features from halfway up say how unfamiliar a picture is."""
        path = self / "novelty.safetensors"
        return path.exists() and any(name.startswith(MIDDLE) for name in shapes_in(path))

    def network_tensors(self) -> dict[str, Tensor]:
        """The best weights, on the CPU.

        Raises:
            RunError: they are missing or damaged.
        """
        return self.tensors("weights.safetensors")

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Those of one of the .safetensors files, on the CPU.

        Raises:
            RunError: it is missing or damaged.
        """
        with self._weights_named():
            return read_tensors(self / name)

    @contextmanager
    def _weights_named(self) -> Iterator[None]:
        """Of a run folder, weights are no file that a user chose."""
        try:
            yield
        except WeightsError as error:
            raise RunError(error.what, location=error.location, hint=ANEW) from None

    def read_json(self, name: str, form: TypeAdapter[Value] | None = None) -> Value:
        """One of the JSON files, as ``form`` has it; without one as plain values.

        Raises:
            RunError: it is missing or damaged.
        """
        text = self.read_text(name)
        with self.whole(name):
            value = json.loads(text)
            return value if form is None else in_form(value, form)

    def read_text(self, name: str) -> str:
        """One of the text files, byte for byte.

        Raises:
            RunError: it is missing or damaged.
        """
        try:
            with self.whole(name):
                if (self / name).stat().st_size > LARGEST_TEXT:
                    raise OtherForm("it is larger than any such file")
                return (self / name).read_bytes().decode("utf-8")
        except OSError as error:
            what = "is missing" if isinstance(error, FileNotFoundError) else "cannot be read"
            raise RunError(what, location=str(self / name), hint=ANEW) from None

    @contextmanager
    def whole(self, name: str) -> Iterator[None]:
        """What goes wrong in understanding a file is a damage of it."""
        try:
            yield
        except OtherForm as error:
            raise RunError(f"is damaged: {error}", location=str(self / name), hint=ANEW) from None
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError, csv.Error):
            raise RunError("is damaged", location=str(self / name), hint=ANEW) from None


def free_path(folder: Path, name: str) -> Path:
    """``folder/name``, or with the first number that is free."""
    path, number = folder / name, 2
    while path.exists():
        path, number = folder / f"{name}-{number}", number + 1
    return path


def runs_in(folder: Path) -> Iterator[RunFolder]:
    """The run folders directly in ``folder``, by name; ``folder`` alone where it is one itself."""
    return map(RunFolder, folders_with(folder, "config.toml"))


def remove(run: RunFolder) -> None:
    """A run that came to nothing. First it has another name: what is killed in between is no run any more."""
    with suppress(OSError):
        away = beside(run.path)
        run.path.rename(away)
        shutil.rmtree(away, ignore_errors=True)


def kept_of(history: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The row of the epoch whose weights are kept; None before the first."""
    return next((row for row in reversed(history) if row["kept"]), None)


def overview(run: RunFolder) -> dict[str, Any]:
    """What a list of runs tells; JSON values. Scores are the deciding metrics of the epoch that is kept,
    on the validation split.
    """
    config = run.config()
    tasks = build_tasks(config.tasks)
    history = run.history()
    kept = kept_of(history)
    validation = kept["validation"] if kept else {}
    return {
        "run": run.name,
        "state": "finished" if run.finished else "not finished",
        "backbone": config.backbone.name,
        "epochs": len(history),
        "best_epoch": kept["epoch"] if kept else None,
        "skill": kept["skill"] if kept else None,
        "scores": {name: validation.get(name, {}).get(task.primary_metric) for name, task in tasks.items()},
        "seconds": sum(row["seconds"] for row in history),
    }
