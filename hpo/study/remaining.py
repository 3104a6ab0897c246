"""The time that a study still takes, from what its trials took so far."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from hpo.study.result import Result
from hpo.study.trials import StudyState, Trial

LEAST = 3
"""The fewest finished trials of an estimate."""
_SLEPT = 4.0
"""A trial longer than this many of median length has probably slept."""


@dataclass(frozen=True, kw_only=True)
class Remaining:
    """What is left of a study, and about how long it takes its living workers."""

    trials: int
    """Trials of the search."""
    search_s: float | None
    """None while too few trials have ended, and without workers."""
    trainings: int
    """Trainings of the confirmation."""
    confirm_s: float | None
    """Likewise."""


def of(result: Result) -> Remaining:
    """Estimate it.

    The time of a trial is that of its worker's own clock, which stands still while the
    machine is suspended; where no worker has told it, that from claim to end, at most
    four times the median. A confirmation training takes as long as those before it, at
    first as long for each of its epochs as the search.
    """
    trials = max(0, result.progress.trials - result.progress.finished)
    trainings = _trainings(result, trials)
    if result.state != StudyState.OPEN:
        trials = trainings = 0
    return Remaining(
        trials=trials,
        search_s=_shared(result, trials, _mean(_durations(result.search))),
        trainings=trainings,
        confirm_s=_shared(result, trainings, _training_s(result)),
    )


def _trainings(result: Result, trials: int) -> int:
    """Count the trainings of the confirmation that are left; before the search has
    ended, as if it had enough complete trials."""
    confirm = result.spec.confirm
    if confirm is None or not result.selects:
        return 0
    total = confirm.trainings if trials else result.n_confirmations
    finished = sum(trial.state.is_finished for trial in result.confirmation_trials)
    return max(0, total - finished)


def _shared(result: Result, n: int, mean_s: float | None) -> float | None:
    """Return how long ``n`` pieces of work take all workers that can have one."""
    workers = min(len(result.snapshot.helpers), n, result.spec.budget.window)
    if mean_s is None or not workers:
        return None
    return n * mean_s / workers


def _durations(trials: Sequence[Trial]) -> list[float]:
    """Return the seconds of finished trials, without those of a machine that slept."""
    finished = [trial for trial in trials if trial.finished_at is not None]
    found = []
    for trial in finished:
        assert trial.finished_at is not None
        passed_s = max(0.0, (trial.finished_at - trial.started_at).total_seconds())
        told_s = max(trial.seconds, float(trial.lineage.get("seconds", 0.0)))
        found.append(min(told_s, passed_s) if told_s else passed_s)
    longest_s = _SLEPT * statistics.median(found) if found else 0.0
    return [min(one, longest_s) for one in found]


def _mean(durations: Sequence[float]) -> float | None:
    if len(durations) < LEAST:
        return None
    return statistics.fmean(durations)


def _training_s(result: Result) -> float | None:
    """Return about how long a training of the confirmation takes."""
    done = _durations(result.confirmation_trials)
    if done:
        return statistics.fmean(done)
    mean_s = _mean(_durations(result.search))
    if mean_s is None:
        return None
    spec = result.spec
    finished = [trial for trial in result.search if trial.state.is_finished]
    epochs = statistics.fmean(trial.epochs for trial in finished)
    if not epochs:  # of a function, or somebody outside
        return mean_s / spec.budget.seeds
    return mean_s / epochs * spec.confirm_epochs
