"""The command of the shell: every verb, and one message instead of a traceback where something is wrong."""

from __future__ import annotations

import atexit
import gc
import io
import os
import sys
from typing import NoReturn

import typer

from oneglance.cli import (
    data,
    labelling,
    training,
    using,
    vectors,
)  # each adds its commands, in the order of the help
from oneglance.cli.application import app
from oneglance.errors import OneglanceError, StoppedError

STOPPED = 130  # the exit code of Ctrl-C

__all__ = ["app", "data", "labelling", "main", "training", "using", "vectors"]


def speak_utf8() -> None:
    """Files and pipes get UTF-8 on every system; a terminal that lacks a letter shows its code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")


def main() -> None:
    """One message and an exit code instead of a traceback."""
    speak_utf8()
    # At its end Python looks through everything once more for what is no longer used: with torch loaded,
    # a fifth of a second for nothing.
    atexit.register(gc.freeze)
    try:
        app(prog_name="oneglance")
    except SystemExit as ended:
        if ended.code == STOPPED:  # what Typer makes of Ctrl-C, without a word
            typer.echo("stopped", err=True)
        raise
    except StoppedError as error:
        leave(str(error), STOPPED)
    except OneglanceError as error:
        leave(str(error), 1)
    except KeyboardInterrupt:
        leave("stopped", STOPPED)
    except BrokenPipeError:
        leave("", 0)
    except OSError as error:  # no place of ours to say more: a full disk behind standard output, for example
        location = f"{error.filename}: " if error.filename else ""
        leave(f"{location}cannot be read or written ({error.strerror or error})", 1)
    except MemoryError:
        leave("needs more memory than there is", 1)


def leave(message: str, code: int) -> NoReturn:
    """End with one message. What standard output still holds, and cannot be written, is given up."""
    if message:
        typer.echo(message, err=True)
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
