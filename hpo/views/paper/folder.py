"""The folder for a paper: every figure in three formats, tables, methods, BibTeX, and a
document that has them all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

from hpo.files import writing
from hpo.study import tolerances
from hpo.study.result import Result
from hpo.views.figures import pictures
from hpo.views.figures.networks import Confusion
from hpo.views.pages import report
from hpo.views.pages.page import Plot, Section
from hpo.views.paper import citations, latex, methods
from hpo.views.sentences import tolerances as tolerance_words
from hpo.views.sentences import verdict, winner
from hpo.views.sentences.formatting import capital, joined

if TYPE_CHECKING:
    import plotly.graph_objects as go

FIGURES = "figures"
_DOCUMENT = r"""%% %(name)s: compile with pdflatex and bibtex
\documentclass{article}
\usepackage[margin=25mm]{geometry}
\usepackage{booktabs,graphicx}
\begin{document}
\section*{%(title)s}
\input{methods}
%(tables)s
\clearpage
%(figures)s
\bibliographystyle{plain}
\bibliography{references}
\end{document}
"""
_FIGURE = r"""\begin{figure}
\centering
\includegraphics[width=\linewidth]{figures/%(name)s.pdf}
\caption{%(caption)s}
\label{fig:%(name)s}
\end{figure}
\clearpage
"""


def write(
    result: Result,
    folder: Path,
    others: Sequence[Result] = (),
    kept: Confusion | None = None,
) -> list[Path]:
    """Write all files, and return their paths; the arguments are those of
    ``report.html``.

    Raises:
        HpoError: a file cannot be written.
    """
    captions: dict[str, str] = {}
    written: list[Path] = []
    sections = report.KINDS[type(result)](result, others, kept).sections()
    for name, caption, figure in _figures(sections):
        captions[name] = caption
        for ending in pictures.ENDINGS:
            path = folder / FIGURES / f"{name}{ending}"
            written.append(pictures.write(figure, path))
    for name, text in _texts(result, captions).items():
        path = folder / name
        with writing(path) as draft:
            draft.write_text(text, encoding="utf-8", errors="replace")
        written.append(path)
    return written


def _figures(
    sections: Iterable[Section | None],
) -> Iterator[tuple[str, str, go.Figure]]:
    """Yield the figures of a report, each with its name and its caption."""
    for section in filter(None, sections):
        for part in section.parts:
            if not isinstance(part, Plot):
                continue
            stem = next(iter(part.figures)).partition("-plot")[0]
            figures = list(part.figures.values())
            if len(figures) == 1:
                caption = part.label.partition("; ")[0]  # the verdict follows
                yield stem, caption, figures[0]
                continue
            for name, figure in zip(_names(figures), figures, strict=True):
                yield f"{stem}-{name}", capital(_axes_text(figure)), figure


def _names(figures: Sequence[go.Figure]) -> list[str]:
    """Return a name for each of several figures: of what differs, x or y; else its
    number."""
    for axis in ("xaxis", "yaxis"):
        titles = [_plain(figure.layout[axis].title.text) for figure in figures]
        names = [_file_name(title.partition(" (")[0]) for title in titles]
        if all(names) and len(set(names)) == len(names):
            return names
    return [str(place) for place in range(len(figures))]


def _file_name(text: str) -> str:
    return re.sub(r"\W+", "-", text, flags=re.ASCII).strip("-")


def _axes_text(figure: go.Figure) -> str:
    """``accuracy (%) against tau_ns (ns)``."""
    titles = figure.layout.yaxis.title.text, figure.layout.xaxis.title.text
    return joined(map(_plain, titles), " against ")


def _plain(title: str | None) -> str:
    return unescape(title or "")


def _texts(result: Result, captions: Mapping[str, str]) -> dict[str, str]:
    """Return the texts by the names of their files."""
    tables = dict(_tables(result))
    cited = citations.keys(result)
    told = " ".join(methods.sentences(result))
    lacks = methods.missing(result)
    without = f"Not known: {', '.join(lacks)}." if lacks else ""
    inputs = [rf"\input{{{name.removesuffix('.tex')}}}" for name in tables]
    figures = [
        _FIGURE % {"name": name, "caption": latex.escape(text)}
        for name, text in captions.items()
    ]
    document = _DOCUMENT % {
        "name": result.name,
        "title": latex.escape(result.name),
        "tables": "\n".join(inputs),
        "figures": "\n".join(figures),
    }
    comment = f"% {without}\n" if without else ""
    return {
        **tables,
        "methods.tex": f"{comment}{latex.escape(told)} \\cite{{{','.join(cited)}}}\n",
        "methods.md": _markdown(told, cited, without),
        "references.bib": citations.bibliography(result),
        "document.tex": document,
    }


def _markdown(told: str, cited: Sequence[str], without: str) -> str:
    """Return the methods for Pandoc."""
    text = f"{told} [{'; '.join(f'@{key}' for key in cited)}]\n"
    if without:
        text += f"\n{without}\n"
    return text


def _tables(result: Result) -> Iterator[tuple[str, str]]:
    """Yield the names and the texts of the tables that there are."""
    scores = winner.score_rows(result)
    if scores:
        caption = f"{result.name}: {verdict.headline(result) or 'no score yet'}."
        yield "result.tex", latex.table(scores, caption, "tab:result")
    parameters = winner.parameter_rows(result)
    if parameters:
        caption = f"{winner.name(result)}, its parameters."
        yield "parameters.tex", latex.table(parameters, caption, "tab:parameters")
    card = tolerances.of_result(result)
    if card is not None:
        rows = tolerance_words.limit_rows(result.spec, card)
        caption = "What the networks ask of hardware."
        yield "tolerances.tex", latex.table(rows, caption, "tab:tolerances")
