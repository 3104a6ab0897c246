"""The best trials of a study, cell by cell: for tables of terminal, report and notebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hpo.study.networks import Confirmation
from hpo.study.result import Front, Result, told_costs
from hpo.study.spec import StudySpec
from hpo.study.trials import Trial
from hpo.views import caveats, formatting

TRIAL, SCORE, EXPECTED, CONFIRMED = "trial", "search score", "expected", "confirmed"
SEEDS, REPORTED, NOTHING = "fresh seeds", "reported", "–"
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Columns of a table, by their heads: a cell of each trial, and at last the reported one."""

    facts: Mapping[str, list[str]]
    """Trial, scores, what is known besides of confirmed ones, fresh seeds."""
    costs: Mapping[str, list[str]]
    """Over the fresh seeds where there are some; else of the search."""
    parameters: Mapping[str, list[str]]

    @property
    def columns(self) -> Mapping[str, list[str]]:
        """All of them."""
        return {**self.facts, **self.costs, **self.parameters}


def first(result: Result, top: int) -> list[Trial]:
    """The best trials; of a front, the one that the study is named by comes first."""
    best = result.best
    if not isinstance(result, Front) or best is None:
        return list(result.ranking[:top])
    return [best, *(trial for trial in result.ranking if trial.number != best.number)][:top]


def table(result: Result, trials: Sequence[Trial]) -> Ranking:
    """What is known of complete trials; without columns in which none has anything."""
    spec, expected, reported = result.spec, result.snapshot.expected, result.spec.reported

    def column(
        values: Sequence[T | None], text: Callable[[T], str], last: str | None = None
    ) -> list[str]:
        cells = [NOTHING if value is None else text(value) for value in values]
        return cells if reported is None else [*cells, last or NOTHING]

    confirmed = {item.source: item for item in result.confirmations}
    items = [confirmed.get(trial.number) for trial in trials]
    number = formatting.reported_number(spec)
    scores, last = [trial.score for trial in trials], None if any(items) else number
    facts = {TRIAL: column(trials, lambda t: f"trial {t.number}", REPORTED)}
    facts[SCORE] = column(scores, lambda score: formatting.score_text(spec, score), last)
    if expected:
        known = [expected[trial.number] for trial in trials]
        facts[EXPECTED] = column(known, lambda e: formatting.score_text(spec, e.mean, e.std))
    if any(items):
        tested = [item if item and item.scores else None for item in items]
        means = column(tested, lambda c: formatting.score_text(spec, c.mean, c.std), number)
        facts[CONFIRMED] = means
        cells = [caveats.cells(spec, item) if item else {} for item in tested]
        for name in dict.fromkeys(name for own in cells for name in own):
            facts[name] = column([own.get(name) for own in cells], str)
        facts[SEEDS] = column(items, _seeds, str((reported and reported.n) or NOTHING))
    names = dict.fromkeys((*result.costs, *(spec.objective_impl.costs if result.costs else ())))
    pairs = zip(trials, items, strict=True)
    told = [item.told if item and item.scores else told_costs(spec, t) for t, item in pairs]
    return Ranking(
        facts=facts,
        costs={
            formatting.quantity_label(name): column(
                [own.get(name) for own in told], formatting.amount, _reported_cost(spec, name)
            )
            for name in names
        },
        parameters={
            name: column(
                [formatting.value_cell(trial.params.get(name)) for trial in trials],
                str,
                formatting.value_cell(spec.reported_params.get(name)),
            )
            for name in spec.parameters
        },
    )


def _seeds(item: Confirmation) -> str:
    """``10``, or ``8 of 10, 2 failed``."""
    n = str(len(item.scores))
    n += f" of {item.wanted}" if len(item.scores) < item.wanted else ""
    return n + (f", {item.failed} failed" if item.failed else "")


def _reported_cost(spec: StudySpec, name: str) -> str:
    """``40``, and where it is known what the reported network costs here: ``40 (here 24.7)``."""
    published, here = (spec.reported_costs(key).get(name) for key in ("cost", "cost_here"))
    text = NOTHING if published is None else formatting.amount(published)
    return text if here is None else f"{text} (here {formatting.amount(here)})"
