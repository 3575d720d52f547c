"""Commands that use a trained network. No logic: each calls the function of its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

import oneglance
from oneglance.cli.application import AsJson, Device, RunPath, app, leave_if, print_json, tell
from oneglance.errors import ConfigError, command

FalseAlarm = Annotated[
    float | None,
    typer.Option(
        help="share of familiar pictures that may be marked as unknown; default: 0.05", show_default=False
    ),
]


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
    false_alarm: FalseAlarm = None,
    shard: Annotated[
        str,
        typer.Option(
            help="one of several equal parts, such as 3/16; `merge` puts their files together",
            show_default=False,
        ),
    ] = "",
    ray: Annotated[
        bool, typer.Option("--ray", help="on the Ray cluster at RAY_ADDRESS, or in processes started here")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="lines of JSON here, as without --out")] = False,
) -> None:
    """Answer for every picture."""
    from oneglance.inference.prediction_files import line, write_answers
    from oneglance.inference.shards.shard import ShardWork
    from oneglance.model import load, refs_of

    if ray:
        from oneglance.inference.shards.on_ray import RayPrediction
        from oneglance.screens.choice import default_screen

        target = RayPrediction.target(out, shard, draw)
        on_ray = RayPrediction(run, refs_of(pictures), target, device, false_alarm)
        with closing(default_screen()) as screen:
            for image, error in on_ray.unread(screen):
                typer.echo(f"{image}  {error}", err=True)
        raise typer.Exit(3 if on_ray.failed else 0)
    work = ShardWork.of(shard, out, run, refs_of(pictures), {"false_alarm": false_alarm}) if shard else None
    if work is not None and (done := work.done()) is not None:
        typer.echo(f"{work.path} is answered already", err=True)
        raise typer.Exit(3 if done.failed else 0)
    model = load(run, device=device, false_alarm=false_alarm)
    refs = refs_of(pictures) if work is None else work.refs
    failed = 0

    def counted() -> Iterator[oneglance.Answer]:
        nonlocal failed
        for answer in model.stream_of(refs, draw=draw):
            if answer.error:
                failed += 1
                typer.echo(f"{answer.image}  {answer.error}", err=True)
            yield answer

    if work is not None:
        work.write(counted(), model.predictor.example(), model.tasks)
    elif out is not None:
        write_answers(counted(), out, model.predictor.example(), model.tasks)
    else:
        for answer in counted():
            typer.echo(line(answer))
    leave_if(failed)


@app.command()
def explain(
    run: Annotated[Path, typer.Argument(help="a run folder, or an .onnx file of export", show_default=False)],
    pictures: Annotated[
        list[str], typer.Argument(help="files, folders, archives, patterns", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="a folder for the maps", show_default=False)],
    method: Annotated[
        str, typer.Option(help="gradient, occlusion, or auto: the first where it can")
    ] = "auto",
    tasks: Annotated[
        list[str],
        typer.Option("--task", help="only this task; may be given several times", show_default=False),
    ] = [],  # noqa: B006
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Draw what in a picture each answer rests on."""
    result = oneglance.explain(run, pictures, out=out, method=method, tasks=tasks, device=device)
    if as_json:
        print_json(result.to_dict())
    else:
        tell(f"{result.headline()}, in {out}")
    for entry in result.errors:
        typer.echo(f"{entry['image']}  {entry['error']}", err=True)
    leave_if(result.errors)


@app.command()
def merge(
    out: Annotated[Path, typer.Argument(help="the file that predict --shard was told", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Put the answers of all shards together."""
    merged = oneglance.merge(out)
    if as_json:
        print_json(merged.to_dict())
    else:
        tell(merged.headline())


@app.command()
def combine(
    runs: Annotated[list[Path], typer.Argument(help="finished run folders", show_default=False)],
    out: Annotated[Path, typer.Option(help="the new folder", show_default=False)],
    rename: Annotated[
        list[str],
        typer.Option(help="call a task otherwise: --rename a.kind=article", show_default=False),
    ] = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Put finished runs together: one folder answers the tasks of all."""
    names: dict[str, str] = {}
    for text in rename:
        key, equals, name = text.rpartition("=")
        if not equals:
            raise ConfigError(f'--rename "{text}" gives no new name', hint="write --rename a.kind=article")
        names[key] = name
    combined = oneglance.combine(runs, out=out, rename=names)
    if as_json:
        print_json({"run": str(combined.path)})
    else:
        tell(f"now run: {command('predict', combined.path)} PICTURES")


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
    folder: Annotated[
        list[Path] | None, typer.Argument(help="where runs are, or runs; default: runs", show_default=False)
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(help="a file for a page with all of them side by side", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List and compare run folders."""
    places = folder or [Path("runs")]
    result = oneglance.runs(places, html=html)
    if as_json:
        print_json(result.to_dict())
    else:
        from oneglance.cli.tables import show_runs

        show_runs(result, places)


@app.command()
def weights(
    action: Annotated[str, typer.Argument(help="`list`, or `get` with a name to fetch")] = "list",
    name: Annotated[str, typer.Argument(help="one of the list, or any of timm's", show_default=False)] = "",
    measure: Annotated[bool, typer.Option("--measure", help="time what is at hand on this machine")] = False,
    as_json: AsJson = False,
) -> None:
    """List pretrained weights: at hand, what for."""
    result = oneglance.weights(action, name, measure=measure)
    if as_json:
        print_json(result.to_dict())
    else:
        from oneglance.cli.tables import show_weights

        show_weights(result)


@app.command()
def watch(
    run: RunPath,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free")] = 0,
) -> None:
    """Show on a page how a training goes."""
    oneglance.watch(run, port=port)


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
    false_alarm: FalseAlarm = None,
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
        false_alarm=false_alarm,
    )
