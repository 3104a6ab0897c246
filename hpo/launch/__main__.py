"""``python -m hpo.launch``: run a study from its file to its result, or go on with it.

This module holds the command line alone, so that ``--help`` answers at once; ``hpo.launch.run``
does the work.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from hpo.console import answer, without_password, working_directory_last
from hpo.launch.arguments import parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, run, and return the exit status."""
    working_directory_last()
    given = list(sys.argv[1:] if argv is None else argv)
    arguments = parser().parse_args(given)
    arguments.command = without_password(f"hpo launch {shlex.join(given)}")

    def run() -> int:
        from hpo.launch import run as launch_run

        return launch_run.run(arguments)

    return answer(run)


if __name__ == "__main__":
    sys.exit(main())
