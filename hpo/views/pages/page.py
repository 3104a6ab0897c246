"""The parts of a page, and pages from ``templates/``, which escape every text.

A page holds plotly's code (4.8 MB) and its figures compressed; ``figures.js.j2``
unpacks and draws them.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, Template
from markupsafe import Markup

from hpo.files import writing
from hpo.study.result import Result
from hpo.views.figures.palette import DARK
from hpo.views.sentences import caveats, progress, ranking, verdict

if TYPE_CHECKING:
    import plotly.graph_objects as go

_LEGEND = 44
_NARROW_LEGEND = 34
"""Characters per line of a legend: one fits a telephone, two of the narrow ones a page
of paper."""


@dataclass(frozen=True)
class Table:
    """A table, its rows by the heads of its columns; the first cell of a row is its
    header."""

    caption: str
    rows: Sequence[Mapping[str, object]]
    css: str = "numbers"


@dataclass(frozen=True)
class Plot:
    """A figure, or several in a grid; ``label`` describes them for screen readers."""

    figures: Mapping[str, go.Figure]
    """By the id of their element."""
    label: str
    least: int = 0
    """The smallest width of each of several figures, in pixels."""


@dataclass(frozen=True)
class Section:
    """A section of the page."""

    name: str
    note: str
    parts: Sequence[Table | Plot] = ()
    title: str = ""
    """Its heading, if it differs from its name."""
    warnings: Sequence[str] = ()


def code(text: str) -> Markup:
    """Mark up a command or an identifier."""
    return Markup("<code>{}</code>").format(text)


def plot(name: str, label: str, figure: go.Figure) -> Plot:
    """Return a figure as part of a section."""
    _fit(figure, _LEGEND)
    return Plot({f"{name}-plot": figure}, label)


def grid(name: str, label: str, figures: Sequence[go.Figure], *, least: int) -> Plot:
    """Return figures as part of a section; a row holds as many as fit."""
    width = _LEGEND if len(figures) == 1 else _NARROW_LEGEND
    for figure in figures:
        _fit(figure, width)
    by_id = {f"{name}-plot-{i}": figure for i, figure in enumerate(figures)}
    return Plot(by_id, label, least)


def _fit(figure: go.Figure, width: int) -> None:
    """Break the lines of a legend, and leave the room of buttons, which the page
    has."""
    figure.update_layout(margin_t=14)
    for item in (*figure.data, *figure.layout.shapes):
        if item.name:
            lines = textwrap.wrap(item.name, width, break_long_words=False)
            item.name = "<br>".join(lines)


@cache
def template(name: str) -> Template:
    """Load a template by its file name."""
    pages = Environment(
        loader=PackageLoader("hpo.views.pages"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.globals["trial_number"] = _trial_number
    pages.globals["solved"] = caveats.SOLVED_MEANS
    pages.globals["thermal"] = caveats.THERMAL_MEANS
    return pages.get_template(name)


def _trial_number(cell: object) -> str:
    """Return the number of the trial that a cell names first; empty of other cells."""
    found = re.match(r"trial (\d+)\b", str(cell))
    return found[1] if found else ""


def note(name: str, **facts: Any) -> str:
    """Return what a section says of itself: the macro of that name."""
    macro = getattr(template("notes.html.j2").module, name)
    return Markup(" ".join(macro(**facts).split()))


@cache
def _plotly() -> str:
    return _packed(plotly())


def plotly() -> str:
    """Return the code of plotly.js."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def script(name: str) -> str:
    """Return a script: ``figures`` draws those of a page, ``trials`` the table of
    all."""
    return template(f"{name}.js.j2").render(dark=DARK)


def _packed(text: str) -> str:
    """Compress text by gzip and base 64, reproducibly."""
    return base64.b64encode(
        gzip.compress(text.encode(), compresslevel=6, mtime=0)
    ).decode()


def compact(figure: go.Figure) -> str:
    """Return a figure as JSON of plain lists, with five significant digits."""

    def shortened(digits: str) -> float | int:
        value = float(f"{float(digits):.5g}")
        return int(value) if value.is_integer() else value

    tree = json.loads(figure.to_json(), parse_float=shortened)
    return json.dumps(tree, separators=(",", ":"), ensure_ascii=False)


def render(
    page: str,
    figures: Mapping[str, go.Figure],
    *,
    live: bool = False,
    all_trials: str = "",
    **values: Any,
) -> str:
    """Render a template with values, and its figures by id.

    The page is self-contained, with the code of plotly.js; or ``live``: scripts of the
    dashboard then draw it and keep it current. ``all_trials`` are JSON
    of ``trials.data``.
    """
    entries = [f"{json.dumps(id_)}:{compact(one)}" for id_, one in figures.items()]
    packed = {"figures": _packed(f"{{{','.join(entries)}}}")}
    if not live:
        packed["plotly"] = _plotly()
    if all_trials:
        packed["rows"] = _packed(all_trials)
    return template(page).render(values, packed=packed, live=live, dark=DARK)


def render_sections(
    page: str, sections: Iterable[Section], *, live: bool = False, **values: Any
) -> str:
    """Render a page of sections; see ``render``."""
    sections = list(sections)
    figures: dict[str, go.Figure] = {}
    for section in sections:
        for part in section.parts:
            if isinstance(part, Plot):
                figures |= part.figures
    return render(page, figures, live=live, sections=sections, **values)


def save(text: str, path: Path) -> Path:
    """Write a page, and return its path.

    Raises:
        HpoError: the file cannot be written.
    """
    with writing(path) as draft:
        draft.write_text(text, encoding="utf-8", errors="replace")
    return path


def summary(result: Result) -> str:
    """Return the summary of a study for a notebook cell: verdict, progress, best
    trials."""
    lines = [progress.progress(result), *caveats.further(result)]
    lines += [f"Bound: {text}." for text in progress.bounds_reached(result)]
    return template("summary.html.j2").render(
        result=result,
        verdict=verdict.verdict(result),
        lines=lines,
        rows=ranking.table(result, result.leading(5)),
    )
