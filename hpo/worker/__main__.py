"""``python -m hpo.worker``: one worker process; start as many as there are cores, on
any host."""

from __future__ import annotations

import logging
import os
import signal
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

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
from hpo.errors import HpoError
from hpo.settings import LEASE_S
from hpo.worker import crew

if TYPE_CHECKING:  # it loads NumPy
    from hpo.postgres.connect import Storage
    from hpo.worker.heartbeat import WorkerOptions

START_PATIENCE_S = 60.0
"""Longest wait of a starting worker for an unreachable database, which may be
restarting."""
_ONE_WORKER = ("name", "parent", "standing", "log", "heartbeat_file")


def _check(parser: Parser, arguments: Namespace) -> None:
    if arguments.workers is None:
        return
    for name in _ONE_WORKER:
        if getattr(arguments, name) is not None:
            option = f"--{name.replace('_', '-')}"
            parser.error(
                f"{option} is for one worker, --workers for several: use one of the two"
            )


@command(
    study_of(
        "work for this study alone, until it is over (default: all)", required=False
    ),
    argument("--storage", metavar="URL", help="PostgreSQL URL (default: HPO_STORAGE)"),
    argument("--no-confirm", action="store_true", help="leave confirmations to others"),
    argument(
        "--name", help="name of this worker in every view (default: host-pid-random)"
    ),
    argument("--parent", type=int, metavar="PID", help="stop when process PID ends"),
    argument(
        "--standing",
        action="store_true",
        default=None,
        help=(
            "take the place of a worker that the database had let in: wait for a role"
            " or rights that are missing, an hour at most"
        ),
    ),
    argument(
        "--lease",
        type=seconds,
        default=LEASE_S,
        metavar="SECONDS",
        help=(
            "let others take over this worker's trial after this silence (default:"
            f" {LEASE_S:g})"
        ),
    ),
    argument(
        "--log",
        metavar="FILE",
        help="file that receives this worker's output, as `hpo status` shows it",
    ),
    argument(
        "--heartbeat-file",
        type=Path,
        metavar="FILE",
        help="touch FILE at least three times per lease while the database answers",
    ),
    group(
        "to run several at once",
        argument(
            "--workers",
            type=at_least(1),
            metavar="N",
            help="start N workers and supervise them (default: be one worker)",
        ),
        argument(
            "--threads",
            type=at_least(1),
            default=1,
            metavar="N",
            help="per worker (default: 1)",
        ),
        argument(
            "--logs",
            type=Path,
            metavar="DIR",
            help="for log files (default: where `hpo status --logs` looks)",
        ),
        argument(
            "--usr2-grace",
            type=seconds,
            default=60.0,
            metavar="SECONDS",
            help=(
                "kill workers that have not stopped this long after SIGUSR2 (default:"
                f" 60; {crew.TERM_GRACE_S:g} after SIGTERM)"
            ),
        ),
    ),
    check=_check,
)
def worker(arguments: Namespace) -> int:
    """Run a worker: claim trials, train their networks, store the results.

    You can stop it (Ctrl-C, SIGTERM) or kill it at any time; no result is lost.

    Examples:
        hpo worker seqdigits
            work for one study until it is finished
        HPO_STORAGE=postgresql://me@server/hpo hpo worker
            serve every open study of that database until you stop it
        hpo worker seqdigits --workers 8
            run 8 workers, as in a cluster job, each on its own GPU if there are any;
            restart those that die, and stop all of them cleanly on SIGTERM
    """
    if arguments.workers is None:
        return _run_one(arguments)
    return _run_crew(arguments)


def _run_one(arguments: Namespace) -> int:
    """Run one worker in this process; return 0 when it has ended in order, or what the
    crew expects then.

    Handle the signals of the process, limit the threads of numerical libraries by its
    environment, and set up its log.
    """
    if os.environ.get(crew.HASH_SEED) != "0":
        _begin_again()
    in_order = 0 if arguments.parent is None else crew.IN_ORDER
    # otherwise the first process of a container gets no signal
    for signum in crew.STOPPING:
        signal.signal(signum, lambda *_: os._exit(in_order))
    # before numpy and torch load: one thread per worker
    for variable in crew.THREADS:
        os.environ.setdefault(variable, "1")
    from hpo import logs, settings

    logs.begin(logging.INFO)
    try:
        return _work(arguments, in_order)
    except HpoError as error:
        if not settings.logs_json():
            raise
        logging.critical("%s", error)
        return error.exit_status


