"""How far a trial was trained: in epochs, the budget that does not depend on the
machine; and how it ended if it did not train all its networks, and what its score is
then.

A learning curve that was cut short has a last value, no score: another training may
pass it later. A trial that was not replicated further has the mean score of fewer
networks than others.
"""

from __future__ import annotations

from enum import StrEnum

from hpo.study.spec import StudySpec
from hpo.study.trials import Phase, SlotState, Trial


def trial_epochs(spec: StudySpec, n_steps: int, *, complete: bool = False) -> int:
    """Return the epochs that a search trial has trained, from the number of its
    reported values.

    A complete trial has trained its whole budget, even where it reports nothing on the
    way. In the others, the first network reports its scores in training, every further
    network one value.

    Examples:
        With 40 epochs per network, 12 values are 12 epochs, and 42 values three
        networks.
    """
    budget = spec.budget
    networks = budget.members if complete else n_steps - budget.scores + 1
    return (
        networks * budget.epochs
        if complete or networks > 1
        else budget.epochs_at(n_steps)
    )


def step_numbers(spec: StudySpec) -> list[int]:
    """Return Optuna's step numbers of a trial: the epoch of each score, then one per
    network."""
    budget = spec.budget
    scored = range(every := budget.score_every or 1, budget.epochs, every)
    return [*scored, *range(budget.epochs, budget.epochs + budget.members)]


def slot_epochs(spec: StudySpec, slot: Trial) -> int:
    """Return the epochs of a slot's trained networks, without the one in training."""
    if slot.phase == Phase.CONFIRM:
        return len(slot.members) * spec.confirm_epochs
    complete = slot.state == SlotState.COMPLETE
    reported = trial_epochs(spec, len(slot.steps), complete=complete)
    return max(reported, len(slot.members) * spec.budget.epochs)


def largest(spec: StudySpec) -> int:
    """Return the epochs of the search if no trial ends early.

    Trials see that ``stop.max_epochs`` is reached a window later: see
    ``search.history``.
    """
    budget = spec.budget
    trial = budget.members * budget.epochs
    most = budget.trials * trial
    if spec.stop is not None and spec.stop.max_epochs is not None:
        return min(most, spec.stop.max_epochs + budget.window * trial)
    return most


def soonest(spec: StudySpec) -> int:
    """Return the epochs that every trial trains before the pruner may end it."""
    budget, options = spec.budget, spec.pruner.options
    least = budget.members * budget.epochs
    if spec.pruner.name == "none":
        return least
    warmup = options.get("min_resource", options.get("n_warmup_steps", 1))
    first = max(1, warmup if isinstance(warmup, int) else 1)
    return min(least, budget.epochs_at(-(-first // (budget.score_every or 1))))


def confirmation_epochs(spec: StudySpec) -> int:
    """Return the epochs of the confirmation, if the search has enough complete
    trials."""
    if spec.confirm is None or not spec.selects:
        return 0
    return spec.confirm.top * spec.confirm.members * spec.confirm_epochs


class Ending(StrEnum):
    """How a trial ended early, in the words of every view."""

    CURVE = "curve cut short"
    NETWORKS = "not replicated further"


def ending(spec: StudySpec, slot: Trial) -> Ending | None:
    """Return how a trial ended early, even if it was excluded later; None for other
    trials."""
    state = slot.state
    if state == SlotState.EXCLUDED and slot.amendments:
        state = slot.amendments[-1].state
    if slot.phase != Phase.SEARCH or state != SlotState.PRUNED:
        return None
    return Ending.NETWORKS if networks(spec, slot) else Ending.CURVE


def networks(spec: StudySpec, slot: Trial) -> int:
    """Return the number of networks that a trial trained to their end.

    If the pruner ends a trial at the last epoch of its first network, that network is
    not stored.
    """
    return max(len(slot.members), int(len(slot.steps) >= spec.budget.scores))


def epochs_text(spec: StudySpec, n_steps: int) -> str:
    """Return the length of a curve with ``n_steps`` values: ``5 of 60 epochs``."""
    return f"{spec.budget.epochs_at(n_steps)} of {spec.budget.epochs} epochs"


def networks_text(spec: StudySpec, n: int) -> str:
    """Return ``1 of 4 networks``."""
    return f"{n} of {spec.budget.members} networks"
