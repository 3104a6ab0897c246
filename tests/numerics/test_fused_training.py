"""A training by the kernel against the same training by the reference."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import objectives
from objectives.contract import Outcome, Protocol
from objectives.tasks import TASKS, load
from objectives.training import Recipe, train

TASK = "sequential-digits"


def trained(kind: str, backend: str, **changes: Any) -> Outcome:
    objective: Any = objectives.load(kind)
    params = objective.Params(**changes)
    task = TASKS[TASK](name=TASK)
    split = load(task, protocol=Protocol.VALIDATION, member_seed=5)
    network = objective.network(params, [5], channels=split.n_channels, outputs=split.n_classes)
    network.backend = backend
    recipe = {name: getattr(params, name) for name in ("batch_size", "lr0", "lr_decay")}
    return train(
        network,
        copy.copy(split),
        Recipe(epochs=1, **recipe),
        protocol=Protocol.VALIDATION,
        member_seed=5,
        identity={},
        on_epoch=lambda progress: None,
    )


@pytest.mark.parametrize("integrator", ["exponential", "exponential-ab3"])
@pytest.mark.parametrize("kind", ["spintronic", "ctrnn"])
def test_one_epoch_gives_the_same_accuracy(kind: str, integrator: str) -> None:
    """Losses agree to rounding, and so do all predictions but a tie.

    Adam divides a gradient by its own size: an element that is rounding and nothing else moves
    by lr0 in either direction, and of 269 examples one may lie between two classes.
    """
    by_kernel = trained(kind, "fused", integrator=integrator)
    by_reference = trained(kind, "reference", integrator=integrator)
    assert by_kernel.loss_curve == pytest.approx(by_reference.loss_curve, rel=1e-4)
    assert abs(by_kernel.score - by_reference.score) < 1.5 / 269
