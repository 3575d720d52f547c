"""One training from the first picture to the finished run folder: it listens to the loop.

Longer than 400 lines because to begin, to go on, to stop and to finish share what a training is.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch

from oneglance.config import Config
from oneglance.data.dataset import Dataset, SplitData
from oneglance.data.images.decode import Limits
from oneglance.data.images.letterbox import Fit
from oneglance.data.inspection.checks import without_unreadable
from oneglance.errors import (
    DivergedError,
    RunError,
    StoppedError,
    WeightsError,
    command,
)
from oneglance.inference.familiarity.principal_directions import in_principal_directions
from oneglance.inference.familiarity.spread import Spread
from oneglance.network import Network
from oneglance.nn.allocator import keep_freed_memory
from oneglance.nn.device import environment, pick_device
from oneglance.nn.threads import use_allowed_processors
from oneglance.progress import Screen
from oneglance.storage import run_files
from oneglance.storage.atomic_files import finite, sweep, write_json
from oneglance.storage.run_files import in_form
from oneglance.storage.run_folder import ANEW, FINISH_REQUEST, RunFolder, kept_of
from oneglance.storage.training_length import (
    Length,
    keep_length,
    kept_length,
    most_epochs,
    planned_length,
    steps_of_epoch,
    with_length,
)
from oneglance.task import Task
from oneglance.training.checkpoint_selection import CheckpointSelection, resamples
from oneglance.training.data_loader import BatchLoader, PictureStore, Store
from oneglance.training.display.examples import Examples
from oneglance.training.display.tensorboard import tensorboard
from oneglance.training.distributed.ranks import ALONE, Ranks, refuse_small_shares
from oneglance.training.experiment_data import SPLITS, ExperimentData
from oneglance.training.learner import Learner
from oneglance.training.loop import EpochResult, StepResult, train_steps
from oneglance.training.picture_losses import LossLog
from oneglance.training.preparation.building import (
    encoded_targets,
    new_learner,
    new_network,
    new_sampler,
    on_canvas,
)
from oneglance.training.preparation.extension import NOTHING_KEPT, Extension
from oneglance.training.preparation.feature_cache import cached_features, familiar_features, timing
from oneglance.training.preparation.finished_networks import FinishedNetworks
from oneglance.training.preparation.held_tasks import refuse_loss, refuse_unseen, scores_held
from oneglance.training.preparation.starting_weights import start_from_run
from oneglance.training.resources.batch_memory import clear_memory_errors, fit_memory
from oneglance.training.resources.epoch_timing import Check, time_of_epoch
from oneglance.training.resources.precision_choice import measured_precision
from oneglance.training.resources.thread_choice import at_once, threads_chosen
from oneglance.training.resources.time_limit import is_too_late, seconds_spent
from oneglance.training.stop_signals import Stop, stop_signals
from oneglance.training.teaching.guidance import Guidance
from oneglance.training.validation import Validation, finite_metrics, primary_metrics


@dataclass(eq=False)
class Trainer:
    """What a training works with: ``Trainer.build(...)``, perhaps ``resume()``, then ``run()``."""

    folder: RunFolder
    config: Config
    tasks: Mapping[str, Task]  # that learn
    store: Store  # of the pictures, or of their features where only heads learn
    training: SplitData
    validation: Validation
    loaders: tuple[BatchLoader, BatchLoader]  # of the training and of the validation split
    learner: Learner
    screen: Screen
    extension: Extension = NOTHING_KEPT
    teacher_seconds: float = 0.0  # of the passes of the training pictures through the teachers
    ranks: Ranks = ALONE  # the processes that train it together

    def __post_init__(self) -> None:
        self.selection, self.history = CheckpointSelection(), list[dict[str, Any]]()
        self._losses = LossLog(self.folder, list(self.tasks), self.training)
        self._resamples = resamples(len(self.validation.split.rows))
        self._examples: Examples | None = None  # where somebody looks on
        self._unreadable: set[int] = set()  # rows of training pictures that turned out to be so
        self._saved = 0.0  # when the last checkpoint was written, in seconds
        self._began = 0.0  # when the first step of this process was, less what was spent before it

    @classmethod
    def build(
        cls,
        folder: RunFolder,
        config: Config,
        tasks: Mapping[str, Task],
        store: PictureStore,
        training: SplitData,
        validation: SplitData,
        screen: Screen,
        finished: FinishedNetworks | None = None,
    ) -> Self:
        """A training that has not begun.

        Args:
            store: holds the pictures [n, h, w, 3] that the rows of both splits name.
            finished: who teaches and whose tasks stay, where they are open already.

        Raises:
            ConfigError: the configuration asks for what cannot be had together, or a teacher does not fit.
            DataError: a task can learn nothing from these answers, or a teacher finds nothing.
            RunError: a teacher is no finished run.
        """
        keep_freed_memory()
        use_allowed_processors()
        config = with_length(config, planned_length(config, folder))
        device, fit = pick_device(config.training.device), Fit.declared(config)
        finished, every = finished or FinishedNetworks.of(config, tasks), tasks
        extension = finished.extension.of_tasks(tasks)
        tasks = extension.learned(tasks)
        guidance = Guidance.of(config, tasks, finished.teachers)
        if extension.run is not None:
            refuse_unseen(list(extension.held), validation, extension.run)
        validation = guidance.validation(validation, screen)
        training, validation = (on_canvas(split, tasks, store, fit) for split in (training, validation))
        guidance.learn_targets(training, {*extension.held, *extension.grown})
        extension.restore()
        extension.grow(training)
        folder.restore_fitted(tasks)  # with other answers than it began with, a run keeps its classes
        guidance.refuse_unfit()
        network = new_network(config, every, store, training, device)
        if config.training.from_:
            start_from_run(network, every, config, folder, screen)
        extension.apply(network, tasks)
        seen = cached_features(network, store, (training, validation), config, device, screen)
        sampler = new_sampler(config, tasks, training, screen)
        batch, encoded = config.batch, encoded_targets(tasks, training)
        targets = guidance.taught(encoded, training, folder, store, screen)
        guidance.add_projectors(network)
        loaders = (
            BatchLoader(seen, training.rows, targets, batch, device, sampler),
            BatchLoader(seen, validation.rows, encoded_targets(tasks, validation), batch, device),
        )
        loaders[0].steps = steps_of_epoch(folder)
        learner = new_learner(config, tasks, network, loaders[0], device)
        guidance.attach(learner)
        folder.write_fitted(tasks)
        return cls(
            folder,
            config,
            tasks,
            seen,
            training,
            Validation.of(tasks, validation),
            loaders,
            learner,
            screen,
            extension,
            guidance.seconds,
        )

    @classmethod
    def of_dataset(
        cls,
        folder: RunFolder,
        config: Config,
        tasks: dict[str, Task],
        dataset: Dataset,
        screen: Screen,
        ranks: Ranks = ALONE,
        finished: FinishedNetworks | None = None,
    ) -> Self:
        """The same from pictures that are not decoded yet; those that cannot be are noted in the folder.

        Args:
            ranks: the processes that train it together, each with a folder of its own.

        Raises:
            ConfigError: also where a batch is too small for so many processes.
        """
        with ranks.first_on_machine_first():
            # Boxes need the size of every picture.
            looks = config.pictures.look_first or any(task.is_spatial for task in tasks.values())
            surveyed = SPLITS if looks else ("validation",)
            data = ExperimentData.decode(config, tasks, dataset, screen, ("train", "validation"), surveyed)
        folder.write_unreadable((failure.location, failure.what) for failure in data.failures.values())
        parts = data.store, data.train, data.validation
        trainer = cls.build(folder, config, tasks, *parts, screen, finished)
        trainer.share_among(ranks)
        return trainer

    def share_among(self, ranks: Ranks) -> None:
        """From now on each of several processes takes its share of every batch of training pictures.

        Raises:
            ConfigError: some would have fewer than two pictures of a batch.
        """
        loader = self.loaders[0]
        refuse_small_shares(ranks.count, len(loader.sampler) // loader.whole)
        self.ranks, loader.share = ranks, ranks.share

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
            in_form(state["learner"]["place"], run_files.POSITION)
            in_form(state["choice"], run_files.SELECTION)
            self.learner.resume(state["learner"])
            self.selection = CheckpointSelection(**state["choice"])
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError):
            raise RunError(
                "does not fit this run", location=str(self.folder / "resume.pt"), hint=ANEW
            ) from None
        # A run killed between its history and its checkpoint has a row too many: that epoch comes again.
        self.history = self.folder.history()[: self.learner.position.epoch]
        self._join_losses()
        return True

    def go_on(self) -> None:
        """Go on with what is in the folder, from now on by the configuration of this training: from the last
        checkpoint, or with a finished run from the weights that it kept.

        Raises:
            RunError: what is there is damaged or belongs to another run.
        """
        if self.folder.finished:
            self._reopen()
            self.screen.say(f"going on after epoch {len(self.history)}, with the weights that were kept")
            return
        if self.resume():
            position = self.learner.position
            self.screen.say(f"going on in epoch {position.epoch + 1} after step {position.step}")
        self.folder.change(self.config)

    def _reopen(self) -> None:
        """Learn on from the weights of a finished run. What it needs for that is in the folder before it is
        said not to be finished any more. Patience counts anew.
        """
        sweep(self.folder.path)
        self.history = self.folder.history()
        self._join_losses()
        kept = kept_of(self.history)
        try:
            tensors, location = self.folder.network_tensors(), str(self.folder / "weights.safetensors")
            steps = len(self.loaders[0])
            self.learner.go_on_from(tensors, len(self.history), steps, location=location)
        except WeightsError as error:
            raise RunError(error.what, location=error.location, hint=ANEW) from None
        self.learner.precision = self._precision_then()
        scores, *resampled = self.validation.scores(self.learner.validate(self.loaders[1]), self._resamples)
        skills = [self.validation.skill(each) for each in (scores, *resampled)]
        self.selection.judge(kept["epoch"] if kept else 0, np.array(skills), finite_metrics(scores))
        self.selection.best = len(self.history)
        self.save()
        self.folder.change(self.config)
        self.folder.reopen()

    def _precision_then(self) -> str:
        """The precision that the run was trained in."""
        kept: Any = self.folder.read_json("environment.json")
        precision = kept.get("training_precision") if isinstance(kept, Mapping) else None
        return precision if precision in ("fp32", "bf16") else "fp32"

    def run(self, until: int | None = None) -> None:
        """Train to the end and finish the run folder.

        Args:
            until: pause once so many epochs are finished, with a checkpoint; default: all of them.

        Raises:
            StoppedError: Ctrl-C or SIGTERM; nothing is lost. After a second Ctrl-C the run is finished with
                the epoch it kept instead, if it had one.
            DivergedError: a loss became NaN; the run is finished with the epoch it kept, if it had one.
        """
        fit_memory(self.learner, *self.loaders, self.screen.say)
        self._choose_precision()
        self._choose_length()
        self.learner.ranks = self.ranks  # what was measured till here, each process measures by itself
        self.ranks.start_alike(self.learner.network, self.learner.average)
        if self.screen.begin(self.folder.path):
            self._examples = Examples(self.tasks, self.validation.split, Limits.declared(self.config))
        if self.config.training.compile:
            self.learner.forward = torch.compile(self.learner.forward)
        try:
            with (
                clear_memory_errors(),
                stop_signals() as stop,
                tensorboard(self.config, self.folder) as chart,
                self._threads() as timed,
            ):
                for result in self._steps(until, chart, timed):
                    self._save_when_due(result)
                    if self._trained_whole():
                        continue
                    is_stopped, is_asked = self.ranks.same((stop.requested, self._is_asked_to_finish()))
                    if is_stopped:
                        self._stop(stop)
                        break
                    if is_asked:
                        self.save()
                        stop.finish = True
                        self.screen.say(f"asked to finish: finishing now with epoch {self.selection.epoch}")
                        break
        except DivergedError as error:
            raise self._diverged(error) from None
        if self._trained_whole() or self._out_of_patience() or self._out_of_time() or stop.finish:
            self._finish()

    def _threads(self) -> AbstractContextManager[Callable[[Callable[[], Any]], Any]]:
        """How a step is done: beside other processes of this training, by the threads that each has."""
        if self.ranks.count > 1:
            return nullcontext(at_once)
        return threads_chosen(self.learner.device, self.screen.say)

    # On the way.

    def _steps(
        self,
        until: int | None,
        chart: Callable[[dict[str, Any]], None],
        timed: Callable[[Callable[[], Any]], Any] = at_once,
    ) -> Iterator[StepResult]:
        """Every step, until the last epoch or until patience ends; finished epochs are judged."""
        table = self.config.training
        self._saved = time.monotonic()
        self._began = self._saved - seconds_spent(self.history)
        if self._out_of_patience():
            return
        for result in train_steps(self.learner, *self.loaders, until, timed):
            self.screen.step(result.epoch, table.epochs, result.step, result.steps, result.pictures)
            if result.done:
                chart(self._judge(result.done))
                self._tell_unreadable()
            yield result
            if result.done and self._out_of_patience():
                self.screen.say(f"no better for {table.patience} epochs: stopping")
                return
            if result.done and self._out_of_time():
                self.screen.say(f"slower than at first, and {table.minutes:g} minutes are over: finishing")
                return

    def _tell_unreadable(self) -> None:
        """Of pictures that could not be read when their turn came."""
        failures, rows = self.store.failures, self.training.rows
        if new := {*np.intersect1d(list(failures), rows).tolist()} - self._unreadable:
            for line in without_unreadable([failures[row] for row in sorted(new)], len(rows)):
                self.screen.say(line)
            self.folder.write_unreadable((one.location, one.what) for one in failures.values())
            self._unreadable |= new

    def _trained_whole(self) -> bool:
        return self.learner.position.epoch >= self.config.training.epochs

    def _out_of_patience(self) -> bool:
        patience = self.config.training.patience
        return bool(patience) and self.learner.position.epoch - self.selection.best >= patience

    def _out_of_time(self) -> bool:
        minutes = self.config.training.minutes
        if minutes is None or self._trained_whole():
            return False
        return self.ranks.same(is_too_late(self.history, minutes))

    def _judge(self, epoch: EpochResult) -> dict[str, Any]:
        """Score the validation split, keep the weights if they are to be, and write the history."""
        scores, *resampled = self.validation.scores(epoch.raw, self._resamples)
        skills = [self.validation.skill(each) for each in (scores, *resampled)]
        metrics = finite_metrics(scores)
        kept = self.selection.judge(epoch.epoch, np.array(skills), metrics)
        if kept:
            self.folder.save_weights(self.learner.average.state_dict())
        row = {
            "epoch": epoch.epoch,
            "loss": epoch.loss,
            "validation": metrics,
            "skill": finite(skills[0]),
            "kept": kept,
            "rate": epoch.learning_rate,
            "gradients": epoch.gradients,
            "seconds": round(epoch.seconds, 3),
            "elapsed": round(time.monotonic() - self._began, 3),
        }
        self.history.append(row)
        if self.ranks.is_first:  # the folders of others are thrown away
            self._losses.add(epoch.epoch, epoch.picture_losses)
        self.folder.record(self.history)
        if self._examples is not None:
            self.folder.write_examples(self._examples.now(epoch.epoch, epoch.raw))
        primary = primary_metrics(self.tasks, scores)
        brief = {n: task.brief(primary[n]) for n, task in self.tasks.items() if np.isfinite(primary[n])}
        self.screen.epoch(row, self.config.training.epochs, brief)
        return row

    def save(self) -> None:
        """A checkpoint of this very step, by the first of several processes."""
        if not self.ranks.is_first:
            return
        self.folder.save_checkpoint({"learner": self.learner.state(), "choice": vars(self.selection)})

    def _save_when_due(self, result: StepResult) -> None:
        due = time.monotonic() - self._saved > 60 * self.config.training.checkpoint_minutes
        if due or result.done:
            self.save()
            self._saved = time.monotonic()

    def _join_losses(self) -> None:
        if self.ranks.is_first:
            self._losses.join(len(self.history))

    def _is_asked_to_finish(self) -> bool:
        """By another process; not before there is something to use."""
        return bool(self.selection.epoch) and (self.folder / FINISH_REQUEST).exists()

    def _stop(self, stop: Stop) -> None:
        """Comes back where the run is to be finished now."""
        self.save()
        if self.selection.epoch and stop.may_be_pressed_again:
            self.screen.say(f"stopping; press Ctrl-C again to finish now with epoch {self.selection.epoch}")
            stop.wait_for_second()
        stop.finish = self.ranks.same(stop.finish)
        if stop.finish and self.selection.epoch:
            self.screen.say(f"finishing now with epoch {self.selection.epoch}")
            return
        position = self.learner.position
        raise StoppedError(
            f"stopped in epoch {position.epoch + 1} after step {position.step}; nothing is lost",
            hint=f"go on with: {command('train', self.folder.address, '--resume')}",
        )

    # The end.

    def finish(self) -> None:
        """What was learned so far becomes a finished run: calibrated, with the epoch that is kept.

        Raises:
            RunError: no epoch was finished.
        """
        if not self.selection.epoch:
            raise RunError(
                "has not finished a single epoch, so there is nothing to use",
                location=self.folder.address,
                hint=f"go on with: {command('train', self.folder.address, '--resume')}",
            )
        self._finish()

    def _diverged(self, error: DivergedError) -> DivergedError:
        kept = "nothing was learned before that"
        if self.selection.epoch:
            self._finish()
            kept = f"{self.folder.address} keeps the weights of epoch {self.selection.epoch}"
        return DivergedError(f"{error.what}; {kept}", hint=error.hint)

    def _finish(self) -> None:
        """Calibrate the kept weights on the validation split; from now on the run can be used."""
        tasks = {name: copy.deepcopy(task) for name, task in self.tasks.items()}
        network, validation = self.learner.average, self.validation.split
        kept = self.folder.network_tensors()
        network.load_state_dict({name: tensor.to(self.learner.device) for name, tensor in kept.items()})
        raw = self.learner.validate(self.loaders[1])
        for name, task in tasks.items():
            task.calibrate(raw[name], validation.answers(name))
            task.fit_sets(raw[name], validation.answers(name), validation.groups)
        if not self.ranks.is_first:
            return
        if self.extension.held:
            self._refuse_loss(tasks, raw)
        if self.extension.run is not None and not self.extension.held:
            self.folder.take_novelty(self.extension.run)
        else:
            self._save_novelty(network)
        self._join_losses()
        self.folder.finish(self.extension.finished(tasks))

    def _refuse_loss(self, tasks: Mapping[str, Task], raw: Mapping[str, np.ndarray]) -> None:
        run, held = self.extension.run, {name: tasks[name] for name in self.extension.held}
        if run is not None:
            scores = scores_held(held, run, raw, self.loaders[1], self.validation.split)
            self.folder.write_held(scores)
            refuse_loss(scores, self.folder, len(self.history), self.screen)

    def _save_novelty(self, network: Network) -> None:
        (training, middle), (validation, other) = (
            familiar_features(network, self.store, rows, self.loaders[1].size, self.learner)
            for rows in (self.training.rows, self.validation.split.rows)
        )
        halfway = None
        if middle is not None and other is not None:
            spread = Spread.of(middle)
            halfway = {**spread._asdict(), "validation": spread.distances(other)}
        self.folder.save_novelty(*in_principal_directions(training, validation), halfway)

    # The length.

    def _choose_length(self) -> None:
        """Where it is to take so many minutes, the number of epochs, which the run folder keeps."""
        minutes = self.config.training.minutes
        if minutes is None:
            return
        most, length = most_epochs(self.config), planned_length(self.config, self.folder)
        if length is None:
            check = Check(self.validation, self._resamples, self.save)
            time_needed = time_of_epoch(self.learner, *self.loaders, check, minutes)
            length = self.ranks.same(Length.fitting(minutes, time_needed, most))
            self.loaders[0].steps = length.steps
            self.config = with_length(self.config, length)
            self.learner.set_length(self.config.training)
        if length != kept_length(self.folder):
            keep_length(self.folder, length)
            self.screen.say(length.describe(most, self.loaders[0].whole))

    # The precision.

    def _choose_precision(self) -> None:
        wanted = self.config.training.precision
        if self.learner.position.updates:
            return  # a resumed training goes on as it began
        is_open = wanted == "auto"
        chosen = measured_precision(self.learner, self.loaders[0], self.config) if is_open else wanted
        chosen = self.learner.precision = self.ranks.same(chosen)
        kept = {**environment(self.learner.device), "training_precision": chosen, **timing(self.store)}
        kept["batch_parts"] = self.learner.parts
        if self.teacher_seconds:
            kept["teacher_seconds"] = round(self.teacher_seconds, 3)
        write_json(self.folder / "environment.json", kept)
