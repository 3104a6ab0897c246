"""How much training something took, in epochs: the budget that does not depend on the machine."""

from __future__ import annotations

from hpo.study.snapshot import StudySnapshot
from hpo.study.spec import StudySpec
from hpo.study.trials import Phase, Slot, SlotState


def of_steps(spec: StudySpec, n_steps: int, *, complete: bool = False) -> int:
    """Epochs that a search trial has trained, from how many values it reported.

    Complete ones have trained all that there is, even where nothing is reported on the way. Of the
    others, the curve of the first network gives one value per epoch, every further network one;
    networks that are compared one by one (Wilcoxon) give one value each. See ``pruning.Timeline``.

    Examples:
        With 40 epochs per network, 12 values are 12 epochs, and 42 values three networks.
    """
    epochs = spec.budget.epochs
    if complete:
        return spec.budget.members * epochs
    if spec.pruner.name == "wilcoxon":
        return n_steps * epochs
    return n_steps if n_steps <= epochs else (n_steps - epochs + 1) * epochs


def of_slot(spec: StudySpec, slot: Slot) -> int:
    """Epochs of the networks of a slot that were trained; those under way are not known yet."""
    if slot.phase == Phase.CONFIRM:
        return len(slot.members) * spec.confirm_epochs
    complete = slot.state == SlotState.COMPLETE
    reported = of_steps(spec, len(slot.steps), complete=complete)
    return max(reported, len(slot.members) * spec.budget.epochs)


def of_search(snapshot: StudySnapshot) -> int:
    """Epochs of all search trials."""
    return sum(of_slot(snapshot.spec, slot) for slot in snapshot.search)


def of_confirmation(snapshot: StudySnapshot) -> int:
    """Epochs of all confirmation trainings."""
    return sum(of_slot(snapshot.spec, slot) for slot in snapshot.confirm)


def largest(spec: StudySpec) -> int:
    """Epochs of the search if no trial is stopped early and it runs to its end."""
    return spec.budget.trials * spec.budget.members * spec.budget.epochs
