"""``python -m benchmarks.outside``: our sampler and its peers on suites of others.

Searches that were run are kept: only missing ones are run, and those of another version
of a sampler. Then the tables of ``docs/records/search.md`` are written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track

from benchmarks.outside import coco, problems, runs, samplers
from benchmarks.outside.problem import MissingError
from benchmarks.search.real import read_seeds

_EXAMPLES = """\
examples:
  python -m benchmarks.outside
      run what is missing, write the tables
  python -m benchmarks.outside --kind bbob --dimension 20 --sampler TPE --out 20.jsonl
      functions of 20 dimensions, beside the results of the page
"""


def main(arguments: Sequence[str]) -> int:
    """Run and write; return the exit status."""
    args = _parser().parse_args(arguments)
    try:
        names = []
        for kind in args.kind or problems.KINDS:
            names += problems.list_problems(kind, args.dimension)
        chosen = args.sampler or samplers.DEFAULT
        jobs = runs.list_jobs(names, chosen, args.seeds, args.trials)
    except MissingError as error:
        print(error, file=sys.stderr)
        return 2
    known = {run.job for run in runs.load(args.out)}
    missing = [job for job in jobs if job not in known]
    console = Console(stderr=True)
    found = runs.execute(missing, args.jobs)
    for run in track(found, "searches", len(missing), console=console):
        runs.add(run, args.out)
    if args.out == runs.RESULTS:
        from benchmarks.outside import page

        page.write(runs.load())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.outside",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    option = parser.add_argument
    option("--kind", action="append", choices=problems.KINDS, help="default: all")
    option(
        "--sampler",
        action="append",
        choices=samplers.SAMPLERS,
        help=f"default: {', '.join(samplers.DEFAULT)}",
    )
    option("--seeds", type=read_seeds, default="0-2", metavar="A-B", help="(0-2)")
    option(
        "--dimension",
        type=int,
        default=coco.DIMENSION,
        choices=(5, 10, 20),
        help="of COCO's functions (5)",
    )
    option("--trials", type=int, default=100, metavar="N", help="of a search (100)")
    option("--jobs", type=int, default=1, metavar="N", help="processes (1)")
    option(
        "--out",
        type=Path,
        default=runs.RESULTS,
        metavar="FILE",
        help="keeps the searches; the page shows those of the default",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
