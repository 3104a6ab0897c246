"""``make bench-search``: compare search strategies by the time to a good network.

Searches run on tables of real trainings, one for each task, continued by a surrogate,
so that one takes seconds. Results are kept: only missing or outdated ones are run. Then
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
from benchmarks.search.tasks import TASKS, Task

_EXAMPLES = """\
examples:
  python -m benchmarks.search                         run what is missing, write the page
  python -m benchmarks.search --list                  every strategy, and how much of it was run
  python -m benchmarks.search --only 'SMAC*' --again  run some anew
  python -m benchmarks.search --repetitions 30        30 study seeds of each
"""


def main(arguments: Sequence[str]) -> int:
    """Run and write; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--task", choices=TASKS, help="its table alone; default: all")
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
    tasks = [TASKS[args.task]] if args.task else list(TASKS.values())
    searches = {task.name: results.load(task) for task in tasks}
    if args.list:
        for task in tasks:
            for name in names:
                absent = STRATEGIES[name].peer and not peers.installed(name)
                n = len(searches[task.name].get(name, {}))
                note = " (not installed)" if absent else ""
                print(f"{n:3} of {SEEDS:3}  {task.name}: {name}{note}")
        return 0
    for task in tasks:
        own = searches[task.name]
        if args.again:
            for name in names:
                own.pop(name, None)
        jobs = results.missing(own, task, names, args.repetitions)
        _run(task, own, jobs, args.processes)
    if not args.no_page:
        from benchmarks.search import page

        page.write({task.name: results.load(task) for task in TASKS.values()})
    return 0


def _run(
    task: Task,
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
        bar = progress.add_task(task.name, total=len(jobs))
        for job, search in results.execute(jobs, processes):
            searches.setdefault(job.strategy, {})[job.seed] = search
            progress.update(bar, advance=1, description=f"{task.name}: {job.strategy}")
            if time.monotonic() - saved > 5:
                results.save(searches, task)
                saved = time.monotonic()
    results.save(searches, task)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
