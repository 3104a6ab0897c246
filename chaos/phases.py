"""SIGTERM to processes in every phase of their work, and the seconds until they have
ended.

    python -m chaos.phases             all phases; exit status 1 if one is late
    python -m chaos.phases silent      some

Workers have 1 s here in place of 100; all else is as it comes.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import psycopg
from pydantic import Field

from hpo.contract import (
    Objective,
    ObjectiveParams,
    OnEpoch,
    Outcome,
    Progress,
    Protocol,
    TaskParams,
)
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import open_storage
from hpo.postgres.embedded import Embedded, status, stop
from hpo.settings import LEASE_S
from hpo.study.file import validate
from hpo.study.trials import Phase
from hpo.worker.crew import ALONE_S, RELEASE_S
from hpo.worker.notifier import END_S

ROOT = Path(__file__).parents[1]
BUSY_S = 5.0
"""Extra time of a busy machine."""
_LONG_S = 300.0
_SHORT = "from hpo.worker import crew; crew.ALONE_S = 1.0; import runpy; "
_WORKER = [
    "-c",
    f"{_SHORT}runpy.run_module('hpo.worker', run_name='__main__')",
    "--lease=600",
]
_OFTEN = (
    "from hpo.worker import notifier; notifier.EVERY_S = 0.5; import runpy; "
    "runpy.run_module('hpo.worker', run_name='__main__')"
)
LOCKS = {
    "claiming": "SELECT FROM hpo_ledger.studies FOR UPDATE",
    "registering": "LOCK TABLE hpo_ledger.workers IN EXCLUSIVE MODE",
    "checkpoint": "LOCK TABLE hpo_ledger.checkpoints IN EXCLUSIVE MODE",
    "settling": "LOCK TABLE hpo_ledger.members IN EXCLUSIVE MODE",
}


class SlowParams(ObjectiveParams):
    """A score, and the phase in which the objective is slow."""

    x: Annotated[float, Field(ge=0, le=1, description="the score")] = 0.5
    where: Annotated[
        Literal["training", "scoring", "confirming", "nowhere"],
        Field(description="slow"),
    ]


class NoTask(TaskParams):
    """The one task."""

    name: Literal["none"] = "none"


class Slow(Objective[SlowParams, NoTask]):
    """Trains, scores or confirms for long."""

    name: ClassVar[str] = "slow"
    Params: ClassVar[type[ObjectiveParams]] = SlowParams
    tasks: ClassVar[dict[str, type[TaskParams]]] = {"none": NoTask}

    def evaluate(
        self, params: SlowParams, *, protocol: Protocol, on_epoch: OnEpoch, **_: Any
    ) -> Outcome:
        """Pretend to train."""
        slow = "training" if protocol == Protocol.VALIDATION else "confirming"
        for epoch in range(1, params.epochs + 1):
            time.sleep(_LONG_S if params.where == slow else 0.05)
            on_epoch(Progress(epoch=epoch, score=params.x, checkpoint=lambda: b"x"))
        time.sleep(_LONG_S if params.where == "scoring" else 0.0)
        curve = (params.x,) * params.epochs
        return Outcome(score=params.x, curve=curve, loss_curve=curve, diverged=False)


class Scene:
    """A database with a study, and processes that work on it."""

    def __init__(self, url: str, folder: Path) -> None:
        """Nothing is there yet."""
        self.url = url
        self.folder = folder
        self.storage = open_storage(url)
        self.ledger = Ledger(self.storage)

    def study(self, where: str, epochs: int = 6, **tables: Any) -> None:
        """A study in place of the last one."""
        with self.storage.engine.begin() as connection:
            for table in ("hpo_ledger.studies", "hpo_ledger.workers", "studies"):
                connection.exec_driver_sql(f"TRUNCATE {table} CASCADE")
        raw: dict[str, Any] = {
            "name": "slow",
            "objective": "chaos.phases:Slow",
            "seed": 1,
        }
        raw |= {"space": {"x": {"low": 0.0, "high": 1.0}}, "fixed": {"where": where}}
        raw |= {"budget": {"trials": 2000, "window": 4, "seeds": 1, "epochs": epochs}}
        self.ledger.register(
            validate(raw | {"confirm": False} | tables, where="phases")
        )

    def start(
        self, *line: str, prefix: tuple[str, ...] = (), **environment: str
    ) -> subprocess.Popen[bytes]:
        """A process of this database."""
        environment |= {**os.environ, "HPO_STORAGE": self.url, "PYTHONPATH": str(ROOT)}
        with (self.folder / "log").open("ab") as log:
            command = [*prefix, sys.executable, *line]
            return subprocess.Popen(
                command, cwd=self.folder, env=environment, stderr=log, stdout=log
            )

    def launch(self, where: str, *options: str) -> subprocess.Popen[bytes]:
        """A launch of one worker, of a study of its own."""
        spec = 'objective = "chaos.phases:Slow"\nseed = 1\nconfirm = false\n'
        spec += "[budget]\ntrials = 2000\nwindow = 4\nseeds = 1\nepochs = 6\n"
        spec += (
            f'[space]\nx = {{ low = 0.0, high = 1.0 }}\n[fixed]\nwhere = "{where}"\n'
        )
        (self.folder / "followed.toml").write_text(spec)
        line = ("launch", "followed.toml", "--workers", "1", "--no-report", *options)
        return self.start("-m", "hpo", *line)

    def until(self, true: Callable[[], object]) -> None:
        """Wait for something."""
        deadline = time.monotonic() + 300.0
        while not true():
            assert time.monotonic() < deadline, "it did not come true in time"
            time.sleep(0.1)

    @contextmanager
    def other(self) -> Iterator[psycopg.Connection[Any]]:
        """A session of somebody else."""
        with psycopg.connect(
            self.url.replace("+psycopg", ""), autocommit=True
        ) as connection:
            yield connection

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Let the server accept requests without an answer."""
        self.storage.engine.dispose()
        others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        with self.other() as asks:
            pids = [
                pid for (pid,) in asks.execute(f"{others} AND pid <> pg_backend_pid()")
            ]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(1.0)
            yield
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def seconds_to_end(
    process: subprocess.Popen[bytes], signum: int = signal.SIGTERM
) -> float:
    """Send a signal, and wait for the end."""
    began_s = time.monotonic()
    process.send_signal(signum)
    try:
        process.wait(timeout=120)
    finally:
        process.kill()
    return time.monotonic() - began_s


