"""What is said of studies on a terminal: of one, of all, of their workers, and what to do next."""

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
from hpo.views import caveats, formatting, verdict
from hpo.views.terminal import chart, text_tables

FINISHED = 10
"""So many finished studies are shown beside the others."""
Known = tuple[Listed, Result | None]
"""A study in a list; no result of one that cannot be read here."""


# --- one study ------------------------------------------------------------------------------------


def said(result: Result) -> list[str]:
    """A study in sentences: verdict, progress, confirmations, edges of its space."""
    told = result.state in (StudyState.FAILED, StudyState.STOPPED)  # by the verdict itself
    lines = _verdict(result, "" if told else f"{result.state}, ")
    lines.append(verdict.progress(result))
    if result.confirm:
        settled = sum(len(c.scores) + c.failed for c in result.confirmations)
        lines.append(f"{settled} of {result.wanted} confirmations settled")
    return [*lines, *edge_lines(result)]


def of_study(result: Result, storage: str = "", width: int | None = None) -> list[str]:
    """All that ``hpo status`` shows of one study; ``storage`` as in ``next_step``."""
    step, reason = next_step(result, storage), result.snapshot.reason or ""
    failed = result.state == StudyState.FAILED
    why = ["why it failed:", *(f"  {line}" for line in reason.splitlines())] if reason else []
    return _blocks(
        said(result),
        text_tables.best_table(result, 1) if result.best else [],
        worker_lines(result.snapshot.workers, width=width),
        failures(result, storage),
        why if failed else [],
        [f"next: {step}"] if step else [],
    )


