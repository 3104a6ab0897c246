"""``python -m hpo.launch.executors.crew``: the one process of a cluster's job, which runs workers.

SLURM tells it before the time limit (SIGUSR2), or when the job is cancelled or pre-empted
(SIGTERM). It then stops its workers in order, and they keep their trainings safe; before the time
limit it also has the job queue again, which then goes on where it was.

It stays small, and holds no connection to the database: only when a worker died, it opens one for
a moment, so that the worker's trial need not wait for its lease to run out.
"""

from __future__ import annotations

import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from hpo import settings
from hpo.console import EXIT_ERROR, Parser, answer, at_least, seconds
from hpo.errors import HpoError
from hpo.launch.executors import asked, slurm_commands
from hpo.launch.executors.local import LocalExecutor
from hpo.ledger.lease import LEASE_S

TERM_GRACE_S = 20.0
"""Workers have so long to stop in order after SIGTERM; SLURM kills all after 30 s by default."""
POLL_S = 0.2
_EXAMPLES = """\
HPO_STORAGE=postgresql://me@server/hpo \\
  python -m hpo.launch.executors.crew --study seqdigits --workers 8
    8 workers for a study, until it is over; SIGTERM stops them in order, so does SIGUSR2
HPO_STORAGE=postgresql://me@server/hpo python -m hpo.launch.executors.crew --probe here
    say if the database can be reached from this machine

`hpo launch --executor slurm` submits jobs that run this; --dry-run shows their script."""


def parser() -> Parser:
    """The command line of a crew."""
    p = Parser(
        "python -m hpo.launch.executors.crew", "The workers of one job of a cluster.", _EXAMPLES
    )
    what = p.add_mutually_exclusive_group(required=True)
    what.add_argument("--study", metavar="NAME", help="work for this study, until it is over")
    what.add_argument("--probe", metavar="NAME", help="write this name into the database, and end")
    p.add_argument("--workers", type=at_least(1), default=1, metavar="N", help="default: 1")
    p.add_argument(
        "--threads", type=at_least(1), default=1, metavar="N", help="of every worker (default: 1)"
    )
    p.add_argument("--logs", type=Path, default=Path("."), metavar="DIR", help="of the workers")
    p.add_argument("--lease", type=seconds, default=LEASE_S, metavar="SECONDS", help="of a worker")
    p.add_argument("--no-confirm", action="store_true", help="leave confirmations to others")
    p.add_argument(
        "--usr2-grace",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="how long workers have to stop after SIGUSR2 before they are killed (default: 60)",
    )
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run a crew; returns its exit status: 0 when the study is over, or it was told to stop."""
    arguments = parser().parse_args(argv)
    if arguments.probe is not None:
        return answer(lambda: probe(arguments.probe))
    return answer(
        lambda: Crew(
            LocalExecutor(
                arguments.study,
                storage_url=_storage_url(),
                logs=arguments.logs,
                threads=arguments.threads,
                options=[
                    f"--lease={arguments.lease:g}",
                    *(["--no-confirm"] if arguments.no_confirm else []),
                ],
                job=(settings.job() or f"crew {os.getpid()}").split()[-1],
                release=release_lost,
            )
        ).run(arguments.workers, usr2_grace_s=arguments.usr2_grace)
    )


def _storage_url() -> str:
    url = settings.storage_url()
    if url is None:
        raise HpoError(
            "HPO_STORAGE: the database must be named, but got nothing. A job gets it from the "
            "environment of sbatch: set it there, and give sbatch --export=ALL."
        )
    return url


class Crew:
    """The workers of one job."""

    def __init__(self, executor: LocalExecutor) -> None:
        """Nothing is started yet."""
        self._executor = executor
        self._told: set[int] = set()
        self._stopping = False

    def run(self, workers: int, *, usr2_grace_s: float) -> int:
        """Work until the study is over, or SLURM says to stop; returns the exit status."""
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2):
            signal.signal(signum, self._hear)
        signal.signal(signal.SIGALRM, self._hurry)
        say(f"{settings.job() or 'no job'} on {platform.node()}: {self._executor.where(workers)}")
        try:
            self._executor.start(workers)
            while not (self._executor.over or self._told):
                for event in self._executor.poll():
                    say(event)
                time.sleep(POLL_S)
        finally:
            self._stopping = True
            with suppress(KeyboardInterrupt):  # on its way through it, it killed them
                self._executor.stop(usr2_grace_s if self._near_limit else TERM_GRACE_S)
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        if self._near_limit:
            return self._requeue()
        say("told to stop: the workers have stopped" if self._told else "all workers have ended")
        return 0

    @property
    def _near_limit(self) -> bool:
        """Whether it was told of the time limit alone: a job that is cancelled queues no more."""
        return self._told == {signal.SIGUSR2}

    def _hear(self, signum: int, frame: FrameType | None) -> None:
        self._told.add(signum)
        if self._stopping and signum != signal.SIGUSR2:  # no time is left for what USR2 gave
            signal.setitimer(signal.ITIMER_REAL, TERM_GRACE_S)

    def _hurry(self, signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def _requeue(self) -> int:
        job = settings.job()
        if job is None:
            say("told to stop: the workers have stopped")
            return 0
        say("the time limit is near: the workers have stopped, the job queues again")
        try:
            slurm_commands.ask("scontrol", "requeue", job.split()[-1])
        except HpoError as error:
            say(f"{error} Whoever follows the study replaces this job.")
            return EXIT_ERROR
        return 0


def release_lost(worker: str, why: str | None, storage_url: str | None = None) -> bool | None:
    """Free the slot of a dead worker; see ``executors.Release``."""
    from hpo.ledger.ledger import Ledger
    from hpo.postgres.connect import open_storage

    def release() -> bool:
        with open_storage(storage_url) as storage:
            return Ledger(storage).release_lost(worker, why)

    return asked(release, None)  # its lease will run out all the same


def probe(name: str) -> int:
    """Write a name into the database, as that of a worker that has ended.

    Raises:
        HpoError: the database cannot be reached from here.
    """
    from hpo.ledger.ledger import Ledger
    from hpo.postgres.connect import open_storage

    _storage_url()
    with open_storage() as storage:
        ledger = Ledger(storage)
        ledger.register_worker(
            name, host=platform.node(), pid=os.getpid(), lease_s=LEASE_S, job=settings.job()
        )
        ledger.deregister_worker(name)
        say(f"{platform.node()} reaches {storage.describe()}")
    return 0


def say(text: str) -> None:
    """A line of the job's log."""
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
