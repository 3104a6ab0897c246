"""The toy of ``toy_objective`` as an objective on networks: waves instead of neurons,
no torch.

``objective = "toy_network:ToyNetworkObjective"``. Two layers of three neurons, twelve
series of three classes in the test half; one class has a name that a browser would run
if it could.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pages import HOSTILE
from safetensors.numpy import save
from toy_objective import ToyObjective, ToyParams, ToyTask

from hpo.contract import (
    NetworkMember,
    NetworkObjective,
    ObjectiveParams,
    OnEpoch,
    Outcome,
    Protocol,
    TaskParams,
    Trace,
)
from hpo.objectives.networks import network_file

POINTS, POINT_NS = 8, 0.5


class ToyMember(NetworkMember):
    """Sines with the class as frequency; layer 1, neuron 2 separates the classes
    best."""

    n_layers, width = 2, 3
    classes = ("sine", "square", HOSTILE)

    def __init__(
        self, params: ToyParams, task: ToyTask, protocol: Protocol, seed: int
    ) -> None:
        self._arguments = (params, task, protocol, seed)

    @property
    def test_labels(self) -> NDArray[np.int64]:
        return np.arange(12) % 3

    def train(self, on_epoch: OnEpoch, resume: bytes | None = None) -> Outcome:
        params, task, protocol, seed = self._arguments
        outcome = ToyObjective().evaluate(
            params,
            task=task,
            protocol=protocol,
            member_seed=seed,
            on_epoch=on_epoch,
            resume=resume,
        )
        kept = self.to_bytes() if protocol == Protocol.CONFIRM else None
        return outcome.replace(network=kept)

    def to_bytes(self) -> bytes:
        params, _, _, seed = self._arguments
        about = {"objective": "toy-network", "member_seed": seed}
        weights = {"weights": np.array([params.x, seed])}
        return save(weights, metadata={network_file.KEY: json.dumps(about)})

    def restore(self, data: bytes) -> None:
        if data != self.to_bytes():
            raise ValueError("it is another network")

    def trace(self, images: Sequence[int]) -> Trace:
        labels = self.test_labels[list(images)]
        time_ns = POINT_NS * np.arange(POINTS + 1.0)
        strength = np.arange(1.0, 7.0).reshape(2, 1, 3, 1)
        waves = strength * np.sin((labels + 1)[:, np.newaxis, np.newaxis] * time_ns)
        x = waves.astype(np.float32)
        return Trace(
            images=np.asarray(images, dtype=np.int64),
            labels=labels,
            predicted=np.where(labels == 1, 2, labels),
            point_ns=POINT_NS,
            inputs=np.ones((len(labels), POINTS, 2), dtype=np.float32),
            time_ns=time_ns,
            x=x,
            y=-x,
            drive=2 * x[..., :-1],
        )


class ToyNetworkObjective(NetworkObjective[ToyParams, ToyTask]):
    """The same scores as ``ToyObjective``, by way of a member."""

    name: ClassVar[str] = "toy-network"
    Params: ClassVar[type[ObjectiveParams]] = ToyParams
    tasks: ClassVar[dict[str, type[TaskParams]]] = {"toy": ToyTask}
    kind: ClassVar[type[ToyMember]] = ToyMember

    def member(
        self, params: ToyParams, *, task: ToyTask, protocol: Protocol, member_seed: int
    ) -> ToyMember:
        return self.kind(params, task, protocol, member_seed)

    def network(
        self, params: ToyParams, seeds: Sequence[int], *, channels: int, outputs: int
    ) -> Any:
        raise NotImplementedError