def of_launch(result: Result, *, report: str | None, storage: str, width: int) -> list[str]:
    """What a launch ends with: chart, verdict, best beside reported, report, next commands.

    Args:
        result: the study.
        report: path of the written report.
        storage: options that lead the next commands to the same database, mostly empty.
        width: characters per line of the chart.
    """
    name = shlex.quote(result.name)
    best = f"hpo best {name}{storage}; " if result.selects else ""
    return _blocks(
        chart.chart(result, width=min(width - 1, 100)),
        [
            *_verdict(result),
            verdict.progress(result),
            *filter(None, [verdict.utilisation(result)]),
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
    """What ``hpo best`` shows: the verdict, so many trials beside the reported one, caveats."""
    named = result.confirmed  # of which the first line says it
    found = [_verdict(result)]
    if result.best is not None:
        found += [
            text_tables.front_table(result),
            text_tables.best_table(result, top),
            edge_lines(result),
            caveats.warnings(result, but=named.source if named else None),
            chart.chart(result),
        ]
    return _blocks(*found)


def _verdict(result: Result, state: str = "") -> list[str]:
    """The verdict with its key number on the first line, and a line for each further clause."""
    first, *more = verdict.clauses(result)
    return [f"{result.name}: {state}{first}", *(f"  {clause}" for clause in more)]


def _blocks(*found: list[str]) -> list[str]:
    """Blocks of lines with an empty line between them; of an empty block none."""
    return "\n\n".join("\n".join(block) for block in found if block).split("\n")


def edge_lines(result: Result) -> list[str]:
    """A line for each bound of the space at which the best trials lie; see ``study.edges``."""
    return [f"edge  {text}" for text in verdict.edges(result)]


def failures(result: Result, storage: str = "") -> list[str]:
    """A line about each of the last failed and excluded trials, and how to run them again."""
    name, lines = shlex.quote(result.name), []
    for state in (SlotState.FAILED, SlotState.EXCLUDED):
        if found := result.ended(state):
            lines.append(f"{len(found)} {state}; the last:")
            last = [(result.called(t), formatting.last_line(t.message)) for t in found[-3:]]
            lines += [f"  {called}: {message}" for called, message in last]
        if found and state == SlotState.FAILED:
            one = f" --trial {_searched(found[-1])}" if len(found) == 1 else ""
            lines.append(f"  once the cause is mended: hpo retry {name}{one}{storage}")
    return lines + [
        f"{result.called(trial)} has lost {trial.losses} workers so far; if it is what kills "
        f"them, set it aside: hpo exclude {name} --trial {trial.number}{storage}"
        for trial in result.search
        if trial.state == SlotState.RUNNING and trial.losses >= MAX_LOSSES
    ]


def next_step(result: Result, storage: str = "") -> str:
    """What to do about a study that is not done; empty if there is nothing to do.

    ``storage`` holds the options that lead the commands to the same database, mostly none.
    """
    name, failed = shlex.quote(result.name), result.state == StudyState.FAILED
    resume = f"`hpo resume {name}{storage}`"
    if failed and result.stuck:
        return (
            f"look at the worker's log, mend the cause and go on with {resume}, or set the trial "
            f"aside first: `hpo exclude {name} --trial {_searched(result.stuck[0])}{storage}`"
        )
    if failed and result.ended(SlotState.FAILED):
        return (
            f"see the errors with `hpo trials {name}{storage} --state failed`; mend the cause and "
            f"run these trials again with `hpo retry {name}{storage}`, or accept their failures "
            f"with {resume}; a changed study file needs another name: "
            f"`hpo launch --study FILE{storage} --name NEW`"
        )
    if failed or result.state == StudyState.STOPPED:
        return resume
    if result.state == StudyState.OPEN and not result.snapshot.helpers:
        # a launch needs the study's file, which an import or another directory does not have
        return (
            f"no worker serves this study; start some with `hpo worker --study {name}{storage}`, "
            f"or launch it again"
        )
    return ""


def _searched(trial: Trial) -> int:
    """The number of a trial of the search, or of the one that a confirmation retrains."""
    return trial.number if trial.source is None else trial.source


# --- all studies ----------------------------------------------------------------------------------


def overview(
    studies: Sequence[Known],
    workers: Sequence[WorkerInfo],
    *,
    width: int | None = None,
    height: int | None = None,
) -> list[str]:
    """Studies that are not finished, some that are, and the workers.

    Args:
        studies: every study of the database, oldest first.
        workers: those seen lately.
        width: characters that a line may have.
        height: lines that there may be: studies that find no room are counted, the oldest first.
    """
    unfinished = sum(item.state != StudyState.DONE for item, _ in studies)
    rows, below = min(len(studies), unfinished + FINISHED), worker_lines(workers, width=width)
    if height is not None:
        room = max(height // 2, height - rows - 3)
        if len(below) > room:
            below = [*below[: room - 1], "and more: hpo status"]
        rows = min(rows, max(1, height - len(below) - 3))
    newest = sorted(range(len(studies)), key=lambda i: (studies[i][0].state == StudyState.DONE, -i))
    lines = study_lines([studies[i] for i in sorted(newest[:rows])], width=width)
    if not studies:
        lines = ["The database holds no study yet. Start one with: hpo launch NAME"]
    if rows < len(studies):
        lines.append(f"and {len(studies) - rows:,} more: hpo studies")
    return [*lines, "", *below]


def study_lines(studies: Sequence[Known], *, width: int | None = None) -> list[str]:
    """A table of studies."""
    head = "study state settled epochs running score reported objective since"
    ranked = any(item.priority for item, _ in studies)
    rows = [head.split() + ["priority"] * ranked]
    for item, result in studies:
        trials = result.progress.trials if result else item.settled
        rows.append(
            [
                item.name,
                item.state,
                f"{item.settled}/{trials}",
                f"{result.progress.epochs:,}" if result else "–",
                str(item.running),
                *(_score(result) if result else ("–", formatting.cut(item.problem, 60))),
                item.objective,
                f"{item.created_at:%Y-%m-%d %H:%M}",
                *[str(item.priority)] * ranked,
            ]
        )
    return text_tables.columns(rows, right=[2, 3, 4, 9], width=width, drop=[7, 8, 3, 4])


def _score(result: Result) -> tuple[str, str]:
    """The confirmed score, else the best of the search, and how far it is from the reported one."""
    spec, item = result.spec, result.confirmed
    if result.headline is None:
        return "–", ""
    gap = verdict.gap_text(result, formatting.reported_number(spec))
    return verdict.headline(result, caveats.aside(spec, item) if item else ""), gap


def event_lines(events: Sequence[Event]) -> list[str]:
    """What people did to studies, and when: one line each."""
    return text_tables.columns(
        [[f"{e.at.astimezone():%Y-%m-%d %H:%M}", e.who, e.what, e.study] for e in events]
    )


def worker_lines(workers: Sequence[WorkerInfo], *, width: int | None = None) -> list[str]:
    """A table of workers that live or were lost lately, the living first.

    Name, host, the slot they hold, seconds since their last sign of life, log and job of those that
    have some.
    """
    found = [worker for worker in workers if worker.alive or worker.state != WorkerState.ENDED]
    found.sort(key=lambda worker: not worker.alive)
    if not found:
        return ["No worker is alive."]
    logs, jobs = any(worker.log for worker in found), any(worker.job for worker in found)
    rows = [["worker", "host", "doing", "last seen", *["log"] * logs, *["job"] * jobs]]
    for worker in found:
        told = worker.alive or worker.state == WorkerState.REFUSED
        doing = worker.doing if told else f"lost: {worker.doing}"
        silent = "before the clock was set back"
        if worker.seconds_silent is not None:
            silent = f"{formatting.duration_text(worker.seconds_silent)} ago"
        row = [worker.name, worker.host, doing, silent]
        row += [PurePath(worker.log or "").name] * logs
        rows.append(row + [worker.job or ""] * jobs)
    directories = {str(PurePath(worker.log).parent) for worker in found if worker.log}
    where = [f"logs in {directory}" for directory in sorted(directories)]
    return [*text_tables.columns(rows, right=[3], width=width, drop=[1, 5]), *where]
