"""Workers as tasks of a Dask cluster that is there already: dask-jobqueue, LocalCluster, by hand.

Each of the tasks occupies a thread of a Dask worker for as long as the study lasts, and runs there
one worker of ours, a process of its own. Tasks return nothing, and Dask sees no trial: who works at
what is in the ledger, and so are results. The launch says on which Dask worker a task runs, one
that has a free thread: Dask would queue tasks, which take it for less than a second, behind each
other, and leave threads idle that come later. Tasks end with their launch, however that ends: the
scheduler cancels what nobody waits for, and a task that is cancelled stops its worker in order.

The database's address travels inside the one argument of a task, which does not show it: keys and
``repr`` are all that Dask logs and its dashboard shows. It is readable on the way unless the
scheduler's address begins with tls://, and by whoever may run tasks in that cluster.
"""

from __future__ import annotations

import logging
import platform
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.errors import HpoError
from hpo.launch.executors import GRACE_S, Executor
from hpo.launch.executors.crew import POLL_S, TERM_GRACE_S, release_lost
from hpo.launch.executors.local import HEALTHY_S, PAUSE_S, LocalExecutor, remove_old_logs

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_S = 10.0
"""How long a scheduler may take to answer."""
REACH_S = 20.0
"""How long the database may be away, as a Dask worker sees it, before a task gives up."""
LEAVING_S = 2 * TERM_GRACE_S
"""Longest wait for tasks that were cancelled."""


class DaskError(HpoError):
    """The Dask cluster is not there, or cannot run workers."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a task is to do."""

    study: str
    storage_url: str = field(repr=False)
    logs: Path
    directory: Path
    """Where workers start, if it is there: that of the launch, with objectives of the user's."""
    threads: int
    options: tuple[str, ...]


def work(order: Order) -> None:
    """Run a worker until its study is over: in a thread of a Dask worker, as a task.

    Raises:
        HpoError: the database cannot be reached from here, or no worker can live here.
    """
    from distributed import get_worker

    def release(worker: str, why: str | None) -> bool | None:
        try:
            return release_lost(worker, why, order.storage_url)
        except HpoError:  # what the worker died of
            return False

    here = get_worker()
    key = here.get_current_task()
    _check_reachable(order.storage_url)
    executor = LocalExecutor(
        order.study,
        storage_url=order.storage_url,
        logs=order.logs,
        threads=order.threads,
        options=order.options,
        job=key,
        directory=order.directory,
        release=release,
    )
    try:
        executor.start(1)
        while not executor.over and here.status.name in ("running", "paused"):
            if here.state.tasks[key].state != "executing":  # cancelled, or its launch is gone
                return
            for event in executor.poll():
                logging.getLogger("distributed.worker").info("%s: %s", key, event)
            time.sleep(POLL_S)
    finally:
        executor.stop(TERM_GRACE_S)


def _check_reachable(storage_url: str) -> None:
    """Check that the database answers, for which a worker would wait; it tells all else itself."""
    from hpo.postgres.connect import open_storage
    from hpo.postgres.retry import is_passing, retry

    try:
        retry(lambda: open_storage(storage_url).close(), patience_s=REACH_S)
    except Exception as error:
        if is_passing(error):
            raise DaskError(
                f"dask: the database must be reachable from every Dask worker, but got, on "
                f"{platform.node()}: {error} Set HPO_STORAGE to an address that they reach, too "
                "(docs/how-to/dask.md)."
            ) from None


def _unfinished(prefix: str, dask_worker: Any = None) -> list[str]:
    """The tasks of a launch that a Dask worker still has, cancelled or not."""
    return [key for key in dask_worker.state.tasks if str(key).startswith(prefix)]


@dataclass(kw_only=True)
class _Task:
    """The place of one worker: its task, and those before it."""

    future: Future | None = None
    host: str = ""
    """Address of its Dask worker."""
    submitted_s: float = 0.0
    due_s: float = 0.0
    """When to submit the next one, once this one is gone and a thread is free."""
    pause_s: float = PAUSE_S[0]


