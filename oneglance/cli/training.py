"""Commands that train and score. No logic: each calls the function of its name."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

import oneglance
from oneglance.cli.application import (
    AsJson,
    ConfigFile,
    Minutes,
    Overrides,
    RunPath,
    app,
    leave_if,
    listed,
    print_json,
    tell,
)
from oneglance.errors import ConfigError, command, needs_extra


@app.command()
def train(
    config: ConfigFile,
    overrides: Overrides = [],  # noqa: B006
    out: Annotated[Path | None, typer.Option(help="the run folder", show_default=False)] = None,
    minutes: Minutes = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="go on with a stopped run, or a finished one that is to be longer"),
    ] = False,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="go on with data that have changed meanwhile")
    ] = False,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="with a page that shows how it goes, at an address that is printed"),
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="processes on this machine that share every batch")] = 1,
    as_json: AsJson = False,
) -> None:
    """Train one network for all tasks."""
    if watch and workers > 1:
        hint = "leave --watch out, and look at the run folder with: oneglance watch RUN"
        raise ConfigError("--watch shows a training of one process", hint=hint)
    with ExitStack() as stack:
        screen = None
        if watch:
            with needs_extra("serve", "train --watch"):
                from oneglance.serving.live.live_page import live_page
            screen = stack.enter_context(live_page())
        run = oneglance.train(
            config,
            overrides=overrides,
            out=out,
            minutes=minutes,
            resume=resume,
            accept_changes=accept_changes,
            workers=workers,
            screen=screen,
        )
    if os.environ.get("RANK", "0") != "0":
        return  # the first of several processes says it for all
    if as_json:
        print_json({"run": str(run.path), "history": run.history().to_dict()})
    else:
        tell(f"now run: {command('evaluate', run.path)}")
    leave_if(run.folder.unreadable())


@app.command()
def finish(
    run: RunPath,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="finish although the data have changed meanwhile")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a finished run of a stopped training, with its best epoch so far."""
    done = oneglance.finish(run, accept_changes=accept_changes)
    if as_json:
        print_json({"run": str(done.path), "history": done.history().to_dict()})
    else:
        tell(f"now run: {command('evaluate', done.path)}")


