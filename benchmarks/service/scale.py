"""Many workers on one database: trials without duration, all else as usual.

Workers are real processes that run the real loop on the real tables, over a network
that delays every byte (``delay``); only the training takes no time, so the database is
as busy as possible. A study of 10,000 trials holds 9,000 of them at the start.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from typing import Any

import sqlalchemy as sa

from benchmarks.service import overhead
from benchmarks.service.delay import delayed
from hpo import settings
from hpo.ledger.claim_records import Claim
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage, open_storage
from hpo.postgres.embedded import read_password
from hpo.postgres.layout import PORT, ServerLayout
from hpo.study.file import validate
from hpo.study.spec import StudySpec
from hpo.worker.heartbeat import WorkerOptions
from hpo.worker.loop import Worker

ROUND_TRIP_S = 0.001
RUN = 1_000
"""Trials that are run; a larger study holds the others already."""
BEGUN = 30
"""Trials of a lone worker."""
LOADS = (
    *((1_000, "random", workers, RUN) for workers in (8, 32, 64, 128)),
    *((10_000, "random", workers, RUN) for workers in (8, 64)),
    *((1_000, "tpe", workers, RUN) for workers in (8, 64)),
    (10_000, "tpe", 8, 200),
)
"""Trials of a study, sampler, workers, and how many of its trials are run."""
STUDIES = 3
FAIR = (500, 64)
"""Studies that standing workers serve side by side; their trials, and the workers."""

_FORK = multiprocessing.get_context("fork")  # 128 processes that import nothing anew


@dataclass(frozen=True, kw_only=True)
class Load:
    """Load of a number of workers on one database."""

    workers: int
    trials: int
    sampler: str
    claims_per_s: float
    claim_median_ms: float
    """Time that a successful claim takes, as its worker sees it: network and queueing
    included."""
    claim_p99_ms: float
    idle_median_ms: float
    """From a finished trial to the next one in hand: claims in vain and pauses
    included."""
    idle_p99_ms: float
    connections: int
    """The most that were open at a time, without those of the benchmark."""
    server_ms: float
    """CPU time of PostgreSQL per trial."""
    worker_ms: float
    """CPU time of the workers per trial."""
    statements: float
    """Messages to the database per trial; BEGIN and COMMIT go uncounted."""
    shares: tuple[float, ...]
    """Of the claims while every study was open."""


def measure(
    workers: int, trials: int, sampler: str, *, n_studies: int = 1, run: int = RUN
) -> Load:
    """Run a study of ``trials``, or several side by side, with a number of workers."""
    with overhead._database() as storage:
        specs = [
            _spec(f"{sampler}-{k}", trials, sampler, workers) for k in range(n_studies)
        ]
        for spec in specs:
            Ledger(storage).register(spec)
            if trials > run:
                overhead._fill(storage, spec, trials - run)
        with _network(storage) as url:
            return _load(specs, workers, sampler, *_run(storage, url, specs, workers))


@dataclass(frozen=True, kw_only=True)
class Begin:
    """How long a lone worker takes from asking for a trial to training it (TPE)."""

    trials: int
    """That the study holds."""
    cold_s: float
    """The first trial of a fresh process, from its start on."""
    warm_ms: float
    """Every further one, median."""


def begin(trials: int) -> Begin:
    """Run a few trials of a study that holds ``trials``, by a worker of each kind."""
    with overhead._database() as storage:
        spec = _spec("begin", trials + BEGUN, "tpe", 1)
        Ledger(storage).register(spec)
        overhead._fill(storage, spec, trials)
        with _network(storage) as url:
            cold_s = _cold_s(storage, url, spec.name)
            reports, _, _ = _run(storage, url, [spec], 1)
        warm_ms = 1e3 * statistics.median(reports[0].begins_s[1:])
        return Begin(trials=trials, cold_s=cold_s, warm_ms=warm_ms)


_FINISHED = "SELECT count(*) FROM hpo_ledger.slots WHERE state <> 'running'"


def _cold_s(storage: Storage, url: str, study: str) -> float:
    """Seconds from the start of a process to the parameters of its first trial."""
    begun = sa.text(
        "SELECT count(*) FROM hpo_ledger.slots"
        " WHERE state = 'running' AND params IS NOT NULL"
    )
    finished = sa.text(_FINISHED)
    command = [sys.executable, "-m", "hpo.worker", "--study", study, "--no-confirm"]
    with storage.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        before = connection.scalar(finished)
        began_s = time.monotonic()
        environment = {**os.environ, "HPO_STORAGE": url}
        with subprocess.Popen(
            command, env=environment, stderr=subprocess.DEVNULL
        ) as worker:
            while (
                not connection.scalar(begun) and connection.scalar(finished) == before
            ):
                if worker.poll() is not None:
                    raise RuntimeError(
                        f"the worker ended with exit status {worker.returncode}"
                    )
                time.sleep(0.005)
            cold_s = time.monotonic() - began_s
            worker.terminate()
    return cold_s


def _spec(name: str, trials: int, sampler: str, workers: int) -> StudySpec:
    raw: dict[str, Any] = {
        "name": name,
        "objective": "benchmarks.service.instant:InstantObjective",
        "budget": {"trials": trials, "window": 2 * workers, "seeds": 1, "epochs": 3},
        "task": {"name": "instant"},
        "space": {parameter: {"low": 0.0, "high": 1.0} for parameter in overhead.NAMES},
        "sampler": {"name": sampler},
        "pruner": {"name": "none"},
    }
    return validate(raw, where="benchmark")


@contextmanager
def _network(storage: Storage) -> Iterator[str]:
    """The address of the database over the network."""
    url = sa.make_url(storage.url)
    layout = ServerLayout(settings.home())
    with delayed(f"{url.query['host']}/.s.PGSQL.{PORT}", ROUND_TRIP_S / 2) as port:
        user = f"{url.username}:{read_password(layout)}"
        yield f"postgresql://{user}@127.0.0.1:{port}/{url.database}"


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What a worker has measured."""

    claims: list[tuple[str, float, float]]
    """Study, monotonic time of the answer, seconds that it took."""
    idles_s: list[float]
    """From a finished trial to the next claim."""
    begins_s: list[float]
    """From asking for a trial to its parameters being in the database."""
    cpu_s: float
    statements: int


