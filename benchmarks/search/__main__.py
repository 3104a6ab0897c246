"""``make bench-search``: compare search strategies by the time to a good network.

Searches run on a table of real trainings, continued by a surrogate, so that one takes
seconds. Results are kept: only missing or outdated ones are run. Then
``docs/explanation/search.md`` is written.
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from benchmarks.search import peers, results, simulate
from benchmarks.search.strategies import SEEDS, STRATEGIES

_EXAMPLES = """\
examples:
  python -m benchmarks.search
      run what is missing, write the page
  python -m benchmarks.search --list
      every strategy, and how much of it was run
  python -m benchmarks.search --only 'SMAC*' --again
      run some anew
  python -m benchmarks.search --repetitions 30
      30 study seeds of each
"""


def main(arguments: Sequence[str]) -> int:
    """Run and write; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", metavar="PATTERN", help="strategies by name, such as 'SMAC*'"
    )
    parser.add_argument(
        "--repetitions",
        type=int,
        default=SEEDS,
        metavar="N",
        help=f"study seeds of each ({SEEDS})",
    )
    parser.add_argument(
        "--processes", type=int, default=2, metavar="N", help="default 2"
    )
    parser.add_argument(
        "--again", action="store_true", help="run what was run before, too"
    )
    parser.add_argument(
        "--list", action="store_true", help="show the strategies and end"
    )
    parser.add_argument(
        "--no-page", action="store_true", help="leave the page as it is"
    )
    args = parser.parse_args(arguments)
    names = fnmatch.filter(STRATEGIES, args.only or "*")
    if not names:
        print(
            f"benchmarks.search: expected a strategy in --only, got {args.only!r}. See"
            " --list.",
            file=sys.stderr,
        )
        return 2
    searches = results.load()
    if args.list:
        for name in names:
            absent = STRATEGIES[name].peer and not peers.installed(name)
            note = " (not installed)" if absent else ""
            print(f"{len(searches.get(name, {})):3} of {SEEDS:3}  {name}{note}")
        return 0
    if args.again:
        for name in names:
            searches.pop(name, None)
    jobs = results.missing(searches, names, args.repetitions)
    _run(searches, jobs, args.processes)
    if not args.no_page:
        from benchmarks.search import page

        page.write(results.load())
    return 0


def _run(
    searches: dict[str, dict[int, simulate.Search]],
    jobs: list[results.Job],
    processes: int,
) -> None:
    """Run jobs, with a bar on stderr; what is done is kept every few seconds."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    saved = time.monotonic()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=len(jobs))
        for job, search in results.execute(jobs, processes):
            searches.setdefault(job.strategy, {})[job.seed] = search
            progress.update(bar, advance=1, description=job.strategy)
            if time.monotonic() - saved > 5:
                results.save(searches)
                saved = time.monotonic()
    results.save(searches)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
