"""Tables of the best trials, for terminal, report and notebook."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence

from hpo.study.networks import Confirmation
from hpo.study.result import Front, Result, mean_costs
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import Trial
from hpo.views.sentences import caveats, formatting

TRIAL, SCORE, EXPECTED, CONFIRMED = (
    "trial",
    "search score",
    "posterior mean",
    "confirmed",
)
SEEDS, REPORTED, NOTHING = "fresh seeds", "reported", "–"
_Cells = dict[str, str]
_Row = tuple[_Cells, _Cells, _Cells]
"""Facts, costs and parameters of a trial, each by its column."""


def first(result: Result, top: int) -> list[Trial]:
    """Return the best trials; the headline trial of a front comes first."""
    best = result.best
    if not isinstance(result, Front) or best is None:
        return list(result.ranking[:top])
    return [best, *(trial for trial in result.ranking if trial.number != best.number)][
        :top
    ]


def costs(result: Result) -> list[str]:
    """Name the costs of a front, then the objective's other costs."""
    others = result.spec.objective_impl.costs if result.costs else ()
    return [*dict.fromkeys((*result.costs, *others))]


def table(result: Result, trials: Sequence[Trial]) -> list[_Cells]:
    """Return a row per complete trial, its cells by column; the reported result is the
    last row.

    Costs are means over fresh seeds where there are some, else over the search's
    networks.
    """
    confirmed = {item.source: item for item in result.confirmations}
    rows = [_row(result, trial, confirmed.get(trial.number)) for trial in trials]
    if result.spec.reported is not None:
        rows.append(
            _reported(result.spec, confirmed=any(SEEDS in facts for facts, *_ in rows))
        )
    groups = zip(*rows, strict=True)
    heads = dict.fromkeys(name for group in groups for cells in group for name in cells)
    return [{name: ChainMap(*row).get(name, NOTHING) for name in heads} for row in rows]


def _row(result: Result, trial: Trial, item: Confirmation | None) -> _Row:
    spec, expected = result.spec, result.snapshot.expected.get(trial.number)
    facts = {
        TRIAL: f"trial {trial.number}",
        SCORE: formatting.score_text(spec, trial.score or 0.0),
    }
    if expected is not None:
        facts[EXPECTED] = formatting.score_text(spec, expected.mean, expected.std)
    if item is not None:
        scored = (
            formatting.score_text(spec, item.mean, item.std) if item.scores else NOTHING
        )
        facts |= {CONFIRMED: scored, SEEDS: _seeds(item), **caveats.cells(spec, item)}
    values = item.all_costs if item and item.scores else mean_costs(spec, trial)
    cells = {
        name: formatting.amount(values[name])
        for name in costs(result)
        if name in values
    }
    return facts, _labelled(cells), _parameters(spec, trial.params)


def _reported(spec: StudySpec, *, confirmed: bool) -> _Row:
    """Return the published result; a cost with its value here: ``40 (here 24.7)``."""
    facts = {
        TRIAL: REPORTED,
        CONFIRMED if confirmed else SCORE: formatting.reported_number(spec),
    }
    if confirmed and spec.reported is not None:
        facts[SEEDS] = str(spec.reported.n or NOTHING)
    cells = {k: formatting.amount(v) for k, v in spec.reported_costs("cost").items()}
    for name, here in spec.reported_costs("cost_here").items():
        cells[name] = f"{cells.get(name, NOTHING)} (here {formatting.amount(here)})"
    return facts, _labelled(cells), _parameters(spec, spec.reported_params)


def _labelled(cells: _Cells) -> _Cells:
    return {formatting.quantity_label(name): text for name, text in cells.items()}


def _parameters(spec: StudySpec, params: Mapping[str, ParamValue]) -> _Cells:
    return {name: formatting.value_cell(params.get(name)) for name in spec.parameters}


def _seeds(item: Confirmation) -> str:
    """Count the fresh seeds: ``10``, or ``8 of 10, 2 failed``."""
    n = str(len(item.scores))
    n += f" of {item.n_seeds}" if len(item.scores) < item.n_seeds else ""
    return n + (f", {item.failed} failed" if item.failed else "")
