"""One training from the first picture to the finished run folder: it listens to the loop."""

from __future__ import annotations

import copy
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from oneglance.atomic_files import finite, sweep, write_json
from oneglance.balancer import build_balancer
from oneglance.config import Config
from oneglance.data.dataset import SplitData
from oneglance.data.images.decoded_cache import cache_folder
from oneglance.data.images.letterbox import Fit
from oneglance.errors import ConfigError, DataError, DivergedError, RunError, StoppedError
from oneglance.network import Network, build_network
from oneglance.nn.allocator import keep_freed_memory
from oneglance.nn.device import environment, faster_precision, pick_device
from oneglance.progress import Screen
from oneglance.run_folder import ANEW, RunFolder
from oneglance.task import Task, fit_targets
from oneglance.training.augment import Augment
from oneglance.training.checkpoint_selection import Choice, resamples
from oneglance.training.data_loader import Batches, PictureStore
from oneglance.training.feature_cache import FeatureCache, remembered
from oneglance.training.loop import Epoch, Learner, Moment, collect, learn, mean_skill
from oneglance.training.source_sampler import Sampling
from oneglance.training.tensorboard import tensorboard

FAMILIAR = 2000  # pictures of each part whose feature vectors are kept
PREPARE_BY = 2000  # training pictures that a new backbone sees before it learns


