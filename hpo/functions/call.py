"""One call of a function with a trial, and what it gave."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from hpo.contract import (
    ExitedError,
    UnavailableError,
    calling,
    clip_score,
    explain_broken_host,
    facts,
    is_out_of_memory,
)
from hpo.errors import traceback_text
from hpo.functions import history, inside
from hpo.functions.evaluation import Evaluation, list_values, plain, read_values
from hpo.functions.inside import Inside
from hpo.functions.samplers import DecidedSampler, FixedSampler
from hpo.functions.saved import Saved
from hpo.script import Source
from hpo.search.history import quiet
from hpo.search.optuna_adapter import STUDY
from hpo.search.pruners import PRUNERS
from hpo.search.suggest import make_sampler_while_running
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


@dataclass(kw_only=True)
class Call:
    """One call of a function."""

    spec: StudySpec
    number: int
    """Number of the trial, as the function sees it."""
    seed: int
    """Seed of the call, from 0 to 2**31 - 1."""
    trials: Sequence[Past] = ()
    """Trials 0 .. number-1, of which those within the window are finished."""
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
    _interruption: InterruptionError | None = field(default=None, init=False)
    """Why to leave the function, which may have caught it."""
    _known: Mapping[str, int] = field(default_factory=dict, init=False)
    """Numbers of complete trials by their parameters."""
    _reports: dict[int, float] = field(default_factory=dict, init=False)

    def run(self) -> Evaluation:
        """Call the function.

        Raises:
            SameParametersError: an earlier trial had the same parameters.
            Exception: the reason of an ``InterruptionError``.
            SpecError: the script cannot be imported.
            MemoryError: this host has too little memory.
            UnavailableError: an import or a disk fails on this host.
            ExitedError: the function tried to end the process, other than by
                ``sys.exit``, which fails the trial.
        """
        function = self.spec.script.load()
        state = SlotState.COMPLETE
        value: Any = None
        message = None
        try:
            with quiet():
                trial = self._open_trial()
            self._trial = trial
            inside.enter(trial, self._inside)
            script = self.spec.script
            with script.as_called(self.seed), calling(str(script.path)):
                value = function(trial)
        except InterruptionError as error:
            raise error.reason from None
        except optuna.TrialPruned:
            state = SlotState.PRUNED
        except ExitedError as error:
            if not isinstance(error.__cause__, SystemExit):
                raise
            state = SlotState.FAILED
            message = traceback_text()
        except Exception as error:
            if is_out_of_memory(error):
                raise MemoryError(str(error)) from error
            lacks = explain_broken_host(error)
            if lacks is not None:
                raise UnavailableError(lacks) from error
            state = SlotState.FAILED
            message = traceback_text()
            if isinstance(error, NameError):
                message = f"{message.rstrip()}{self._explain_name(error)}\n"
        if self._interruption is not None:  # which the function has caught
            raise self._interruption.reason
        return self._evaluate(self._frozen, state, value, message)

    def _explain_name(self, error: NameError) -> str:
        """Return why a name is missing, after the traceback; mostly empty."""
        script = self.spec.script.path
        if not Source(script).is_in_main(error.name or ""):
            return ""
        return (
            "; it is defined under `if __name__ == …`, which is not run. Move it above"
            " the function."
        )

    # --- the trial ---

    def _open_trial(self) -> history.FunctionTrial:
        """Open the trial in a study in memory, with the reports of its checkpoint."""
        seen = history.see(self.spec, self.number, self.trials)
        sampler: BaseSampler
        if self.fixed is None:
            pruner = PRUNERS[self.spec.pruner.name](**self.spec.pruner.options)
            sampler = make_sampler_while_running(self.spec, self.number)
            if self.decided is not None:
                sampler = DecidedSampler(sampler, self.decided)
            if self.spec.pruner.name == "none":
                self._known = _index(seen)
        else:
            pruner = optuna.pruners.NopPruner()
            sampler = FixedSampler(self.fixed)
        self._storage = history.CallStorage(
            history.frozen_trials(self.spec, seen),
            history.read_directions(self.spec),
            on_param=self._look_up,
            on_report=self._report,
        )
        study = CallStudy(STUDY, self._storage, sampler=sampler, pruner=pruner)
        saved = Saved.read(self.checkpoint)
        self._inside = Inside(
            seed=self.seed, confirming=self.confirming, loaded=saved.data
        )
        self._inside.save = self._save
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
        """Leave the function if an earlier trial had just these parameters."""
        if not self._known:
            return
        own = history.write_suggestion(trial)
        number = self._known.get(own.key)
        if number is not None:
            self._interrupt(SameParametersError(number, own))

    def _report(self, step: int, value: float) -> None:
        if not math.isnan(value):
            self._reports[step] = clip_score(value)
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
        self.on_save(Saved(data=data, reports=self._reports, attrs=attrs).write())

    # --- the result ---

    def _evaluate(
        self, trial: FrozenTrial, state: SlotState, value: Any, message: str | None
    ) -> Evaluation:
        values: tuple[float, ...] = ()
        n_returned = None
        if state == SlotState.COMPLETE:
            n_directions = len(self.spec.directions or ())
            if len(list_values(value)) != n_directions:
                n_returned = len(list_values(value))
            values, message = read_values(value, n_directions)
            if message is not None:
                state = SlotState.FAILED
        elif state == SlotState.PRUNED and self._reports:
            values = (self._reports[max(self._reports)],)
        attrs = {key: plain(attr) for key, attr in trial.user_attrs.items()}
        return Evaluation(
            state=state,
            values=values,
            suggestion=history.write_suggestion(trial),
            reports=self._reports,
            facts=facts.user_info(attrs),
            asked_confirming=self._inside.asked_confirming,
            asked_to_prune=self._trial.asked_to_prune,
            message=message,
            n_returned=n_returned,
        )


class CallStudy(optuna.Study):
    """The study that the function sees as ``trial.study``."""

    def optimize(self, *arguments: Any, **options: Any) -> None:
        """Refuse to optimise the study within one of its trials, as Optuna does.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError(
            "Nested invocation of `Study.optimize` method isn't allowed. Create a"
            " study of its own for an inner search."
        )

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
