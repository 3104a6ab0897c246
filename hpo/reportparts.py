"""What every section of the report is made of, in HTML."""

from __future__ import annotations

import html as _html
from collections.abc import Iterable, Sequence

import plotly.graph_objects as go

from hpo import reportstyle


def escape(text: object) -> str:
    """Escape a text for HTML, content or attribute."""
    return _html.escape(str(text))


def section(name: str, title: str, note: str, body: str) -> str:
    """A section; ``note`` and ``body`` are HTML already."""
    head = f'<h2 id="{name}-title">{title}</h2>'
    return (
        f'<section id="{name}" aria-labelledby="{name}-title">{head}<p>{note}</p>{body}</section>'
    )


def plot(name: str, figure: go.Figure, label: str) -> str:
    """A figure; ``label`` is what it shows, in words for those who do not see it."""
    drawing = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=f"{name}-plot",
        config=reportstyle.CONFIG,
    )
    return f'<figure role="img" aria-label="{escape(label)}"><div>{drawing}</div></figure>'


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], css: str = "") -> str:
    """A table of cells that are HTML already; the first of each row is its header."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    lines = []
    for first, *others in rows:
        cells = "".join(f"<td>{cell}</td>" for cell in others)
        lines.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    return (
        f'<div class="scroll"><table class="{css}"><caption>{caption}</caption>'
        f"<thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )
