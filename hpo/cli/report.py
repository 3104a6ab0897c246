"""``hpo report``: the report of a study, or its figure."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hpo.cli.common import looking, show, tell
from hpo.console import (
    JSON,
    OPEN,
    STORAGE,
    STUDY_OR_ONLY,
    Parser,
    argument,
    at_least,
    command,
    one_of,
)
from hpo.errors import HpoError
from hpo.files import check_ending

if TYPE_CHECKING:
    from hpo.ledger.reader import LedgerReader
    from hpo.study.result import Result


def _check(parser: Parser, arguments: argparse.Namespace) -> None:
    """Refuse what does not go together."""
    if arguments.paper is not None and arguments.others:
        parser.error("argument --paper: not allowed with OTHER")
    written = arguments.paper or arguments.picture or arguments.others
    if arguments.trial is not None and written:
        parser.error("argument --trial: not allowed with OTHER, --picture or --paper")


@command(
    STUDY_OR_ONLY,
    argument(
        "others",
        nargs="*",
        metavar="OTHER",
        help="searches to draw beside it, up to three",
    ),
    one_of(
        argument(
            "-o",
            "--output",
            type=Path,
            metavar="FILE",
            help="default: ./STUDY-report.html",
        ),
        argument(
            "--picture",
            type=Path,
            metavar="FILE",
            help="draw one figure as .svg, .pdf or .png instead of the report",
        ),
        argument(
            "--paper",
            type=Path,
            metavar="FOLDER",
            help=(
                "write all figures (.svg, .pdf, .png), LaTeX tables, the methods and"
                " BibTeX for a paper instead of the report"
            ),
        ),
    ),
    argument(
        "--trial",
        type=at_least(0),
        metavar="N",
        help=(
            "write the page of one trial: parameters, learning curve, networks, where"
            " it comes from, log"
        ),
    ),
    OPEN,
    STORAGE,
    JSON,
    check=_check,
)
def report(arguments: argparse.Namespace) -> int:
    """Write the report of a study as one HTML file, or its figure as a picture.

    Of several searches: their curves in one figure, their scores, and what differs in
    their files. Running studies have reports, too. The figure is the one that [figure]
    of the study file declares, else the convergence, or with a [cost] the Pareto front.

    Examples:
        hpo report seqdigits --open
            write ./seqdigits-report.html, which loads nothing from the network, and
            open it in the browser
        hpo report seqdigits --picture seqdigits.svg
            draw a figure for a paper
        hpo report seqdigits --paper paper
            write ./paper, with figures, tables, methods and references, and
            paper/document.tex, which shows them all
        hpo report seqdigits --trial 12 --open
            write ./seqdigits-trial-12.html, the page of a trial
        hpo report seqdigits wider --open
            write ./seqdigits-wider-report.html, with both side by side
    """
    from hpo.views.figures import pictures
    from hpo.views.sentences import verdict

    picture: Path | None = arguments.picture
    paper: Path | None = arguments.paper
    if picture is not None:
        check_ending(picture, *pictures.ENDINGS)
    if arguments.trial is not None:
        return _report_trial(arguments)
    with looking(arguments) as ledger:
        result = ledger.drawn(ledger.named(arguments.study))
        others = [ledger.drawn(name, curves=False) for name in arguments.others]
        if paper is not None:
            path = _write_paper(ledger, result, paper)
        elif picture is not None:
            path = _write_picture(ledger, result, others, picture)
        else:
            path = _write_page(ledger, result, others, arguments.output)
    record = {"report": str(path), "verdict": verdict.verdict(result)}
    if picture is not None:
        record = {"picture": str(path)}
    elif paper is not None:
        record = {"paper": str(path), "verdict": verdict.verdict(result)}
    tell(arguments, record, path)
    show(arguments, path)
    return 0


def _report_trial(arguments: argparse.Namespace) -> int:
    """Write the page of one trial."""
    from hpo.views.pages import trial

    number: int = arguments.trial
    with looking(arguments) as ledger:
        name = ledger.named(arguments.study)
        one = ledger.trial(name, number)
    default = Path(f"{name}-trial-{number}.html")
    path = trial.write(one, arguments.output or default)
    tell(arguments, {"report": str(path), "trial": number}, path)
    show(arguments, path)
    return 0


def _write_paper(ledger: LedgerReader, result: Result, folder: Path) -> Path:
    """Write the files for a paper."""
    from hpo.views import paper
    from hpo.worker import network

    matrix = network.confusion(ledger, result)
    paper.write(result, folder, ledger.overlays(result.spec), matrix)
    return folder


def _write_page(
    ledger: LedgerReader, result: Result, others: Sequence[Result], path: Path | None
) -> Path:
    """Write the report of a study, or several studies side by side."""
    from hpo.views.pages import page, report, side_by_side
    from hpo.worker import network

    if path is None:
        names = "-".join(one.name for one in (result, *others))
        path = Path(f"{names}-report.html")
    if others:
        return page.save(side_by_side.html([result, *others]), path)
    matrix = network.confusion(ledger, result)
    return report.write(result, path, ledger.overlays(result.spec), matrix)


def _write_picture(
    ledger: LedgerReader, result: Result, others: Sequence[Result], path: Path
) -> Path:
    """Draw the study's ``[figure]``, else its front if it has a cost, else its
    convergence; of several studies, their convergence."""
    from hpo.views.figures import declared, main, pictures
    from hpo.views.pages import side_by_side
    from hpo.views.sentences import progress

    if others:
        return pictures.write(side_by_side.figure([result, *others]), path)
    overlays = ledger.overlays(result.spec)
    drawn = result.spec.drawn
    if drawn is None or drawn.kind == "map":
        figure = main.declared_figure(result) or main.of_study(result, overlays)
        if figure is not None:
            return pictures.write(figure, path)
    chart = declared.chart(result, overlays)
    if chart is None:
        raise HpoError(
            f"study {result.name!r}: its file has no [figure] to draw. Add one and"
            " launch the study again: its trials are kept."
        )
    if not chart.groups:
        raise HpoError(
            f"study {result.name!r}: no trial has a value on the x axis"
            f" ({chart.x_label}) yet: {progress.progress(result)}. Wait for one, or"
            " change `x` of its [figure]."
        )
    return pictures.write(declared.figure(chart), path)
