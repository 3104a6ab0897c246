"""``hpo trials`` and ``hpo best``: tables of all trials of a study, or of the best."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hpo.cli.common import looking, tell, terminal_width
from hpo.console import JSON, STORAGE, STUDY_OR_ONLY, argument, at_least, command
from hpo.errors import StudyError

if TYPE_CHECKING:
    from hpo.study.result import Result
    from hpo.study.trials import Trial


@command(
    STUDY_OR_ONLY,
    argument(
        "--state",
        choices=["running", "complete", "pruned", "failed", "excluded"],
        help="only trials in this state",
    ),
    argument(
        "--top",
        type=at_least(1),
        metavar="N",
        help="best N of the search, by their scores",
    ),
    JSON,
    STORAGE,
)
def trials(arguments: argparse.Namespace) -> int:
    """List every trial of a study, with parameters, scores and times.

    Examples:
        hpo trials seqdigits --top 10
            list the ten best scores of the search, the best first
        hpo trials seqdigits --state failed
            list failed trials, with the last line of each error
        hpo trials seqdigits --json | jq '.trials[] | select(.state == "complete") |
            .score' print all data for a program; `hpo export` writes a table
    """
    from hpo.views.records import json_records
    from hpo.views.terminal import text_tables

    with looking(arguments) as ledger:
        result = ledger.result(ledger.named(arguments.study))
    candidates = result.search if arguments.top else result.all_trials
    slots = [slot for slot in candidates if arguments.state in (None, slot.state)]
    if arguments.top:  # by score; last values of pruned trials come last
        sign = -1.0 if result.spec.maximize else 1.0
        scored = [slot for slot in slots if slot.score is not None]
        scored.sort(key=lambda slot: (not slot.compares, sign * (slot.score or 0.0)))
        slots = scored[: arguments.top]
    if arguments.json:
        records = [json_records.trial(result.spec, slot) for slot in slots]
        return tell(arguments, {"study": result.name, "trials": records})
    rows, width = _rows(result, slots), terminal_width()
    print(
        *text_tables.columns(rows, right=[2, 3, 4], width=width, drop=[3, 4]), sep="\n"
    )
    return 0


def _rows(result: Result, slots: Sequence[Trial]) -> list[list[str]]:
    from hpo.views.sentences import formatting

    spec = result.spec
    rows = [["trial", "state", "score", "members", "seconds", *spec.parameters, ""]]
    for slot in slots:
        source = {} if slot.source is None else result.search[slot.source].params
        params = slot.params or slot.enqueued or source
        values = [params.get(name) for name in spec.parameters]
        name = result.label(slot).removeprefix("trial ").replace("fresh seed", "seed")
        notes = ["enqueued by hand"] * bool(slot.enqueued)
        notes += [formatting.last_line(slot.message)] * bool(slot.message)
        row = [
            name,
            "waiting" if slot.state == "running" and not slot.held else slot.state,
        ]
        row += [
            formatting.score_cell(spec, slot),
            str(len(slot.members)),
            f"{slot.seconds:.1f}",
        ]
        row += [
            "–" if value is None else formatting.value_text(value) for value in values
        ]
        rows.append([*row, "; ".join(notes)])
    return rows


@command(
    STUDY_OR_ONLY,
    argument(
        "--top", type=at_least(1), default=1, metavar="N", help="trials (default: 1)"
    ),
    STORAGE,
    JSON,
)
def best(arguments: argparse.Namespace) -> int:
    """Compare the best configurations with the reported optimum.

    With a [cost]: show the Pareto front, the cheapest trial that keeps the reported
    score, and others.

    Examples:
        hpo best seqdigits
            show the best trial
        hpo best seqdigits --top 5
            show the best five side by side
        hpo best seqdigits --json | jq .best[0].params
            print its parameters for a program
    """
    from hpo.views.records import json_records
    from hpo.views.terminal import status

    with looking(arguments) as ledger:
        result = ledger.result(ledger.named(arguments.study))
    if not result.selects:
        raise StudyError(
            f"study {result.name!r}: a sweep has no best trial. See `hpo trials "
            f"{shlex.quote(result.name)}`."
        )
    if arguments.json:
        best = [
            json_records.trial(result.spec, slot)
            for slot in result.ranking[: arguments.top]
        ]
        return tell(arguments, {**json_records.study(result), "best": best})
    print(*status.best(result, arguments.top), sep="\n")
    return 0
