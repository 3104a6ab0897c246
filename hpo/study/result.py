"""The result of a study at one moment: made once from a snapshot, the one input of
every view.

There are three kinds. A :class:`Search` looks for the best score; a :class:`Front` for
the least cost of every score; a :class:`Sweep` measures every point and selects none.
Views format a result and derive nothing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from hpo.contract import Baseline
from hpo.statistics import intervals
from hpo.statistics.intervals import Comparison, Estimate
from hpo.study import bounds_reached as reached
from hpo.study import pareto
from hpo.study.bounds_reached import BoundReached
from hpo.study.networks import Confirmation
from hpo.study.progress import SearchProgress
from hpo.study.spec import StudyKind, StudySpec
from hpo.study.tables import Confirm, ParamValue
from hpo.study.trials import (
    Posterior,
    SlotState,
    StudySnapshot,
    StudyState,
    Trial,
    slot_name,
    trained,
)


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The score of a study: the confirmed one, else the search's claim."""

    estimate: Estimate
    """The score with its standard error; the best score of a search, a lucky one, has
    none."""
    std: float | None = None
    """Sample standard deviation over the fresh seeds; None of a search, and below two
    scores."""
    n: int = 0
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

    @staticmethod
    def of(snapshot: StudySnapshot) -> Search | Front | Sweep:
        """Make the result of a snapshot."""
        return _KINDS[snapshot.spec.kind](snapshot)

    @property
    def spec(self) -> StudySpec:
        """The study's file."""
        return self.snapshot.spec

    @property
    def name(self) -> str:
        """The study's name."""
        return self.spec.name

    @property
    def selects(self) -> bool:
        """Whether there can be a best trial."""
        return self.spec.selects

    @property
    def converges(self) -> bool:
        """Whether it approaches one best score, so that there is a best so far."""
        return self.spec.kind == StudyKind.SEARCH

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
    def sign(self) -> float:
        """The sign that makes a larger score a better one."""
        return self.spec.sign

    @property
    def all_trials(self) -> tuple[Trial, ...]:
        """The trials of the search, then the trainings of the confirmation."""
        return (*self.search, *self.confirm)

    @cached_property
    def progress(self) -> SearchProgress:
        """The progress of the search."""
        return SearchProgress.of(self.snapshot)

    @cached_property
    def other_numerics(self) -> tuple[int, int]:
        """Number of trainings on a machine that may round differently from the first
        one's, and number of trainings whose machine is known."""
        known = (trial.lineage.get("numerics") for trial in self.all_trials)
        machines = [machine for machine in known if machine is not None]
        return sum(machine != machines[0] for machine in machines), len(machines)

    def ended(self, state: SlotState) -> list[Trial]:
        """Return the trials and confirmation trainings that ended in a state."""
        return [trial for trial in self.all_trials if trial.state == state]

    @property
    def n_returned(self) -> int | None:
        """How many values the function returned in every failed trial, if the study has
        another number of directions, so that a retry fails again; None otherwise."""
        numbers = {trial.n_returned for trial in self.ended(SlotState.FAILED)}
        if len(numbers) != 1:
            return None
        return numbers.pop()

    @property
    def trained_s(self) -> float:
        """Wall time of all trainings, in seconds."""
        return math.fsum(trial.seconds for trial in self.all_trials)

    @cached_property
    def stuck(self) -> list[Trial]:
        """Trials that stopped the study because they lost too many workers."""
        return [trial for trial in self.all_trials if trial.is_stuck]

    def label(self, trial: Trial) -> str:
        """Return the name of a trial: ``trial 12``, or ``trial 7, fresh seed 3 of
        10``."""
        return slot_name(trial.number, trial.source, self.spec.fresh_seeds)

    def point_score(self, trial: Trial) -> float | None:
        """Return the score of a trial as a figure shows it."""
        return trial.score

    @cached_property
    def contenders(self) -> Sequence[Trial]:
        """Trials that can be the best, in order of their numbers."""
        return [trial for trial in self.search if trial.can_be_best]

    def improvements(self, trials: Iterable[Trial]) -> Iterator[Trial]:
        """Yield the trials that are better than all before them."""
        best = -math.inf
        for trial in trials:
            score = self.sign * _score(trial)
            if score > best:
                best = score
                yield trial

    @cached_property
    def by_score(self) -> Sequence[Trial]:
        """Complete trials, best by their own score first; of equals the earlier one."""

        def place(trial: Trial) -> tuple[float, int]:
            return -self.sign * (trial.score or 0.0), trial.number

        return sorted(self.contenders, key=place)

    @cached_property
    def scored(self) -> Sequence[Trial]:
        """Finished trials with a score: complete and pruned ones."""
        return [
            trial
            for trial in self.search
            if trial.state.is_scored and math.isfinite(_score(trial))
        ]

    @cached_property
    def comparable(self) -> Sequence[Trial]:
        """Those that trained a network to its end: complete, or out of a race."""
        return [trial for trial in self.scored if trial.compares]

    # --- selected trials; empty where nothing is selected ---

    @property
    def costs(self) -> Sequence[str]:
        """Names of the costs that a front is searched for."""
        return ()

    @property
    def cost_columns(self) -> Sequence[str]:
        """Names of these costs, then of the objective's other costs."""
        return list(dict.fromkeys((*self.costs, *self.spec.about.costs)))

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

    def leading(self, top: int) -> Sequence[Trial]:
        """Return the best trials: the one of the headline first."""
        return self.ranking[:top]

    @property
    def selected(self) -> Sequence[Trial]:
        """The trials that a report lists as its best."""
        return ()

    @property
    def to_confirm(self) -> Sequence[Trial]:
        """The trials whose configurations are confirmed, in this order."""
        confirm = self.spec.confirm
        if confirm is None:
            return ()
        return self.ranking[: confirm.top]

    @cached_property
    def confirmations(self) -> Sequence[Confirmation]:
        """Confirmed configurations among those to confirm, in their order.

        A longer search, or an excluded trial, can put others there: an earlier
        confirmation is then no longer a result of the study.
        """
        confirm = self.spec.confirm
        if confirm is None:
            return ()
        fresh: dict[int | None, list[Trial]] = {}
        for trial in self.confirm:
            fresh.setdefault(trial.source, []).append(trial)
        return [
            self._confirmation(trial, fresh[trial.number], confirm)
            for trial in self.to_confirm
            if trial.number in fresh
        ]

    def _confirmation(
        self, trial: Trial, fresh: Sequence[Trial], confirm: Confirm
    ) -> Confirmation:
        predicted = self._predicted(trial)
        scored = [own for own in fresh if own.score is not None and own.members]
        costs = mean_costs(self.spec, *scored)
        splits_of: tuple[int, ...] = ()
        if confirm.splits > 1:
            splits_of = tuple(confirm.split(own.number) for own in scored)
        of_search = self.spec.named_costs(trial.costs)
        return Confirmation(
            source=trial.number,
            params=trial.params,
            search_score=math.nan if predicted is None else predicted,
            costs=tuple(costs.get(name, cost) for name, cost in of_search.items()),
            all_costs=costs,
            members=tuple(own.members[0] for own in scored),
            splits_of=splits_of,
            n_seeds=confirm.networks,
            chance=self._largest_class,
            failed=sum(own.state == SlotState.FAILED for own in fresh),
        )

    @property
    def _largest_class(self) -> float | None:
        """The accuracy of chance: the share of the largest class; None if unknown."""
        if self.chance is None or not self.spec.is_accuracy:
            return None
        return self.chance.score

    @cached_property
    def tested(self) -> Sequence[Confirmation]:
        """Confirmed configurations that have a score.

        A function that gives the same score for every seed was not confirmed, unless
        it scores confirmations on other data.
        """
        return [
            item
            for item in self.confirmations
            if item.scores and not self.is_void(item)
        ]

    def is_void(self, item: Confirmation) -> bool:
        """Whether a confirmation shows nothing: a function gave the same score for
        every fresh seed, on the data of the search."""
        return self.is_same(item) and not item.scored_apart

    def is_same(self, item: Confirmation) -> bool:
        """Whether a function gave the same score for every fresh seed."""
        return self.spec.defines_by_run and len(item.scores) > 1 and item.ignores_seed

    @cached_property
    def confirmed(self) -> Confirmation | None:
        """The confirmed configuration of the headline: the first that has a score."""
        return next(iter(self.tested), None)

    @property
    def confirmation_trials(self) -> list[Trial]:
        """The trainings of ``confirmations``: ``wanted`` in the end."""
        sources = {item.source for item in self.confirmations}
        return [trial for trial in self.confirm if trial.source in sources]

    @cached_property
    def baselines(self) -> Sequence[Baseline]:
        """Scores of the simplest models on its task, the best first; see
        ``objectives``."""
        return sorted(self.snapshot.baselines, key=lambda one: -self.sign * one.score)

    @property
    def lacks_complete_trial(self) -> bool:
        """Whether it has ended without a complete trial, and so without a result."""
        return self.state == StudyState.DONE and not self.contenders

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
        named = list(self.baselines[:1])
        for one in self.baselines:
            margin = self.beside(one)
            if margin is not None and margin.relation == "behind":
                named.append(one)
                break
        return [one for one in self.baselines if one.is_like or one in named]

    def beside(self, baseline: Baseline) -> Comparison | None:
        """Compare the confirmed score with a baseline; None while there is none."""
        return self.compared(intervals.published(*baseline.published))

    def compared(self, other: Estimate) -> Comparison | None:
        """Compare the confirmed score with another one; None while there is none."""
        if self.confirmed is None:
            return None
        own = self.confirmed.estimate(self.spec)
        return intervals.compare(own, other, maximize=self.spec.maximize)

    @cached_property
    def at_chance(self) -> bool:
        """Whether the confirmed score is not ahead of chance."""
        margin = self.chance and self.beside(self.chance)
        return bool(margin and margin.relation in ("level", "behind"))

    @cached_property
    def trained(self) -> Sequence[Trial]:
        """Complete trials with their networks, in order of their numbers: the points of
        a sweep."""
        return trained(self.search)

    @property
    def curves(self) -> Mapping[str, Sequence[tuple[ParamValue, Trial]]]:
        """The curves of a sweep by their labels, each point with its x."""
        return {}

    @property
    def points(self) -> Sequence[Trial]:
        """The trained points of a sweep; empty where a best trial is selected."""
        return ()

    @cached_property
    def bounds_reached(self) -> Sequence[BoundReached]:
        """The bounds of the space at which the best trials lie."""
        return ()

    @cached_property
    def is_exact(self) -> bool:
        """Whether a confirmation has shown that scores are exact: its function gave the
        score of the search for every fresh seed."""
        if not self.confirmations:
            return False
        searched = {trial.number: trial.score for trial in self.to_confirm}
        for item in self.confirmations:
            if not (item.complete and self.is_void(item)):
                return False
            if not math.isclose(item.mean, searched[item.source] or 0.0):
                return False
        return True

    def claimed(self, trial: Trial) -> float | None:
        """Return the search's claim of a trial: its posterior mean, else its score."""
        if self.is_exact:
            return trial.score
        return self._predicted(trial)

    def posterior(self, trial: Trial) -> Posterior | None:
        """Return what is expected of another network of a trial; None where trials are
        not ranked by it, or their scores are exact."""
        if self.is_exact:
            return None
        return self.snapshot.posterior.get(trial.number)

    def _predicted(self, trial: Trial) -> float | None:
        """Return the posterior mean of a trial, else its score; they rank the trials to
        confirm."""
        known = self.snapshot.posterior.get(trial.number)
        if known is None:
            return trial.score
        return known.mean

    def claim(self, trial: Trial) -> Estimate | None:
        """Return the same with its standard error."""
        if trial.score is None or not trial.members:
            return None
        known = self.posterior(trial)
        own = trial.estimate(self.spec, self.spec.protocol)
        if known is not None:
            return Estimate(mean=known.mean, seeds=known.std, n_series=own.n_series)
        return replace(own, mean=trial.score)

    def claim_of(self, item: Confirmation) -> Estimate | None:
        """Return the search's claim of a confirmed configuration."""
        for trial in self.search:
            if trial.number == item.source:
                return self.claim(trial)
        return None

    @cached_property
    def headline(self) -> Headline | None:
        """The score of the study; None while there is none."""
        if self.snapshot.lacks_means:
            return None
        if self.confirmed is not None:
            return self._confirmed_headline(self.confirmed)
        if self.best is None:
            return None
        score = self.claimed(self.best)
        if score is None:
            return None
        posterior = self.posterior(self.best)
        return Headline(
            estimate=Estimate(mean=score, seeds=posterior.std if posterior else None),
            costs=self.spec.named_costs(self.best.costs),
            reported=self._reported,
        )

    def _confirmed_headline(self, item: Confirmation) -> Headline:
        n = len(item.scores)
        return Headline(
            estimate=item.estimate(self.spec),
            std=item.std if n > 1 else None,
            n=n,
            costs=self.spec.named_costs(item.costs),
            reported=self._reported,
        )

    @property
    def _reported(self) -> Estimate | None:
        known = self.spec.reported
        if known is None:
            return None
        return intervals.published(known.score, known.std, known.n)

    @property
    def n_confirmations(self) -> int:
        """Number of confirmation trainings in all, for the present ranking."""
        confirm = self.spec.confirm
        if confirm is None:
            return 0
        return len(self.to_confirm) * confirm.networks


