"""Networks of devices, and what their kernels need.

``dynamics`` has the equations, ``layered`` the network.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .kernels.chips import Chip, scale_values
from .kernels.generating import generate_steps
from .kernels.kernel import NeuronValues, Pointwise
from .layered import LayeredNetwork


class DeviceNetwork(LayeredNetwork):
    """Members of a multilayer network of devices; arguments as for
    ``LayeredNetwork``."""

    _ideal: tuple[Any, ...] = ()
    """The physics that ``_nominal`` was computed for, and its value."""

    def pointwise(self, noisy: bool) -> Pointwise:
        """See ``LayeredNetwork``."""
        device = self.physics.device
        hand_written: Pointwise | None = device.by_hand(noisy)
        if hand_written is not None:
            return hand_written
        if noisy:
            device = device.between_jumps(0.0)
        return generate_steps(device, exact=self.physics.integrator != "ab3")

    @property
    def _nominal(self) -> NeuronValues:
        """Neurons of the ideal chip; computed once, since every training batch has a
        chip."""
        if not self._ideal or self._ideal[0] is not self.physics:
            device = self.physics.device
            zeros = np.zeros(self.n_neurons)
            values = self.per_neuron_values()
            nominal = device.with_values(**values)
            low, high = nominal.drive_bounds()
            neurons = NeuronValues(
                values=values,
                s=self.per_neuron(self.physics.s),
                fixed_drive=zeros + nominal.fixed_drive(),
                drive_low=zeros + low,
                drive_high=zeros + high,
                noise_per_sqrt_ns=zeros,
            )
            self._ideal = (self.physics, neurons)
        cached: NeuronValues = self._ideal[1]
        return cached

    def neurons(self, chip: Chip) -> NeuronValues:
        """See ``LayeredNetwork``."""
        values = scale_values(self._nominal.values, chip.factors)
        neurons = self._nominal._replace(values=values)
        if chip.s is not None:
            neurons = neurons._replace(s=neurons.s * chip.s)
        if chip.fixed_drive is not None:
            drive = neurons.fixed_drive * chip.fixed_drive
            neurons = neurons._replace(fixed_drive=drive)
        noise = chip.noise_per_sqrt_ns
        if noise is not None:
            device = self.physics.device.with_values(**values).between_jumps(noise)
            neurons = neurons._replace(values=device.values(), noise_per_sqrt_ns=noise)
        return neurons
