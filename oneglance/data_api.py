"""The verbs for data sets: check, init, convert and get; each reads as a table of contents."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from oneglance import config as configuration
from oneglance.config import ConfigSource
from oneglance.data.dataset import Dataset, load_dataset, measured_values, open_sources, refuse
from oneglance.data.image_inputs import Paths, read, relative
from oneglance.data.images.decode import Limits
from oneglance.data.images.letterbox import Fit
from oneglance.data.inspection.checks import summary, unreadable
from oneglance.data.inspection.likeness import Likeness
from oneglance.data.inspection.near_duplicates import table as near_duplicates
from oneglance.data.inspection.near_duplicates.find import NearDuplicates, Pair
from oneglance.data.inspection.near_duplicates.report import problems as near_duplicate_problems
from oneglance.data.inspection.overview import overview
from oneglance.data.inspection.shortcuts.clues import Clues
from oneglance.data.inspection.shortcuts.report import problems as shortcut_problems
from oneglance.data.inspection.unread_pictures import unread_kinds
from oneglance.data.merging.collect import collect
from oneglance.data.merging.merge_records import DisjointSets
from oneglance.data.merging.unanswered_parts import without_unanswered_parts
from oneglance.data.quoting import quoted
from oneglance.data.record import Record
from oneglance.errors import ConfigError, DataError, Problem, needs_extra
from oneglance.progress import Screen
from oneglance.results.overview import Overview
from oneglance.results.problems import Problems
from oneglance.screens.choice import default_screen
from oneglance.storage.atomic_files import write_text
from oneglance.storage.plain_files import exists, is_folder, resolved
from oneglance.task import Task, build_tasks, few_answers, fit_targets, kinds
from oneglance.toml.overrides import Overrides


def check(
    config: ConfigSource,
    *,
    overrides: Overrides = (),
    pictures: bool = True,
    fix: bool = False,
    screen: Screen | None = None,
) -> Problems:
    """Look at the whole data set and tell every problem at once.

    Args:
        config: an oneglance.toml, a mapping of the same form, or a Config.
        overrides: ``{"training.epochs": 5}``, a list of ``"training.epochs=5"``, or one of these.
        pictures: also decode every picture, and look for near-duplicates.
        fix: write near-duplicates to ``near_duplicates.csv`` beside the configuration, with a group that
            keeps them together; nothing else is written.

    Raises:
        ConfigError: the configuration itself is wrong, or ``near_duplicates.csv`` is a file of your own.
        RunError: it cannot be written.
    """
    from oneglance.data.images.decoding.decode_pool import Decode, decode_with
    from oneglance.data.images.decoding.with_facts import DecodeWithFacts

    screen = screen or default_screen()
    try:
        declared = configuration.load(config, overrides)
    except ConfigError:
        _refuse_unknown(config)
        raise
    target = declared.base / near_duplicates.NAME
    if fix:
        near_duplicates.refuse_other(target)
    tasks = build_tasks(declared.tasks, declared.file)
    dataset = load_dataset(declared, list(tasks.values()), screen.progress, strict=False)
    problems = list(dataset.problems)
    if not any(problem.fatal for problem in problems):
        wrong = fit_targets(tasks, dataset.part("train").answers)
        if not declared.training.teachers:  # which may answer the validation pictures too
            wrong += few_answers(tasks, dataset)
        problems += (Problem(error.location, error.what, error.hint) for error in wrong)
    fixed = None
    if pictures:
        declared, measures = measured_values(declared, dataset, screen.progress)
        problems += (one.problem() for one in measures)
        limits, fit, likeness = Limits.declared(declared), Fit.declared(declared), Likeness()
        copies, clues = NearDuplicates(fit), Clues(fit)
        refs = [record.image for record in dataset.records]
        pictures_read = decode_with(DecodeWithFacts(Decode(fit, limits)), refs, declared.cache.workers)
        for done, (record, read_one) in enumerate(zip(dataset.records, pictures_read, strict=True), 1):
            screen.progress(done, len(refs), "looking at every picture")
            if isinstance(read_one, DataError):
                problems.append(unreadable(read_one))
                continue
            decoded, facts = read_one
            clues.add(done - 1, decoded, facts)
            likeness.add(record.source, decoded.pixels)
            copies.add(done - 1, decoded)
            if decoded.remark:
                hint = "set them to what is right for them, if black is wrong"
                problems.append(Problem(record.image.name, decoded.remark, hint, "not_numbers", fatal=False))
        problems += likeness.problems()
        groups = copies.groups(dataset.contents, screen.progress)
        names = dataset.splits.names()
        problems += near_duplicate_problems(
            groups, dataset.records, names, list(tasks.values()), dataset.contents
        )
        problems += _shortcuts(clues, dataset, list(tasks.values()), groups, screen)
        if fix:
            fixed = near_duplicates.write(target, groups, dataset.records)
            problems += fixed.problems()
    else:
        problems += unread_kinds(record.image for record in dataset.records)
    screen.close()
    result = Problems(problems)
    result.overview = Overview(overview(dataset.records, list(tasks.values()), dataset.splits))
    result.fixed = target if fixed and fixed.pictures else None
    return result


def _shortcuts(
    clues: Clues, dataset: Dataset, tasks: list[Task], copies: Sequence[Sequence[Pair]], screen: Screen
) -> list[Problem]:
    """Answers that can be told without looking; a picture and its copies are learned from together."""
    names: DisjointSets[str] = DisjointSets()
    own = [record.group or f"\0{row}" for row, record in enumerate(dataset.records)]
    for pair in (pair for group in copies for pair in group):
        names.join(own[pair.first], own[pair.second])
    units = np.unique([names.root(own[row]) for row in clues.rows], return_inverse=True)[1]
    screen.progress(0, 1, "looking for shortcuts")
    try:
        return shortcut_problems(clues, dataset.records, tasks, units)
    except ModuleNotFoundError:
        screen.say('shortcuts are not looked for without scikit-learn: pip install "oneglance[train]"')
        return []


def _refuse_unknown(config: ConfigSource) -> None:
    """Raise for a folder in the place of a configuration of which ``init`` would understand nothing."""
    from oneglance.data.find_sources import find_sources
    from oneglance.data.proposing.nothing_recognised import nothing_read, nothing_recognised

    if not isinstance(config, str | Path) or not is_folder(config) or exists(Path(config) / "config.toml"):
        return
    try:
        proposals = find_sources(Path(config), base=resolved(Path.cwd()))
    except DataError as error:
        raise nothing_read(Path(config), error) from None
    if not any(one.is_useful for one in proposals):
        raise nothing_recognised(Path(config), proposals)


def summarize(config: ConfigSource) -> Overview:
    """What the data of a configuration hold, from their tables alone: no picture is opened."""
    declared = configuration.load(config)
    tasks = list(build_tasks(declared.tasks, declared.file).values())
    own = [task for task in tasks if task.answered_by == task.name]
    records, _ = without_unanswered_parts(collect(open_sources(declared), own).records)
    return Overview(overview(records, tasks))


def init(
    pictures: str | Path,
    table: Paths | None = None,
    *,
    out: str | Path = "oneglance.toml",
    recipe: str = "auto",
    force: bool = False,
    image: str = "",
    boxes: str | Path | None = None,
    group: str = "",
    task: str | Sequence[str] = (),
    backbone: str = "",
    size: int | str | Sequence[int] | None = None,
    weights: str | Path = "",
    minutes: float | None = None,
) -> Path:
    """Look at the data and write a configuration with comments that say why.

    Args:
        pictures: a folder, archive or table of pictures.
        table: a table of answers that names pictures in ``pictures``, or several; default: those that lie in
            the folder ``pictures`` and name pictures there.
        out: the file to write.
        recipe: how network and training are chosen: ``quick`` (frozen features), ``auto``, ``best`` (longer
            and larger), ``fast`` (tiny pictures in the fewest seconds), or ``classic`` for the plain settings
            of a textbook.
        force: write over an existing file.
        image: the column of the tables that names the pictures; default: found by looking.
        boxes: a file or a folder of boxes, beside the other answers.
        group: the field whose equal values go to the same split; default: found by looking.
        task: the fields to ask for, ``kind``, each with a type if the guessed one is wrong,
            ``rating=number``; default: all that look like answers.
        backbone: the name of the network.
        size: pixels of the canvas: ``224``, or width and height, ``"320x240"``.
        weights: a file of weights, ``pretrained`` or ``none``.
        minutes: that the training is to take, in place of a number of epochs.

    Raises:
        ConfigError: the file exists, or what is named is not there.
        DataError: nothing there can be read.
    """
    from oneglance.data.find_sources import find_sources
    from oneglance.data.inspection.chosen_tasks import choose
    from oneglance.data.inspection.suggest_config import toml
    from oneglance.data.proposing.nothing_recognised import nothing_read, nothing_recognised

    target = Path(out)
    if exists(target) and not force:
        raise ConfigError(
            "exists already", location=str(target), hint="name another with --out, or add --force"
        )
    base = resolved(target.parent)
    tables = [table] if isinstance(table, str | Path) else list(table or ())
    try:
        proposals = find_sources(
            Path(pictures),
            [Path(one) for one in tables],
            base=base,
            image=image,
            boxes=Path(boxes) if boxes else None,
            group=group,
        )
    except DataError as error:
        raise nothing_read(Path(pictures), error) if not tables else error from None
    proposals = choose(proposals, [task] if isinstance(task, str) else task, kinds())
    if not any(one.is_useful for one in proposals):
        raise nothing_recognised(Path(pictures), proposals)
    with closing(default_screen()) as screen:
        refs = (record.image for proposal in proposals for record in proposal.records)
        for line in summary(unread_kinds(refs)):
            screen.say(line)
    keys = {"name": backbone, "size": _canvas_size(size), "weights": _weights(weights, base)}
    given = {key: value for key, value in keys.items() if value}
    write_text(target, toml(proposals, recipe=recipe, backbone=given, minutes=minutes, file=str(out)))
    return target


def _canvas_size(size: int | str | Sequence[int] | None) -> int | list[int] | None:
    """``224``, ``"224"`` and ``"320x240"`` as [backbone] has them.

    Raises:
        ConfigError: it is something else.
    """
    if size is None or size == "":
        return None
    if isinstance(size, int):
        return size
    sides = re.split(r"\s*[x×,]\s*", size.strip().lower()) if isinstance(size, str) else list(map(str, size))
    if len(sides) > 2 or not all(side.isascii() and side.isdigit() for side in sides):
        hint = "write pixels, 224, or width and height, 320x240"
        raise ConfigError(f"{quoted(str(size))} is no size", location="init", hint=hint)
    return int(sides[0]) if len(sides) == 1 else [int(side) for side in sides]


def _weights(weights: str | Path, base: Path) -> str:
    """A file as the configuration in ``base`` names it; a word stays."""
    return relative(base, weights) if weights and exists(weights) else str(weights)


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
