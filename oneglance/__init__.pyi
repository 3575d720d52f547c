"""Types of the public names; ``__init__.py`` says where they are loaded from."""

from oneglance.api import Run as Run
from oneglance.api import combine as combine
from oneglance.api import compare as compare
from oneglance.api import distil as distil
from oneglance.api import evaluate as evaluate
from oneglance.api import export as export
from oneglance.api import extend as extend
from oneglance.api import finish as finish
from oneglance.api import group as group
from oneglance.api import merge as merge
from oneglance.api import predict as predict
from oneglance.api import runs as runs
from oneglance.api import train as train
from oneglance.api import tune as tune
from oneglance.backbone import Backbone as Backbone
from oneglance.balancer import Balancer as Balancer
from oneglance.config import Config as Config
from oneglance.data.inspection.checks import summary as summary
from oneglance.data.source import Source as Source
from oneglance.data_api import check as check
from oneglance.data_api import convert as convert
from oneglance.data_api import get as get
from oneglance.data_api import init as init
from oneglance.demonstration import demo as demo
from oneglance.errors import ConfigError as ConfigError
from oneglance.errors import DataError as DataError
from oneglance.errors import OneglanceError as OneglanceError
from oneglance.errors import Problem as Problem
from oneglance.errors import RunError as RunError
from oneglance.model import Model as Model
from oneglance.model import load as load
from oneglance.pretrained.listing import weights as weights
from oneglance.result import Score as Score
from oneglance.results.answers import Answer as Answer
from oneglance.results.answers import Answers as Answers
from oneglance.results.comparison import Comparison as Comparison
from oneglance.results.distilled import Distilled as Distilled
from oneglance.results.exported import Exported as Exported
from oneglance.results.grouping import Grouping as Grouping
from oneglance.results.history import History as History
from oneglance.results.merged import Merged as Merged
from oneglance.results.overview import Overview as Overview
from oneglance.results.problems import Problems as Problems
from oneglance.results.report import Report as Report
from oneglance.results.runs import Runs as Runs
from oneglance.results.started import Started as Started
from oneglance.results.tuning import Tuning as Tuning
from oneglance.results.weights import Weights as Weights
from oneglance.serving.live.watch import watch as watch
from oneglance.serving.serve import serve as serve
from oneglance.starting.first_training import start as start
from oneglance.task import Task as Task

__all__: list[str]
__version__: str
