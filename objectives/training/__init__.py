"""Training and scoring of one network.

Light to import: parameters, and the objective. ``member`` and its modules load PyTorch:
``train`` (backpropagation through time), ``ridge`` (the readout alone), ``scoring``,
``solved_equation`` and ``thermal_check`` (tests of a trained network), ``artifacts``
(its file).
"""

from .objective import LayeredObjective
from .params import (
    COMPILED,
    Amplification,
    BatchSize,
    EmaDecay,
    Integrator,
    LabelSmoothing,
    LayeredParams,
    LearningRate,
    LearningRateDecay,
    MaxGradient,
    MaxStep,
    PerLayer,
    RelaxationTime,
    ScoreEvery,
    architecture,
    stepping,
)

__all__ = [
    "COMPILED",
    "Amplification",
    "BatchSize",
    "EmaDecay",
    "Integrator",
    "LabelSmoothing",
    "LayeredObjective",
    "LayeredParams",
    "LearningRate",
    "LearningRateDecay",
    "MaxGradient",
    "MaxStep",
    "PerLayer",
    "RelaxationTime",
    "ScoreEvery",
    "architecture",
    "stepping",
]
