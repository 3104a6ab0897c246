"""A study in a few lines of HTML, for the cell of a notebook."""

from __future__ import annotations

from markupsafe import Markup

from hpo.study.result import Result
from hpo.views import caveats, formatting
from hpo.views import verdict as views_verdict

ROWS = 5


def html(result: Result) -> str:
    """Verdict, progress, what is to be known of both, and the best trials; every text escaped."""
    spec = result.spec
    head = Markup("<p><b>{}</b> ({}): {}</p>")
    parts = [head.format(spec.name, result.state, views_verdict.verdict(result))]
    named = result.confirmed.source if result.confirmed else None  # the verdict warns of it
    lines = [views_verdict.progress(result), *caveats.warnings(result, but=named)]
    lines += [f"Edge: {text}." for text in views_verdict.edges(result)]
    parts += [Markup("<p>{}</p>").format(line) for line in lines]
    if result.ranking:
        parts.append(_table(result))
    return str(Markup("").join(parts))


def _table(result: Result) -> Markup:
    """The best trials, or the front, a row each; parameters with their units."""
    spec, confirmed = result.spec, {c.source: c for c in result.confirmations if c.scores}
    head = ["trial", "search score", *(["expected"] if result.snapshot.expected else [])]
    head += ["confirmed"] if confirmed else []
    head += map(formatting.quantity_label, result.costs)
    rows = []
    for slot in result.ranking[:ROWS]:
        row = [str(slot.number), formatting.score_text(spec, slot.score or 0.0)]
        if (known := result.snapshot.expected.get(slot.number)) is not None:
            row.append(formatting.score_text(spec, known.mean, known.std))
        if confirmed:
            item = confirmed.get(slot.number)
            row.append(formatting.score_text(spec, item.mean, item.std) if item else "–")
        row += map(formatting.value_text, slot.costs)
        values = (slot.params.get(name) for name in spec.parameters)
        row += ["–" if value is None else formatting.value_text(value) for value in values]
        rows.append(row)
    head += [formatting.parameter_label(name) for name in spec.parameters]
    cells = Markup("<tr>{}</tr>")
    top = cells.format(Markup("").join(Markup("<th>{}</th>").format(cell) for cell in head))
    body = (
        cells.format(Markup("").join(Markup("<td>{}</td>").format(cell) for cell in row))
        for row in rows
    )
    table = Markup("<table><thead>{}</thead><tbody>{}</tbody></table>")
    return table.format(top, Markup("").join(body))
