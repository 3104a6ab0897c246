"""Parameters of architecture and training of all objectives on layered networks."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import (
    Discriminator,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
    model_validator,
)

from hpo.contract import ObjectiveParams

from ..hardware import physics
from ..hardware.variability import Variability
from ..networks.readout import Features


def _number_or_tuple(value: Any) -> str:
    return "layers" if isinstance(value, list | tuple) else "all"


Value = TypeVar("Value", int, float)
PerLayer = Annotated[
    Annotated[Value, Tag("all")] | Annotated[tuple[Value, ...], Tag("layers")],
    Discriminator(_number_or_tuple),
]
"""One number for all layers, or one for each; layer 0 receives the input.

``[space]`` may search such a field layer by layer. Its ``Params`` need a field
``layers``.
"""
_Tau = Annotated[float, Field(gt=0, le=1e6)]
RelaxationTime = Annotated[
    PerLayer[_Tau], Field(description="relaxation time of a neuron, in ns")
]
LearningRate = Annotated[
    float,
    Field(
        gt=0,
        le=physics.MAX_LEARNING_RATE,
        description="learning rate of the first epoch",
    ),
]
LearningRateDecay = Annotated[
    float,
    Field(gt=0, le=1e6, description="epochs after which the learning rate has halved"),
]
BatchSize = Annotated[
    int,
    Field(
        ge=1,
        le=100_000,
        description=(
            "series per weight update; the last update of an epoch may have fewer"
        ),
    ),
]
EmaDecay = Annotated[
    float,
    Field(
        ge=0,
        lt=1,
        description=(
            "networks are scored with an average of their weights over epochs; each"
            " epoch counts this many times as much as the next one; 0: the weights"
            " of the last epoch"
        ),
    ),
]
MaxGradient = Annotated[
    float,
    Field(
        gt=0,
        le=1,
        description=(
            "every element of a gradient is clipped to ± this; the paper has 1. 0.01"
            " keeps trainings from collapsing late, together with ema_decay"
        ),
    ),
]
LabelSmoothing = Annotated[
    float,
    Field(
        ge=0,
        lt=1,
        description=(
            "share of the mean loss over all classes in the training loss; about"
            " 0.1 reduces overfitting if series are few; classification only"
        ),
    ),
]
ScoreEvery = Annotated[
    int,
    Field(
        ge=1,
        le=100_000,
        description="epochs from one score to the next; the last epoch always has one",
    ),
]
_Amplification = Annotated[float, Field(ge=0, le=100)]
Amplification = Annotated[
    PerLayer[_Amplification],
    Field(description="amplification S of weights and trainable biases"),
]
_Density = Annotated[float, Field(ge=0, le=1)]

MAX_STEPS = 10_000
"""Largest number of integration steps per point."""
MaxStep = Annotated[
    float,
    Field(
        gt=0,
        le=1e4,
        description=(
            "longest integration step, in ns: point_ns is divided into as many equal"
            " steps as needed, at most 10,000; with longer steps the network no"
            " longer solves its differential equation"
        ),
    ),
]


Integrator = Annotated[
    Literal[
        "exponential",
        "exponential-ab2",
        "exponential-ab3",
        "ab3",
        "euler",
        "heun",
        "rk4",
    ],
    Field(
        description=(
            "exponential: exact if the drive is constant over a step; order 1."
            " exponential-ab2, exponential-ab3: extrapolate the drive over the step"
            " from its last two or three values (Adams-Bashforth); order 2, same"
            " cost. Amplitudes stay bounded in all three. ab3: extrapolates the"
            " drive likewise and integrates the neurons by a Runge-Kutta step of"
            " order 4; for devices without a closed-form solution. euler, heun, rk4:"
            " explicit; order 1, 2 and 4; unstable for strong drives"
        )
    ),
]


_WITH_DELAY = ("exponential-ab2", "exponential-ab3", "ab3")
"""Integrators that extrapolate outputs, and so have a delay."""
COMPILED = ("exponential", *_WITH_DELAY)
"""Integrators that have kernels."""


class LayeredParams(ObjectiveParams):
    """Hyper-parameters of a layered network and of its training.

    The defaults are the architecture of arXiv:2408.02835; each network adds its own
    optimum.
    """

    has_threshold: ClassVar[bool] = False
    """Whether a device has a threshold current: a drive of 1 / ``tau_ns``."""
    lr0: LearningRate
    lr_decay: LearningRateDecay
    s: Amplification
    density_inter: PerLayer[_Density] = Field(
        default=0.5,
        description="fraction of connections kept between layers and from input",
    )
    density_intra: PerLayer[_Density] = Field(
        default=0.5, description="fraction of connections kept within a layer"
    )
    weight_gain: float = Field(
        default=1.0,
        gt=0,
        le=1e3,
        description="factor on the initial weights between and within layers",
    )
    coupling: Literal["random", "antisymmetric"] = Field(
        default="random",
        description=(
            "initial weights within a layer, before training: random; or"
            " antisymmetric, whose modes rotate without decay, so that a"
            " reservoir remembers longer"
        ),
    )
    rotation: float = Field(
        default=10.0,
        gt=0,
        le=1e3,
        description=(
            "with antisymmetric coupling: angle in radians by which the fastest"
            " mode of S W turns between two input points, if a neuron passes on"
            " its whole drive; an oscillator at x = 1/2 passes on a quarter"
        ),
    )
    readout_points: Literal["last", "mean", "last+mean"] = Field(
        default="last",
        description=(
            "neuron states that the readout sees: those after the last input"
            " point, their mean over all points, or both"
        ),
    )
    readout_powers: int = Field(
        default=1,
        ge=1,
        le=2,
        description="2: the readout also sees the squares of the states",
    )
    readout_layers: Literal["last", "all"] = Field(
        default="last", description="layers that the readout sees"
    )
    point_ns: float = Field(
        default=1.0, gt=0, le=1e3, description="time between two input points, in ns"
    )
    layers: int = Field(default=3, ge=1, le=100, description="layers of neurons")
    width: PerLayer[Annotated[int, Field(ge=1, le=4096)]] = Field(
        default=32, description="neurons per layer"
    )
    batch_size: BatchSize = 120
    ema_decay: EmaDecay = 0.0
    max_gradient: MaxGradient = 1.0
    label_smoothing: LabelSmoothing = 0.0
    score_every: ScoreEvery = 1
    integrator: Integrator = "exponential-ab3"
    steps_per_point: int = Field(
        default=1,
        ge=1,
        le=MAX_STEPS,
        description="least number of equal steps into which point_ns is divided",
    )
    max_step_ns: MaxStep = 0.5
    coupling_delay_ns: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description=(
            "delay of the coupling, in ns: the outputs that enter the drives are those"
            " of so long ago; the input is not delayed"
        ),
    )
    threads: int = Field(
        default=1,
        ge=1,
        le=256,
        description=(
            "cores that train one network, useful if there are fewer trials"
            " than cores; the last bits of a result depend on this number"
        ),
    )
    device: Literal["cpu", "cuda"] = Field(
        default="cpu",
        description=(
            "cpu: fused kernels; cuda (experimental): the PyTorch reference on a GPU"
        ),
    )
    variability: Variability | None = Field(
        default=None,
        description=(
            "[variability]: the devices on which it is scored; default: ideal ones"
        ),
    )

    @model_serializer(mode="wrap")
    def _without_absent_variability(
        self, write: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        """Leave out absent variability: the parameters are written as before it
        existed."""
        values: dict[str, Any] = write(self)
        if values.get("variability", 0) is None:
            values.pop("variability")
        return values

    @model_validator(mode="after")
    def _steps_are_few_enough(self) -> Self:
        if not self.point_ns / self.max_step_ns <= MAX_STEPS:
            raise ValueError(
                f"max_step_ns: expected `point_ns / max_step_ns <= {MAX_STEPS}`, got"
                f" max_step_ns={self.max_step_ns}, point_ns={self.point_ns}. Raise"
                " max_step_ns."
            )
        return self

    @model_validator(mode="after")
    def _integrator_has_a_delay(self) -> Self:
        if self.coupling_delay_ns and self.integrator not in _WITH_DELAY:
            names = ", ".join(_WITH_DELAY)
            raise ValueError(
                f"coupling_delay_ns: a delay needs one of the integrators {names}, got"
                f" integrator={self.integrator!r}. Use one of these."
            )
        return self

    @model_validator(mode="after")
    def _layers_have_their_own(self) -> Self:
        for name in type(self).model_fields:
            physics.spread_layers(getattr(self, name), self.layers, name)
        return self

    @model_validator(mode="after")
    def _input_is_connected(self) -> Self:
        width, *_ = physics.spread_layers(self.width, self.layers, "width")
        density, *_ = physics.spread_layers(
            self.density_inter, self.layers, "density_inter"
        )
        if round(density * width) < 1:
            raise ValueError(
                "density_inter: expected `round(density_inter * width) >= 1`, got "
                f"density_inter={density}, width={width}. "
                "Raise density_inter: no connection from the input is left."
            )
        return self


def architecture(params: LayeredParams) -> dict[str, Any]:
    """Return the arguments of ``networks.drawing.Architecture`` in ``params``."""
    names = (
        "layers",
        "width",
        "density_inter",
        "density_intra",
        "weight_gain",
    )
    values: dict[str, Any] = {name: getattr(params, name) for name in names}
    values["rotation"] = params.rotation if params.coupling == "antisymmetric" else None
    return {**values, "features": features(params)}


def features(params: LayeredParams) -> Features:
    """Return the features of the readout."""
    return Features(
        points=params.readout_points,
        powers=params.readout_powers,
        layers=params.readout_layers,
    )


def stepping(params: LayeredParams) -> dict[str, Any]:
    """Return the arguments of ``Stepping`` in ``params``."""
    names = (
        "point_ns",
        "integrator",
        "steps_per_point",
        "max_step_ns",
        "coupling_delay_ns",
    )
    return {name: getattr(params, name) for name in names}
