"""One call of a function with a trial, and what it gave."""

from __future__ import annotations

import json
import logging
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from hpo.contract import MAX_SCORE, facts
from hpo.errors import traceback_text
from hpo.functions import history, inside
from hpo.functions.deciding import DecidedSampler
from hpo.functions.inside import Inside
from hpo.search.history import quiet
from hpo.search.optuna_adapter import STUDY, contains
from hpo.search.pruning import PRUNERS
from hpo.search.suggest import make_function_sampler
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import Past, SlotState, Suggestion

_log = logging.getLogger(__name__)


class InterruptionError(BaseException):
    """Leaves a function, which may catch ``Exception``; ``reason`` goes on outside."""

    def __init__(self, reason: Exception) -> None:
        """Take the error to raise outside of the function."""
        super().__init__(reason)
        self.reason = reason


class SameParametersError(Exception):
    """An earlier trial had the same parameters; its result is that of this trial,
    too."""

    def __init__(self, number: int, suggestion: Suggestion) -> None:
        """Take the number of that trial, and the parameters."""
        super().__init__(f"the parameters of trial {number}")
        self.number = number
        self.suggestion = suggestion


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What one call of a function gave."""

    state: SlotState
    """``COMPLETE``, ``PRUNED`` or ``FAILED``, as Optuna judges the call."""
    values: tuple[float, ...] = ()
    """The values that it returned, infinities as +-1e100; of a pruned trial its last
    report, if there was one."""
    suggestion: Suggestion
    reports: Mapping[int, float]
    """Reported values by step, in the order of the reports; without NaN."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The user attributes of the trial; see ``contract.facts.user_info``."""
    asked_confirming: bool = False
    """Whether the function asked if the call confirms."""
    asked_to_prune: bool = False
    """Whether it called ``should_prune``."""
    message: str | None = None
    """Why it failed."""


