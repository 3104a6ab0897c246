"""``[constraints]``: configurations that cost too much are never trained.

The objective computes costs before training (``hpo.contract.capabilities``): a
suggestion that breaks a bound is drawn again. All of it is a pure function of the
study's spec.
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

from hpo.contract import KnowsCosts
from hpo.errors import SpecError
from hpo.search.space import Cube, distributions
from hpo.study.networks import Member
from hpo.study.seeds import derive_seed
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import SlotState

Params = Mapping[str, ParamValue]
IsFeasible = Callable[[Params], bool]
"""A test whether parameters may be trained."""

DRAWS = 1000
"""Uniform draws that estimate how much of the space fits."""
LEAST = 5
"""Fitting draws that a study needs: below that nearly every suggestion would be drawn
again."""
MOST_DRAWS = 100_000
"""Limit on uniform draws for one suggestion."""


def costs(spec: StudySpec, suggested: Params) -> Mapping[str, float]:
    """Return the costs of a network with these parameters; {} if the objective refuses
    them.

    Raises:
        ValueError: data that the objective needs for it are missing.
    """
    assert isinstance(spec.objective_impl, KnowsCosts)
    try:
        params = spec.params(suggested)
    except ValidationError:
        return {}
    return spec.objective_impl.costs_of(params, spec.task_params)


def check_costs(spec: StudySpec, suggested: Params, info: Mapping[str, Any]) -> None:
    """Check that the info of a trained network has every cost, equal to that before
    its training.

    Raises:
        ValueError: a cost is missing, or differs.
    """
    before: Mapping[str, float] = {}
    if spec.asks_costs:
        before = costs(spec, suggested)
    for name in {**dict.fromkeys(spec.costs), **(spec.constraints or {})}:
        after = _cost(name, info)
        computed = before.get(name)
        if before and (computed is None or not math.isclose(after, computed)):
            raise ValueError(
                f"cost {name!r}: the objective's `costs_of` computed {computed}, but"
                f" the trained network cost {after}. Correct `costs_of`."
            )


def trial_costs(
    spec: StudySpec, state: SlotState, suggested: Params, members: Sequence[Member]
) -> list[float]:
    """Return the mean costs of a trial's networks; those before training if it was
    pruned."""
    if state == SlotState.PRUNED and spec.costs:
        computed = costs(spec, suggested)
        return [float(computed[name]) for name in spec.costs]
    if state != SlotState.COMPLETE:
        return []
    means = []
    for name in spec.costs:
        means.append(statistics.fmean(_cost(name, member.info) for member in members))
    return means


def _cost(name: str, info: Mapping[str, Any]) -> float:
    value = info.get(name)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
    ):
        raise ValueError(
            f"cost {name!r}: expected a finite number in the objective's"
            f" `Outcome.info`, got {value!r}. Put it there in every training."
        )
    return float(value)


def violation(spec: StudySpec, suggested: Params) -> str:
    """Return the first constraint that these parameters break, in words; empty if they
    fit."""
    if not spec.constraints:
        return ""
    computed = costs(spec, suggested)
    for name, most in spec.constraints.items():
        cost = computed.get(name, math.nan)
        if not cost <= most:
            return f"expected {name} <= {most:g}, got {computed.get(name)}"
    return ""


def make_filter(spec: StudySpec, fixed: Params) -> IsFeasible:
    """Return a test whether parameters fit, with the ``fixed`` ones."""
    if not spec.constraints:
        return lambda suggested: True
    return lambda suggested: not violation(spec, spec.present({**suggested, **fixed}))


def cost_values(
    spec: StudySpec, suggested: Params, refused: float = math.nan
) -> list[float]:
    """Return the costs of ``[cost]`` before training, in order; ``refused`` if the
    objective refuses the parameters."""
    if not spec.costs:
        return []
    computed = costs(spec, suggested)
    return [computed.get(name, refused) for name in spec.costs]


def draws(spec: StudySpec, seed: int, fixed: Params) -> Iterator[dict[str, Any]]:
    """Yield uniform draws of the whole space with the ``fixed`` parameters, without
    end."""
    cube = Cube(distributions(spec))
    rng = np.random.default_rng(seed)
    while True:
        yield spec.present({**cube.params(cube.random(1, rng)[0]), **fixed})


def draw_fitting(
    is_feasible: IsFeasible, spec: StudySpec, seed: int, fixed: Params
) -> dict[str, Any]:
    """Return the first uniform draw that fits.

    Raises:
        ValueError: none of ``MOST_DRAWS`` does.
    """
    for params in islice(draws(spec, seed, fixed), MOST_DRAWS):
        if is_feasible(params):
            return params
    raise ValueError(
        f"constraints: none of {MOST_DRAWS:,} uniform draws fits. Widen the space in a"
        " study of another name."
    )


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The share of a space that fits, from uniform draws."""

    draws: int
    fitting: int
    least: Mapping[str, float]
    """The lowest value drawn of each cost with a bound."""