def _work(arguments: Namespace, in_order: int) -> int:
    """Open the database and work; return the status of the process."""
    import optuna

    from hpo.postgres.retry import lacks_rights
    from hpo.worker.loop import DamagedError, Worker

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    optuna.logging.disable_default_handler()
    optuna.logging.enable_propagation()
    options = _options(arguments)
    try:
        opened = _open(arguments.storage, options)
    except HpoError as error:
        if arguments.parent is None or not lacks_rights(error):
            raise
        logging.critical("%s", error)
        return crew.REFUSED
    with opened as storage:
        this_worker = Worker(storage, options, arguments.name)
        grace_s = None if arguments.parent else crew.ALONE_S  # a crew kills by itself
        for signum in crew.STOPPING:
            signal.signal(signum, lambda *_: this_worker.stop(grace_s))
        os.register_at_fork(after_in_child=_restore_signals)
        try:
            this_worker.run()
        except DamagedError as error:
            logging.critical("%s", error)
            return crew.SPOILED
    return in_order


def _open(url: str | None, options: WorkerOptions) -> Storage:
    """Open the database, and wait for it a minute, or an hour if the worker takes the
    place of another.

    Raises:
        StorageError: it cannot be reached, or used; or it refuses the worker.
    """
    from hpo.postgres.retry import outage_text, retry
    from hpo.worker.loop import PATIENCE_S

    told = ""

    def tell(waited_s: float, error: Exception) -> None:
        nonlocal told
        if str(error) != told:
            told = str(error)
            logging.warning("%s, waiting: %s", outage_text(error), error)

    return retry(
        lambda: _open_once(url, options.study),
        patience_s=PATIENCE_S if options.standing else START_PATIENCE_S,
        on_wait=tell,
        standing=options.standing,
    )


def _open_once(url: str | None, study: str | None) -> Storage:
    """Open the database; make tables only for a worker that serves all studies, since
    that would disturb a restore.

    Raises:
        MissingTablesError: there are none, and so not ``study``.
    """
    from hpo.ledger.schema import schema
    from hpo.postgres.connect import has_tables, open_storage
    from hpo.postgres.retry import MissingTablesError

    storage = open_storage(url, worker=True, creates=study is None)
    try:
        if study is not None and not has_tables(storage, schema):
            raise MissingTablesError(
                f"{storage.place()}: hpo has no table here, and so no study"
                f" {study!r}. A backup that is being restored may bring it"
            )
    except BaseException:
        storage.close()
        raise
    return storage


def _options(arguments: Namespace) -> WorkerOptions:
    """Return the options of the worker."""
    from hpo import settings
    from hpo.worker import notifier
    from hpo.worker.heartbeat import WorkerOptions

    return WorkerOptions(
        study=arguments.study,
        confirm=not arguments.no_confirm,
        lease_s=arguments.lease,
        parent_pid=arguments.parent,
        heartbeat_file=arguments.heartbeat_file,
        log=arguments.log,
        notify=notifier.configured(),
        standing=bool(arguments.standing),
        hung_s=settings.epoch_limit_s(),
    )


def _restore_signals() -> None:
    """Let signals end a process that the objective forks: a pool waits for that."""
    for signum in crew.STOPPING:
        signal.signal(signum, signal.SIG_DFL)


def _begin_again() -> NoReturn:
    """Start Python again in this process, with the hashes of texts of all workers."""
    environment = {**os.environ, crew.HASH_SEED: "0"}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def _run_crew(arguments: Namespace) -> int:
    """Run several workers; return 0 when the study is over, or a signal has stopped
    them."""
    from hpo import settings

    study = arguments.study
    setup = crew.WorkerSetup(
        study=study,
        storage_url=arguments.storage or settings.storage_url(),
        logs=arguments.logs or settings.home() / "logs" / (study or "every-study"),
        threads=arguments.threads,
        lease_s=arguments.lease,
        confirm=not arguments.no_confirm,
    )
    prefix = settings.slurm_job()
    task = os.environ.get("SLURM_PROCID", "0")
    if prefix and task != "0":
        prefix += f"-{task}"
    return crew.serve(
        crew.Crew(setup, prefix=prefix),
        arguments.workers,
        usr2_grace_s=arguments.usr2_grace,
    )


if __name__ == "__main__":
    working_directory_last()
    status = worker(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # all is closed; tearing PyTorch down would take two seconds of CPU
    os._exit(status)
