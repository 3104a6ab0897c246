"""``hpo status`` and ``hpo studies``: how far studies are, who works, and what can be launched."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from hpo.cli.common import looking, next_step, opened_storage, tell, terminal_width
from hpo.console import (
    JSON,
    STORAGE,
    Parser,
    argument,
    command,
    one_of,
    seconds,
    storage_option,
    study_of,
)

_EVENTS = 5
"""So many are told of a study, the newest."""

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from hpo.ledger.reader import LedgerReader
    from hpo.study.result import Result
    from hpo.views.terminal.progress import Tracker


@command(
    argument("--files", action="store_true", help="study files alone; opens no database"),
    STORAGE,
    JSON,
)
def studies(arguments: argparse.Namespace) -> int:
    """List the studies in the database and the study files.

    Examples:
        hpo studies
            studies of the database, and study files in ./studies and of this installation
        hpo studies --files
            study files alone, without a database
        hpo studies --json
            the same for a program
    """
    from hpo.study import file
    from hpo.views import json_records
    from hpo.views.terminal import status

    files = [
        {"name": name, "file": path, "description": file.describe(path)}
        for name, path in file.available().items()
    ]
    if arguments.files:
        return tell(arguments, {"files": files}, *_file_lines(files))
    with looking(arguments) as ledger:
        found = ledger.results()
    lines = ["The database holds no study yet."]
    if found:
        lines = status.study_lines(found, width=terminal_width())
    record = {"studies": [json_records.summary(*known) for known in found], "files": files}
    return tell(arguments, record, *lines, "", *_file_lines(files))


def _file_lines(files: Sequence[dict[str, object]]) -> list[str]:
    from hpo.views.terminal import tables

    rows = [["study file", "path", "what it is"]]
    rows += [[str(f["name"]), str(f["file"]), str(f["description"])] for f in files]
    return [*tables.columns(rows), "", "Launch one with: hpo launch NAME"]


def _check(parser: Parser, arguments: argparse.Namespace) -> None:
    if arguments.watch is not None and not sys.stdout.isatty():
        parser.error(
            "argument --watch: stdout must be a terminal, but it is not. Leave --watch out"
        )


@command(
    study_of("name (default: an overview)", required=False),
    one_of(
        argument(
            "--watch",
            type=seconds,
            nargs="?",
            const=2.0,
            metavar="SECONDS",
            help="draw it again after so many seconds (default: 2), until Ctrl-C",
        ),
        JSON,
    ),
    STORAGE,
    check=_check,
)
def status(arguments: argparse.Namespace) -> int:
    """Show how far studies are and who works for them.

    In --json, `gap` is a score minus the reported one, in the unit of the score (an accuracy as a
    fraction): of the confirmed mean if `gap_of` says "confirmed", else of the best of the search.
    Both are null where nothing is reported, or nothing is complete yet. `edges` are the bounds of
    the space at which the best trials lie, each with a next bound, `widen`. `workers` have `name`,
    `host`, `pid`, `alive`, `seconds_silent`, `doing` in words, `log` (the file of its output) and
    `job` (of a cluster) where they are known, and of the slot that they hold `study`, `phase` and
    `trial`, else null. `events` of a study are what people did to it lately: `at`, `who`, `what`.

    Examples:
        hpo status
            the studies of the database that are not finished, the last ten that are, and the
            workers: host, the slot that each holds, how long ago it gave its last sign of life
        hpo status seqdigits --watch
            one study: progress, how far its best is from the reported optimum, workers, reason of a
            failure; again and again, every 2 seconds
        hpo status --json | jq '.studies[] | select(.gap > 0) | .name'
            studies that are above what is reported
    """
    from hpo.views import json_records
    from hpo.views.terminal import status as views

    if arguments.watch is not None:
        return _watch(arguments)
    with looking(arguments) as ledger:
        if arguments.study is not None:
            result = ledger.result(arguments.study)
            events = ledger.events(_EVENTS, arguments.study)
            record = {**json_records.study(result), "workers": result.snapshot.workers}
            record["events"] = events
            deeds = ["", *views.event_lines(events)] if events else []
            return tell(arguments, record, *_lines(arguments, result), *deeds)
        found, workers = ledger.results(), ledger.workers()
    record = {"studies": [json_records.summary(*known) for known in found], "workers": workers}
    return tell(arguments, record, *views.overview(found, workers, width=terminal_width()))


def _lines(arguments: argparse.Namespace, result: Result) -> list[str]:
    from hpo.study.trials import StudyState
    from hpo.views import verdict
    from hpo.views.terminal import status, tables

    told = result.state in (StudyState.FAILED, StudyState.STOPPED)  # by the verdict itself
    state = "" if told else f"{result.state}, "
    lines = [f"{result.spec.name}: {state}{verdict.verdict(result)}"]
    if gap := status.gap(result):
        lines.append(gap)
    lines.append(verdict.progress(result))
    if result.confirm:
        settled = sum(len(c.scores) + c.failed for c in result.confirmations)
        lines.append(f"{settled} of {result.wanted} confirmations settled")
    lines += tables.edge_lines(result)
    if result.best is not None:
        lines += ["", *tables.best_table(result, 1)]
    lines += ["", *status.worker_lines(result.snapshot.workers, width=terminal_width())]
    if failures := tables.failures(result, storage_option(arguments.storage)):
        lines += ["", *failures]
    if (reason := result.snapshot.reason) and result.state == StudyState.FAILED:
        lines += ["", "why it failed:", *(f"  {line}" for line in reason.splitlines())]
    if step := next_step(arguments, result):
        lines += ["", *step]
    return lines


def _watch(arguments: argparse.Namespace) -> int:
    """Show a study, or all, until Ctrl-C, the usual end; a database that is away is waited for."""
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    from hpo.ledger.reader import LedgerReader
    from hpo.postgres.retry import retry
    from hpo.views.terminal.progress import Tracker

    with opened_storage(arguments) as storage, suppress(KeyboardInterrupt):
        console, ledger, study = Console(), LedgerReader(storage), arguments.study
        tracker = Tracker(ledger.result(study)) if study is not None else None
        shown: RenderableType = Text("")
        with Live(console=console, auto_refresh=False, screen=True) as live:

            def show(note: str, style: str) -> None:
                live.update(Group(shown, Text(note, style)), refresh=True)

            def away(waited_s: float, _: Exception) -> None:
                show(f"database unreachable for {waited_s:.0f} s, retrying", "bold yellow")

            def draw() -> RenderableType:
                return _drawn(ledger, study, tracker, storage.place(), console)

            while True:
                shown = retry(draw, patience_s=math.inf, on_wait=away)
                show("Ctrl-C ends the watching; workers go on", "dim")
                time.sleep(arguments.watch)
    return 0


def _drawn(
    ledger: LedgerReader, study: str | None, tracker: Tracker | None, where: str, console: Console
) -> RenderableType:
    """The study as it is now, or all of the database that is ``where`` in words."""
    from rich.text import Text

    from hpo.views.terminal import live, status

    if study is None or tracker is None:
        room = {"width": console.width, "height": console.height - 3}
        lines = status.overview(ledger.results(), ledger.workers(), **room)
        return Text("\n".join([where, "", *lines]), no_wrap=True, overflow="ellipsis")
    result = ledger.result(study)
    return live.screen(
        result,
        storage=where,
        notes=[],
        seconds_left=tracker.seconds_left(result),
        width=console.width,
        height=console.height - 1,
    )
