"""Time and memory to show a large database.

A hundred workers go on with some of the studies meanwhile; see
``benchmarks.service.population``. Commands are processes of their own, from their start
to their end; pages are requested over HTTP.
"""

from __future__ import annotations

import http.client
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import sqlalchemy as sa

from benchmarks.service import population, scale
from hpo.ledger import interventions
from hpo.ledger.claim_records import Claim
from hpo.ledger.ledger import Ledger
from hpo.ledger.reader import LedgerReader
from hpo.postgres.connect import Storage
from hpo.study.trials import StudyState
from hpo.views.terminal import status

COMMANDS = {
    "status": 3,
    "status --all": 1,
    f"status {population.LARGE}": 1,
    f"best {population.LARGE}": 1,
    f"trials {population.LARGE}": 1,
    f"report {population.LARGE}": 1,
}
"""And how often each is measured."""
REPEATS = 3
REQUESTS = 200
PAUSE_S = 0.05
PEERS = {
    "optuna.get_all_study_summaries": "len(optuna.get_all_study_summaries(storage))",
    f"optuna.load_study({population.LARGE!r}).best_trial": (
        f"optuna.load_study(study_name={population.LARGE!r},"
        " storage=storage).best_trial"
    ),
}
_TELLING = """
import atexit, re, sys, time
def tell():
    with open("/proc/self/status") as file:
        peak_kb = re.search(r"VmHWM:\\s*(\\d+)", file.read())[1]
    print(time.process_time(), peak_kb, file=sys.stderr)
atexit.register(tell)
"""
_HPO = "from hpo.cli.main import main; sys.exit(main(sys.argv[1:]))"
_PEER = """
import optuna
optuna.logging.set_verbosity(optuna.logging.WARNING)
from hpo.postgres.connect import open_storage
with open_storage() as opened:
    storage = opened.optuna()
    {what}
"""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Cost of a process or a request: median, least and most of a number of runs."""

    what: str
    wall_s: tuple[float, float, float]
    cpu_s: float | None = None
    """Of the process, median; None where it is not known."""
    peak_mb: float | None = None
    n: int
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Overviews:
    """All that was measured."""

    studies: int
    trials: int
    open: int
    connections: int
    finished_per_s: float
    commands: Sequence[Cost]
    pages: Sequence[Cost]
    peers: Sequence[Cost]
    memory_mb: Sequence[tuple[str, float]]
    """Of the dashboard's process: the most so far, after this and that."""
    released: str
    """What came of the trials that the vanished workers held."""


def measure(storage: Storage, say: Callable[[str], None]) -> Overviews:
    """Fill an empty database, and look at it in every way."""
    sizes = population.fill(storage)
    say(f"  {len(sizes)} studies, {sum(sizes.values()):,} trials")
    ledger = Ledger(storage)
    names = [one.name for one in ledger.studies() if one.state == StudyState.OPEN]
    crowd = [
        population.LARGE,
        *names,
    ] * 2  # every third or so is at work on the large one
    with population.at_work(storage.url, crowd):
        say(f"  {population.WORKERS} workers on {len(names)} studies")
        before = _finished(storage)
        began_s = time.monotonic()
        connections = _connections(storage)
        commands = []
        for command, n in COMMANDS.items():
            commands.append(_command(f"hpo {command}", _HPO, *command.split(), n=n))
            say(f"  {commands[-1]}")
        commands.append(_function(storage))
        peers = [
            _command(name, _PEER.format(what=what), n=1) for name, what in PEERS.items()
        ]
        say("  dashboard")
        pages, memory_mb = _pages(say)
        number = next(
            one.number or 0 for one in ledger.studies() if one.name == population.LARGE
        )
        peers += _peer_page(storage, number)
        pace = (_finished(storage) - before) / (time.monotonic() - began_s)
    return Overviews(
        studies=len(sizes),
        trials=sum(sizes.values()),
        open=len(names),
        connections=connections,
        finished_per_s=pace,
        commands=commands,
        pages=pages,
        peers=peers,
        memory_mb=memory_mb,
        released=_released(ledger, names),
    )


def _command(what: str, code: str, *arguments: str, n: int) -> Cost:
    """A process that runs this, and tells in the end what it has taken."""
    walls = []
    cpus = []
    peaks = []
    for _ in range(n):
        began_s = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", _TELLING + code, *arguments],
            cwd=os.environ["HPO_HOME"],  # where a report is left
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
        walls.append(time.perf_counter() - began_s)
        cpu_s, peak_kb = done.stderr.split()[-2:]
        cpus.append(float(cpu_s))
        peaks.append(int(peak_kb) / 1024)
    median_s = statistics.median(cpus)
    most_mb = max(peaks)
    return Cost(what=what, wall_s=_of(walls), cpu_s=median_s, peak_mb=most_mb, n=n)


def _function(storage: Storage) -> Cost:
    """``hpo status`` in a process that has imported all, and read nothing."""
    walls = []
    cpus = []
    for _ in range(REPEATS):
        began_s = time.perf_counter()
        began_cpu_s = time.process_time()
        ledger = LedgerReader(storage)
        status.overview(ledger.results(status.FINISHED), ledger.workers())
        walls.append(time.perf_counter() - began_s)
        cpus.append(time.process_time() - began_cpu_s)
    cpu_s = statistics.median(cpus)
    return Cost(
        what="the same as `hpo status`, without its start",
        wall_s=_of(walls),
        cpu_s=cpu_s,
        n=REPEATS,
    )


