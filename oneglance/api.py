"""The verbs for networks; each reads as a table of contents. Those for data sets are in ``data_api.py``.

Longer than 400 lines because each verb says what it takes, gives and raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from oneglance import config as configuration
from oneglance.config import ConfigSource
from oneglance.errors import ConfigError, needs_extra
from oneglance.model import Model, Picture, load
from oneglance.nn.allocator import give_back
from oneglance.progress import Screen
from oneglance.results.answers import Answers
from oneglance.results.comparison import Comparison
from oneglance.results.exported import Exported
from oneglance.results.grouping import Grouping
from oneglance.results.history import History
from oneglance.results.report import Report
from oneglance.results.robustness import Robustness
from oneglance.results.runs import Runs
from oneglance.results.tuning import Tuning
from oneglance.screens.choice import default_screen
from oneglance.storage.atomic_files import here
from oneglance.storage.plain_files import is_file, is_folder
from oneglance.storage.remote.addresses import address_of
from oneglance.storage.run_files import COMBINED
from oneglance.task import build_tasks
from oneglance.toml.overrides import Changes, Overrides

if TYPE_CHECKING:
    from oneglance.storage.run_folder import RunFolder


class Run:
    """A run folder, or a folder of ``combine``, that can be asked. ``path`` is the folder."""

    def __init__(self, path: str | Path, *, elsewhere: bool = False) -> None:
        """
        Args:
            elsewhere: it may be that of another machine, which this one does not see.
        """
        self.path = Path(path)
        self._models: dict[tuple[str, float | None], Model] = {}
        if not elsewhere and not is_file(self.path / COMBINED):
            _ = self.folder  # refused at once where it is none

    @property
    def folder(self) -> RunFolder:
        """The files of one run.

        Raises:
            RunError: there is no such run, or it is a folder of ``combine``.
        """
        with needs_extra("train", "a run folder"):
            from oneglance.storage.run_folder import RunFolder

            return RunFolder.open(self.path)

    def __repr__(self) -> str:
        return f"Run({address_of(self.path) or str(self.path)!r})"

    def model(self, *, device: str = "auto", false_alarm: float | None = None) -> Model:
        """The network, loaded when it is first needed, and kept; see ``load``."""
        settings = device, false_alarm
        if settings not in self._models:
            self._models[settings] = load(self.path, device=device, false_alarm=false_alarm)
        return self._models[settings]

    def predict(
        self,
        pictures: Picture | Iterable[Picture],
        *,
        out: str | Path | None = None,
        draw: str | Path | None = None,
        device: str = "auto",
        false_alarm: float | None = None,
        screen: Screen | None = None,
    ) -> Answers:
        """See ``Model.predict``; the network stays loaded."""
        model = self.model(device=device, false_alarm=false_alarm)
        return model.predict(pictures, out=out, draw=draw, screen=screen)

    def embed(
        self, pictures: Picture | Iterable[Picture], *, task: str = "", screen: Screen | None = None
    ) -> np.ndarray:
        """See ``Model.embed``."""
        return self.model().embed(pictures, task=task, screen=screen)

    def evaluate(
        self, *, split: str = "test", out: str | Path | None = None, screen: Screen | None = None
    ) -> Report:
        """See ``evaluate``."""
        return evaluate(self.path, split=split, out=out, screen=screen)

    def export(
        self,
        *,
        out: str | Path | None = None,
        file_format: str = "onnx",
        precision: str = "fp32",
        screen: Screen | None = None,
    ) -> Exported:
        """See ``export``."""
        return export(self.path, out=out, file_format=file_format, precision=precision, screen=screen)

    def history(self) -> History:
        """A row per epoch: losses, validation metrics, learning rate, seconds."""
        return History(self.folder.history(), self.path)


def train(
    config: ConfigSource,
    *,
    overrides: Overrides = (),
    out: str | Path | None = None,
    minutes: float | None = None,
    resume: bool = False,
    accept_changes: bool = False,
    workers: int = 1,
    screen: Screen | None = None,
) -> Run:
    """Train one network for all declared tasks.

    Started by ``torchrun`` or another launcher that sets ``RANK`` and ``WORLD_SIZE``, each process takes its
    share of every batch, on one machine or several; the first of them writes the run folder.

    Args:
        config: an oneglance.toml, a mapping of the same form, or a Config; with ``resume`` it may be a run
            folder.
        overrides: ``{"training.epochs": 5}``, a list of ``"training.epochs=5"``, or one of these.
        out: the run folder; default: ``runs/`` and the name of the configuration.
        minutes: as ``overrides={"training.minutes": 10}``: as many epochs as fit into so many minutes.
        resume: go on with a training that was stopped, or with a finished one where ``overrides`` say how
            long it is to be. ``training.epochs``, ``minutes`` and ``patience`` may change, and what does not
            alter what is learned. Where pictures, answers or all else of the configuration have changed
            meanwhile, this is refused with a list of what has changed.
        accept_changes: with ``resume``, go on all the same.
        workers: processes on this machine that share every batch, with the result of one but for batch norm
            and what each draws; ``config`` is a path then. One that was begun with as many may go on with
            another number.

    Raises:
        OneglanceError: with location, what and hint; StoppedError after Ctrl-C.
    """
    with needs_extra("train", "train"):
        from oneglance.storage.run_lookup import begun, going_on, new_run, run_to_resume
        from oneglance.training.distributed.folder_of_each import folder_of_each
        from oneglance.training.distributed.launch import launch
        from oneglance.training.distributed.process_group import ranks_of_environment
        from oneglance.training.distributed.ranks import refuse_small_shares
        from oneglance.training.experiment_data import read_dataset, with_value_range
        from oneglance.training.preparation.early_checks import refuse_impossible
        from oneglance.training.trainer import Trainer

    screen = screen or default_screen()
    if minutes is not None:
        overrides = Changes.of(overrides).followed_by(Changes({"training.minutes": minutes}))
    resumed = run_to_resume(config, overrides, out) if resume else None
    if resumed is not None and not resumed.has_more_to_do():
        screen.say(resumed.nothing_to_do())
        return Run(resumed.folder.address)
    declared = configuration.load(config, overrides) if resumed is None else resumed.config
    finished = refuse_impossible(declared, load_weights=not resume)
    if workers > 1:
        if not isinstance(config, str | Path):
            raise ConfigError("workers read the configuration from a file", hint="give its path")
        refuse_small_shares(workers, declared.batch)
        target = new_run(declared, out) if resumed is None else Path(resumed.folder.address)
        words = {
            "config": str(config if resumed is None else target),
            "overrides": dict(Changes.of(overrides)),
            "out": None if resume else str(target),
            "resume": resume,
            "accept_changes": accept_changes,
        }
        launch(workers, words, target)
        return Run(target)
    with ranks_of_environment() as ranks, closing(screen if ranks.is_first else Screen()) as screen:
        tasks = build_tasks(declared.tasks, declared.file)
        dataset = read_dataset(declared, tasks, screen, turn=ranks.first_on_machine_first())
        if resumed is None:
            declared = with_value_range(declared, dataset, screen)
            opened = begun(new_run(declared, out), declared, dataset)
        else:
            opened = going_on(resumed.folder, declared, dataset, accept_changes, screen)
        with folder_of_each(ranks, opened) as folder:
            trainer = Trainer.of_dataset(folder, declared, tasks, dataset, screen, ranks, finished)
            del finished  # teachers need no memory any more
            if resumed is not None:
                trainer.go_on()
            trainer.run()
            path = ranks.same(folder.address)
    screen.say(f"finished: {path} (epoch {trainer.selection.epoch} is kept)")
    del trainer, dataset, opened
    give_back()  # whoever trains and then evaluates needs it for that
    return Run(path, elsewhere=not ranks.is_first)


def finish(run: str | Path, *, accept_changes: bool = False, screen: Screen | None = None) -> Run:
    """A training that was stopped, or is still under way, becomes a finished run now: calibrated, with the
    best epoch so far.

    Args:
        run: the run folder. Where another process trains it, that one is asked to finish, which it does after
            a step, though not before its first epoch is over; this waits for it.
        accept_changes: finish although its data have changed.

    Raises:
        RunError: no epoch was finished, or its data have changed.
    """
    with needs_extra("train", "finish"):
        from oneglance.storage.run_folder import RunFolder
        from oneglance.storage.run_lookup import going_on
        from oneglance.storage.training_lock import finished_by_its_process
        from oneglance.training.experiment_data import read_dataset
        from oneglance.training.trainer import Trainer

    screen, stopped = screen or default_screen(), RunFolder.open(run)
    if stopped.finished:
        screen.say(f"{stopped.address} is finished already")
        return Run(stopped.address)
    if finished_by_its_process(stopped, screen):
        screen.say(f"finished: {stopped.address}")
        return Run(stopped.address)
    declared = stopped.config()
    with closing(screen):
        tasks = build_tasks(declared.tasks, declared.file)
        dataset = read_dataset(declared, tasks, screen)
        with going_on(stopped, declared, dataset, accept_changes, screen) as folder:
            trainer = Trainer.of_dataset(folder, declared, tasks, dataset, screen)
            trainer.resume()
            trainer.finish()
    screen.say(f"finished: {stopped.address} (epoch {trainer.selection.epoch} is kept)")
    return Run(stopped.address)


def evaluate(
    run: str | Path, *, split: str = "test", out: str | Path | None = None, screen: Screen | None = None
) -> Report:
    """Score a finished run on pictures it has not learned from, and write report.json and report.html.

    Args:
        run: the run folder, or a folder of ``combine``, each of whose networks is scored on its own data.
        split: ``test``, or ``validation`` for scores that do not use up the test split.
        out: where the report goes; default: the run folder.

    Raises:
        RunError: the run is not finished, or its data have changed.
    """
    with needs_extra("train", "evaluate"):
        from oneglance.evaluation.evaluate import evaluate_combined, evaluate_run
        from oneglance.storage.combined_folder import CombinedFolder
        from oneglance.storage.run_folder import RunFolder

    target, screen = Path(out) if out else Path(run), screen or default_screen()
    if is_file(Path(run) / COMBINED):
        return Report(evaluate_combined(CombinedFolder.open(run), split, target, screen), target)
    return Report(evaluate_run(RunFolder.open(run), split, target, screen), target)


def robustness(
    run: str | Path,
    *,
    split: str = "validation",
    pictures: int = 500,
    out: str | Path | None = None,
    screen: Screen | None = None,
) -> Robustness:
    """Score a finished run on pictures that are made worse in 15 ways, each in 5 strengths, and write
    robustness.json and robustness.html.

    Args:
        run: the run folder.
        split: ``validation``, or ``test``.
        pictures: at most so many of the split, drawn the same way each time; each is answered 76 times.
        out: where both files go; default: the run folder.

    Raises:
        ConfigError: no such split, or it is empty.
        RunError: the run is not finished, or its data have changed.
    """
    with needs_extra("train", "robustness"):
        from oneglance.evaluation.robustness import robustness_of_run
        from oneglance.storage.run_folder import RunFolder

    target, screen = Path(out) if out else Path(run), screen or default_screen()
    return Robustness(robustness_of_run(RunFolder.open(run), split, pictures, target, screen), target)


def compare(
    config: ConfigSource,
    *,
    overrides: Overrides = (),
    out: str | Path | None = None,
    seeds: int = 5,
    budget: str = "",
    only: Sequence[str] = (),
    balancers: Sequence[str] = (),
    groups: Sequence[Sequence[str]] = (),
    guided: bool = False,
    robustness: bool = False,
    ray: bool = False,
    screen: Screen | None = None,
) -> Comparison:
    """Did learning together help? Write compare.json and compare.html.

    One network for all tasks is compared with one network per task, with classical methods and with the
    constant answer, on the same test pictures. What was trained before in ``out`` is read, not trained again.

    Args:
        config: an oneglance.toml, a mapping of the same form, or a Config.
        overrides: ``{"training.epochs": 5}``, a list of ``"training.epochs=5"``, or one of these.
        out: a folder; default: ``compare/`` and the name of the configuration.
        seeds: trainings of each kind, with the seeds that follow training.seed. Few tell little; 5 are good.
        budget: time for all trainings together, such as ``30m``; it shortens all of them alike.
        only: some of joint, single, single_same_size, classical, reduced, perceptron, probe, clusters and
            constant.
        balancers: files of ``balancers/``; each is one more way to train the joint network.
        groups: tasks that share a network where one network is parted into several, such as
            ``[["kind", "kids"], ["price"]]``, every task once; one more way to spend the time of all.
        guided: also a joint network that the single ones teach, with their time charged to it, and as its
            control single networks that are each taught by one.
        robustness: also score joint, single, classical and the frozen probe on at most 500 test pictures that
            are made worse in 15 ways.
        ray: train at the same time what waits for no other training, on the Ray cluster at ``RAY_ADDRESS``;
            its machines see the data and ``out`` under the same paths.

    Returns:
        What compare.json holds.

    Raises:
        OneglanceError: with location, what and hint; StoppedError after Ctrl-C, and the same call goes on.
    """
    with needs_extra("train", "compare"):
        from oneglance.evaluation.comparison import compare as comparison
        from oneglance.evaluation.comparison import plan as plans
        from oneglance.storage.run_lookup import run_name
        from oneglance.training.preparation.early_checks import refuse_impossible

    wanted = plans.plan(seeds, budget, only, balancers, groups, guided, ray, robustness)
    declared = configuration.load(config, overrides)
    target = here(Path(out)) if out else Path("compare") / run_name(declared)
    refuse_impossible(declared)
    with closing(screen or default_screen()) as screen:
        return Comparison(comparison.compare(declared, target, wanted, screen), target)


def group(
    config: ConfigSource,
    *,
    overrides: Overrides = (),
    out: str | Path | None = None,
    screen: Screen | None = None,
) -> Grouping:
    """Which tasks should share a network, by the cosines between their gradients in one joint training.

    Args:
        config: an oneglance.toml, a mapping of the same form, or a Config, of which a finished run in
            ``runs/`` is read, or else a short training is made; or a run folder.
        overrides: ``{"training.epochs": 5}``, a list of ``"training.epochs=5"``, or one of these.
        out: where a short training goes; default: ``group/`` and the name of the configuration.

    Returns:
        ``{"run", "tasks", "epochs", "cosines", "groupings", "proposed", "notes"}``: the mean cosine by
        ``"a | b"``; for each number of networks the best groups, with their score, what they gain over one
        network, and the standard error of that between epochs; and the groups that are proposed.

    Raises:
        OneglanceError: with location, what and hint.
    """
    with needs_extra("train", "group"):
        from oneglance.evaluation import task_grouping
        from oneglance.storage.run_folder import RunFolder
        from oneglance.storage.run_lookup import run_name
        from oneglance.training.preparation.early_checks import refuse_impossible

    if isinstance(config, str | Path) and is_folder(config):
        return Grouping(task_grouping.of_run(RunFolder.open(config)))
    declared = configuration.load(config, overrides)
    target = here(Path(out)) if out else Path("group") / run_name(declared)
    refuse_impossible(declared)
    with closing(screen or default_screen()) as screen:
        run = task_grouping.joint_run(declared, target, Path("runs"), screen)
        return Grouping(task_grouping.of_run(run))


def tune(
    config: ConfigSource,
    *,
    overrides: Overrides = (),
    out: str | Path | None = None,
    seeds: int = 1,
    budget: str = "",
    screen: Screen | None = None,
) -> Tuning:
    """Search the weights of the tasks' losses by successive halving, and write tune.json.

    The validation split decides, by the mean skill over tasks. What was trained before in ``out`` is gone on
    with, not trained again.

    Args:
        config: an oneglance.toml, a mapping of the same form, or a Config.
        overrides: ``{"training.epochs": 5}``, a list of ``"training.epochs=5"``, or one of these.
        out: a folder; default: ``tune/`` and the name of the configuration.
        seeds: trainings of each set of weights.
        budget: time for all trainings together, such as ``30m``: it decides how many sets are tried;
            default: 9 sets.

    Returns:
        What tune.json holds: ``candidates`` with their weights, epochs and skills; ``gain`` of the winner
        over the weights as they are, on the same seeds, with its standard ``error``; ``set``, the overrides.

    Raises:
        OneglanceError: with location, what and hint; StoppedError after Ctrl-C, and the same call goes on.
    """
    with needs_extra("train", "tune"):
        from oneglance.evaluation import loss_weight_search
        from oneglance.evaluation.comparison import plan as plans
        from oneglance.storage.run_lookup import run_name
        from oneglance.training.preparation.early_checks import refuse_impossible

    time = plans.seconds(budget) if budget else None
    declared = configuration.load(config, overrides)
    target = here(Path(out)) if out else Path("tune") / run_name(declared)
    refuse_impossible(declared)
    with closing(screen or default_screen()) as screen:
        return Tuning(loss_weight_search.tune(declared, target, seeds, time, screen))


def export(
    run: str | Path,
    *,
    out: str | Path | None = None,
    file_format: str = "onnx",
    precision: str = "fp32",
    screen: Screen | None = None,
) -> Exported:
    """Write a finished run as one file that gives the same answers, and compare them on validation pictures.

    Args:
        run: the run folder, or a folder of ``combine``, all of whose networks go into one file, as onnx in
            fp32.
        out: the file to write; default: ``model.onnx`` and the like in the run folder.
        file_format: ``onnx``, which ``predict`` and ``serve`` read without torch, or ``torch``: a
            torch.export program for code of your own.
        precision: ``fp32``; ``fp16``, half the size; ``int8``, whose ranges are those of training pictures.

    Returns:
        ``{"file", "format", "precision", "bytes", "pictures", "drawn", "disagreement", "scores", "speed"}``:
        on how many pictures it was compared, whether they had to be drawn because the data are not there, by
        how much the raw output of each task differs, the deciding metric of the run and of the file, and how
        many times as fast int8 is as fp32 on this machine (None for another precision).

    Raises:
        ConfigError: there is no such format or precision.
        RunError: the run is not finished, or the file would answer otherwise; nothing is written then.
    """
    with needs_extra("export", "export"):
        for name in ("torch", "onnx", "onnxscript"):
            import_module(name)
        from oneglance.inference.combined.export import export_combined
        from oneglance.inference.export import export_run
        from oneglance.storage.combined_folder import CombinedFolder
        from oneglance.storage.run_folder import RunFolder

    target, screen = Path(out) if out else None, screen or default_screen()
    if is_file(Path(run) / COMBINED):
        several = CombinedFolder.open(run)
        return Exported(export_combined(several, target, file_format, precision, screen))
    return Exported(export_run(RunFolder.open(run), target, file_format, precision, screen))


def runs(folder: str | Path | Sequence[str | Path] = "runs", *, html: str | Path | None = None) -> Runs:
    """What is known of each run folder in ``folder``: name, tasks, best epoch, validation scores, seconds.

    Args:
        folder: where runs lie, or a run; several of either.
        html: a file for a page with all runs side by side: scores, settings that differ, curves.

    Raises:
        OneglanceError: a run is damaged, or the page cannot be written.
    """
    with needs_extra("train", "runs"):
        from oneglance.storage.combined_folder import combined_in, combined_overview
        from oneglance.storage.run_folder import runs_in
        from oneglance.storage.run_lookup import listed

    folders = [Path(one) for one in ([folder] if isinstance(folder, str | Path) else folder)]
    every = [run for one in folders for run in runs_in(one)]
    combined = [path for one in folders for path in combined_in(one)]
    names = {*(run.name for run in every), *(path.name for path in combined)}
    if are_alike := len(names) < len(every) + len(combined):
        for run in every:
            run.name = run.address
    if html is not None:
        from oneglance.evaluation.reports.run_table import write_page

        write_page(Path(html), every, title=folders[0].resolve().name if len(folders) == 1 else "runs")
    rows = [listed(run) for run in every]
    rows += [combined_overview(path, str(path) if are_alike else path.name) for path in combined]
    return Runs(sorted(rows, key=lambda row: str(row["run"])))
