"""Workers as tasks of a running Dask cluster: dask-jobqueue, LocalCluster, started by
hand.

Each task occupies a thread of a Dask worker until the study ends, and runs there a crew
of one worker in a separate process. Tasks return nothing, and Dask sees no trial:
assignments and results are in the ledger. The launch submits tasks only to free
threads: Dask would queue further tasks behind each other, and leave threads idle that
join later. Dask then supervises: it repeats failed tasks, and moves those of a lost
Dask worker to another one. Without another one it would keep them for ever, also when
new Dask workers join: the launch cancels these tasks, and submits them again. Tasks end
with their launch, however that ends: the scheduler cancels tasks without a client, and
a cancelled task stops its worker in order.

The database's address travels in the argument of a task, hidden from keys and ``repr``,
which Dask logs and shows on its dashboard. It is readable on the network unless the
scheduler's address begins with tls://, and by anyone who may run tasks in the cluster.
"""

from __future__ import annotations

import logging
import platform
import time
import uuid
from collections import Counter
from contextlib import suppress
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.config import DaskDefaults
from hpo.errors import HpoError, one_line
from hpo.launch.executors import GRACE_S, ClusterExecutor
from hpo.worker.crew import (
    POLL_S,
    TERM_GRACE_S,
    Crew,
    WorkerSetup,
    remove_old_logs,
)

if TYPE_CHECKING:
    from distributed import Client

CONNECT_S = 10.0
"""Timeout of a connection to the scheduler."""
AGAIN_S = 60.0
"""Pause before a retry of a scheduler that does not answer."""
SETTLING_S = 2.0
"""Delay until a submitted task shows among the tasks of a Dask worker."""
STRANDED_S = 5.0
"""Pause between two looks for tasks that no Dask worker has."""
REACH_S = 20.0
"""A task gives up if its Dask worker does not reach the database for so long."""
LEAVING_S = 2 * TERM_GRACE_S
"""Longest wait for cancelled tasks."""
RETRIES = 2
"""How often Dask repeats a task whose worker cannot run: another host may suit."""


class DaskError(HpoError):
    """The Dask cluster cannot be reached, or cannot run workers."""


def work(setup: WorkerSetup, directory: Path) -> None:
    """Run a worker until its study is over, as a task in a thread of a Dask worker.

    Args:
        setup: of the worker, with the address of the database.
        directory: working directory of the launch, with the user's objectives.

    Raises:
        HpoError: the database cannot be reached from here, or no worker can run here.
        Reschedule: this Dask worker ends, and another one should continue.
    """
    from distributed import Reschedule, get_worker

    here = get_worker()
    key = str(here.get_current_task())
    _check_reachable(str(setup.storage_url))
    launch = key.rsplit("-", 2)[1]
    prefix = f"{launch}_{uuid.uuid4().hex[:6]}"
    crew = Crew(setup, prefix=prefix, directory=directory)
    try:
        crew.start(1)
        while not crew.over:
            if here.state.tasks[key].state != "executing":
                return  # cancelled, or its launch is gone
            if here.status.name not in ("running", "paused"):
                raise Reschedule
            for event in crew.poll():
                logging.getLogger("distributed.worker").info("%s: %s", key, event)
            time.sleep(POLL_S)
    finally:
        crew.stop(TERM_GRACE_S)


def _check_reachable(storage_url: str) -> None:
    """Check that the database answers, since a worker would wait for it without end."""
    from hpo.postgres.connect import open_storage
    from hpo.postgres.retry import is_passing, retry

    try:
        retry(lambda: open_storage(storage_url).close(), patience_s=REACH_S)
    except Exception as error:
        if is_passing(error):
            raise DaskError(
                f"dask: the Dask worker on {platform.node()} cannot reach the database:"
                f" {error} Set HPO_STORAGE to an address that every Dask worker reaches"
                " (docs/how-to/dask.md)."
            ) from None


def _unfinished(prefix: str, dask_worker: Any = None) -> list[str]:
    """Return the tasks of a launch that a Dask worker still has, cancelled or not."""
    return [key for key in dask_worker.state.tasks if str(key).startswith(prefix)]


