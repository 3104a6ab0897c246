"""``hpo report``: a study as a file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hpo.cli.common import (
    JSON,
    OPEN,
    STORAGE,
    STUDY,
    argument,
    command,
    looking,
    show,
    tell,
)
from hpo.console import Parser
from hpo.errors import HpoError

if TYPE_CHECKING:
    from hpo.study.result import Result
    from hpo.views.figures.declared import Chart


def _check(parser: Parser, arguments: argparse.Namespace) -> None:
    if arguments.picture is not None and arguments.output is not None:
        parser.error("argument --output: not allowed with argument --picture")


@command(
    "Write a study as one HTML file, or its figure as a picture, and print the path.",
    """\
hpo report seqdigits
    writes ./seqdigits-report.html, which needs no network, and prints its path
hpo report seqdigits --open
    and opens it in the browser
hpo report seqdigits -o results/seqdigits.html
    somewhere else; running studies have reports, too
hpo report seqdigits --picture seqdigits.svg
    a figure for a paper, as .svg, .pdf or .png: what the study's file declares in [figure]; of a
    study without one its convergence, with a [cost] its front""",
    STUDY,
    argument("-o", "--output", type=Path, metavar="FILE", help="default: ./STUDY-report.html"),
    argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help="instead of the report, draw one figure as FILE.svg, .pdf or .png",
    ),
    OPEN,
    STORAGE,
    JSON,
    check=_check,
)
def report(arguments: argparse.Namespace) -> int:
    """Write the report, or draw the figure.

    Raises:
        HpoError: the file cannot be written, or the study has no figure to draw.
    """
    if arguments.picture is not None:
        from hpo.views import pictures

        pictures.check(arguments.picture)
    from hpo.worker import replay

    with looking(arguments) as ledger:
        result = ledger.result(arguments.study, curves=True)
        others = ledger.overlays(result.spec)
        matrix = None if arguments.picture else replay.confusion(ledger, result)
    from hpo.views import verdict
    from hpo.views.report import page

    if arguments.picture is not None:
        path = _draw(result, others, arguments.picture)
        record = {"picture": str(path)}
    else:
        target = arguments.output or Path(f"{arguments.study}-report.html")
        try:
            path = page.write(result, target, others, matrix)
        except OSError as error:
            raise HpoError(f"{target}: the report cannot be written: {error.strerror}.") from error
        record = {"report": str(path), "verdict": verdict.verdict(result)}
    tell(arguments, record, path)
    show(arguments, path)
    return 0


def _draw(result: Result, others: list[Result], path: Path) -> Path:
    """The study's ``[figure]``; without one its front if it has a cost, else its convergence."""
    from hpo.views import pictures
    from hpo.views.figures import declared

    figure = None
    if result.spec.figure is None and result.selects:
        figure = declared.of_study(result, others)
    return pictures.write(figure or declared.figure(_chart(result, others)), path)


def _chart(result: Result, others: list[Result]) -> Chart:
    from hpo.views import verdict
    from hpo.views.figures import declared

    chart = declared.chart(result, others)
    if chart is None:
        raise HpoError(
            f"study {result.spec.name!r}: a [figure] in its file must say what to draw, but "
            f"there is none. Add one and launch the study again: its trials are kept."
        )
    if not chart.groups:
        raise HpoError(
            f"study {result.spec.name!r}: a trial must have its place on the x axis "
            f"({chart.x_label}), but got none: {verdict.progress(result)}. Wait for one, or "
            f"change `x` of its [figure]."
        )
    return chart
