"""Tables as plain text: aligned columns, the best trials, a front."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.views.sentences import caveats, formatting, ranking

_NARROWEST = 4


def columns(
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[int] = (),
    width: int | None = None,
    drop: Sequence[int] = (),
) -> list[str]:
    """Align rows of cells as lines.

    Args:
        rows: cells; every row as long as the first, the header.
        right: indices of right-aligned columns.
        width: maximum characters per line; None for no limit.
        drop: columns to omit where there is no room, in this order. If that does not
            suffice, the widest columns are cut.

    Examples:
        >>> columns([["name", "n"], ["a", "10"]], right=[1])
        ['name   n', 'a     10']
        >>> columns([["name", "n", "since"], ["an-example", "10", "Monday"]], width=10, drop=[2])
        ['name    n', 'an-ex…  10']
    """
    widths = {
        i: max(map(len, column)) for i, column in enumerate(zip(*rows, strict=True))
    }

    def too_wide() -> bool:
        return (
            width is not None and sum(widths.values()) + 2 * (len(widths) - 1) > width
        )

    for index in drop:
        if too_wide():
            widths.pop(index, None)
    while too_wide() and max(widths.values()) > _NARROWEST:
        widths[max(widths, key=lambda i: widths[i])] -= 1
    return [
        "  ".join(
            f"{formatting.cut(row[i], room):{'>' if i in right else '<'}{room}}"
            for i, room in widths.items()
        ).rstrip()
        for row in rows
    ]


def params_text(params: Mapping[str, Any], spec: StudySpec | None = None) -> str:
    """Return ``tau_ns=2.3 lr0=0.15``, in the order of the search space if there is a
    spec."""
    order = list(spec.parameters) if spec else []
    names = [key for key in order if key in params] or list(params)
    return " ".join(f"{key}={formatting.value_text(params[key])}" for key in names)


def best_table(result: Result, top: int) -> list[str]:
    """Return the best trials and the reported result, a column each; a row per
    parameter."""
    cells = ranking.table(result, result.leading(top))
    plain = (ranking.SCORE, ranking.CONFIRMED, *result.spec.parameters)
    rows = [["", *(row.pop(ranking.TRIAL) for row in cells)]]
    for name in cells[0]:
        rows.append(
            [name if name in plain else f"  {name}", *(row[name] for row in cells)]
        )
    return columns(rows, right=range(1, len(rows[0])))


def front_table(result: Result) -> list[str]:
    """Return the confirmed points of a front, cheapest first; without any, the search's
    front.

    Columns: trial, all costs, search score, confirmed mean and deviation, number of
    fresh seeds. The reported result is the last row.
    """
    confirmed = {item.source for item in result.confirmations if item.scores}
    trials = [t for t in result.front if t.number in confirmed] or result.front
    if not trials:
        return []
    cells = ranking.table(result, trials)
    costs = map(formatting.quantity_label, result.cost_columns)
    main = (ranking.SCORE, caveats.AT_STEP, ranking.CONFIRMED, ranking.SEEDS)
    names = [name for name in (ranking.TRIAL, *costs, *main) if name in cells[0]]
    rows = [["n" if name == ranking.SEEDS else name for name in names]]
    rows += [[row[name].removeprefix("trial ") for name in names] for row in cells]
    return columns(rows, right=range(1, len(names)))
