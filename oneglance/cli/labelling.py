"""Commands for those who label: what is probably wrong, and what comes next. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import oneglance
from oneglance.cli.application import AsJson, Overrides, RunPath, app, leave_if, print_json, tell


@app.command()
def suspects(
    run_or_config: Annotated[
        Path, typer.Argument(help="a run folder, or a configuration", show_default=False)
    ],
    overrides: Overrides = [],  # noqa: B006
    folds: Annotated[int, typer.Option(help="parts, each judged by what learned from the others")] = 5,
    whole: Annotated[
        bool, typer.Option("--whole", help="train a network for each fold: better, and as long")
    ] = False,
    tasks: Annotated[
        list[str],
        typer.Option("--task", help="only this task; may be given several times", show_default=False),
    ] = [],  # noqa: B006
    count: Annotated[int, typer.Option(help="list so many, at most")] = 200,
    out: Annotated[Path | None, typer.Option(help="where everything goes", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Answers that may be wrong, the most suspicious first, and what the network says."""
    result = oneglance.suspects(
        run_or_config,
        overrides=overrides,
        folds=folds,
        whole=whole,
        tasks=tasks,
        count=count,
        out=out,
    )
    if as_json:
        print_json(result.to_dict())
    else:
        from oneglance.cli.tables import show_suspects

        show_suspects(result)
        tell(f"look at {result.path}/suspects.html")


@app.command("label-next")
def label_next(
    run: RunPath,
    pool: Annotated[list[str], typer.Argument(help="files, folders, archives, patterns", show_default=False)],
    count: Annotated[int, typer.Option(help="pictures, shared among the tasks")] = 100,
    tasks: Annotated[
        list[str],
        typer.Option("--task", help="only this task; may be given several times", show_default=False),
    ] = [],  # noqa: B006
    out: Annotated[
        Path | None,
        typer.Option(help="a file for the answers to these pictures, to be corrected", show_default=False),
    ] = None,
    tool: Annotated[str, typer.Option("--format", help="of that file: coco, cvat or label-studio")] = "coco",
    as_json: AsJson = False,
) -> None:
    """Which unlabelled pictures to label next."""
    result = oneglance.label_next(run, pool, count=count, tasks=tasks, out=out, tool=tool)
    if as_json:
        print_json(result.to_dict())
    else:
        for row in result.rows():
            tell(f"{row['image']}  {row['task']}  {row['score']:.3f}  {row['reason']}")
        typer.echo(result.headline(), err=True)
    leave_if(result["unreadable"])
