"""Commands for data sets, and the demonstration. No logic: each calls the function of its name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import oneglance
from oneglance.cli.application import (
    AsJson,
    ConfigFile,
    Minutes,
    Overrides,
    app,
    leave_if,
    leave_if_unread,
    print_json,
    tell,
)
from oneglance.errors import command


def readable(beginning: str) -> list[str]:
    """The formats that can be read, for the shell to complete."""
    from oneglance.data.source import formats

    return [name for name in formats() if name.startswith(beginning)]


def writable(beginning: str) -> list[str]:
    """The formats that can be written, for the shell to complete."""
    from oneglance.data.writer import targets

    return [name for name in targets() if name.startswith(beginning)]


def recipes(beginning: str) -> list[str]:
    """The recipes of init, for the shell to complete."""
    from oneglance.data.recipe import names

    return [name for name in names() if name.startswith(beginning)]


Pictures = Annotated[Path, typer.Argument(help="a folder, archive or table of pictures", show_default=False)]
Tables = Annotated[
    list[Path] | None,
    typer.Argument(
        help="tables of answers; default: those in the folder of the pictures", show_default=False
    ),
]
Recipe = Annotated[str, typer.Option(help="quick, auto, best, fast or classic", autocompletion=recipes)]
Force = Annotated[bool, typer.Option("--force", help="write over an existing file")]
Image = Annotated[str, typer.Option(help="the column of the pictures' names; default: found by looking")]
Boxes = Annotated[
    Path | None, typer.Option(help="a file or folder of boxes, beside the other answers", show_default=False)
]
Group = Annotated[
    str, typer.Option(help="the field whose equal values go to the same split; default: found by looking")
]
Tasks = Annotated[
    list[str], typer.Option(help="a field to ask for, or field=type; repeat it for several; default: all")
]
Backbone = Annotated[str, typer.Option(help="the name of the network")]
Size = Annotated[str, typer.Option(help="pixels of the canvas: 224, or 320x240")]
Weights = Annotated[str, typer.Option(help="a file of weights, pretrained or none")]


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="where everything goes")] = Path("demo"),
) -> None:
    """Everything once, offline, on pictures it makes itself."""
    run = oneglance.demo(folder)
    tell(f"look at {run.path / 'report.html'} and {folder / 'answers.jsonl'}")


@app.command()
def start(
    pictures: Pictures,
    table: Tables = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="ask nothing")] = False,
    recipe: Recipe = "auto",
    force: Force = False,
    image: Image = "",
    boxes: Boxes = None,
    group: Group = "",
    task: Tasks = [],  # noqa: B006
    backbone: Backbone = "",
    size: Size = "",
    weights: Weights = "",
    minutes: Minutes = None,
    overrides: Overrides = [],  # noqa: B006
    out: Annotated[Path | None, typer.Option(help="the run folder", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """The whole way: look at the data, write oneglance.toml, train, evaluate."""
    done = oneglance.start(
        pictures,
        table,
        recipe=recipe,
        force=force,
        image=image,
        boxes=boxes,
        group=group,
        task=task,
        backbone=backbone,
        size=size,
        weights=weights,
        minutes=minutes,
        overrides=overrides,
        out=out,
        ask=not (yes or as_json),
    )
    if as_json:
        print_json(done.to_dict())
    else:
        from oneglance.cli.tables import show_report

        show_report(done.report, Path(done["run"]))
        tell(
            f"ask it about new pictures: {command('predict', done['run'], pictures, '--out', 'answers.csv')}"
        )
        tell(f"show it to others:         {command('serve', done['run'])}")
        tell(
            f"train it longer:           {command('train', done['run'], '--resume', '--set', done.longer())}"
        )
        if len(done.report.tasks) > 1:
            tell(f"did learning all help:     {command('compare', done['config'])}")
        else:
            simple = ("--only", "joint,classical,constant")
            tell(f"what simpler ways reach:   {command('compare', done['config'], *simple)}")
    leave_if(oneglance.Run(done["run"]).folder.unreadable() or done.report.unreadable)


@app.command()
def init(
    pictures: Pictures,
    table: Tables = None,
    out: Annotated[Path, typer.Option(help="the file to write")] = Path("oneglance.toml"),
    recipe: Recipe = "auto",
    force: Force = False,
    image: Image = "",
    boxes: Boxes = None,
    group: Group = "",
    task: Tasks = [],  # noqa: B006 - Typer reads it as a default and never changes it
    backbone: Backbone = "",
    size: Size = "",
    weights: Weights = "",
    minutes: Minutes = None,
) -> None:
    """Look at the data and write oneglance.toml."""
    target = oneglance.init(
        pictures,
        table,
        out=out,
        recipe=recipe,
        force=force,
        image=image,
        boxes=boxes,
        group=group,
        task=task,
        backbone=backbone,
        size=size,
        weights=weights,
        minutes=minutes,
    )
    from oneglance.cli.tables import show_overview
    from oneglance.data_api import summarize

    show_overview(summarize(target))
    tell(f"wrote {target}: read it, then run: {command('train', target)}")


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
    target = oneglance.get(name, folder)
    tell(f"{name} is in {target}: now run: {command('init', target)}")


@app.command()
def check(
    config: ConfigFile,
    overrides: Overrides = [],  # noqa: B006 - Typer reads it as a default and never changes it
    pictures: Annotated[bool, typer.Option(help="also open every picture")] = True,
    fix: Annotated[
        bool, typer.Option("--fix", help="write near_duplicates.csv, which keeps copies in one part")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell every problem in the data at once."""
    problems = oneglance.check(config, overrides=overrides, pictures=pictures, fix=fix)
    if as_json:
        print_json(problems.to_dict())
    else:
        for line in problems.summary():
            tell(line)
        if problems.overview:
            from oneglance.cli.tables import show_overview

            show_overview(problems.overview)
        if problems.fixed:
            tell(f"wrote {problems.fixed}; now add it to the configuration:")
            tell(f'    [[sources]]\n    path = "{problems.fixed.name}"\n    group = "group"')
        elif fix:
            tell("no near-duplicates to write")
        tell({0: "no problems", 1: "1 problem"}.get(len(problems), f"{len(problems):,} problems"))
    if problems.fatal:
        raise typer.Exit(1)
    leave_if_unread(problems)