class DaskExecutor(Executor):
    """Submits a task per worker to a Dask scheduler, and those again that ended."""

    def __init__(
        self,
        study: str,
        *,
        scheduler: str,
        storage_url: str,
        logs: Path,
        threads: int = 1,
        options: Sequence[str] = (),
        only_here: str | None = None,
    ) -> None:
        """Nothing is submitted yet.

        Args:
            study: name of the study.
            scheduler: its address, as in tcp://HOST:8786.
            storage_url: handed over inside a task's argument, see above.
            logs: directory of the log files, on the hosts of the Dask workers.
            threads: with so many threads computes every worker.
            options: more options for every worker.
            only_here: words for a database that no other host reaches; None if others may.
        """
        self._order = Order(
            study=study,
            storage_url=storage_url,
            logs=logs.absolute(),
            directory=Path.cwd(),
            threads=threads,
            options=tuple(options),
        )
        self._scheduler, self._only_here = scheduler, only_here
        self._prefix = f"hpo-{study}-{uuid.uuid4().hex[:6]}"
        self._client: Client | None = None
        self._tasks: list[_Task] = []
        self._events: list[str] = []
        self._silent, self._connect_s = False, 0.0

    @property
    def alive(self) -> int:
        """Tasks that run, wait for a thread, or are about to be submitted again."""
        return len(self._tasks)

    def where(self, n: int) -> str:
        """The cluster, as a launch tells where its workers are."""
        tasks = "1 worker starts" if n == 1 else f"{n} workers start"
        return f"{tasks} in the Dask cluster at {self._scheduler}; logs in {self._order.logs}"

    def start(self, n: int) -> None:
        """Submit a task for each free thread, ``n`` at most; the others wait for threads."""
        if not n:
            return
        self._client = connect(self._scheduler)
        self._check_hosts(self._client)
        remove_old_logs(self._order.logs)
        self._tasks = [_Task() for _ in range(n)]
        self._place(self._client)
        if waiting := sum(task.future is None for task in self._tasks):
            self._events.append(
                f"the Dask workers have {n - waiting} free threads: {waiting} of {n} workers wait "
                "for more, as by cluster.scale()"
            )

    def poll(self) -> list[str]:
        """Submit tasks that ended again, after a pause that grows from 1 s to 60 s."""
        if self._tasks and (client := self._answering()):
            self._place(client)
        events, self._events = self._events, []
        return events

    def stop(self, grace_s: float | None = GRACE_S) -> None:
        """Cancel all tasks, and wait until they have stopped their workers.

        A worker that has not ended 20 s later is killed by its task. If the scheduler is away, the
        Dask workers end without it, and with them their workers.
        """
        client, tasks = self._client, self._tasks
        self._client, self._tasks = None, []
        if client is None:
            return
        deadline = time.monotonic() + (LEAVING_S if grace_s is None else grace_s)
        with suppress(OSError, RuntimeError):  # of a scheduler that goes away meanwhile
            try:
                if client.status == "running":
                    client.cancel([task.future for task in tasks if task.future is not None])
                while client.status == "running" and time.monotonic() < deadline:
                    found = client.run(_unfinished, self._prefix, on_error="ignore")
                    if not any(found.values()):
                        break
                    time.sleep(POLL_S)
            finally:
                client.close(timeout=2)

    def _place(self, client: Client) -> None:
        """Submit tasks to Dask workers that have a free thread, in place of those that ended.

        Raises:
            HpoError: workers can live nowhere.
        """
        now = time.monotonic()
        try:
            threads, busy = client.nthreads(), client.processing()
        except (OSError, RuntimeError):  # it went away a moment ago
            return
        for task in self._tasks:
            if task.future is not None and (task.future.done() or task.host not in threads):
                self._ended(task, task.future, now)
        ours = [(task.host, task.future.key) for task in self._tasks if task.future is not None]
        taken = {*ours, *((host, key) for host, keys in busy.items() for key in keys)}
        free = Counter(threads) - Counter(host for host, _ in taken)
        places = iter(free.elements())
        for task in self._tasks:
            if task.future is None and now >= task.due_s and (host := next(places, None)):
                key = f"{self._prefix}-{uuid.uuid4().hex[:6]}"
                task.future = client.submit(work, self._order, key=key, workers=host, pure=False)
                task.host, task.submitted_s = host, now

    def _ended(self, task: _Task, future: Future, now: float) -> None:
        """Plan the next task of a worker; what a task raises lasts, mostly.

        Raises:
            HpoError: no other task lives, either.
        """
        error = future.exception() if future.status == "error" else None
        lived_s, how = now - task.submitted_s, future.status if error is None else str(error)
        if not future.done():
            how = f"its Dask worker at {task.host} is gone"
            future.cancel()
        task.future = None
        if error is not None and all(other.future is None for other in self._tasks):
            raise _told(error)
        if lived_s >= HEALTHY_S:
            task.pause_s = PAUSE_S[0]
        pause_s = task.pause_s if error is None else PAUSE_S[1]
        task.due_s, task.pause_s = now + pause_s, min(2 * pause_s, PAUSE_S[1])
        self._events.append(
            f"a worker's task ended after {lived_s:.0f} s ({how}); the next one is submitted in "
            f"{pause_s:.0f} s"
        )

    def _answering(self) -> Client | None:
        """The client if its scheduler answers; if that was restarted, a new one may reach it."""
        assert self._client is not None
        if self._client.status == "closed" and time.monotonic() >= self._connect_s:
            with suppress(DaskError):
                self._client = connect(self._scheduler)
            self._connect_s = time.monotonic() + PAUSE_S[1]
        silent = self._client.status != "running"
        if silent != self._silent:
            answer = "does not answer: trying on" if silent else "answers again"
            self._events.append(f"the Dask scheduler at {self._scheduler} {answer}")
        self._silent = silent
        return None if silent else self._client

    def _check_hosts(self, client: Client) -> None:
        """Check that Dask workers run on this host alone, if only that reaches the database."""
        here = platform.node()
        nodes = set(client.run(platform.node).values()) if self._only_here else set()
        if others := sorted(nodes - {here}):
            client.close()
            raise DaskError(
                f"dask: the database must be reachable from every Dask worker, but got "
                f"{self._only_here}, which only {here} reaches, and Dask workers on "
                f"{','.join(others[:3])}{',…' if len(others) > 3 else ''}. Give a PostgreSQL "
                "server that they reach: set HPO_STORAGE (docs/how-to/several-hosts.md)."
            )


