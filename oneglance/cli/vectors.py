"""Commands that use what a network sees. No logic: each calls the function of its name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import oneglance
from oneglance.cli.application import AsJson, Device, app, leave_if, print_json, tell

Network = Annotated[Path, typer.Argument(help="a run folder, or an .onnx file of export", show_default=False)]
Pictures = Annotated[list[str], typer.Argument(help="files, folders, archives, patterns", show_default=False)]
OfTask = Annotated[
    str, typer.Option(help="whose own features; default: those that all share", show_default=False)
]
Index = Annotated[
    Path | None,
    typer.Option(
        help="keeps features, so that only new pictures cost time; default: in the run folder",
        show_default=False,
    ),
]


@app.command()
def embed(
    run: Network,
    pictures: Pictures,
    out: Annotated[Path, typer.Option(help="a .parquet, .csv or .npy file", show_default=False)],
    task: OfTask = "",
    index: Index = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Write what the network sees in each picture, as a table of numbers."""
    result = oneglance.embed(run, pictures, out=out, task=task, index=index, device=device)
    if as_json:
        print_json(result.to_dict())
    else:
        tell(result.headline())
    leave_if(result["unreadable"])


@app.command()
def search(
    run: Network,
    query: Annotated[str, typer.Argument(help="the picture to search for", show_default=False)],
    pictures: Pictures,
    count: Annotated[int, typer.Option(help="matches, at most")] = 20,
    task: OfTask = "",
    index: Index = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Search the pictures that are most alike to one."""
    result = oneglance.search(run, query, pictures, count=count, task=task, index=index, device=device)
    if as_json:
        print_json(result.to_dict())
    else:
        from oneglance.cli.tables import show_matches

        show_matches(result)
    leave_if(result["unreadable"])


@app.command()
def cluster(
    run: Network,
    pictures: Pictures,
    clusters: Annotated[
        int | None,
        typer.Option(help="their number; default: the one that divides them best", show_default=False),
    ] = None,
    method: Annotated[str, typer.Option(help="kmeans, or hdbscan for dense regions only")] = "kmeans",
    out: Annotated[
        Path | None, typer.Option(help="a folder; default: the run folder", show_default=False)
    ] = None,
    task: OfTask = "",
    index: Index = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Divide pictures into groups that the network sees alike."""
    result = oneglance.cluster(
        run, pictures, clusters=clusters, method=method, out=out, task=task, index=index, device=device
    )
    if as_json:
        print_json(result.to_dict())
    else:
        from oneglance.cli.tables import show_clusters

        show_clusters(result)
        tell(f"look at {(result.path or Path()) / 'clusters.html'}")
    leave_if(result["unreadable"])


@app.command()
def map(
    run: Network,
    pictures: Annotated[
        list[str] | None,
        typer.Argument(help="which; default: the run's own, with truths and mistakes", show_default=False),
    ] = None,
    split: Annotated[
        str,
        typer.Option(help="of the run's own: train, validation or test; default: all", show_default=False),
    ] = "",
    method: Annotated[str, typer.Option(help="tsne, pca or umap")] = "tsne",
    out: Annotated[
        Path | None, typer.Option(help="the page; default: map.html in the run folder", show_default=False)
    ] = None,
    task: OfTask = "",
    index: Index = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Draw a map on which pictures that the network sees alike lie near each other."""
    result = oneglance.map(
        run, pictures or None, split=split, method=method, out=out, task=task, index=index, device=device
    )
    if as_json:
        print_json(result.to_dict())
    else:
        tell(result.headline())
        tell(f"look at {result.file}")
    leave_if(result["unreadable"])
