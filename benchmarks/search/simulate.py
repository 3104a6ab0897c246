"""One search in a world: the service's own decisions, and what they cost.

A world tells what networks do at a point of the space: the surrogate at once, ``real.Real`` by
training them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from benchmarks.search.surrogate import Array
from benchmarks.waiting import simulate as scheduled
from hpo.search import seeds
from hpo.search.pruning import EndedError, TrialProgress
from hpo.search.suggest import suggest
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState, Suggestion

WORKERS = 2
EPOCH_S = (0.0065, 3.7e-6)
"""Seconds of an epoch: of itself, and of every synapse; by eye from three measured networks."""
TRIAL_S = 0.03
"""Seconds of a trial besides: the database, the data, the network."""
_DENSITIES = {"density_inter": 32 + 2 * 32**2, "density_intra": 3 * 32**2}
_READOUT = 320


Params = Mapping[str, Any]


class World(Protocol):
    """Where searches are run."""

    def train(
        self, spec: StudySpec, params: Params, seed: int, tell: Callable[[float], None]
    ) -> float:
        """Train a network for ``budget.epochs``, telling its accuracy after each; the last one.

        What ``tell`` raises ends the training.
        """

    def true(self, params: Params) -> float:
        """Expected accuracy of a confirmation; NaN if this is to be found out afterwards."""

    def expected(self, params: Params, epochs: int) -> float:
        """Expected score of a network after so many epochs; NaN if nobody knows."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """The search has another best trial."""

    trial: int
    epochs: int
    """Trained until then, this trial's own included."""
    seconds: float
    """When its trial ended, with two workers."""
    claimed: float
    """Its score in the search."""
    true: float
    """Expected accuracy of its confirmation."""
    expected: float
    """What it would score with other seeds: ``claimed`` without the luck."""
    params: Params = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Search:
    """A whole search."""

    steps: list[Step]
    trials: int
    complete: int
    epochs: int
    seconds: float
    suggestion_s: float
    """Of them, of one worker: to suggest."""


@dataclass(kw_only=True)
class _Trial:
    past: Past
    epochs: int
    seconds: float
    true: float
    expected: float


def run(spec: StudySpec, world: World, epochs: int) -> Search:
    """Run a study on the surrogate until ``epochs`` are trained.

    Args:
        spec: the study; its seed is the repetition's. Its number of trials does not matter.
        world: outcomes.
        epochs: the budget, over all members and trials; the trial that exceeds it is the last.
    """
    trials: list[_Trial] = []
    past: list[Past] = []
    spent, suggested_s = 0, 0.0
    while spent < epochs:
        began = time.process_time()
        own = suggest(spec, len(past), past)
        thought_s = time.process_time() - began
        trial = _train(spec, world, len(past), past, own)
        trial.seconds += thought_s
        suggested_s += thought_s
        spent += trial.epochs
        trials.append(trial)
        past.append(trial.past)
    ends = [
        turn.ended
        for turn in scheduled([t.seconds for t in trials], spec.budget.window, [0.0] * WORKERS)
    ]
    return Search(
        steps=_steps(trials, ends),
        trials=len(trials),
        complete=sum(t.past.state == SlotState.COMPLETE for t in trials),
        epochs=spent,
        seconds=max(ends),
        suggestion_s=suggested_s,
    )


def _train(
    spec: StudySpec, world: World, number: int, past: Sequence[Past], own: Suggestion
) -> _Trial:
    """What ``hpo.worker.trial`` does with a slot, in a world."""
    course = TrialProgress(spec, number, past, own)
    scores: list[float] = []
    spent = 0

    def tell(accuracy: float) -> None:
        nonlocal spent
        spent += 1
        course.epoch(len(scores), accuracy)

    try:
        for index in range(spec.budget.members):
            seed = seeds.derive(spec.seed, "member", index)
            scores.append(world.train(spec, own.params, seed, tell))
            course.networks(scores)
        state, score = SlotState.COMPLETE, statistics.fmean(scores)
    except EndedError:
        state, score = SlotState.PRUNED, course.early_score(scores)
    return _Trial(
        past=Past(
            suggestion=Suggestion(params=own.params, attrs={**own.attrs, **course.attrs}),
            state=state,
            score=score,
            steps=tuple(course.steps),
        ),
        epochs=spent,
        seconds=TRIAL_S + spent * _epoch_s(own.params),
        true=world.true(own.params),
        expected=world.expected(own.params, spec.budget.epochs),
    )


def _epoch_s(params: Params) -> float:
    """Seconds of an epoch."""
    synapses = _READOUT + sum(n * float(params[name]) for name, n in _DENSITIES.items())
    return EPOCH_S[0] + EPOCH_S[1] * synapses


def _steps(trials: Sequence[_Trial], ends: Sequence[float]) -> list[Step]:
    """The best trials, one after the other, in the order in which trials ended."""
    steps: list[Step] = []
    order = sorted(range(len(trials)), key=lambda k: ends[k])
    spent = 0
    for k in order:
        trial = trials[k]
        spent += trial.epochs
        if trial.past.state != SlotState.COMPLETE:
            continue
        claimed = trial.past.score or 0.0
        if steps and claimed <= steps[-1].claimed:
            continue
        steps.append(
            Step(
                trial=k,
                epochs=spent,
                seconds=ends[k],
                claimed=claimed,
                true=trial.true,
                expected=trial.expected,
                params=trial.past.suggestion.params,
            )
        )
    return steps


def value_at(steps: Sequence[Step], at: Array, key: str = "epochs", what: str = "true") -> Array:
    """True (or claimed) accuracy of the incumbent after so many epochs (or seconds); 0.1 before.

    Args:
        steps: of one search.
        at: epochs or seconds, (n,).
        key: ``epochs`` or ``seconds``.
        what: ``true`` or ``claimed``.
    """
    values = np.array([0.1] + [getattr(step, what) for step in steps])
    return values[np.searchsorted([getattr(step, key) for step in steps], at, side="right")]


def passes(steps: Sequence[Step], level: float, key: str, *, for_good: bool = False) -> float:
    """When the incumbent's true accuracy passes a level: first, or for good; infinite if never."""
    above = [step.true >= level for step in steps]
    if for_good:
        below = [k for k, good in enumerate(above) if not good]
        k = below[-1] + 1 if below else 0
    else:
        k = above.index(True) if True in above else len(above)
    return float(getattr(steps[k], key)) if k < len(steps) else float("inf")