def require() -> None:
    """Check that Dask is installed here, without importing it.

    Raises:
        DaskError: it is not.
    """
    if find_spec("distributed") is None:
        raise DaskError(
            "dask: the package distributed must be installed, but got none. Install it here and "
            "where scheduler and Dask workers run, of one version: pip install "
            "'hpo-dynamics[dask]'."
        )


def connect(scheduler: str) -> Client:
    """A client of a scheduler; Dask's own configuration has certificates for tls://.

    Raises:
        DaskError: it does not answer.
    """
    require()
    from distributed import Client

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # the launch tells it itself
    try:
        return Client(scheduler, timeout=CONNECT_S, set_as_default=False)
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise DaskError(
            f"dask: the scheduler must answer, but got scheduler={scheduler}: "
            f"{' '.join(str(error).split())[:300] or type(error).__name__}. Start it (dask "
            "scheduler), or give the address that it prints, not that of its dashboard."
        ) from None


def _told(error: BaseException | None) -> HpoError:
    """What a task raised, as an error that a user can mend."""
    if isinstance(error, HpoError):
        return error
    return DaskError(
        "dask: tasks must run in the cluster, but got "
        f"{type(error).__name__}: {' '.join(str(error).split())[:300]}. Install this project, in "
        "the same version, where the scheduler and the Dask workers run, and let them write the "
        "directory of the logs."
    )
