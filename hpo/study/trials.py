"""The trials of a study, and what a study looks like at one moment: the one input of
every view.

A trial has a state, networks, and what suggestions see of it; a snapshot is read-only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple, Self

from hpo.contract import Baseline
from hpo.study.networks import Member, Networks
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue

MAX_LOSSES = 10
"""A slot that loses so many workers in a row stops its study: it may be what kills
them.

Only losses count that nothing else explains (``ledger.writing.was_alone``); and a
stored member or checkpoint begins the count anew: a long trial on hosts that come and
go is lost often, but never at the same place.
"""


MANY = 2_000
"""A report of a search of more trials draws some of them."""

FIXED_PARAMS = "fixed_params"
"""The attribute of a trial that holds what ``hpo enqueue`` gave it, as Optuna's
``enqueue_trial`` names it."""
DECIDED = "hpo:decided"
"""The attribute of a function's trial that holds what was decided before it ran:
parameters, distributions and the sampler's notes."""
DISTRIBUTIONS = "hpo:distributions"
"""The attribute of a function's trial that holds the distributions of its
parameters."""


RETURNED = "returned_values"
"""The key of a failed trial's lineage that holds how many values its function returned,
if the study has another number of directions."""
VALUE_SD = "hpo:value_sd"
"""The attribute of a trial that holds the standard deviation of its value, if somebody
told it."""


class Phase(StrEnum):
    """What a slot is for."""

    SEARCH = "search"
    CONFIRM = "confirm"


class SlotState(StrEnum):
    """Where a slot stands."""

    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"
    EXCLUDED = "excluded"
    """A result that somebody has taken out of the search (``hpo exclude``)."""

    @property
    def is_finished(self) -> bool:
        """Whether it is final: all but RUNNING are."""
        return self != SlotState.RUNNING

    @property
    def is_scored(self) -> bool:
        """Whether the slot has a score that counts: COMPLETE, or PRUNED."""
        return self in (SlotState.COMPLETE, SlotState.PRUNED)


class Judged:
    """A trial, as far as it is judged."""

    state: SlotState
    score: float | None

    @property
    def can_be_best(self) -> bool:
        """Whether it can be the best of a search: it is complete, with a score."""
        return self.state == SlotState.COMPLETE and self.score is not None


def slot_name(number: int, source: int | None, fresh_seeds: int | None) -> str:
    """What a slot is called in every view: its trial, and of a confirmation which seed.

    ``source`` is the trial that a confirmation retrains; ``fresh_seeds`` is
    ``confirm.networks``.

    Examples:
        >>> slot_name(12, None, 10), slot_name(72, 7, 10)
        ('trial 12', 'trial 7, fresh seed 3 of 10')
    """
    if source is None or fresh_seeds is None:
        return f"trial {number}"
    return f"trial {source}, fresh seed {number % fresh_seeds + 1} of {fresh_seeds}"


class Step(NamedTuple):
    """A score that a trial reported, as pruners see it."""

    network: int
    """The network in training, from 0."""
    epoch: int
    """Epochs that it had finished; 0 of an objective that reports none."""
    score: float
    """Of the first network its own score; later the mean over all networks so far."""

    @property
    def place(self) -> tuple[int, int]:
        """What the step is compared with: that of equal ``place`` in other trials.

        That is the same epoch of the first network, or the same number of networks.
        """
        return self.network, 0 if self.network else self.epoch


def read_steps(stored: Iterable[Sequence[Any]]) -> tuple[Step, ...]:
    """Return steps from what the database holds."""
    return tuple(map(Step._make, stored))


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """The score that is expected of another network of a configuration, from all that
    is known."""

    mean: float
    std: float
    """How well the mean is known; it counts the sampling of the scored examples, if
    their number (``n_scored`` in ``Outcome.info``) is known and the score is an
    accuracy."""


@dataclass(frozen=True, kw_only=True)
class Amendment:
    """What somebody changed about a finished slot, by hand."""

    what: Literal["retry", "exclude"]
    since: int
    """The first trial whose suggestion knows of it: those before saw the outcome
    below."""
    at: str
    """When, in UTC, as ISO 8601."""
    host: str
    state: SlotState
    """How the slot had ended before; so for the rest."""
    score: float | None
    steps: tuple[Step, ...]
    attrs: Mapping[str, Any]
    """The sampler's and pruner's memory."""
    message: str | None
    costs: tuple[float, ...] = ()

    def stored(self) -> dict[str, Any]:
        """Return the JSON form for the database; ``restore`` inverts it.

        One cost is a number, as before there were several, and none is left out, as
        before any.
        """
        stored = asdict(self)
        costs = stored.pop("costs")
        if len(costs) == 1:
            stored["cost"] = costs[0]
        elif costs:
            stored["cost"] = list(costs)
        return stored

    @classmethod
    def restore(cls, stored: Mapping[str, Any]) -> Self:
        """Make an amendment from what the database holds."""
        facts = dict(stored)
        cost = facts.pop("cost", [])
        if not isinstance(cost, list):
            cost = [cost]
        facts["costs"] = tuple(cost)
        facts["state"] = SlotState(stored["state"])
        facts["steps"] = read_steps(stored["steps"])
        return cls(**facts)


