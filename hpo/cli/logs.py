"""``hpo logs``: what workers that were started on this machine wrote last."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from hpo.console import argument, at_least, command, study_of
from hpo.errors import HpoError


@command(
    study_of("name (default: the one launched last)", required=False),
    argument("--lines", type=at_least(1), default=5, metavar="N", help="of each (default: 5)"),
)
def logs(arguments: argparse.Namespace) -> int:
    """Show the last lines that the workers of a study wrote.

    Examples:
        hpo logs seqdigits
            of every worker that the last launch on this machine started, or its jobs
        hpo logs
            of the study that was launched last
        hpo logs seqdigits --lines 50
            more of them; `hpo status seqdigits` says who works, and where the files are
    """
    from hpo import settings

    home = settings.home() / "logs"
    files = list(home.glob(f"{arguments.study or '*'}/**/*.log"))
    if not files:
        what = "a study" if arguments.study is None else f"study {arguments.study!r}"
        raise HpoError(
            f"{home}: workers of {what} must have been started on this machine, but it holds no "
            f"log of theirs. `hpo status` says where they work."
        )
    for path in _of_last_launch(files):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() or ["(nothing yet)"]
        print(f"== {path}", *lines[-arguments.lines :], sep="\n")
    return 0


def _of_last_launch(files: list[Path]) -> list[Path]:
    """Those that begin as the newest does: with the time of the launch, or the number of a job."""
    newest = max(files, key=lambda path: path.stat().st_mtime)
    launch = re.match(r".*?_|.*-|", newest.name)
    prefix = launch[0] if launch else ""
    return sorted(path for path in newest.parent.glob("*.log") if path.name.startswith(prefix))
