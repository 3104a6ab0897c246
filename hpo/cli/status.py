"""``hpo status``: progress of studies, their workers, and the list of studies."""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from hpo.cli.common import looking, opened_storage, tell, terminal_width
from hpo.console import (
    JSON,
    STORAGE,
    Parser,
    argument,
    at_least,
    command,
    one_of,
    seconds,
    storage_option,
    study_of,
)
from hpo.errors import HpoError, NothingYetError

_EVENTS = 5
"""Number of events shown of a study, the newest."""

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from hpo.ledger.reader import LedgerReader
    from hpo.study.trials import NativeStudy, WorkerInfo
    from hpo.views.terminal.screen import TerminalScreen


def _check(parser: Parser, arguments: argparse.Namespace) -> None:
    if arguments.watch is not None and not sys.stdout.isatty():
        parser.error("argument --watch: stdout is not a terminal. Leave out --watch")
    if arguments.json and (arguments.watch or arguments.logs):
        parser.error("argument --json: not allowed with --watch or --logs")
    if arguments.study and (arguments.all or arguments.tag or arguments.files):
        parser.error("argument STUDY: not allowed with --all, --tag or --files")


@command(
    study_of("name (default: an overview)", required=False),
    one_of(
        argument(
            "--watch",
            type=seconds,
            nargs="?",
            const=2.0,
            metavar="SECONDS",
            help="refresh every SECONDS (default: 2), until Ctrl-C",
        ),
        argument(
            "--all",
            action="store_true",
            help="list every study of the database, and the study files",
        ),
        argument(
            "--tag",
            metavar="TAG",
            help="list the studies with this word in `tags` of their file",
        ),
        argument(
            "--files",
            action="store_true",
            help="list the study files, without a database",
        ),
        argument(
            "--logs",
            type=at_least(1),
            nargs="?",
            const=5,
            metavar="N",
            help=(
                "show the last N (default: 5) log lines of each worker that was started"
                " on this machine, without a database (default study: the one launched"
                " last)"
            ),
        ),
    ),
    JSON,
    STORAGE,
    check=_check,
)
def status(arguments: argparse.Namespace) -> int:
    """Show the progress of studies and their workers, or list all studies.

    In --json, `gap` is a score minus the reported score, in the unit of the score (an
    accuracy is a fraction). The score is the confirmed mean if `gap_of` is "confirmed",
    else the best of the search. Both are null without a reported score or a complete
    trial; in lists also of searches ranked by posterior mean that have not ended.
    `bounds_reached` lists bounds of the space at which the best trials lie, each with a
    wider bound, `widen`.
    `workers` have `name`, `host`, `pid`, `alive`, `seconds_silent` (null: unknown),
    `doing` (text), and where they are known `log` (output file) and `job` (of a
    cluster). Workers that hold a trial have its `study`, `phase` and `trial`, else
    null. `events` are recent interventions: `at`, `who`, `what`.

    Examples:
        hpo status
            show unfinished studies, the last ten finished ones, and all workers with
            their trial and the time since their last heartbeat
        hpo status seqdigits --watch
            show one study every 2 seconds: progress, gap to the reported optimum,
            workers, cause of a failure
        hpo status --all
            list every study of the database, and the study files in ./studies and of
            the installation
        hpo status seqdigits --logs 50
            show the last 50 log lines of each worker of the last launch on this machine
        hpo status --json | jq '.studies[] | select(.gap > 0) | .name'
            list studies above the reported score
    """
    if arguments.watch is not None:
        return _watch(arguments)
    if arguments.logs is not None:
        return _print_logs(arguments)
    if arguments.files:
        return _list_files(arguments)
    if arguments.all or arguments.tag:
        return _list_studies(arguments)
    if arguments.study is None:
        return _show_overview(arguments)
    return _show_study(arguments)


def _show_study(arguments: argparse.Namespace) -> int:
    from hpo.study.trials import StudyState
    from hpo.views.records import json_records
    from hpo.views.terminal import status

    with looking(arguments) as ledger:
        result = ledger.result(arguments.study)
        events = ledger.events(_EVENTS, arguments.study)
        trouble = ledger.storage.explain_full_disk()
    if arguments.json:
        record = json_records.study(result)
        record["workers"] = result.snapshot.workers
        return tell(arguments, {**record, "events": events})
    lines = status.of_study(result, storage_option(arguments.storage), terminal_width())
    if result.state == StudyState.OPEN:
        lines[:0] = _queue_lines(arguments.study, result.snapshot.workers)
    if trouble:
        lines[:0] = [trouble, ""]
    if events:
        lines += ["", *status.event_lines(events)]
    return tell(arguments, {}, *lines)


def _queue_lines(study: str, workers: Sequence[WorkerInfo]) -> list[str]:
    """Say what the jobs of a study do in SLURM, where this host has it.

    A host may have the programs of SLURM and no cluster: that squeue fails is told
    only if a worker came from a job.
    """
    if shutil.which("squeue") is None:
        return []
    from hpo.launch.executors import slurm_programs

    try:
        jobs = slurm_programs.of_study(study)
    except HpoError as error:
        return [str(error), ""] if any(worker.job for worker in workers) else []
    if not jobs:
        return []
    return [f"{study}: {slurm_programs.summary(jobs)}", ""]


