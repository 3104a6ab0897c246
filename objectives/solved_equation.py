"""Time-step convergence: a trained network on its solved equation.

A network is trained with a step that is convenient. What it then does may be a property of that
step: one step per input point makes a map of the oscillator, and a map trained to 94 % has been
seen to score 9 % on the equation. So the same weights are integrated with ever finer steps until
nothing changes, as in any check of a numerical solution (P. J. Roache, Annu. Rev. Fluid Mech. 29,
123 (1997)).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor

from hpo.objectives.contract import Solved
from hpo.objectives.networks.layered import LayeredNetwork

AGREEMENT = 1e-3
"""Accuracies of two refinements agree within this: 0.1 points, no answer of fewer than 1,000."""

LOGITS_AGREEMENT = 1e-2
"""Readouts of two refinements agree within this share of their norm."""

MAX_REFINEMENTS = 7
"""How often the step is halved at most: 128 times as many steps."""

MAX_SEARCH_REFINEMENTS = 3
"""Likewise of a trial of a search, of which there are many: 8 times as many steps."""


T = TypeVar("T")


def close(coarse: float, fine: float) -> bool:
    """Whether two accuracies agree."""
    return abs(fine - coarse) <= AGREEMENT + 1e-9


def solve(
    network: LayeredNetwork,
    score: Callable[[], float],
    agree: Callable[[float, float], bool] = close,
) -> Solved:
    """The score of a trained network as its step is refined; see ``contract.Solved``.

    The coarsest of the steps is half the one it was trained with, or half the longest one of its
    physics' default if that is shorter: networks that one is much too coarse for may agree there.

    Args:
        network: as it was trained; its physics are the same afterwards.
        score: measures it, with its present physics.
        agree: whether the scores of a coarse and a fine step are the same.
    """
    return _solved(network, *_refine(network, score, agree))


def solve_trial(
    network: LayeredNetwork,
    score: Callable[[], float],
    own: float,
    agree: Callable[[float, float], bool] = close,
) -> Solved:
    """The same of a trial of a search, for about the time of an epoch.

    Its ``own`` score, at the step of training, is known: a score at half of that step is all that
    is measured where the two agree. One that profits from its step does not agree, and its step is
    halved again, ``MAX_SEARCH_REFINEMENTS`` times in all. What may still change then, or agree by
    chance, no claim rests on: the best are confirmed by ``solve``.
    """
    return _solved(network, *_refine(network, score, agree, own, MAX_SEARCH_REFINEMENTS))


def _solved(network: LayeredNetwork, found: float, steps: int, converged: bool) -> Solved:
    return Solved(
        score=found,
        converged=converged,
        steps_per_point=steps,
        trained_steps_per_point=network.physics.n_steps,
        remedy="Lower max_step_ns.",
    )


def solving_steps(network: LayeredNetwork, u: Tensor, n_read: int = 1) -> tuple[int, bool]:
    """Steps per point that solve the equation for an input, and whether its readouts settle.

    Args:
        network: as it was trained.
        u: the input, (batch, time, channels).
        n_read: points, the last ones, whose readouts are looked at.
    """

    def agree(coarse: Tensor, fine: Tensor) -> bool:
        return bool((fine - coarse).norm() <= LOGITS_AGREEMENT * fine.norm())

    with torch.no_grad():
        return _refine(network, lambda: network.series(u, n_read), agree)[1:]


@contextmanager
def refined(network: LayeredNetwork, n_steps: int) -> Iterator[None]:
    """Within it, ``network`` takes so many steps per point, by the ``solver`` of its physics."""
    trained = network.physics
    network.physics = replace(
        trained, integrator=trained.solver, steps_per_point=n_steps, max_step_ns=math.inf
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
    """What is measured at the finest step, its steps per point, and whether the last two agree.

    The first one is compared with what was measured ``coarse``, if that is known.
    """
    trained = network.physics
    by_default = replace(trained, steps_per_point=1, max_step_ns=trained.longest_step_ns)
    least = 2 * max(trained.n_steps, by_default.n_steps)
    steps = -(-least // trained.n_steps) * trained.n_steps  # noise jumps after the trained ones
    for refinement in range(refinements):
        steps *= 2 if refinement else 1
        with refined(network, steps):
            fine = measure()
        if coarse is not None and agree(coarse, fine):
            return fine, steps, True
        coarse = fine
    return fine, steps, False
