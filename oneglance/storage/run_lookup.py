"""Which run folder a verb means: a new one, one to go on with, or all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from oneglance import config as configuration
from oneglance.config import UNNAMED, Config, ConfigSource
from oneglance.errors import ConfigError, OneglanceError, RunError
from oneglance.storage.run_folder import RunFolder, free_path, overview, remove, runs_in
from oneglance.toml.overrides import Overrides


@contextmanager
def begun(target: Path, config: Config, rows: list[tuple[str, str, str]]) -> Iterator[RunFolder]:
    """A new run folder; it is taken away again if the block fails before anything was learned."""
    ours = not (target.is_dir() and any(target.iterdir()))
    try:
        folder = RunFolder.create(target, config)
        folder.write_split(rows)
        yield folder
    except BaseException:
        if ours and not any((target / name).exists() for name in ("resume.pt", "weights.safetensors")):
            remove(RunFolder(target))
        raise


@contextmanager
def going_on(folder: RunFolder, rows: list[tuple[str, str, str]]) -> Iterator[RunFolder]:
    """A run folder whose training was stopped.

    Raises:
        RunError: its pictures or their parts are others now.
    """
    if folder.split() != rows:
        raise RunError(
            "the data have changed since this run began", location=str(folder.path), hint="train anew"
        )
    yield folder


def run_to_resume(config: ConfigSource, overrides: Overrides, out: str | Path | None) -> RunFolder:
    """The run to go on with: ``config`` itself where it is a run folder, else ``out``, else the newest
    unfinished one of this configuration.

    Raises:
        ConfigError: there are overrides, which would make it another run.
        RunError: there is no such run, or it was begun with another configuration.
    """
    if overrides:
        raise ConfigError("--set cannot change a run that goes on", hint="train anew")
    if isinstance(config, str | Path) and Path(config).is_dir():
        return RunFolder.open(config)
    wanted = configuration.load(config)
    folder = RunFolder.open(out) if out else newest_of(wanted)
    if folder.config().text != wanted.text:
        raise RunError(
            f"was begun with another configuration than {wanted.file} is now",
            location=str(folder.path),
            hint=f"train anew, or go on as it began: oneglance train {folder.path} --resume",
        )
    return folder


def run_name(config: Config) -> str:
    """``clothing.toml`` -> clothing; a plain oneglance.toml, or no file, is called after its folder."""
    stem = Path(config.file).stem
    return config.base.resolve().name if stem in ("oneglance", UNNAMED) else stem


def new_run(config: Config, out: str | Path | None, folder: Path = Path("runs")) -> Path:
    """Where a new run goes: ``out``, or a free name in ``folder``."""
    return Path(out) if out else free_path(folder, run_name(config))


def newest_of(config: Config) -> RunFolder:
    """The youngest unfinished run of a configuration."""
    text = config.text.encode()
    unfinished = [
        run
        for run in runs_in(Path("runs"))
        if not run.finished and (run / "config.toml").read_bytes() == text
    ]
    if not unfinished:
        raise RunError(
            f"no unfinished run of {run_name(config)} in runs/",
            hint="name its folder: oneglance train RUN --resume",
        )
    return max(unfinished, key=lambda run: (run / "config.toml").stat().st_mtime)


def listed(run: RunFolder) -> dict[str, Any]:
    """The overview of a run; a damaged one says so instead of hiding the others."""
    try:
        return overview(run)
    except OneglanceError as error:
        unknown = {"backbone": "", "epochs": 0, "best_epoch": None, "skill": None, "scores": {}, "seconds": 0}
        return {"run": run.path.name, "state": f"damaged: {error}", **unknown}