def _at_work(scene: Scene, where: str) -> float:
    scene.study(where)
    worker = scene.start(*_WORKER, "--study=slow")
    scene.until(lambda: [1 for one in scene.ledger.workers() if one.study])
    time.sleep(1.0)
    seconds = seconds_to_end(worker)
    assert not any(
        slot.held or slot.losses for slot in scene.ledger.snapshot("slow").search
    )
    return seconds


def _confirming(scene: Scene) -> float:
    scene.study("confirming", confirm={"top": 1, "seeds": 2})
    with scene.storage.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE hpo_ledger.studies SET search_end = 1")
    worker = scene.start(*_WORKER, "--study=slow")
    scene.until(
        lambda: [1 for one in scene.ledger.workers() if one.phase == Phase.CONFIRM]
    )
    time.sleep(1.0)
    seconds = seconds_to_end(worker)
    assert not any(
        slot.held or slot.losses for slot in scene.ledger.snapshot("slow").confirm
    )
    return seconds


def _notifying(scene: Scene) -> float:
    """A worker at a webhook that accepts messages and never answers."""
    scene.study("nowhere")
    with scene.storage.engine.begin() as connection:
        ended = "UPDATE hpo_ledger.studies SET state = 'failed', reason = 'of a test'"
        connection.exec_driver_sql(ended)
    with socket.create_server(("127.0.0.1", 0)) as hangs:
        webhook = f"http://127.0.0.1:{hangs.getsockname()[1]}"
        worker = scene.start("-c", _OFTEN, HPO_NOTIFY_WEBHOOK=webhook)
        hangs.settimeout(60.0)
        with hangs.accept()[0] as peer:
            peer.recv(1)
            time.sleep(0.5)
            return seconds_to_end(worker)


def _dask(scene: Scene) -> float:
    """A Dask worker in a training, until its processes have ended, too."""
    if find_spec("distributed") is None:
        return math.nan
    scene.study("training")
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    here = ("--host=127.0.0.1", "--no-dashboard")
    where = f"--local-directory={scene.folder}"
    scheduler = scene.start("-m", "dask", "scheduler", f"--port={port}", *here)
    dask = scene.start("-m", "dask", "worker", address, "--nthreads=1", where, *here)
    launch = scene.launch("training", "--executor=dask", f"--scheduler={address}")
    try:
        scene.until(lambda: [1 for one in scene.ledger.workers() if one.study])
        (pid,) = (one.pid for one in scene.ledger.workers() if one.study)
        time.sleep(1.0)
        began_s = time.monotonic()
        seconds_to_end(dask)
        scene.until(lambda: not Path(f"/proc/{pid}").exists())
        return time.monotonic() - began_s
    finally:
        for process in (launch, scheduler):
            process.kill()
            process.wait()


def _locked(scene: Scene, phase: str) -> float:
    scene.study("nowhere", epochs=60)
    waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with scene.other() as holds, scene.other() as asks, holds.transaction():
        holds.execute(LOCKS[phase])
        worker = scene.start(*_WORKER, "--study=slow")
        scene.until(lambda: asks.execute(waits).fetchone())
        return seconds_to_end(worker)


