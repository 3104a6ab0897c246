"""The history that a trial may see: an in-memory storage of Optuna, with one open
trial."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from datetime import datetime
from functools import partial

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from hpo.search import clock
from hpo.search.comparison import Observations
from hpo.search.memory import kept
from hpo.search.optuna_adapter import STUDY, History
from hpo.search.space import directions, distributions, values
from hpo.study import effort
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState, Suggestion, sampler_attrs


def visible(spec: StudySpec, number: int, trials: Sequence[Past]) -> list[Past]:
    """Return the history that trial ``number`` may see: within the window, outcomes are
    hidden.

    Of ``trials`` 0 .. number-1, the first ``number - window + 1`` in ``clock.order``
    are finished. They come first.

    Raises:
        ValueError: a trial that had to be finished is not.
    """
    n_seen = spec.budget.n_visible(number)
    order = clock.order(spec, number, trials)
    trials = [trials[k] for k in order]
    seen = trials[:n_seen]
    plain = kept(spec.hash, "plain")  # every later trial sees the same of such a trial
    if not all(plain.of(seen, lambda _, p: not p.before and p.state.is_finished)):
        seen = [trial.seen_by(number) for trial in seen]
        for k, trial in zip(order, seen, strict=False):
            if not trial.state.is_finished:
                raise ValueError(
                    f"trial {k} must be finished before trial {number} is suggested"
                )
    hidden = (
        Suggestion(
            params=trial.suggestion.params, attrs=sampler_attrs(trial.suggestion.attrs)
        )
        for trial in trials[n_seen:]
    )
    return [*seen, *(Past(suggestion=suggestion) for suggestion in hidden)]


def learns(spec: StudySpec) -> bool:
    """Return whether trials depend on earlier ones at all: if not, no history is
    read."""
    return spec.pruner.prunes or (spec.sweep is None and spec.sampler.learns)


def unsuggested(spec: StudySpec, trials: Sequence[Past]) -> list[int]:
    """Return the numbers of the trials 0 .. n-1 that have no suggestion yet."""
    known = kept(spec.hash, "suggested").of(
        trials, lambda _, past: past.suggestion.is_made
    )
    return [number for number, own in enumerate(known) if not own]


def view(spec: StudySpec, known: Observations, sampler: BaseSampler) -> optuna.Study:
    """Make a study in memory with the known trials as its first ones."""
    trials = kept(spec.hash, "seen").of(
        known.seen, partial(frozen, spec, distributions(spec))
    )

    def complete(number: int, past: Past) -> object:
        own = copy(trials[number])
        own.state = TrialState.COMPLETE
        own.values = values(0.0, past.costs)
        return own

    if known.changed.any():
        copies = kept(spec.hash, "changed").of(known.seen, complete)
        for k in np.flatnonzero(known.changed).tolist():
            trials[k] = copies[k]
            trials[k].values[0] = float(known.scores[k])
    storage = History(trials, directions(spec))
    pruner = optuna.pruners.NopPruner()
    return optuna.load_study(
        study_name=STUDY, storage=storage, sampler=sampler, pruner=pruner
    )


STATES = {
    SlotState.RUNNING: TrialState.RUNNING,
    SlotState.COMPLETE: TrialState.COMPLETE,
    SlotState.PRUNED: TrialState.PRUNED,
    SlotState.FAILED: TrialState.FAIL,
    SlotState.EXCLUDED: TrialState.FAIL,  # which samplers and pruners pass over
}
EPOCH = datetime(2000, 1, 1)
"""Optuna wants time stamps; decisions must not depend on them."""


def frozen(
    spec: StudySpec, space: Mapping[str, BaseDistribution], number: int, trial: Past
) -> FrozenTrial:
    """Return an earlier trial as Optuna's."""
    state = STATES[trial.state]
    if spec.costs and state == TrialState.PRUNED:
        # Optuna's samplers of several objectives know no pruned trials
        state = TrialState.COMPLETE
    scores = [step.score for step in trial.steps]
    return freeze(
        number,
        trial,
        state=state,
        values=values(trial.score, trial.costs),
        distributions={name: space[name] for name in sorted(trial.suggestion.params)},
        reports=dict(zip(effort.step_numbers(trial.steps), scores, strict=True)),
    )


def freeze(
    number: int,
    trial: Past,
    *,
    state: TrialState,
    values: Sequence[float],
    distributions: Mapping[str, BaseDistribution],
    reports: Mapping[int, float],
) -> FrozenTrial:
    """Return an earlier trial as Optuna's, with parameters in the order of
    ``distributions``.

    Its ``values`` count if it is complete or pruned, and has some.
    """
    counts = values and state in (TrialState.COMPLETE, TrialState.PRUNED)
    params = trial.suggestion.params
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=state,
        value=None,
        values=values if counts else None,
        datetime_start=EPOCH,
        datetime_complete=EPOCH if state.is_finished() else None,
        params={name: params[name] for name in distributions},
        distributions=dict(distributions),
        user_attrs={},
        system_attrs=trial.suggestion.optuna_attrs,
        intermediate_values=dict(reports),
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Optuna's notices about experimental samplers in a block, for the whole
    process: the study file names them."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(level, optuna.logging.WARNING))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)
