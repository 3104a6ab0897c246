"""The verdict on a study in sentences, which terminal, report and figures share.

Each kind of result has its own words. All texts are plain; code that puts one into HTML
escapes it.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from hpo.contract import Protocol
from hpo.study import pareto
from hpo.study.networks import Confirmation
from hpo.study.result import Front, Result, Search, Sweep
from hpo.study.spec import VARIABILITY, StudySpec
from hpo.study.trials import StudyState, Trial
from hpo.views.sentences import (
    caveats,
    failed_trainings,
    incomplete,
    splits,
    tolerances,
)
from hpo.views.sentences.comparison import against, beside, gap_text
from hpo.views.sentences.formatting import (
    joined,
    metric,
    per_cent,
    plural,
    point_text,
    quantities,
    quantity,
    quantity_label,
    repeats_name,
    reported_text,
    score_text,
)
from hpo.views.sentences.progress import ended

PAPER_PROTOCOL = "searched on the test set, as the paper does"
_PROTOCOLS = {
    Protocol.SEARCH_ON_TEST: PAPER_PROTOCOL,
    Protocol.CONFIRM: (
        "trained on the whole training set, tested once on the held-out test set"
    ),
    Protocol.VALIDATION: "validation",
}


def headline(result: Result, aside: str = "") -> str:
    """Return the headline score: ``89.1 ± 1.2 % confirmed``, or ``90.5 % in the
    search``.

    Empty while there is none. ``aside`` follows the score in brackets. Of a search that
    is ranked by posterior means which a list does not know: ``91.2 %, best score``.
    """
    if result.snapshot.lacks_means:
        return _best_score(result)
    score = result.headline
    if score is None:
        return ""
    costs = list(score.costs.values())
    text = point_text(result.spec, score.score, score.std, costs)
    if aside:
        text += f" ({aside})"
    where = "confirmed" if score.confirmed else "in the search"
    return f"{text} {where}"


def _best_score(result: Result) -> str:
    """Name the best score of a search, which may be a lucky one."""
    if not result.by_score:
        return ""
    best = result.by_score[0]
    return f"{point_text(result.spec, best.score or 0.0, None, best.costs)}, best score"


def verdict(result: Result) -> str:
    """Return the ``clauses`` on a study as one sentence."""
    return "; ".join(clauses(result))


def clauses(result: Result) -> list[str]:
    """Return the clauses of the verdict, the key number first; two lines of a
    traceback.

    ``confirmed 94.9 ± 0.7 % on 10 fresh seeds``, ``4.8 points above the best baseline,
    …``
    """
    parts = [_end(result), *of(result).clauses(), _difference(result)]
    return [part for part in parts if part]


def named(result: Result) -> str:
    """Return what the best trial of a search is called."""
    return of(result).named()


def best_text(result: Result) -> str:
    """Return the search's claim for its best trial: ``94.1 % at 12.3 pJ``; empty
    without one."""
    best = result.best
    if best is None:
        return ""
    claimed = result.claimed(best)
    if claimed is None:
        return ""
    return point_text(result.spec, claimed, None, best.costs)


def protocol_text(spec: StudySpec) -> str:
    """Name the data for training and scoring: ``trained on the whole training set,
    …``."""
    if spec.protocol == Protocol.SEARCH_ON_TEST and spec.curves:
        return "scored on the test set"
    return _PROTOCOLS[spec.protocol]


def hardware_text(spec: StudySpec) -> str:
    """Say that scores are means over simulated chips; empty for ideal networks."""
    for name in (*spec.varied, *spec.parameters):
        if name.startswith(VARIABILITY):
            return "mean over simulated chips"
    return ""


def _end(result: Result) -> str:
    """Say why a study failed or was stopped: two lines of a traceback."""
    lines = [line.strip() for line in (result.snapshot.reason or "").splitlines()]
    last = [line for line in lines[1:] if line][-1:]
    reason = " ".join([*lines[:1], *last])
    if result.state == StudyState.FAILED:
        return f"study failed: {reason or 'no reason was stored'}"
    if result.state == StudyState.STOPPED:
        return f"stopped by {reason or 'an unknown user'}"
    return ""


def _difference(result: Result) -> str:
    """Say that the study does not repeat, and how; mostly empty."""
    differences = result.snapshot.differences
    if not differences:
        return ""
    found = joined(differences, ", ")
    return f"not reproducible: its first network, trained twice, differs in its {found}"


# --- the words of each kind ---


class SearchWords:
    """Words on a search for the best score."""

    selected = "The best of the search"
    """What is confirmed."""
    title = "Best trials"

    def __init__(self, result: Result) -> None:
        """Take the result."""
        self.result = result
        self.spec = result.spec

    def clauses(self) -> list[str]:
        """Return the clauses of the verdict; empty ones do not count."""
        item = self.result.confirmed
        gap = gap_text(self.result) or reported_text(self.spec)
        if item is None:
            return [*self._searched(), self._best_value(), gap, beside(self.result)]
        return [
            self._confirmed(item),
            failed_trainings.clause(self.spec, item),
            *splits.clauses(self.spec, item),
            *_uncertainty(self.result, item),
            *self._claims(item),
            gap,
            beside(self.result),
            *caveats.assured(self.spec, item, at_chance=self.result.at_chance),
            caveats.of(self.spec, item).remark.rstrip("."),
            tolerances.remark(self.spec, item),
        ]

    def named(self) -> str:
        """Return what the best trial is called."""
        best = self.result.best
        if best is None or self.result.posterior(best) is None:
            return "best"
        return "best by posterior mean"

    def commands(self, name: str, storage: str) -> list[str]:
        """Return commands that show more."""
        return [f"hpo best {name}{storage}", f"hpo trials {name}{storage}"]

    def points(self) -> str:
        """Describe the points of a sweep; empty of other studies."""
        return ""

    @property
    def caption(self) -> str:
        """The caption of the table of the best trials."""
        return f"The best {len(self.result.selected)} complete trials of the search"

    @property
    def _name(self) -> str:
        """The metric before a score; empty for an accuracy."""
        return "" if self.spec.is_accuracy else f"{metric(self.spec)} "

    def _confirmed(self, item: Confirmation) -> str:
        spec = self.spec
        n = len(item.scores)
        is_same = self.result.is_same(item)
        score = score_text(spec, item.mean, None if is_same else item.std)
        text = f"confirmed {self._name}{score}{_at_cost(spec, item)} on {n}"
        if n < item.n_seeds:
            text += f" of {item.n_seeds}"
        text += f" {repeats_name(spec)}"
        if item.splits:
            text += f" of {len(item.splits)} splits"
        if item.failed:
            text += f" ({item.failed} failed)"
        if not item.complete:
            text += " so far"
        if is_same:
            text += ", the same for all"
        where = caveats.basis(spec, item)
        if where:
            text += f", {where}"
        text += _share_of_reported(spec, item)
        best = self.result.best
        if best is not None and best.number != item.source:
            text += f" for trial {item.source}, not the best of the search"
        if spec.protocol == Protocol.SEARCH_ON_TEST:
            text += f", {PAPER_PROTOCOL}"
        if spec.is_function and not item.scored_apart:
            text += ", on the data that the search used"
        return text

    def _searched(self) -> list[str]:
        score = best_text(self.result)
        if not score:
            if self.result.progress.finished == 0:
                return ["no trial has finished yet"]
            ways = f"no trial is complete: {ended(self.result)}"
            return [ways, incomplete.remedy(self.result)]
        so_far = " so far" if self.result.state == StudyState.OPEN else ""
        text = f"{self.named()}{so_far} {self._name}{score} ({self._how()})"
        return [text, self._not_confirmed()]

    def _best_value(self) -> str:
        """Name the best value beside the best posterior mean of a study whose trials
        may be lucky: one that is imported."""
        best = self.result.best
        if best is None or not self.spec.is_imported or self.result.is_exact:
            return ""
        luckiest = self.result.by_score[0]
        if not self.spec.dimensions:
            return ""
        if not self.result.snapshot.posterior:
            return "no posterior mean: the trials do not lie in one space"
        if luckiest.number == best.number:
            return "its value is also the best"
        score = score_text(self.spec, luckiest.score or 0.0)
        return f"the best value is {score}, of trial {luckiest.number}"

    def _claims(self, item: Confirmation) -> list[str]:
        """Set the claims of the search beside what was confirmed, where both the likely
        best and the best value are."""
        confirm = self.spec.confirm
        if confirm is None or confirm.by != "both":
            return []
        texts = []
        by_number = {trial.number: trial for trial in self.result.to_confirm}
        for one in self.result.tested:
            trial = by_number[one.source]
            text = self._claim(trial)
            if one is not item:
                score = score_text(self.spec, one.mean, one.std)
                text += f", confirmed {score}"
            texts.append(text)
        return [*texts, self._same_as_confirmed()]

    def _same_as_confirmed(self) -> str:
        """Name the best value if its parameters are confirmed as another trial's."""
        luckiest = self.result.by_score[0]
        sources = {one.source for one in self.result.tested}
        if luckiest.number in sources:
            return ""
        for trial in self.result.to_confirm:
            if trial.number in sources and trial.params == luckiest.params:
                score = score_text(self.spec, luckiest.score or 0.0)
                same = f"the parameters of trial {trial.number}"
                return f"trial {luckiest.number}: the best value, {score}, with {same}"
        return ""

    def _claim(self, trial: Trial) -> str:
        """``trial 7: posterior mean 0.31, value 0.12``."""
        text = f"trial {trial.number}: "
        posterior = self.result.posterior(trial)
        if posterior is not None:
            text += f"posterior mean {score_text(self.spec, posterior.mean)}, "
        return f"{text}value {score_text(self.spec, trial.score or 0.0)}"

    def _how(self) -> str:
        """Say how the best trial of the search was scored."""
        result = self.result
        best = result.best
        assert best is not None, "a search with a claim has a best trial"
        what = "member"
        if self.spec.defines_by_run:
            what = "call"
        if self.spec.is_ask_and_tell or self.spec.is_imported:
            what = "value"
        members = plural(len(best.members), what)
        if len(best.members) != 1:
            members = f"mean of {members}"
        text = members
        if self.spec.has_class:
            text += f", {protocol_text(self.spec)}"
        if result.posterior(best) is not None and best.score is not None:
            its = "its network" if self.spec.budget.seeds == 1 else "its networks"
            if self.spec.defines_by_run:
                its = "it"
            score = score_text(self.spec, best.score)
            text += f", posterior mean; {its} scored {score}"
        claim = result.claim(best)
        if claim is None or claim.error is None or claim.n_series is None:
            return text
        error = f"standard error {per_cent(claim.error)} points"
        return f"{text}; {error} on {claim.n_series:,.0f} series"

    def _not_confirmed(self) -> str:
        items = self.result.confirmations
        if self.spec.is_imported:
            return (
                "not confirmed: to do so, name its function: hpo confirm"
                f" {self.spec.name} --objective train.py:objective"
            )
        if self.spec.confirm is None:
            return "no confirmation in the study file"
        if any(self.result.is_void(item) for item in items):
            return (
                "nothing to confirm: the function gives the same value for every seed"
                " of this trial. If it is random, seed it with hpo.seed(trial)"
            )
        if items and all(item.complete for item in items):
            failed = sum(item.failed for item in items)
            return f"not confirmed: all {failed} confirmation trainings failed"
        return "not confirmed yet"


