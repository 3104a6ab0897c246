"""``python -m hpo.worker``: one worker process; start as many as there are cores, on any host."""

from __future__ import annotations

import logging
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from hpo.console import Parser, answer, at_least, seconds, working_directory_last
from hpo.settings import LEASE_S
from hpo.worker import crew

_EXAMPLES = """\
hpo worker seqdigits
    work for one study until it is finished
hpo worker --storage postgresql://me@server/hpo
    serve every open study of that database until told to stop
HPO_STORAGE=postgresql://me@server/hpo hpo worker
    the same, with the address (and a password) out of the process list
hpo worker seqdigits --workers 8
    a crew, as for a job of a cluster: 8 workers, each with its own GPU if there are some; those
    that die start again, and all stop in order on SIGTERM

A worker may be stopped (Ctrl-C, SIGTERM) or killed at any time: nothing is lost."""
START_PATIENCE_S = 60.0
"""For so long a worker that starts waits for a database that is away: it may be restarting."""


def parser() -> Parser:
    """The command line of a worker."""
    p = Parser(
        "hpo worker",
        "One worker: claims trials, trains their networks, writes down the results.",
        _EXAMPLES,
    )
    p.add_study("work for this study alone, until it is over (default: all)", required=False)
    p.add_argument("--storage", metavar="URL", help="PostgreSQL URL (default: HPO_STORAGE)")
    p.add_argument("--no-confirm", action="store_true", help="leave confirmations to others")
    p.add_argument("--name", help="name of this worker in every view (default: host-pid-random)")
    p.add_argument("--parent", type=int, metavar="PID", help="stop when this process is gone")
    p.add_argument(
        "--lease",
        type=seconds,
        default=LEASE_S,
        metavar="SECONDS",
        help=f"silence after which others take over this worker's trial (default: {LEASE_S:g})",
    )
    p.add_argument(
        "--log",
        metavar="FILE",
        help="where its output goes: said by who redirects it, shown by `hpo status`",
    )
    p.add_argument(
        "--heartbeat-file",
        type=Path,
        metavar="FILE",
        help="touched three times per lease while the database answers, for health checks",
    )
    of_crew = p.add_argument_group("to run several at once")
    of_crew.add_argument(
        "--workers",
        type=at_least(1),
        metavar="N",
        help="start so many, and look after them: without it this process is the one worker",
    )
    of_crew.add_argument(
        "--threads", type=at_least(1), default=1, metavar="N", help="of each (default: 1)"
    )
    of_crew.add_argument(
        "--logs", type=Path, metavar="DIR", help="of each (default: where `hpo logs` looks)"
    )
    of_crew.add_argument(
        "--usr2-grace",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="how long they have to stop after SIGUSR2 before they are killed (default: 60; "
        f"{crew.TERM_GRACE_S:g} after SIGTERM)",
    )
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run a worker; returns the exit status."""
    working_directory_last()
    p = parser()
    arguments = p.parse_args(argv)
    if arguments.workers is not None:
        alone = {"--name", "--parent", "--log", "--heartbeat-file"}
        for option in sorted(alone):
            if getattr(arguments, option[2:].replace("-", "_")) is not None:
                p.error(f"{option} is of one worker, and --workers of several: give one of them")
        return answer(lambda: _crew(arguments))
    for variable in crew.THREADS:  # before numpy and torch load: one thread per worker
        os.environ.setdefault(variable, "1")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")

    import optuna

    from hpo import settings
    from hpo.errors import HpoError
    from hpo.postgres.connect import open_storage
    from hpo.postgres.retry import retry
    from hpo.worker import notifier
    from hpo.worker.heartbeat import WorkerOptions
    from hpo.worker.loop import Worker

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
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
            worker = Worker(storage, options, arguments.name)
            for signum in crew.STOPPING:
                signal.signal(signum, lambda *_: worker.stop())
            worker.run()
    except HpoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _crew(arguments: Namespace) -> int:
    """Run several workers; returns the exit status: 0 when the study is over, or told to stop."""
    from hpo import settings

    options = [f"--lease={arguments.lease:g}"]
    options += ["--no-confirm"] if arguments.no_confirm else []
    several = crew.Crew(
        arguments.study,
        storage_url=arguments.storage or settings.storage_url(),
        logs=arguments.logs or settings.home() / "logs" / (arguments.study or "every-study"),
        threads=arguments.threads,
        options=options,
        prefix=(settings.job() or "").removeprefix("slurm ") or None,
    )
    return crew.serve(several, arguments.workers, usr2_grace_s=arguments.usr2_grace)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # all is closed; Python would take PyTorch apart for two seconds of CPU more
