"""A user's function ``objective(trial)``: one call of it, as Optuna would make it.

The function gets a real ``optuna.Trial`` of a study in memory that holds just what the
trial may see, so Optuna's own code decides. Every decision is a pure function of spec,
number and history.
"""

from hpo.functions.call import Call, InterruptionError, SameParametersError
from hpo.functions.deciding import decide
from hpo.functions.evaluation import Evaluation
from hpo.functions.history import as_texts
from hpo.functions.inside import Checkpoint, checkpoint, confirming, seed

__all__ = [
    "Call",
    "Checkpoint",
    "Evaluation",
    "InterruptionError",
    "SameParametersError",
    "as_texts",
    "checkpoint",
    "confirming",
    "decide",
    "seed",
]