def _of(seconds: Sequence[float]) -> tuple[float, float, float]:
    return statistics.median(seconds), min(seconds), max(seconds)


# --- the dashboard ---


@contextmanager
def _serving(
    command: Sequence[str], port: int
) -> Iterator[tuple[psutil.Process, float]]:
    """A server on this port, and the time at which it was started."""
    began_s = time.perf_counter()
    null = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=null, stderr=null) as process:
        try:
            while True:
                with suppress(OSError):
                    _get(port, "/healthz")
                    break
                time.sleep(0.02)
            yield psutil.Process(process.pid), began_s
        finally:
            process.terminate()


def _get(port: int, path: str) -> tuple[float, str]:
    """Seconds to an answer, and the answer."""
    began_s = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    try:
        connection.request("GET", path)
        body = connection.getresponse().read().decode()
    finally:
        connection.close()
    return time.perf_counter() - began_s, body


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _pages(say: Callable[[str], None]) -> tuple[list[Cost], list[tuple[str, float]]]:
    port = _free_port()
    pages = []
    memory_mb = []
    ours = [sys.executable, "-m", "hpo", "dashboard", "--port", str(port)]
    with _serving(ours, port) as (process, began_s):

        def until(path: str, there: Callable[[str], bool], what: str) -> None:
            began_s = time.perf_counter()
            first_s, body = _get(port, path)
            while not there(body):
                time.sleep(0.1)
                _, body = _get(port, path)
            whole_s = time.perf_counter() - began_s
            note = "" if whole_s == first_s else f"the whole page after {whole_s:.1f} s"
            pages.append(
                Cost(
                    what=f"{what}, first answer", wall_s=_of([first_s]), n=1, note=note
                )
            )

        def again(path: str, what: str, n: int, pause_s: float) -> None:
            walls = []
            for _ in range(n):
                walls.append(_get(port, path)[0])
                time.sleep(pause_s)
            pages.append(Cost(what=what, wall_s=_of(walls), n=n))

        started = Cost(
            what="the process, until it answers",
            wall_s=_of([time.perf_counter() - began_s]),
            n=1,
        )
        pages.append(started)
        until("/", lambda body: population.LARGE in body, "home page")
        memory_mb.append(("the first home page", _peak_mb(process)))
        again("/", "home page, while studies change", REQUESTS, PAUSE_S)
        memory_mb.append((f"{REQUESTS} more", _peak_mb(process)))
        ages = []
        for _ in range(20):
            age = re.search(
                r"^hpo_age_seconds (.*)$", _get(port, "/metrics")[1], re.MULTILINE
            )
            ages += [float(age[1])] if age else []
            time.sleep(1.0)
        pages.append(Cost(what="age of what it shows", wall_s=_of(ages), n=len(ages)))
        again("/metrics", "/metrics", 20, PAUSE_S)
        say(f"  {pages}")
        until(
            f"/study/{population.LARGE}",
            lambda body: "Reading trials" not in body,
            f"report of `{population.LARGE}`",
        )
        again(
            f"/study/{population.LARGE}",
            f"report of `{population.LARGE}`, later",
            20,
            PAUSE_S,
        )
        memory_mb.append((f"the report of `{population.LARGE}`", _peak_mb(process)))
        again("/", "home page, again", REQUESTS, PAUSE_S)
        again(f"/study/{population.LARGE}", "the report, again", REQUESTS, PAUSE_S)
        memory_mb.append((f"{REQUESTS} more of each", _peak_mb(process)))
    return pages, memory_mb


def _peak_mb(process: psutil.Process) -> float:
    with open(f"/proc/{process.pid}/status", encoding="utf-8") as file:
        line = next(line for line in file if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def _peer_page(storage: Storage, number: int) -> Iterator[Cost]:
    """optuna-dashboard: what its list of studies is made of, and its page of the large
    one."""
    port = _free_port()
    command = [str(Path(sys.executable).with_name("optuna-dashboard")), storage.url]
    with _serving([*command, "--port", str(port)], port) as (process, _):
        for path, what, n in (
            ("/api/studies", "list of studies", REPEATS),
            (f"/api/studies/{number}?after=0", f"page of `{population.LARGE}`", 2),
        ):
            walls = [_get(port, path)[0] for _ in range(n)]
            peak_mb = _peak_mb(process)
            yield Cost(
                what=f"optuna-dashboard, {what}",
                wall_s=_of(walls),
                peak_mb=peak_mb,
                n=n,
            )


# --- the database ---


def _connections(storage: Storage) -> int:
    with storage.engine.connect() as connection:
        return scale._connections(connection) - 1


def _finished(storage: Storage) -> int:
    with storage.engine.connect() as connection:
        query = sa.text(
            "SELECT count(*) FROM hpo_ledger.slots WHERE state <> 'running'"
        )
        return int(connection.scalar(query) or 0)


def _released(ledger: Ledger, names: Sequence[str]) -> str:
    """Free what vanished workers hold of each study, and take it up."""
    freed = sum(interventions.resume(ledger, name, release=True)[1] for name in names)
    began_s = time.perf_counter()
    own = (f"heir:{k}" for k in range(10 * population.WORKERS))
    taken = 0
    for name in names:
        while isinstance(claim := ledger.claim(name, next(own), lease_s=60.0), Claim):
            if claim.attempt == 1:
                break
            taken += 1
    took_s = time.perf_counter() - began_s
    return (
        f"The workers vanished with {freed} trials under leases of three days. `hpo"
        f" resume --release` freed them; others took up {taken} of them within"
        f" {took_s:.1f} s."
    )
