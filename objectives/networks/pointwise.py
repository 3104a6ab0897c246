"""Networks of any device: the reference, computed by the methods of the device itself.

A device (``hpo.objectives.devices.Device``) defines how a neuron responds to its drive
I, in 1/ns. The drive is that of docs/explanation/equations.md, "Network", plus a
constant of the device::

    d(states)/dt = rate(states, I)
    I            = S (W_ext y_n + W_int y_{n+1} + b) + fixed_drive
    y            = output(states)

Its methods get tensors in place of its parameters: a number if all layers share it,
(layers, 1, 1) if layers differ, (1, layers, 1, width) on a chip with different neurons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .integrators import EXTRAPOLATION, State, Stepping
from .kernels.chips import Chip
from .kernels.generating import generate_steps
from .kernels.kernel import NeuronValues, Pointwise
from .layered import NOMINAL, LayeredNetwork, Neurons, Synapses
from .per_layer import as_factor


def _is_zero(value: Any) -> bool:
    """Tell whether a parameter is 0 in all neurons, which may select another
    equation."""
    return isinstance(value, float | int) and value == 0


@dataclass(frozen=True, kw_only=True)
class DeviceDynamics:
    """The equations of the module as a pure vector field, with the weights of one
    forward pass."""

    physics: Stepping
    synapses: Synapses
    neurons: Neurons = NOMINAL

    @cached_property
    def _nominal(self) -> Any:
        """The device with the values of every layer."""
        values = self.physics.device.values()
        return self.physics.device.with_values(
            **{
                name: as_factor(value, self.synapses.bias)
                for name, value in values.items()
            }
        )

    @cached_property
    def _warm(self) -> Any:
        """The device with the values of every neuron."""
        nominal, factors = self._nominal.values(), self.neurons.factors
        names = [
            name for name in nominal & factors.keys() if not _is_zero(nominal[name])
        ]
        return self._nominal.with_values(
            **{name: nominal[name] * factors[name] for name in names}
        )

    @cached_property
    def _device(self) -> Any:
        """The device that is integrated: with simulated noise, its equation between
        jumps."""
        noise = self.neurons.noise_per_sqrt_ns
        return self._warm if noise is None else self._warm.between_jumps(noise)

    def _shaped(self, value: Any, batch: int) -> Tensor:
        members, layers, width = self.synapses.bias.shape
        state: Tensor = (
            self.synapses.bias.new_zeros(members, layers, batch, width) + value
        )
        return state

    def rest(self, batch: int) -> State:
        """See ``LayeredDynamics``."""
        states = self._device.every("rest_under", self._nominal.fixed_drive())
        return tuple(self._shaped(value, batch) for value in states)

    def amplitude(self, state: State) -> Tensor:
        """Return the x of a trace, shaped as the outputs."""
        x: Tensor = self._device.amplitude(*state)
        return x

    def output(self, state: State) -> Tensor:
        """Return the outputs y, (members, layers, batch, width)."""
        y: Tensor = self._device.output(*state)
        return y

    def read(self, state: State) -> Tensor:
        """Return the value that is read out: the output, or the change of a state since
        rest."""
        if self.physics.device.reads < 0:
            return self.output(state)
        rest = self.rest(state[0].shape[-2])
        change: Tensor = self._device.moving(*state) - self._device.moving(*rest)
        return change

    def drive(self, y: Tensor, u: Tensor) -> Tensor:
        """Return the drive of every neuron in 1/ns, (members, layers, batch, width)."""
        weighted = self.synapses.weighted_sum(y, u)
        drive: Tensor = (
            as_factor(self.physics.s, weighted) * weighted + self._nominal.fixed_drive()
        )
        return drive

    def rate(self, state: State, drive: Tensor) -> State:
        """Return the time derivative of each state, per ns, shaped as the states."""
        rates: State = self._device.every("rate", *state, drive)
        return rates

    def flow(self, state: State, drive: Tensor, dt_ns: float) -> State:
        """Return the state after ``dt_ns`` of constant drive, in closed form."""
        after: State = self._device.every("flow", *state, drive=drive, dt_ns=dt_ns)
        return after

    def after_noise_kick(self, state: State, noise: Tensor) -> State:
        """Return the state after a jump by ``noise``, (members, parts, layers, batch,
        width)."""
        parts = noise.unbind(dim=1)
        jump = parts[0] if len(parts) == 1 else parts
        after: State = self._device.every("kick", *state, noise=jump)
        return after


class DeviceNetwork(LayeredNetwork):
    """Members of a multilayer network of devices; arguments as for
    ``LayeredNetwork``."""

    _ideal: tuple[Any, ...] = ()
    """The physics that ``_nominal`` was computed for, and its value."""

    def make_dynamics(self, synapses: Synapses, neurons: Neurons) -> DeviceDynamics:
        """See ``LayeredNetwork``."""
        return DeviceDynamics(physics=self.physics, synapses=synapses, neurons=neurons)

    @property
    def beyond_kernel(self) -> str:
        """See ``LayeredNetwork``: kernels have no Runge-Kutta steps of the whole
        network."""
        integrator = self.physics.integrator
        if integrator not in EXTRAPOLATION:
            return f"integrator={integrator!r}"
        return str(self.physics.device.beyond_kernel(integrator))

    def pointwise(self, noisy: bool) -> Pointwise:
        """See ``LayeredNetwork``."""
        device = self.physics.device
        hand_written: Pointwise | None = device.by_hand(noisy)
        if hand_written is not None:
            return hand_written
        device = device.between_jumps(0.0) if noisy else device
        return generate_steps(device, by_flow=self.physics.integrator != "ab3")

    @property
    def reads(self) -> int:
        """See ``LayeredNetwork``."""
        return int(self.physics.device.reads)

    @property
    def _nominal(self) -> NeuronValues:
        """Neurons of the ideal chip; computed once, since every training batch has a
        chip."""
        if not self._ideal or self._ideal[0] is not self.physics:
            device, ones = self.physics.device, np.ones(self.n_neurons)
            values = {
                name: self.per_neuron(value) for name, value in device.values().items()
            }
            drive = ones * device.with_values(**values).fixed_drive()
            nominal = NeuronValues(
                values, self.per_neuron(self.physics.s), drive, 0.0 * ones
            )
            self._ideal = (self.physics, nominal)
        cached: NeuronValues = self._ideal[1]
        return cached

    def neurons(self, chip: Chip) -> NeuronValues:
        """See ``LayeredNetwork``."""
        neurons, factors = self._nominal, chip.factors
        values = {
            n: v * factors[n] if n in factors else v for n, v in neurons.values.items()
        }
        neurons = neurons._replace(values=values)
        if chip.s is not None:
            neurons = neurons._replace(s=neurons.s * chip.s)
        if (noise := chip.noise_per_sqrt_ns) is not None:
            device = self.physics.device.with_values(**values).between_jumps(noise)
            neurons = neurons._replace(values=device.values(), noise_per_sqrt_ns=noise)
        return neurons

    @property
    def noise_parts(self) -> int:  # type: ignore[override]
        """See ``LayeredNetwork``."""
        return int(self.physics.device.noise_parts)

    def noise_per_sqrt_ns(
        self, factors: Mapping[str, NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """See ``LayeredNetwork``."""
        device = self.physics.device
        if device.noise_per_sqrt_ns is None:
            return np.zeros(self.n_neurons)
        values = {
            n: self.per_neuron(v) * factors.get(n, 1.0)
            for n, v in device.values().items()
        }
        noise: NDArray[np.float64] = device.with_values(**values).noise_per_sqrt_ns()
        return np.zeros(self.n_neurons) + noise
