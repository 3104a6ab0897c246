"""``hpo report``: a study as one HTML file, or its figure as a picture."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hpo.cli.common import opened
from hpo.console import Parser, answer
from hpo.errors import HpoError

if TYPE_CHECKING:
    from hpo.study.snapshot import StudySnapshot
    from hpo.views.numbers.declared import Chart


_EXAMPLES = """\
hpo report seqdigits
    writes ./seqdigits-report.html, which needs no network, and prints its path
hpo report seqdigits --open
    and opens it in the browser
hpo report seqdigits -o results/seqdigits.html
    somewhere else; running studies have reports, too
hpo report fig2b --picture fig2b.svg
    the figure that the study's file declares in [figure], for a paper: .svg, .pdf or .png; of a
    study with a [cost] that declares none, its front"""


def parser() -> Parser:
    """The command line."""
    p = Parser(
        "hpo report",
        "Write a study as one HTML file, or its figure as a picture, and print the path.",
        _EXAMPLES,
    )
    p.add_argument("study", metavar="STUDY", help="name of the study")
    p.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: ./STUDY-report.html")
    p.add_argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help="instead of the report, draw the study's [figure] as FILE.svg, .pdf or .png",
    )
    p.add_argument("--open", action="store_true", help="open it in the browser")
    p.add_storage()
    p.add_json()
    return p


def main(argv: Sequence[str]) -> int:
    """Parse, write, and return the exit status."""
    p = parser()
    arguments = p.parse_args(argv)
    if arguments.picture is not None and arguments.output is not None:
        p.error("argument --output: not allowed with argument --picture")
    return answer(lambda: run(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Write it.

    Raises:
        HpoError: the file cannot be written, or the study has no figure to draw.
    """
    if arguments.picture is not None:
        from hpo.views.pictures import declared

        declared.check(arguments.picture)
    with opened(arguments) as ledger:
        snapshot = ledger.snapshot(arguments.study, curves=True)
        others = ledger.overlays(snapshot.spec)
    from hpo.views import records, verdict
    from hpo.views.report import page

    if arguments.picture is not None:
        path = _draw(snapshot, others, arguments.picture)
        print(records.dumps({"picture": path}) if arguments.json else path)
        _open(arguments, path)
        return 0
    target = arguments.output or Path(f"{arguments.study}-report.html")
    try:
        path = page.write(snapshot, target, others)
    except OSError as error:
        raise HpoError(f"{target}: the report cannot be written: {error.strerror}.") from error
    if arguments.json:
        print(records.dumps({"report": path, "verdict": verdict.verdict(snapshot)}))
    else:
        print(path)
    _open(arguments, path)
    return 0


def _draw(snapshot: StudySnapshot, others: list[StudySnapshot], path: Path) -> Path:
    """The study's ``[figure]``; of a study with a cost that declares none, its front."""
    from hpo.views.numbers import front
    from hpo.views.pictures import declared
    from hpo.views.pictures import front as pictures_front

    if snapshot.spec.cost is None or snapshot.spec.figure is not None:
        return declared.write(_chart(snapshot, others), path)
    return pictures_front.write(front.chart(snapshot), path)


def _chart(snapshot: StudySnapshot, others: list[StudySnapshot]) -> Chart:
    from hpo.views import verdict
    from hpo.views.numbers import declared as numbers_declared

    chart = numbers_declared.chart(snapshot, others)
    if chart is None:
        raise HpoError(
            f"study {snapshot.spec.name!r}: a [figure] in its file must say what to draw, but "
            f"there is none. Add one and launch the study again: its trials are kept."
        )
    if not chart.groups:
        raise HpoError(
            f"study {snapshot.spec.name!r}: a trial must have its place on the x axis "
            f"({chart.x_label}), but got none: {verdict.progress(snapshot)}. Wait for one, or "
            f"change `x` of its [figure]."
        )
    return chart


def _open(arguments: argparse.Namespace, path: Path) -> None:
    if arguments.open:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