@dataclass(frozen=True, kw_only=True)
class Trial(Networks, Judged):
    """One slot: a search trial with Optuna's number, or one confirmation training."""

    phase: Phase
    number: int
    """Trial number from 0; of a confirmation: see ``Confirm.numbers``."""
    source: int | None
    """The search trial that a confirmation retrains; None in the search."""
    state: SlotState
    params: Mapping[str, ParamValue]
    """Suggested parameters; empty until they are suggested."""
    score: float | None
    """Mean over the members that were trained; None while running or failed."""
    costs: tuple[float, ...] = ()
    """Likewise of what ``[cost]`` names, of a complete or pruned slot; empty without
    costs."""
    steps: tuple[Step, ...] = field(repr=False)
    """What it reported to the pruner, in order."""
    members: tuple[Member, ...] = field(repr=False)
    attempts: int
    """How often it was claimed: 1 unless a worker was lost or stopped."""
    losses: int
    """How many workers died or vanished while holding it."""
    is_stuck: bool = False
    """Whether it has lost so many workers that the study was stopped: it may be what
    kills them."""
    worker: str | None
    """Name of the worker that holds or finished it."""
    held: bool = False
    """Whether a worker is at work on it: a running slot without one waits for the
    next."""
    started_at: datetime
    finished_at: datetime | None
    message: str | None
    """Why it failed, was pruned or excluded."""
    lineage: Mapping[str, Any] = field(repr=False)
    """Spec hash, source revision, versions, host, CPU, worker, seconds."""
    enqueued: Mapping[str, ParamValue] = field(default_factory=dict)
    """The parameters that somebody gave it by hand (``hpo enqueue``); empty of any
    other trial."""
    amendments: tuple[Amendment, ...] = ()
    """How often, when and from which trial on it was retried or excluded."""
    alike: int = 1
    """Number of trials that it stands for in a list of studies: itself, and others
    alike."""

    @property
    def n_returned(self) -> int | None:
        """How many values its function returned, where the study has another number of
        directions: it failed by that; None of any other trial."""
        return self.lineage.get(RETURNED)

    @property
    def epochs(self) -> int:
        """Epochs that its networks reported, without one still in training."""
        trained = sum(member.epochs for member in self.members)
        cut = [step.epoch for step in self.steps if step.network >= len(self.members)]
        return trained + max(cut, default=0)

    @property
    def seconds(self) -> float:
        """Wall time of all its trainings."""
        return math.fsum(member.seconds for member in self.members)

    @property
    def compares(self) -> bool:
        """Whether a network was trained to its end: complete, or pruned after some."""
        return self.state == SlotState.COMPLETE or (
            self.state == SlotState.PRUNED and bool(self.members)
        )


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """What a sampler decided for one trial."""

    params: Mapping[str, ParamValue]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    """The sampler's and pruner's memory (Optuna's system attributes), replayed to them
    later."""

    @classmethod
    def of_function(
        cls,
        params: Mapping[str, ParamValue],
        distributions: Mapping[str, str],
        attrs: Mapping[str, Any],
    ) -> Self:
        """Return what a function has asked for.

        Args:
            params: parameters in the order in which it asked.
            distributions: their distributions in Optuna's JSON.
            attrs: Optuna's system attributes of the trial.
        """
        return cls(params=params, attrs={**attrs, DISTRIBUTIONS: dict(distributions)})

    @classmethod
    def decided_by_history(
        cls,
        params: Mapping[str, ParamValue],
        distributions: Mapping[str, str],
        attrs: Mapping[str, Any],
    ) -> Self:
        """Return what was decided before a function runs; see ``of_function``."""
        own = {
            "params": dict(params),
            "distributions": dict(distributions),
            "attrs": dict(attrs),
        }
        return cls.of_function(params, distributions, {**attrs, DECIDED: own})

    @property
    def decided(self) -> Self:
        """What was decided before the function ran; empty if nothing was."""
        own = self.attrs.get(DECIDED)
        if own is None:
            return type(self)(params={})
        return self.of_function(own["params"], own["distributions"], own["attrs"])

    @property
    def is_made(self) -> bool:
        """Whether other trials can see it."""
        return bool(self.params) or DECIDED in self.attrs

    @property
    def enqueued(self) -> Mapping[str, ParamValue]:
        """What somebody gave the trial by hand, known before the rest is suggested."""
        return dict(self.attrs.get(FIXED_PARAMS, {}))

    @property
    def distributions(self) -> Mapping[str, str]:
        """The distribution of each parameter of a function's trial, in Optuna's JSON;
        empty of other trials, whose study has them."""
        return dict(self.attrs.get(DISTRIBUTIONS, {}))

    @property
    def value_sd(self) -> float:
        """The standard deviation of the trial's value; 0 where nobody told it."""
        return float(self.attrs.get(VALUE_SD, 0.0))

    @property
    def optuna_attrs(self) -> dict[str, Any]:
        """The attributes that Optuna knows."""
        ours = (DECIDED, DISTRIBUTIONS)
        return {key: own for key, own in self.attrs.items() if key not in ours}

    @property
    def key(self) -> str:
        """A text that two suggestions share if they have the same parameters in the
        same order."""
        return json.dumps(list(self.params.items()))


