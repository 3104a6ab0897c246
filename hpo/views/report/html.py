"""The parts of a page, and pages from the templates beside this file, which escape every text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader
from markupsafe import Markup
from plotly.offline import get_plotlyjs

CONFIG: dict[str, Any] = {
    "responsive": True,
    "displaylogo": False,
    "modeBarButtons": [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
}
"""Options of every interactive figure."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; the first cell of each row is its header."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    css: str = "numbers"


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A figure as HTML; ``label`` is what it shows, in words for those who do not see it."""

    html: Markup
    label: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of the page; strings among its parts are paragraphs."""

    name: str
    title: str
    note: str
    warnings: Sequence[str] = ()
    parts: Sequence[Table | Plot | str] = ()


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("hpo.views.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(template: str, **values: Any) -> str:
    """A self-contained page: a template with values, and plotly's own code."""
    page = _templates().get_template(template)
    return page.render(plotlyjs=Markup(get_plotlyjs()), **values)


def drawing(figure: go.Figure, div_id: str, **options: Any) -> Markup:
    """A figure as HTML; ``options`` are plotly's besides ``CONFIG``."""
    page = {"full_html": False, "include_plotlyjs": False}
    return Markup(figure.to_html(**page, div_id=div_id, config=CONFIG | options))


def plot(name: str, figure: go.Figure, label: str) -> Plot:
    """A figure as part of a section."""
    return Plot(html=drawing(figure, f"{name}-plot"), label=label)