def fit(spec: StudySpec, fixed: Params | None = None) -> Fit:
    """Count the uniform draws that fit, with the ``fixed`` parameters.

    Raises:
        ValueError: see ``costs``.
    """
    bounds = spec.constraints or {}
    seed = derive_seed(spec.seed, "again", 0)
    points = islice(draws(spec, seed, fixed or {}), DRAWS)
    least: dict[str, float] = {}
    n_fitting = 0
    for params in points:
        computed = costs(spec, params)
        if not computed:
            continue
        for name in bounds:
            least[name] = min(least.get(name, math.inf), computed[name])
        n_fitting += all(computed[name] <= most for name, most in bounds.items())
    return Fit(draws=DRAWS, fitting=n_fitting, least=least)


def check(spec: StudySpec, where: str) -> None:
    """Refuse a study whose constraints hardly anything fits, or a point of its warm
    start breaks.

    Raises:
        SpecError: it is one, or data are missing; ``where`` is the study file.
    """
    if not spec.constraints:
        return
    try:
        share = fit(spec)
    except ValueError as error:
        raise SpecError(f"{where}: constraints: {error}") from None
    if share.fitting < LEAST:
        bounds = ", ".join(
            f"{name} <= {most:g}" for name, most in spec.constraints.items()
        )
        raise SpecError(
            f"{where}: constraints: expected at least {LEAST} of {DRAWS:,} uniform"
            f" draws to fit {bounds}, got {share.fitting}. Lowest draw:"
            f" {_lowest(share)}. Raise the bound, or narrow [space] to cheaper"
            " networks."
        )
    points = (spec.warm_start and spec.warm_start.points) or ()
    for number in range(len(points)):
        key = f"{where}: warm_start.points.{number}"
        check_point(spec, spec.warm_start_params(number), key, "Change the point.")


def check_point(spec: StudySpec, params: Params, where: str, do: str) -> None:
    """Refuse the parameters that a trial begins with if they break a constraint.

    Where the sampler draws the others: if no draw of them fits.

    Raises:
        SpecError: they do; the text begins with ``where`` and ends with ``do``.
    """
    if not spec.constraints or not params:
        return
    try:
        if spec.is_whole(params):
            if problem := violation(spec, params):
                raise SpecError(f"{where}: {problem}. {do}")
            return
        share = fit(spec, params)
    except ValueError as error:
        raise SpecError(f"{where}: {error}") from None
    if not share.fitting:
        raise SpecError(
            f"{where}: none of {DRAWS:,} uniform draws of the other parameters fits "
            f"[constraints]. Lowest draw: {_lowest(share)}. {do}"
        )


def _lowest(share: Fit) -> str:
    costs = ", ".join(f"{name}={least:g}" for name, least in share.least.items())
    return costs or "none that the objective accepts"
