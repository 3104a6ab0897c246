"""The equations of a network of any device: the reference for the compiled kernels.

The methods of the device itself compute them. A device
(``hpo.objectives.devices.Device``) defines how a neuron responds to its drive I, in
1/ns. The drive is that of docs/explanation/equations.md, "Network", with a constant of
the device, and limited::

    d(states)/dt = rate(states, I)
    I            = limit(S (W_ext y_n + W_int y_{n+1} + b) + fixed_drive)
    y            = output(states)

Its methods get tensors in place of its parameters: a number if all layers share it,
(layers, 1, 1) if layers differ, (1, layers, 1, width) on a chip with different neurons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor

from .integrators import State, Stepping
from .per_layer import as_factor


@dataclass(frozen=True, kw_only=True)
class Synapses:
    """Weights and biases of one forward pass; shapes as in the module's table."""

    w_in: Tensor
    w_inter: Tensor
    w_intra: Tensor
    bias: Tensor

    def weighted_sum(self, y: Tensor, u: Tensor) -> Tensor:
        """Return the bracket of Eq. (4) and (7): W_ext y_n + W_int y_{n+1} + b, in
        1/ns.

        Args:
            y: outputs, (members, layers, batch, width).
            u: input, (batch, channels) or (members, batch, channels).

        Returns:
            Tensor of shape (members, layers, batch, width).
        """
        from_input = u @ self.w_in.mT
        from_below = y[:, :-1] @ self.w_inter.mT
        external = torch.cat((from_input.unsqueeze(1), from_below), dim=1)
        internal = y @ self.w_intra.mT
        return external + internal + self.bias.unsqueeze(2)


@dataclass(frozen=True, kw_only=True)
class Neurons:
    """Deviations of neurons from the nominal one, (members, layers, 1, width); None:
    none."""

    factors: Mapping[str, Tensor] = field(default_factory=dict)
    """Factor on each parameter that deviates, by its name."""
    fixed_drive: float = 1.0
    """Factor on the fixed drive, the same for all neurons."""
    noise_per_sqrt_ns: Tensor | None = None
    """Standard deviation of the noise in 1 ns; the dynamics are then those between its
    jumps."""


NOMINAL = Neurons()


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
        factors = {
            n: as_factor(value, self.synapses.bias) for n, value in values.items()
        }
        return self.physics.device.with_values(**factors)

    @cached_property
    def _bounds(self) -> tuple[Any, Any]:
        """The bounds of the drive, per ns: one supply for all neurons of a chip."""
        bounds: tuple[Any, Any] = self._nominal.drive_bounds()
        return bounds

    @cached_property
    def _warm(self) -> Any:
        """The device with the values of every neuron."""
        values = self._nominal.values()
        for name, factor in self.neurons.factors.items():
            if name in values and not _is_zero(values[name]):
                values[name] = values[name] * factor
        return self._nominal.with_values(**values)

    @cached_property
    def _device(self) -> Any:
        """The device that is integrated: with simulated noise, its equation between
        jumps."""
        noise = self.neurons.noise_per_sqrt_ns
        device = self._warm
        if noise is not None:
            device = device.between_jumps(noise)
        return device.in_its_variables()

    @property
    def _fixed_drive(self) -> Any:
        """The fixed drive, in 1/ns."""
        return self._nominal.fixed_drive() * self.neurons.fixed_drive

    def _shaped(self, value: Any, batch: int) -> Tensor:
        members, layers, width = self.synapses.bias.shape
        zeros = self.synapses.bias.new_zeros(members, layers, batch, width)
        return zeros + cast(Tensor, value)

    def rest(self, batch: int) -> State:
        """Return the state before any input."""
        drive = self._limit(self._fixed_drive)
        states = self._device.every("rest_under", drive)
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
        amplified: Any = as_factor(self.physics.s, weighted) * weighted
        drive: Tensor = self._limit(amplified + self._fixed_drive)
        return drive

    def _limit(self, drive: Any) -> Any:
        """Return the drive that acts, between the bounds of the nominal device."""
        return self._nominal.limit_drive(drive, *self._bounds)

    def rate(self, state: State, drive: Tensor) -> State:
        """Return the time derivative of each state, per ns, shaped as the states."""
        rates: State = self._device.every("rate", *state, drive)
        return rates

    def advance_exactly(self, state: State, drive: Tensor, step_ns: float) -> State:
        """Return the state after ``step_ns`` of constant drive, in closed form."""
        after: State = self._device.every(
            "advance_exactly", *state, drive=drive, step_ns=step_ns
        )
        return after

    def add_noise(self, state: State, noise: Tensor) -> State:
        """Return the state after a jump by ``noise``, (members, parts, layers, batch,
        width)."""
        parts = noise.unbind(dim=1)
        jump = parts[0] if len(parts) == 1 else parts
        after: State = self._device.every("add_noise", *state, noise=jump)
        return after
