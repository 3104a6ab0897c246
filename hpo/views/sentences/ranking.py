"""Tables of the best trials, for terminal, report and notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hpo.study.networks import Confirmation
from hpo.study.result import Result, mean_costs
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import Trial
from hpo.views.sentences import caveats
from hpo.views.sentences.formatting import (
    NOTHING,
    amount,
    quantity_label,
    repeats_name,
    reported_number,
    score_text,
    value_cell,
)

TRIAL = "trial"
SCORE = "search score"
POSTERIOR_MEAN = "posterior mean"
CONFIRMED = "confirmed"
REPORTED = "reported"
AS_IS = ("facts", "checks", "costs", "parameters")
PARAMETERS_SOON = ("facts", "parameters", "costs", "checks")
"""Orders of columns: the second shows more of a wide table before one scrolls it."""


@dataclass
class _Row:
    """The cells of a trial, by column, in groups."""

    facts: dict[str, str]
    checks: dict[str, str] = field(default_factory=dict)
    """Fresh seeds, and what else was found of them."""
    costs: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def cells(self) -> dict[str, str]:
        """All cells."""
        return {**self.parameters, **self.costs, **self.checks, **self.facts}


def table(
    result: Result, trials: Sequence[Trial], order: Sequence[str] = AS_IS
) -> list[dict[str, str]]:
    """Return a row per complete trial, its cells by column; the reported result is the
    last row.

    Costs are means over fresh seeds where there are some, else over the search's
    networks.
    """
    shown = [item for item in result.confirmations if not result.is_void(item)]
    confirmed = {item.source: item for item in shown}
    rows = [_row(result, trial, confirmed.get(trial.number)) for trial in trials]
    if result.spec.reported is not None:
        is_confirmed = any(CONFIRMED in row.facts for row in rows)
        rows.append(_reported(result.spec, is_confirmed=is_confirmed))
    columns: dict[str, str] = {}
    for group in order:
        for row in rows:
            columns |= dict.fromkeys(getattr(row, group), NOTHING)
    return [{**columns, **row.cells} for row in rows]


def _row(result: Result, trial: Trial, item: Confirmation | None) -> _Row:
    spec = result.spec
    facts = {
        TRIAL: f"trial {trial.number}",
        SCORE: score_text(spec, trial.score or 0.0),
    }
    posterior = result.posterior(trial)
    if posterior is not None:
        facts[POSTERIOR_MEAN] = score_text(spec, posterior.mean, posterior.std)
    checks: dict[str, str] = {}
    costs: Mapping[str, float] = mean_costs(spec, trial)
    if item is not None:
        facts[CONFIRMED] = NOTHING
        if item.scores:
            facts[CONFIRMED] = score_text(spec, item.mean, item.std)
            costs = item.all_costs
        checks = {repeats_name(spec): _seeds(item), **caveats.cells(spec, item)}
    cells = {n: amount(costs[n]) for n in result.cost_columns if n in costs}
    return _Row(facts, checks, _labelled(cells), _parameters(spec, trial.params))


def _reported(spec: StudySpec, *, is_confirmed: bool) -> _Row:
    """Return the published result; a cost with its value here: ``40 (here 24.7)``."""
    facts = {TRIAL: REPORTED}
    checks = {}
    if is_confirmed and spec.reported is not None:
        facts[CONFIRMED] = reported_number(spec)
        checks[repeats_name(spec)] = str(spec.reported.n or NOTHING)
    else:
        facts[SCORE] = reported_number(spec)
    cells = {n: amount(cost) for n, cost in spec.reported_costs("cost").items()}
    for name, here in spec.reported_costs("cost_here").items():
        cells[name] = f"{cells.get(name, NOTHING)} (here {amount(here)})"
    parameters = _parameters(spec, spec.reported_params)
    return _Row(facts, checks, _labelled(cells), parameters)


def _labelled(cells: Mapping[str, str]) -> dict[str, str]:
    return {quantity_label(name): text for name, text in cells.items()}


def _parameters(spec: StudySpec, params: Mapping[str, ParamValue]) -> dict[str, str]:
    return {name: value_cell(params.get(name)) for name in spec.parameters}


def _seeds(item: Confirmation) -> str:
    """Count the fresh seeds: ``10``, ``8 of 10, 2 failed``, or ``50 on 5 splits``."""
    text = str(len(item.scores))
    if len(item.scores) < item.n_seeds:
        text += f" of {item.n_seeds}"
    if item.splits:
        text += f" on {len(item.splits)} splits"
    if item.failed:
        text += f", {item.failed} failed"
    return text