def _run(
    storage: Storage, url: str, specs: Sequence[StudySpec], workers: int
) -> tuple[list[_Told], int, float]:
    """What workers tell of these studies, connections, and seconds of CPU of
    PostgreSQL."""
    study = specs[0].name if len(specs) == 1 else None
    start = _FORK.Barrier(workers + 1)
    queue = _FORK.SimpleQueue()
    storage.engine.dispose()  # no connection is shared with the workers
    processes = [
        _FORK.Process(target=_work, args=(url, study, start, queue))
        for _ in range(workers)
    ]
    for process in processes:
        process.start()
    start.wait()
    served_s = overhead._server_cpu_s()
    connections = 0
    reports = []
    with storage.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        while not _over(connection, specs):
            connections = max(connections, _connections(connection) - 1)
            time.sleep(0.2)
        served_s = overhead._server_cpu_s() - served_s
        for process in processes:
            process.terminate()  # standing workers serve for ever
        reports = [queue.get() for _ in processes]
    for process in processes:
        process.join()
    return reports, connections, served_s


def _work(url: str, study: str | None, start: Barrier, queue: Any) -> None:
    """One worker, from its first claim on."""
    with open_storage(url, worker=True) as storage:
        worker = Worker(storage, WorkerOptions(study=study, confirm=False))
        signal.signal(signal.SIGTERM, lambda signum, frame: worker.stop())
        claims: list[tuple[str, float, float]] = []
        begins_s: list[float] = []
        idles_s: list[float] = []
        finished_s: list[float] = []
        ledger = worker._ledger
        statements = itertools.count()
        claim = ledger.claim
        store_suggestion = ledger.store_suggestion
        settle = ledger.settle

        def timed(name: str, *args: Any, **kwargs: Any) -> Any:
            began_s = time.monotonic()
            claimed = claim(name, *args, **kwargs)
            next(statements)
            if isinstance(claimed, Claim):
                now_s = time.monotonic()
                claims.append((name, now_s, now_s - began_s))
                idles_s.extend(now_s - at_s for at_s in finished_s[-1:])
            return claimed

        def finished(*args: Any, **kwargs: Any) -> None:
            settle(*args, **kwargs)
            finished_s.append(time.monotonic())

        def stored(*args: Any) -> None:
            store_suggestion(*args)
            _, claimed_s, took_s = claims[-1]
            begins_s.append(time.monotonic() - claimed_s + took_s)

        ledger.claim = timed  # type: ignore[assignment, method-assign]
        ledger.settle = finished  # type: ignore[method-assign]
        ledger.store_suggestion = stored  # type: ignore[assignment, method-assign]
        sa.event.listen(
            storage.engine, "before_cursor_execute", lambda *_: next(statements)
        )
        start.wait()
        began_s = time.process_time()
        before = next(statements)
        worker.run()
        queue.put(
            _Told(
                claims=claims,
                idles_s=idles_s,
                begins_s=begins_s,
                cpu_s=time.process_time() - began_s,
                statements=next(statements) - before - 1,
            )
        )


