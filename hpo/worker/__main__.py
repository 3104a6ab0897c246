"""``python -m hpo.worker``: one worker process; start as many as there are cores, on any host."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from hpo.console import Parser, seconds, working_directory_last
from hpo.ledger.lease import LEASE_S

_EXAMPLES = """\
hpo worker seqdigits
    work for one study until it is finished
hpo worker --storage postgresql://me@server/hpo
    serve every open study of that database until told to stop
HPO_STORAGE=postgresql://me@server/hpo hpo worker
    the same, with the address (and a password) out of the process list

A worker may be stopped (Ctrl-C, SIGTERM) or killed at any time: nothing is lost."""
START_PATIENCE_S = 60.0
"""For so long a worker that starts waits for a database that is away: it may be restarting."""
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)
"""What asks a worker to stop; SLURM sends the last one before a time limit."""
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


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
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run a worker; returns the exit status."""
    working_directory_last()
    arguments = parser().parse_args(argv)
    for variable in _THREADS:  # before numpy and torch load: one thread per worker
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
            for signum in STOPPING:
                signal.signal(signum, lambda *_: worker.stop())
            worker.run()
    except HpoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # all is closed; Python would take PyTorch apart for two seconds of CPU more
