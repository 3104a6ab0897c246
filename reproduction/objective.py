"""The objective of readings that ``spintronic`` has no parameter for: the same
networks, with another input, readout or masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from hpo.contract import ObjectiveParams
from hpo.objectives.devices.device import Device
from hpo.objectives.devices.objective import DeviceObjective
from hpo.objectives.devices.spintronic import Spintronic
from hpo.objectives.training import architecture, stepping

if TYPE_CHECKING:
    from hpo.objectives.networks.pointwise import DeviceNetwork


class OtherSpintronic(Spintronic):
    """The paper's network, with what its figures leave open besides."""

    input_gain: Annotated[
        float, Field(gt=0, description="factor on the input, which is in [0, 1]")
    ] = 1.0
    readout_gain: Annotated[
        float, Field(gt=0, description="factor on what the readout gives")
    ] = 1.0
    mask_seed: Annotated[
        int | None,
        Field(ge=0, description="seed of the masks of all networks; none: their own"),
    ] = None


class OtherNetworks(DeviceObjective):
    """Trains networks of ``OtherSpintronic``."""

    name = "reproduction.objective:OtherNetworks"
    Params: ClassVar[type[ObjectiveParams]] = OtherSpintronic
    system = Spintronic.system

    def network(
        self, params: Device, seeds: Sequence[int], *, channels: int, outputs: int
    ) -> DeviceNetwork:
        """Build the network of ``params``, with one member per seed."""
        from hpo.objectives.networks.integrators import Stepping
        from hpo.objectives.networks.pointwise import DeviceNetwork
        from reproduction.other_network import MaskedAlike, OtherNetwork

        assert isinstance(params, OtherSpintronic)
        sizes = MaskedAlike(
            channels=channels,
            outputs=outputs,
            mask_seed=params.mask_seed,
            **architecture(params),
        )
        physics = Stepping(device=params, **stepping(params))
        kind: type[DeviceNetwork] = OtherNetwork
        if params.input_gain == params.readout_gain == 1.0:
            kind = DeviceNetwork  # trained by the kernels alone
        return kind(
            seeds,
            sizes,
            physics=physics,
            threads=params.threads,
            batch_size=params.batch_size,
        )
