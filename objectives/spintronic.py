"""The objective ``spintronic``: accuracy of a trained network of spintronic oscillators.

Light to import: PyTorch, numba and scikit-learn are loaded by ``evaluate`` only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from objectives.contract import Objective, ObjectiveParams, OnEpoch, Outcome, Protocol, TaskParams
from objectives.tasks.sequential_digits import SequentialDigitsParams

if TYPE_CHECKING:
    from objectives.networks.spintronic import SpintronicNetwork


class SpintronicParams(ObjectiveParams):
    """Hyper-parameters of a spintronic network and of its training.

    The defaults are the optimum and the architecture of arXiv:2408.02835.
    """

    tau_ns: Annotated[
        float,
        Field(
            gt=0, le=1e6, description="relaxation time of an oscillator, in ns; the paper's optimum"
        ),
    ] = 14.12
    lr0: Annotated[
        float,
        Field(gt=0, le=10, description="learning rate of the first epoch; the paper's optimum"),
    ] = 0.149
    lr_decay: Annotated[
        float,
        Field(
            gt=0,
            le=1e6,
            description="epochs after which the learning rate has halved; the paper's optimum",
        ),
    ] = 8.077
    s: Annotated[
        float, Field(ge=0, le=100, description="amplification S of weights and trainable biases")
    ] = 0.5
    density_inter: Annotated[
        float,
        Field(ge=0, le=1, description="fraction of connections kept between layers and from input"),
    ] = 0.5
    density_intra: Annotated[
        float, Field(ge=0, le=1, description="fraction of connections kept within a layer")
    ] = 0.5
    f_cut_per_ns: Annotated[
        float,
        Field(
            ge=0,
            le=1e3,
            description="cut-off frequency of the high-pass filter, per ns; not given in the paper:"
            " 0.1 reproduces its accuracy",
        ),
    ] = 0.1
    dt_ns: Annotated[
        float, Field(gt=0, le=1e3, description="time between two input points, in ns")
    ] = 1.0
    layers: Annotated[int, Field(ge=1, le=100, description="layers of oscillators")] = 3
    width: Annotated[int, Field(ge=1, le=4096, description="oscillators per layer")] = 32
    batch_size: Annotated[
        int, Field(ge=1, le=100_000, description="series per weight update, fewer in the last one")
    ] = 120
    integrator: Annotated[
        Literal["exponential", "euler"],
        Field(
            description="exponential: exact for a drive constant over dt_ns, always bounded;"
            " euler: explicit, unstable for strong drives"
        ),
    ] = "exponential"

    @model_validator(mode="after")
    def _input_is_connected(self) -> Self:
        if round(self.density_inter * self.width) < 1:
            raise ValueError(
                "density_inter: `round(density_inter * width) >= 1` must hold, but got "
                f"density_inter={self.density_inter}, width={self.width}. "
                "Raise density_inter: no connection from the input is left."
            )
        return self


class SpintronicObjective(Objective[SpintronicParams, SequentialDigitsParams]):
    """Trains a multilayer spintronic network on a task of time-series classification."""

    name: ClassVar[str] = "spintronic"
    Params: ClassVar[type[ObjectiveParams]] = SpintronicParams
    tasks: ClassVar[dict[str, type[TaskParams]]] = {"sequential-digits": SequentialDigitsParams}

    def evaluate(
        self,
        params: SpintronicParams,
        *,
        task: SequentialDigitsParams,
        protocol: Protocol,
        member_seed: int,
        on_epoch: OnEpoch,
        resume: bytes | None = None,
    ) -> Outcome:
        """Train and score one member; see ``Objective.evaluate``.

        Raises:
            ValueError: ``resume`` is damaged or was written with other arguments.
        """
        from objectives.tasks import sequential_digits
        from objectives.training import Recipe, train

        split = sequential_digits.load(task, protocol=protocol, member_seed=member_seed)
        network = build(params, [member_seed], channels=split.n_channels, outputs=split.n_classes)
        recipe = Recipe(
            epochs=params.epochs,
            batch_size=params.batch_size,
            lr0=params.lr0,
            lr_decay=params.lr_decay,
        )
        outcome = train(
            network,
            split,
            recipe,
            protocol=protocol,
            member_seed=member_seed,
            identity={
                "objective": self.name,
                "protocol": protocol.value,
                "member_seed": member_seed,
                **params.model_dump(),
                **{f"task.{name}": value for name, value in task.model_dump().items()},
            },
            on_epoch=on_epoch,
            resume=resume,
        )
        sizes = {"n_train": len(split.train), "n_scored": len(split.score)}
        counts = {"n_synapses": network.n_synapses, "n_neurons": network.n_neurons}
        return replace(outcome, info={**counts, **sizes})


def build(
    params: SpintronicParams, seeds: Sequence[int], *, channels: int, outputs: int
) -> SpintronicNetwork:
    """The network that ``params`` describe, one member per seed."""
    from objectives.networks.spintronic import SpintronicNetwork, SpintronicPhysics

    return SpintronicNetwork(
        seeds,
        physics=SpintronicPhysics(
            tau_ns=params.tau_ns,
            s=params.s,
            f_cut_per_ns=params.f_cut_per_ns,
            dt_ns=params.dt_ns,
            integrator=params.integrator,
        ),
        channels=channels,
        outputs=outputs,
        layers=params.layers,
        width=params.width,
        density_inter=params.density_inter,
        density_intra=params.density_intra,
    )
