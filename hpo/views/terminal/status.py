"""What ``hpo status`` shows: a line per study and per worker, in the room that there is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from hpo.study.result import Result
from hpo.study.trials import Event, Listed, StudyState, WorkerInfo, WorkerState
from hpo.views import caveats, formatting, verdict
from hpo.views.terminal import tables

FINISHED = 10
"""So many finished studies are shown beside the others."""
_PROBLEM = 60
"""So many characters are told of why a study cannot be read here."""
Known = tuple[Listed, Result | None]
"""A study in a list; no result of one that cannot be read here."""


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
        height: lines that there may be; None for as many as it takes.
    """
    if not studies:
        lines = ["The database holds no study yet. Start one with: hpo launch NAME"]
    else:
        rows = sum(item.state != StudyState.DONE for item, _ in studies) + FINISHED
        if height is not None:
            rows = min(rows, max(1, height - 4 - min(len(present(workers)), height // 2)))
        lines = study_lines(_chosen(studies, rows), width=width)
        if rows < len(studies):
            lines.append(f"and {len(studies) - rows:,} more: hpo studies")
    room = None if height is None else height - len(lines) - 1
    return [*lines, "", *worker_lines(workers, width=width, height=room)]


def _chosen(studies: Sequence[Known], rows: int) -> list[Known]:
    """So many of them, those that are not finished and those begun last first; in their order."""
    newest = sorted(range(len(studies)), key=lambda i: (studies[i][0].state == StudyState.DONE, -i))
    return [studies[i] for i in sorted(newest[:rows])]


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
                *(_score(result) if result else ("–", formatting.cut(item.problem, _PROBLEM))),
                item.objective,
                f"{item.created_at:%Y-%m-%d %H:%M}",
                *[str(item.priority)] * ranked,
            ]
        )
    right = [2, 3, 4, 9] if ranked else [2, 3, 4]
    return tables.columns(rows, right=right, width=width, drop=[7, 8, 3, 4])


def _score(result: Result) -> tuple[str, str]:
    """The confirmed score, else the best of the search, and how far it is from the reported one."""
    found, item = result.headline, result.confirmed
    if found is None:
        return "–", ""
    aside = caveats.aside(result.spec, item) if item else ""
    return verdict.headline(result, aside), verdict.gap_text(result.spec, found.score, "")


def gap(result: Result) -> str:
    """How far a study is from the reported optimum, in one sentence; empty without one."""
    spec, best = result.spec, result.best
    if spec.reported is None or not result.selects:
        return ""
    confirmed = result.confirmed
    if confirmed is not None:
        return f"the confirmed score is {verdict.gap_text(spec, confirmed.mean)}"
    claimed = None if best is None else result.claimed(best)
    if claimed is None:
        return f"no score yet to hold against the reported {formatting.reported_number(spec)}"
    expected = "score that is expected of the best trial" if result.snapshot.expected else ""
    what = (
        expected or "best search score"
        if not result.costs
        else f"search score ({verdict.named(result)})"
    )
    return f"the {what} is {verdict.gap_text(spec, claimed)}"


def present(workers: Sequence[WorkerInfo]) -> list[WorkerInfo]:
    """Workers that live or were lost lately, the living first."""
    found = [worker for worker in workers if worker.alive or worker.state != WorkerState.ENDED]
    return sorted(found, key=lambda worker: not worker.alive)


def event_lines(events: Sequence[Event]) -> list[str]:
    """What people did to studies, and when: one line each."""
    return tables.columns(
        [[f"{e.at.astimezone():%Y-%m-%d %H:%M}", e.who, e.what, e.study] for e in events]
    )


def worker_lines(
    workers: Sequence[WorkerInfo], *, width: int | None = None, height: int | None = None
) -> list[str]:
    """A table of workers: name, host, the slot they hold, seconds since their last sign of life.

    Where lines are not counted (``height``), also the job and the log of those that have some.
    """
    found = present(workers)
    if not found:
        return ["No worker is alive."]
    logs = height is None and any(worker.log for worker in found)
    jobs = height is None and any(worker.job for worker in found)
    rows = [["worker", "host", "doing", "last seen", *["log"] * logs, *["job"] * jobs]]
    for worker in found:
        said = worker.alive or worker.state == WorkerState.REFUSED
        doing = worker.doing if said else f"lost: {worker.doing}"
        silent = f"{formatting.duration_text(worker.seconds_silent)} ago"
        row = [worker.name, worker.host, doing, silent]
        row += [PurePath(worker.log or "").name] * logs
        rows.append(row + [worker.job or ""] * jobs)
    more = []
    if height is None:
        directories = {str(PurePath(worker.log).parent) for worker in found if worker.log}
        more = [f"logs in {directory}" for directory in sorted(directories)]
    elif len(rows) > max(2, height):
        shown = max(1, height - 2)
        more = [f"and {len(found) - shown:,} more workers"]
        rows = rows[: shown + 1]
    drop = [index for index in (1, 5) if index < len(rows[0])]
    return [*tables.columns(rows, right=[3], width=width, drop=drop), *more]
