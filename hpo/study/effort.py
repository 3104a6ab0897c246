"""How far a trial was trained: in epochs, the budget that does not depend on the machine; and how
it ended if it did not train all its networks, and what its score is then.

A learning curve that was cut short has a last value, no score: another training may pass it later.
A trial that was not replicated further has the mean score of fewer networks than others.
"""

from __future__ import annotations

from enum import StrEnum

from hpo.study.spec import StudySpec
from hpo.study.trials import Phase, SlotState, Trial


def of_steps(spec: StudySpec, n_steps: int, *, complete: bool = False) -> int:
    """Epochs that a search trial has trained, from how many values it reported.

    Complete ones have trained all that there is, even where nothing is reported on the way. Of the
    others, the first network gives its scores in training, every further network one value.

    Examples:
        With 40 epochs per network, 12 values are 12 epochs, and 42 values three networks.
    """
    budget = spec.budget
    networks = budget.members if complete else n_steps - budget.scores + 1
    return networks * budget.epochs if complete or networks > 1 else budget.epochs_at(n_steps)


def step_numbers(spec: StudySpec) -> list[int]:
    """What Optuna calls the steps of a trial: the epoch of a score, then one per network."""
    budget = spec.budget
    scored = range(every := budget.score_every or 1, budget.epochs, every)
    return [*scored, *range(budget.epochs, budget.epochs + budget.members)]


def of_slot(spec: StudySpec, slot: Trial) -> int:
    """Epochs of the networks of a slot that were trained; those under way are not known yet."""
    if slot.phase == Phase.CONFIRM:
        return len(slot.members) * spec.confirm_epochs
    complete = slot.state == SlotState.COMPLETE
    reported = of_steps(spec, len(slot.steps), complete=complete)
    return max(reported, len(slot.members) * spec.budget.epochs)


def largest(spec: StudySpec) -> int:
    """Epochs of the search if no trial is stopped early and it runs to its end.

    ``stop.max_epochs`` is seen by trials that begin a window later: see ``search.history``.
    """
    budget = spec.budget
    trial = budget.members * budget.epochs
    most = budget.trials * trial
    if spec.stop is not None and spec.stop.max_epochs is not None:
        return min(most, spec.stop.max_epochs + budget.window * trial)
    return most


def soonest(spec: StudySpec) -> int:
    """Epochs that a trial trains at least, unless it fails: what pruner and race wait for."""
    budget, options = spec.budget, spec.pruner.options
    least = budget.members * budget.epochs
    if spec.racing is not None:
        least = min(least, spec.racing.rungs[0] * budget.epochs)
    if spec.pruner.name == "none":
        return least
    warmup = options.get("min_resource", options.get("n_warmup_steps", 1))
    first = max(1, warmup if isinstance(warmup, int) else 1)
    return min(least, budget.epochs_at(-(-first // (budget.score_every or 1))))


def of_all_confirmations(spec: StudySpec) -> int:
    """Epochs of the confirmation, if there are as many configurations as it asks for."""
    if spec.confirm is None or not spec.selects:
        return 0
    return spec.confirm.top * spec.confirm.members * spec.confirm_epochs


class Ending(StrEnum):
    """Which of the two it was; the same words in every view."""

    CURVE = "curve cut short"
    NETWORKS = "not replicated further"


def ending(spec: StudySpec, slot: Trial) -> Ending | None:
    """How a trial ended early, whoever excluded it since; None of others."""
    state = slot.state
    if state == SlotState.EXCLUDED and slot.amendments:
        state = slot.amendments[-1].state
    if slot.phase != Phase.SEARCH or state != SlotState.PRUNED:
        return None
    return Ending.NETWORKS if networks(spec, slot) else Ending.CURVE


def networks(spec: StudySpec, slot: Trial) -> int:
    """How many networks of a trial were trained to their end.

    A pruner that ends a trial at the last epoch of its first network ends it before that is stored.
    """
    return max(len(slot.members), int(len(slot.steps) >= spec.budget.scores))


def after(spec: StudySpec, slot: Trial) -> str:
    """How far a trial came that ended early: ``5 of 60 epochs`` or ``1 of 4 networks``."""
    how = ending(spec, slot)
    if how is None:
        return ""
    if how == Ending.CURVE:
        return epochs_text(spec, len(slot.steps)) if slot.steps else ""
    return networks_text(spec, networks(spec, slot))


def epochs_text(spec: StudySpec, n_steps: int) -> str:
    """``5 of 60 epochs``: how far a curve of so many values goes."""
    return f"{spec.budget.epochs_at(n_steps)} of {spec.budget.epochs} epochs"


def networks_text(spec: StudySpec, n: int) -> str:
    """``1 of 4 networks``."""
    return f"{n} of {spec.budget.members} networks"
