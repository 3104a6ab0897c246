"""``hpo report``: a study as a file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hpo.cli.common import looking, show, tell
from hpo.console import JSON, OPEN, STORAGE, STUDY, argument, command, one_of
from hpo.errors import HpoError
from hpo.files import check_ending

if TYPE_CHECKING:
    from hpo.study.result import Result


@command(
    STUDY,
    one_of(
        argument("-o", "--output", type=Path, metavar="FILE", help="default: ./STUDY-report.html"),
        argument(
            "--picture",
            type=Path,
            metavar="FILE",
            help="instead of the report, draw one figure as FILE.svg, .pdf or .png",
        ),
    ),
    OPEN,
    STORAGE,
    JSON,
)
def report(arguments: argparse.Namespace) -> int:
    """Write a study as one HTML file, or its figure as a picture, and print the path.

    Studies that are running have reports, too. The figure is what the study's file declares in
    [figure]; without one its convergence, with a [cost] its front.

    Examples:
        hpo report seqdigits --open
            writes ./seqdigits-report.html, which needs no network, and opens it in the browser
        hpo report seqdigits --picture seqdigits.svg
            a figure for a paper
    """
    from hpo.views import pictures, verdict
    from hpo.views.report import write
    from hpo.worker import replay

    picture: Path | None = arguments.picture
    if picture is not None:
        check_ending(picture, *pictures.ENDINGS)
    with looking(arguments) as ledger:
        result = ledger.result(arguments.study, curves=True)
        others = ledger.overlays(result.spec)
        matrix = None if picture else replay.confusion(ledger, result)
    if picture is not None:
        path = _draw(result, others, picture)
        record = {"picture": str(path)}
    else:
        target = arguments.output or Path(f"{arguments.study}-report.html")
        path = write(result, target, others, matrix)
        record = {"report": str(path), "verdict": verdict.verdict(result)}
    tell(arguments, record, path)
    show(arguments, path)
    return 0


def _draw(result: Result, others: list[Result], path: Path) -> Path:
    """The study's ``[figure]``; without one its front if it has a cost, else its convergence."""
    from hpo.views import pictures, verdict
    from hpo.views.figures import declared

    if result.spec.drawn is None and (found := declared.of_study(result, others)):
        return pictures.write(found, path)
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
    return pictures.write(declared.figure(chart), path)
