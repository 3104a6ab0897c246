"""Tables as plain text: aligned columns, the best trials, a front."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hpo.study.result import Result
from hpo.views.sentences import caveats, ranking
from hpo.views.sentences.formatting import cut, quantity_label, repeats_name

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
        >>> rows = [["name", "n", "since"], ["an-example", "10", "Monday"]]
        >>> columns(rows, width=10, drop=[2])
        ['name    n', 'an-ex…  10']
    """
    widths = {}
    for i, column in enumerate(zip(*rows, strict=True)):
        widths[i] = max(map(len, column))
    if width is not None:
        _fit(widths, width, drop)
    lines = []
    for row in rows:
        cells = []
        for i, room in widths.items():
            cell = cut(row[i], room)
            cells.append(cell.rjust(room) if i in right else cell.ljust(room))
        lines.append("  ".join(cells).rstrip())
    return lines


def _fit(widths: dict[int, int], width: int, drop: Sequence[int]) -> None:
    """Omit columns and cut the widest until a line has room."""

    def too_wide() -> bool:
        return sum(widths.values()) + 2 * (len(widths) - 1) > width

    for index in drop:
        if too_wide():
            widths.pop(index, None)
    while too_wide() and max(widths.values()) > _NARROWEST:
        widest = max(widths, key=lambda i: widths[i])
        widths[widest] -= 1


def best_table(result: Result, top: int) -> list[str]:
    """Return the best trials and the reported result, a column each; a row per
    parameter.

    Empty while there is no best trial.
    """
    if result.best is None:
        return []
    trials = ranking.table(result, result.leading(top))
    rows = [["", *(cells[ranking.TRIAL] for cells in trials)]]
    main = (ranking.SCORE, ranking.CONFIRMED, *result.spec.parameters)
    for name in trials[0]:
        if name != ranking.TRIAL:
            indent = "" if name in main else "  "
            rows.append([indent + name, *(cells[name] for cells in trials)])
    return columns(rows, right=range(1, len(rows[0])))


def front_table(result: Result) -> list[str]:
    """Return the confirmed points of a front, cheapest first; without any, the search's
    front.

    Columns: trial, all costs, search score, confirmed mean and deviation, number of
    fresh seeds. The reported result is the last row. Empty without a front.
    """
    confirmed = {item.source for item in result.tested}
    trials = [one for one in result.front if one.number in confirmed] or result.front
    if not trials:
        return []
    table = ranking.table(result, trials)
    costs = map(quantity_label, result.cost_columns)
    repeats = repeats_name(result.spec)
    main = (ranking.SCORE, caveats.AT_STEP, ranking.CONFIRMED, repeats)
    names = [name for name in (ranking.TRIAL, *costs, *main) if name in table[0]]
    rows = [["n" if name == repeats else name for name in names]]
    for cells in table:
        rows.append([cells[name].removeprefix("trial ") for name in names])
    return columns(rows, right=range(1, len(names)))
