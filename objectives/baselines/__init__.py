"""Baselines: scores of simple models on a study's task, measured as a confirmation is.

Each model is fitted to the whole training part and tested once on the test part. Its
settings are chosen on validation parts before. A worker computes the baselines once per
study. No trial and no decision of a search depends on them, so the source of these
modules is not pinned.

- ``classification``: chance, the majority class; a linear model of the raw series and
  of pooled features; the nearest neighbour; an echo state network (ESN), read at its
  last state, and at its last and its mean state.
- ``prediction``: the mean, the last input; a linear delay line; an ESN, read after
  every point.

The digital network ``gru`` is no baseline, but an objective.
"""

from .classification import classification, validation_parts
from .linear import PENALTIES, ridge_classes
from .measure import attempt, measure
from .prediction import prediction
from .reservoir import MOST_UNITS, Setting, esn_states, units

__all__ = [
    "MOST_UNITS",
    "PENALTIES",
    "Setting",
    "attempt",
    "classification",
    "esn_states",
    "measure",
    "prediction",
    "ridge_classes",
    "units",
    "validation_parts",
]