def _over(connection: sa.Connection, specs: Sequence[StudySpec]) -> bool:
    return bool(
        connection.scalar(sa.text(_FINISHED))
        == sum(spec.budget.trials for spec in specs)
    )


def _connections(connection: sa.Connection) -> int:
    query = """select count(*) from pg_stat_activity
        where datname = current_database() and backend_type = 'client backend'"""
    return int(connection.scalar(sa.text(query)) or 0)


def _load(
    specs: Sequence[StudySpec],
    workers: int,
    sampler: str,
    reports: Sequence[_Told],
    connections: int,
    served_s: float,
) -> Load:
    claims = sorted(
        (at_s, took_s, name) for one in reports for name, at_s, took_s in one.claims
    )
    times_ms = sorted(1e3 * took_s for _, took_s, _ in claims)
    idles_ms = sorted(1e3 * idle_s for report in reports for idle_s in report.idles_s)
    n = len(claims)
    return Load(
        workers=workers,
        trials=specs[0].budget.trials,
        sampler=sampler,
        claims_per_s=(n - 1) / (claims[-1][0] - claims[0][0]),
        claim_median_ms=statistics.median(times_ms),
        claim_p99_ms=times_ms[int(0.99 * n)],
        idle_median_ms=statistics.median(idles_ms),
        idle_p99_ms=idles_ms[int(0.99 * len(idles_ms))],
        connections=connections,
        server_ms=1e3 * served_s / n,
        worker_ms=1e3 * sum(report.cpu_s for report in reports) / n,
        statements=sum(report.statements for report in reports) / n,
        shares=_shares([name for _, _, name in claims], [spec.name for spec in specs]),
    )


def _shares(claimed: Sequence[str], names: Sequence[str]) -> tuple[float, ...]:
    """The share of every study, as long as all were open."""
    first_end = min(
        max(k for k, name in enumerate(claimed) if name == own) for own in names
    )
    counts = Counter(claimed[: first_end + 1])
    return tuple(counts[name] / (first_end + 1) for name in names)


def loads(say: Callable[[str], None]) -> Iterator[Load]:
    """Every load of the page."""
    for trials, sampler, workers, run in LOADS:
        say(f"  {workers} workers, {trials:,} trials, {sampler}")
        yield measure(workers, trials, sampler, run=run)
    say(f"  {FAIR[1]} workers, {STUDIES} studies")
    yield measure(FAIR[1], FAIR[0], "random", n_studies=STUDIES)
