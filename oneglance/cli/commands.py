"""The same verbs for the shell. No logic here: each command calls the function of its name in ``api.py``."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import oneglance
from oneglance.errors import OneglanceError, Problem, StoppedError

if TYPE_CHECKING:
    from oneglance.results.answers import Answer

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
AsJson = Annotated[bool, typer.Option("--json", help="print JSON for programs")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps")]


def tell(text: str) -> None:
    """A line for people, on standard output."""
    typer.echo(text)


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False))


def leave_if_unread(problems: Iterable[Problem]) -> None:
    """Exit code 3: all is done but for some pictures."""
    if any(problem.kind in ("unreadable", "picture not there") for problem in problems):
        raise typer.Exit(3)


def listed(words: str, between: str = ",") -> list[str]:
    """``a, b`` as a list."""
    return [word.strip() for word in words.split(between) if word.strip()]


def readable(beginning: str) -> list[str]:
    """The formats that can be read, for the shell to complete."""
    from oneglance.data.source import formats

    return [name for name in formats() if name.startswith(beginning)]


def writable(beginning: str) -> list[str]:
    """The formats that can be written, for the shell to complete."""
    from oneglance.data.writer import targets

    return [name for name in targets() if name.startswith(beginning)]


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


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="where everything goes")] = Path("demo"),
) -> None:
    """Everything once, offline, on pictures it makes itself."""
    run = oneglance.demo(folder)
    tell(f"look at {run.path / 'report.html'} and {folder / 'answers.jsonl'}")


@app.command()
def init(
    pictures: Annotated[
        Path, typer.Argument(help="a folder, archive or table of pictures", show_default=False)
    ],
    table: Annotated[Path | None, typer.Argument(help="a table of answers", show_default=False)] = None,
    out: Annotated[Path, typer.Option(help="the file to write")] = Path("oneglance.toml"),
    recipe: Annotated[str, typer.Option(help="default or classic")] = "default",
    force: Annotated[bool, typer.Option("--force", help="write over an existing file")] = False,
) -> None:
    """Look at the data and write oneglance.toml."""
    place = oneglance.init(pictures, table, out=out, recipe=recipe, force=force)
    tell(f"wrote {place}: read it, then run: oneglance train {place}")


@app.command()
def convert(
    source: Annotated[
        list[Path],
        typer.Argument(help="a data set of any format that is read; several are joined", show_default=False),
    ],
    out: Annotated[Path, typer.Argument(help="a new folder", show_default=False)],
    to: Annotated[
        str,
        typer.Option(
            help="the format to write: coco, table, voc or yolo", autocompletion=writable, show_default=False
        ),
    ],
    source_format: Annotated[
        str,
        typer.Option(
            "--format",
            help="the format to read, as in the configuration; default: found by looking",
            autocompletion=readable,
            show_default=False,
        ),
    ] = "",
    images: Annotated[
        Path | None, typer.Option(help="where relative picture names start", show_default=False)
    ] = None,
    copy: Annotated[bool, typer.Option(help="also write the pictures, not only where they are")] = True,
    as_json: AsJson = False,
) -> None:
    """Write a data set in another format."""
    problems = oneglance.convert(source, to, out, source_format=source_format, images=images, copy=copy)
    if as_json:
        print_json({"out": str(out), "problems": problems.to_dict()})
    else:
        for line in problems.summary():
            tell(line)
        tell(f"wrote {out}")
    leave_if_unread(problems)


@app.command()
def get(
    name: Annotated[
        str, typer.Argument(help="mnist, fashion_mnist, cifar10 or cifar100", show_default=False)
    ],
    folder: Annotated[Path, typer.Argument(help="where it goes")] = Path("data"),
) -> None:
    """Download a public set."""
    place = oneglance.get(name, folder)
    tell(f"{name} is in {place}: now run: oneglance init {place}")


@app.command()
def check(
    config: ConfigFile,
    overrides: Overrides = [],  # noqa: B006 - Typer reads it as a default and never changes it
    pictures: Annotated[bool, typer.Option(help="also open every picture")] = True,
    as_json: AsJson = False,
) -> None:
    """Tell every problem in the data at once."""
    problems = oneglance.check(config, overrides=overrides, pictures=pictures)
    if as_json:
        print_json(problems.to_dict())
    else:
        for line in problems.summary():
            tell(line)
        tell({0: "no problems", 1: "1 problem"}.get(len(problems), f"{len(problems):,} problems"))
    if problems.fatal:
        raise typer.Exit(1)
    leave_if_unread(problems)


@app.command()
def train(
    config: ConfigFile,
    overrides: Overrides = [],  # noqa: B006
    out: Annotated[Path | None, typer.Option(help="the run folder", show_default=False)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with a stopped run")] = False,
    as_json: AsJson = False,
) -> None:
    """Train one network for all tasks."""
    run = oneglance.train(config, overrides=overrides, out=out, resume=resume)
    if as_json:
        print_json({"run": str(run.path), "history": run.history().to_dict()})
    else:
        tell(f"now run: oneglance evaluate {run.path}")
    if run.folder.unreadable():
        raise typer.Exit(3)


@app.command()
def evaluate(
    run: RunPath,
    split: Annotated[str, typer.Option(help="test or validation")] = "test",
    out: Annotated[Path | None, typer.Option(help="where the report goes", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Score a run on the untouched test part."""
    report = oneglance.evaluate(run, split=split, out=out)
    if as_json:
        print_json(report.to_dict())
    else:
        from oneglance.cli.tables import show_report

        show_report(report, Path(out or run))
    if report["unreadable"]:
        raise typer.Exit(3)


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
    as_json: AsJson = False,
) -> None:
    """Joint against one network per task, classical methods and the constant answer."""
    found = oneglance.compare(
        config,
        overrides=overrides,
        out=out,
        seeds=seeds,
        budget=budget,
        only=listed(only),
        balancers=listed(balancers),
        groups=[listed(group, "+") for group in listed(groups)],
    )
    if as_json:
        print_json(found.to_dict())
    else:
        from oneglance.cli.tables import show_comparison

        show_comparison(found)
    if found["unreadable"]:
        raise typer.Exit(3)


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
    found = oneglance.group(config, overrides=overrides, out=out)
    if as_json:
        print_json(found.to_dict())
    else:
        from oneglance.cli.tables import show_grouping

        show_grouping(found)


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
    found = oneglance.tune(config, overrides=overrides, out=out, seeds=seeds, budget=budget)
    if as_json:
        print_json(found.to_dict())
    else:
        from oneglance.cli.tables import show_tuning

        show_tuning(found)


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(help="a run folder, or an .onnx file of export", show_default=False)],
    pictures: Annotated[
        list[str], typer.Argument(help="files, folders, archives, patterns", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="a .jsonl, .csv, .parquet or .json (COCO) file; default: lines of JSON here",
            show_default=False,
        ),
    ] = None,
    draw: Annotated[
        Path | None,
        typer.Option(help="a folder for the pictures with their answers drawn on them", show_default=False),
    ] = None,
    device: Device = "auto",
    false_alarm: Annotated[
        float | None,
        typer.Option(help="share of familiar pictures that may be called unknown; default: 0.01"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="lines of JSON here, as without --out")] = False,
) -> None:
    """Answer for every picture."""
    from oneglance.inference.prediction_files import line, write_answers
    from oneglance.model import load

    model = load(run, device=device, false_alarm=false_alarm)
    failed = 0

    def counted() -> Iterator[Answer]:
        nonlocal failed
        for answer in model.stream(pictures, draw=draw):
            if answer.error:
                failed += 1
                typer.echo(f"{answer.image}  {answer.error}", err=True)
            yield answer

    if out is not None:
        write_answers(counted(), out, model.predictor.example(), model.tasks)
    else:
        for answer in counted():
            typer.echo(line(answer))
    if failed:
        raise typer.Exit(3)


