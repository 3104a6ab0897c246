"""How far a trial was trained: in epochs, the budget that does not depend on the
machine; and what the score of a pruned trial is.

A trial that was pruned in its first network has the last value of a learning curve:
another training may pass it later. A trial that was pruned between networks has the
mean score of fewer networks than others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum

from hpo.study.spec import StudySpec
from hpo.study.trials import Phase, SlotState, Step, Trial


def reported_epochs(steps: Sequence[Step]) -> int:
    """Return the epochs of all networks, from what a search trial reported.

    Examples:
        >>> reported_epochs([Step(0, 1, 0.2), Step(0, 2, 0.3), Step(1, 40, 0.4)])
        42
    """
    last = {step.network: step.epoch for step in steps}
    return sum(last.values())


def step_numbers(steps: Sequence[Step]) -> list[int]:
    """Return Optuna's numbers of steps: epochs of the first network, then one per
    network."""
    first = max((step.epoch for step in steps if step.network == 0), default=0)
    return [first + step.network if step.network else step.epoch for step in steps]


def last_step_number(steps: Sequence[Step]) -> int:
    """Return Optuna's number of the last step."""
    last = steps[-1]
    if last.network == 0:
        return last.epoch
    return step_numbers(steps)[-1]


def largest(spec: StudySpec) -> int:
    """Return the epochs of the search if no trial ends early.

    Trials see that ``stop.max_epochs`` is reached a window later: see
    ``search.stopping``.
    """
    budget = spec.budget
    most = budget.trials * budget.most_epochs
    if spec.stop is not None and spec.stop.max_epochs is not None:
        unseen = budget.window * budget.most_epochs
        return min(most, spec.stop.max_epochs + unseen)
    return most


def soonest(spec: StudySpec) -> int:
    """Return the epochs that every trial trains before the pruner may end it."""
    budget = spec.budget
    options = spec.pruner.options
    least = budget.most_epochs
    if not spec.pruner.prunes:
        return least
    warmup = options.get("min_resource", options.get("n_warmup_steps", 1))
    first = 1
    if isinstance(warmup, int):
        first = max(1, warmup)
    every = budget.score_every or 1
    scored = math.ceil(first / every) * every
    return min(least, budget.epochs, scored)


def confirmation_epochs(spec: StudySpec) -> int:
    """Return the epochs of the confirmation, if the search has enough complete
    trials."""
    if spec.confirm is None or not spec.selects:
        return 0
    return spec.confirm.trainings * spec.confirm_epochs


class PruneReason(StrEnum):
    """Where a trial was pruned, in the words of every view."""

    CURVE = "pruned"
    """In its first network, or by a function itself."""
    NETWORKS = "pruned between networks"


def ending(spec: StudySpec, slot: Trial) -> PruneReason | None:
    """Return where a trial was pruned, even if it was excluded later; None for other
    trials."""
    state = slot.state
    if state == SlotState.EXCLUDED and slot.amendments:
        state = slot.amendments[-1].state
    if slot.phase != Phase.SEARCH or state != SlotState.PRUNED:
        return None
    if spec.has_class and networks(spec, slot):
        return PruneReason.NETWORKS
    return PruneReason.CURVE


def networks(spec: StudySpec, slot: Trial) -> int:
    """Return the number of networks that a trial trained to their end.

    If the pruner ends a trial at the last epoch of its first network, that network is
    not stored.
    """
    if not slot.members and slot.steps and ends_network(spec, slot.steps[-1]):
        return 1
    return len(slot.members)


def ends_network(spec: StudySpec, step: Step) -> bool:
    """Return whether a network was trained to its end at a step.

    A function may report in steps of its own, whose last nobody knows.
    """
    if not spec.has_class:
        return False
    return step.network > 0 or step.epoch >= spec.planned_epochs


def epochs_text(spec: StudySpec, step: Step) -> str:
    """Return the length of a curve that ends at a step: ``5 of 60 epochs``, or of a
    function ``step 5``."""
    if spec.defines_by_run:
        return f"step {step.epoch}"
    return f"{step.epoch} of {spec.planned_epochs} epochs"


def networks_text(spec: StudySpec, n: int) -> str:
    """Return ``1 of 4 networks``."""
    return f"{n} of {spec.budget.seeds} networks"
