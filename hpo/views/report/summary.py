"""A study in a few lines of HTML, for the cell of a notebook."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from hpo.study.result import Result
from hpo.views import caveats, ranking
from hpo.views import verdict as views_verdict

ROWS = 5


def html(result: Result) -> str:
    """Verdict, progress, what is to be known of both, and the best trials; every text escaped."""
    head = Markup("<p><b>{}</b> ({}): {}</p>")
    parts = [head.format(result.name, result.state, views_verdict.verdict(result))]
    named = result.confirmed.source if result.confirmed else None  # the verdict warns of it
    lines = [views_verdict.progress(result), *caveats.warnings(result, but=named)]
    lines += [f"Edge: {text}." for text in views_verdict.edges(result)]
    parts += [Markup("<p>{}</p>").format(line) for line in lines]
    if result.ranking:
        found = ranking.table(result, ranking.first(result, ROWS), ranking.plain_score)
        cells = {**found.facts, **found.costs, **found.parameters}
        rows = (_row("td", row) for row in zip(*cells.values(), strict=True))
        parts.append(Markup("<table>{}{}</table>").format(_row("th", cells), _joined(rows)))
    return _joined(parts)


def _row(tag: str, cells: Iterable[str]) -> Markup:
    return Markup("<tr>{}</tr>").format(
        _joined(Markup(f"<{tag}>{{}}</{tag}>").format(c) for c in cells)
    )


def _joined(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)