@app.command()
def export(
    run: RunPath,
    out: Annotated[
        Path | None, typer.Option(help="the file; default: in the run folder", show_default=False)
    ] = None,
    file_format: Annotated[str, typer.Option("--format", help="onnx or torch")] = "onnx",
    precision: Annotated[str, typer.Option(help="fp32, fp16 or int8")] = "fp32",
    as_json: AsJson = False,
) -> None:
    """Write a run as one file that gives the same answers."""
    report = oneglance.export(run, out=out, file_format=file_format, precision=precision)
    if as_json:
        print_json(report.to_dict())
    else:
        from oneglance.cli.tables import show_exported

        show_exported(report)


@app.command()
def runs(
    folder: Annotated[Path, typer.Argument(help="where the runs are")] = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """List and compare run folders."""
    found = oneglance.runs(folder)
    if as_json:
        print_json(found.to_dict())
    else:
        from oneglance.cli.tables import show_runs

        show_runs(found, folder)


@app.command()
def serve(
    run: Annotated[Path, typer.Argument(help="a run folder or an .onnx file", show_default=False)],
    host: Annotated[str, typer.Option(help="the address; 0.0.0.0 lets other machines ask")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free")] = 8000,
    corrections: Annotated[
        Path | None, typer.Option(help="a .csv table that corrections go to", show_default=False)
    ] = None,
    api_key: Annotated[
        str, typer.Option(envvar="ONEGLANCE_API_KEY", help="what programs must send", show_default=False)
    ] = "",
    wait: Annotated[
        float, typer.Option(min=0, max=1000, help="milliseconds that a picture waits for others")
    ] = 5,
    processes: Annotated[
        int, typer.Option(min=0, help="processes that answer; 0: one per processor, at most 8, or 2 on a GPU")
    ] = 0,
    device: Device = "auto",
) -> None:
    """Answer over HTTP, with a page for people."""
    oneglance.serve(
        run,
        host=host,
        port=port,
        corrections=corrections,
        api_key=api_key,
        wait=wait,
        processes=processes,
        device=device,
    )


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
