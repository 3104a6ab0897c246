"""The result of a study at one moment: made once from a snapshot, the one input of
every view.

There are three kinds. A :class:`Search` looks for the best score; a :class:`Front` for
the least cost of every score; a :class:`Sweep` measures every point and selects none.
Views format a result and derive nothing.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

from hpo.contract import Baseline
from hpo.statistics import intervals
from hpo.statistics.intervals import Comparison, Estimate
from hpo.study import edges as study_edges
from hpo.study import effort, pareto
from hpo.study.edges import Edge
from hpo.study.effort import ending
from hpo.study.networks import Confirmation
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import (
    SlotState,
    StudySnapshot,
    StudyState,
    Trial,
    complete,
    slot_name,
    trained,
)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The progress of a search."""

    trials: int
    """Number of trials in all, as known now."""
    settled: int
    held: int
    """Trials that a worker is at work on."""
    begun: int
    """Trials that were begun and wait for a worker."""
    enqueued: int
    """Trials that were given parameters by hand, and are not begun."""
    ended: Mapping[tuple[SlotState, str], int]
    """Numbers of trials by state and its name, in the order of the states."""
    epochs: int
    """Epochs of training of all search trials."""
    confirmation_epochs: int


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The score of a study: the confirmed one, else the search's claim."""

    trial: int
    estimate: Estimate
    """The score with its standard error; the best score of a search, a lucky one, has
    none."""
    std: float | None
    """Sample standard deviation over the fresh seeds; None of a search, and below two
    scores."""
    n: int
    """Fresh seeds; 0 of a search."""
    costs: Mapping[str, float]
    reported: Estimate | None
    """The reported score, if there is one."""

    @property
    def score(self) -> float:
        """Its mean."""
        return self.estimate.mean

    @property
    def confirmed(self) -> bool:
        """Whether it is a confirmed score."""
        return self.n > 0


