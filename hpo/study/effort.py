"""How much training something took, in epochs: the budget that does not depend on the machine."""

from __future__ import annotations

from hpo.study.spec import StudySpec
from hpo.study.trials import Phase, SlotState, Trial


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


def of_slot(spec: StudySpec, slot: Trial) -> int:
    """Epochs of the networks of a slot that were trained; those under way are not known yet."""
    if slot.phase == Phase.CONFIRM:
        return len(slot.members) * spec.confirm_epochs
    complete = slot.state == SlotState.COMPLETE
    reported = of_steps(spec, len(slot.steps), complete=complete)
    return max(reported, len(slot.members) * spec.budget.epochs)


def largest(spec: StudySpec) -> int:
    """Epochs of the search if no trial is stopped early and it runs to its end.

    ``stop.max_epochs`` is seen by trials that begin a window later: see ``stopping``.
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
    if spec.pruner.name == "none" or (spec.pruner.name == "wilcoxon" and budget.members < 2):
        return least
    if spec.pruner.name == "wilcoxon":
        return min(least, budget.epochs)
    warmup = options.get("min_resource", options.get("n_warmup_steps", 1))
    return min(least, max(1, warmup if isinstance(warmup, int) else 1))


def of_all_confirmations(spec: StudySpec) -> int:
    """Epochs of the confirmation, if there are as many configurations as it asks for."""
    if spec.confirm is None or not spec.selects:
        return 0
    return spec.confirm.top * spec.confirm.members * spec.confirm_epochs
