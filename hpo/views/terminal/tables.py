"""A study's result as plain text: tables, best beside reported, what to do next."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Collection, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from hpo.study.result import Front, Result, told_costs
from hpo.study.snapshot import StudyState
from hpo.study.spec import StudySpec
from hpo.study.trials import MAX_LOSSES, SlotState, Trial
from hpo.study.trials import slot_name as slot_text
from hpo.views import caveats, formatting
from hpo.views import verdict as views_verdict
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
    spec, ranking = result.spec, _first(result, top)
    confirmed = {item.source: item for item in result.confirmations if item.scores}
    reported = spec.reported
    rows = [["", *(f"trial {slot.number}" for slot in ranking)]]
    rows.append(["search score", *(formatting.score_cell(spec, slot) for slot in ranking)])
    if result.snapshot.expected:
        known = [result.snapshot.expected[slot.number] for slot in ranking]
        rows.append(["  expected", *(formatting.score_text(spec, e.mean, e.std) for e in known)])
    if confirmed:
        found = [confirmed.get(slot.number) for slot in ranking]
        cells = ["–" if c is None else formatting.score_text(spec, c.mean, c.std) for c in found]
        rows.append(["confirmed", *cells])
        more = caveats.cells(spec, found)
        rows += [[f"  {name}", *(cell[name] for cell in more)] for name in more[0]]
        rows.append(["  fresh seeds", *("–" if c is None else str(len(c.scores)) for c in found)])
        for name in spec.objective_impl.costs if result.costs else ():
            costs = [None if c is None else c.told.get(name) for c in found]
            rows.append([f"  {formatting.quantity_label(name)}", *map(_cost_cell, costs)])
    for name in spec.parameters:
        values = [slot.params.get(name) for slot in ranking]
        rows.append([name, *("–" if v is None else formatting.value_text(v) for v in values)])
    if reported is not None:
        score = formatting.reported_number(spec)
        beside = {"": "reported", "confirmed" if confirmed else "search score": score}
        beside["  fresh seeds"] = str(reported.n or "–")
        for name, cost in spec.reported_costs("cost").items():
            beside[f"  {formatting.quantity_label(name)}"] = _cost_cell(cost)
        shown = spec.reported_params.items()
        beside |= {name: formatting.value_text(value) for name, value in shown}
        rows = [[*row, beside.get(row[0], "–")] for row in rows]
    return columns(rows, right=range(1, len(rows[0])))


def _first(result: Result, top: int) -> list[Trial]:
    """So many of the ranking; with costs, the trial that the study is named by is the first."""
    best = result.best
    if not isinstance(result, Front) or best is None:
        return list(result.ranking[:top])
    return [best, *(slot for slot in result.ranking if slot.number != best.number)][:top]


def _cost_cell(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value == round(value) or value >= 1000 else f"{value:.3g}"


def _reported_cost(spec: StudySpec, name: str) -> str:
    published, here = (spec.reported_costs(key).get(name) for key in ("cost", "cost_here"))
    return _cost_cell(published) + ("" if here is None else f" (here {_cost_cell(here)})")


def front_table(result: Result) -> list[str]:
    """The confirmed points of a front, cheapest first; before there are any, the search's front.

    A row each: trial, every cost that the objective tells, search score, confirmed mean and
    deviation with the number of fresh seeds; the reported one at the end.
    """
    spec = result.spec
    confirmed = {item.source: item for item in result.confirmations if item.scores}
    slots = [s for s in result.front if s.number in confirmed] or [*result.front]
    if not slots:
        return []
    names = list(dict.fromkeys((*result.costs, *spec.objective_impl.costs)))
    head = ["trial", *map(formatting.quantity_label, names), "search score"]
    checked = any(item.checked for item in confirmed.values())
    beside = [caveats.AT_STEP] if checked else []
    rows = [[*head, *([*beside, "confirmed", "n"] if confirmed else [])]]
    for slot in slots:
        item = confirmed.get(slot.number)
        costs = item.told if item else told_costs(spec, slot)
        row = [str(slot.number), *(_cost_cell(costs.get(name)) for name in names)]
        row.append(formatting.score_text(spec, slot.score or 0.0))
        if item is not None:
            row += [caveats.step_cell(spec, item)] if checked else []
            row += [formatting.score_text(spec, item.mean, item.std), str(len(item.scores))]
        rows.append(row)
    reported = spec.reported
    if reported is not None:
        row = ["reported", *(_reported_cost(spec, name) for name in names), *("–" for _ in beside)]
        number = formatting.reported_number(spec)
        last = ["–", number, str(reported.n or "–")] if confirmed else [number]
        rows.append([*row, *last])
    return columns(rows, right=range(1, len(rows[0])))


def failures(result: Result, storage: str = "") -> list[str]:
    """A line about each of the last failed and excluded slots, and how to run them again."""
    name = shlex.quote(result.spec.name)
    lines = []
    for state in (SlotState.FAILED, SlotState.EXCLUDED):
        found = result.ended(state)
        if found:
            lines.append(f"{len(found)} {state}; the last:")
            lines += [
                f"  {slot_name(result, s)}: {formatting.last_line(s.message)}" for s in found[-3:]
            ]
        if found and state == SlotState.FAILED:
            trial = found[-1].number if found[-1].source is None else found[-1].source
            one = f" --trial {trial}" if len(found) == 1 else ""
            lines.append(f"  once the cause is mended: hpo retry {name}{one}{storage}")
    return lines + [
        f"{slot_name(result, slot)} has lost {slot.losses} workers so far; if it is what kills "
        f"them, set it aside: hpo exclude {name} --trial {slot.number}{storage}"
        for slot in result.search
        if slot.state == SlotState.RUNNING and slot.losses >= MAX_LOSSES
    ]


def slot_name(result: Result, slot: Trial) -> str:
    """``trial 12``, or ``trial 7, fresh seed 3 of 10``."""
    confirm = result.spec.confirm
    return slot_text(slot.number, slot.source, confirm.members if confirm else None)


def verdict(result: Result) -> str:
    """The verdict in one line: of a failure's reason, with its traceback, the first and last."""
    reason = views_verdict.reason_line(result)
    return views_verdict.verdict(result, reason)


