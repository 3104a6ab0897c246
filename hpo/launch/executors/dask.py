"""Workers as tasks of a Dask cluster that is there already: dask-jobqueue, LocalCluster, by hand.

Each of the tasks occupies a thread of a Dask worker for as long as the study lasts, and runs there
a crew of one worker of ours, a process of its own. Tasks return nothing, and Dask sees no trial:
who works at what is in the ledger, and so are results. The launch gives tasks to threads that are
free: Dask would queue those that wait behind each other, and leave threads idle that come later.
From then on Dask supervises: it repeats tasks that fail, and gives those of a Dask worker that is
gone to others. Tasks end with their launch, however that ends: the scheduler cancels what nobody
waits for, and a task that is cancelled stops its worker in order.

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
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.config import DaskDefaults
from hpo.errors import HpoError
from hpo.launch.executors import GRACE_S, Executor, LaunchOptions
from hpo.worker.crew import POLL_S, TERM_GRACE_S, Crew, remove_old_logs

if TYPE_CHECKING:
    from distributed import Client

CONNECT_S = 10.0
"""How long a scheduler may take to answer."""
AGAIN_S = 60.0
"""How long until a scheduler is tried again that does not answer."""
SETTLING_S = 2.0
"""How long until what was submitted shows among what Dask workers are busy with."""
REACH_S = 20.0
"""How long the database may be away, as a Dask worker sees it, before a task gives up."""
LEAVING_S = 2 * TERM_GRACE_S
"""Longest wait for tasks that were cancelled."""
RETRIES = 2
"""How often Dask repeats a task whose worker cannot live: another host may have what is missing."""


class DaskError(HpoError):
    """The Dask cluster is not there, or cannot run workers."""


@dataclass(frozen=True)
class Order:
    """What a task is to do."""

    crew: dict[str, Any] = field(repr=False)
    """Arguments of its ``Crew``, with the address of the database."""


def work(order: Order) -> None:
    """Run a worker until its study is over: in a thread of a Dask worker, as a task.

    Raises:
        HpoError: the database cannot be reached from here, or no worker can live here.
        Reschedule: the Dask worker ends: another one is to go on.
    """
    from distributed import Reschedule, get_worker

    here = get_worker()
    key = str(here.get_current_task())
    _check_reachable(order.crew["storage_url"])
    prefix = f"{key.rsplit('-', 2)[1]}_{uuid.uuid4().hex[:6]}"  # that of the launch first
    crew = Crew(**order.crew, prefix=prefix)
    try:
        crew.start(1)
        while not crew.over:
            if here.state.tasks[key].state != "executing":  # cancelled, or its launch is gone
                return
            if here.status.name not in ("running", "paused"):
                raise Reschedule
            for event in crew.poll():
                logging.getLogger("distributed.worker").info("%s: %s", key, event)
            time.sleep(POLL_S)
    finally:
        crew.stop(TERM_GRACE_S)


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


class DaskExecutor(Executor):
    """Submits a task per worker to a Dask scheduler, which repeats those that are lost."""

    def __init__(self, study: str, *, options: LaunchOptions, storage_url: str) -> None:
        """Nothing is submitted yet.

        Args:
            study: name of the study.
            options: of the launch.
            storage_url: handed over inside a task's argument, see above.
        """
        assert options.site.dask.scheduler is not None
        self._scheduler, self._options = options.site.dask.scheduler, options
        self._logs = (options.logs(study) / "dask").absolute()
        self._order = Order(
            {
                "study": study,
                "storage_url": storage_url,
                "logs": self._logs,
                "threads": options.site.launch.threads,
                "options": options.of_workers,
                "directory": Path.cwd(),  # with objectives of the user's
            }
        )
        self._prefix = f"hpo-{study}-{uuid.uuid4().hex[:6]}"
        self._client: Client | None = None
        self._wanted, self._tasks = 0, list[Any]()
        self._events: list[str] = []
        self._silent, self._connect_s, self._place_s = False, 0.0, 0.0

    @property
    def alive(self) -> int:
        """Tasks that run, or wait for a thread."""
        return self._wanted

    def where(self, n: int) -> str:
        """The cluster, as a launch tells where its workers are."""
        tasks = "1 worker starts" if n == 1 else f"{n} workers start"
        return f"{tasks} in the Dask cluster at {self._scheduler}; logs in {self._logs}"

    def start(self, n: int) -> None:
        """Submit a task for each free thread, ``n`` at most; the others wait for threads."""
        if not n:
            return
        self._client = connect(self._scheduler)
        remove_old_logs(self._logs)
        self._wanted = n
        self._place(self._client)
        if waiting := n - len(self._tasks):
            self._events.append(
                f"the Dask workers have {n - waiting} free threads: {waiting} of {n} workers wait "
                "for more, as by cluster.scale()"
            )

    def poll(self) -> list[str]:
        """Submit what waits for a thread, and what a scheduler forgot that was restarted.

        Raises:
            HpoError: workers can live nowhere.
        """
        if self._wanted and (client := self._answering()):
            self._judge()
            self._place(client)
        events, self._events = self._events, []
        return events

    def stop(self, grace_s: float | None = GRACE_S) -> None:
        """Cancel all tasks, and wait until they have stopped their workers.

        A worker that has not ended 20 s later is killed by its task. If the scheduler is away, the
        Dask workers end without it, and with them their workers.
        """
        client, tasks = self._client, self._tasks
        self._client, self._tasks, self._wanted = None, [], 0
        if client is None:
            return
        deadline = time.monotonic() + (LEAVING_S if grace_s is None else grace_s)
        with suppress(OSError, RuntimeError):  # of a scheduler that goes away meanwhile
            try:
                if client.status == "running":
                    client.cancel(tasks)
                while client.status == "running" and time.monotonic() < deadline:
                    found = client.run(_unfinished, self._prefix, on_error="ignore")
                    if not any(found.values()):
                        break
                    time.sleep(POLL_S)
            finally:
                client.close(timeout=2)

    def _place(self, client: Client) -> None:
        """Submit tasks to Dask workers that have a free thread."""
        missing, now = self._wanted - len(self._tasks), time.monotonic()
        if not missing or now < self._place_s:
            return
        try:
            threads, busy = client.nthreads(), client.processing()
        except (OSError, RuntimeError):  # it went away a moment ago
            return
        free = Counter(threads) - Counter({host: len(keys) for host, keys in busy.items()})
        for host in islice(free.elements(), missing):
            task = client.submit(
                work,
                self._order,
                key=f"{self._prefix}-{uuid.uuid4().hex[:6]}",
                workers=host,
                allow_other_workers=True,  # when that one is gone
                retries=RETRIES,
                pure=False,
            )
            self._tasks.append(task)
        self._place_s = now + SETTLING_S

    def _judge(self) -> None:
        """Forget the tasks that have ended: over, given up, or lost with their scheduler.

        Raises:
            HpoError: all that are left gave up.
        """
        failed = [task for task in self._tasks if task.status == "error"]
        over = [task for task in self._tasks if task.status == "finished"]
        self._tasks = [task for task in self._tasks if task.status == "pending"]
        self._wanted -= len(over) + len(failed)
        for task in failed:
            error = _told(task.exception())
            if not self._wanted:
                raise error
            self._events.append(f"a worker's task has given up: {error}")

    def _answering(self) -> Client | None:
        """The client if its scheduler answers; if that was restarted, a new one may reach it."""
        assert self._client is not None
        if self._client.status == "closed" and time.monotonic() >= self._connect_s:
            with suppress(DaskError):
                self._client = connect(self._scheduler)
                self._tasks = []
            self._connect_s = time.monotonic() + AGAIN_S
        silent = self._client.status != "running"
        if silent != self._silent:
            answer = "does not answer: trying on" if silent else "answers again"
            self._events.append(f"the Dask scheduler at {self._scheduler} {answer}")
        self._silent = silent
        return None if silent else self._client


def check(dask: DaskDefaults) -> None:
    """Check that the scheduler is named, and that Dask is installed here, without importing it.

    Raises:
        HpoError: one is missing.
    """
    if dask.scheduler is None:
        raise DaskError(
            "dask: the scheduler must be given, but got scheduler=none. Give the address that it "
            "prints: --scheduler tcp://HOST:8786, or scheduler in [dask] of hpo.toml."
        )
    if find_spec("distributed") is None:
        raise DaskError(
            "dask: the package distributed must be installed, but got none. Install it here and "
            "where scheduler and Dask workers run, of one version: pip install "
            "'hpo-dynamics[dask]'."
        )


def connect(scheduler: str) -> Client:
    """Return a client of a scheduler; Dask's own configuration has certificates for tls://.

    Raises:
        DaskError: it does not answer.
    """
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