LISTED = 10
"""The fewest best trials that a report lists, if there are as many."""


@dataclass(frozen=True)
class Search(Result):
    """A search for the best score."""

    @cached_property
    def ranking(self) -> Sequence[Trial]:
        """Complete trials, best by ``claimed`` first; of equals the earlier one."""
        if self.is_exact:
            return self.by_score
        return self._by_prediction

    @property
    def to_confirm(self) -> Sequence[Trial]:
        """The first trials by posterior mean, or else by score; with ``confirm.by =
        "both"``, then those of the best scores that have other parameters."""
        confirm = self.spec.confirm
        if confirm is None:
            return ()
        chosen = list(self._by_prediction[: confirm.top])
        if confirm.by == "both":
            known = [trial.params for trial in chosen]
            best = self.by_score[: confirm.top]
            chosen += [trial for trial in best if trial.params not in known]
        return chosen

    @cached_property
    def _by_prediction(self) -> Sequence[Trial]:
        def place(trial: Trial) -> tuple[float, int]:
            return -self.sign * (self._predicted(trial) or 0.0), trial.number

        return sorted(self.contenders, key=place)

    @property
    def selected(self) -> Sequence[Trial]:
        """The first trials of the ranking, and all that are to be confirmed."""
        listed = list(self.ranking[:LISTED])
        return listed + [trial for trial in self.to_confirm if trial not in listed]

    @cached_property
    def bounds_reached(self) -> Sequence[BoundReached]:
        """The bounds of the space at which the best trials lie."""
        return reached.find_bounds_reached(self.spec, self.ranking, self.search)