RUNG = "completed_rung_"
"""Attributes of a trial that begin so are what successive halving has noted."""


def sampler_attrs(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes known at suggestion; those that pruning or a told value added are an
    outcome, and hidden."""
    hidden = (RUNG, VALUE_SD)
    return {k: v for k, v in attrs.items() if not k.startswith(hidden)}


@dataclass(frozen=True, kw_only=True)
class Past(Judged):
    """An earlier trial, as far as the history knows it."""

    suggestion: Suggestion
    state: SlotState = SlotState.RUNNING
    score: float | None = None
    costs: tuple[float, ...] = ()
    """What ``[cost]`` names, of a complete or pruned trial of a study that has
    costs."""
    steps: tuple[Step, ...] = ()
    """What it reported, in order."""
    ends_at: float = math.inf
    """When it ends in virtual time, or before when it cannot; see ``budget.clock``."""
    before: tuple[tuple[int, Past], ...] = ()
    """Outcomes that a retry or an exclusion replaced, each with the first trial that no
    longer sees it, in order."""

    def seen_by(self, number: int) -> Past:
        """The outcome that trial ``number`` sees: amendments count for later trials
        alone."""
        return next((outcome for until, outcome in self.before if number < until), self)

    def suggested(self, suggestion: Suggestion) -> Past:
        """The same trial with its suggestion, where that was not written down."""
        before = tuple(
            (until, outcome.suggested(suggestion)) for until, outcome in self.before
        )
        own = self.suggestion if self.suggestion.is_made else suggestion
        return replace(self, suggestion=own, before=before)


class StudyState(StrEnum):
    """Where a study stands."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    """By ``hpo stop``, until ``hpo resume``."""


class WorkerState(StrEnum):
    """What a worker does, or how it ended."""

    IDLE = "idle"
    """It has just started."""
    WORKING = "working"
    WAITING = "waiting"
    ENDED = "ended"
    """In order."""
    REFUSED = "refused"
    """It ended by itself, since it could not serve its study."""
    LOST = "lost"
    """Somebody saw it dead."""


@dataclass(frozen=True, kw_only=True)
class WorkerInfo:
    """A worker that has been seen at work on this database."""

    name: str
    host: str
    pid: int
    state: WorkerState = WorkerState.WORKING
    doing: str
    """What it does, in words: ``seqdigits: trial 12, member 2 of 3``, or why it
    waits."""
    serves: str | None = None
    """The one study that it works for; None if it serves every study."""
    refuses: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Studies that it cannot work for as they are, each with its reason."""
    job: str | None = None
    """The cluster's job that it runs in, as in ``slurm 4711_3``."""
    log: str | None = None
    """The file that its output goes to, on its host or on a file system that it
    shares."""
    study: str | None = None
    """The study whose slot it holds just now; None if it holds none."""
    phase: Phase | None = None
    trial: int | None = None
    """The trial that it trains, in a confirmation that which it retrains."""
    started_at: datetime
    seconds_silent: float | None
    """Seconds since its last sign of life, by the database's clock; None if that was
    set back."""
    alive: bool
    """Not ended, and heard of within its lease."""

    @property
    def is_listed(self) -> bool:
        """Whether views list it: it is alive, or it did not end in order."""
        return self.alive or self.state != WorkerState.ENDED


def refusing(study: str, workers: Iterable[WorkerInfo]) -> dict[WorkerInfo, str]:
    """Return the living workers that cannot work for a study as it is, each with its
    reason."""
    return {w: w.refuses[study] for w in workers if w.alive and study in w.refuses}


@dataclass(frozen=True, kw_only=True)
class Event:
    """Somebody did something to a study."""

    at: datetime
    who: str
    """User and host, as they call themselves: whoever has the password may say
    otherwise."""
    what: str
    """As in ``submitted`` or ``excluded trial 7``."""
    study: str


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A study in a list: what is known of it before its trials are read."""

    name: str
    number: int | None
    """Optuna's, which leads to its pages; None where Optuna's tables do not hold it."""
    objective: str
    state: StudyState
    reason: str | None
    priority: int
    """Workers that serve several studies take up trials of the highest one first."""
    finished: int
    """Trials of the search that are finished, in whatever way."""
    running: int
    """Trials of the search that a worker is at work on."""
    created_at: datetime
    problem: str = ""
    """Why its trials cannot be read here; mostly empty."""


@dataclass(frozen=True, kw_only=True)
class NativeStudy:
    """A study that Optuna has made in this database, in a list."""

    number: int
    """Optuna's, which leads to its pages."""
    name: str
    finished: int
    """Finished trials."""
    running: int
    best_value: float | None
    """None without a complete trial, and of studies with several values."""
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class StudySnapshot:
    """A study at one moment."""

    spec: StudySpec
    state: StudyState
    reason: str | None
    """Why the study failed, or was stopped."""
    created_at: datetime
    now: datetime
    """The database's clock."""
    search: tuple[Trial, ...]
    """In order of their numbers."""
    confirm: tuple[Trial, ...] = ()
    workers: tuple[WorkerInfo, ...] = field(default=())
    """Workers seen on this database lately, whatever study they work on."""
    search_end: int | None = None
    """How many trials the search has, once ``[stop]`` has ended it."""
    search_end_reason: str | None = None
    imported: bool = False
    """Whether all trials of its search are imported. It has a function only to confirm
    some."""
    code_changes: tuple[int, ...] = ()
    """The trials from which on another source of the objective was accepted."""
    posterior: Mapping[int, Posterior] = field(default_factory=dict)
    """Of complete trials by number, where ``confirm.by`` asks for it:
    ``surrogate``."""
    lacks_means: bool = False
    """Whether they were not read, so that no score is known to stand for the study."""
    baselines: tuple[Baseline, ...] = ()
    """What the simplest things score on the task; empty as long as nobody has worked it
    out."""
    differences: tuple[str, ...] | None = None
    """What differs between two trainings of the first network, in words; None if nobody
    has compared any."""
    foreign_trials: int = 0
    """Trials that others have added to the study in Optuna's tables; they count for
    nothing."""
    with_curves: frozenset[int] | None = None
    """Numbers of the search trials whose steps and curves were read, if those of others
    were not."""

    @property
    def with_all_steps(self) -> Sequence[Trial]:
        """The search trials whose steps were all read; see ``with_curves``."""
        if self.with_curves is None:
            return self.search
        return [trial for trial in self.search if trial.number in self.with_curves]

    @property
    def trials(self) -> int:
        """How many trials the search has as far as is known: its budget, or where it
        was ended."""
        budget = self.spec.budget.trials
        if self.search_end is None:
            return budget
        return min(budget, self.search_end)

    @property
    def awaits_function(self) -> bool:
        """Whether it is imported and no trial is confirmed yet: it may get a function,
        or another one."""
        confirmed = any(slot.state == SlotState.COMPLETE for slot in self.confirm)
        return self.imported and not confirmed

    @property
    def failed_to_confirm(self) -> bool:
        """Whether it is imported, and every confirmation so far has failed."""
        failed = any(slot.state == SlotState.FAILED for slot in self.confirm)
        return self.awaits_function and failed

    @property
    def helpers(self) -> list[WorkerInfo]:
        """Living workers that work for this study: those that serve every study, or
        just it."""
        alive = [w for w in self.workers if w.alive and self.spec.name not in w.refuses]
        return [w for w in alive if w.serves in (None, self.spec.name)]

    @property
    def refusing(self) -> dict[WorkerInfo, str]:
        """Living workers that cannot work for this study as it is, each with its
        reason.

        They may be of another version, or lack its data or objective; they try again
        now and then.
        """
        return refusing(self.spec.name, self.workers)

    @property
    def finished(self) -> int:
        """How many search slots are finished, in whatever way."""
        return sum(slot.alike for slot in self.search if slot.state.is_finished)


def trained(slots: Sequence[Trial]) -> list[Trial]:
    """Complete search trials with their networks, in order."""
    return [s for s in slots if s.state == SlotState.COMPLETE and s.members]
