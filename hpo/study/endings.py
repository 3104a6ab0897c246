"""How a search trial ended that did not train all its networks, and what its score is then.

A learning curve that was cut short has a last value, no score: another training may pass it later.
A trial that was not replicated further has the mean score of fewer networks than others.
"""

from __future__ import annotations

from enum import StrEnum

from hpo.study.spec import StudySpec
from hpo.study.trials import Phase, SlotState, Trial


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
    whole = spec.pruner.name != "wilcoxon" and len(slot.steps) >= spec.budget.epochs
    return max(len(slot.members), int(whole))


def after(spec: StudySpec, slot: Trial) -> str:
    """How far a trial came that ended early: ``5 of 60 epochs`` or ``1 of 4 networks``."""
    how = ending(spec, slot)
    if how is None:
        return ""
    if how == Ending.CURVE:
        return epochs_text(spec, len(slot.steps)) if slot.steps else ""
    return networks_text(spec, networks(spec, slot))


def epochs_text(spec: StudySpec, n: int) -> str:
    """``5 of 60 epochs``."""
    return f"{n} of {spec.budget.epochs} epochs"


def networks_text(spec: StudySpec, n: int) -> str:
    """``1 of 4 networks``."""
    return f"{n} of {spec.budget.members} networks"