class DaskExecutor(ClusterExecutor):
    """An executor that submits a task per worker to a Dask scheduler, which repeats
    lost tasks."""

    def __init__(self, setup: WorkerSetup, dask: DaskDefaults) -> None:
        """Submit nothing yet.

        Args:
            setup: what the workers have in common, part of each task's argument.
            dask: the cluster.
        """
        super().__init__(setup)
        self._scheduler = str(dask.scheduler)
        self._prefix = f"hpo-{setup.study}-{uuid.uuid4().hex[:6]}"
        self._client: Client | None = None
        self._target = 0
        self._tasks: list[Any] = []
        self._unseen: set[str] = set()
        self._connect_s = 0.0
        self._place_s = 0.0

    @property
    def alive(self) -> int:
        """Number of tasks that run, or wait for a thread."""
        return self._target

    def where(self, n: int) -> str:
        """Describe ``n`` workers in the cluster."""
        return self._setup.starting(n, f"in the Dask cluster at {self._scheduler}")

    def start(self, n: int) -> None:
        """Submit a task to each free thread, at most ``n``; the others wait for
        threads."""
        if not n:
            return
        self._client = connect(self._scheduler)
        remove_old_logs(self._setup.logs)
        self._target = n
        self._place(self._client)
        free = len(self._tasks)
        if free < n:
            self._events.append(
                f"the Dask workers have {free} free threads: {n - free} of {n}"
                " workers wait for more threads (cluster.scale())"
            )

    def _look(self) -> None:
        """Submit tasks to new threads, and again after a restart of the scheduler.

        Raises:
            HpoError: workers cannot run in the cluster.
        """
        if not self._target:
            return
        client = self._answering()
        if client is not None:
            self._judge()
            self._place(client)

    def stop(self, grace_s: float | None = GRACE_S) -> None:
        """Cancel all tasks, and wait until they have stopped their workers.

        A task kills its worker after 20 s. Without their scheduler, Dask workers end,
        and with them their tasks.
        """
        client = self._client
        tasks = self._tasks
        self._client = None
        self._tasks = []
        self._target = 0
        if client is None:
            return
        deadline = time.monotonic() + (LEAVING_S if grace_s is None else grace_s)
        with suppress(OSError, RuntimeError):  # the scheduler went away
            try:
                if client.status == "running":
                    client.cancel(tasks)
                while client.status == "running" and time.monotonic() < deadline:
                    tasks_left = client.run(
                        _unfinished, self._prefix, on_error="ignore"
                    )
                    if not any(tasks_left.values()):
                        break
                    time.sleep(POLL_S)
            finally:
                client.close(timeout=2)

    def _place(self, client: Client) -> None:
        """Submit tasks to Dask workers with a free thread."""
        now = time.monotonic()
        if now < self._place_s:
            return
        try:
            free = Counter(client.nthreads())
            held = client.processing()
            self._give_up_stranded(client, held)
        except (OSError, RuntimeError):  # the scheduler went away
            return
        for host, keys in held.items():
            free[host] -= len(keys)
        missing = self._target - len(self._tasks)
        for host in islice(free.elements(), missing):
            task = client.submit(
                work,
                self._setup,
                Path.cwd(),
                key=f"{self._prefix}-{uuid.uuid4().hex[:6]}",
                workers=host,
                allow_other_workers=True,  # if this one is lost
                retries=RETRIES,
                pure=False,
            )
            self._tasks.append(task)
        self._place_s = now + (SETTLING_S if missing else STRANDED_S)

    def _give_up_stranded(self, client: Client, held: dict[str, Any]) -> None:
        """Cancel tasks that no Dask worker had at two looks: they are submitted again.

        Args:
            client: of the scheduler.
            held: the keys of the tasks that each Dask worker has.
        """
        placed = {str(key) for keys in held.values() for key in keys}
        waiting = {str(task.key) for task in self._tasks if task.status == "pending"}
        unseen = waiting - placed
        stranded = [task for task in self._tasks if task.key in unseen & self._unseen]
        self._unseen = unseen
        if stranded:
            client.cancel(stranded)
            self._tasks = [task for task in self._tasks if task not in stranded]

    def _judge(self) -> None:
        """Forget tasks that have finished, failed, or were lost with their scheduler.

        Raises:
            HpoError: all remaining tasks failed.
        """
        failed = [task for task in self._tasks if task.status == "error"]
        over = [task for task in self._tasks if task.status == "finished"]
        self._tasks = [task for task in self._tasks if task.status == "pending"]
        self._target -= len(over) + len(failed)
        for task in failed:
            error = _as_error(task.exception())
            if not self._target:
                raise error
            self._events.append(f"the task of a worker failed: {error}")

    def _answering(self) -> Client | None:
        """Return the client if its scheduler answers, a new client if that was
        restarted."""
        assert self._client is not None
        if self._client.status == "closed" and time.monotonic() >= self._connect_s:
            with suppress(DaskError):
                self._client = connect(self._scheduler)
                self._tasks = []
            self._connect_s = time.monotonic() + AGAIN_S
        scheduler = f"the Dask scheduler at {self._scheduler}"
        if self._client.status != "running":
            self._hear(scheduler, f"{scheduler} does not answer, retrying")
            return None
        self._hear(scheduler)
        return self._client


def check(dask: DaskDefaults) -> None:
    """Check that a scheduler is set and Dask is installed, without importing it.

    Raises:
        HpoError: one of them is missing.
    """
    if dask.scheduler is None:
        raise DaskError(
            "dask: the scheduler is missing. Use the address that it prints:"
            " --scheduler tcp://HOST:8786, or scheduler in [dask] of hpo.toml."
        )
    if find_spec("distributed") is None:
        raise DaskError(
            "dask: the package distributed is not installed. Install the same version"
            " here and where the scheduler and the Dask workers run: pip install"
            " 'hpo-dynamics[dask]'."
        )


def connect(scheduler: str) -> Client:
    """Return a client of a scheduler; certificates for tls:// are in Dask's
    configuration.

    Raises:
        DaskError: it does not answer.
    """
    from distributed import Client

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # the launch reports it
    try:
        return Client(scheduler, timeout=CONNECT_S, set_as_default=False)
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise DaskError(
            f"dask: the scheduler at {scheduler} does not answer:"
            f" {one_line(error) or type(error).__name__}. Start it"
            " (dask scheduler), or use the address that it prints, not that of its"
            " dashboard."
        ) from None


def _as_error(error: BaseException | None) -> HpoError:
    """Convert the exception of a task to an error that says what to do."""
    if isinstance(error, HpoError):
        return error
    return DaskError(
        f"dask: a task failed in the cluster: {type(error).__name__}:"
        f" {one_line(error)}. Install the same version of this"
        " project where the scheduler and the Dask workers run, and let them write the"
        " directory of the logs."
    )
