"""The objective ``ctrnn``: accuracy of a trained continuous-time recurrent network.

The software network against which arXiv:2408.02835 holds its spintronic one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from objectives.contract import ObjectiveParams
from objectives.layered import (
    Amplification,
    LayeredObjective,
    LayeredParams,
    LearningRate,
    LearningRateDecay,
    MaxStep,
    RelaxationTime,
    architecture,
    stepping,
)

if TYPE_CHECKING:
    from objectives.networks.ctrnn import CtrnnNetwork


class CtrnnParams(LayeredParams):
    """Hyper-parameters of a CTRNN and of its training.

    The architecture is that of arXiv:2408.02835, which gives no other hyper-parameter of its
    CTRNN; the defaults train it. The optimum of the spintronic network does not: with a
    relaxation time of 14 ns, tanh saturates. It takes shorter steps than an oscillator: with 0.5 ns
    some networks were others on the solved equation (docs/explanation/integrators.md).
    """

    tau_ns: RelaxationTime = 3.0
    lr0: LearningRate = 0.1
    lr_decay: LearningRateDecay = 15.0
    s: Amplification = 0.2
    max_step_ns: MaxStep = 0.35


class CtrnnObjective(LayeredObjective[CtrnnParams]):
    """Trains a multilayer CTRNN on a task of time-series classification."""

    name: ClassVar[str] = "ctrnn"
    Params: ClassVar[type[ObjectiveParams]] = CtrnnParams

    def network(
        self, params: CtrnnParams, seeds: Sequence[int], *, channels: int, outputs: int
    ) -> CtrnnNetwork:
        """The network that ``params`` describe, one member per seed."""
        from objectives.networks.ctrnn import CtrnnNetwork, CtrnnPhysics

        physics = CtrnnPhysics(tau_ns=params.tau_ns, s=params.s, **stepping(params))
        return CtrnnNetwork(
            seeds, physics=physics, channels=channels, outputs=outputs, **architecture(params)
        )
