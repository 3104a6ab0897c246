"""What a study can learn from the trials of an earlier one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hpo.search import comparison, optuna_adapter
from hpo.search.gaussian_process import FITTED, most_telling
from hpo.search.space import distributions
from hpo.study.dimensions import split_layers
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue, SourceTrial
from hpo.study.trials import Past

_DECIMALS = 6


def choose_trials(
    spec: StudySpec, other: StudySpec, trials: Sequence[Past]
) -> tuple[SourceTrial, ...]:
    """Return the most telling trials of another study, in the terms of this one.

    Pruned ones enter with an extrapolated score (``comparison.extrapolate``). Numbers
    may lie outside this study's ranges: what holds beyond a bound tells about the
    inside. Values that this space has no place for are left out.
    """
    observed = comparison.extrapolate(other, trials)
    places = [_place(spec, other, past.suggestion.params) for past in trials]
    finished = np.flatnonzero(observed.complete).tolist()
    chosen = [k for k in finished if places[k]]
    if not chosen:
        return ()
    scores = observed.scores[chosen]
    y = spec.sign * comparison.surrogate_scale(spec).forward(scores)
    kept = most_telling(y, observed.vague[chosen], FITTED)
    return tuple(
        SourceTrial(
            params=places[chosen[k]],
            score=round(float(scores[k]), _DECIMALS),
            vague=round(float(observed.vague[chosen[k]]), _DECIMALS),
        )
        for k in kept
    )


def _place(
    spec: StudySpec, other: StudySpec, params: Mapping[str, ParamValue]
) -> dict[str, ParamValue]:
    """Return the parameters of a trial, fixed ones included, that this space has a
    place for, by name."""
    space = distributions(spec)
    own = split_layers({**other.fixed, **params}, spec.dimensions)
    return {
        name: own[name]
        for name in sorted(own.keys() & space.keys())
        if optuna_adapter.has_place(space[name], own[name])
    }