@dataclass(frozen=True)
class Front(Result):
    """A search for the least cost of every score: ``[cost]``. See
    ``hpo.study.pareto``."""

    @property
    def costs(self) -> Sequence[str]:
        """Names of the costs that a front is searched for."""
        return self.spec.costs

    @cached_property
    def front(self) -> Sequence[Trial]:
        """Complete trials that no other beats in score and costs, cheapest first."""
        return pareto.front(self.spec, self.contenders)

    @property
    def selected(self) -> Sequence[Trial]:
        """The trials of the front, cheapest first."""
        return self.front

    @cached_property
    def ranking(self) -> Sequence[Trial]:
        """The trials of the front, in the order in which they are confirmed."""
        return pareto.order(self.spec, self.contenders)

    @cached_property
    def best(self) -> Trial | None:
        """The trial of ``confirmed``, else the cheapest one that reached the reported
        score."""
        for trial in self.ranking:
            if self.confirmed is None or trial.number == self.confirmed.source:
                return trial
        return None

    def leading(self, top: int) -> Sequence[Trial]:
        """Return the best trials: the one of the headline first."""
        if self.best is None:
            return ()
        others = [trial for trial in self.ranking if trial is not self.best]
        return [self.best, *others][:top]

    @cached_property
    def confirmations(self) -> Sequence[Confirmation]:
        """Confirmed configurations, the cheapest first."""
        costs = {trial.number: (trial.costs, trial.number) for trial in self.ranking}
        return sorted(super().confirmations, key=lambda item: costs[item.source])

    @cached_property
    def confirmed(self) -> Confirmation | None:
        """The cheapest configuration that holds the reported score; see
        ``pareto.headline``."""
        complete = [item for item in self.tested if item.complete]
        return pareto.headline(self.spec, complete or self.tested)


