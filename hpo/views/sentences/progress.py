"""Sentences on how far a study is, what is unusual about it, and where to widen it."""

from __future__ import annotations

from collections.abc import Sequence

from hpo.study import bounds_reached as reached
from hpo.study import remaining
from hpo.study.dimensions import split
from hpo.study.result import Result
from hpo.study.trials import SlotState, StudyState, Trial
from hpo.views.sentences.formatting import duration_text, joined, plural, value_text


def progress(result: Result) -> str:
    """Describe the progress of the search.

    ``57 of 60 trials finished: 41 complete, 14 pruned; 1,960 epochs of training``
    """
    at = result.progress
    text = f"{at.finished:,} of {at.trials:,} trials finished"
    counts = ended(result)
    if counts:
        text += f": {counts}"
    parts = [text]
    if at.epochs and result.spec.has_class:
        parts.append(f"{at.epochs:,} epochs of training")
    if result.snapshot.search_end_reason:
        parts.append(f"ended by {result.snapshot.search_end_reason}")
    if at.held:
        parts.append(f"{at.held} running")
    if at.begun:
        parts.append(f"{at.begun} begun, waiting for a worker")
    if at.enqueued:
        parts.append(f"{at.enqueued} enqueued, not begun")
    return joined([*parts, *remarks(result)])


def remarks(result: Result) -> list[str]:
    """Return remarks on unusual trials: enqueued by hand, other code, other numerics,
    foreign."""
    lines = []
    by_hand = sum(bool(trial.enqueued) for trial in result.search)
    if by_hand:
        lines.append(f"{by_hand:,} enqueued by hand (hpo enqueue)")
    since = ", ".join(map(str, result.snapshot.code_changes))
    if since:
        lines.append(
            f"source of the objective changed at trial {since}"
            " (hpo resume --accept-code)"
        )
    n, total = result.other_numerics
    if n:
        lines.append(
            f"{n:,} of {total:,} trials and confirmations ran on another type of CPU,"
            " or with other package versions or thread counts (lineage)"
        )
    foreign = result.snapshot.foreign_trials
    if foreign:
        lines.append(
            f"not counted: {plural(foreign, 'trial')} that other programs added to"
            " Optuna's tables; Optuna's best_trial may be one of them"
        )
    return lines


def ended(result: Result) -> str:
    """Count the finished trials by state: ``41 complete, 14 pruned, 2 failed``."""
    counts = result.progress.ended
    return ", ".join(f"{n:,} {state}" for state, n in counts.items())


def fresh_seeds(result: Result, source: int | None = None) -> str:
    """Count the fresh seeds of a trial, or of all trials that are confirmed.

    ``1 of 3 fresh seeds complete, 1 failed, 1 not finished``; empty if there are none.
    """
    wanted = result.spec.fresh_seeds or 0
    slots: Sequence[Trial] = result.confirm
    if source is None:
        wanted = result.n_confirmations
        slots = result.confirmation_trials
    else:
        slots = [slot for slot in slots if slot.source == source]
    if not slots:
        return ""
    complete = sum(slot.state == SlotState.COMPLETE for slot in slots)
    failed = sum(slot.state == SlotState.FAILED for slot in slots)
    left = wanted - sum(slot.state.is_finished for slot in slots)
    text = f"{complete} of {plural(wanted, 'fresh seed')} complete"
    if failed:
        text += f", {failed} failed"
    if left:
        text += f", {left} not finished"
    return text


def held_so_far(result: Result) -> list[str]:
    """Say what a file holds of a study that is not whole: a line for its search, one
    for its confirmation. Empty of a whole one."""
    lines = []
    at = result.progress
    is_searching = result.state != StudyState.DONE and at.finished < at.trials
    if is_searching:
        lines.append(f"so far: {progress(result)}")
    slots = result.confirmation_trials
    complete = sum(slot.state == SlotState.COMPLETE for slot in slots)
    if slots and complete < result.n_confirmations:
        lines.append(f"confirmation: {fresh_seeds(result)}")
    elif result.n_confirmations and not slots and not is_searching:
        lines.append("not confirmed yet")
    return lines


def bounds_reached(result: Result) -> list[str]:
    """Name the bounds at which the best trials lie, and what to widen; see
    ``study.bounds_reached``.

    ``tau_ns: 4 of the best 5 trials lie at its lower bound 1 (within 2 % of the range):
    widen [space] tau_ns, low = 0.3``. The ranges of a function stand in the function.
    """
    lines = []
    for bound in result.bounds_reached:
        name = bound.parameter
        which = "lower" if bound.bound == "low" else "upper"
        at = value_text(bound.value)
        if not reached.discrete(result.spec, name):
            at += f" (within {100 * reached.WITHIN:.0f} % of the range)"
        widen = f"[space] {split(name)[0]}, {bound.bound} = {value_text(bound.widen)}"
        if result.spec.defines_by_run:
            widen = "its range in the function, if it may be wider"
        lines.append(
            f"{name}: {bound.trials} of the best {bound.of} trials lie at its {which}"
            f" bound {at}: widen {widen}"
        )
    return lines


def left_text(result: Result) -> str:
    """Estimate the time left: ``about 12 min 05 s left for 20 trials, then 25 min 10 s
    for 10 confirmations``; empty if nothing is left, or nobody works on it."""
    left = remaining.of(result)
    parts = []
    if left.trials and left.search_s is not None:
        took = duration_text(left.search_s)
        parts.append(f"{took} left for {plural(left.trials, 'trial')}")
    if left.trainings and left.confirm_s is not None:
        took = duration_text(left.confirm_s)
        what = plural(left.trainings, "confirmation")
        parts.append(f"then {took} for {what}" if parts else f"{took} left for {what}")
    if parts:
        return f"about {joined(parts, ', ')}"
    if left.trials + left.trainings and result.snapshot.helpers:
        return "estimating the time left…"
    return ""
