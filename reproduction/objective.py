"""The objective of readings that ``spintronic`` has no parameter for: the same
networks, with another input, readout or masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from hpo.contract import ObjectiveParams
from hpo.objectives.devices.device import Device
from hpo.objectives.devices.objective import DeviceObjective
from hpo.objectives.devices.spintronic import Spintronic
from hpo.objectives.training import architecture

if TYPE_CHECKING:
    from hpo.objectives.networks.pointwise import DeviceNetwork
    from reproduction.other_network import MaskedAlike


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

    def network_class(self, params: Device) -> type[DeviceNetwork]:
        """Return that of scaled inputs and readouts, or one that the kernels train
        alone."""
        from reproduction.other_network import OtherNetwork

        assert isinstance(params, OtherSpintronic)
        if params.input_gain == params.readout_gain == 1.0:
            return super().network_class(params)
        return OtherNetwork

    def architecture(
        self, params: Device, *, channels: int, outputs: int
    ) -> MaskedAlike:
        """Return the sizes, with masks of one seed if ``params`` has it."""
        from reproduction.other_network import MaskedAlike

        assert isinstance(params, OtherSpintronic)
        sizes = architecture(params)
        return MaskedAlike(
            channels=channels, outputs=outputs, mask_seed=params.mask_seed, **sizes
        )
