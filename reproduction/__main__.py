"""``python -m reproduction``: measure every figure of the paper, or draw what is
committed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hpo.console import Parser, answer, at_least

_EXAMPLES = """\
python -m reproduction run
    measure everything, which takes about eight hours on two cores, and write the
    documents; stopped or killed, the same command goes on
python -m reproduction run --fig fig4
    one figure
python -m reproduction run --missing
    only what there are no data of
python -m reproduction run --fig fig2b --check
    train three networks of it again, and say what differs from the committed data;
    nothing is written; exit status 1 if a network is outside the noise of its point
python -m reproduction run --fig fig4 --set budget.epochs=2 --docs /tmp/try
    a quick trial of it, written somewhere else
python -m reproduction draw
    draw and write all of it from the committed data, without training or a database"""


def parser() -> Parser:
    """The command line."""
    p = Parser(
        "python -m reproduction",
        "Every figure of arXiv:2408.02835, measured.",
        _EXAMPLES,
    )
    p.add_argument(
        "action", choices=["run", "draw"], help="measure and draw; or draw alone"
    )
    p.add_argument(
        "--fig",
        metavar="FIG",
        help="one figure, fig2b ... fig4, one reading: literal, map, ..., or one study",
    )
    p.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help="replaces a value of every study file; needs --docs",
    )
    p.add_argument(
        "--missing",
        action="store_true",
        help="leave out what there are finished data of",
    )
    p.add_argument(
        "--check",
        action="store_true",
        help="compare networks with the committed data; without a database",
    )
    p.add_argument(
        "--networks",
        type=at_least(1),
        default=3,
        metavar="N",
        help="of each study that is checked (default: 3)",
    )
    p.add_argument(
        "--workers", type=at_least(1), metavar="N", help="default: one per core"
    )
    p.add_argument(
        "--docs", type=Path, metavar="DIR", help="where to write (default: docs)"
    )
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, run, and return the exit status."""
    p = parser()
    arguments = p.parse_args(argv)
    if arguments.overrides and arguments.docs is None:
        p.error(
            "argument --set: needs --docs, so that the committed data stay as they are"
        )
    if arguments.check and (
        arguments.action == "draw"
        or arguments.overrides
        or arguments.missing
        or arguments.workers
    ):
        p.error(
            "--check goes with run, --fig, --networks and --docs alone: it trains some"
            " networks as they were trained"
        )
    if arguments.action == "draw" and (
        arguments.fig or arguments.overrides or arguments.workers
    ):
        p.error("draw takes --docs alone: it draws all that there are data for")
    docs = arguments.docs or Path("docs")

    def run() -> int:
        from reproduction import checking, runs

        if arguments.check:
            same = checking.check(arguments.fig, arguments.networks, docs)
            return 0 if same else 1
        if arguments.action == "run":
            missing = arguments.missing
            runs.run(
                arguments.fig,
                arguments.overrides,
                arguments.workers,
                docs,
                missing=missing,
            )
        runs.draw(docs)
        return 0

    try:
        return answer(run)
    except subprocess.CalledProcessError as error:
        print("stopped. The same command goes on from here.", file=sys.stderr)
        return int(error.returncode)


if __name__ == "__main__":
    sys.exit(main())