@app.command()
def extend(
    run: RunPath,
    config: Annotated[Path, typer.Argument(help="an oneglance.toml with the new tasks", show_default=False)],
    overrides: Overrides = [],  # noqa: B006
    out: Annotated[Path | None, typer.Option(help="the new run folder", show_default=False)] = None,
    stage: Annotated[
        bool,
        typer.Option("--stage", help="each new task also gets a last stage of the backbone for itself"),
    ] = False,
    tune: Annotated[
        bool,
        typer.Option("--tune", help="all learns on; refused if it gets worse at what it knows"),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Teach a finished run new tasks; what it answers already stays the same."""
    done = oneglance.extend(run, config, overrides=overrides, out=out, stage=stage, tune=tune)
    if as_json:
        held = done.folder.held()
        print_json({"run": str(done.path), "history": done.history().to_dict(), "held": held})
    else:
        tell(f"now run: {command('evaluate', done.path)}")
    leave_if(done.folder.unreadable())


@app.command()
def distil(
    runs: Annotated[
        list[Path], typer.Argument(help="finished runs, such as runs/kind runs/price", show_default=False)
    ],
    pictures: Annotated[
        Path,
        typer.Option(
            help="pictures to learn on, which need no answers, or an oneglance.toml", show_default=False
        ),
    ],
    overrides: Overrides = [],  # noqa: B006
    out: Annotated[Path | None, typer.Option(help="the new run folder", show_default=False)] = None,
    minutes: Minutes = None,
    as_json: AsJson = False,
) -> None:
    """Let one network learn all answers of finished ones."""
    result = oneglance.distil(runs, pictures=pictures, overrides=overrides, out=out, minutes=minutes)
    if as_json:
        print_json(result.to_dict())
    else:
        from oneglance.cli.tables import show_distilled

        show_distilled(result)


@app.command()
def evaluate(
    run: RunPath,
    split: Annotated[str, typer.Option(help="test or validation")] = "test",
    out: Annotated[Path | None, typer.Option(help="where the report goes", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Score a run on the untouched test split."""
    report = oneglance.evaluate(run, split=split, out=out)
    if as_json:
        print_json(report.to_dict())
    else:
        from oneglance.cli.tables import show_report

        show_report(report, Path(out or run))
    leave_if(report["unreadable"])


@app.command()
def robustness(
    run: RunPath,
    split: Annotated[str, typer.Option(help="validation or test")] = "validation",
    pictures: Annotated[int, typer.Option(help="at most so many of the split")] = 500,
    out: Annotated[Path | None, typer.Option(help="where the report goes", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Score a run on pictures made worse in 15 ways, each in 5 strengths."""
    result = oneglance.robustness(run, split=split, pictures=pictures, out=out)
    if as_json:
        print_json(result.to_dict())
    else:
        from oneglance.cli.tables import show_robustness

        show_robustness(result)
        tell(f"look at {Path(out or run) / 'robustness.html'}")
    leave_if(result["unreadable"])


@app.command()
def compare(
    config: ConfigFile,
    overrides: Overrides = [],  # noqa: B006
    out: Annotated[
        Path | None, typer.Option(help="where everything goes; default: compare/NAME", show_default=False)
    ] = None,
    seeds: Annotated[int, typer.Option(help="trainings of each kind")] = 5,
    budget: Annotated[
        str, typer.Option(help="time for all trainings together, such as 30m", show_default=False)
    ] = "",
    only: Annotated[str, typer.Option(help="such as classical,constant", show_default=False)] = "",
    balancers: Annotated[str, typer.Option(help="such as equal,famo", show_default=False)] = "",
    groups: Annotated[
        str, typer.Option(help="tasks that share a network, such as kind+kids,price", show_default=False)
    ] = "",
    guided: Annotated[
        bool, typer.Option("--guided", help="also with the single networks as teachers of the joint one")
    ] = False,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="also score them on pictures that are made worse in 15 ways")
    ] = False,
    ray: Annotated[
        bool, typer.Option("--ray", help="train on the Ray cluster at RAY_ADDRESS, several at the same time")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Joint against one network per task, classical methods and the constant answer."""
    result = oneglance.compare(
        config,
        overrides=overrides,
        out=out,
        seeds=seeds,
        budget=budget,
        only=listed(only),
        balancers=listed(balancers),
        groups=[listed(group, "+") for group in listed(groups)],
        guided=guided,
        robustness=robustness,
        ray=ray,
    )
    if as_json:
        print_json(result.to_dict())
    else:
        from oneglance.cli.tables import show_comparison

        show_comparison(result)
    leave_if(result["unreadable"])


@app.command()
def group(
    config: Annotated[Path, typer.Argument(help="an oneglance.toml or a run folder", show_default=False)],
    overrides: Overrides = [],  # noqa: B006
    out: Annotated[
        Path | None, typer.Option(help="where a short training goes; default: group/NAME", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Propose which tasks should share a network."""
    result = oneglance.group(config, overrides=overrides, out=out)
    if as_json:
        print_json(result.to_dict())
    else:
        from oneglance.cli.tables import show_grouping

        show_grouping(result)
        if len(result["proposed"]) > 1 and config.is_file():
            parts = ",".join("+".join(tasks) for tasks in result["proposed"])
            groups = ["--groups", parts] if len(result["proposed"]) < len(result["tasks"]) else []
            tell(f"try it: {command('compare', config, *groups)}")


@app.command()
def tune(
    config: ConfigFile,
    overrides: Overrides = [],  # noqa: B006
    out: Annotated[
        Path | None, typer.Option(help="where everything goes; default: tune/NAME", show_default=False)
    ] = None,
    seeds: Annotated[int, typer.Option(help="trainings of each set of weights")] = 1,
    budget: Annotated[
        str, typer.Option(help="time for all trainings together, such as 30m", show_default=False)
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Search the weights of the tasks."""
    result = oneglance.tune(config, overrides=overrides, out=out, seeds=seeds, budget=budget)
    if as_json:
        print_json(result.to_dict())
    else:
        from oneglance.cli.tables import show_tuning

        show_tuning(result)
