"""A study's result as plain text: tables, best beside reported, what to do next."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Collection, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.trials import MAX_LOSSES, SlotState, StudyState, Trial
from hpo.views import caveats, formatting, ranking, verdict
from hpo.views.terminal import chart


def columns(
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[int] = (),
    width: int | None = None,
    drop: Sequence[int] = (),
    keep: Collection[int] = (),
) -> list[str]:
    """Rows of cells as aligned lines.

    Args:
        rows: cells; every row as long as the first, the header.
        right: indices of the columns that are aligned to the right.
        width: characters that a line may have; None for any number.
        drop: columns to leave out where there is no room, the first one first. If that does not
            suffice, the widest columns are cut.
        keep: columns that are not cut.

    Examples:
        >>> columns([["name", "n"], ["a", "10"]], right=[1])
        ['name   n', 'a     10']
        >>> columns([["name", "n", "since"], ["an-example", "10", "Monday"]], width=10, drop=[2])
        ['name    n', 'an-ex…  10']
    """
    widths = {i: max(map(len, column)) for i, column in enumerate(zip(*rows, strict=True))}

    def too_wide() -> bool:
        return width is not None and sum(widths.values()) + 2 * (len(widths) - 1) > width

    for index in drop:
        if too_wide():
            del widths[index]
    soft = {i for i in widths if i not in keep and widths[i] > _NARROWEST}
    while too_wide() and soft:
        widest = max(soft, key=lambda i: widths[i])
        widths[widest] -= 1
        soft -= {widest} if widths[widest] <= _NARROWEST else set()
    return [
        "  ".join(
            f"{formatting.cut(row[i], room):{'>' if i in right else '<'}{room}}"
            for i, room in widths.items()
        ).rstrip()
        for row in rows
    ]


_NARROWEST = 4


def wrapped(rows: Sequence[Sequence[str]], *, width: int, most: int = 24) -> list[str]:
    """Rows of cells as aligned lines, each cell in as many lines as it takes.

    Args:
        rows: cells; every row as long as the first, the header.
        width: characters of a line; what is left of it is the last column's, 20 at least.
        most: characters of a line of any other column.

    Examples:
        >>> wrapped([["name", "meaning"], ["tau_ns", "relaxation time, in ns"]], width=28)
        ['name    meaning', 'tau_ns  relaxation time, in', '        ns']
    """
    *others, _ = zip(*rows, strict=True)
    left = sum(min(most, max(map(len, column))) + 2 for column in others)
    room = [most] * len(others) + [max(20, width - left)]
    found: list[tuple[str, ...]] = []
    for row in rows:
        cells = [textwrap.wrap(text, n) for text, n in zip(row, room, strict=True)]
        found += zip_longest(*cells, fillvalue="")
    return columns(found)


def params_text(params: Mapping[str, Any], spec: StudySpec | None = None) -> str:
    """``tau_ns=2.3 lr0=0.15``, in the order of the spec's space if it is given."""
    order = list(spec.parameters) if spec else []
    known = [key for key in order if key in params] or list(params)
    return " ".join(f"{key}={formatting.value_text(params[key])}" for key in known)


def best_table(result: Result, top: int) -> list[str]:
    """The best configurations, a column each, beside the reported one; a row per parameter."""
    found = ranking.table(result, ranking.first(result, top))
    head, *facts = found.facts.items()
    main = (ranking.SCORE, ranking.CONFIRMED)
    rows = [["", *head[1]], *([name if name in main else f"  {name}", *row] for name, row in facts)]
    rows += [[f"  {name}", *row] for name, row in found.costs.items()]
    rows += [[name, *row] for name, row in found.parameters.items()]
    return columns(rows, right=range(1, len(rows[0])))


def front_table(result: Result) -> list[str]:
    """The confirmed points of a front, cheapest first; before there are any, the search's front.

    A row each: trial, every cost that the objective tells, search score, confirmed mean and
    deviation with the number of fresh seeds; the reported one at the end.
    """
    confirmed = {item.source for item in result.confirmations if item.scores}
    trials = [t for t in result.front if t.number in confirmed] or result.front
    if not trials:
        return []
    found = ranking.table(result, trials)
    names = [cell.removeprefix("trial ") for cell in found.facts[ranking.TRIAL]]
    cells = {ranking.TRIAL: names, **found.costs}
    for name in (ranking.SCORE, caveats.AT_STEP, ranking.CONFIRMED, ranking.SEEDS):
        if name in found.facts:
            cells["n" if name == ranking.SEEDS else name] = found.facts[name]
    rows = [list(cells), *zip(*cells.values(), strict=True)]
    return columns(rows, right=range(1, len(cells)))


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


def edge_lines(result: Result) -> list[str]:
    """A line for each bound of the space at which the best trials lie; see ``study.edges``."""
    return [f"edge  {text}" for text in verdict.edges(result)]


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


def result(result: Result, *, report: str | None, storage: str, width: int) -> list[str]:
    """The whole result as lines: chart, verdict, best beside reported, report, next commands.

    Args:
        report: path of the written report.
        storage: options that lead the next commands to the same database, mostly empty.
        width: characters per line of the chart.
    """
    name = shlex.quote(result.name)
    best = f"hpo best {name}{storage}; " if result.selects else ""
    return [
        *chart.chart(result, width=min(width - 1, 100)),
        "",
        f"{result.name}: {verdict.verdict(result)}",
        verdict.progress(result),
        *edge_lines(result),
        *failures(result, storage),
        *(["", *front_table(result)] if result.front else []),
        *(["", *best_table(result, 1)] if result.best else []),
        "",
        f"report     {report or f'hpo report {name}{storage} --open'}",
        f"more       {best}hpo trials {name}{storage}",
        f"dashboard  hpo dashboard{storage}",
    ]
