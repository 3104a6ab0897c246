"""A gated recurrent unit (GRU), the digital network for comparison.

Use it by ``objective = "hpo.objectives.baselines.gru:GruObjective"``. It is
``torch.nn.GRU`` (K. Cho et al., arXiv:1406.1078) with a linear readout after the last
point, trained as the dynamical networks are: Adam, a clipped gradient, a learning rate
that decays. It has no physics, so no energy and no solved equation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from hpo.contract import (
    Objective,
    ObjectiveParams,
    OnEpoch,
    Outcome,
    Protocol,
    TaskParams,
)

from ..data import TASKS, load
from ..training import (
    BatchSize,
    EmaDecay,
    LabelSmoothing,
    LearningRate,
    LearningRateDecay,
    MaxGradient,
    ScoreEvery,
)

if TYPE_CHECKING:
    import torch


class GruParams(ObjectiveParams):
    """Hyper-parameters of a GRU and of its training."""

    lr0: LearningRate = 0.01
    lr_decay: LearningRateDecay = 20.0
    layers: int = Field(default=1, ge=1, le=100, description="layers of units")
    width: int = Field(default=28, ge=1, le=4096, description="units per layer")
    batch_size: BatchSize = 60
    ema_decay: EmaDecay = 0.0
    max_gradient: MaxGradient = 1.0
    label_smoothing: LabelSmoothing = 0.0
    score_every: ScoreEvery = 1


class GruObjective(Objective[GruParams, TaskParams]):
    """Trains a GRU on a task of time-series classification."""

    name: ClassVar[str] = "hpo.objectives.baselines.gru:GruObjective"
    Params: ClassVar[type[ObjectiveParams]] = GruParams
    tasks: ClassVar[dict[str, type[TaskParams]]] = TASKS
    costs: ClassVar[Mapping[str, str]] = {"n_parameters": "weights and biases"}

    def evaluate(
        self,
        params: GruParams,
        *,
        task: TaskParams,
        protocol: Protocol,
        member_seed: int,
        on_epoch: OnEpoch,
        resume: bytes | None = None,
    ) -> Outcome:
        """Train and score one network; see ``Objective.evaluate``."""
        from ..networks import network_file
        from ..training.artifacts import describe_member
        from ..training.checkpoint import identify
        from ..training.recipe import Recipe
        from ..training.train import train

        split = load(task, protocol=protocol, member_seed=member_seed)
        network = build(
            params,
            member_seed,
            channels=split.n_channels,
            outputs=split.n_classes,
        )
        outcome = train(
            network,
            split,
            Recipe.from_params(params),
            protocol=protocol,
            member_seed=member_seed,
            identity=identify(
                self.name,
                params,
                task=task,
                protocol=protocol,
                member_seed=member_seed,
            ),
            on_epoch=on_epoch,
            resume=resume,
        )
        outcome.info["n_parameters"] = sum(p.numel() for p in network.parameters())
        if protocol is not Protocol.CONFIRM:
            return outcome
        description = describe_member(
            self.name, params, task, split=split, member_seed=member_seed
        )
        data = network_file.to_bytes(network.state_dict(), description)
        return outcome.replace(network=data)


def build(
    params: GruParams, seed: int, *, channels: int, outputs: int
) -> torch.nn.Module:
    """Return the network of ``params`` with the weights of a seed; it maps inputs
    (batch, time, channels) to logits (1, batch, outputs)."""
    import torch
    from torch import Tensor, nn

    from ..randomness import stream

    class Gru(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(channels, params.width, params.layers, batch_first=True)
            self.readout = nn.Linear(params.width, outputs)
            bound = params.width**-0.5
            for name, parameter in self.named_parameters():
                draw = stream(seed, name).uniform
                values = draw(-bound, bound, parameter.shape)
                parameter.data.copy_(torch.from_numpy(values))

        def forward(self, u: Tensor) -> Tensor:
            logits: Tensor = self.readout(self.gru(u)[0][:, -1])
            return logits[None]

    return Gru()
