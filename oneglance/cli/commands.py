"""The command of the shell: every verb, and one message instead of a traceback where something is wrong."""

from __future__ import annotations

import io
import sys

import typer

from oneglance.cli import data, training, using  # each adds its commands, in the order of the help
from oneglance.cli.application import app
from oneglance.errors import OneglanceError, StoppedError

__all__ = ["app", "data", "main", "training", "using"]


def speak_utf8() -> None:
    """Files and pipes get UTF-8 on every system; a terminal that lacks a letter shows its code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")


def main() -> None:
    """The entry point: one message and an exit code instead of a traceback."""
    speak_utf8()
    try:
        app(prog_name="oneglance")
    except StoppedError as error:
        typer.echo(str(error), err=True)
        sys.exit(130)
    except OneglanceError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
