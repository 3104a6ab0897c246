"""The objective ``spintronic``: accuracy of a trained network of spintronic oscillators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from objectives import physics
from objectives.contract import ObjectiveParams, TaskParams
from objectives.layered import (
    Amplification,
    LayeredObjective,
    LayeredParams,
    LearningRate,
    LearningRateDecay,
    PerLayer,
    RelaxationTime,
    architecture,
    stepping,
)

if TYPE_CHECKING:
    from objectives.networks.spintronic import SpintronicNetwork


ThermalTraining = Annotated[
    Literal["mean", "noise"],
    Field(
        description="what training sees of a thermal power: its mean effect, or thermal noise"
        " itself; scores are those of the mean, but with [variability]"
    ),
]
ThermalSpan = Annotated[
    float,
    Field(
        ge=1,
        le=100,
        description="factor up to which the thermal power is larger or smaller in training, in"
        " every batch another one",
    ),
]


class SpintronicParams(LayeredParams):
    """Hyper-parameters of a spintronic network and of its training.

    The defaults are the optimum and the architecture of arXiv:2408.02835.
    """

    tau_ns: RelaxationTime = 14.12
    lr0: LearningRate = 0.149
    lr_decay: LearningRateDecay = 8.077
    s: Amplification = 0.5
    f_cut_per_ns: Annotated[
        PerLayer[Annotated[float, Field(ge=0, le=1e3)]],
        Field(
            description="cut-off frequency of the high-pass filter, per ns; not given in the paper:"
            " 0.1 reproduces its accuracy",
        ),
    ] = 0.1
    q: Annotated[
        float, Field(ge=0, le=1e3, description="non-linear damping Q of Eq. (1); the paper's is 0")
    ] = 0.0
    sigma: Annotated[
        float,
        Field(
            gt=0.5,
            le=1e3,
            description="material factor σ of the drive in Eq. (1); the paper's is 1, and up to"
            " 1/2 the fixed bias sustains no oscillation",
        ),
    ] = 1.0
    thermal_power: Annotated[
        float,
        Field(
            ge=0,
            le=0.1,
            description="power of an oscillator that nothing drives, kT / E, over that at which it"
            " saturates: about 1e-3 at 100 nm and room temperature (docs/how-to/thermal.md); 0: the"
            " paper's, which no device has",
        ),
    ] = 0.0
    thermal_training: ThermalTraining = "noise"
    thermal_span: ThermalSpan = 10.0
    start: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="amplitude at the beginning of a series, over that at rest without input",
        ),
    ] = 1.0
    readout: Annotated[
        Literal["y", "x"],
        Field(
            description="what is read of the last layer: y, or the change of x since the beginning,"
            " which is y without its filter"
        ),
    ] = "y"
    neuron_uw: Annotated[
        float,
        Field(
            ge=0,
            le=1e6,
            description="power of a neuron, in µW, of which energy_pj is made: 1 µW is 100 fJ in"
            " 100 ns, the paper's; training and score do not depend on it",
            json_schema_extra={"hardware": True},
        ),
    ] = physics.NEURON_UW
    synapse_uw: Annotated[
        float,
        Field(
            ge=0,
            le=1e6,
            description="power of a synapse, in µW, likewise: the paper's is 10 fJ in 100 ns",
            json_schema_extra={"hardware": True},
        ),
    ] = physics.SYNAPSE_UW

    @model_validator(mode="after")
    def _powers_are_below_saturation(self) -> Self:
        if not self.thermal_power * self.thermal_span <= 1.0:
            raise ValueError(
                "thermal_span: thermal_power times thermal_span, the largest power in training, "
                f"must be at most 1, but got thermal_power={self.thermal_power}, "
                f"thermal_span={self.thermal_span}. Lower one of them."
            )
        return self


class SpintronicObjective(LayeredObjective[SpintronicParams]):
    """Trains a multilayer spintronic network on a task of time-series classification."""

    name: ClassVar[str] = "spintronic"
    Params: ClassVar[type[ObjectiveParams]] = SpintronicParams
    costs: ClassVar[Mapping[str, str]] = {
        "energy_pj": "energy while one series is presented, see physics.energy_pj",
        **LayeredObjective.costs,
    }

    def costs_of(self, params: SpintronicParams, task: TaskParams) -> dict[str, float]:
        """What a network costs, untrained, and the energy with the powers of ``params``."""
        costs = super().costs_of(params, task)
        energy_pj = physics.energy_pj(
            n_neurons=int(costs["n_neurons"]),
            n_synapses=int(costs["n_synapses"]),
            presentation_ns=costs["presentation_ns"],
            neuron_uw=params.neuron_uw,
            synapse_uw=params.synapse_uw,
        )
        return {**costs, "energy_pj": energy_pj}

    def network(
        self, params: SpintronicParams, seeds: Sequence[int], *, channels: int, outputs: int
    ) -> SpintronicNetwork:
        """The network that ``params`` describe, one member per seed."""
        from objectives.networks.spintronic import SpintronicNetwork, SpintronicPhysics

        oscillators = SpintronicPhysics(
            tau_ns=params.tau_ns,
            s=params.s,
            f_cut_per_ns=params.f_cut_per_ns,
            q=params.q,
            sigma=params.sigma,
            thermal_power=params.thermal_power,
            start=params.start,
            readout=params.readout,
            **stepping(params),
        )
        return SpintronicNetwork(
            seeds, physics=oscillators, channels=channels, outputs=outputs, **architecture(params)
        )