@dataclass(kw_only=True)
class Call:
    """One call of a function."""

    spec: StudySpec
    number: int
    """Number of the trial, as the function sees it."""
    seed: int
    """Seed of the call, from 0 to 2**31 - 1."""
    trials: Sequence[Past] = ()
    """Trials 0 .. number-1, of which those within the window are settled."""
    enqueued: Mapping[str, ParamValue] = field(default_factory=dict)
    """Parameters that somebody has enqueued for the trial."""
    decided: Suggestion | None = None
    """What ``decide`` returned for the trial; None if the sampler learns nothing."""
    fixed: Suggestion | None = None
    """The parameters of the trial, if they are known: then nothing is sampled or
    pruned."""
    confirming: bool = False
    checkpoint: bytes | None = None
    """The checkpoint of an earlier attempt at the same call."""
    on_report: Callable[[int, float], None] = field(default=lambda step, value: None)
    """Called with step and value after each report; may raise ``InterruptionError``."""
    on_save: Callable[[bytes], None] = field(default=lambda data: None)
    """Called with a checkpoint; it holds what a resumed call needs."""

    def run(self) -> Evaluation:
        """Call the function.

        Raises:
            SameParametersError: an earlier trial had the same parameters.
            Exception: the reason of an ``InterruptionError``.
            SpecError: the script cannot be imported.
        """
        function = self.spec.script.load()
        self._interruption: InterruptionError | None = None
        state = SlotState.COMPLETE
        value: Any = None
        message = None
        try:
            with quiet():
                trial = self._open_trial()
            self._trial = trial
            inside.enter(trial, self._inside)
            with self.spec.script.as_called(self.seed), _ending_forks():
                value = function(trial)
        except InterruptionError as error:
            raise error.reason from None
        except optuna.TrialPruned:
            state = SlotState.PRUNED
        except MemoryError:
            raise
        except (Exception, SystemExit):
            state = SlotState.FAILED
            message = traceback_text()
        if self._interruption is not None:  # which the function has caught
            raise self._interruption.reason
        return self._evaluate(self._frozen, state, value, message)

    # --- the trial ---

    def _open_trial(self) -> history.FunctionTrial:
        """Open the trial in a study in memory, with the reports of its checkpoint."""
        seen = history.see(self.spec, self.number, self.trials)
        sampler: BaseSampler
        if self.fixed is None:
            pruner = PRUNERS[self.spec.pruner.name](**self.spec.pruner.options)
            sampler = make_function_sampler(self.spec, self.number, "again")
            if self.decided is not None:
                sampler = DecidedSampler(sampler, self.decided)
            self._known = _index(seen) if self.spec.pruner.name == "none" else {}
        else:
            pruner = optuna.pruners.NopPruner()
            sampler = FixedSampler(self.fixed)
            self._known = {}
        self._storage = history.CallStorage(
            history.frozen_trials(self.spec, seen),
            history.read_directions(self.spec),
            on_param=self._look_up,
            on_report=self._report,
        )
        study = CallStudy(STUDY, self._storage, sampler=sampler, pruner=pruner)
        saved = _Saved.read(self.checkpoint)
        self._inside = Inside(
            seed=self.seed, confirming=self.confirming, loaded=saved.data
        )
        self._inside.save = self._save
        self._reports: dict[int, float] = {}
        template = history.open_trial(self.enqueued, self.decided)
        self._storage.create_new_trial(self._storage.study_id, template)
        trial = history.FunctionTrial(study, self.number)
        for step, value in saved.reports.items():
            trial.report(value, step)
        for key, attr in saved.attrs.items():
            self._storage.set_trial_system_attr(self.number, key, attr)
        return trial

    @property
    def suggestion(self) -> Suggestion:
        """The parameters that the function has asked for so far."""
        return history.write_suggestion(self._frozen)

    @property
    def _frozen(self) -> FrozenTrial:
        return self._storage.get_trial(self.number)  # numbers are ids there

    def _look_up(self, trial: FrozenTrial) -> None:
        """Leave the function if an earlier trial had just these parameters.

        Raises:
            ValueError: an enqueued parameter is outside of its range.
        """
        for name in trial.params.keys() & self.enqueued.keys():
            distribution = trial.distributions[name]
            if not contains(distribution, trial.params[name]):
                raise ValueError(
                    f"enqueued {name}={trial.params[name]!r} is outside of what the"
                    f" function asks for, {distribution}. Enqueue another value."
                )
        if not self._known:
            return
        own = history.write_suggestion(trial)
        number = self._known.get(own.key)
        if number is not None:
            self._interrupt(SameParametersError(number, own))

    def _report(self, step: int, value: float) -> None:
        if not math.isnan(value):
            self._reports[step] = _clip(value)
        try:
            self.on_report(step, value)
        except InterruptionError as error:
            self._interruption = error
            raise

    def _interrupt(self, reason: Exception) -> None:
        self._interruption = InterruptionError(reason)
        raise self._interruption

    def _save(self, data: bytes) -> None:
        attrs = self._frozen.system_attrs
        self.on_save(_Saved(data=data, reports=self._reports, attrs=attrs).write())

    # --- the result ---

    def _evaluate(
        self, trial: FrozenTrial, state: SlotState, value: Any, message: str | None
    ) -> Evaluation:
        values: tuple[float, ...] = ()
        if state == SlotState.COMPLETE:
            values, message = _read_values(value, len(self.spec.directions or ()))
            if message is not None:
                state = SlotState.FAILED
        elif state == SlotState.PRUNED and self._reports:
            values = (self._reports[max(self._reports)],)
        plain = {key: _plain(attr) for key, attr in trial.user_attrs.items()}
        return Evaluation(
            state=state,
            values=values,
            suggestion=history.write_suggestion(trial),
            reports=self._reports,
            facts=facts.user_info(plain),
            asked_confirming=self._inside.asked_confirming,
            asked_to_prune=self._trial.asked_to_prune,
            message=message,
        )


class CallStudy(optuna.Study):
    """The study that the function sees as ``trial.study``."""

    def stop(self) -> None:
        """Pass over the request to stop: how many trials run is not for one to say,
        since others run at the same time."""
        _log.warning("Study.stop() is passed over. Use [stop], --trials or --timeout.")