@dataclass(frozen=True)
class Result:
    """The common part of all results. ``Result.of`` makes the right kind."""

    snapshot: StudySnapshot

    selects: ClassVar[bool] = True
    """Whether there can be a best trial."""

    @property
    def costs(self) -> tuple[str, ...]:
        """Names of the costs that a front is searched for; empty of other studies."""
        return self.spec.costs if self.selects else ()

    @staticmethod
    def of(snapshot: StudySnapshot) -> Search | Front | Sweep:
        """Make the result of a snapshot."""
        if not snapshot.spec.selects:
            return Sweep(snapshot)
        return Front(snapshot) if snapshot.spec.costs else Search(snapshot)

    @property
    def spec(self) -> StudySpec:
        """The study's file."""
        return self.snapshot.spec

    @property
    def name(self) -> str:
        """The study's name."""
        return self.spec.name

    @property
    def state(self) -> StudyState:
        """Where the study stands."""
        return self.snapshot.state

    @property
    def search(self) -> tuple[Trial, ...]:
        """The trials of the search, in order of their numbers."""
        return self.snapshot.search

    @property
    def confirm(self) -> tuple[Trial, ...]:
        """The trainings of the confirmation."""
        return self.snapshot.confirm

    @property
    def all_trials(self) -> tuple[Trial, ...]:
        """The trials of the search, then the trainings of the confirmation."""
        return (*self.search, *self.confirm)

    @cached_property
    def progress(self) -> Progress:
        """The progress of the search."""
        snapshot, spec = self.snapshot, self.spec
        waiting = [
            t for t in self.search if t.state == SlotState.RUNNING and not t.held
        ]
        begun = sum(trial.attempts > 0 for trial in waiting)
        named = Counter[tuple[SlotState, str]]()
        for trial in (t for t in self.search if t.state != SlotState.RUNNING):
            named[trial.state, state_name(spec, trial)] += trial.alike
        ended = sorted(named, key=lambda key: ([*SlotState].index(key[0]), key[1]))
        return Progress(
            trials=snapshot.trials,
            settled=snapshot.settled,
            held=sum(trial.held for trial in self.search),
            begun=begun,
            enqueued=len(waiting) - begun,
            ended={key: named[key] for key in ended},
            epochs=sum(
                trial.alike * effort.slot_epochs(spec, trial) for trial in self.search
            ),
            confirmation_epochs=sum(
                effort.slot_epochs(spec, trial) for trial in self.confirm
            ),
        )

    @cached_property
    def other_numerics(self) -> tuple[int, int]:
        """Number of trainings on a machine that may round differently from the first
        one's, and number of trainings whose machine is known."""
        machines = [
            t.lineage["numerics"] for t in self.all_trials if "numerics" in t.lineage
        ]
        return sum(machine != machines[0] for machine in machines), len(machines)

    def ended(self, state: SlotState) -> list[Trial]:
        """Return the trials and confirmation trainings that ended in a state."""
        return [trial for trial in self.all_trials if trial.state == state]

    @cached_property
    def stuck(self) -> list[Trial]:
        """Trials that stopped the study because they lost too many workers."""
        return [trial for trial in self.all_trials if trial.is_stuck]

    def label(self, trial: Trial) -> str:
        """Return the name of a trial: ``trial 12``, or ``trial 7, fresh seed 3 of
        10``."""
        confirm = self.spec.confirm
        return slot_name(
            trial.number, trial.source, confirm.members if confirm else None
        )

    # --- selected trials; empty where nothing is selected ---

    @property
    def ranking(self) -> Sequence[Trial]:
        """Complete trials, the best first."""
        return ()

    @property
    def front(self) -> Sequence[Trial]:
        """Complete trials that no other beats in score and costs, cheapest first."""
        return ()

    @cached_property
    def best(self) -> Trial | None:
        """The incumbent: the first of the ranking."""
        return next(iter(self.ranking), None)

    @cached_property
    def confirmations(self) -> Sequence[Confirmation]:
        """Confirmed configurations among the best ``confirm.top``, in their order.

        A longer search, or an excluded trial, can put others there: an earlier
        confirmation is then no longer a result of the study.
        """
        confirm = self.spec.confirm
        if confirm is None:
            return ()
        fresh: dict[int | None, list[Trial]] = {}
        for trial in self.confirm:
            fresh.setdefault(trial.source, []).append(trial)
        chosen = [
            trial for trial in self.ranking[: confirm.top] if trial.number in fresh
        ]
        return [
            _confirmation(self, trial, fresh[trial.number], confirm.members)
            for trial in chosen
        ]

    @cached_property
    def confirmed(self) -> Confirmation | None:
        """The confirmed configuration of the headline: the first that has a score."""
        return next((item for item in self.confirmations if item.scores), None)

    @property
    def confirmation_trials(self) -> list[Trial]:
        """The trainings of ``confirmations``: ``wanted`` in the end."""
        sources = {item.source for item in self.confirmations}
        return [trial for trial in self.confirm if trial.source in sources]

    @cached_property
    def baselines(self) -> Sequence[Baseline]:
        """Scores of the simplest models on its task, the best first; see
        ``objectives``."""
        sign = -1.0 if self.spec.maximize else 1.0
        return sorted(self.snapshot.baselines, key=lambda one: sign * one.score)

    @property
    def chance(self) -> Baseline | None:
        """The best baseline that does not look at the data."""
        return next((one for one in self.baselines if one.is_chance), None)

    @property
    def rivals(self) -> Sequence[Baseline]:
        """Baselines that views name: the best one, and the one that is most like a
        network.

        Also the best one that the confirmed score is behind: the best one may scatter
        too much.
        """
        known = [(one, self.beside(one)) for one in self.baselines]
        above = next(
            (one for one, its in known if its and its.relation == "behind"), None
        )
        return [one for one, _ in known if one.is_like or one in (known[0][0], above)]

    def beside(self, baseline: Baseline) -> Comparison | None:
        """Compare the confirmed score with a baseline; None while there is none."""
        if (item := self.confirmed) is None:
            return None
        own, maximize = item.estimate(self.spec), self.spec.maximize
        return intervals.compare(
            own, intervals.published(*baseline.published), maximize=maximize
        )

    @cached_property
    def trained(self) -> Sequence[Trial]:
        """Complete trials with their networks, in order of their numbers: the points of
        a sweep."""
        return trained(self.search)

    @cached_property
    def edges(self) -> Sequence[Edge]:
        """The bounds of the space at which the best trials lie; of a front none."""
        return (
            ()
            if self.costs
            else study_edges.edges(self.spec, self.ranking, self.search)
        )

    def claimed(self, trial: Trial) -> float | None:
        """Return the search's claim of a trial: its posterior mean, else its score."""
        known = self.snapshot.expected.get(trial.number)
        return trial.score if known is None else known.mean

    def claim(self, trial: Trial) -> Estimate | None:
        """Return the same with its standard error."""
        if trial.score is None or not trial.members:
            return None
        known = self.snapshot.expected.get(trial.number)
        own = trial.estimate(self.spec, self.spec.protocol)
        if known is not None:
            return Estimate(mean=known.mean, seeds=known.std, n_series=own.n_series)
        return replace(own, mean=trial.score)

    @cached_property
    def headline(self) -> Headline | None:
        """The score of the study; None while there is none."""
        spec, item, best, known = (
            self.spec,
            self.confirmed,
            self.best,
            self.spec.reported,
        )
        reported = known and intervals.published(known.score, known.std, known.n)
        facts: dict[str, Any] = {"reported": reported}
        if item is not None:
            n = len(item.scores)
            facts |= {"trial": item.source, "std": item.std if n > 1 else None, "n": n}
            costs = spec.named_costs(item.costs)
            return Headline(estimate=item.estimate(spec), costs=costs, **facts)
        if best is None or (score := self.claimed(best)) is None:
            return None
        expected = self.snapshot.expected.get(best.number)
        claim = Estimate(mean=score, seeds=expected.std if expected else None)
        facts |= {"trial": best.number, "std": None, "n": 0}
        return Headline(estimate=claim, costs=spec.named_costs(best.costs), **facts)

    @property
    def n_confirmations(self) -> int:
        """Number of confirmation trainings in all, for the present ranking."""
        confirm = self.spec.confirm
        return (
            0
            if confirm is None
            else min(confirm.top, len(self.ranking)) * confirm.members
        )


