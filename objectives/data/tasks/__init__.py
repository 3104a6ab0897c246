"""Tasks: the ``[task]`` tables of study files, each with the data that it reads.

A new task is a file and a line in ``TASKS``, or in ``SERIES_TASKS``. Light to import:
the methods of a task import NumPy and scikit-learn.
"""

from hpo.contract import TaskParams

from .arrays import ArraysParams
from .fashion_mnist import FashionMnistParams
from .mackey_glass import MackeyGlassParams
from .mnist1d import Mnist1dParams
from .narma10 import Narma10Params
from .own_series import OwnSeriesParams
from .sequential_digits import SequentialDigitsParams
from .series import SeriesParams
from .splitting import SplitTaskParams
from .spoken_digits import SpokenDigitsParams
from .ucr import UcrParams

__all__ = ["SERIES_TASKS", "TASKS", "SeriesParams", "SplitTaskParams"]

TASKS: dict[str, type[TaskParams]] = {
    "sequential-digits": SequentialDigitsParams,
    "arrays": ArraysParams,
    "mnist-1d": Mnist1dParams,
    "fashion-mnist": FashionMnistParams,
    "spoken-digits": SpokenDigitsParams,
    "ucr": UcrParams,
}
"""Series with labels: task -> the model of its ``[task]`` table; the first one is the
default."""
SERIES_TASKS: dict[str, type[TaskParams]] = {
    "narma10": Narma10Params,
    "mackey-glass": MackeyGlassParams,
    "series": OwnSeriesParams,
}
"""Series to predict: likewise."""
