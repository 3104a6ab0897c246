"""The parts of a page, and pages from the templates beside this file, which escape every text.

A page holds plotly's code and its figures compressed, which ``figures.js.j2`` unpacks and draws: in
plain, plotly alone has 4.8 MB.
"""

from __future__ import annotations

import base64
import gzip
import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from hpo.views.palette import DARK

_DIGITS = 5
_TOP = 14
"""Pixels above a figure: its buttons are the page's."""
_LEGEND = 44
"""Characters in a line of a legend, which fit a telephone."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; the first cell of each row is its header."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    css: str = "numbers"


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A figure, or several in a grid; ``label`` is what they show, for those who do not see it."""

    figures: Mapping[str, go.Figure]
    """By the id of their element."""
    label: str
    least: int = 0
    """Width of each of several, at least, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of the page; strings among its parts are paragraphs."""

    name: str
    title: str
    note: str
    warnings: Sequence[str] = ()
    parts: Sequence[Table | Plot | str] = ()


def code(text: str) -> Markup:
    """What somebody types, or a name that machines read."""
    return Markup("<code>{}</code>").format(text)


def plot(name: str, figure: go.Figure, label: str, *, legend: int = _LEGEND) -> Plot:
    """A figure as part of a section, with so many characters in a line of its legend."""
    for item in (*figure.data, *figure.layout.shapes):
        if item.name:  # in a legend, which does not break lines by itself
            item.name = "<br>".join(textwrap.wrap(item.name, legend, break_long_words=False))
    return Plot(figures={f"{name}-plot": figure.update_layout(margin_t=_TOP)}, label=label)


def beside(name: str, figures: Sequence[go.Figure], label: str, *, least: int) -> Plot:
    """Whole figures, of several as many in a row as fit; ``least`` as in ``panels``."""
    legend = _LEGEND if len(figures) == 1 else 34  # so that two fit a page of paper
    plots = [plot(f"{name}-{i}", one, label, legend=legend) for i, one in enumerate(figures)]
    found = {key: figure for one in plots for key, figure in one.figures.items()}
    return Plot(figures=found, label=label, least=least if len(found) > 1 else 0)


def panels(name: str, figure: go.Figure, label: str, *, height: int, least: int) -> Plot:
    """A figure of several panels as figures of one each, which a page lays out by its width.

    ``height`` is that of each, ``least`` its least width, in pixels.
    """
    look = {"height": height, "margin_t": _TOP, "margin_b": 50, "showlegend": False}
    figures = [one.update_layout(**look) for one in _apart(figure)]
    for one in figures:
        one.update_xaxes(title_font_size=12).update_yaxes(title_font_size=12)
    found = {f"{name}-plot-{i}": one for i, one in enumerate(figures)}
    return Plot(figures=found, label=label, least=least)


def _apart(figure: go.Figure) -> list[go.Figure]:
    """One figure per pair of axes; an axis without title has that of its row."""
    layout = figure.layout.to_plotly_json()
    numbers = sorted({int((trace.yaxis or "y")[1:] or 1) for trace in figure.data})
    common = {key: value for key, value in layout.items() if key[1:5] != "axis"}
    found, title = [], None
    for number in numbers:
        end = "" if number == 1 else str(number)
        x, y = (dict(layout[f"{letter}axis{end}"]) for letter in "xy")
        for axis in (x, y):
            for key in ("domain", "anchor", "matches", "showticklabels"):
                axis.pop(key, None)
        title = y.get("title") or title
        one = go.Figure(layout={**common, "xaxis": x, "yaxis": {**y, "title": title}})
        for trace in figure.data:
            if (trace.yaxis or "y") == f"y{end}":
                one.add_trace(trace)
        one.update_traces(xaxis="x", yaxis="y")
        found.append(one)
    return found


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("hpo.views.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


@cache
def _plotly() -> str:
    return _packed(plotly())


def plotly() -> str:
    """Plotly's own code."""
    code: str = get_plotlyjs()
    return code


def script() -> str:
    """The script that draws the figures of a page, for pages that name it."""
    return _templates().get_template("figures.js.j2").render(dark=DARK)


def _packed(text: str) -> str:
    """Text by gzip and base 64: the same for the same text."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def compact(figure: go.Figure) -> str:
    """A figure as JSON of plain lists, its numbers with five significant digits."""

    def shortened(digits: str) -> float | int:
        value = float(f"{float(digits):.{_DIGITS}g}")
        return int(value) if value.is_integer() else value

    tree = json.loads(figure.to_json(), parse_float=shortened)
    return json.dumps(tree, separators=(",", ":"), ensure_ascii=False)


def render(
    template: str, figures: Mapping[str, go.Figure], *, live: bool = False, **values: Any
) -> str:
    """A page: a template with values, and its figures by id.

    It is self-contained, with plotly's own code; or ``live``, with scripts of the dashboard, which
    draw it and keep it as it is now.
    """
    drawn = ",".join(f"{json.dumps(name)}:{compact(each)}" for name, each in figures.items())
    packed = {"figures": _packed(f"{{{drawn}}}")} | ({} if live else {"plotly": _plotly()})
    values |= {"packed": packed, "live": live, "dark": DARK}
    return _templates().get_template(template).render(values)
