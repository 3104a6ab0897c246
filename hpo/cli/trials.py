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
        hpo trials seqdigits --json | jq '.trials[] | select(.state == "complete")'
            print all data for a program; `hpo export` writes a table
    """
    from hpo.views.records import json_records
    from hpo.views.terminal import text_tables

    with looking(arguments) as ledger:
        result = ledger.result(ledger.named(arguments.study))
    slots: Sequence[Trial] = result.all_trials
    if arguments.top is not None:
        slots = _by_score(result)
    if arguments.state is not None:
        slots = [slot for slot in slots if slot.state == arguments.state]
    slots = slots[: arguments.top]
    if arguments.json:
        records = [json_records.trial(result.spec, slot) for slot in slots]
        return tell(arguments, {"study": result.name, "trials": records})
    calls = "members" if result.spec.has_class else "calls"
    rows = [["trial", "state", "score", calls, "seconds"]]
    rows[0] += [*result.spec.parameters, ""]
    rows += [_row(result, slot) for slot in slots]
    lines = text_tables.columns(
        rows, right=[2, 3, 4], width=terminal_width(), drop=[3, 4]
    )
    return tell(arguments, {}, *lines)


def _by_score(result: Result) -> Sequence[Trial]:
    """Return the search trials with a score, the best first, pruned ones last."""
    scored = [slot for slot in result.search if slot.score is not None]
    return sorted(
        scored, key=lambda slot: (not slot.compares, -result.sign * (slot.score or 0.0))
    )


def _row(result: Result, slot: Trial) -> list[str]:
    from hpo.views.sentences import formatting

    spec = result.spec
    state = str(slot.state)
    if state == "running" and not slot.held:
        state = "waiting"
    params = slot.params or slot.enqueued
    if not params and slot.source is not None:
        params = result.search[slot.source].params
    values = [
        formatting.value_text(params[name]) if name in params else "–"
        for name in spec.parameters
    ]
    notes = []
    if slot.enqueued:
        notes.append("enqueued by hand")
    if slot.message:
        notes.append(formatting.last_line(slot.message))
    return [
        result.label(slot).removeprefix("trial ").replace("fresh seed", "seed"),
        state,
        formatting.score_cell(spec, slot),
        str(len(slot.members)),
        f"{slot.seconds:.1f}",
        *values,
        "; ".join(notes),
    ]


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
        ranked = result.ranking[: arguments.top]
        records = [json_records.trial(result.spec, slot) for slot in ranked]
        return tell(arguments, {**json_records.study(result), "best": records})
    return tell(arguments, {}, *status.best(result, arguments.top))
