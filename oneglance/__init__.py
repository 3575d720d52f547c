"""One network looks at a picture once and answers everything you want to know about it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Backbone": "backbone",
    "Balancer": "balancer",
    "Config": "config",
    "ConfigError": "errors",
    "DataError": "errors",
    "Model": "model",
    "OneglanceError": "errors",
    "Problem": "errors",
    "Run": "api",
    "RunError": "errors",
    "Source": "data.source",
    "Task": "task",
    "check": "api",
    "compare": "api",
    "convert": "api",
    "demo": "demonstration",
    "evaluate": "api",
    "export": "api",
    "get": "api",
    "group": "api",
    "init": "api",
    "load": "model",
    "predict": "api",
    "runs": "api",
    "serve": "serving.serve",
    "summary": "data.inspection.checks",
    "train": "api",
    "tune": "api",
}  # loaded when first asked for: importing oneglance takes no time

__all__ = [
    "Backbone",
    "Balancer",
    "Config",
    "ConfigError",
    "DataError",
    "Model",
    "OneglanceError",
    "Problem",
    "Run",
    "RunError",
    "Source",
    "Task",
    "check",
    "compare",
    "convert",
    "demo",
    "evaluate",
    "export",
    "get",
    "group",
    "init",
    "load",
    "predict",
    "runs",
    "serve",
    "summary",
    "train",
    "tune",
]

if TYPE_CHECKING:
    from oneglance.api import (
        Run,
        check,
        compare,
        convert,
        evaluate,
        export,
        get,
        group,
        init,
        predict,
        runs,
        train,
        tune,
    )
    from oneglance.backbone import Backbone
    from oneglance.balancer import Balancer
    from oneglance.config import Config
    from oneglance.data.inspection.checks import summary
    from oneglance.data.source import Source
    from oneglance.demonstration import demo
    from oneglance.errors import ConfigError, DataError, OneglanceError, Problem, RunError
    from oneglance.model import Model, load
    from oneglance.serving.serve import serve
    from oneglance.task import Task


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