def edge_lines(result: Result) -> list[str]:
    """A line for each bound of the space at which the best trials lie; see ``study.edges``."""
    return [f"edge  {text}" for text in views_verdict.edges(result)]


def next_step(result: Result, storage: str = "") -> str:
    """What to do about a study that is not done; empty if there is nothing to do.

    ``storage`` holds the options that lead the commands to the same database, mostly none.
    """
    name = shlex.quote(result.spec.name)
    if result.state == StudyState.FAILED:
        if result.stuck:
            first = result.stuck[0]
            trial = first.number if first.source is None else first.source
            return (
                f"look at the worker's log, mend the cause and go on with `hpo resume {name}"
                f"{storage}`, or set the trial aside first: `hpo exclude {name} --trial {trial}"
                f"{storage}`"
            )
        if not result.ended(SlotState.FAILED):
            return f"`hpo resume {name}{storage}`"
        return (
            f"see the errors with `hpo trials {name}{storage} --state failed`; mend the cause and "
            f"run these trials again with `hpo retry {name}{storage}`, or accept their failures "
            f"with `hpo resume {name}{storage}`; a changed study file needs another name: "
            f"`hpo launch --study FILE{storage} --name NEW`"
        )
    if result.state == StudyState.STOPPED:
        return f"`hpo resume {name}{storage}`"
    if result.state == StudyState.OPEN and not result.snapshot.helpers:
        # a launch needs the study's file, which an import or another directory does not have
        return (
            f"no worker serves this study; start some with `hpo worker --study {name}{storage}`, "
            f"or launch it again"
        )
    return ""


def result(result: Result, *, report: str | None, storage: str, width: int) -> list[str]:
    """The whole result as lines: chart, verdict, best beside reported, report, next commands.

    Args:
        report: path of the written report.
        storage: options that lead the next commands to the same database, mostly empty.
        width: characters per line of the chart.
    """
    name = shlex.quote(result.spec.name)
    lines = [*chart.chart(result, width=min(width - 1, 100)), ""]
    lines += [f"{result.spec.name}: {verdict(result)}", views_verdict.progress(result)]
    lines += [*edge_lines(result), *failures(result, storage)]
    if front := front_table(result):
        lines += ["", *front]
    if result.best is not None:
        lines += ["", *best_table(result, 1)]
    lines.append("")
    if report is not None:
        lines.append(f"report     {report}")
    else:
        lines.append(f"report     hpo report {name}{storage} --open")
    best = f"hpo best {name}{storage}; " if result.selects else ""
    lines.append(f"more       {best}hpo trials {name}{storage}")
    lines.append(f"dashboard  hpo dashboard{storage}")
    return lines
