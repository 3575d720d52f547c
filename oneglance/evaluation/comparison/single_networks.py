"""What can be made of the single networks of a comparison, which lie in its folder: remedies that need no or
little further training. Each is for a task whose single network is better than the joint one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from oneglance.data.image_inputs import relative
from oneglance.evaluation.comparison.remedy import (
    CONFIG,
    Observations,
    Recommendation,
    in_time,
)
from oneglance.storage.plain_files import resolved
from oneglance.storage.run_folder import RunFolder


def of_single_networks(
    name: str, comparison: Mapping[str, Any], observed: Observations
) -> Iterator[Recommendation]:
    """The surest first; nothing where one of the networks is missing."""
    if len(observed.singles) < len(comparison["tasks"]) or "single" not in comparison["cost"]:
        return
    yield _combined(name, comparison, observed)
    if "guided" not in comparison["cost"]:
        yield _taught(name, comparison, observed)
    yield _distilled(name, comparison, observed)
    if len(comparison["tasks"]) > 1 and name in observed.own:
        yield _extended(name, comparison, observed)


def _combined(name: str, comparison: Mapping[str, Any], observed: Observations) -> Recommendation:
    joint, single = comparison["cost"]["joint"], comparison["cost"]["single"]
    entry = comparison["tasks"][name]
    when = "also at equal total time" if entry["equal_time"]["verdict"] == "worse" else "at equal steps"
    ms = single["ms_per_picture"] - joint["ms_per_picture"]
    return Recommendation(
        name,
        "combine",
        f"its single network is better {when}, as measured here, and combined all answer as they do alone, "
        "to the bit",
        0.0,
        single["parameters"] - joint["parameters"],
        ms,
        f"no training; a picture takes {single['ms_per_picture']:.2g} ms instead of "
        f"{joint['ms_per_picture']:.2g}, and there are {single['parameters']:,} parameters instead of "
        f"{joint['parameters']:,}",
        line=("combine", *_runs(observed), "--out", _here(observed.out / "combined"), *_renamed(observed)),
    )


def _taught(name: str, comparison: Mapping[str, Any], observed: Observations) -> Recommendation:
    return Recommendation(
        name,
        "guidance",
        "the single networks, which know better, lie there already; compare --guided measures it",
        0.0,
        0,
        0.0,
        "a pass of each teacher over the training pictures; the network stays as it is",
        epochs=comparison["epochs"] if comparison["budget"] else 0,
        teachers=tuple(str(resolved(path)) for path in observed.singles.values()),
    )


def _distilled(name: str, comparison: Mapping[str, Any], observed: Observations) -> Recommendation:
    joint = comparison["cost"]["joint"]
    return Recommendation(
        name,
        "distil",
        "one network learns what the single ones answer, also on pictures without answers, and is scored "
        "beside them in the end",
        joint["seconds"],
        0,
        0.0,
        f"about {in_time(joint['seconds'])} of training; answering costs what it costs now",
        epochs=comparison["epochs"] if comparison["budget"] else 0,
        line=("distil", *_runs(observed), "--pictures", CONFIG),
    )


def _extended(name: str, comparison: Mapping[str, Any], observed: Observations) -> Recommendation:
    joint, own, others = comparison["cost"]["joint"], observed.own[name], len(comparison["tasks"]) - 1
    count = f"{others} others learn" if others > 1 else "the other learns"
    return Recommendation(
        name,
        "extend",
        f"it stays as its single network, to the bit, and {count} beside it in a last stage",
        joint["seconds"],
        others * own.parameters,
        others * own.operations * joint["ms_per_picture"],
        f"at most {in_time(joint['seconds'])} of training, and {others * own.parameters:,} parameters "
        "more; the others have not been measured so",
        epochs=comparison["epochs"] if comparison["budget"] else 0,
        line=("extend", _here(observed.singles[name]), CONFIG, "--stage"),
    )


def _runs(observed: Observations) -> list[str]:
    return [_here(path) for path in observed.singles.values()]


def _here(path: Path) -> str:
    return relative(Path.cwd(), path)


def _renamed(observed: Observations) -> Iterator[str]:
    """A task that several of them have, as one that is declared beside another for its answers alone, gets
    another name in all but its own.
    """
    for owner, path in observed.singles.items():
        for task in RunFolder(path).config().tasks:
            if task != owner and task in observed.singles:
                yield from ("--rename", f"{path.name}.{task}={owner}_{task}")
