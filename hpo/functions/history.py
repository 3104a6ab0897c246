"""The study in memory that a function's trial belongs to, with what the trial may see.

Parameters are found as the function runs, so each trial has distributions of its own.
Of a trial within the window only what was decided before it ran is shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    distribution_to_json,
    json_to_distribution,
)
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hpo.contract import facts
from hpo.search.history import STATES, freeze, visible
from hpo.search.memory import kept
from hpo.search.optuna_adapter import History, contains
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import (
    DECIDED,
    FIXED_PARAMS,
    Past,
    Suggestion,
)

LARGEST_STEP = 2**31 - 1
"""Largest step of a report."""
LONGEST_TEXT = 512
"""Largest length of the name of a parameter."""
_UNKNOWN = Past(suggestion=Suggestion(params={}))
"""A trial that shows nothing."""


def see(spec: StudySpec, number: int, trials: Sequence[Past]) -> list[Past]:
    """Return trials 0 .. number-1 as trial ``number`` sees them: finished up to its
    window, then as they were decided before they ran."""
    seen = visible(spec, number, trials)[: spec.budget.n_visible(number)]
    for past in trials[len(seen) : number]:
        seen.append(Past(suggestion=past.suggestion.decided))
    return [*seen, *[_UNKNOWN] * (number - len(seen))]


def open_trial(
    enqueued: Mapping[str, ParamValue] | None, decided: Suggestion | None = None
) -> FrozenTrial:
    """Return a trial that begins.

    Args:
        enqueued: parameters that somebody has enqueued for it.
        decided: what was decided before.
    """
    attrs: dict[str, Any] = {}
    if enqueued:
        attrs[FIXED_PARAMS] = dict(enqueued)
    if decided is not None:
        attrs |= decided.decided.optuna_attrs
        attrs[DECIDED] = decided.attrs[DECIDED]
    return optuna.trial.create_trial(state=TrialState.RUNNING, system_attrs=attrs)


class CallStorage(History):
    """A study in memory that calls back when its last trial suggests or reports."""

    def __init__(
        self,
        trials: Sequence[FrozenTrial],
        directions: Sequence[StudyDirection],
        *,
        on_param: Callable[[FrozenTrial], None],
        on_report: Callable[[int, float], None],
    ) -> None:
        """Take the past.

        Args:
            trials: earlier trials, in order.
            directions: one for each value.
            on_param: called with the trial after each new parameter.
            on_report: called with step and value after each report.
        """
        super().__init__(trials, directions)
        self._on_param = on_param
        self._on_report = on_report

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        """Store a parameter, and call back.

        Raises:
            ValueError: the database cannot hold its name or value, or it is enqueued
                and outside of its range.
        """
        _check_text(f"the parameter name {param_name[:40]!r}", param_name)
        value = distribution.to_external_repr(param_value_internal)
        if isinstance(value, str):
            _check_text(f"a choice of {param_name!r}", value)
        elif not contains(distribution, value):
            ends = vars(distribution)
            raise ValueError(
                f"enqueued {param_name}={value!r} is outside of the range that the"
                f" function asks for, {ends['low']:g} to {ends['high']:g}. Enqueue"
                " another value."
            )
        super().set_trial_param(
            trial_id, param_name, param_value_internal, distribution
        )
        self._on_param(self.get_trial(trial_id))

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """Store a report, and call back.

        Raises:
            ValueError: the database cannot hold the step.
        """
        if step > LARGEST_STEP:
            raise ValueError(
                f"a report at step {step:,}: steps go up to {LARGEST_STEP:,}. Count"
                " epochs or batches."
            )
        super().set_trial_intermediate_value(trial_id, step, intermediate_value)
        self._on_report(step, intermediate_value)


def _check_text(what: str, text: str) -> None:
    """Check that the database can hold a text.

    Raises:
        ValueError: it cannot.
    """
    if len(text) > LONGEST_TEXT:
        raise ValueError(
            f"{what} has {len(text):,} characters: at most {LONGEST_TEXT}. Shorten it."
        )
    if "\0" in text or not _is_unicode(text):
        raise ValueError(
            f"{what} holds a character that PostgreSQL cannot store: {text!r}."
            " Remove it."
        )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a pair
        return False
    return True


def read_directions(spec: StudySpec) -> list[StudyDirection]:
    """Return the direction of each value of the function."""
    return [StudyDirection[name.upper()] for name in spec.directions or ()]


def frozen_trials(spec: StudySpec, seen: Sequence[Past]) -> list[FrozenTrial]:
    """Return earlier trials as Optuna's; those of an earlier call are not made
    again."""
    return kept(spec.hash, "frozen").of(seen, partial(_freeze, spec))


def _freeze(spec: StudySpec, number: int, past: Past) -> FrozenTrial:
    values = []
    if past.score is not None and past.state.is_scored:
        values = spec.change_signs([past.score, *past.costs])
    return freeze(
        number,
        past,
        state=STATES[past.state],
        values=values,
        distributions=read_distributions(past.suggestion),
        reports={step.epoch: step.score for step in past.steps},
    )


def read_distributions(suggestion: Suggestion) -> dict[str, BaseDistribution]:
    """Return the distribution of each parameter of a function's trial, in the order in
    which it asked."""
    return {
        name: json_to_distribution(text)
        for name, text in suggestion.distributions.items()
    }


def write_suggestion(trial: FrozenTrial) -> Suggestion:
    """Return parameters and distributions of a trial as they are stored."""
    texts = {}
    for name, distribution in trial.distributions.items():
        texts[name] = distribution_to_json(distribution)
    return Suggestion.of_function(trial.params, texts, trial.system_attrs)


class FunctionTrial(optuna.Trial):
    """The trial that a function is given.

    Optuna and the database see a choice that is no number, text or truth value, such as
    None or a tuple, as its text; the function sees the choice itself.
    """

    def __init__(self, study: optuna.Study, trial_id: int) -> None:
        """Take a running trial of a study in memory."""
        super().__init__(study, trial_id)
        self._choices: dict[str, Any] = {}
        self.asked_to_prune = False
        """Whether the function has called ``should_prune``."""

    def should_prune(self) -> bool:
        """Return what the pruner decides."""
        self.asked_to_prune = True
        return super().should_prune()

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Suggest one of the choices."""
        texts: list[Any] = as_texts(choices)
        text = super().suggest_categorical(name, texts)
        self._choices[name] = choices[texts.index(text)]
        return self._choices[name]

    @property
    def params(self) -> dict[str, Any]:
        """The parameters so far, as the function sees them."""
        return {**super().params, **self._choices}


def as_texts(choices: Sequence[Any]) -> list[ParamValue]:
    """Return choices as Optuna and the database see them.

    Two choices with the same text, such as two lambdas, differ by their places.
    """
    plain = [choice for choice in choices if _is_plain(choice)]
    texts: list[ParamValue] = []
    for place, choice in enumerate(choices):
        if _is_plain(choice):
            texts.append(choice)
            continue
        text = facts.as_text(choice)
        if text in plain or text in texts:
            text = f"{text} #{place}"
        texts.append(text)
    return texts


def _is_plain(choice: Any) -> bool:
    if isinstance(choice, float):
        return math.isfinite(choice)
    return isinstance(choice, bool | int | str)


def internal_params(suggestion: Suggestion) -> Mapping[str, float]:
    """Return the parameters in Optuna's internal representation: of a choice its
    place."""
    params = suggestion.params
    return {
        name: distribution.to_internal_repr(params[name])
        for name, distribution in read_distributions(suggestion).items()
    }
