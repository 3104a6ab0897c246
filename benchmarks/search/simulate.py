"""One search in a world: the service's own decisions, and what they cost.

A world tells what networks do at a point of the space: the surrogate at once,
``real.Real`` by training them.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from benchmarks.search.surrogate import Array
from hpo.search.pruning import EndedError, TrialProgress
from hpo.search.suggest import suggest
from hpo.search.surrogate import predict_scores
from hpo.study.seeds import derive_seed
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState, Suggestion

Params = Mapping[str, Any]

EARLY = 50
"""Trials after which a search is to have learned."""


class World(Protocol):
    """Where searches are run."""

    @property
    def good(self) -> float:
        """True accuracy from which a point counts as good."""

    def train(
        self,
        spec: StudySpec,
        params: Params,
        seed: int,
        tell: Callable[[float | None], None],
    ) -> float:
        """Train a network for ``budget.epochs``, and return what a trial counts by.

        ``tell`` hears of every epoch: the accuracy, or None after one that
        ``score_every`` leaves out. What it raises ends the training.
        """

    def true(self, params: Params) -> float:
        """Expected accuracy of a confirmation; NaN if this is to be found out
        afterwards."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """The search has another best trial, or claims something else of it."""

    trial: int
    epochs: int
    """Trained until then, all networks together."""
    claimed: float
    """Its score in the search."""
    true: float
    """Expected accuracy of its confirmation."""
    params: Params = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Search:
    """A whole search."""

    steps: list[Step]
    trials: int
    complete: int
    good: float
    """Share of the suggestions after the first ``EARLY`` that are truly good; NaN
    without any."""
    lost: float
    """Share of the truly best tenth of all suggestions that was pruned."""
    suggestion_s: float
    """Processor time of all suggestions, in seconds."""


@dataclass(kw_only=True)
class Trial:
    """A trial of a search."""

    past: Past
    epochs: int
    """Of all its networks."""
    true: float
    suggestion_s: float = 0.0
    """Processor time of its suggestion, in seconds."""


def run(spec: StudySpec, world: World, epochs: int) -> Search:
    """Run a study until ``epochs`` are trained.

    Args:
        spec: the study; its seed is the repetition's. Its number of trials does not
            matter.
        world: outcomes.
        epochs: the budget, over all members and trials; the trial that exceeds it is
            the last.
    """
    trials = run_trials(spec, world, epochs)
    complete = [trial.past.state == SlotState.COMPLETE for trial in trials]
    true = np.array([trial.true for trial in trials])
    late = true[EARLY:]
    best = np.argsort(-true, kind="stable")[: math.ceil(len(true) / 10)]
    return Search(
        steps=_steps(spec, trials),
        trials=len(trials),
        complete=sum(complete),
        good=float((late >= world.good).mean()) if len(late) else math.nan,
        lost=float(1.0 - np.array(complete)[best].mean()),
        suggestion_s=sum(trial.suggestion_s for trial in trials),
    )


def run_trials(spec: StudySpec, world: World, epochs: int) -> list[Trial]:
    """Run the trials of a study until ``epochs`` are trained; see ``run``."""
    trials: list[Trial] = []
    past: list[Past] = []
    spent = 0
    while spent < epochs:
        began = time.process_time()
        own = suggest(spec, len(past), past)
        suggestion_s = time.process_time() - began
        trial = _train(spec, world, len(past), past, own)
        trial.suggestion_s = suggestion_s
        spent += trial.epochs
        trials.append(trial)
        past.append(trial.past)
    return trials


def _train(
    spec: StudySpec, world: World, number: int, past: Sequence[Past], own: Suggestion
) -> Trial:
    """What ``hpo.worker.trial`` does with a slot, in a world."""
    course = TrialProgress(spec, number, past, own)
    scores: list[float] = []
    spent = 0

    def tell(accuracy: float | None) -> None:
        nonlocal spent
        spent += 1
        epoch = spent - len(scores) * spec.budget.epochs
        course.report_epoch(len(scores), epoch, accuracy)

    try:
        for index in range(spec.budget.seeds):
            seed = derive_seed(spec.seed, "member", index)
            scores.append(world.train(spec, own.params, seed, tell))
            course.report_networks(scores, spec.budget.epochs)
        state = SlotState.COMPLETE
        score = statistics.fmean(scores)
    except EndedError:
        state = SlotState.PRUNED
        score = course.steps[-1].score
    return Trial(
        past=Past(
            suggestion=Suggestion(
                params=own.params, attrs={**own.attrs, **course.attrs}
            ),
            state=state,
            score=score,
            steps=tuple(course.steps),
        ),
        epochs=spent,
        true=world.true(own.params),
    )


def _steps(spec: StudySpec, trials: Sequence[Trial]) -> list[Step]:
    """The best trials, one after the other, by number, and the claim in the end."""
    steps: list[Step] = []
    spent = 0
    past = [trial.past for trial in trials]
    claims: dict[int, float] = {}
    for number, trial in enumerate(trials):
        spent += trial.epochs
        if spec.ranks_by_mean:
            known = predict_scores(spec, past[: number + 1])
            claims = {of: own.mean for of, own in known.items()}
        elif trial.past.state == SlotState.COMPLETE:
            claims[number] = trial.past.score or 0.0
        best = max(claims, key=claims.__getitem__, default=None)
        if best is None:
            continue
        over = number == len(trials) - 1
        if (
            steps
            and steps[-1].trial == best
            and (not over or steps[-1].claimed == claims[best])
        ):
            continue
        steps.append(
            Step(
                trial=best,
                epochs=spent,
                claimed=claims[best],
                true=trials[best].true,
                params=past[best].suggestion.params,
            )
        )
    return steps


def value_at(steps: Sequence[Step], at: Array) -> Array:
    """Return the true accuracy of the incumbent after ``epochs``, (n,); 0.1 before the
    first."""
    values = np.array([0.1] + [step.true for step in steps])
    return values[np.searchsorted([step.epochs for step in steps], at, side="right")]


def passes(steps: Sequence[Step], level: float) -> float:
    """Epochs until the incumbent's true accuracy first passes a level; infinite if
    never."""
    return next((float(step.epochs) for step in steps if step.true >= level), math.inf)