def _index(seen: Sequence[Past]) -> dict[str, int]:
    """Return the numbers of complete trials by their parameters, the first of each."""
    numbers: dict[str, int] = {}
    for number, past in enumerate(seen):
        if past.state == SlotState.COMPLETE and past.suggestion.params:
            numbers.setdefault(past.suggestion.key, number)
    return numbers


class FixedSampler(BaseSampler):
    """Gives a trial the parameters of another one."""

    def __init__(self, suggestion: Suggestion) -> None:
        """Take the parameters."""
        self._params = history.internal_params(suggestion)
        self._values = suggestion.params

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return nothing: each parameter stands for itself."""
        return {}

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Return nothing, likewise."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the parameter of that trial.

        Raises:
            ValueError: that trial lacks it.
        """
        if param_name not in self._params:
            raise ValueError(
                f"the function asks for {param_name!r} under another seed, but not in"
                " the search. Let the parameters that it asks for depend on other"
                " parameters alone."
            )
        if isinstance(param_distribution, CategoricalDistribution):
            return self._choose(param_name, param_distribution.choices)
        return param_distribution.to_external_repr(self._params[param_name])

    def _choose(self, name: str, choices: Sequence[Any]) -> Any:
        """Return the choice of that trial; of a list or tuple, which JSON does not tell
        apart, the one with the same elements.

        Raises:
            ValueError: there is no such choice.
        """
        value = self._values[name]
        for choice in choices:
            if choice == value or _elements(choice) == _elements(value):
                return choice
        raise ValueError(
            f"the trial has {name}={value!r}, but the function offers"
            f" {', '.join(map(repr, choices))}. Give the function that made the trial."
        )


def _elements(choice: Any) -> Any:
    """Return the text of a list or tuple without its brackets; another choice as it
    is."""
    if isinstance(choice, str) and choice[:1] + choice[-1:] in ("[]", "()"):
        return choice[1:-1].rstrip(",")
    return choice


@dataclass(frozen=True, kw_only=True)
class _Saved:
    """A checkpoint with what Optuna knows of the trial at that moment."""

    data: bytes | None = None
    """What the function saved."""
    reports: Mapping[int, float] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    """The pruner's notes."""

    def write(self) -> bytes:
        """Return it as bytes, which ``read`` takes: a line of JSON, then the data."""
        head = {"reports": list(self.reports.items()), "attrs": dict(self.attrs)}
        return json.dumps(head).encode() + b"\n" + (self.data or b"")

    @classmethod
    def read(cls, saved: bytes | None) -> _Saved:
        """Return a written checkpoint; an empty one without bytes."""
        if saved is None:
            return cls()
        head, _, data = saved.partition(b"\n")
        known = json.loads(head)
        reports = {int(step): float(value) for step, value in known["reports"]}
        return cls(data=data, reports=reports, attrs=known["attrs"])


@contextmanager
def _ending_forks() -> Iterator[None]:
    """End a process that the function has forked, and that would go on as the worker
    does."""
    worker = os.getpid()
    status = 0
    try:
        yield
    except SystemExit as error:
        status = int(error.code is not None)
        if isinstance(error.code, int):
            status = error.code
        raise
    except BaseException:
        status = 1
        raise
    finally:
        if os.getpid() != worker:
            sys.stdout.flush()
            os._exit(status)


def _read_values(value: Any, n: int) -> tuple[tuple[float, ...], str | None]:
    """Return what a function returned as floats, or why it is no result."""
    several = value
    if not isinstance(value, Sequence) or isinstance(value, str):
        several = [value]
    if len(several) != n:
        return (), (
            f"the function returned {len(several)} values, but the study has {n}"
            " directions. Give one for each: --direction minimize --direction maximize."
        )
    floats = []
    for one in several:
        try:
            number = float(one)
        except (TypeError, ValueError):
            return (), f"the function returned {one!r}, which is no number."
        if math.isnan(number):
            return (), "the function returned NaN."
        floats.append(_clip(number))
    return tuple(floats), None


def _clip(value: float) -> float:
    return max(-MAX_SCORE, min(MAX_SCORE, value))


def _plain(value: Any) -> Any:
    """Return a number of NumPy as one of Python."""
    if isinstance(value, np.generic):
        return value.item()
    return value