@dataclass(frozen=True)
class Sweep(Result):
    """Points that are all measured: ``[sweep]``, or a space that is tested once."""

    @property
    def points(self) -> Sequence[Trial]:
        """The trained points."""
        return self.trained

    def point_score(self, trial: Trial) -> float | None:
        """Return the score on the solved equation if there is one, else at the study's
        step."""
        if trial.checked:
            return trial.mean
        return trial.score

    @cached_property
    def curves(self) -> dict[str, list[tuple[ParamValue, Trial]]]:
        """Trained points of each curve of ``[sweep]`` by its label, each with its x.

        They run along the axis, unless it is one of names: then in the order of the
        file.
        """
        sweep = self.spec.sweep
        if sweep is None:
            return {}
        curves: dict[str, list[tuple[ParamValue, Trial]]]
        curves = {curve.label: [] for curve in sweep.curves}
        for trial in self.trained:
            number, x, _ = sweep.points[trial.number]
            if sweep.named and not isinstance(x, bool):
                x = str(x)
            curves[sweep.curves[number].label].append((x, trial))
        if not sweep.named:
            for points in curves.values():
                points.sort(key=lambda point: float(point[0]))
        return curves


_KINDS: Mapping[StudyKind, type[Search | Front | Sweep]] = {
    StudyKind.SEARCH: Search,
    StudyKind.FRONT: Front,
    StudyKind.SWEEP: Sweep,
}


def _score(trial: Trial) -> float:
    return math.nan if trial.score is None else trial.score


def mean_costs(spec: StudySpec, *trials: Trial) -> dict[str, float]:
    """Return mean costs over the networks of trials, by name, of all that the objective
    has."""
    infos = [member.info for trial in trials for member in trial.members]
    costs = {}
    for name in spec.about.costs:
        values = [float(info[name]) for info in infos if name in info]
        if values:
            costs[name] = statistics.fmean(values)
    return costs
