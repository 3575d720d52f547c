"""One network looks at a picture once and answers everything you want to know about it."""

from importlib import import_module

from oneglance.parallel.waiting_threads import let_waiting_threads_sleep

__version__ = "0.1.0"

# The public names by the module that defines them. A module is loaded when one of its names is first used, so
# that importing oneglance takes no time. ``__init__.pyi`` gives editors and mypy the same names with types.
_NAMES = {
    "api": "Run compare evaluate export finish group robustness runs train tune",
    "backbone": "Backbone",
    "balancer": "Balancer",
    "config": "Config",
    "data.inspection.checks": "summary",
    "data.source": "Source",
    "data_api": "check convert get init",
    "starting.demonstration": "demo",
    "errors": "ConfigError DataError OneglanceError Problem RunError",
    "features.results": "Clusters Embedded Map Matches",
    "features.verbs": "cluster embed map search",
    "finished_api": "combine distil explain extend label_next merge predict suspects",
    "model": "Model load",
    "pretrained.listing": "weights",
    "result": "Score",
    "results.answers": "Answer Answers",
    "results.comparison": "Comparison",
    "results.distilled": "Distilled",
    "results.explained": "Explained",
    "results.exported": "Exported",
    "results.grouping": "Grouping",
    "results.history": "History",
    "results.label_next": "LabelNext",
    "results.merged": "Merged",
    "results.overview": "Overview",
    "results.problems": "Problems",
    "results.report": "Report",
    "results.robustness": "Robustness",
    "results.runs": "Runs",
    "results.started": "Started",
    "results.suspects": "Suspects",
    "results.tuning": "Tuning",
    "serving.live.watch": "watch",
    "serving.serve": "serve",
    "starting.first_training": "start",
    "results.weights": "Weights",
    "task": "Task",
}
let_waiting_threads_sleep()  # before anything loads torch

_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
