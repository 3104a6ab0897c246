"""The pure part of a study: ``(spec, number, history) -> parameters`` and ``-> prune or go on``.

Optuna's samplers and pruners decide, and one sampler of ours, on an in-memory study that holds just
the history which the window allows. Nothing here reads the clock, the database or global random
state, so any worker, at any time, comes to the same decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hpo.search import racing
from hpo.search.history import learns, quiet, view, visible
from hpo.search.samplers import sampler
from hpo.search.space import distributions, rounded
from hpo.study import warm_start
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import FIXED_PARAMS, Past, Suggestion


def suggest(
    spec: StudySpec,
    number: int,
    trials: Sequence[Past],
    enqueued: Mapping[str, ParamValue] | None = None,
) -> Suggestion:
    """Parameters of trial ``number``, from the spec, the history and what is enqueued alone.

    The history is trials 0 .. number-1 with their suggestions, numbers counting from 0; see
    ``visible``. It is not asked for unless the study ``learns``. What is ``enqueued`` for the trial
    is kept as it is, as by Optuna's ``enqueue_trial``.
    """
    if spec.sweep is not None:
        return Suggestion(params=spec.point(number))
    with quiet():
        seen = visible(spec, number, trials) if learns(spec) else []
        seen = racing.extrapolated(spec, racing.levelled(spec, seen))
        study = view(spec, len(seen), seen, sampler(spec, number))
        space = distributions(spec)
        given = {**warm_start.point(spec, number), **(enqueued or {})}
        trial, params = study.ask(), dict[str, ParamValue]()
        for name, distribution in space.items():  # what is given may decide what there is
            if spec.dimensions[name].is_there(params):
                drawn = trial._suggest(name, distribution)
                params[name] = given.get(name, drawn)
        frozen = study._storage.get_trial(trial._trial_id)
    if spec.sampler.name == "gp":
        params = {n: given.get(n, value) for n, value in rounded(space, params).items()}
    attrs = dict(frozen.system_attrs)
    if enqueued:
        attrs |= {FIXED_PARAMS: dict(enqueued)}
    return Suggestion(params=params, attrs=attrs)
