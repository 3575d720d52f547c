"""The verbs for data sets: check, init, convert and get; each reads as a table of contents."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from oneglance import config as configuration
from oneglance.config import ConfigSource
from oneglance.data.dataset import SplitData, load_dataset, measured_values, refuse
from oneglance.data.image_inputs import Paths, folder_of_names, read, relative
from oneglance.data.images.decode import Limits
from oneglance.data.images.letterbox import Fit
from oneglance.data.inspection.checks import summary, unreadable
from oneglance.data.inspection.likeness import Likeness
from oneglance.data.inspection.unread_pictures import unread_kinds
from oneglance.data.record import Record
from oneglance.data.tag_rows import are_tags
from oneglance.errors import ConfigError, DataError, Problem, needs_extra
from oneglance.progress import Screen
from oneglance.results.problems import Problems
from oneglance.screens.choice import default_screen
from oneglance.storage.atomic_files import write_text
from oneglance.storage.plain_files import exists, resolved
from oneglance.task import build_tasks, fit_targets
from oneglance.toml.overrides import Overrides


def check(
    config: ConfigSource, *, overrides: Overrides = (), pictures: bool = True, screen: Screen | None = None
) -> Problems:
    """Look at the whole data set and tell every problem at once.

    Args:
        config: an oneglance.toml, a mapping of the same form, or a Config.
        overrides: ``{"training.epochs": 5}``, a list of ``"training.epochs=5"``, or one of these.
        pictures: also decode every picture.

    Raises:
        ConfigError: the configuration itself is wrong.
    """
    from oneglance.data.images.decoding.decode_pool import decode

    screen = screen or default_screen()
    declared = configuration.load(config, overrides)
    tasks = build_tasks(declared.tasks, declared.file)
    dataset = load_dataset(declared, list(tasks.values()), screen.progress, strict=False)
    problems = list(dataset.problems)
    if not any(problem.fatal for problem in problems):
        learned = dataset.splits.train
        wrong = fit_targets(
            tasks, SplitData([dataset.records[row] for row in learned.tolist()], learned).answers
        )
        problems += (Problem(error.location, error.what, error.hint) for error in wrong)
    if pictures:
        declared, measures = measured_values(declared, dataset, screen.progress)
        problems += (one.problem() for one in measures)
        limits, fit, likeness = Limits.declared(declared), Fit.declared(declared), Likeness()
        refs = [record.image for record in dataset.records]
        canvases = decode(refs, fit, limits, declared.cache.workers)
        for done, (record, decoded) in enumerate(zip(dataset.records, canvases, strict=True), 1):
            screen.progress(done, len(refs), "looking at every picture")
            if isinstance(decoded, DataError):
                problems.append(unreadable(decoded))
                continue
            likeness.add(record.source, decoded.pixels)
            if decoded.remark:
                hint = "set them to what is right for them, if black is wrong"
                problems.append(Problem(record.image.name, decoded.remark, hint, "not_numbers", fatal=False))
        problems += likeness.problems()
    else:
        problems += unread_kinds(record.image for record in dataset.records)
    screen.close()
    return Problems(problems)


def init(
    pictures: str | Path,
    table: str | Path | None = None,
    *,
    out: str | Path = "oneglance.toml",
    recipe: str = "default",
    force: bool = False,
) -> Path:
    """Look at the data and write a configuration with comments that say why.

    Args:
        pictures: a folder, archive or table of pictures.
        table: a table of answers that names pictures in ``pictures``.
        out: the file to write.
        recipe: ``default``, or ``classic`` for the plain settings of a textbook.
        force: write over an existing file.

    Raises:
        ConfigError: the file exists.
        DataError: nothing there can be read.
    """
    from oneglance.data.inspection.suggest_config import guess, toml

    target = Path(out)
    if exists(target) and not force:
        raise ConfigError(
            "exists already", location=str(target), hint="name another with --out, or add --force"
        )
    base = resolved(target.parent)
    source: dict[str, Any] = {"path": relative(base, table or pictures)}
    if table is not None:
        source["images"] = relative(base, folder_of_names(Path(table), Path(pictures)))
    records, problems = read(table or pictures, source, base)
    if not records:
        raise DataError("\n".join(summary(problems)), problems=problems)
    with closing(default_screen()) as screen:
        for line in summary(unread_kinds(record.image for record in records)):
            screen.say(line)
    notes = [f"{p.what}; {p.hint}" for p in problems if p.kind == "picture names"]
    if are_tags(records):
        try:
            records, problems = read(table or pictures, {**source, "rows": "tags"}, base)
            source["rows"] = "tags"
            notes.insert(0, "a picture has a row for each of its tags")
        except DataError:
            pass  # a format without such rows
    written = toml(guess(records), source, records=records, recipe=recipe, notes=notes)
    write_text(target, written)
    return target


def convert(
    source: Paths,
    to: str,
    out: str | Path,
    *,
    source_format: str = "",
    images: str | Path | None = None,
    copy: bool = True,
    screen: Screen | None = None,
) -> Problems:
    """Write a data set in another format, so that reading it gives the same again.

    Args:
        source: a folder or file of any format that is read; of several, a picture that they share is
            written once, with all that is said of it.
        to: ``coco``, ``table``, ``voc`` or ``yolo``.
        out: a new folder.
        source_format: that of every ``source``, as the key of ``[[sources]]``; default: found by looking.
        images: where relative picture names start; default: beside the file that names them.
        copy: also write the pictures; else they are named by their whole paths, where the format can do so.

    Returns:
        What was left out: what could not be read, and what the format has no words for.

    Raises:
        ConfigError: there is no such format, to write or to read.
        DataError: nothing can be read, or sources contradict each other.
        RunError: ``out`` is not empty or cannot be written.
    """
    from oneglance.data import convert as conversion

    screen = screen or default_screen()
    target = Path(out)
    conversion.refuse_target(to, target)
    conversion.refuse_format(source_format)
    start = {} if images is None else {"images": str(images)}
    records: list[Record] = []
    problems: list[Problem] = []
    for path in [source] if isinstance(source, str | Path) else source:
        entries, wrong = read(path, {"path": str(path), "format": source_format, **start}, Path.cwd())
        records += entries
        problems += wrong
    records, contradictions = conversion.merged(records)
    problems += contradictions
    refuse(problems)
    with closing(screen):
        return Problems([*problems, *conversion.convert(records, to, target, copy, screen.progress)])


def get(name: str, folder: str | Path = "data", *, screen: Screen | None = None) -> Path:
    """Download a public set with torchvision's downloader: mnist, fashion_mnist, cifar10 or cifar100.

    Returns:
        The folder to hand to ``init``.

    Raises:
        OneglanceError: an unknown name, or no connection.
    """
    with needs_extra("train", "get"):
        from oneglance.data.download import download

    return download(name, Path(folder), screen or default_screen())