class FrontWords(SearchWords):
    """Words on a search for the least cost of every score."""

    selected = "Trials of the front"
    title = "Trials of the front"
    caption = "The front of the search, cheapest first"

    def named(self) -> str:
        """Return what the best trial is called."""
        best = self.result.best
        if best is None or best.score is None:
            return super().named()
        if not pareto.holds(self.spec, best.score):
            return "most accurate" if self.spec.is_accuracy else "best by score alone"
        if len(self.result.costs) == 1:
            return "cheapest that reaches the reported score"
        first = quantity_label(self.result.costs[0]).partition(" (")[0]
        return f"cheapest by {first} that reaches the reported score"

    def _best_value(self) -> str:
        """Return nothing: a front has several best values."""
        return ""

    def _confirmed(self, item: Confirmation) -> str:
        text = super()._confirmed(item)
        if self.spec.reported is None or pareto.holds(self.spec, item.mean):
            return text
        return (
            f"none of {len(self.result.tested)} confirmed trials holds the reported"
            f" score; the best: {text}"
        )

    def _searched(self) -> list[str]:
        text, *more = super()._searched()
        if more:
            text += f", of {len(self.result.front)} trials on the front"
        return [text, *more]


class SweepWords(SearchWords):
    """Words on points that are all measured: there is no best one."""

    def clauses(self) -> list[str]:
        """Return the clauses of the verdict; empty ones do not count."""
        return [self._measured(), beside(self.result)]

    def named(self) -> str:
        """Return nothing: no point is the best."""
        return ""

    def commands(self, name: str, storage: str) -> list[str]:
        """Return commands that show more."""
        return [f"hpo trials {name}{storage}"]

    def points(self) -> str:
        """Describe the points of a sweep."""
        return verdict(self.result)

    def _measured(self) -> str:
        spec = self.spec
        trials = self.result.trained
        text = f"{len(trials):,} of {spec.budget.trials:,} points measured"
        if not trials:
            return text
        medians = [statistics.median(trial.scores) for trial in trials]
        low = score_text(spec, min(medians))
        high = score_text(spec, max(medians))
        notes = caveats.of_points(spec, trials)
        how = joined([protocol_text(spec), notes.basis], ", ")
        text += f", medians of {spec.budget.seeds} networks from {low} to {high}"
        remark = notes.remark.replace(" of the points ", " of them ").rstrip(".")
        return joined([f"{text} ({how})", remark])