@dataclass(frozen=True)
class Search(Result):
    """A search for the best score."""

    @cached_property
    def ranking(self) -> Sequence[Trial]:
        """Complete trials, best by ``claimed`` first; of equals the earlier one."""
        sign = -1.0 if self.spec.maximize else 1.0
        trials = complete(self.search)
        return sorted(
            trials,
            key=lambda trial: (sign * (self.claimed(trial) or 0.0), trial.number),
        )


@dataclass(frozen=True)
class Front(Search):
    """A search for the least cost of every score: ``[cost]``. See
    ``hpo.study.pareto``."""

    @cached_property
    def front(self) -> Sequence[Trial]:
        """Complete trials that no other beats in score and costs, cheapest first."""
        return pareto.front(self.spec, complete(self.search))

    @cached_property
    def ranking(self) -> Sequence[Trial]:
        """The trials of the front, in the order in which they are confirmed."""
        return pareto.order(self.spec, complete(self.search))

    @cached_property
    def best(self) -> Trial | None:
        """The trial of ``confirmed``, else the cheapest one that reached the reported
        score."""
        item = self.confirmed
        if item is None:
            return next(iter(self.ranking), None)
        return next(trial for trial in self.ranking if trial.number == item.source)

    @cached_property
    def confirmations(self) -> Sequence[Confirmation]:
        """Confirmed configurations, the cheapest first."""
        costs = {trial.number: (trial.costs, trial.number) for trial in self.ranking}
        return sorted(super().confirmations, key=lambda item: costs[item.source])

    @cached_property
    def confirmed(self) -> Confirmation | None:
        """The cheapest configuration that holds the reported score; see
        ``pareto.headline``."""
        scored = [item for item in self.confirmations if item.scores]
        return pareto.headline(self.spec, [c for c in scored if c.complete] or scored)


@dataclass(frozen=True)
class Sweep(Result):
    """Points that are all measured: ``[sweep]``, or a space that is tested once."""

    selects: ClassVar[bool] = False

    @cached_property
    def curves(self) -> dict[str, list[tuple[ParamValue, Trial]]]:
        """Trained points of each curve of ``[sweep]`` by its label, each with its x.

        They run along the axis, unless it is one of names: then in the order of the
        file.
        """
        sweep = self.spec.sweep
        if sweep is None:
            return {}
        curves: list[list[tuple[ParamValue, Trial]]] = [[] for _ in sweep.curves]
        for trial in self.trained:
            curve, x, _ = sweep.points[trial.number]
            as_name = sweep.named and not isinstance(x, bool)
            curves[curve].append((str(x) if as_name else x, trial))
        if not sweep.named:
            curves = [
                sorted(points, key=lambda point: float(point[0])) for points in curves
            ]
        return dict(zip((curve.label for curve in sweep.curves), curves, strict=True))


def state_name(spec: StudySpec, trial: Trial) -> str:
    """Return the name of a trial's state; of a pruned one, how it was pruned."""
    how = ending(spec, trial) if trial.state == SlotState.PRUNED else None
    return str(how or trial.state)


def _confirmation(
    result: Result, trial: Trial, fresh: Sequence[Trial], n_seeds: int
) -> Confirmation:
    spec, claimed = result.spec, result.claimed(trial)
    scored = [own for own in fresh if own.score is not None and own.members]
    known = mean_costs(spec, *scored)
    return Confirmation(
        source=trial.number,
        params=trial.params,
        search_score=claimed if claimed is not None else math.nan,
        costs=tuple(
            known.get(n, cost) for n, cost in spec.named_costs(trial.costs).items()
        ),
        all_costs=known,
        members=tuple(own.members[0] for own in scored),
        n_seeds=n_seeds,
        failed=sum(own.state == SlotState.FAILED for own in fresh),
    )


def mean_costs(spec: StudySpec, *trials: Trial) -> dict[str, float]:
    """Return mean costs over the networks of trials, by name, of all that the objective
    has."""
    costs = {}
    for name in spec.objective_impl.costs if spec.costs else ():
        infos = [
            m.info[name] for trial in trials for m in trial.members if name in m.info
        ]
        if infos:
            costs[name] = statistics.fmean(map(float, infos))
    return costs
