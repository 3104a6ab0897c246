"""The winning configuration in two short tables: its parameters, and its score beside
what it is compared with.

The report and the files for a paper show the same rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from hpo.statistics import intervals
from hpo.statistics.intervals import Estimate
from hpo.study.networks import Confirmation
from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.views.sentences import verdict
from hpo.views.sentences.comparison import difference_text
from hpo.views.sentences.formatting import (
    NOTHING,
    capital,
    parameter_label,
    point_text,
    repeats_name,
    reported_number,
    score_text,
    value_cell,
)

WHAT = "score of"
SCORE = "score"
SEEDS = "n"
TRIED = "settings"
DIFFERENCE = "confirmed minus it"
COLUMNS = (WHAT, SCORE, SEEDS, TRIED, DIFFERENCE)


def number(result: Result) -> int | None:
    """Return the trial of the headline: the confirmed one, else the best of the search;
    None while there is none."""
    if result.confirmed is not None:
        return result.confirmed.source
    return None if result.best is None else result.best.number


def parameters(result: Result) -> Mapping[str, ParamValue]:
    """Return the parameters of this trial; empty while there is none."""
    if result.confirmed is not None:
        return result.confirmed.params
    return {} if result.best is None else result.best.params


def name(result: Result) -> str:
    """Return what this trial is called: ``Confirmed: trial 57``; empty without one."""
    own = number(result)
    if own is None:
        return ""
    if result.confirmed is not None:
        return f"Confirmed: trial {own}"
    return f"{capital(verdict.named(result))}: trial {own}"


def parameter_rows(result: Result) -> list[dict[str, str]]:
    """Return the rows of its parameters; empty while there is no best trial."""
    return rows_of_parameters(result.spec, parameters(result))


def rows_of_parameters(
    spec: StudySpec, own: Mapping[str, ParamValue]
) -> list[dict[str, str]]:
    """Return a row per searched parameter: its value, its range, the reported value.

    Parameters that the trial lacks are left out.
    """
    reported = spec.reported_params
    rows = []
    for each, dimension in spec.dimensions.items():
        if each not in own:
            continue
        row = {"parameter": parameter_label(each), "value": value_cell(own[each])}
        row["searched"] = dimension.allowed
        if dimension.log:
            row["searched"] += ", log"
        if reported:
            row["reported"] = value_cell(reported.get(each))
        rows.append(row)
    return rows


def score_rows(result: Result) -> list[dict[str, str]]:
    """Return a row per score: confirmed, claimed by the search, reported, then all
    baselines, the best first.

    Empty without a best trial and without baselines.
    """
    rows = [*_own_rows(result), *_reported_rows(result)]
    for one in result.baselines:
        row = {WHAT: one.name, SCORE: score_text(result.spec, one.score, one.std)}
        row |= {SEEDS: str(one.n), TRIED: str(one.tried)}
        published = intervals.published(*one.published)
        rows.append(row | {DIFFERENCE: difference_text(result, published)})
    known = {each for row in rows for each in row}
    if result.confirmed is None:
        known.discard(DIFFERENCE)
    return [_cells(row, known) for row in rows]


def _cells(row: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
    """Return the cells of the known columns, in their order."""
    columns = filter(known.__contains__, COLUMNS)
    return {each: row.get(each, NOTHING) for each in columns}


def _own_rows(result: Result) -> list[dict[str, str]]:
    """Return the confirmed score, and beside it what the search claimed."""
    rows = []
    item = result.confirmed
    if item is not None:
        rows.append(_confirmed_row(result, item))
    for trial in result.search:
        if trial.number != number(result):
            continue
        claimed = result.claimed(trial)
        if claimed is None:
            continue
        text = point_text(result.spec, claimed, None, trial.costs)
        row = {WHAT: "the search's own", SCORE: text, SEEDS: str(len(trial.members))}
        claim = result.claim(trial)
        if claim is not None:
            row[DIFFERENCE] = difference_text(result, claim)
        rows.append(row)
    return rows


def _confirmed_row(result: Result, item: Confirmation) -> dict[str, str]:
    std = item.std if len(item.scores) > 1 else None
    return {
        WHAT: f"confirmed on {repeats_name(result.spec)}",
        SCORE: point_text(result.spec, item.mean, std, item.costs),
        SEEDS: str(len(item.scores)),
    }


def _reported_rows(result: Result) -> list[dict[str, str]]:
    known = result.spec.reported
    if known is None:
        return []
    row = {WHAT: f"reported: {known.source}", SCORE: reported_number(result.spec)}
    row[SEEDS] = str(known.n or NOTHING)
    published: Estimate = intervals.published(known.score, known.std, known.n)
    return [row | {DIFFERENCE: difference_text(result, published)}]
