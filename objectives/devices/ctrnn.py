"""The objective ``ctrnn``: a continuous-time recurrent network, the reference in
software.

K. Funahashi and Y. Nakamura, Approximation of dynamical systems by continuous time
recurrent neural networks, Neural Networks 6, 801 (1993); compared with spintronic
networks in arXiv:2408.02835, Eq. (6) to (8)::

    dx/dt = -γ x + I                                                            Eq. (6)
    I     = S (W_ext y_n + W_int y_{n+1} + b)                                   Eq. (7)
    y     = tanh(x)                                                             Eq. (8)

It has the architecture of the spintronic network, no fixed bias and no filter; its
state is not bounded, its output is. Layer 0 receives the input u in place of y_n.

============  =========  ======  ==============================================
paper symbol  code name  unit    meaning
============  =========  ======  ==============================================
x             x          1       state of a neuron, 0 at rest
y             output     1       output to other neurons and to the readout
I             drive      1/ns
γ = 1/τ       tau_ns     ns      relaxation time τ
S             s          1       amplification of weights and biases
============  =========  ======  ==============================================
"""

from __future__ import annotations

from typing import Any

from ..training import Amplification, LearningRate, LearningRateDecay, MaxStep
from .device import Device, Parameter, parameter
from .functions import exp, tanh


class Ctrnn(Device):
    """Hyper-parameters of a CTRNN and of its training.

    The architecture is that of arXiv:2408.02835, which gives no other hyper-parameter
    of its CTRNN. The defaults train it; the optimum of the spintronic network does not,
    since tanh saturates with a relaxation time of 14 ns. It needs shorter steps than an
    oscillator: with 0.5 ns, scores of some networks changed on the solved equation
    (docs/explanation/integrators.md).
    """

    tau_ns: Parameter = parameter(
        3.0, gt=0, le=1e6, description="relaxation time of a neuron, in ns"
    )
    lr0: LearningRate = 0.1
    lr_decay: LearningRateDecay = 15.0
    s: Amplification = 0.2
    max_step_ns: MaxStep = 0.35

    def rate(self, x: Any, drive: Any) -> Any:
        """Return dx/dt, per ns: Eq. (6)."""
        return drive - x / self.tau_ns

    def advance_exactly(self, x: Any, drive: Any, step_ns: Any) -> Any:
        """Return x after ``step_ns`` of constant drive: a linear relaxation towards I
        τ."""
        decay = exp(-step_ns / self.tau_ns)
        decayed = (1.0 + decay) * tanh(
            step_ns / self.tau_ns / 2.0
        )  # 1 - decay, without its rounding
        return decay * x + self.tau_ns * decayed * drive

    def rest_under(self, drive: Any) -> Any:
        """Return x at rest under a constant drive: not 0 if a limit moves the drive."""
        return self.tau_ns * drive

    def output(self, x: Any) -> Any:
        """Return y: Eq. (8)."""
        return tanh(x)