def _silent(scene: Scene, *line: str) -> float:
    scene.study("nowhere")
    worker = scene.start(*_WORKER, "--study=slow", *line)
    scene.until(lambda: scene.ledger.snapshot("slow").finished)
    with scene.silent():
        return seconds_to_end(worker, signal.SIGUSR2)


def _idle(scene: Scene) -> float:
    scene.study("nowhere")
    with scene.storage.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE hpo_ledger.studies SET state = 'stopped'")
    worker = scene.start("-m", "hpo.worker")  # one of a study would end
    scene.until(lambda: [1 for one in scene.ledger.workers() if one.state == "waiting"])
    return seconds_to_end(worker)


def _launch(scene: Scene) -> float:
    scene.study("nowhere")
    launch = scene.launch("nowhere")
    names = "SELECT 1 FROM hpo_ledger.slots WHERE finished_at IS NOT NULL"
    with scene.other() as asks:
        scene.until(lambda: asks.execute(names).fetchone())
    with scene.silent():
        return seconds_to_end(launch)


def _first_process(scene: Scene) -> float:
    """A container during its imports; it gets only the signals that it handles."""
    unshare = ("unshare", "--pid", "--fork", "--kill-child")
    if subprocess.run([*unshare, "true"], check=False).returncode:
        return 0.0  # this user may not
    parent = scene.start("-m", "hpo.worker", prefix=unshare)
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    scene.until(children.read_text)
    time.sleep(1.0)
    began_s = time.monotonic()
    os.kill(int(children.read_text()), signal.SIGTERM)
    parent.wait(timeout=60)
    return time.monotonic() - began_s


def _dashboard(scene: Scene) -> float:
    """With clients that take nothing, while the database is silent."""
    port = free_port()
    running = scene.start("-m", "hpo", "dashboard", "--port", str(port))

    def answers() -> bool:
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", port), timeout=5),
        ):
            return True
        return False

    scene.until(answers)
    with ExitStack() as stack:
        stack.enter_context(scene.silent())
        for path in (b"/", b"/metrics", b"/static/bundle.js"):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            slow.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.5)
        return seconds_to_end(running)


def _server_starts(scene: Scene) -> float:
    """Whoever starts the embedded server; the next one that needs it gets it."""
    home = Path(tempfile.mkdtemp(prefix="phases-"))
    home.chmod(0o711)
    environment = {**os.environ, "HPO_HOME": str(home), "PYTHONPATH": str(ROOT)}
    environment.pop("HPO_STORAGE", None)
    line = [sys.executable, "-m", "hpo", "storage", "url", "--hold"]
    try:
        holder = subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL)
        scene.until(lambda: (home / "server").exists())
        time.sleep(0.5)
        seconds = seconds_to_end(holder)
        with Embedded(home):
            assert status(home).running
        scene.until(lambda: not status(home).running)
        return seconds
    finally:
        stop(home, force=True)
        shutil.rmtree(home)


PHASES: dict[str, tuple[Callable[[Scene], float], float]] = {
    "training": (lambda scene: _at_work(scene, "training"), 1.0),
    "scoring": (lambda scene: _at_work(scene, "scoring"), 1.0),
    "confirming": (_confirming, 1.0),
    "notifying": (_notifying, END_S),
    **{phase: (partial(_locked, phase=phase), 1.0 + RELEASE_S) for phase in LOCKS},
    "silent": (_silent, 1.0 + RELEASE_S),
    "crew": (
        lambda scene: _silent(scene, "--workers=1", "--usr2-grace=1"),
        1.0 + RELEASE_S,
    ),
    "idle": (_idle, 1.0),
    "first process": (_first_process, 0.0),
    "dask": (_dask, ALONE_S + LEASE_S / 3 + 10.0),  # its nanny kills the crew first
    "launch": (_launch, 30.0),
    "dashboard": (_dashboard, 2.0),
    "embedded server": (_server_starts, 0.0),
}
"""Phase -> the function that reaches it, and the documented time, with 1 s of grace."""


def main(wanted: list[str]) -> int:
    """Try phases; the exit status."""
    late = 0
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        home = Path(folder) / "home"
        try:
            with Embedded(home) as server:
                scene = Scene(server.acquire(), Path(folder))
                for phase in wanted or PHASES:
                    act, limit_s = PHASES[phase]
                    seconds = act(scene)
                    if math.isnan(seconds):
                        print(f"{phase:<16}     -    not installed here", flush=True)
                        continue
                    in_time = seconds < limit_s + BUSY_S
                    late += not in_time
                    said = (
                        f"within {limit_s:g} s" if in_time else f"LATE: {limit_s:g} s"
                    )
                    print(f"{phase:<16}{seconds:6.1f} s  {said}", flush=True)
                scene.storage.close()
        finally:
            stop(home, force=True)
    return min(late, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