class Session:
    """What a training works with. ``run()`` is the whole of it."""

    def __init__(
        self,
        folder: RunFolder,
        config: Config,
        tasks: Mapping[str, Task],
        store: PictureStore,
        training: SplitData,
        validation: SplitData,
        screen: Screen,
    ) -> None:
        """``store`` holds the pictures [n, h, w, 3] that the rows of both parts name."""
        self.folder, self.config, self.tasks, self.screen = folder, config, tasks, screen
        training, validation = self.parts = tuple(
            placed(part, tasks, store, Fit.declared(config)) for part in (training, validation)
        )
        self.device = pick_device(config.training.device)
        keep_freed_memory()
        torch.manual_seed(config.training.seed)  # the heads' and a new backbone's first weights
        if wrong := fit_targets(tasks, training.answers):
            raise DataError("\n".join(str(error) for error in wrong))
        self.answered = {
            name: [row for row, answer in enumerate(validation.answers(name)) if answer is not None]
            for name in tasks
        }
        self.constants = {
            name: task_values(task, task.constant_baseline(len(rows)), validation.answers(name), rows)[0]
            for (name, task), rows in zip(tasks.items(), self.answered.values(), strict=True)
        }
        network = build_network(
            config.backbone, tasks, config.base, task_stage=config.training.task_stage
        ).to(self.device)
        if config.backbone.freeze and not network.backbone.gives_maps:
            _refuse_views(tasks)
        apart = max(1, len(training.rows) // PREPARE_BY)
        network.prepare(store.gather(training.rows[::apart][:PREPARE_BY]))
        self.store = remembered(network, store, self.parts, config, self.device, screen)
        sampling = Sampling([r.source for r in training.records], config.training.source_temperature)
        if len(sampling.names) > 1:
            screen.say(f"an epoch: {sampling.words()}")
        self.batches = self._batches(training, sampling), self._batches(validation)
        self.learner = self._learner(network)
        self.choice, self.history = Choice(), list[dict[str, Any]]()
        self.resamples = resamples(len(validation.rows))

    def _batches(self, part: SplitData, sampling: Sampling | None = None) -> Batches:
        targets = {name: task.encode(part.answers(name)) for name, task in self.tasks.items()}
        return Batches(self.store, part.rows, targets, self.config.training.batch, self.device, sampling)

    def _learner(self, network: Network) -> Learner:
        table = self.config.training
        balancer = build_balancer(table.balancer, table.balancer_options)
        still = isinstance(self.store, FeatureCache)
        augment = None if still else Augment(self.config.augment, network.mean)
        learner = Learner(network, self.tasks, balancer, augment, table, self.device)
        learner.measure_units(self.batches[0].targets)
        return learner

    # Where it stands.

    def save(self) -> None:
        """A checkpoint of this very step."""
        self.folder.save_checkpoint({"learner": self.learner.state(), "choice": vars(self.choice)})

    def resume(self) -> bool:
        """Go on from the last checkpoint; False where there is none.

        Raises:
            RunError: it is damaged or belongs to another run.
        """
        sweep(self.folder.path)
        state = self.folder.checkpoint()
        if state is None:
            return False
        try:
            self.learner.resume(state["learner"])
            self.choice = Choice(**state["choice"])
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError):
            raise RunError(
                "does not fit this run", location=str(self.folder / "resume.pt"), hint=ANEW
            ) from None
        # A run killed between its history and its checkpoint has a row too many: that epoch comes again.
        self.history = self.folder.history()[: self.learner.place.epoch]
        return True

    # The whole of it.

    def run(self) -> None:
        """Train to the end and finish the run folder.

        Raises:
            StoppedError: Ctrl-C or SIGTERM; nothing is lost.
            DivergedError: a loss became NaN; the run is finished with the epoch it kept, if it had one.
        """
        self._choose_precision()
        if self.config.training.compile:
            self.learner.look = torch.compile(self.learner.look)
        try:
            with stop_signals() as stop, tensorboard(self.config, self.folder) as chart:
                for moment in self._until_patience_ends(chart):
                    self._save_when_due(moment)
                    if stop.asked and self.learner.place.epoch < self.config.training.epochs:
                        self._stop()
        except DivergedError as error:
            raise self._diverged(error) from None
        self._finish()

    def _until_patience_ends(self, chart: Callable[[dict[str, Any]], None]) -> Iterator[Moment]:
        table = self.config.training
        self._saved = time.monotonic()
        if table.patience and self.learner.place.epoch - self.choice.best >= table.patience:
            return
        for moment in learn(self.learner, *self.batches):
            self.screen.step(moment.epoch, table.epochs, moment.step, moment.steps, moment.pictures)
            if moment.done:
                chart(self._judge(moment.done))
            yield moment
            if table.patience and moment.done and moment.epoch - self.choice.best >= table.patience:
                self.screen.say(f"no better for {table.patience} epochs: stopping")
                return

    def _judge(self, epoch: Epoch) -> dict[str, Any]:
        """Score the validation part, keep the weights if they are to be, and write the history."""
        scores, *others = self.scores(epoch.raw, self.resamples)
        constants, primary_metric = self._deciding(self.constants), self._deciding(scores)
        skills = [mean_skill(self.tasks, self._deciding(each), constants) for each in (scores, *others)]
        told = {n: {k: finite(v) for k, v in found.items()} for n, found in scores.items()}
        kept = self.choice.judge(epoch.epoch, np.array(skills), told)
        if kept:
            self.folder.save_weights(self.learner.average.state_dict())
        row = {
            "epoch": epoch.epoch,
            "loss": epoch.loss,
            "validation": told,
            "skill": finite(skills[0]),
            "kept": kept,
            "rate": epoch.rate,
            "gradients": epoch.gradients,
            "seconds": round(epoch.seconds, 3),
        }
        self.history.append(row)
        self.folder.record(self.history)
        brief = {
            name: task.brief(primary_metric[name])
            for name, task in self.tasks.items()
            if np.isfinite(primary_metric[name])
        }
        self.screen.epoch(row, self.config.training.epochs, brief)
        return row

    def _deciding(self, scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
        return {
            name: scores[name].get(task.primary_metric, float("nan")) for name, task in self.tasks.items()
        }

    def scores(self, raw: Mapping[str, np.ndarray], weights: np.ndarray) -> list[dict[str, dict[str, float]]]:
        """Every metric of every task on the validation part, for each row of ``weights`` [k, pictures]."""
        found = {
            name: task_values(
                task,
                task.decode(raw[name][self.answered[name]]),
                self.parts[1].answers(name),
                self.answered[name],
                weights,
            )
            for name, task in self.tasks.items()
        }
        return [{name: each[row] for name, each in found.items()} for row in range(len(weights))]

    def _save_when_due(self, moment: Moment) -> None:
        due = time.monotonic() - self._saved > 60 * self.config.training.checkpoint_minutes
        if due or moment.done:
            self.save()
            self._saved = time.monotonic()

    def _stop(self) -> None:
        self.save()
        place = self.learner.place
        raise StoppedError(
            f"stopped in epoch {place.epoch + 1} after step {place.step}; nothing is lost",
            hint=f"go on with: oneglance train {self.folder.path} --resume",
        )

    def _diverged(self, error: DivergedError) -> DivergedError:
        kept = "nothing was learned before that"
        if self.choice.epoch:
            self._finish()
            kept = f"{self.folder.path} keeps the weights of epoch {self.choice.epoch}"
        return DivergedError(f"{error.what}; {kept}", hint=error.hint)

    def _finish(self) -> None:
        """Calibrate the kept weights on the validation part; from now on the run can be used."""
        tasks = {name: copy.deepcopy(task) for name, task in self.tasks.items()}
        network = self.learner.average
        kept = self.folder.network_tensors()
        network.load_state_dict({name: tensor.to(self.device) for name, tensor in kept.items()})
        raw = self.learner.validate(self.batches[1])
        for name, task in tasks.items():
            task.calibrate(raw[name], self.parts[1].answers(name))
        self.folder.save_novelty(*(self._vectors(network, part.rows) for part in self.parts))
        self.folder.finish(tasks)

    def _vectors(self, network: Network, rows: np.ndarray) -> np.ndarray:
        """Feature vectors of length 1 of at most ``FAMILIAR`` of ``rows``, evenly spread: float16 [n, d]."""
        chosen = rows[np.linspace(0, len(rows) - 1, min(FAMILIAR, len(rows))).astype(np.int64)]
        kept = isinstance(self.store, FeatureCache)

        def look(seen: torch.Tensor) -> dict[str, torch.Tensor]:
            vectors = seen if kept else network.features(seen).vector
            return {"vector": torch.nn.functional.normalize(vectors.float())}

        batches = Batches(self.store, chosen, {}, self.config.training.batch, self.device)
        return collect(look, batches, self.learner.precision)["vector"].astype(np.float16)

    def _choose_precision(self) -> None:
        wanted = self.config.training.precision
        if self.learner.place.updates:
            return  # a resumed training goes on as it began
        chosen = wanted if wanted != "auto" else self._faster_precision()
        self.learner.precision = chosen
        known = environment(self.device)
        write_json(self.folder / "environment.json", {**known, "training_precision": chosen})

    def _faster_precision(self) -> str:
        """Measured on a copy, so that nothing of the training moves."""
        batch = next(self.batches[0].in_order())
        trial = copy.deepcopy(self.learner)
        pictures = batch.pictures.float()

        def step(precision: str) -> None:
            trial.precision = precision
            trial.backward(pictures, batch.targets, None)

        backbone = self.config.backbone
        what = "heads" if backbone.freeze else f"{backbone.name} {backbone.options} {backbone.size}"
        key = f"train | {what} | batch {len(pictures)}"
        return faster_precision(
            step, self.device, key=key, memory=cache_folder(self.config.cache) / "precision.json"
        )


def _refuse_views(tasks: Mapping[str, Task]) -> None:
    """Features that are kept are those of one view."""
    for name, task in tasks.items():
        if task.views > 1:
            raise ConfigError(
                f"[tasks.{name}] compares changed views of a picture, and [backbone] freeze keeps only one",
                hint="name a label with `like`, or set freeze = false",
            )


def placed(part: SplitData, tasks: Mapping[str, Task], store: PictureStore, fit: Fit) -> SplitData:
    """The part with its answers about the canvas; only those that have a place differ."""
    moving = {name: task for name, task in tasks.items() if task.is_spatial}
    if not moving:
        return part
    records = []
    for record, (width, height) in zip(part.records, store.sizes(part.rows).tolist(), strict=True):
        answers = dict(record.answers)
        for name, task in moving.items():
            if answers.get(name) is not None:
                answers[name] = task.to_canvas(answers[name], fit.placement(width, height))
        records.append(replace(record, answers=answers))
    return SplitData(records, part.rows)


def task_values(
    task: Task,
    predictions: Sequence[Any],
    answers: Sequence[Any | None],
    rows: Sequence[int],
    weights: np.ndarray | None = None,
) -> list[dict[str, float]]:
    """The metrics of ``predictions`` for the answered ``rows``, for each row of ``weights`` [k, answers], by
    default once with all 1; none where nothing is answered.
    """
    weights = np.ones((1, len(answers))) if weights is None else weights
    if not rows:
        return [{} for _ in weights]
    metric_state = task.metric_state(predictions, [answers[row] for row in rows])
    return [task.metrics(metric_state, each) for each in weights[:, rows]]


@dataclass
class Stop:
    asked: bool = False


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Ctrl-C and SIGTERM are heard between two steps; a second one interrupts at once."""
    stop = Stop()

    def hear(number: int, frame: Any) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True

    old = {}
    for name in (signal.SIGINT, signal.SIGTERM):
        try:
            old[name] = signal.signal(name, hear)
        except ValueError:  # not in the main thread: whoever runs us there has other ways to stop
            break
    try:
        yield stop
    finally:
        for name, handler in old.items():
            signal.signal(name, handler)
