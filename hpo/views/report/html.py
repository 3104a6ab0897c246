"""What every section of the report is made of, in HTML."""

from __future__ import annotations

import html as _html
from collections.abc import Iterable, Sequence
from typing import Any

import plotly.graph_objects as go


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
        config=CONFIG,
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


CONFIG: dict[str, Any] = {
    "responsive": True,
    "displaylogo": False,
    "modeBarButtons": [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
}
"""Options of every interactive figure."""


SCRIPT = """<script>
const plots = () => document.querySelectorAll(".js-plotly-plot");
addEventListener("beforeprint", () =>
  plots().forEach((plot) => Plotly.relayout(plot, { autosize: false, width: 680 })));
addEventListener("afterprint", () =>
  plots().forEach((plot) => Plotly.relayout(plot, { autosize: true, width: null })));
</script>"""
"""Figures are made to fit the paper while the page is printed."""


CSS = """
:root { color-scheme: light; --ink: #1f2933; --soft: #52606d; --line: #e4e7eb; --accent: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0; background: #f5f7fa; color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 24px 16px 64px; }
header, section { background: white; border: 1px solid var(--line); border-radius: 8px;
  padding: 20px 24px; margin-bottom: 16px; }
h1 { font-size: 1.6rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 0 0 4px; }
p { margin: 4px 0 12px; max-width: 85ch; overflow-wrap: anywhere; }
section > p, .description, .facts, caption { color: var(--soft); }
.verdict { font-size: 1.3rem; font-weight: 600; line-height: 1.35; margin: 12px 0 8px; }
.facts { font-size: 0.9rem; margin: 0; max-width: none; }
.state { font-size: 0.8rem; font-weight: 600; vertical-align: middle; padding: 2px 10px;
  border-radius: 99px; color: white; background: var(--accent); }
.state.done { background: #00735a; } .state.failed, .state.stopped { background: #a34700; }
figure { margin: 0; overflow-x: auto; } figure > div { min-width: 640px; }
.scroll { overflow-x: auto; margin-top: 12px; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: 6px; font-size: 0.85rem; }
th, td { padding: 5px 14px 5px 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }
td { overflow-wrap: anywhere; }
thead th { border-bottom: 2px solid #9aa5b1; vertical-align: bottom; }
tbody th { font-weight: 500; white-space: nowrap; }
.numbers td, .numbers thead th:not(:first-child) { text-align: right; white-space: nowrap; }
code, pre { font: 0.88em/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
pre { background: #f5f7fa; border: 1px solid var(--line); border-radius: 6px; padding: 12px 16px;
  overflow-x: auto; margin: 8px 0 0; }
summary { cursor: pointer; }
@media print {
  body { background: white; font-size: 11pt; } main { max-width: none; padding: 0; }
  header, section { border: 0; padding: 0 0 8px; } figure, tr { break-inside: avoid; }
  figure, .scroll { overflow: visible; } figure > div { min-width: 0; }
  table { font-size: 7.5pt; } th, td { padding-right: 8px; } .numbers th { white-space: normal; }
  h2, section > p, caption { break-after: avoid; }
  .modebar, .updatemenu-container { display: none !important; }
  pre { white-space: pre-wrap; }
}
"""
