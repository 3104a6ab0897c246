"""The contract of objectives whose networks can be inspected, kept and replayed.

Such an objective builds a *member*, which trains a network or restores its stored
weights, and replays the time series of its neurons. A network is a pure function of its
parameters and its seed. This module imports no torch.
"""

from __future__ import annotations

import typing
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.contract.broken_host import is_out_of_memory
from hpo.contract.objective import Objective, OnEpoch
from hpo.contract.outcome import Outcome
from hpo.contract.params import P, Protocol, T

if TYPE_CHECKING:  # hpo validates parameters without loading NumPy
    import numpy as np
    from numpy.typing import NDArray


_SERIES = 256
"""Number of series to replay at once."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """Every neuron over time, for some series of the test part."""

    images: NDArray[np.int64]
    """Position of each series in the test part, (series,)."""
    labels: NDArray[np.int64]
    """True class of each series, (series,); 0 without classes."""
    predicted: NDArray[np.int64]
    """Class that the network reads, (series,); -1 if its output is not finite."""
    point_ns: float
    """Duration of each input point, in ns."""
    inputs: NDArray[np.float32]
    """Input, (series, points, channels): point k is held from ``k point_ns`` to
    ``(k + 1) point_ns``."""
    time_ns: NDArray[np.float64]
    """Begin of each point, and end of the last, (points + 1,), in ns."""
    x: NDArray[np.float32]
    """State at these times, (layers, series, neurons, points + 1); NaN beyond a layer's
    width."""
    y: NDArray[np.float32]
    """Output, in the same shape."""
    drive: NDArray[np.float32]
    """Drive per ns as each point begins, (layers, series, neurons, points); NaN as in
    ``x``."""
    steps_per_point: int | None = None
    """Integration steps per input point if they solve the equation; else None."""
    target: NDArray[np.float64] | None = None
    """Targets of a network that predicts, after each of the last points, (series,
    points read, outputs), in the units of its data."""
    prediction: NDArray[np.float64] | None = None
    """Predictions for ``target``."""

    @property
    def read_ns(self) -> NDArray[np.float64]:
        """Times of the targets, (points read,), in ns; empty without targets."""
        n = 0 if self.target is None else self.target.shape[1]
        return self.time_ns[len(self.time_ns) - n :]


class NetworkMember(ABC):
    """One network, drawn from its seed and not trained yet.

    Its optional attribute ``network`` is the ``torch.nn.Module`` with one member, which
    ``hpo.load(STUDY).network()`` returns after training.
    """

    n_layers: int
    width: int
    """Neurons of the widest layer."""
    classes: tuple[str, ...]
    """Name of each class; empty for a network that predicts."""

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Neurons of each layer."""
        return (self.width,) * self.n_layers

    @property
    @abstractmethod
    def test_labels(self) -> NDArray[np.int64]:
        """Class of each series of the test part, (n,); ``trace`` takes its positions.

        A network that predicts has windows of the test part instead of series, with
        label 0.
        """

    @abstractmethod
    def train(self, on_epoch: OnEpoch, resume: bytes | None = None) -> Outcome:
        """Train and score the network, once; see ``Objective.evaluate``."""

    @abstractmethod
    def to_bytes(self) -> bytes:
        """Return the trained network as safetensors: ``Outcome.network``."""

    @abstractmethod
    def restore(self, data: bytes) -> None:
        """Set the weights to those that ``to_bytes`` stored, instead of training.

        Raises:
            ValueError: ``data`` is of another network, or damaged.
        """

    def read(self) -> NDArray[np.int64]:
        """Return the class that it reads for each series of the test part, (n,)."""
        import numpy as np

        images = range(len(self.test_labels))
        parts = [
            images[first : first + _SERIES] for first in range(0, len(images), _SERIES)
        ]
        return np.concatenate([self.trace(part).predicted for part in parts])

    @abstractmethod
    def trace(self, images: Sequence[int]) -> Trace:
        """Replay the network on series of the test part.

        Args:
            images: positions in the test part, each in ``range(len(test_labels))``.
        """


class ChipTable(typing.Protocol):
    """A trained network as the values to programme into a chip.

    Its rows are of kinds: ``bias`` and ``fixed`` are drives, ``input``, ``below`` and
    ``within`` are drives per unit of what arrives, ``readout`` has the weights of the
    readout. Drives are in γ, the damping.
    """

    @property
    def scores(self) -> Mapping[str, float]:
        """Scores of the test part, by what was done to the network: ``as trained``."""

    def count(self, *kinds: str) -> int:
        """Return the number of rows of these kinds."""

    def largest(self, *kinds: str) -> float:
        """Return the largest absolute value among the rows of these kinds."""

    def steps(self, kind: str) -> Collection[float]:
        """Return the values of one level among the rows of a kind; empty if none is
        rounded."""

    def write(self, path: Path) -> None:
        """Write the rows as CSV.

        Raises:
            OSError: the file cannot be written.
        """


class ProgrammableMember(NetworkMember):
    """A network of devices, which can be programmed into a chip: ``hpo export
    --chip``."""

    has_threshold: bool = False
    """Whether a device has a threshold current: a drive of 1 γ. If so, its parameters
    have ``drive_limit``, ``drive_low``, ``drive_high`` and ``point_ns``."""

    @abstractmethod
    def chip_table(
        self, *, bits: int | None = None, threshold_ma: float | None = None
    ) -> ChipTable:
        """Return the values to programme, with the scores that they leave.

        Args:
            bits: round weights to this many bits; None: exact.
            threshold_ma: current of a drive of 1 γ, in mA; None: without currents.
        """


class NetworkObjective(Objective[P, T]):
    """An objective whose members are networks that can be replayed and stored."""

    @abstractmethod
    def member(
        self, params: P, *, task: T, protocol: Protocol, member_seed: int
    ) -> NetworkMember:
        """Build the member of these arguments, not trained yet.

        A member is one network of a trial, from its own seed; see
        ``Objective.evaluate``.

        Raises:
            ValueError: the data of the task are missing, or have changed.
        """

    @abstractmethod
    def network(
        self, params: P, seeds: Sequence[int], *, channels: int, outputs: int
    ) -> Any:
        """Build the bare network, a ``torch.nn.Module`` with one member per seed.

        Args:
            params: validated hyper-parameters.
            seeds: seed of each member.
            channels: input values per time point.
            outputs: number of outputs.
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
            MemoryError: the host, or its GPU, has too little memory.
        """
        try:
            member = self.member(
                params, task=task, protocol=protocol, member_seed=member_seed
            )
            return member.train(on_epoch, resume)
        except (RuntimeError, OSError, SystemError) as error:
            if is_out_of_memory(error):
                raise MemoryError(str(error).partition("\n")[0]) from error
            raise