def _show_overview(arguments: argparse.Namespace) -> int:
    from hpo.views.records import json_records
    from hpo.views.terminal import status

    most_finished = None if arguments.json else status.FINISHED
    studies: list[status.Known] = []
    workers: list[WorkerInfo] = []
    trouble = ""
    with suppress(NothingYetError), looking(arguments) as ledger:
        studies = ledger.results(most_finished)
        workers = ledger.workers()
        trouble = ledger.storage.explain_full_disk()
    if arguments.json:
        summaries = [json_records.summary(*study) for study in studies]
        return tell(arguments, {"studies": summaries, "workers": workers})
    lines = status.overview(studies, workers, width=terminal_width())
    if trouble:
        lines[:0] = [trouble, ""]
    return tell(arguments, {}, *lines)


# --- lists ---


def _list_studies(arguments: argparse.Namespace) -> int:
    """List all studies and study files, or the studies with a tag."""
    from hpo.views.records import json_records
    from hpo.views.terminal import status

    studies: list[status.Known] = []
    native: list[NativeStudy] = []
    with suppress(NothingYetError), looking(arguments) as ledger:
        studies = ledger.results()
        native = ledger.native_studies()
    files = []
    if arguments.all:
        files = _study_files()
    else:
        native = []
        studies = [
            one for one in studies if one[1] and arguments.tag in one[1].spec.tags
        ]
    lines = ["The database has no such study yet."]
    if studies:
        lines = status.study_lines(studies, width=terminal_width())
    if native:
        lines += ["", *status.native_lines(native)]
    if files:
        lines += ["", *_file_lines(files)]
    summaries = [json_records.summary(*study) for study in studies]
    record = {"studies": summaries, "optuna_studies": native, "files": files}
    return tell(arguments, record, *lines)


def _list_files(arguments: argparse.Namespace) -> int:
    files = _study_files()
    return tell(arguments, {"files": files}, *_file_lines(files))


def _study_files() -> list[dict[str, str]]:
    from hpo.study import file

    return [
        {"name": name, "file": str(path), "description": file.describe(path)}
        for name, path in file.available().items()
    ]


def _file_lines(files: list[dict[str, str]]) -> list[str]:
    from hpo.views.terminal import text_tables

    rows = [["study file", "path", "what it is"]]
    rows += [list(study_file.values()) for study_file in files]
    return [*text_tables.columns(rows), "", "Launch one with: hpo launch NAME"]


# --- logs ---


def _print_logs(arguments: argparse.Namespace) -> int:
    from hpo import settings
    from hpo.errors import HpoError

    home = settings.home() / "logs"
    files = list(home.glob(f"{arguments.study or '*'}/**/*.log"))
    if not files:
        what = f"study {arguments.study!r}" if arguments.study else "a study"
        raise HpoError(
            f"{home}: no log of a worker of {what}: none was started on this machine. "
            f"`hpo status` shows where workers run."
        )
    for path in _logs_of_last_launch(files):
        text = path.read_text(encoding="utf-8", errors="replace")
        lines = text.splitlines() or ["(nothing yet)"]
        print(f"== {path}", *lines[-arguments.logs :], sep="\n")
    return 0


def _logs_of_last_launch(files: list[Path]) -> list[Path]:
    """Return the files with the prefix of the newest: the time of its launch, or its
    job number."""
    newest = max(files, key=lambda path: path.stat().st_mtime)
    prefix = newest.name[: newest.name.find("_") + 1]
    if not prefix:
        prefix = newest.name[: newest.name.rfind("-") + 1]
    return sorted(newest.parent.glob(f"{prefix}*.log"))


# --- hpo status --watch ---


def _watch(arguments: argparse.Namespace) -> int:
    """Show one study or all until Ctrl-C; wait before the first launch, too."""
    from rich.console import Console
    from rich.text import Text

    from hpo.views.terminal.screen import TerminalScreen

    screen = TerminalScreen(Console(), whole=True)
    with suppress(KeyboardInterrupt):
        try:
            while True:
                try:
                    _refresh(arguments, screen)
                except NothingYetError as error:
                    screen.show(Text(str(error)))
                time.sleep(arguments.watch)
        finally:
            screen.close()
    return 0


def _refresh(arguments: argparse.Namespace, screen: TerminalScreen) -> NoReturn:
    """Show one study or all again and again, and retry while the database is
    unreachable.

    Raises:
        NothingYetError: there is no study yet, and no table.
    """
    from rich.console import Group
    from rich.text import Text

    from hpo.ledger.reader import LedgerReader
    from hpo.postgres.retry import outage_text, retry

    with opened_storage(arguments, creates=False) as storage:
        ledger = LedgerReader(storage)
        shown: RenderableType = ""

        def note_outage(waited_s: float, error: Exception) -> None:
            note = f"{outage_text(error)} for {waited_s:.0f} s, retrying"
            screen.show(Group(shown, Text(note, "bold yellow")))

        def draw() -> RenderableType:
            return _draw(ledger, arguments.study, storage.place(), screen.console)

        while True:
            shown = retry(draw, patience_s=math.inf, on_wait=note_outage)
            screen.show(shown)
            time.sleep(arguments.watch)


def _draw(
    ledger: LedgerReader, study: str | None, where: str, console: Console
) -> RenderableType:
    """Draw one study, or all of the database ``where``, and leave one line free
    below."""
    from hpo.views.terminal import screen, status

    if study is not None:
        return screen.of_study(
            ledger.result(study),
            storage=where,
            notes=[screen.ENDS],
            width=console.width,
            height=console.height - 1,
        )
    return screen.of_database(
        ledger.results(status.FINISHED),
        ledger.workers(),
        storage=where,
        width=console.width,
        height=console.height,
    )
