"""Networks of any device: the reference, by the methods of the device itself.

A device (``hpo.objectives.device.Device``) says what a neuron does with its drive I; the drive is
that of every layered network, and a constant of the device::

    d(states)/dt = rate(states, I)
    I            = S (W_ext y_n + W_int y_{n+1} + b) + fixed_drive
    y            = output(states)

Its methods are called with tensors in place of its parameters: a number where all layers share
one, (layers, 1, 1) where they differ, (1, layers, 1, width) on a chip whose neurons do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hpo.objectives.networks.integrators import EXTRAPOLATION, State, Stepping
from hpo.objectives.networks.kernels.chips import Chip
from hpo.objectives.networks.kernels.generating import of_device
from hpo.objectives.networks.kernels.kernel import OfNeurons, Pointwise
from hpo.objectives.networks.layered import NOMINAL, LayeredNetwork, Neurons, Synapses
from hpo.objectives.networks.per_layer import beside


def _is_zero(value: Any) -> bool:
    """Whether a parameter is 0 in all neurons: that may be another equation."""
    return isinstance(value, float | int) and value == 0


@dataclass(frozen=True, kw_only=True)
class DeviceDynamics:
    """The equations of the module as a pure vector field, with the weights of one forward pass."""

    physics: Stepping
    synapses: Synapses
    neurons: Neurons = NOMINAL

    @cached_property
    def _nominal(self) -> Any:
        """The device with the values of every layer."""
        values = self.physics.device.values()
        return self.physics.device.with_values(
            **{name: beside(value, self.synapses.bias) for name, value in values.items()}
        )

    @cached_property
    def _warm(self) -> Any:
        """The device with those of every neuron."""
        own, factors = self._nominal.values(), self.neurons.factors
        varied = [name for name in own & factors.keys() if not _is_zero(own[name])]
        return self._nominal.with_values(**{name: own[name] * factors[name] for name in varied})

    @cached_property
    def _own(self) -> Any:
        """The same as it is integrated."""
        noise = self.neurons.noise_per_sqrt_ns
        return self._warm if noise is None else self._warm.between_jumps(noise)

    def _shaped(self, value: Any, batch: int) -> Tensor:
        members, layers, width = self.synapses.bias.shape
        shaped: Tensor = self.synapses.bias.new_zeros(members, layers, batch, width) + value
        return shaped

    def rest(self, batch: int) -> State:
        """See ``LayeredDynamics``."""
        found = self._own.every("rest_under", self._nominal.fixed_drive())
        return tuple(self._shaped(value, batch) for value in found)

    def amplitude(self, state: State) -> Tensor:
        """What a trace shows as x."""
        found: Tensor = self._own.amplitude(*state)
        return found

    def output(self, state: State) -> Tensor:
        """The outputs y."""
        found: Tensor = self._own.output(*state)
        return found

    def read(self, state: State) -> Tensor:
        """What is read out: the output, or how far a state has moved."""
        if self.physics.device.reads < 0:
            return self.output(state)
        rest = self.rest(state[0].shape[-2])
        found: Tensor = self._own.moving(*state) - self._own.moving(*rest)
        return found

    def drive(self, y: Tensor, u: Tensor) -> Tensor:
        """Drive of every neuron, (members, layers, batch, width), per ns."""
        weighted = self.synapses.weighted_sum(y, u)
        drive: Tensor = beside(self.physics.s, weighted) * weighted + self._nominal.fixed_drive()
        return drive

    def rate(self, state: State, drive: Tensor) -> State:
        """Time derivative of the state, per ns."""
        found: State = self._own.every("rate", *state, drive)
        return found

    def flow(self, state: State, drive: Tensor, dt_ns: float) -> State:
        """State after ``dt_ns`` of constant drive, in closed form."""
        found: State = self._own.every("flow", *state, drive=drive, dt_ns=dt_ns)
        return found

    def after_noise_kick(self, state: State, noise: Tensor) -> State:
        """The state after a jump by ``noise``, (members, parts, layers, batch, width)."""
        parts = noise.unbind(dim=1)
        jump = parts[0] if len(parts) == 1 else parts
        found: State = self._own.every("kick", *state, noise=jump)
        return found


class DeviceNetwork(LayeredNetwork):
    """Members of a multilayer network of devices; arguments as for ``LayeredNetwork``."""

    _ideal: tuple[Any, ...] = ()
    """For which physics ``_nominal`` is, and it."""

    def varied(self, synapses: Synapses, neurons: Neurons) -> DeviceDynamics:
        """See ``LayeredNetwork``."""
        return DeviceDynamics(physics=self.physics, synapses=synapses, neurons=neurons)

    @property
    def beyond_kernel(self) -> str:
        """See ``LayeredNetwork``: the kernel has no Runge-Kutta steps of the whole network."""
        integrator = self.physics.integrator
        if integrator not in EXTRAPOLATION:
            return f"integrator={integrator!r}"
        return str(self.physics.device.beyond_kernel(integrator))

    def pointwise(self, noisy: bool) -> Pointwise:
        """See ``LayeredNetwork``."""
        device = self.physics.device
        by_hand: Pointwise | None = device.by_hand(noisy)
        if by_hand is not None:
            return by_hand
        own = device.between_jumps(0.0) if noisy else device
        return of_device(own, by_flow=self.physics.integrator != "ab3")

    @property
    def reads(self) -> int:
        """See ``LayeredNetwork``."""
        return int(self.physics.device.reads)

    @property
    def _nominal(self) -> OfNeurons:
        """The neurons of the ideal chip, made once: every batch of training has a chip."""
        if not self._ideal or self._ideal[0] is not self.physics:
            device, ones = self.physics.device, np.ones(self.n_neurons)
            values = {name: self.per_neuron(value) for name, value in device.values().items()}
            drive = ones * device.with_values(**values).fixed_drive()
            own = OfNeurons(values, self.per_neuron(self.physics.s), drive, 0.0 * ones)
            self._ideal = (self.physics, own)
        found: OfNeurons = self._ideal[1]
        return found

    def neurons(self, chip: Chip) -> OfNeurons:
        """See ``LayeredNetwork``."""
        found, factors = self._nominal, chip.factors
        values = {n: v * factors[n] if n in factors else v for n, v in found.values.items()}
        found = found._replace(values=values)
        if chip.s is not None:
            found = found._replace(s=found.s * chip.s)
        if (noise := chip.noise_per_sqrt_ns) is not None:
            device = self.physics.device.with_values(**values).between_jumps(noise)
            found = found._replace(values=device.values(), noise_per_sqrt_ns=noise)
        return found

    @property
    def noise_parts(self) -> int:  # type: ignore[override]
        """See ``LayeredNetwork``."""
        return int(self.physics.device.noise_parts)

    def noise_per_sqrt_ns(self, factors: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """See ``LayeredNetwork``."""
        device = self.physics.device
        if device.noise_per_sqrt_ns is None:
            return np.zeros(self.n_neurons)
        values = {n: self.per_neuron(v) * factors.get(n, 1.0) for n, v in device.values().items()}
        noise: NDArray[np.float64] = device.with_values(**values).noise_per_sqrt_ns()
        return np.zeros(self.n_neurons) + noise
