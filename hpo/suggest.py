"""The pure part of a study: ``(spec, number, history) -> parameters`` and ``-> prune or go on``.

Optuna's own samplers and pruners decide, on an in-memory study that holds just the history which
the window allows. Nothing here reads the clock, the database or global random state, so any
worker, at any time, comes to the same decision.
"""

from __future__ import annotations

import inspect
import statistics
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from operator import is_
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from hpo import history, racing, seeds
from hpo.directions import directions, values
from hpo.errors import SpecError
from hpo.history import HistoryStorage
from hpo.qmc import SlotQMC
from hpo.rounding import rounded
from hpo.study import warm_start
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState, Suggestion
from hpo.tpe import SpaceTPE


def visible(spec: StudySpec, number: int, trials: Sequence[Past]) -> list[Past]:
    """The history that trial ``number`` may see: within the window, outcomes are hidden.

    Args:
        spec: the study.
        number: the trial that is suggested or judged.
        trials: trials 0 .. number-1, those up to ``number - window`` settled.

    Raises:
        ValueError: a trial that had to be settled is not.
    """
    n_seen = max(0, number - spec.budget.window + 1)
    seen = [trial.seen_by(number) for trial in trials[:n_seen]]
    states = [trial.state for trial in seen]
    if SlotState.RUNNING in states:
        k = states.index(SlotState.RUNNING)
        raise ValueError(f"trial {k} must be settled before trial {number} is suggested")
    hidden = (
        Suggestion(params=trial.suggestion.params, attrs=sampler_attrs(trial.suggestion.attrs))
        for trial in trials[n_seen:number]
    )
    return [*seen, *(Past(suggestion=suggestion) for suggestion in hidden)]


def sampler_attrs(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes known at suggestion; those that pruning added are an outcome, and hidden."""
    return {k: v for k, v in attrs.items() if not k.startswith("completed_rung_")}


def learns(spec: StudySpec) -> bool:
    """Whether trials depend on earlier ones at all: if not, there is no history to be read."""
    drawn = spec.sweep is not None or spec.sampler.name == "random"
    return not drawn or spec.pruner.name != "none" or spec.racing is not None


def suggest(spec: StudySpec, number: int, trials: Sequence[Past]) -> Suggestion:
    """Parameters of trial ``number``, from the spec and the history alone.

    Args:
        spec: the study.
        number: the trial's number, from 0.
        trials: trials 0 .. number-1 with their suggestions; see ``visible``. Not asked for unless
            the study ``learns``.
    """
    if spec.sweep is not None:
        return Suggestion(params=spec.point(number))
    with quiet():
        seen = visible(spec, number, trials) if learns(spec) else []
        seen = racing.extrapolated(spec, racing.levelled(spec, seen))
        study = _view(spec, len(seen), seen, sampler(spec, number))
        space = distributions(spec)
        trial = study.ask(space)
        frozen = study._storage.get_trial(trial._trial_id)
    params = rounded(space, frozen.params) if spec.sampler.name == "gp" else frozen.params
    params = {**params, **warm_start.point(spec, number)}
    return Suggestion(params=params, attrs=dict(frozen.system_attrs))


class Judge:
    """Decides whether a running trial ends early; feed it every step in order.

    The pruner compares steps; in a race, those of the first network's curve alone, and ``why_out``
    decides after every network. A resumed trial is judged alike: its stored steps are fed again
    before the new ones.
    """

    def __init__(
        self, spec: StudySpec, number: int, trials: Sequence[Past], own: Suggestion
    ) -> None:
        """See ``suggest`` for the arguments; ``own`` is the trial's own suggestion."""
        self._spec, self._number, self._pruner = spec, number, pruner(spec)
        self._seen = visible(spec, number, trials) if learns(spec) else []
        self.steps: list[float] = []
        self._prunes = not isinstance(self._pruner, optuna.pruners.NopPruner)
        if not self._prunes:
            return
        with quiet():
            seen = racing.levelled(spec, self._seen)
            self._study = _view(spec, number, seen, optuna.samplers.RandomSampler(seed=0))
            template = _frozen(spec, distributions(spec), number, Past(suggestion=own))
            self._trial_id = self._study._storage.create_new_trial(
                self._study._study_id, template_trial=template
            )

    def report(self, value: float) -> bool:
        """Report the next step's value; True when the trial is to be pruned."""
        self.steps.append(value)
        if not self._prunes or (self._spec.racing and len(self.steps) >= self._spec.budget.epochs):
            return False
        storage = self._study._storage
        with quiet():
            storage.set_trial_intermediate_value(self._trial_id, len(self.steps), value)
            return bool(self._pruner.prune(self._study, storage.get_trial(self._trial_id)))

    def why_out(self, scores: Sequence[float]) -> str | None:
        """Why a trial leaves the race after networks of these ``scores``; None if it goes on."""
        mean = statistics.fmean(scores)
        return racing.why_out(self._spec, self._number, self._seen, mean, len(scores))

    @property
    def attrs(self) -> dict[str, Any]:
        """The pruner's memory of this trial, to be stored with it."""
        if not self._prunes:
            return {}
        return dict(self._study._storage.get_trial(self._trial_id).system_attrs)


def distributions(spec: StudySpec) -> dict[str, BaseDistribution]:
    """The search space in Optuna's terms, by name: the order of the study file must not matter."""
    make = _distribution if spec.sweep is None else _swept
    return {name: make(spec, name) for name in sorted(spec.parameters)}


def _swept(spec: StudySpec, name: str) -> BaseDistribution:
    """What a sweep makes of a parameter: the range of its values, on a log axis from a decade."""
    assert spec.sweep is not None
    values = [spec.as_param(name, params[name]) for _, _, params in spec.sweep.points]
    numbers = [v for v in values if not isinstance(v, str | bool)]
    if len(numbers) < len(values):
        return CategoricalDistribution(tuple(dict.fromkeys(values)))
    low, high = min(numbers), max(numbers)
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high)
    return FloatDistribution(low, high, log=0 < 10 * low <= high)


