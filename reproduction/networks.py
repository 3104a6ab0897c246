"""Networks of a measured study, trained again to look into them."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray

from hpo.contract import NetworkObjective, Protocol
from hpo.objectives.data import load
from hpo.study.trials import StudySnapshot, Trial


class TrainedNetwork(NamedTuple):
    """A trained network, and the series that test it."""

    network: Any
    """A ``LayeredNetwork`` of one member."""
    score: float
    """Its score, at the step of training."""
    x: NDArray[Any]
    """The series, (series, points, channels)."""


def train_again(snapshot: StudySnapshot, slot: Trial, seed: int) -> TrainedNetwork:
    """Train the network of one seed of a trial, on one thread."""
    torch.set_num_threads(1)
    spec = snapshot.spec
    objective = spec.objective_impl
    assert isinstance(objective, NetworkObjective)
    how: Any = {"protocol": Protocol.CONFIRM, "member_seed": seed}
    params = spec.params(slot.params, epochs=spec.budget.epochs)
    member: Any = objective.member(params, task=spec.task_params, **how)
    outcome = member.train(lambda progress: None)
    shown = load(spec.task_params, **how).score
    return TrainedNetwork(member.network, outcome.score, shown.x)
