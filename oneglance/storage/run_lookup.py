"""Which run folder a verb means: a new one, one to go on with, or all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from oneglance import config as configuration
from oneglance.config import UNNAMED, Config, ConfigSource
from oneglance.data.dataset import Dataset
from oneglance.data.images.archives import is_archive
from oneglance.data.splitting.split import SplitIndices
from oneglance.errors import OneglanceError, RunError, command
from oneglance.progress import Screen
from oneglance.storage.fingerprint import Fingerprint, counted, row_changes
from oneglance.storage.plain_files import is_file, is_folder, located, resolved
from oneglance.storage.resume_changes import MAY_CHANGE, MEASURED
from oneglance.storage.resumption import Resumption, resumption
from oneglance.storage.run_folder import RunFolder, free_path, overview, remove, runs_in
from oneglance.storage.training_lock import training_lock
from oneglance.toml.overrides import Changes, Overrides

SAYING_NOTHING = {"annotations", "images", "img", "imgs", "jpegimages", "jpg", "labels", "train", "training"}
"""Names of folders, in small letters, that lie in many data sets."""


@contextmanager
def begun(target: Path, config: Config, dataset: Dataset) -> Iterator[RunFolder]:
    """A new run folder; it is taken away again if the block fails before anything was learned."""
    ours = _is_free(target)
    run = RunFolder.create(target, config, dataset)
    try:
        with training_lock(run):
            yield run
    except BaseException:
        if ours and not any((run / name).exists() for name in ("resume.pt", "weights.safetensors")):
            remove(run)
        else:
            _send_what_there_is(run)
        raise
    run.send()


def _send_what_there_is(run: RunFolder) -> None:
    """After a failure, which is what the user is to hear of."""
    with suppress(RunError):
        run.send()


def _is_free(target: Path) -> bool:
    """Whether nothing of anybody's is there; what cannot be read is somebody's."""
    try:
        return not any(target.iterdir())
    except FileNotFoundError:
        return True
    except (OSError, ValueError):  # a file, for example
        return False


@contextmanager
def going_on(
    folder: RunFolder, config: Config, dataset: Dataset, accept_changes: bool, screen: Screen
) -> Iterator[RunFolder]:
    """A run folder whose training was stopped, with the data it was begun with. ``dataset`` is split as it
    was then.

    Args:
        accept_changes: go on where pictures, answers or the configuration are not what they were.

    Raises:
        RunError: the pictures are others now, something has changed that is not accepted, or another process
            trains the run.
    """
    with training_lock(folder):
        _refuse_other_data(folder, config, dataset, accept_changes, screen)
        try:
            yield folder
        except BaseException:
            _send_what_there_is(folder)
            raise
        folder.send()


def _refuse_other_data(
    folder: RunFolder, config: Config, dataset: Dataset, accept_changes: bool, screen: Screen
) -> None:
    then = _same_pictures(folder, dataset)
    kept, now = folder.fingerprint(), Fingerprint.of(config, dataset)
    changes: list[str] = []
    if kept is not None and kept.fits(then):
        chosen = {key for key in config.overrides if MAY_CHANGE.fullmatch(key)}
        changes = kept.with_settings(now, chosen).changes(now, then)
    else:
        screen.say(f"{folder.address} keeps no digests of its data: only names and splits are compared")
    moved = [row[0] for row, other in zip(then, dataset.rows(), strict=True) if row != other]
    if moved:
        changes.append(counted("picture that is now of another split", moved))
    if changes and not accept_changes:
        which = "the configuration has" if all(line.startswith("[") for line in changes) else "the data have"
        raise RunError(
            f"{which} changed since this run began: {'; '.join(changes)}",
            location=folder.address,
            hint="put them back, train anew, or go on all the same: "
            f"{command('train', folder.address, '--resume', '--accept-changes')}",
        )
    if changes:
        screen.say(f"going on with what has changed: {'; '.join(changes)}")
        dataset.splits = SplitIndices.of([row[2] for row in then])
    if changes or kept is None:
        folder.write_fingerprint(now)


def _same_pictures(folder: RunFolder, dataset: Dataset) -> list[tuple[str, ...]]:
    """(picture, group, split) of all pictures when the run began.

    Raises:
        RunError: its pictures or their groups are others now, with which it cannot go on.
    """
    then, now = folder.split(), dataset.rows()
    if [row[:2] for row in then] != [row[:2] for row in now]:
        raise RunError(
            f"the data have changed since this run began: {'; '.join(row_changes(then, now))}",
            location=folder.address,
            hint="put them back, or train anew",
        )
    return then


def run_to_resume(config: ConfigSource, overrides: Overrides, out: str | Path | None) -> Resumption:
    """The run to go on with: ``config`` itself where it is a run folder, else ``out``, else the newest
    unfinished one of this configuration; where the command says how long it is to be, also a finished one.

    Raises:
        ConfigError: the configuration or an override cannot be.
        RunError: there is no such run, or it was begun with another configuration.
    """
    if isinstance(config, str | Path) and is_folder(config):
        return resumption(RunFolder.open(config), None, Changes.of(overrides))
    wanted = configuration.load(config, overrides)
    given = Changes(wanted.overrides)
    if out:
        return resumption(RunFolder.open(out), wanted, given)
    begun = sorted(runs_in(Path("runs")), key=_when_begun, reverse=True)
    fitting = [one for run in begun if (one := _fitting(run, wanted, given)) is not None]
    unfinished = [one for one in fitting if not one.folder.finished]
    finished = [one for one in fitting if one.folder.finished]
    if unfinished or any(one.longer for one in finished):
        return (unfinished or finished)[0]
    text = wanted.text.encode()
    for run in begun:  # none goes on as it is said: the refusal of the newest says why
        if not run.finished and (run / "config.toml").read_bytes() == text:
            return resumption(run, wanted, given)
    hint = "name its folder: oneglance train RUN --resume"
    if finished:
        hint += f"; {finished[0].nothing_to_do()}"
    raise RunError(f"no unfinished run of {run_name(wanted)} in runs/", hint=hint)


def _when_begun(run: RunFolder) -> float:
    return (run / "config.toml").stat().st_mtime


def _fitting(run: RunFolder, wanted: Config, given: Changes) -> Resumption | None:
    """That run, if it can go on as it is said; one that is damaged cannot."""
    try:
        return resumption(run, wanted, given)
    except OneglanceError:
        return None


def run_name(config: Config) -> str:
    """``clothing.toml`` -> clothing; a plain oneglance.toml, or no file, is called after its pictures."""
    stem = Path(config.file).stem
    return _data_name(config) if stem in ("oneglance", UNNAMED) else stem


def _data_name(config: Config) -> str:
    """The name of the folder in which the first source has its pictures, or else that of its file."""
    table = config.sources[0]
    path = Path(str(table.get("images") or table.get("path") or "."))
    whole = located(config.base, path)
    if is_folder(whole):
        return _data_folder(whole, path)
    stem = whole.name.partition(".")[0] or "run"
    in_own_folder = whole.parent != resolved(config.base) and not is_archive(whole)
    return _data_folder(whole.parent, path.parent) if in_own_folder else stem


def _data_folder(whole: Path, written: Path) -> str:
    """The name of a folder; of one called ``images`` or the like, that of the folder around it, where that
    is a part of what is written: the working directory says little of the pictures in it.
    """
    while whole.name.lower() in SAYING_NOTHING and len(written.parts) > 1:
        whole, written = whole.parent, written.parent
    return whole.name or "run"


def new_run(config: Config, out: str | Path | None, folder: Path = Path("runs")) -> Path:
    """Where a new run goes: ``out``, or a free name in ``folder``."""
    return Path(out) if out else free_path(folder, run_name(config))


def run_of(config: Config, out: str | Path | None) -> RunFolder | None:
    """What there is of a configuration with these changes already: the run ``out``, else the newest that is
    not finished or was never scored; None where a training has to begin.

    Raises:
        RunError: ``out`` is a run of another configuration.
    """
    if out:
        folders = [RunFolder(Path(out))] if is_file(Path(out) / "config.toml") else []
    else:
        folders = [run for run in runs_in(Path("runs")) if not is_file(run / "report.json")]
    same = [run for run in folders if _was_begun_with(run, config)]
    if out and folders and not same:
        hint = "name another folder with --out"
        raise RunError("is a run of another configuration", location=str(out), hint=hint)
    return max(same, key=_when_begun) if same else None


def _was_begun_with(run: RunFolder, config: Config) -> bool:
    """Whether the same text and the same ``--set``; what a training added to them does not count."""
    try:
        then = run.config()
    except OneglanceError:  # damaged: it is none that one goes on with
        return False
    asked = {key: value for key, value in then.overrides.items() if key not in MEASURED}
    return then.text == config.text and asked == config.overrides


def listed(run: RunFolder) -> dict[str, Any]:
    """The overview of a run; a damaged one says so instead of hiding the others."""
    try:
        return overview(run)
    except OneglanceError as error:
        unknown = {"backbone": "", "epochs": 0, "best_epoch": None, "skill": None, "scores": {}, "seconds": 0}
        return {"run": run.name, "state": f"damaged: {error}", **unknown}
