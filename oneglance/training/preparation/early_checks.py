"""What would else be found wrong only after every picture is decoded."""

from __future__ import annotations

from oneglance.backbone import build_backbone
from oneglance.balancer import build_balancer
from oneglance.config import Config
from oneglance.errors import ConfigError
from oneglance.network import copy_stages
from oneglance.nn.device import pick_device
from oneglance.task import build_tasks
from oneglance.training.preparation.finished_networks import FinishedNetworks
from oneglance.training.preparation.starting_weights import starting_run


def refuse_impossible(config: Config, *, load_weights: bool = True) -> FinishedNetworks | None:
    """What was opened for it, so that the training need not open it again.

    Args:
        load_weights: also open the file of weights, or the run, that the training is to start from, and the
            teachers.

    Raises:
        ConfigError: a name, an option or a device that there is not, a teacher that does not fit, or nothing
            to learn.
        RunError: the run to start from, or a teacher, is not there or not finished.
        WeightsError: weights that are not there or do not fit.
    """
    build_balancer(config.training.balancer, config.training.balancer_options)
    pick_device(config.training.device)
    starts_from_run = bool(config.training.from_)
    if starts_from_run and load_weights:
        starting_run(config)
    if config.training.keep or config.training.hold:
        _refuse_extension(config)
    backbone = build_backbone(config.backbone, config.base, load_weights=load_weights and not starts_from_run)
    copy_stages(backbone, config.tasks, config.training.task_stage)
    if config.training.source_quota and config.training.source_temperature != 1:
        raise ConfigError(
            "[training] source_quota and source_temperature both say how often pictures of a source come",
            location=config.file,
            hint="leave one of them out",
        )
    tasks = build_tasks(config.tasks, config.file)
    finished = FinishedNetworks.of(config, tasks) if load_weights else None
    for name, task in tasks.items():
        if task.added_classes and name not in config.training.keep:
            raise ConfigError(
                f"[tasks.{name}] added names classes that a finished run is to learn besides",
                location=config.file,
                hint="write all in classes, or use: oneglance extend RUN CONFIG --out NEW",
            )
    learned = [t for n, t in tasks.items() if n not in config.training.keep or t.added_classes]
    if not any(task.weight > 0 for task in learned):
        what = "gives every task the weight 0" + (" or keeps it" if config.training.keep else "")
        raise ConfigError(f"{what}, so there is nothing to learn", location=config.file)
    return finished


def _refuse_extension(config: Config) -> None:
    """What [training] keep or hold asks for cannot be had."""
    table = config.training
    location = f"{config.file}: [training] {'keep' if table.keep else 'hold'}"
    if not table.from_:
        hint = "name it with from = , or use: oneglance extend"
        raise ConfigError("needs the run whose tasks they are", location=location, hint=hint)
    if table.keep and table.hold:
        hint = "leave one of them out"
        raise ConfigError("and hold cannot be had together", location=location, hint=hint)
    if table.hold and (table.source_quota or table.source_temperature != 1):
        hint = "leave source_quota and source_temperature out: rehearsal says how often old pictures come"
        raise ConfigError("has a mixture of pictures of its own", location=location, hint=hint)
    if table.keep and not config.backbone.freeze:
        hint = "set backbone.freeze = true"
        raise ConfigError("needs a backbone that does not learn", location=location, hint=hint)
