"""The state of studies and workers on a terminal, and the next commands."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Sequence
from functools import partial
from pathlib import PurePath

from hpo.errors import advise
from hpo.study.replication import Replication
from hpo.study.result import Result
from hpo.study.trials import (
    MAX_LOSSES,
    Event,
    Listed,
    NativeStudy,
    SlotState,
    StudyState,
    Trial,
    WorkerInfo,
    WorkerState,
)
from hpo.views.sentences import (
    caveats,
    comparison,
    incomplete,
    progress,
    refusals,
    replication,
    verdict,
)
from hpo.views.sentences.formatting import (
    NOTHING,
    cut,
    duration_text,
    last_line,
    native_text,
    reported_number,
)
from hpo.views.terminal import chart, text_tables

FINISHED = 10
"""Number of finished studies to show beside the others."""
Known = tuple[Listed, Result | None]
"""A study in a list, and its result; None if the study is unreadable here."""


# --- one study ---


def sentences(result: Result) -> list[str]:
    """Return refusals, verdict, progress, confirmations and bounds reached."""
    state = f"{result.state}, "
    if result.state in (StudyState.FAILED, StudyState.STOPPED):
        state = ""  # the verdict says it
    lines = refused_lines(result.name, result.state, result.snapshot.workers)
    lines += _verdict(result, state)
    lines.append(progress.progress(result))
    if result.confirm:
        trials = result.confirmation_trials
        finished = sum(trial.state.is_finished for trial in trials)
        lines.append(f"{finished} of {result.n_confirmations} confirmations finished")
    return [*lines, *bound_lines(result)]


def refused_lines(
    study: str, state: StudyState, workers: Sequence[WorkerInfo]
) -> list[str]:
    """Return a line per reason for which workers refuse an open study."""
    if state != StudyState.OPEN:
        return []
    return [f"{study}: {text}" for text in refusals.refusals(study, workers)]


def of_study(result: Result, storage: str = "", width: int | None = None) -> list[str]:
    """Return the output of ``hpo status STUDY``; ``storage`` as in ``next_step``."""
    why = []
    if result.state == StudyState.FAILED and result.snapshot.reason:
        reason = result.snapshot.reason.splitlines()
        why = ["why it failed:", *(f"  {line}" for line in reason)]
    following = []
    step = next_step(result, storage)
    if step:
        following.append(f"next: {step}")
    return _blocks(
        sentences(result),
        text_tables.best_table(result, 1),
        worker_lines(result.snapshot.workers, width=width),
        failures(result, storage),
        why,
        following,
    )


def of_launch(
    result: Result, *, report: str | None, storage: str, width: int
) -> list[str]:
    """Return the last output of a launch: chart, verdict, best trial, report, next
    commands.

    Args:
        result: the study.
        report: path of the written report.
        storage: options by which the next commands reach the same database, mostly
            empty.
        width: characters per line of the chart.
    """
    name = shlex.quote(result.name)
    more = verdict.of(result).commands(name, storage)
    return _blocks(
        chart.chart(result, width=min(width - 1, 100)),
        [
            *_verdict(result),
            progress.progress(result),
            *bound_lines(result),
            *failures(result, storage),
        ],
        text_tables.front_table(result),
        text_tables.best_table(result, 1),
        [
            f"report     {report or f'hpo report {name}{storage} --open'}",
            f"more       {'; '.join(more)}",
            f"dashboard  hpo dashboard{storage}",
        ],
    )


def of_replication(repeated: Replication) -> list[str]:
    """Return the last output of ``hpo launch --repeat``: verdict, and a row for each
    search."""
    first, *more = replication.verdict(repeated)
    rows = replication.rows(repeated)
    table = [list(rows[0]), *(list(row.values()) for row in rows)]
    verdict_lines = [f"{repeated.name}: {first}", *(f"  {text}" for text in more)]
    return _blocks(verdict_lines, text_tables.columns(table))


def best(result: Result, top: int) -> list[str]:
    """Return the output of ``hpo best``: verdict, ``top`` trials beside the reported,
    caveats."""
    if result.best is None:
        return _verdict(result)
    return _blocks(
        _verdict(result),
        text_tables.front_table(result),
        text_tables.best_table(result, top),
        bound_lines(result),
        caveats.further(result),
        chart.chart(result),
    )


def _verdict(result: Result, state: str = "") -> list[str]:
    """Return the verdict, a line per clause; the first line has the key number."""
    first, *more = verdict.clauses(result)
    return [f"{result.name}: {state}{first}", *(f"  {clause}" for clause in more)]


def _blocks(*blocks: list[str]) -> list[str]:
    """Join blocks of lines with empty lines between them; drop empty blocks."""
    lines: list[str] = []
    for block in filter(None, blocks):
        if lines:
            lines.append("")
        lines += block
    return lines


def bound_lines(result: Result) -> list[str]:
    """Return a line per bound at which the best trials lie."""
    return [f"bound  {text}" for text in progress.bounds_reached(result)]


def failures(result: Result, storage: str = "") -> list[str]:
    """Return a line per recently failed or excluded trial, and how to retry."""
    name = shlex.quote(result.name)
    lines = _last(result, SlotState.FAILED)
    failed = {_searched(trial) for trial in _list_own_failures(result)}
    if result.snapshot.failed_to_confirm:
        lines.append(f"  {confirm_again(result, storage)}")
    elif failed:
        retry = incomplete.retry_command(result, storage)
        if len(failed) == 1:
            retry = retry.replace("--retry", f"--retry {min(failed)}")
        lines.append(f"  {incomplete.correct_failed(result, retry, storage)}")
    lines += _last(result, SlotState.EXCLUDED)
    for trial in result.search:
        if trial.state == SlotState.RUNNING and trial.losses >= MAX_LOSSES:
            lines.append(
                f"{result.label(trial)} has lost {trial.losses} workers so far; if it"
                f" crashes them, exclude it: hpo exclude {name} --trial"
                f" {trial.number}{storage}"
            )
    return lines


def _list_own_failures(result: Result) -> list[Trial]:
    """Return the failed trials and confirmations of a study, without imported ones."""
    failed = result.ended(SlotState.FAILED)
    if not result.snapshot.imported:
        return failed
    return [trial for trial in failed if trial.source is not None]


def _last(result: Result, state: SlotState) -> list[str]:
    """Return the last three trials that ended in a state, with their messages."""
    trials = result.ended(state)
    if not trials:
        return []
    lines = [f"{len(trials)} {state}; the last:"]
    for trial in trials[-3:]:
        lines.append(f"  {result.label(trial)}: {last_line(trial.message)}")
    return lines


def resume_command(name: str, storage: str = "") -> str:
    """Return how to resume a study; ``storage`` as in ``next_step``."""
    line = f"hpo resume {shlex.quote(name)}{storage}"
    return advise(line, f"hpo.load({name!r}).resume()")


def stop_command(name: str, storage: str = "") -> str:
    """Return how to stop a study; ``storage`` as in ``next_step``."""
    line = f"hpo stop {shlex.quote(name)}{storage}"
    return advise(line, f"hpo.load({name!r}).stop()")


def next_step(result: Result, storage: str = "") -> str:
    """Return the next step for a study that is not done; mostly empty.

    ``storage`` holds the options by which the commands reach the same database, mostly
    none.
    """
    name = shlex.quote(result.name)
    own = f"hpo.load({result.name!r})"
    resume = f"`{resume_command(result.name, storage)}`"
    failed = result.state == StudyState.FAILED
    if failed and result.stuck:
        stuck = _searched(result.stuck[0])
        exclude = advise(
            f"hpo exclude {name} --trial {stuck}{storage}", f"{own}.exclude({stuck})"
        )
        return (
            f"check the worker's log, fix the cause and run {resume}, or first exclude"
            f" the trial: `{exclude}`"
        )
    if failed and result.ended(SlotState.FAILED):
        return _correct_failed(result, storage)
    if failed or result.state == StudyState.STOPPED:
        return resume
    if result.state == StudyState.OPEN and result.spec.is_ask_and_tell:
        ask = advise(f"hpo ask {name}{storage}", f"{own}.ask()")
        return f"ask for its trials with `{ask}`, and tell their values"
    served = result.snapshot.helpers or result.snapshot.refusing  # who say what to do
    if result.state == StudyState.OPEN and not served:
        # a launch needs the study's file, which an import or another directory does not
        # have
        return (
            "no worker serves this study; start some with `hpo worker --study"
            f" {name}{storage}`, or launch it again"
        )
    return ""


def _correct_failed(result: Result, storage: str) -> str:
    """Return the next step for a study that failed by its failed trials."""
    if result.n_returned is not None:
        return incomplete.start_another(result, result.n_returned, storage)
    name = shlex.quote(result.name)
    errors = advise(
        f"hpo trials {name}{storage} --state failed",
        f"hpo.load({result.name!r}).trials",
    )
    retry = incomplete.retry_command(result, storage)
    new = advise(
        f"hpo launch --study FILE{storage} --name NEW",
        "hpo.launch(FILE, name='other')",
    )
    return (
        f"see the errors with `{errors}`; fix the cause and retry these trials with"
        f" `{retry}`, or accept their failures with"
        f" `{resume_command(result.name, storage)}`; a changed study file needs a new"
        f" name: `{new}`"
    )


def confirm_again(result: Result, storage: str = "") -> str:
    """Return how to confirm an imported study whose function fails; ``storage`` as in
    ``next_step``."""
    return (
        "correct the function or name another: hpo confirm"
        f" {shlex.quote(result.name)} --objective train.py:objective{storage}"
    )


def _searched(trial: Trial) -> int:
    """Return the number of a search trial, or of the one that a confirmation
    retrains."""
    return trial.number if trial.source is None else trial.source


# --- all studies ---


def overview(
    studies: Sequence[Known],
    workers: Sequence[WorkerInfo],
    *,
    width: int | None = None,
    height: int | None = None,
) -> list[str]:
    """List refused studies, unfinished ones, some finished ones, and the workers.

    Args:
        studies: every study of the database, oldest first.
        workers: recently seen workers.
        width: maximum characters per line.
        height: maximum lines; the oldest studies beyond it are counted only.
    """
    above = [
        line
        for item, _ in studies
        for line in refused_lines(item.name, item.state, workers)
    ]
    if width is not None:
        wrap = partial(textwrap.wrap, width=width, break_on_hyphens=False)
        above = [part for line in above for part in wrap(line)]
    if above:
        above.append("")
    done = [item.state == StudyState.DONE for item, _ in studies]
    rows = min(len(studies), done.count(False) + FINISHED)
    below = worker_lines(workers, width=width)
    if height is not None:
        room = max(height // 2, height - rows - 3)
        if len(below) > room:
            below = [*below[: room - 1], "and more: hpo status"]
        above = above[: height // 3]
        rows = min(rows, max(1, height - len(above) - len(below) - 3))
    if not studies:
        empty = "The database has no study yet. Start one with: hpo launch NAME"
        return [empty, "", *below]
    newest = sorted(range(len(studies)), key=lambda i: (done[i], -i))[:rows]
    lines = study_lines([studies[i] for i in sorted(newest)], width=width)
    if rows < len(studies):
        lines.append(f"and {len(studies) - rows:,} more: hpo status --all")
    return [*above, *lines, "", *below]


def study_lines(studies: Sequence[Known], *, width: int | None = None) -> list[str]:
    """Return a table of studies."""
    ranked = any(item.priority for item, _ in studies)
    tagged = any(result and result.spec.tags for _, result in studies)
    columns = [
        "study",
        "state",
        "finished",
        "epochs",
        "running",
        "score",
        "reported",
        "objective",
        "since",
    ]
    right = [2, 3, 4]
    if ranked:
        right.append(len(columns))
        columns.append("priority")
    if tagged:
        columns.append("tags")
    rows = [columns]
    for item, result in studies:
        row = [item.name, item.state, *_amounts(item, result)]
        row += [item.objective, f"{item.created_at:%Y-%m-%d %H:%M}"]
        if ranked:
            row.append(str(item.priority))
        if tagged:
            row.append(" ".join(result.spec.tags) if result else "")
        rows.append(row)
    return text_tables.columns(rows, right=right, width=width, drop=[7, 8, 3, 4])


def native_lines(studies: Sequence[NativeStudy]) -> list[str]:
    """Return a table of the studies that Optuna has made; empty without one."""
    if not studies:
        return []
    rows = [["study of Optuna", "trials", "since"]]
    for one in studies:
        rows.append([one.name, native_text(one), f"{one.created_at:%Y-%m-%d %H:%M}"])
    confirm = "hpo confirm NAME --objective train.py:objective"
    return [*text_tables.columns(rows), "", f"Confirm one with: {confirm}"]


def _amounts(item: Listed, result: Result | None) -> list[str]:
    """Return finished trials, epochs, running trials, score, and its comparison with
    the reported one."""
    finished = f"{item.finished}/"
    running = str(item.running)
    if result is None:
        problem = cut(item.problem, 60)
        return [f"{finished}{item.finished}", NOTHING, running, NOTHING, problem]
    at = result.progress
    gap = comparison.gap_text(result, reported_number(result.spec))
    aside = ""
    if result.snapshot.lacks_means:
        if result.contenders:
            gap = f"see hpo status {shlex.quote(item.name)}"
    elif result.confirmed is not None:
        aside = caveats.aside(result.spec, result.confirmed)
    score = verdict.headline(result, aside) or NOTHING
    epochs = NOTHING
    if result.spec.has_class:
        epochs = f"{at.epochs:,}"
    return [f"{finished}{at.trials}", epochs, running, score, gap]


def event_lines(events: Sequence[Event]) -> list[str]:
    """Return a line per action of a user: time, user, action, study."""
    rows = []
    for event in events:
        at = f"{event.at.astimezone():%Y-%m-%d %H:%M}"
        rows.append([at, event.who, event.what, event.study])
    return text_tables.columns(rows)


def worker_lines(
    workers: Sequence[WorkerInfo], *, width: int | None = None
) -> list[str]:
    """Return a table of live and recently lost workers, live ones first.

    Columns: name, host, current trial, seconds since the last heartbeat, log and job if
        any.
    """
    listed = [one for one in workers if one.is_listed]
    if not listed:
        return ["No worker is alive."]
    listed.sort(key=lambda worker: not worker.alive)
    rows = [["worker", "host", "doing", "last seen"]]
    rows += [_worker(one) for one in listed]
    logs = [PurePath(one.log or "") for one in listed]
    if any(one.log for one in listed):
        _add_column(rows, "log", [log.name for log in logs])
    if any(one.job for one in listed):
        _add_column(rows, "job", [one.job or "" for one in listed])
    directories = {str(PurePath(one.log).parent) for one in listed if one.log}
    where = [f"logs in {directory}" for directory in sorted(directories)]
    return [*text_tables.columns(rows, right=[3], width=width, drop=[1, 5]), *where]


def _worker(worker: WorkerInfo) -> list[str]:
    doing = worker.doing
    if not worker.alive and worker.state != WorkerState.REFUSED:
        doing = f"lost: {doing}"
    silent = "before the clock was set back"
    if worker.seconds_silent is not None:
        silent = f"{duration_text(worker.seconds_silent)} ago"
    return [worker.name, worker.host, doing, silent]


def _add_column(rows: list[list[str]], head: str, cells: Sequence[str]) -> None:
    for row, cell in zip(rows, [head, *cells], strict=True):
        row.append(cell)