def _distribution(spec: StudySpec, name: str) -> BaseDistribution:
    dimension = spec.space[name]
    kind = spec.kind(name)
    if dimension.choices is not None:
        return CategoricalDistribution(dimension.choices)
    low, high = dimension.low, dimension.high
    if low is None or high is None:
        raise ValueError(f"space.{name} was not validated")
    if kind == "int":
        step = 1 if dimension.step is None else int(dimension.step)
        return IntDistribution(int(low), int(high), log=dimension.log, step=step)
    return FloatDistribution(float(low), float(high), log=dimension.log, step=dimension.step)


_SAMPLERS: dict[str, type[BaseSampler]] = {
    "tpe": optuna.samplers.TPESampler,
    "random": optuna.samplers.RandomSampler,
    "qmc": optuna.samplers.QMCSampler,
    "gp": optuna.samplers.GPSampler,
    "grid": optuna.samplers.GridSampler,
    "cmaes": optuna.samplers.CmaEsSampler,
    "nsga2": optuna.samplers.NSGAIISampler,
}
_PRUNERS: dict[str, type[BasePruner]] = {
    "none": optuna.pruners.NopPruner,
    "median": optuna.pruners.MedianPruner,
    "percentile": optuna.pruners.PercentilePruner,
    "wilcoxon": optuna.pruners.WilcoxonPruner,
    "successive-halving": optuna.pruners.SuccessiveHalvingPruner,
}
_OURS = {"self", "seed", "search_space"}
"""Constructor arguments that the study sets itself."""


def sampler(spec: StudySpec, number: int) -> BaseSampler:
    """Optuna's sampler of the spec, with the random state of trial ``number``."""
    name, options = spec.sampler.name, spec.sampler.options
    with quiet():
        if name == "grid":  # every trial must shuffle the grid alike: the study's seed
            grid = {parameter: spec.grid(parameter) for parameter in sorted(spec.space)}
            return optuna.samplers.GridSampler(grid, seed=spec.seed)
        if name == "qmc":
            return SlotQMC(number, distributions(spec), seed=spec.seed, **options)
        seed = seeds.derive(spec.seed, "suggest", number)
        if name == "tpe":
            return SpaceTPE(distributions(spec), seed=seed, **options)
        build: Callable[..., BaseSampler] = _SAMPLERS[name]
        return build(seed=seed, **options)


def pruner(spec: StudySpec) -> BasePruner:
    """Optuna's pruner of the spec."""
    build: Callable[..., BasePruner] = _PRUNERS[spec.pruner.name]
    with quiet():
        return build(**spec.pruner.options)


def check(spec: StudySpec, where: str) -> None:
    """Check the options of ``[sampler]`` and ``[pruner]`` against Optuna's own classes.

    Args:
        spec: a spec that passed every other rule.
        where: the study file, for messages.

    Raises:
        SpecError: an unknown option, or a value that Optuna refuses.
    """
    if spec.sweep is not None:
        return
    choices: tuple[tuple[str, Any, Any, Callable[[], object]], ...] = (
        ("sampler", spec.sampler, _SAMPLERS, lambda: _rehearse_sampler(spec)),
        ("pruner", spec.pruner, _PRUNERS, lambda: _rehearse_pruner(spec)),
    )
    for table, choice, classes, build in choices:
        known = set(inspect.signature(classes[choice.name].__init__).parameters) - _OURS
        known = {option for option in known if option not in ("args", "kwargs")}
        for option in choice.options:
            if option not in known:
                raise SpecError(
                    f"{where}: {table}.{option}: {choice.name!r} has no such option. "
                    f"Valid: {', '.join(sorted(known)) or '(none)'}."
                )
        try:
            build()
        except Exception as error:  # whatever Optuna's own code makes of an odd option
            raise SpecError(
                f"{where}: {table}: Optuna refuses these options of {choice.name!r}: "
                f"{error or type(error).__name__}"
            ) from None


