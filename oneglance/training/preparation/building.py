"""What a training is built of: the network, the learner, and the answers as they teach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from oneglance.balancer import build_balancer
from oneglance.config import Config
from oneglance.data.columns.coded import Coded
from oneglance.data.columns.record_columns import columns_of
from oneglance.data.dataset import SplitData
from oneglance.data.images.letterbox import Fit
from oneglance.data.record import Record
from oneglance.errors import ConfigError
from oneglance.network import Network, build_network
from oneglance.nn.repeated_rows import Encoded, RepeatedRows
from oneglance.progress import Screen
from oneglance.task import Task
from oneglance.training.augment import Augment
from oneglance.training.data_loader import BatchLoader, PictureStore
from oneglance.training.learner import Learner
from oneglance.training.picture_losses import MOST, PictureLosses
from oneglance.training.preparation.feature_cache import FeatureCache
from oneglance.training.source_sampler import QuotaSampler, RehearsalSampler, Sampler, SourceSampler

REPEATED = 4  # rows for each distinct answer, from which it is worth the while to encode each once
PREPARE_BY = 2000  # training pictures that a new backbone sees before it learns, at most
PREPARE_PIXELS = 2000 * 64 * 64  # the same in all their pixels


def new_network(
    config: Config,
    tasks: Mapping[str, Task],
    store: PictureStore,
    training: SplitData,
    device: torch.device,
) -> Network:
    """The first weights depend on the seed alone; those of a new backbone also on some training pictures."""
    torch.manual_seed(config.training.seed)
    table = config.training
    network = build_network(
        config.backbone, tasks, config.base, load_weights=not table.from_, task_stage=table.task_stage
    ).to(device)
    if table.from_:  # whose weights follow
        network.backbone.pretrained = True
    if config.backbone.freeze and not network.backbone.gives_maps:
        _refuse_views(tasks)
    width, height = config.backbone.canvas
    most = max(1, min(PREPARE_BY, PREPARE_PIXELS // (width * height)))
    step = max(1, len(training.rows) // most)
    rows = training.rows[::step][:most]
    seen = store.gather(rows)
    network.prepare(seen[[row not in store.failures for row in rows.tolist()]])
    return network


def _refuse_views(tasks: Mapping[str, Task]) -> None:
    """Features that are kept are those of one view."""
    for name, task in tasks.items():
        if task.views > 1:
            raise ConfigError(
                f"[tasks.{name}] compares changed views of a picture, and [backbone] freeze keeps only one",
                hint="name a label with `like`, or set freeze = false",
            )


def new_learner(
    config: Config,
    tasks: Mapping[str, Task],
    network: Network,
    loader: BatchLoader,
    device: torch.device,
) -> Learner:
    table = config.training
    balancer = build_balancer(table.balancer, table.balancer_options)
    are_features = isinstance(loader.store, FeatureCache)
    augment = None if are_features else Augment(config.augment, network.mean, table.epochs)
    learner = Learner(network, tasks, balancer, augment, table, device)
    if len(loader.rows) <= MOST:
        learner.picture_losses = PictureLosses(len(tasks), len(loader.rows), device)
    learner.measure_loss_scales(loader.targets)
    return learner


def new_sampler(config: Config, tasks: Mapping[str, Task], training: SplitData, screen: Screen) -> Sampler:
    """Which pictures an epoch holds; it is said where that is not simply each once."""
    sampler = sampler_of(config, tasks, training)
    if line := sampler.describe(config.batch):
        screen.say(f"an epoch: {line}")
    return sampler


def sampler_of(config: Config, tasks: Mapping[str, Task], training: SplitData) -> Sampler:
    """The same without a word."""
    if config.training.source_quota:
        return QuotaSampler([_answered(record, tasks) for record in training.records])
    if held := config.training.hold:
        new = {name: task for name, task in tasks.items() if name not in held}
        is_old = [not _answered(record, new) for record in training.records]
        return RehearsalSampler(is_old, config.training.rehearsal)
    return SourceSampler(columns_of(training.records).sources, config.training.source_temperature)


def _answered(record: Record, tasks: Mapping[str, Task]) -> list[str]:
    """The tasks that learn something from a picture; those that need no answers learn from all."""
    return [
        name
        for name, task in tasks.items()
        if task.weight > 0 and (not task.answered_by or record.answers.get(name) is not None)
    ]


def encoded_targets(tasks: Mapping[str, Task], split: SplitData) -> dict[str, Encoded]:
    """The targets of a split, by task."""
    return {name: encoded(task, split.answers(name)) for name, task in tasks.items()}


def encoded(task: Task, answers: Sequence[Any | None]) -> Encoded:
    """``task.encode(answers)``; of a column in which answers come again and again, each is encoded and kept
    once.
    """
    if not isinstance(answers, Coded):
        return task.encode(answers)
    column = answers.appearing()
    if not 0 < len(column.values) < len(answers) / REPEATED:
        return task.encode(answers)
    target = task.encode([*column.values, None])  # the last one is that of a missing answer, whose code is -1
    places = torch.from_numpy(column.codes)
    return {name: RepeatedRows(torch.from_numpy(array), places) for name, array in target.items()}


def on_canvas(split: SplitData, tasks: Mapping[str, Task], store: PictureStore, fit: Fit) -> SplitData:
    """The split with its answers about the canvas; only those of spatial tasks differ."""
    spatial = {name: task for name, task in tasks.items() if task.is_spatial}
    if not spatial:
        return split
    records = []
    for record, (width, height) in zip(split.records, store.sizes(split.rows).tolist(), strict=True):
        answers = dict(record.answers)
        for name, task in spatial.items():
            if answers.get(name) is not None:
                answers[name] = task.to_canvas(answers[name], fit.placement(width, height))
        records.append(replace(record, answers=answers))
    return SplitData(records, split.rows)
