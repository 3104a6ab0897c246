"""The objective that trains a layered network.

Light to import: only ``member`` loads PyTorch, numba and scikit-learn.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import BaseModel

from hpo.contract import (
    NetworkMember,
    NetworkObjective,
    Outcome,
    Protocol,
    TaskParams,
    Tolerances,
)

from ..data import TASKS, DataShape, shape
from ..hardware import physics
from ..hardware.variability import Variability
from .params import LayeredParams, features

if TYPE_CHECKING:
    from ..networks.layered import LayeredNetwork

P = TypeVar("P", bound=LayeredParams)


class LayeredObjective(NetworkObjective[P, TaskParams]):
    """Trains a layered network on a task of time-series classification."""

    tasks: ClassVar[dict[str, type[TaskParams]]] = TASKS
    variability: ClassVar[type[BaseModel] | None] = Variability
    costs: ClassVar[Mapping[str, str]] = {
        "n_synapses": (
            "connections from the input, between and within layers, and of the readout"
        ),
        "n_neurons": "neurons of all layers",
        "presentation_ns": "time that one series takes",
    }

    @abstractmethod
    def network(
        self, params: P, seeds: Sequence[int], *, channels: int, outputs: int
    ) -> LayeredNetwork:
        """Build the network of ``params``, with one member per seed.

        Args:
            params: validated hyper-parameters.
            seeds: seed of each member.
            channels: input values per time point.
            outputs: number of outputs.
        """

    def shape(self, task: TaskParams) -> DataShape:
        """Return the sizes of a task that costs depend on."""
        return shape(task)

    def costs_of(self, params: P, task: TaskParams) -> dict[str, float]:
        """Return the costs of an untrained network; see ``capabilities.KnowsCosts``.

        The number of connections does not depend on the seed: see
        ``networks.sparsity``.
        """
        size = self.shape(task)
        n_synapses = physics.n_synapses(
            layers=params.layers,
            width=params.width,
            density_inter=params.density_inter,
            density_intra=params.density_intra,
            channels=size.channels,
            classes=size.classes,
            features=features(params).n(
                physics.spread_layers(params.width, params.layers, "width")
            ),
        )
        return {
            "n_synapses": n_synapses,
            "n_neurons": physics.n_neurons(layers=params.layers, width=params.width),
            "presentation_ns": physics.presentation_ns(
                points=size.points, point_ns=params.point_ns
            ),
        }

    def tolerances(
        self, params: P, task: TaskParams, member_seed: int, outcome: Outcome
    ) -> Tolerances | None:
        """Return what a trained network asks of hardware; see
        ``capabilities.MeasuresTolerances``."""
        member: Any = self.member(
            params, task=task, protocol=Protocol.CONFIRM, member_seed=member_seed
        )
        member.restore(outcome.network)
        tolerances: Tolerances | None = member.tolerances(outcome)
        return tolerances

    def member(
        self, params: P, *, task: TaskParams, protocol: Protocol, member_seed: int
    ) -> NetworkMember:
        """Build the member, not trained yet; see ``NetworkObjective.member``."""
        from .classifier import Classifier

        return Classifier(
            self, params, task, protocol=protocol, member_seed=member_seed
        )
