"""The table of all trials of a study on the dashboard: a page, and its data as JSON,
which the page's script sorts, filters and shows a hundred at a time."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hpo.study.one_trial import TrialRow
from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import Trial
from hpo.views.pages.page import template
from hpo.views.sentences.formatting import (
    metric,
    parameter_label,
    quantity_label,
    shown,
)

MEDIA_TYPE = "application/json"


def page(name: str) -> str:
    """Return the page of a study's trials, without them."""
    return template("trials.html.j2").render(
        name=name, live=True, scripts=("trials",), packed={}
    )


def of(result: Result) -> str:
    """Return the trials of a result as such JSON; empty while there is none."""
    rows = [
        TrialRow(
            number=trial.number,
            state=str(trial.state),
            score=trial.score,
            costs=trial.costs,
            params=trial.params,
            seconds=_seconds(trial),
            attempts=trial.attempts,
            worker=trial.worker,
        )
        for trial in result.search
    ]
    return data(result.spec, rows) if rows else ""


def _seconds(trial: Trial) -> float | None:
    if trial.finished_at is None:
        return None
    return (trial.finished_at - trial.started_at).total_seconds()


def data(spec: StudySpec, trials: Sequence[TrialRow]) -> str:
    """Return the trials as JSON: the heads of ``columns``, and ``rows`` of cells, the
    number of the trial first.

    Numbers have five digits; a cell without a value is null.
    """
    names = list(dict.fromkeys([*spec.dimensions, *_found(trials)]))
    columns = [
        "trial",
        "state",
        metric(spec),
        *map(quantity_label, spec.cost_columns),
        *map(parameter_label, names),
        "seconds",
        "claims",
        "worker",
    ]
    rows = [list(_cells(spec, trial, names)) for trial in trials]
    content = {"columns": columns, "rows": rows}
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def _found(trials: Iterable[TrialRow]) -> Iterator[str]:
    """Yield the names of the parameters that trials have."""
    for trial in trials:
        yield from trial.params or ()


def _cells(
    spec: StudySpec, trial: TrialRow, names: Sequence[str]
) -> Iterator[int | float | str | None]:
    params = trial.params or {}
    yield trial.number
    yield trial.state
    yield None if trial.score is None else _short(shown(spec, trial.score))
    for place, _ in enumerate(spec.cost_columns):
        yield _short(trial.costs[place]) if place < len(trial.costs) else None
    for name in names:
        yield _value(params.get(name))
    yield None if trial.seconds is None else round(trial.seconds, 1)
    yield trial.attempts
    yield trial.worker


def _value(value: ParamValue | None) -> Any:
    """Return a value of a parameter: a number, or a text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return _short(value)
    return value


def _short(value: float) -> float | None:
    """Return a number with five digits; None of one that JSON lacks."""
    if not math.isfinite(value):
        return None
    return float(f"{value:.5g}")
