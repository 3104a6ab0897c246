"""The objective that trains networks of devices of one class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from hpo.contract import TaskParams

from ..hardware import physics
from ..training import LayeredObjective, architecture, stepping
from .device import Device

if TYPE_CHECKING:
    from ..networks.drawing import Architecture
    from ..networks.pointwise import DeviceNetwork


class DeviceObjective(LayeredObjective[Device]):
    """Trains a layered network of devices of one class on a task of time-series
    classification."""

    costs: ClassVar[Mapping[str, str]] = {
        "energy_pj": "energy while one series is presented, see physics.energy_pj",
        **LayeredObjective.costs,
    }

    def __init_subclass__(cls) -> None:
        """Score on chips whose devices differ in every parameter, if it scores on
        any."""
        if cls.variability is not None and "Params" in vars(cls):
            cls.variability = cast(type[Device], cls.Params).Hardware

    def costs_of(self, params: Device, task: TaskParams) -> dict[str, float]:
        """Return the costs of an untrained network, with its energy at the powers of
        ``params``."""
        costs = super().costs_of(params, task)
        energy_pj = physics.energy_pj(
            n_neurons=int(costs["n_neurons"]),
            n_synapses=int(costs["n_synapses"]),
            presentation_ns=costs["presentation_ns"],
            neuron_uw=params.neuron_uw,
            synapse_uw=params.synapse_uw,
        )
        return {**costs, "energy_pj": energy_pj}

    def beyond_kernel(self, params: Device) -> str:
        """Return what of the network no kernel computes; see
        ``capabilities.HasKernels``."""
        return params.beyond_kernel(params.integrator)

    def network(
        self, params: Device, seeds: Sequence[int], *, channels: int, outputs: int
    ) -> DeviceNetwork:
        """Build the network of ``params``, with one member per seed."""
        from ..networks.integrators import Stepping

        kind = self.network_class(params)
        return kind(
            seeds,
            self.architecture(params, channels=channels, outputs=outputs),
            physics=Stepping(device=params, **stepping(params)),
            threads=params.threads,
            batch_size=params.batch_size,
        )

    def network_class(self, params: Device) -> type[DeviceNetwork]:
        """Return the class of the network of ``params``; another objective may have
        another."""
        from ..networks.pointwise import DeviceNetwork

        return DeviceNetwork

    def architecture(
        self, params: Device, *, channels: int, outputs: int
    ) -> Architecture:
        """Return sizes and first weights of the network of ``params``; another
        objective may draw others."""
        from ..networks.drawing import Architecture

        return Architecture(channels=channels, outputs=outputs, **architecture(params))
