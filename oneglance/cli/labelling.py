"""Commands for those who answer: what is probably wrong. No logic: each calls the function of its name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import oneglance
from oneglance.cli.application import AsJson, Overrides, app, listed, print_json, tell


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
    task: Annotated[str, typer.Option(help="such as kind,price; default: all", show_default=False)] = "",
    count: Annotated[int, typer.Option(help="list so many, at most")] = 200,
    out: Annotated[Path | None, typer.Option(help="where everything goes", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Answers that are probably wrong, and what the network says."""
    result = oneglance.suspects(
        run_or_config,
        overrides=overrides,
        folds=folds,
        whole=whole,
        tasks=listed(task),
        count=count,
        out=out,
    )
    if as_json:
        print_json(result.to_dict())
    else:
        from oneglance.cli.tables import show_suspects

        show_suspects(result)
        tell(f"look at {result.path}/suspects.html")
