"""All trials of a study as a table for other programs: CSV, or JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from typing import Any, TextIO

from hpo.contract.facts import CHIP_SCORES, THERMAL, TOLERANCES
from hpo.study.result import Result
from hpo.views.records import json_records

_FACTS = ("phase", "number", "source", "state", "score", "attempts", "losses", "worker")
_TIMES = ("started_at", "finished_at", "message")
_MEMBER = {
    "member": "member",
    "seed": "seed",
    "member_score": "score",
    "diverged": "diverged",
    "seconds": "seconds",
}
"""Columns of a network, each with its key in the record."""
_CURVES = ("curve", "loss_curve")
_CHECKS = (
    "solved_score",
    "solved_converged",
    "solved_steps_per_point",
    "trained_steps_per_point",
    *(name for field, name in THERMAL.items() if field != "remedy"),
    CHIP_SCORES,
    TOLERANCES,
)
"""Keys of the ``info`` of a network that was checked; columns if one has them."""


_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a formula of a spreadsheet may begin with."""


def write_jsonl(result: Result, stream: TextIO, *, curves: bool) -> None:
    """Write a JSON object per trial."""
    for trial in result.all_trials:
        record = json_records.trial(result.spec, trial, curves=curves)
        line = json_records.dumps({"study": result.name, **record})
        stream.write(f"{line}\n")


def write_csv(result: Result, stream: TextIO, *, curves: bool) -> None:
    """Write a row per network; a trial without networks has one row.

    A text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    spec = result.spec
    info: set[str] = set()
    for trial in result.all_trials:
        for member in trial.members:
            info |= member.info.keys()
    checks = [name for name in _CHECKS if name in info]
    learning = _CURVES if curves else ()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(
        [
            *_FACTS,
            *spec.cost_columns,
            *_MEMBER,
            *spec.parameters,
            *learning,
            *_TIMES,
            *checks,
        ]
    )
    for trial in result.all_trials:
        record = json_records.trial(spec, trial, curves=curves)
        record = json.loads(json_records.dumps(record))
        costs = trial.costs or [None] * len(spec.cost_columns)
        params = _values(record["params"], spec.parameters)
        times = _values(record, _TIMES)
        members = record["members"] or [{}]
        for member in members:
            own = _values(member, _MEMBER.values())
            facts = [*_values(record, _FACTS), *costs, *own, *params]
            found = _values(member.get("info", {}), checks)
            table.writerow([*facts, *_values(member, learning), *times, *found])


def _values(record: dict[str, Any], names: Iterable[str]) -> list[Any]:
    """Return cells by name."""
    return [_cell(record.get(name)) for name in names]


def _cell(value: Any) -> Any:
    """Return a value as a cell: a list or a table is JSON, a text no formula."""
    if isinstance(value, list | dict):
        return json.dumps(value)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
