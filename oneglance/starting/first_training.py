"""The whole way in one command: look, write oneglance.toml, train, evaluate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from oneglance import config as configuration
from oneglance.api import evaluate, train
from oneglance.config import Config
from oneglance.data.image_inputs import Paths
from oneglance.data_api import init
from oneglance.errors import ConfigError, StoppedError, needs_extra
from oneglance.progress import Screen
from oneglance.results.started import Started
from oneglance.screens.choice import default_screen
from oneglance.storage.plain_files import exists, located, resolved
from oneglance.toml.overrides import Overrides

CONFIG = Path("oneglance.toml")


def start(
    pictures: str | Path,
    table: Paths | None = None,
    *,
    recipe: str = "auto",
    force: bool = False,
    image: str = "",
    boxes: str | Path | None = None,
    group: str = "",
    task: str | Sequence[str] = (),
    backbone: str = "",
    size: int | str | Sequence[int] | None = None,
    weights: str | Path = "",
    minutes: float | None = None,
    overrides: Overrides = (),
    out: str | Path | None = None,
    ask: bool = False,
    screen: Screen | None = None,
) -> Started:
    """Look at the data, say what is there, write oneglance.toml into the working directory, train, evaluate.

    An oneglance.toml that is there already is used if it is about these pictures. A training that was
    interrupted goes on.

    Args:
        pictures: as for ``init``, and so are ``table``, ``recipe``, ``image``, ``boxes``, ``group``,
            ``task``, ``backbone``, ``size``, ``weights`` and ``minutes``.
        force: write over an existing oneglance.toml.
        overrides: ``{"training.epochs": 5}``, a list of ``"training.epochs=5"``, or one of these.
        out: the run folder; default: ``runs/`` and the name of the data.
        ask: whether to go on, where somebody sits at a terminal.

    Returns:
        ``{"config", "run", "report", "chosen", "seconds", "peak_mb"}``: ``report`` as ``evaluate`` gives it,
        ``chosen`` the network, its size, epochs, batch, tasks and what was foretold, and what it took.

    Raises:
        ConfigError: an oneglance.toml of other pictures is there.
        DataError: nothing there can be read.
        StoppedError: after Ctrl-C, or after "no".
    """
    with needs_extra("train", "start"):
        for name in ("training.trainer", "evaluation.comparison.peak_memory"):
            import_module(f"oneglance.{name}")  # what is missing is named before anything is written
        from oneglance.evaluation.comparison.peak_memory import peak_memory
        from oneglance.nn.device import pick_device
        from oneglance.starting.first_look import first_look
        from oneglance.storage.run_folder import RunFolder

    began, screen = time.monotonic(), screen or default_screen()
    options: dict[str, Any] = {
        "image": image,
        "boxes": boxes,
        "group": group,
        "task": task,
        "backbone": backbone,
        "size": size,
        "weights": weights,
        "minutes": minutes,
    }
    given = {name: value for name, value in options.items() if value}
    if recipe != "auto":
        given["recipe"] = recipe
    used = exists(CONFIG) and not force
    if used:
        _refuse_other(pictures, table, given)
    else:
        init(pictures, table, out=CONFIG, force=force, **given)
    declared = configuration.load(CONFIG, overrides)
    with peak_memory(pick_device(declared.training.device)) as peak:
        chosen = first_look(declared, CONFIG, used, screen)
        if ask and not screen.ask("train?"):
            hint = f"change {CONFIG} as you like, then run the same command again"
            raise StoppedError("nothing was trained", hint=hint)
        run = _trained(declared, overrides, out, screen)
        chosen["epochs"] = len(RunFolder(run).history())
        split = "test" if chosen.pop("test pictures") else "validation"
        report = evaluate(run, split=split, screen=screen)
    return Started(
        {
            "config": str(CONFIG),
            "run": str(run),
            "report": report.to_dict(),
            "chosen": chosen,
            "seconds": round(time.monotonic() - began, 1),
            "peak_mb": round(peak.mb),
        }
    )


def _refuse_other(pictures: str | Path, table: Paths | None, given: dict[str, Any]) -> None:
    """Raise for a configuration of other data, or for options that it would make void."""
    declared = configuration.load(CONFIG)
    named = {
        located(declared.base, str(source[key]))
        for source in declared.sources
        for key in ("path", "images")
        if source.get(key)
    }
    whole = resolved(Path(pictures))
    if not any(one == whole or whole in one.parents for one in named):
        hint = "work in another folder, or write it anew with --force"
        raise ConfigError(f"exists already, and is not about {pictures}", location=str(CONFIG), hint=hint)
    if given:
        options = " and ".join(f"--{name}" for name in given)
        hint = "write it anew with --force, or change a key with --set"
        raise ConfigError(
            f"exists already, so {options} would change nothing", location=str(CONFIG), hint=hint
        )


def _trained(declared: Config, overrides: Overrides, out: str | Path | None, screen: Screen) -> Path:
    """The run folder of a training that was begun, gone on with, or is there already."""
    from oneglance.storage.run_lookup import run_of

    begun = run_of(declared, out)
    if begun is None:
        return train(CONFIG, overrides=overrides, out=out, screen=screen).path
    return train(begun.path, resume=True, screen=screen).path
