"""The fused kernels of one simulated chip, for scoring alone: see ``kernels.devices``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from objectives.networks.kernels import devices
from objectives.networks.kernels.passes import Backward, Forward, Kernel, Pass, high_pass
from objectives.networks.kernels.structure import Floats, SparseStructure, Tiles, message
from objectives.networks.per_layer import PerLayer, mapped

_NO_NOISE: Floats = np.empty(0, np.float32)


class DeviceKernel(Kernel):
    """A kernel whose neurons have constants and noise of their own; it goes forward only."""

    noise: Floats = _NO_NOISE

    def __init__(
        self, structure: SparseStructure, integrator: str, n_steps: int, scale: PerLayer
    ) -> None:
        """As for ``Kernel``, but that one neuron is taken at a time."""
        super().__init__(structure, integrator, n_steps, scale)
        self.tiles = Tiles.none()

    def sizes(self, n_points: int, keep: bool) -> dict[str, int]:
        """See ``Kernel``."""
        return {"outputs": 2 * self.row, "values": 2 * self.row, "x": self.row}

    @property
    def carried(self) -> dict[str, int]:
        """Nothing: without a way back there is one segment."""
        return {}

    @property
    def floats_per_step(self) -> int:
        """See ``Kernel``."""
        return self.row

    def bind(self, pass_: Pass) -> tuple[Forward, Backward]:
        """See ``Kernel``; there is no way back."""

        def refuse(u: Floats, *call: Any) -> NoReturn:
            remedy = "Train the ideal network, and score it on devices."
            where, rule = type(self).__name__, "a forward pass"
            raise ValueError(message(where, rule, "pass", "backward", remedy))

        forward = self.bind_forward(pass_)
        return (lambda u, *call: forward(u)), refuse

    @abstractmethod
    def bind_forward(self, pass_: Pass) -> Callable[[Floats], None]:
        """The kernel with all arguments but the input of a block."""


class SpintronicDeviceKernel(DeviceKernel):
    """Eq. (2)-(5) of arXiv:2408.02835, Q = 0 and sigma = 1, with a damping for every neuron.

    Args:
        structure: where the weights are non-zero.
        gammas_per_ns: damping of each neuron, (neurons,).
        start: amplitude of each at the beginning, (neurons,).
        b_fixed_per_ns: fixed bias of each, (neurons,).
        noise: jumps, see ``devices``, (jumps, parts, neurons, LANES); empty for none.
        reads_x, s, f_cut_per_ns, dt_ns, integrator, n_steps: as for ``SpintronicKernel``.

    Raises:
        ValueError: an unknown integrator.
    """

    def __init__(
        self,
        structure: SparseStructure,
        *,
        gammas_per_ns: NDArray[np.float64],
        start: NDArray[np.float64],
        b_fixed_per_ns: NDArray[np.float64],
        noise: Floats,
        s: PerLayer,
        f_cut_per_ns: PerLayer,
        dt_ns: float,
        integrator: str,
        n_steps: int = 1,
        reads_x: bool = False,
    ) -> None:
        """Turn the physics into numbers of a step."""
        step_ns = dt_ns / n_steps
        super().__init__(structure, integrator, n_steps, mapped(lambda s: s * step_ns, s))
        fixed = (b_fixed_per_ns * step_ns).astype(np.float32)
        self.constants = (fixed, *map(self.per_neuron, high_pass(f_cut_per_ns, step_ns)))
        self._gammas = (gammas_per_ns * step_ns).astype(np.float32)
        self._start, self.noise = start.astype(np.float32), noise.reshape(-1)
        self._reads_x = reads_x

    def bind_forward(self, pass_: Pass) -> Callable[[Floats], None]:
        """See ``DeviceKernel``."""
        how = (self.constants, self.extrapolation, self._reads_x, pass_.shape)
        own = (self._gammas, self._start, self.noise)
        arrays = pass_.work.parts("held", "drive", "outputs", "values", "x", "read")
        there = (*pass_.drives, *how, *own, *arrays)
        return lambda u: devices.spintronic(u, *there)


class CtrnnDeviceKernel(DeviceKernel):
    """Eq. (6)-(8) of arXiv:2408.02835; arguments as for ``SpintronicDeviceKernel``."""

    def __init__(
        self,
        structure: SparseStructure,
        *,
        gammas_per_ns: NDArray[np.float64],
        noise: Floats,
        s: PerLayer,
        dt_ns: float,
        integrator: str,
        n_steps: int = 1,
    ) -> None:
        """Turn the physics into numbers of a step."""
        turns = gammas_per_ns * (dt_ns / n_steps)
        decays, gains = np.exp(-turns), -np.expm1(-turns) / gammas_per_ns
        super().__init__(structure, integrator, n_steps, s)
        self._decays, self._gains = decays.astype(np.float32), gains.astype(np.float32)
        self.noise = noise.reshape(-1)

    def bind_forward(self, pass_: Pass) -> Callable[[Floats], None]:
        """See ``DeviceKernel``."""
        arrays = pass_.work.parts("held", "drive", "outputs", "values", "x", "read")
        own = (self._decays, self._gains, self.noise, self.extrapolation)
        there = (*pass_.drives, *own, pass_.shape, *arrays)
        return lambda u: devices.ctrnn(u, *there)
