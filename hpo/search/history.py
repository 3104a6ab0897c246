"""What a trial sees of earlier ones: a storage of Optuna in memory, with one trial that is open.

Whether that is enough to end the search is told here, too (``[stop]``).
A trial is opened unless what the window lets it see says that the search is over: trials up to
``number - window``. So the search ends before the same trial whoever runs it.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from operator import is_
from typing import Any, NoReturn

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState, create_trial

from hpo.search.space import directions, distributions, values
from hpo.study import effort
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState, Suggestion, sampler_attrs


def visible(spec: StudySpec, number: int, trials: Sequence[Past]) -> list[Past]:
    """The history that trial ``number`` may see: within the window, outcomes are hidden.

    Of ``trials`` 0 .. number-1, those up to ``number - window`` are settled.

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


def learns(spec: StudySpec) -> bool:
    """Whether trials depend on earlier ones at all: if not, there is no history to be read."""
    drawn = spec.sweep is not None or spec.sampler.name == "random"
    return not drawn or spec.pruner.name != "none" or spec.racing is not None


def view(spec: StudySpec, number: int, past: Sequence[Past], sampler: BaseSampler) -> optuna.Study:
    """A study in memory whose trials 0 .. number-1 are the past."""
    if len(past) != number:
        raise ValueError(f"trial {number} needs a history of {number} trials, got {len(past)}")
    storage = HistoryStorage(_memory(spec.hash).frozen(spec, past), directions(spec))
    pruner = optuna.pruners.NopPruner()
    return optuna.load_study(study_name=STUDY, storage=storage, sampler=sampler, pruner=pruner)


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
            made += [frozen(spec, space, k, past[k]) for k in range(same, len(past))]
            self._past, self._made = list(past), made
        return made


@lru_cache(maxsize=8)
def _memory(spec_hash: str) -> _Memory:
    return _Memory()


def frozen(
    spec: StudySpec, space: Mapping[str, BaseDistribution], number: int, trial: Past
) -> FrozenTrial:
    """An earlier trial as Optuna has it."""
    state = {
        SlotState.RUNNING: TrialState.RUNNING,
        SlotState.COMPLETE: TrialState.COMPLETE,
        SlotState.PRUNED: TrialState.PRUNED,
        SlotState.FAILED: TrialState.FAIL,
        SlotState.EXCLUDED: TrialState.FAIL,  # which samplers and pruners pass over
    }[trial.state]
    if state == TrialState.PRUNED and (spec.pruner.name == "wilcoxon" or spec.costs):
        # its mean so far is an unbiased score: see WilcoxonPruner. And Optuna's samplers of several
        # objectives know no pruned trials: see ``comparison.extrapolated``
        state = TrialState.COMPLETE
    params = trial.suggestion.params
    scored = state in (TrialState.COMPLETE, TrialState.PRUNED)
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=state,
        value=None,
        values=(values(trial.score, trial.costs) or None) if scored else None,
        datetime_start=EPOCH,
        datetime_complete=EPOCH if state.is_finished() else None,
        params={name: params[name] for name in sorted(params)},
        distributions={name: space[name] for name in sorted(params)},
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


STUDY = "history"
"""Name of the one study."""
EPOCH = datetime(2000, 1, 1)  # Optuna wants time stamps; decisions must not depend on them
_STUDY_ID = 0


