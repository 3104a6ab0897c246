"""A finished study of Optuna as one of ours: its finished trials become slots."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    distribution_to_json,
)
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hpo.contract import MAX_SCORE, clip_score, facts
from hpo.errors import StudyError
from hpo.functions import as_texts
from hpo.ledger.optuna_source import OptunaStudy
from hpo.study import file, functions
from hpo.study.ask_and_tell import add_sd
from hpo.study.networks import Member
from hpo.study.spec import IMPORTED, StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import (
    Past,
    Phase,
    SlotState,
    Step,
    StudySnapshot,
    StudyState,
    Suggestion,
    Trial,
)

_STATES = {
    TrialState.COMPLETE: SlotState.COMPLETE,
    TrialState.PRUNED: SlotState.PRUNED,
    TrialState.FAIL: SlotState.FAILED,
}
_UNKNOWN_SEED = -1
_LAST_STEP = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class FinishedTrial:
    """A finished trial of Optuna as one of ours."""

    trial: Trial
    suggestion: Suggestion
    original: FrozenTrial

    @property
    def past(self) -> Past:
        """The trial as the surrogate sees it."""
        return Past(
            suggestion=self.suggestion, state=self.trial.state, score=self.trial.score
        )


@dataclass(frozen=True, kw_only=True)
class FinishedStudy:
    """A study of Optuna as one of ours."""

    spec: StudySpec
    source: OptunaStudy
    trials: Sequence[FinishedTrial]
    """Its finished trials, numbered from 0."""

    @property
    def states(self) -> Counter[str]:
        """Number of its trials per state."""
        return Counter(str(own.trial.state) for own in self.trials)

    @property
    def left_out(self) -> int:
        """Number of its trials that run or wait."""
        return len(self.source.trials) - len(self.trials)

    def snapshot(self) -> StudySnapshot:
        """Return the study as views take it, without the database."""
        from hpo.search.surrogate import predict_scores  # a slow import

        posterior = {}
        if self.spec.ranks_by_mean:
            posterior = predict_scores(self.spec, [own.past for own in self.trials])
        return StudySnapshot(
            spec=self.spec,
            state=StudyState.DONE,
            reason=None,
            created_at=min(own.trial.started_at for own in self.trials),
            now=datetime.now(UTC),
            search=tuple(own.trial for own in self.trials),
            foreign_trials=self.left_out,
            posterior=posterior,
        )


def finish(source: OptunaStudy, name: str | None = None) -> FinishedStudy:
    """Return a study of Optuna as one of ours, perhaps under another name.

    Raises:
        StudyError: no trial is finished, or one cannot be stored.
        SpecError: the name is none that we store, or it has too many trials.
    """
    finished = [trial for trial in source.trials if trial.state in _STATES]
    where = f"{source.place}: study {source.name!r}"
    if not finished:
        raise StudyError(f"{where}: no trial is finished yet.")
    metrics = _metrics(source, finished)
    tree: dict[str, Any] = {
        "name": name or source.name,
        "description": f"study {source.name} of Optuna",
        "objective": IMPORTED,
        "directions": [_direction(one) for one in source.directions],
        "budget": {"trials": len(finished)},
        "confirm": False,
    }
    if metrics:
        tree["metrics"] = metrics
    spec = file.describe_imported(tree, where)
    trials = [
        _finish_trial(spec, number, trial, where)
        for number, trial in enumerate(finished)
    ]
    functions.attach(spec, [own.suggestion for own in trials])
    return FinishedStudy(spec=spec, source=source, trials=trials)


def _direction(direction: StudyDirection) -> str:
    return "maximize" if direction == StudyDirection.MAXIMIZE else "minimize"


def _metrics(source: OptunaStudy, finished: Sequence[FrozenTrial]) -> list[str]:
    """Return the names of the values, if each has its own; an accuracy in per cent is
    none that we call so."""
    names = source.metrics
    if len(set(names)) != len(source.directions):
        return []
    if names[0] == "accuracy":
        scores = [trial.values[0] for trial in finished if trial.values]
        if not all(0.0 <= score <= 1.0 for score in scores):
            names[0] = "accuracy_value"
    return names


# --- trials ---


def _finish_trial(
    spec: StudySpec, number: int, original: FrozenTrial, where: str
) -> FinishedTrial:
    state = _STATES[original.state]
    steps = _steps(original, f"{where}: trial {original.number}")
    suggestion = _suggestion(original)
    started_at = _aware(original.datetime_start or original.datetime_complete)
    finished_at = _aware(original.datetime_complete or original.datetime_start)
    score = None
    costs: list[float] = []
    members: tuple[Member, ...] = ()
    message = None
    if state == SlotState.COMPLETE:
        score, *costs = spec.change_signs([clip_score(one) for one in original.values])
        seconds = max(0.0, (finished_at - started_at).total_seconds())
        members = (_member(spec, original, steps, (score, costs, seconds)),)
    elif state == SlotState.PRUNED:
        message = "pruned"
        if steps:
            score = steps[-1].score
            message = f"pruned after step {steps[-1].epoch}"
    else:
        message = str(original.system_attrs.get("fail_reason", "failed in Optuna"))
    trial = Trial(
        phase=Phase.SEARCH,
        number=number,
        source=None,
        state=state,
        params=suggestion.params,
        score=score,
        costs=tuple(costs),
        steps=steps,
        members=members,
        attempts=1,
        losses=0,
        worker=None,
        started_at=started_at,
        finished_at=finished_at,
        message=message,
        lineage={"optuna_trial": original.number},
    )
    return FinishedTrial(trial=trial, suggestion=suggestion, original=original)


def _member(
    spec: StudySpec,
    original: FrozenTrial,
    steps: Sequence[Step],
    result: tuple[float, Sequence[float], float],
) -> Member:
    """Return what a complete trial measured; ``result`` is its score, its costs and its
    seconds."""
    score, costs, seconds = result
    info = facts.user_info(original.user_attrs)
    return Member(
        member=0,
        seed=_UNKNOWN_SEED,
        score=score,
        epochs=steps[-1].epoch if steps else 0,
        curve=tuple(step.score for step in steps),
        scored_at=tuple(step.epoch for step in steps),
        loss_curve=(),
        diverged=False,
        info={**info, **spec.named_costs(costs)},
        seconds=seconds,
    )


def _steps(original: FrozenTrial, where: str) -> tuple[Step, ...]:
    """Return the reported values in order, without NaN."""
    steps = []
    for number, value in sorted(original.intermediate_values.items()):
        if number > _LAST_STEP:
            raise StudyError(f"{where}: step {number} is above {_LAST_STEP:,}.")
        if not math.isnan(value):
            steps.append(Step(0, number, clip_score(value)))
    return tuple(steps)


def _aware(moment: datetime | None) -> datetime:
    """Return a time of Optuna, which is local time."""
    return (moment or datetime.now(UTC)).astimezone(UTC)


def _suggestion(original: FrozenTrial) -> Suggestion:
    """Return parameters and distributions as they are stored; a choice that is no
    number, text or truth value, such as None or a list, as its text."""
    params: dict[str, ParamValue] = {}
    texts: dict[str, str] = {}
    for name, distribution in original.distributions.items():
        value = original.params[name]
        own: BaseDistribution = distribution
        if isinstance(distribution, CategoricalDistribution):
            choices = as_texts(distribution.choices)
            value = choices[int(distribution.to_internal_repr(value))]
            own = CategoricalDistribution(choices)
        params[name] = value
        texts[name] = distribution_to_json(own)
    return Suggestion.of_function(params, texts, add_sd({}, _told_sd(original)))


def _told_sd(original: FrozenTrial) -> float | None:
    """Return the standard deviation of a value, if the user has stored one with the
    trial."""
    sd = original.user_attrs.get(facts.VALUE_SD)
    if isinstance(sd, bool) or not isinstance(sd, int | float):
        return None
    if original.state != TrialState.COMPLETE or not 0.0 <= sd <= MAX_SCORE:
        return None
    return float(sd)