_STARTUP = dict.fromkeys(("tpe", "cmaes"), ("n_startup_trials", 10))
_STARTUP |= {"nsga2": ("population_size", 50)}
"""For how many trials a sampler is random: its option, and what Optuna takes without it."""
_REHEARSED = 64
"""Samplers that begin at random for longer are tried without a history."""


def _rehearse_sampler(spec: StudySpec) -> None:
    """Suggest the first trial, and the first one that is not random: some options bite only then.

    The history is drawn at random from the study's own space, with scores of its own.
    """
    suggest(spec, 0, [])
    option, usual = _STARTUP.get(spec.sampler.name, ("", 0))
    number = min(spec.sampler.options.get(option, usual) + 2, spec.budget.trials - 1)
    if not option or not 0 < number <= _REHEARSED:
        return  # the others have no options that bite later, and gp would load torch
    step_by_step = spec.model_copy(update={"budget": spec.budget.model_copy(update={"window": 1})})
    trials: list[Past] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # told once is enough
        for k in range(number + 1):
            own = suggest(step_by_step, k, trials)
            score, cost = (7 * k % 11) / 11, None if spec.cost is None else float(k % 5)
            trials += [Past(suggestion=own, state=SlotState.COMPLETE, score=score, cost=cost)]


def _rehearse_pruner(spec: StudySpec) -> None:
    """Judge a trial of a few steps after one that has reported as many."""
    pruner(spec)
    steps = (0.1, 0.2, 0.3)
    other = spec.model_copy(update={"sampler": type(spec.sampler)(name="random")})
    past = Past(suggestion=suggest(other, 0, []), state=SlotState.COMPLETE, score=0.3, steps=steps)
    judge = Judge(
        spec.model_copy(update={"budget": spec.budget.model_copy(update={"window": 1})}),
        1,
        [past],
        past.suggestion,
    )
    for step in steps:
        judge.report(step)


def _view(spec: StudySpec, number: int, past: Sequence[Past], sampler: BaseSampler) -> optuna.Study:
    """A study in memory whose trials 0 .. number-1 are the past."""
    if len(past) != number:
        raise ValueError(f"trial {number} needs a history of {number} trials, got {len(past)}")
    storage = HistoryStorage(_memory(spec.hash).frozen(spec, past), directions(spec))
    return optuna.load_study(
        study_name=history.STUDY,
        storage=storage,
        sampler=sampler,
        pruner=optuna.pruners.NopPruner(),
    )


class _Memory:
    """The past in Optuna's terms, as far as it was asked for before.

    Past trials are immutable, so what was made of the very same ones is still right; it only saves
    making them again, and no decision depends on it.
    """

    def __init__(self) -> None:
        self._past: list[Past] = []
        self._made: list[FrozenTrial] = []

    def frozen(self, spec: StudySpec, past: Sequence[Past]) -> list[FrozenTrial]:
        same = [*map(is_, self._past, past), False].index(False)
        made = self._made[:same]
        if same < len(past):
            space = distributions(spec)
            made += [_frozen(spec, space, k, past[k]) for k in range(same, len(past))]
            self._past, self._made = list(past), made
        return made


@lru_cache(maxsize=8)
def _memory(spec_hash: str) -> _Memory:
    """The memory of this process for a study."""
    return _Memory()


def _frozen(
    spec: StudySpec, space: Mapping[str, BaseDistribution], number: int, trial: Past
) -> FrozenTrial:
    state = {
        SlotState.RUNNING: TrialState.RUNNING,
        SlotState.COMPLETE: TrialState.COMPLETE,
        SlotState.PRUNED: TrialState.PRUNED,
        SlotState.FAILED: TrialState.FAIL,
        SlotState.EXCLUDED: TrialState.FAIL,  # which samplers and pruners pass over
    }[trial.state]
    if state == TrialState.PRUNED and spec.pruner.name == "wilcoxon":
        state = TrialState.COMPLETE  # its mean so far is an unbiased score: see WilcoxonPruner
    params = trial.suggestion.params
    scored = state in (TrialState.COMPLETE, TrialState.PRUNED)
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=state,
        value=None,
        values=(values(trial.score, trial.cost) or None) if scored else None,
        datetime_start=history.EPOCH,
        datetime_complete=history.EPOCH if state.is_finished() else None,
        params={name: params[name] for name in sorted(params)},
        distributions=dict(space) if params else {},
        user_attrs={},
        system_attrs=dict(trial.suggestion.attrs),
        intermediate_values=dict(enumerate(trial.steps, start=1)),
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's notices that a sampler is experimental: the study file asked for it."""
    level = optuna.logging.get_verbosity()
    loud = level < optuna.logging.WARNING  # setting it costs more than a pruner's decision
    if loud:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        if loud:
            optuna.logging.set_verbosity(level)