KINDS: Mapping[type[Result], type[SearchWords]] = {
    Search: SearchWords,
    Front: FrontWords,
    Sweep: SweepWords,
}


def of(result: Result) -> SearchWords:
    """Return the words of a result, by its kind."""
    return KINDS[type(result)](result)


# --- a confirmed score ---


def _uncertainty(result: Result, item: Confirmation) -> list[str]:
    """Return the interval of a confirmed score, and the search's claim where it
    differs.

    ``95 % interval 92.2 to 95.3 % (standard errors: seeds 0.2 points, 899 series 0.8
    points)``. Empty if the number of scored series is unknown.
    """
    score = item.estimate(result.spec)
    if score.interval is None or score.n_series is None:
        return []
    low, high = map(per_cent, score.interval)
    errors = []
    if score.seeds is not None:
        of = "splits" if item.splits else "seeds"
        errors.append(f"{of} {per_cent(score.seeds)} points")
    if score.sampling is not None:
        errors.append(f"{score.n_series:,.0f} series {per_cent(score.sampling)} points")
    interval = f"95 % interval {low} to {high} %"
    texts = [f"{interval} (standard errors: {', '.join(errors)})"]
    claim = result.claim_of(item)
    if claim is not None and claim.n_series is not None:
        text = against(result.spec, score, claim, "what the search claimed")
        if not text.startswith("level"):
            texts.append(text)
    return texts


def _at_cost(spec: StudySpec, item: Confirmation) -> str:
    """`` at 12.3 pJ (1,010 synapses, 32 neurons, 64 ns)``: its costs, and further
    ones."""
    if not item.costs:
        return ""
    named = spec.named_costs(item.costs)
    text = f" at {quantities(named)}"
    others = {name: c for name, c in item.all_costs.items() if name not in named}
    if others:
        text += f" ({quantities(others)})"
    return text


def _share_of_reported(spec: StudySpec, item: Confirmation) -> str:
    """``: 31 % of the reported 40 pJ, 50 % of the 24.7 pJ that it costs here``."""
    if not pareto.holds(spec, item.mean):
        return ""
    published = spec.reported_costs("cost")
    here = spec.reported_costs("cost_here")
    shares = []
    for name, cost in spec.named_costs(item.costs).items():
        if name in published:
            share = f"{100.0 * cost / published[name]:.0f} %"
            shares.append(f"{share} of the reported {quantity(name, published[name])}")
        if name in here:
            share = f"{100.0 * cost / here[name]:.0f} %"
            whole = quantity(name, here[name])
            shares.append(
                f"{share} of the {whole} that the reported network takes here"
            )
    if not shares:
        return ""
    return f": {', '.join(shares)}"
