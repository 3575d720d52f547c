"""What all commands share: the application, options that several have, and how results are printed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

import oneglance
from oneglance.errors import Problem

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="One network looks at a picture once and answers everything you want to know about it.",
)

ConfigFile = Annotated[Path, typer.Argument(help="the configuration, an oneglance.toml", show_default=False)]
RunPath = Annotated[Path, typer.Argument(help="a run folder, such as runs/photos", show_default=False)]
Overrides = Annotated[
    list[str], typer.Option("--set", help="change a key: --set training.epochs=5", show_default=False)
]
Minutes = Annotated[
    float | None,
    typer.Option(help="that the training is to take, in place of epochs", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON for programs")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps")]


def tell(text: str) -> None:
    """A line for people, on standard output."""
    typer.echo(text)


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False))


def leave_if(unread: object) -> None:
    """Exit code 3, where there are pictures that could not be read: all is done but for these."""
    if unread:
        raise typer.Exit(3)


def leave_if_unread(problems: Iterable[Problem]) -> None:
    """The same by the problems with them."""
    kinds = ("unreadable", "picture not there", "picture left out")
    leave_if(any(problem.kind in kinds for problem in problems))


def listed(words: str, between: str = ",") -> list[str]:
    """``a, b`` as a list."""
    return [word.strip() for word in words.split(between) if word.strip()]


def version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"oneglance {oneglance.__version__}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="show the version")
    ] = False,
) -> None:
    """One network looks at a picture once and answers everything you want to know about it."""
