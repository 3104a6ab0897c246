"""Checks before a study begins: the options of sampler and pruner are tried out.

So is whether enough of the space fits the constraints, and whether the data can train
all of it.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from pydantic import ValidationError

from hpo import objectives
from hpo.contract import ChecksTask
from hpo.errors import SpecError, expected
from hpo.search import constraints
from hpo.search.pruners import PRUNERS
from hpo.search.suggest import SAMPLERS, OutsideError, make_function_sampler, suggest
from hpo.study.spec import StudySpec
from hpo.study.tables import Pruner, Sampler
from hpo.study.trials import Past, SlotState

_OURS = {"self", "seed", "spec", "observations", "is_feasible", "args", "kwargs"}
"""Constructor arguments that are no options: the study sets them itself."""


_MOST = 1_000_000
_RANGES: dict[str, tuple[float, float]] = {
    "bootstrap_count": (0, _MOST),
    "crossover_prob": (0.0, 1.0),
    "interval_steps": (1, _MOST),
    "min_resource": (1, _MOST),
    "mutation_prob": (0.0, 1.0),
    "n_ei_candidates": (1, _MOST),
    "n_min_trials": (1, _MOST),
    "percentile": (0.0, 100.0),
    "population_size": (2, 10_000),
    "popsize": (2, 10_000),
    "prior_weight": (1e-6, 1e6),
    "reduction_factor": (2, _MOST),
    "sigma0": (1e-6, 1e6),
    "swapping_prob": (0.0, 1.0),
}
"""Least and most of an option by its name; whole numbers where both are. Other whole
numbers are from 0 to ``_MOST``."""


def check(spec: StudySpec, where: str) -> None:
    """Check the options of ``[sampler]`` and ``[pruner]`` against their classes.

    The spec has passed every other rule; messages begin with ``where``, the study file.

    Raises:
        SpecError: an unknown option, a value that the sampler or pruner refuses,
            constraints that leave nothing to be searched, parameters that the task's
            data cannot train, or splits of data that have one.
    """
    if spec.sweep is not None:
        _check_enough_data(spec, where)
        return
    if spec.has_class:
        _check_enough_data(spec, where)
        _check_splits(spec, where)
        constraints.check(spec, where)
    if not spec.sampler.is_grid:
        _check_sampler(spec, where)
    pruner = PRUNERS[spec.pruner.name]
    _check_options(pruner, spec.pruner, f"{where}: pruner")
    try:
        pruner(**spec.pruner.options)
    except Exception as error:
        raise _refusal(spec.pruner, f"{where}: pruner", error) from None


def _check_sampler(spec: StudySpec, where: str) -> None:
    name = spec.sampler.name
    sampler = SAMPLERS.get(name) or objectives.sampler(name)
    _check_options(sampler, spec.sampler, f"{where}: sampler")
    try:
        if spec.is_function:
            make_function_sampler(spec, 0)
        else:
            _rehearse_sampler(spec)
    except OutsideError as error:
        raise SpecError(f"{where}: sampler: {error}") from None
    except Exception as error:  # whatever its code makes of an odd option
        raise _refusal(spec.sampler, f"{where}: sampler", error) from None


def _check_options(
    build: Callable[..., Any], choice: Sampler | Pruner, where: str
) -> None:
    parameters = inspect.signature(build).parameters
    known = set(parameters) - _OURS
    for option in choice.options:
        if option not in known:
            raise SpecError(
                f"{where}.{option}: {choice.name!r} has no such option. "
                f"Valid: {', '.join(sorted(known)) or '(none)'}."
            )
    if ":" in choice.name:  # a user's own class judges them itself
        return
    for option, value in choice.options.items():
        _check_value(option, value, parameters[option].default, f"{where}.{option}")


def _check_value(option: str, value: Any, default: Any, where: str) -> None:
    """Check the kind of an option's value by its default, and its range by its name.

    Raises:
        SpecError: it has another kind, or is out of range.
    """
    rule = ""
    least, most = _RANGES.get(option, (0, _MOST))
    if isinstance(default, bool):
        rule = "" if isinstance(value, bool) else "true or false"
    elif option in _RANGES or isinstance(default, int):
        whole = not isinstance(least, float)
        kinds: tuple[type, ...] = (int,) if whole else (int, float)
        is_number = isinstance(value, kinds) and not isinstance(value, bool)
        if not (is_number and least <= value <= most):
            kind = "a whole number" if whole else "a number"
            rule = f"{kind} from {least:g} to {most:,.10g}"
    if rule and value != default:
        raise SpecError(expected(where, rule, repr(value), "Change it."))


def _refusal(choice: Sampler | Pruner, where: str, error: Exception) -> SpecError:
    said = str(error) or type(error).__name__
    return SpecError(f"{where}: {choice.name!r} refuses these options: {said}")


def _check_enough_data(spec: StudySpec, where: str) -> None:
    """Refuse a study whose data are too few for some of its parameters.

    Raises:
        SpecError: they are too few, or missing; the text begins with ``where``.
    """
    objective = spec.objective_impl
    if not isinstance(objective, ChecksTask):
        return
    for params in extremes(spec):
        try:
            objective.check_task(spec.params(params), spec.task_params, spec.protocol)
        except ValidationError:
            continue  # a trial of its own, which fails
        except ValueError as error:
            raise SpecError(f"{where}: {error}") from None


def _check_splits(spec: StudySpec, where: str) -> None:
    """Refuse several splits of data that have one."""
    if spec.confirm is None or spec.confirm.splits == 1:
        return
    try:
        spec.task_params.check_splits()
    except ValueError as error:
        key = f"{where}: confirm.splits"
        rule = f"1 of task {spec.task_name!r}"
        do = f"Leave it out: {error}."
        raise SpecError(expected(key, rule, spec.confirm.splits, do)) from None


def extremes(spec: StudySpec) -> Iterator[dict[str, Any]]:
    """Yield the points of a sweep or a grid; of another search, draws with every range
    at its upper end."""
    if spec.has_points:
        yield from map(spec.point, range(spec.budget.trials))
        return
    for params in islice(constraints.draws(spec, spec.seed, {}), constraints.DRAWS):
        ends = dict(params)
        for name in params:
            high = spec.dimensions[name].high
            if high is not None:
                ends[name] = spec.parameter(name).typed(high)
        yield ends


_STARTUP = {
    "tpe": ("n_startup_trials", 10),
    "cmaes": ("n_startup_trials", 10),
    "kriging-believer": ("n_startup_trials", 10),
    "own": ("n_startup_trials", 10),
    "nsga2": ("population_size", 50),
}
"""Option for the number of random trials of a sampler, and its default; ``own`` are
those of a study's own module."""
_REHEARSED = 64
"""Limit on trials in a rehearsal: samplers that begin at random for longer are not
rehearsed."""


def _rehearse_sampler(spec: StudySpec) -> None:
    """Suggest the first trial, and the first one that is not random: some options act
    only then.

    The history is drawn at random from the study's own space, with made-up scores.
    """
    suggest(spec, 0, [])
    name = "own" if spec.sampler.is_own else spec.sampler.name
    if name not in _STARTUP:
        return  # the others have no options that act later, and gp would load torch
    option, default = _STARTUP[name]
    number = min(spec.sampler.options.get(option, default) + 2, spec.budget.trials - 1)
    if not 0 < number <= _REHEARSED:
        return
    stepwise = spec.model_copy(
        update={"budget": spec.budget.model_copy(update={"window": 1})}
    )
    trials: list[Past] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # one warning is enough
        for k in range(number + 1):
            own = suggest(stepwise, k, trials)
            score = (7 * k % 11) / 11
            costs = tuple(float(k % (5 + n)) for n in range(len(spec.costs)))
            trials.append(
                Past(suggestion=own, state=SlotState.COMPLETE, score=score, costs=costs)
            )
