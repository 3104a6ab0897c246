"""Time-step convergence: what a network scores as its step is refined, and whether it
settles."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from networks import KINDS, inputs, tiny
from trainings import evaluate

from hpo.contract import Protocol
from hpo.objectives.networks.layered import LayeredNetwork
from hpo.objectives.training.solved_equation import (
    MAX_REFINEMENTS,
    MAX_SEARCH_REFINEMENTS,
    finer_steps,
    solve,
    solve_trial,
    solving_steps,
)


@pytest.mark.parametrize(
    ("kind", "epochs", "steps"), [("spintronic", 8, 2), ("ctrnn", 12, 3)]
)
def test_a_network_trained_with_one_step_per_point_is_no_network_of_its_equation(
    kind: str, epochs: int, steps: int
) -> None:
    small: dict[str, Any] = {"layers": 2, "batch_size": 60, "epochs": epochs}
    if kind == "spintronic":
        small |= {"drive_limit": "none", "thermal_power": 0.0}
    as_a_map = {"integrator": "exponential", "max_step_ns": 1e4}
    for protocol in (Protocol.CONFIRM, Protocol.VALIDATION):
        outcome = evaluate(kind, protocol, seed=1, **small, **as_a_map)
        assert outcome.score > 0.65
        assert outcome.solved.score < outcome.score - 0.3
        assert outcome.solved.trained_steps_per_point == 1
        assert outcome.solved.remedy == "Lower max_step_ns."
    by_default = evaluate(kind, Protocol.CONFIRM, seed=1, **small)
    assert by_default.solved.converged
    assert by_default.solved.trained_steps_per_point == steps
    assert by_default.solved.score > 0.65
    assert by_default.solved.score == pytest.approx(by_default.score, abs=0.01)


def solve_for(
    scores: dict[int, float], own: float | None = None, **physics: Any
) -> tuple[Any, list[int]]:
    """What is found where the accuracy with so many steps is given, and which were
    tried.

    With an ``own`` score, as of a trial of a search.
    """
    network, tried = tiny(**physics), []

    def accuracy() -> float:
        assert network.physics.integrator == "exponential-ab3"
        tried.append(network.physics.n_steps)
        return scores[tried[-1]]

    before = network.physics
    found = (
        solve(network, accuracy) if own is None else solve_trial(network, accuracy, own)
    )
    assert network.physics is before
    return found, tried


def test_the_step_is_halved_until_two_refinements_agree_within_a_tenth_of_a_point() -> (
    None
):
    scores = {
        3: 0.9,
        6: 0.9,
        12: 0.8,
        24: 0.9011,
        48: 0.9,
        96: 0.899,
    }  # 0.9 - 0.899 > 0.001
    found, tried = solve_for(scores, steps_per_point=3, integrator="euler")
    assert tried == [6, 12, 24, 48, 96], "the trained step itself is no refinement"
    assert (found.score, found.converged) == (0.899, True)
    assert (found.trained_steps_per_point, found.steps_per_point) == (3, 96)


def test_a_network_that_never_settles_says_so() -> None:
    scores = {2**k: 0.5 + 0.01 * (-1) ** k for k in range(10)}
    found, tried = solve_for(scores, point_ns=1.0, max_step_ns=0.5)
    assert not found.converged
    assert found.steps_per_point == tried[-1] == 2 * 2**MAX_REFINEMENTS
    assert found.score == scores[tried[-1]]


def test_a_trial_is_refined_until_two_steps_agree_but_three_times_at_most() -> None:
    scores = {4: 0.9, 8: 0.6, 16: 0.5, 32: 0.4}
    sound, tried = solve_for(scores, own=0.9, point_ns=1.0)
    assert (sound.score, sound.converged, tried) == (0.9, True, [4]), "one score more"
    scores[8] = scores[16] = 0.88
    found, tried = solve_for(scores, own=0.95, point_ns=1.0)
    assert (found.score, found.converged, tried) == (0.88, True, [4, 8, 16])
    scores[16] = 0.5
    found, tried = solve_for(scores, own=0.95, point_ns=1.0)
    assert (found.score, found.converged, len(tried)) == (
        0.5,
        False,
        MAX_SEARCH_REFINEMENTS,
    )


def test_refinements_are_finer_than_the_default_step_whatever_the_trained_one() -> None:
    """Steps that are much too coarse may agree on what is as bad as chance."""
    _, tried = solve_for(
        {2**k: 0.1 for k in range(10)}, point_ns=8.0, integrator="exponential"
    )
    assert tried == [32, 64]


def test_a_network_that_cannot_be_scored_keeps_its_step() -> None:
    network = tiny()

    def fails() -> float:
        raise MemoryError

    before = network.physics
    with pytest.raises(MemoryError):
        solve(network, fails)
    assert network.physics is before


@pytest.mark.parametrize("kind", KINDS)
def test_readouts_are_solved_until_they_agree_within_a_per_cent(kind: str) -> None:
    network: LayeredNetwork = tiny(kind, steps_per_point=1, point_ns=2.0)
    u = inputs(time=6)
    steps, finished = solving_steps(network, u)
    with torch.no_grad():
        with finer_steps(network, steps):
            solved = network(u)
        with finer_steps(network, 16 * steps):
            finest = network(u)
        trained = network(u)
    assert finished
    assert (solved - finest).norm() < 0.01 * finest.norm()
    assert (trained - finest).norm() > (solved - finest).norm()