class HistoryStorage(BaseStorage):
    """One study, whose trials 0 .. n-1 are never changed; trial n can be created and written to."""

    def __init__(self, trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection]) -> None:
        """Take the past as it is: ``trials`` with their numbers as ids, in order."""
        self._past, self._directions = trials, list(directions)
        self._attrs: dict[str, Any] = {}
        self._open: FrozenTrial | None = None
        self._of_state: dict[tuple[bool, ...], list[FrozenTrial]] = {}

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        """A decision must not leave traces, and the open trial is never told."""
        raise NotImplementedError

    create_new_study = delete_study = set_study_user_attr = set_trial_state_values = _refuse

    # --- the open trial --------------------------------------------------------------------

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Open the one trial that can be written to."""
        if self._open is not None:
            raise RuntimeError("a history has one open trial")
        number = len(self._past)
        trial = copy.deepcopy(template_trial) or create_trial(state=TrialState.RUNNING)
        trial.number = trial._trial_id = number
        trial.datetime_start = EPOCH
        self._open = trial
        return number

    def _written(self, trial_id: int) -> FrozenTrial:
        """A new copy of the open trial: pruners rely on what they were given to stay as it was."""
        if self._open is None or trial_id != self._open.number:
            raise RuntimeError(f"trial {trial_id} is past, and cannot be changed")
        trial = self._open = copy.copy(self._open)
        for name in "params", "distributions", "intermediate_values", "user_attrs", "system_attrs":
            setattr(trial, name, dict(getattr(trial, name)))
        return trial

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        """See ``BaseStorage``."""
        trial = self._written(trial_id)
        trial.params[param_name] = distribution.to_external_repr(param_value_internal)
        trial.distributions[param_name] = distribution

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """See ``BaseStorage``."""
        self._written(trial_id).intermediate_values[step] = intermediate_value

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """See ``BaseStorage``."""
        self._written(trial_id).system_attrs[key] = value

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """See ``BaseStorage``."""
        self._written(trial_id).user_attrs[key] = value

    # --- reading ---------------------------------------------------------------------------

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """See ``BaseStorage``."""
        if self._open is not None and trial_id == self._open.number:
            return self._open
        return self._past[trial_id]

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """See ``BaseStorage``; which past trials are in which states is found out once."""
        wanted = tuple(states is None or state in states for state in TrialState)
        if wanted not in self._of_state:
            self._of_state[wanted] = [t for t in self._past if wanted[t.state.value]]
        found = self._of_state[wanted].copy()
        if self._open is not None and wanted[self._open.state.value]:
            found.append(self._open)
        return copy.deepcopy(found) if deepcopy else found

    def get_study_id_from_name(self, study_name: str) -> int:
        """See ``BaseStorage``."""
        return _STUDY_ID

    def get_study_name_from_id(self, study_id: int) -> str:
        """See ``BaseStorage``."""
        return STUDY

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """See ``BaseStorage``."""
        return self._directions

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """None: a history is its trials."""
        return {}

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """What was noted while this history is looked at: at first nothing."""
        return dict(self._attrs)

    def get_all_studies(self) -> list[FrozenStudy]:
        """See ``BaseStorage``."""
        attrs = dict(self._attrs)
        return [FrozenStudy(STUDY, None, {}, attrs, _STUDY_ID, directions=self._directions)]

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Note what was worked out (NSGA-II: parents), for as long as this object lives.

        It is forgotten with it: a decision leaves no trace for the next one.
        """
        self._attrs[key] = value


def why_over(spec: StudySpec, seen: Sequence[Past]) -> str | None:
    """Why no further trial is to be opened; None if the search goes on.

    What is ``seen`` are settled trials 0 .. number - window, for the trial ``number`` that would be
    next. Of their ``steps``, only how many there are matters.
    """
    stop = spec.stop
    if stop is None:
        return None
    spent = sum(
        effort.of_steps(spec, len(past.steps), complete=past.state == SlotState.COMPLETE)
        for past in seen
    )
    if stop.max_epochs is not None and spent >= stop.max_epochs:
        return f"stop.max_epochs = {stop.max_epochs}: {spent} epochs were trained"
    best = _best(spec, seen)
    if best is None:
        return None
    number, score = best
    if stop.target is not None and (
        score >= stop.target if spec.maximize else score <= stop.target
    ):
        return f"stop.target = {stop.target:g}: trial {number} has reached {score:.6g}"
    if stop.patience is not None and len(seen) - 1 - number >= stop.patience:
        return f"stop.patience = {stop.patience}: no trial was better than trial {number}"
    return None


def _best(spec: StudySpec, seen: Sequence[Past]) -> tuple[int, float] | None:
    """Number and score of the best complete trial; of equals the earlier one."""
    sign = -1.0 if spec.maximize else 1.0
    complete = [
        (sign * past.score, number)
        for number, past in enumerate(seen)
        if past.state == SlotState.COMPLETE and past.score is not None
    ]
    if not complete:
        return None
    score, number = min(complete)
    return number, sign * score
