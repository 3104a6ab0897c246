"""The contract of objectives that train networks one can look at, keep and replay.

Such an objective builds a *member*, which trains itself, or takes the weights of a network that was
kept, and shows the time series of its neurons. With a network that was not kept nothing is lost: it
is a pure function of its parameters and its seed. This module imports no torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from hpo.objectives.contract import (
    Objective,
    ObjectiveParams,
    OnEpoch,
    Outcome,
    Protocol,
    TaskParams,
)

if TYPE_CHECKING:  # hpo validates parameters without loading NumPy
    import numpy as np
    from numpy.typing import NDArray

P = TypeVar("P", bound=ObjectiveParams)
T = TypeVar("T", bound=TaskParams)

_SERIES = 256
"""So many series are replayed at once."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """Every neuron over time, for some series of the test part."""

    images: NDArray[np.int64]
    """Position of each series in the test part, (series,)."""
    labels: NDArray[np.int64]
    """True class of each series, (series,); 0 where there are no classes."""
    predicted: NDArray[np.int64]
    """Class that the network reads, (series,); -1 where its output is not finite."""
    dt_ns: float
    """How long each input point is held, in ns."""
    inputs: NDArray[np.float32]
    """Input, (series, points, channels): point k is held from ``k dt_ns`` to ``(k + 1) dt_ns``."""
    time_ns: NDArray[np.float64]
    """When each point begins, and the end of the last, (points + 1,), in ns."""
    x: NDArray[np.float32]
    """State at these times, (layers, series, neurons, points + 1); NaN of what a layer lacks."""
    y: NDArray[np.float32]
    """Output, likewise."""
    drive: NDArray[np.float32]
    """Drive per ns as each point begins, (layers, series, neurons, points); NaN likewise."""
    steps_per_point: int | None = None
    """Integration steps per input point, if they are of the solved equation; else None."""
    target: NDArray[np.float64] | None = None
    """Of a network that predicts: what should be read out after each of the last points,
    (series, points read, outputs), in the units of its data."""
    prediction: NDArray[np.float64] | None = None
    """Likewise, what is."""


class NetworkMember(ABC):
    """One network, drawn from its seed and not trained yet.

    Its attribute ``network``, where it has one, is the ``torch.nn.Module``, with one member:
    ``hpo.load(STUDY).network()`` gives it away once it is trained.
    """

    n_layers: int
    width: int
    """Neurons per layer, or those of the widest."""
    classes: tuple[str, ...]
    """Name of each class; none of a network that predicts."""

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Neurons of each layer."""
        return (self.width,) * self.n_layers

    @property
    @abstractmethod
    def test_labels(self) -> NDArray[np.int64]:
        """Class of each series of the test part, (n,); its positions are what ``trace`` takes.

        A network that predicts has windows of the test part in place of series, all of label 0.
        """

    @abstractmethod
    def train(self, on_epoch: OnEpoch, resume: bytes | None = None) -> Outcome:
        """Train and score it, once; see ``Objective.evaluate``."""

    @abstractmethod
    def to_bytes(self) -> bytes:
        """Return the trained network as safetensors; see ``Outcome.network``, which it is."""

    @abstractmethod
    def restore(self, data: bytes) -> None:
        """Take the weights of what ``to_bytes`` gave, in place of a training.

        Raises:
            ValueError: it is no such network.
        """

    def read(self) -> NDArray[np.int64]:
        """Return the class that it reads of each series of the test part, (n,), as ``trace``."""
        import numpy as np

        every = range(len(self.test_labels))
        parts = [every[first : first + _SERIES] for first in range(0, len(every), _SERIES)]
        return np.concatenate([self.trace(part).predicted for part in parts])

    @abstractmethod
    def trace(self, images: Sequence[int]) -> Trace:
        """Replay it on series of the test part.

        Args:
            images: positions in the test part, each in ``range(len(test_labels))``.
        """


class NetworkObjective(Objective[P, T]):
    """An objective whose members are networks: what trains one is what shows and saves it."""

    @abstractmethod
    def member(self, params: P, *, task: T, protocol: Protocol, member_seed: int) -> NetworkMember:
        """The network of these arguments, see ``Objective.evaluate``, not trained yet.

        Raises:
            ValueError: the data of the task is not there, or not what it was.
        """

    @abstractmethod
    def network(self, params: P, seeds: Sequence[int], *, channels: int, outputs: int) -> Any:
        """The bare network, a ``torch.nn.Module`` with one member per seed.

        Args:
            params: validated hyper-parameters.
            seeds: seed of each member.
            channels: input values per time point.
            outputs: values read out.
        """

    def evaluate(
        self,
        params: P,
        *,
        task: T,
        protocol: Protocol,
        member_seed: int,
        on_epoch: OnEpoch,
        resume: bytes | None = None,
    ) -> Outcome:
        """Train and score one member; see ``Objective.evaluate``.

        Raises:
            ValueError: ``resume`` is damaged or was written with other arguments.
            MemoryError: the host, or its GPU, has not enough memory.
        """
        try:
            member = self.member(params, task=task, protocol=protocol, member_seed=member_seed)
            return member.train(on_epoch, resume)
        except RuntimeError as error:
            if _is_out_of_memory(error):
                raise MemoryError(str(error).partition("\n")[0]) from error
            raise


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Whether PyTorch, which is not imported here, got no memory: of a GPU, or of the host."""
    of_gpu = type(error).__name__ == "OutOfMemoryError"
    return of_gpu or "DefaultCPUAllocator: can't allocate memory" in str(error)
