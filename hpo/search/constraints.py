"""``[constraints]``: configurations that cost too much are never trained.

What a network costs is known before it is trained (``hpo.objectives.capabilities``): a suggestion
that breaks a bound is drawn again. All of it is a pure function of the study's spec.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from pydantic import ValidationError

from hpo.errors import SpecError
from hpo.objectives.capabilities import KnowsCosts
from hpo.search.space import Cube, distributions
from hpo.study.networks import Member
from hpo.study.spec import StudySpec, derived_seed
from hpo.study.tables import ParamValue
from hpo.study.trials import SlotState

Params = Mapping[str, ParamValue]

DRAWS = 1000
"""Uniform draws of the space from which is told how much of it fits."""
LEAST = 5
"""Of those, so many must: else nearly everything that a search suggests would be drawn again."""
MOST_DRAWS = 100_000
"""Uniform draws for one suggestion, at most."""


def costs(spec: StudySpec, suggested: Params) -> Mapping[str, float]:
    """What a network of these parameters costs; {} if the objective refuses them.

    Raises:
        ValueError: data that the objective needs for it are not there.
    """
    assert isinstance(spec.objective_impl, KnowsCosts)
    try:
        params = spec.params(suggested)
    except ValidationError:
        return {}
    return spec.objective_impl.costs_of(params, spec.task_params)


def check_told(spec: StudySpec, suggested: Params, info: Mapping[str, Any]) -> None:
    """Check what a network tells of its costs, against what was known before.

    Of the first network of a trial, not of the last.

    Raises:
        ValueError: it does not tell one, or other than before its training.
    """
    before = costs(spec, suggested) if spec.asks_costs else {}
    for name in {**dict.fromkeys(spec.costs), **(spec.constraints or {})}:
        told, known = _told(name, info), before.get(name)
        if before and (known is None or not math.isclose(told, known)):
            raise ValueError(
                f"the objective's `costs_of` must tell what a network costs, but got "
                f"{name}={known} before its training and {told} after it. Mend `costs_of`."
            )


def of_trial(
    spec: StudySpec, state: SlotState, suggested: Params, members: Sequence[Member]
) -> list[float]:
    """The mean costs of the networks, of a pruned trial those known before; else none."""
    if state == SlotState.PRUNED and spec.costs:
        known = costs(spec, suggested)
        return [float(known[name]) for name in spec.costs]
    if state != SlotState.COMPLETE:
        return []
    return [statistics.fmean(_told(name, m.info) for m in members) for name in spec.costs]


def _told(name: str, info: Mapping[str, Any]) -> float:
    value = info.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(
            f"the objective's info must hold the cost {name!r} as a finite number, but got "
            f"{name}={value!r}. Put it into `Outcome.info` of every training."
        )
    return float(value)


def broken(spec: StudySpec, suggested: Params) -> str:
    """The first constraint that these parameters break, in words; empty if they fit."""
    if not spec.constraints:
        return ""
    known = costs(spec, suggested)
    return next(
        (
            f"`{name} <= {most:g}` must hold, but got {name}={known.get(name)}"
            for name, most in spec.constraints.items()
            if name not in known or not known[name] <= most
        ),
        "",
    )


def fitting(spec: StudySpec, told: Params) -> Callable[[Params], bool] | None:
    """Whether parameters fit, with those that are ``told`` in place; None without constraints."""
    if not spec.constraints:
        return None
    return lambda suggested: not broken(spec, spec.present({**suggested, **told}))


def known(spec: StudySpec, suggested: Params) -> list[float]:
    """The costs of ``[cost]``, in order; NaN if the objective refuses the parameters."""
    found = costs(spec, suggested) if spec.costs else {}
    return [found.get(name, math.nan) for name in spec.costs]


def draws(spec: StudySpec, seed: int, told: Params) -> Iterator[dict[str, Any]]:
    """Uniform draws of the whole space, those that are ``told`` in place, without an end."""
    cube, chance = Cube(distributions(spec)), np.random.default_rng(seed)
    while True:
        yield spec.present({**cube.params(cube.random(1, chance)[0]), **told})


def drawn(
    fits: Callable[[Params], bool], spec: StudySpec, seed: int, told: Params
) -> dict[str, Any]:
    """The first of uniform draws that fits.

    Raises:
        ValueError: none of very many does.
    """
    for params in islice(draws(spec, seed, told), MOST_DRAWS):
        if fits(params):
            return params
    raise ValueError(
        f"constraints: one of {MOST_DRAWS:,} uniform draws must fit, but got none. Widen the space "
        f"in a study of another name."
    )


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How much of a space fits."""

    draws: int
    fitting: int
    least: Mapping[str, float]
    """Of every cost with a bound, the least that was drawn."""


def fit(spec: StudySpec, told: Params | None = None) -> Fit:
    """How many uniform draws fit, those that are ``told`` in place.

    Raises:
        ValueError: see ``costs``.
    """
    bounds = spec.constraints or {}
    seed = derived_seed(spec.seed, "again", 0)
    found = [costs(spec, params) for params in islice(draws(spec, seed, told or {}), DRAWS)]
    valid = [known for known in found if known]
    least = {name: min(known[name] for known in valid) for name in bounds if valid}
    n = sum(all(known[name] <= most for name, most in bounds.items()) for known in valid)
    return Fit(draws=DRAWS, fitting=n, least=least)


def check(spec: StudySpec, where: str) -> None:
    """Refuse a study that hardly anything fits, or with a point of a warm start that does not.

    Raises:
        SpecError: it is one; ``where`` is the study file. Or the data that tell are not there.
    """
    if not spec.constraints:
        return
    try:
        found = fit(spec)
    except ValueError as error:
        raise SpecError(f"{where}: constraints: {error}") from None
    if found.fitting < LEAST:
        bounds = ", ".join(f"{name}={most:g}" for name, most in spec.constraints.items())
        raise SpecError(
            f"{where}: constraints: at least {LEAST} of {DRAWS:,} uniform draws of the space must "
            f"fit, but got {found.fitting} with {bounds}. The least of all draws: "
            f"{_least(found)}. Raise the bound, or narrow [space] to what costs less."
        )
    points = (spec.warm_start and spec.warm_start.points) or ()
    for number in range(len(points)):
        key = f"{where}: warm_start.points.{number}"
        check_point(spec, spec.told(number), key, "Change the point.")


def check_point(spec: StudySpec, told: Params, where: str, todo: str) -> None:
    """Refuse parameters that are given to a trial if they break a constraint.

    Where some are left to the sampler: if nothing that was drawn for them fits.

    Raises:
        SpecError: they do; the text begins with ``where`` and ends with ``todo``.
    """
    if not spec.constraints or not told:
        return
    try:
        if all(name in told for name, own in spec.in_order.items() if own.is_there(told)):
            if problem := broken(spec, told):
                raise SpecError(f"{where}: {problem}. {todo}")
            return
        found = fit(spec, told)
    except ValueError as error:
        raise SpecError(f"{where}: {error}") from None
    if not found.fitting:
        raise SpecError(
            f"{where}: [constraints] must leave room for the other parameters, but got none among "
            f"{DRAWS:,} uniform draws of them that fits. The least of all draws: {_least(found)}. "
            f"{todo}"
        )


def _least(found: Fit) -> str:
    named = ", ".join(f"{name}={least:g}" for name, least in found.least.items())
    return named or "none that the objective takes"
