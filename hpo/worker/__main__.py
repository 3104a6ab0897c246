"""``python -m hpo.worker``: one worker process; start as many as there are cores, on any host."""

from __future__ import annotations

import logging
import os
import signal
import sys
from argparse import Namespace
from pathlib import Path

from hpo.console import (
    Parser,
    argument,
    at_least,
    command,
    group,
    seconds,
    study_of,
    working_directory_last,
)
from hpo.settings import LEASE_S
from hpo.worker import crew

START_PATIENCE_S = 60.0
"""For so long a worker that starts waits for a database that is away: it may be restarting."""
_OF_ONE = ("name", "parent", "log", "heartbeat_file")


def _check(parser: Parser, arguments: Namespace) -> None:
    given = [name for name in _OF_ONE if getattr(arguments, name) is not None]
    if arguments.workers is not None and given:
        option = f"--{given[0].replace('_', '-')}"
        parser.error(f"{option} is of one worker, and --workers of several: give one of them")


@command(
    study_of("work for this study alone, until it is over (default: all)", required=False),
    argument("--storage", metavar="URL", help="PostgreSQL URL (default: HPO_STORAGE)"),
    argument("--no-confirm", action="store_true", help="leave confirmations to others"),
    argument("--name", help="name of this worker in every view (default: host-pid-random)"),
    argument("--parent", type=int, metavar="PID", help="stop when this process is gone"),
    argument(
        "--lease",
        type=seconds,
        default=LEASE_S,
        metavar="SECONDS",
        help=f"silence after which others take over this worker's trial (default: {LEASE_S:g})",
    ),
    argument(
        "--log",
        metavar="FILE",
        help="where its output goes: said by who redirects it, shown by `hpo status`",
    ),
    argument(
        "--heartbeat-file",
        type=Path,
        metavar="FILE",
        help="touched three times per lease or more while the database answers, for health checks",
    ),
    group(
        "to run several at once",
        argument(
            "--workers",
            type=at_least(1),
            metavar="N",
            help="start so many, and look after them: without it this process is the one worker",
        ),
        argument(
            "--threads", type=at_least(1), default=1, metavar="N", help="of each (default: 1)"
        ),
        argument(
            "--logs", type=Path, metavar="DIR", help="of each (default: where `hpo logs` looks)"
        ),
        argument(
            "--usr2-grace",
            type=seconds,
            default=60.0,
            metavar="SECONDS",
            help="how long they have to stop after SIGUSR2 before they are killed (default: 60; "
            f"{crew.TERM_GRACE_S:g} after SIGTERM)",
        ),
    ),
    check=_check,
)
def worker(arguments: Namespace) -> int:
    """Work for studies: claim trials, train their networks, write down the results.

    It may be stopped (Ctrl-C, SIGTERM) or killed at any time: nothing is lost.

    Examples:
        hpo worker seqdigits
            work for one study until it is finished
        HPO_STORAGE=postgresql://me@server/hpo hpo worker
            serve every open study of that database until told to stop
        hpo worker seqdigits --workers 8
            a crew, as for a job of a cluster: 8 workers, each with its own GPU if there are some;
            those that die start again, and all stop in order on SIGTERM
    """
    if arguments.workers is not None:
        return _crew(arguments)
    for signum in crew.STOPPING:  # the first process of a container gets no signal else
        signal.signal(signum, lambda *_: os._exit(0))
    for variable in crew.THREADS:  # before numpy and torch load: one thread per worker
        os.environ.setdefault(variable, "1")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")

    import optuna

    from hpo import settings
    from hpo.postgres.connect import open_storage
    from hpo.postgres.retry import retry
    from hpo.worker import notifier
    from hpo.worker.heartbeat import WorkerOptions
    from hpo.worker.loop import Worker

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    options = WorkerOptions(
        study=arguments.study,
        confirm=not arguments.no_confirm,
        lease_s=arguments.lease,
        parent_pid=arguments.parent,
        heartbeat_file=arguments.heartbeat_file,
        log=arguments.log,
        notify=notifier.configured(),
        hung_s=settings.epoch_limit_s(),
    )
    with retry(
        lambda: open_storage(arguments.storage, worker=True),
        patience_s=START_PATIENCE_S,
        on_wait=lambda waited_s, error: logging.warning("%s", error),
    ) as storage:
        own = Worker(storage, options, arguments.name)
        grace_s = None if arguments.parent else crew.ALONE_S  # a crew kills by itself
        for signum in crew.STOPPING:
            signal.signal(signum, lambda *_: own.stop(grace_s))
        own.run()
    return 0


def _crew(arguments: Namespace) -> int:
    """Run several workers; returns the exit status: 0 when the study is over, or told to stop."""
    from hpo import settings

    job, task = settings.slurm_job(), os.environ.get("SLURM_PROCID", "0")
    options = [f"--lease={arguments.lease:g}"]
    options += ["--no-confirm"] if arguments.no_confirm else []
    several = crew.Crew(
        arguments.study,
        storage_url=arguments.storage or settings.storage_url(),
        logs=arguments.logs or settings.home() / "logs" / (arguments.study or "every-study"),
        threads=arguments.threads,
        options=options,
        prefix=f"{job}-{task}" if job and task != "0" else job,
    )
    return crew.serve(several, arguments.workers, usr2_grace_s=arguments.usr2_grace)


if __name__ == "__main__":
    working_directory_last()
    status = worker(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # all is closed; Python would take PyTorch apart for two seconds of CPU more
