"""The state of studies and workers on a terminal, and the next commands."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import PurePath

from hpo.study.result import Result
from hpo.study.trials import (
    MAX_LOSSES,
    Event,
    Listed,
    SlotState,
    StudyState,
    Trial,
    WorkerInfo,
    WorkerState,
)
from hpo.views.sentences import caveats, comparison, formatting, progress, verdict
from hpo.views.terminal import chart, text_tables

FINISHED = 10
"""Number of finished studies to show beside the others."""
Known = tuple[Listed, Result | None]
"""A study in a list, and its result; None if the study is unreadable here."""


# --- one study ---


def sentences(result: Result) -> list[str]:
    """Return verdict, progress, confirmations and edges of a study."""
    ended = result.state in (
        StudyState.FAILED,
        StudyState.STOPPED,
    )  # as the verdict says
    lines = _verdict(result, "" if ended else f"{result.state}, ")
    lines.append(progress.progress(result))
    if result.confirm:
        settled = sum(
            trial.state != SlotState.RUNNING for trial in result.confirmation_trials
        )
        lines.append(f"{settled} of {result.n_confirmations} confirmations settled")
    return [*lines, *edge_lines(result)]


def of_study(result: Result, storage: str = "", width: int | None = None) -> list[str]:
    """Return the output of ``hpo status STUDY``; ``storage`` as in ``next_step``."""
    step, reason = next_step(result, storage), result.snapshot.reason or ""
    failed = result.state == StudyState.FAILED
    why = (
        ["why it failed:", *(f"  {line}" for line in reason.splitlines())]
        if reason
        else []
    )
    return _blocks(
        sentences(result),
        text_tables.best_table(result, 1) if result.best else [],
        worker_lines(result.snapshot.workers, width=width),
        failures(result, storage),
        why if failed else [],
        [f"next: {step}"] if step else [],
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
    best = f"hpo best {name}{storage}; " if result.selects else ""
    return _blocks(
        chart.chart(result, width=min(width - 1, 100)),
        [
            *_verdict(result),
            progress.progress(result),
            *edge_lines(result),
            *failures(result, storage),
        ],
        text_tables.front_table(result) if result.front else [],
        text_tables.best_table(result, 1) if result.best else [],
        [
            f"report     {report or f'hpo report {name}{storage} --open'}",
            f"more       {best}hpo trials {name}{storage}",
            f"dashboard  hpo dashboard{storage}",
        ],
    )


def best(result: Result, top: int) -> list[str]:
    """Return the output of ``hpo best``: verdict, ``top`` trials beside the reported,
    caveats."""
    named = result.confirmed  # the verdict has its caveats
    blocks = [_verdict(result)]
    if result.best is not None:
        blocks += [
            text_tables.front_table(result),
            text_tables.best_table(result, top),
            edge_lines(result),
            caveats.warnings(result, but=named.source if named else None),
            chart.chart(result),
        ]
    return _blocks(*blocks)


def _verdict(result: Result, state: str = "") -> list[str]:
    """Return the verdict, a line per clause; the first line has the key number."""
    first, *more = verdict.clauses(result)
    return [f"{result.name}: {state}{first}", *(f"  {clause}" for clause in more)]


def _blocks(*blocks: list[str]) -> list[str]:
    """Join blocks of lines with empty lines between them; drop empty blocks."""
    return "\n\n".join("\n".join(block) for block in blocks if block).split("\n")


def edge_lines(result: Result) -> list[str]:
    """Return a line per bound at which the best trials lie; see ``study.edges``."""
    return [f"edge  {text}" for text in progress.edges(result)]


def failures(result: Result, storage: str = "") -> list[str]:
    """Return a line per recently failed or excluded trial, and how to retry."""
    name, lines = shlex.quote(result.name), []
    for state in (SlotState.FAILED, SlotState.EXCLUDED):
        if trials := result.ended(state):
            lines.append(f"{len(trials)} {state}; the last:")
            last = [
                (result.label(t), formatting.last_line(t.message)) for t in trials[-3:]
            ]
            lines += [f"  {called}: {message}" for called, message in last]
        if trials and state == SlotState.FAILED:
            one = f" {_searched(trials[-1])}" if len(trials) == 1 else ""
            lines.append(
                f"  after fixing the cause: hpo resume {name}{storage} --retry{one}"
            )
    return lines + [
        f"{result.label(trial)} has lost {trial.losses} workers so far; if it crashes"
        f" them, exclude it: hpo exclude {name} --trial {trial.number}{storage}"
        for trial in result.search
        if trial.state == SlotState.RUNNING and trial.losses >= MAX_LOSSES
    ]


def next_step(result: Result, storage: str = "") -> str:
    """Return the next step for a study that is not done; mostly empty.

    ``storage`` holds the options by which the commands reach the same database, mostly
    none.
    """
    name, failed = shlex.quote(result.name), result.state == StudyState.FAILED
    resume = f"`hpo resume {name}{storage}`"
    if failed and result.stuck:
        return (
            f"check the worker's log, fix the cause and run {resume}, or first exclude"
            f" the trial: `hpo exclude {name} --trial"
            f" {_searched(result.stuck[0])}{storage}`"
        )
    if failed and result.ended(SlotState.FAILED):
        return (
            f"see the errors with `hpo trials {name}{storage} --state failed`; fix the"
            f" cause and retry these trials with `hpo resume {name}{storage} --retry`, or accept"
            f" their failures with {resume}; a changed study file needs a new name:"
            f" `hpo launch --study FILE{storage} --name NEW`"
        )
    if failed or result.state == StudyState.STOPPED:
        return resume
    if result.state == StudyState.OPEN and not result.snapshot.helpers:
        # a launch needs the study's file, which an import or another directory does not
        # have
        return (
            "no worker serves this study; start some with `hpo worker --study"
            f" {name}{storage}`, or launch it again"
        )
    return ""


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
    """List unfinished studies, some finished ones, and the workers.

    Args:
        studies: every study of the database, oldest first.
        workers: recently seen workers.
        width: maximum characters per line.
        height: maximum lines; the oldest studies beyond it are counted only.
    """
    unfinished = sum(item.state != StudyState.DONE for item, _ in studies)
    rows, below = (
        min(len(studies), unfinished + FINISHED),
        worker_lines(workers, width=width),
    )
    if height is not None:
        room = max(height // 2, height - rows - 3)
        if len(below) > room:
            below = [*below[: room - 1], "and more: hpo status"]
        rows = min(rows, max(1, height - len(below) - 3))
    newest = sorted(
        range(len(studies)), key=lambda i: (studies[i][0].state == StudyState.DONE, -i)
    )
    lines = study_lines([studies[i] for i in sorted(newest[:rows])], width=width)
    if not studies:
        lines = ["The database has no study yet. Start one with: hpo launch NAME"]
    if rows < len(studies):
        lines.append(f"and {len(studies) - rows:,} more: hpo status --all")
    return [*lines, "", *below]


def study_lines(studies: Sequence[Known], *, width: int | None = None) -> list[str]:
    """Return a table of studies."""
    head = "study state settled epochs running score reported objective since"
    ranked = any(item.priority for item, _ in studies)
    tagged = any(result and result.spec.tags for _, result in studies)
    rows = [head.split() + ["priority"] * ranked + ["tags"] * tagged]
    for item, result in studies:
        trials = result.progress.trials if result else item.settled
        rows.append(
            [
                item.name,
                item.state,
                f"{item.settled}/{trials}",
                f"{result.progress.epochs:,}" if result else "–",
                str(item.running),
                *(
                    _score(result)
                    if result
                    else ("–", formatting.cut(item.problem, 60))
                ),
                item.objective,
                f"{item.created_at:%Y-%m-%d %H:%M}",
                *[str(item.priority)] * ranked,
                *[" ".join(result.spec.tags) if result else ""] * tagged,
            ]
        )
    return text_tables.columns(
        rows, right=[2, 3, 4] + [9] * ranked, width=width, drop=[7, 8, 3, 4]
    )


def _score(result: Result) -> tuple[str, str]:
    """Return the headline score, and its comparison with the reported one."""
    spec, item = result.spec, result.confirmed
    if result.headline is None:
        return "–", ""
    gap = comparison.gap_text(result, formatting.reported_number(spec))
    return verdict.headline(result, caveats.aside(spec, item) if item else ""), gap


def event_lines(events: Sequence[Event]) -> list[str]:
    """Return a line per action of a user: time, user, action, study."""
    return text_tables.columns(
        [
            [f"{e.at.astimezone():%Y-%m-%d %H:%M}", e.who, e.what, e.study]
            for e in events
        ]
    )


def worker_lines(
    workers: Sequence[WorkerInfo], *, width: int | None = None
) -> list[str]:
    """Return a table of live and recently lost workers, live ones first.

    Columns: name, host, current trial, seconds since the last heartbeat, log and job if
        any.
    """
    listed = [
        worker
        for worker in workers
        if worker.alive or worker.state != WorkerState.ENDED
    ]
    listed.sort(key=lambda worker: not worker.alive)
    if not listed:
        return ["No worker is alive."]
    logs, jobs = (
        any(worker.log for worker in listed),
        any(worker.job for worker in listed),
    )
    rows = [["worker", "host", "doing", "last seen", *["log"] * logs, *["job"] * jobs]]
    for worker in listed:
        lost = not worker.alive and worker.state != WorkerState.REFUSED
        doing = f"lost: {worker.doing}" if lost else worker.doing
        silent = "before the clock was set back"
        if worker.seconds_silent is not None:
            silent = f"{formatting.duration_text(worker.seconds_silent)} ago"
        row = [worker.name, worker.host, doing, silent]
        row += [PurePath(worker.log or "").name] * logs
        rows.append(row + [worker.job or ""] * jobs)
    directories = {str(PurePath(worker.log).parent) for worker in listed if worker.log}
    where = [f"logs in {directory}" for directory in sorted(directories)]
    return [*text_tables.columns(rows, right=[3], width=width, drop=[1, 5]), *where]
