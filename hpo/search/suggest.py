"""The pure part of a study: ``(spec, number, history) -> parameters`` and ``-> prune or go on``.

Optuna's samplers and pruners decide, and one sampler of ours, on an in-memory study that holds just
the history which the window allows. Nothing here reads the clock, the database or global random
state, so any worker, at any time, comes to the same decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.samplers import BaseSampler

from hpo.search import constraints, racing, seeds
from hpo.search.history import learns, quiet, view, visible
from hpo.search.samplers import sampler
from hpo.search.space import distributions, rounded
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import FIXED_PARAMS, Past, Suggestion

ATTEMPTS = 8
"""How often a sampler is asked for what ``[constraints]`` allow, before uniform draws take over."""
_ASKED_AGAIN = ("tpe", "cmaes", "nsga2")
"""Others know the constraints (``kriging-believer``), would say the same again (``gp``), or draw as
uniformly themselves."""


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
    told = {**spec.told(number), **(enqueued or {})}
    fits = constraints.fitting(spec, told)
    with quiet():
        seen = visible(spec, number, trials) if learns(spec) else []
        seen = racing.extrapolated(spec, racing.levelled(spec, seen))
        for attempt in range(ATTEMPTS if spec.sampler.name in _ASKED_AGAIN else 1):
            params, attrs = _asked(spec, seen, sampler(spec, number, attempt, fits), told)
            if fits is None or fits(params):
                break
        if fits is not None and not fits(params):
            seed = seeds.derive(spec.seed, "again", number + 1)
            params = constraints.drawn(fits, spec, seed, told)
    if enqueued:
        attrs = {**attrs, FIXED_PARAMS: dict(enqueued)}
    return Suggestion(params=params, attrs=attrs)


def _asked(
    spec: StudySpec, seen: Sequence[Past], asked: BaseSampler, told: Mapping[str, ParamValue]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a sampler suggests beside what it is told, and what it wants to remember of it."""
    study, space = view(spec, len(seen), seen, asked), distributions(spec)
    trial, params = study.ask(), dict[str, ParamValue]()
    for name, distribution in space.items():  # what is told may decide what there is
        if spec.dimensions[name].is_there(params):
            drawn = trial._suggest(name, distribution)
            params[name] = told.get(name, drawn)
    if spec.sampler.name == "gp":
        params = {n: told.get(n, value) for n, value in rounded(space, params).items()}
    return params, dict(study._storage.get_trial(trial._trial_id).system_attrs)
