"""What would else be found wrong only after every picture is decoded."""

from __future__ import annotations

from oneglance.backbone import build_backbone
from oneglance.balancer import build_balancer
from oneglance.config import Config
from oneglance.errors import ConfigError
from oneglance.network import copy_stages
from oneglance.nn.device import pick_device
from oneglance.task import build_tasks


def refuse_impossible(config: Config, *, load_weights: bool = True) -> None:
    """
    Args:
        load_weights: also open the file of weights that the backbone is to start from.

    Raises:
        ConfigError: a name, an option or a device that there is not, or nothing to learn.
        WeightsError: weights that are not there or do not fit.
    """
    build_balancer(config.training.balancer, config.training.balancer_options)
    pick_device(config.training.device)
    backbone = build_backbone(config.backbone, config.base, load_weights=load_weights)
    copy_stages(backbone, config.tasks, config.training.task_stage)
    if not any(task.weight > 0 for task in build_tasks(config.tasks, config.file).values()):
        raise ConfigError("gives every task the weight 0, so there is nothing to learn", location=config.file)
