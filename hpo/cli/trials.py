"""``hpo trials`` and ``hpo best``: the trials of a study, all of them or the best, as tables."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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
        help="trials in this state only",
    ),
    argument(
        "--top", type=at_least(1), metavar="N", help="so many of the search (by score, or --sort)"
    ),
    argument(
        "--sort",
        metavar="COLUMN",
        help="the search by score, best first; or by trial, state, members, seconds or a parameter",
    ),
    JSON,
    STORAGE,
)
def trials(arguments: argparse.Namespace) -> int:
    """List every trial of a study, with parameters, scores and times.

    Examples:
        hpo trials seqdigits --top 10
            the ten best of the search; with --sort tau_ns the first ten by that column
        hpo trials seqdigits --state failed
            what failed, and the last line of each error
        hpo trials seqdigits --json | jq '.trials[] | select(.state == "complete") | .score'
            everything that is known, for a program; `hpo export` writes a table for others
    """
    from hpo.views import json_records
    from hpo.views.terminal import text_tables

    with looking(arguments) as ledger:
        result = ledger.result(ledger.named(arguments.study))
    ordered = arguments.sort is not None or arguments.top is not None
    every = result.search if ordered else result.every
    slots = [slot for slot in every if arguments.state in (None, slot.state)]
    if ordered:
        slots = _sorted(result, slots, arguments.sort or "score")[: arguments.top]
    if arguments.json:
        found = [json_records.trial(result.spec, slot) for slot in slots]
        return tell(arguments, {"study": result.name, "trials": found})
    rows, width = _rows(result, slots), terminal_width()
    print(*text_tables.columns(rows, right=[2, 3, 4], width=width, drop=[3, 4]), sep="\n")
    return 0


def _sorted(result: Result, slots: list[Trial], column: str) -> list[Trial]:
    """By a column; those that have nothing in it come last.

    Scores that compare come first: a curve that was cut short has a last value, no score.
    """
    from hpo.study.messages import did_you_mean

    spec = result.spec
    sign = -1.0 if spec.maximize else 1.0
    columns = ("score", "trial", "state", "members", "seconds", *spec.parameters)
    if column not in columns:
        raise StudyError(
            f"--sort: a column of {spec.name} must be named, but got {column!r}. "
            f"{did_you_mean(column, columns)}"
        )

    def cell(slot: Trial) -> Any:
        facts = {"trial": slot.number, "state": slot.state, "members": len(slot.members)}
        facts |= {"seconds": slot.seconds, **slot.params}
        if slot.score is not None:
            facts["score"] = (not slot.compares, sign * slot.score)
        return facts.get(column)

    known = [slot for slot in slots if cell(slot) is not None]
    return sorted(known, key=cell) + [slot for slot in slots if cell(slot) is None]


def _rows(result: Result, slots: Sequence[Trial]) -> list[list[str]]:
    from hpo.views import formatting

    spec = result.spec
    rows = [["trial", "state", "score", "members", "seconds", *spec.parameters, ""]]
    for slot in slots:
        source = {} if slot.source is None else result.search[slot.source].params
        params = slot.params or slot.enqueued or source
        values = [params.get(name) for name in spec.parameters]
        name = result.called(slot).removeprefix("trial ").replace("fresh seed", "seed")
        notes = ["enqueued by hand"] * bool(slot.enqueued)
        notes += [formatting.last_line(slot.message)] * bool(slot.message)
        row = [name, "waiting" if slot.state == "running" and not slot.held else slot.state]
        row += [formatting.score_cell(spec, slot), str(len(slot.members)), f"{slot.seconds:.1f}"]
        row += ["–" if value is None else formatting.value_text(value) for value in values]
        rows.append([*row, "; ".join(notes)])
    return rows


@command(
    STUDY_OR_ONLY,
    argument("--top", type=at_least(1), default=1, metavar="N", help="how many (default: 1)"),
    STORAGE,
    JSON,
)
def best(arguments: argparse.Namespace) -> int:
    """Show the best configurations beside the reported optimum.

    Of a study with a [cost]: the front, the cheapest that holds the reported score, and others.

    Examples:
        hpo best seqdigits
            the best one
        hpo best seqdigits --top 5
            the best five, side by side
        hpo best seqdigits --json | jq .best[0].params
            its parameters, for a program
    """
    from hpo.views import json_records
    from hpo.views.terminal import status

    with looking(arguments) as ledger:
        result = ledger.result(ledger.named(arguments.study))
    if not result.selects:
        raise StudyError(
            f"study {result.name!r}: it must search for a best trial, but it measures every "
            f"point and selects none. See `hpo trials {shlex.quote(result.name)}`."
        )
    if arguments.json:
        found = [json_records.trial(result.spec, slot) for slot in result.ranking[: arguments.top]]
        return tell(arguments, {**json_records.study(result), "best": found})
    print(*status.best(result, arguments.top), sep="\n")
    return 0
