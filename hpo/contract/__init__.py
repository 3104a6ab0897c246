"""The contract: what the service and an objective know of each other.

An objective turns hyper-parameters into a score by training one network, a *member*,
from one seed. It knows nothing of Optuna, of the database or of other members; the
service knows nothing of networks. Neither torch nor optuna is imported here.
"""

from hpo.contract import facts
from hpo.contract.baseline import Baseline, read_baselines
from hpo.contract.broken_host import explain_broken_host, is_out_of_memory
from hpo.contract.capabilities import (
    ChecksTask,
    GivesBaselines,
    HasKernels,
    KnowsCosts,
    MeasuresTolerances,
)
from hpo.contract.containment import ExitedError, calling, importing, list_damage
from hpo.contract.description import (
    BOUNDS,
    Cost,
    Description,
    Direction,
    Parameter,
    describe,
    read_parameters,
)
from hpo.contract.inspection import (
    ChipTable,
    NetworkMember,
    NetworkObjective,
    ProgrammableMember,
    Trace,
)
from hpo.contract.objective import Objective, OnEpoch, Progress
from hpo.contract.outcome import (
    MAX_SCORE,
    QUANTILES,
    Outcome,
    Sha256,
    Solved,
    Thermal,
    Tolerance,
    Tolerances,
    clip_score,
)
from hpo.contract.params import ObjectiveParams, Protocol, TaskParams, UnavailableError

__all__ = [
    "BOUNDS",
    "MAX_SCORE",
    "QUANTILES",
    "Baseline",
    "ChecksTask",
    "ChipTable",
    "Cost",
    "Description",
    "Direction",
    "ExitedError",
    "GivesBaselines",
    "HasKernels",
    "KnowsCosts",
    "MeasuresTolerances",
    "NetworkMember",
    "NetworkObjective",
    "Objective",
    "ObjectiveParams",
    "OnEpoch",
    "Outcome",
    "Parameter",
    "ProgrammableMember",
    "Progress",
    "Protocol",
    "Sha256",
    "Solved",
    "TaskParams",
    "Thermal",
    "Tolerance",
    "Tolerances",
    "Trace",
    "UnavailableError",
    "calling",
    "clip_score",
    "describe",
    "explain_broken_host",
    "facts",
    "importing",
    "is_out_of_memory",
    "list_damage",
    "read_baselines",
    "read_parameters",
]
