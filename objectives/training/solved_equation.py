"""Time-step convergence: a trained network on its solved equation.

A network is trained with a convenient step, and its score may be a property of that
step. One step per input point makes a map of the oscillator: a map trained to 94 %
scored 9 % on the equation. So the same weights are integrated with finer and finer
steps until nothing changes, as in any check of a numerical solution (P. J. Roache,
Annu. Rev. Fluid Mech. 29, 123 (1997)).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor

from hpo.contract import Solved

from ..networks.layered import LayeredNetwork

AGREEMENT = 1e-3
"""Largest difference of accuracies that agree: 0.1 points, no answer of fewer than
1,000."""

LOGITS_AGREEMENT = 1e-2
"""Largest relative difference of readouts that agree, by their norm."""

MAX_REFINEMENTS = 7
"""Largest number of halvings of the step: 128 times as many steps."""

MAX_SEARCH_REFINEMENTS = 3
"""Largest number of halvings for a trial of a search: 8 times as many steps."""


T = TypeVar("T")


def close(coarse: float, fine: float) -> bool:
    """Return whether two accuracies agree."""
    return abs(fine - coarse) <= AGREEMENT + 1e-9


def solve(
    network: LayeredNetwork,
    score: Callable[[], float],
    agree: Callable[[float, float], bool] = close,
) -> Solved:
    """Return the score of a trained network as its step is refined; see
    ``contract.Solved``.

    The first step is half the step of training, or half the default of its physics if
    that is shorter: with steps that are much too long, scores may agree by chance.

    Args:
        network: the trained network; its physics are unchanged afterwards.
        score: measures the score with the present physics.
        agree: whether the scores of a coarse and a fine step agree.
    """
    return _solved(network, *_refine(network, score, agree))


def solve_trial(
    network: LayeredNetwork,
    score: Callable[[], float],
    trained_score: float,
    agree: Callable[[float, float], bool] = close,
) -> Solved:
    """Return the same for a trial of a search, in about the time of an epoch.

    Its score at the step of training is known. If the score at half that step agrees,
    no other is measured. Else the step is halved again, ``MAX_SEARCH_REFINEMENTS``
    times in all. The score may still change then, or agree by chance. No claim rests on
    it: the best trials are confirmed by ``solve``.
    """
    return _solved(
        network, *_refine(network, score, agree, trained_score, MAX_SEARCH_REFINEMENTS)
    )


def _solved(
    network: LayeredNetwork, score: float, steps: int, converged: bool
) -> Solved:
    return Solved(
        score=score,
        converged=converged,
        steps_per_point=steps,
        trained_steps_per_point=network.physics.n_steps,
        remedy="Lower max_step_ns.",
    )


def solving_steps(
    network: LayeredNetwork, u: Tensor, n_read: int = 1
) -> tuple[int, bool]:
    """Return the steps per point that solve the equation, and whether the readouts
    converge.

    Args:
        network: the trained network.
        u: the input, (batch, time, channels).
        n_read: number of last points whose readouts are compared.
    """

    def agree(coarse: Tensor, fine: Tensor) -> bool:
        return bool((fine - coarse).norm() <= LOGITS_AGREEMENT * fine.norm())

    with torch.no_grad():
        return _refine(network, lambda: network.series(u, n_read), agree)[1:]


@contextmanager
def finer_steps(network: LayeredNetwork, n_steps: int) -> Iterator[None]:
    """Integrate ``network`` in ``n_steps`` per point by its ``solver``, within a
    block."""
    trained = network.physics
    network.physics = replace(
        trained,
        integrator=trained.solver,
        steps_per_point=n_steps,
        max_step_ns=math.inf,
    )
    try:
        yield
    finally:
        network.physics = trained


def _refine(
    network: LayeredNetwork,
    measure: Callable[[], T],
    agree: Callable[[T, T], bool],
    coarse: T | None = None,
    refinements: int = MAX_REFINEMENTS,
) -> tuple[T, int, bool]:
    """Return the value at the finest step, its steps per point, and whether the last
    two agree.

    The first value is compared with ``coarse``, the value at the step of training, if
    given.
    """
    trained = network.physics
    by_default = replace(
        trained, steps_per_point=1, max_step_ns=trained.longest_step_ns
    )
    least = 2 * max(trained.n_steps, by_default.n_steps)
    # a multiple: noise jumps after the steps of training
    first = -(-least // trained.n_steps) * trained.n_steps
    for refinement in range(refinements):
        steps = first * 2**refinement
        with finer_steps(network, steps):
            fine = measure()
        if coarse is not None and agree(coarse, fine):
            return fine, steps, True
        coarse = fine
    return fine, steps, False
