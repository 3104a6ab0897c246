"""``docker compose down`` while the services do all that they do, and the seconds that
it takes.

    make secrets && docker compose build
    python -m chaos.down               all phases; exit status 1 if one takes 15 s
    python -m chaos.down training      some

It starts services of its own, on free ports, and removes them with their volumes.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import psycopg

from chaos.phases import LOCKS, ROOT, Scene
from hpo.study import file

LIMIT_S = 15.0
WORKERS = 2
_OVERRIDE = """\
services:
  workers:
    working_dir: {lab}
    volumes: ["{lab}:{lab}:ro"]
"""
_DIGITS = (
    *(
        "budget.trials=2",
        "budget.epochs=5",
        "pruner={name = 'none'}",
        "confirm.seeds=2",
    ),
    "fixed.layers=1",
)


class Services:
    """The services of docker-compose.yml, as a project of its own."""

    def __init__(self, folder: Path) -> None:
        """Make passwords, and the objective that workers import; nothing is started."""
        self.folder = folder
        self.lab = folder / "lab"
        subprocess.run(
            [ROOT / "docker/secrets.sh"], cwd=folder, check=True, capture_output=True
        )
        (self.lab / "chaos").mkdir(parents=True)
        for name in ("__init__.py", "phases.py"):
            shutil.copy(ROOT / "chaos" / name, self.lab / "chaos")
        (folder / "override.yml").write_text(_OVERRIDE.format(lab=self.lab))
        self.port = _free_port()
        self.dashboard_port = _free_port()
        self._environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": f"hpo-down-{os.getpid()}",
            "HPO_PORT": str(self.port),
            "HPO_DASHBOARD_PORT": str(self.dashboard_port),
            "HPO_SECRETS": str(folder / "secrets"),
            "HPO_WORKERS": str(WORKERS),
        }

    @property
    def url(self) -> str:
        """The database for its owner."""
        password = (self.folder / "secrets/owner").read_text()
        return f"postgresql+psycopg://hpo:{password}@127.0.0.1:{self.port}/hpo"

    def compose(self, *line: str) -> None:
        """``docker compose``, to its end."""
        files = [
            f"--file={ROOT / 'docker-compose.yml'}",
            f"--file={self.folder / 'override.yml'}",
        ]
        files += [f"--env-file={self.folder / '.env'}"]
        done = subprocess.run(
            ["docker", "compose", *files, *line],
            env=self._environment,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    def down(self) -> float:
        """``docker compose down``; returns its seconds."""
        began_s = time.monotonic()
        self.compose("down")
        return time.monotonic() - began_s


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _at_work(services: Services, scene: Scene, where: str) -> float:
    scene.study(where)
    services.compose("up", "--wait", "workers")
    scene.until(
        lambda: len([1 for one in scene.ledger.workers() if one.study]) == WORKERS
    )
    time.sleep(1.0)
    return services.down()


def _waiting(services: Services, scene: Scene) -> float:
    services.compose("up", "--wait", "workers")
    scene.until(lambda: [1 for one in scene.ledger.workers() if one.state == "waiting"])
    return services.down()


def _locked(
    services: Services, scene: Scene, statement: str, study: Callable[[Scene], None]
) -> float:
    study(scene)
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    seconds = 0.0
    with (
        suppress(psycopg.OperationalError),
        ExitStack() as stack,
    ):  # it ends these sessions
        holds, asks = (stack.enter_context(scene.other()) for _ in range(2))
        holds.execute(f"BEGIN; {statement}")
        services.compose("up", "--detach", "workers")
        scene.until(lambda: asks.execute(waits).fetchone() != (0,))
        seconds = services.down()
    assert seconds, "it never came to that"
    return seconds


def _digits(scene: Scene, *changed: str) -> None:
    """A study of networks that really train, with a confirmation."""
    scene.ledger.register(file.load("seqdigits", overrides=[*_DIGITS, *changed]))


def _confirming(services: Services, scene: Scene) -> float:
    _digits(scene, "confirm.epochs=3000")
    services.compose("up", "--wait", "workers")
    scene.until(lambda: [1 for one in scene.ledger.workers() if one.phase == "confirm"])
    time.sleep(3.0)
    return services.down()


def _keeping(services: Services, scene: Scene) -> float:
    lock = "LOCK TABLE hpo_ledger.networks IN EXCLUSIVE MODE"
    return _locked(
        services, scene, lock, lambda scene: _digits(scene, "confirm.epochs=5")
    )


def _dashboard(services: Services, scene: Scene) -> float:
    """A dashboard with open pages, some of which read nothing."""
    _digits(scene)
    services.compose("up", "--wait")
    password = (services.folder / "secrets/dashboard").read_text()
    with ExitStack() as stack:
        for path in ("/", "/metrics", "/static/bundle.js", "/dashboard/"):
            page = stack.enter_context(
                socket.create_connection(("127.0.0.1", services.dashboard_port))
            )
            page.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            head = (
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer"
                f" {password}\r\n"
            )
            page.sendall(f"{head}\r\n".encode())
        time.sleep(2.0)
        return services.down()


def _busy(services: Services, scene: Scene) -> float:
    """While eight sessions write and sort."""
    _digits(scene)

    def write(number: int) -> None:
        with suppress(psycopg.OperationalError), scene.other() as busy:
            while True:
                table = f"CREATE TABLE busy_{number} AS SELECT x, md5(x::text) FROM "
                busy.execute(f"{table} generate_series(1, 300000) x ORDER BY 2")
                busy.execute(f"DROP TABLE busy_{number}")

    services.compose("up", "--wait", "workers")
    writers = [threading.Thread(target=write, args=[number]) for number in range(8)]
    for writer in writers:
        writer.start()
    time.sleep(10.0)
    seconds = services.down()
    for writer in writers:
        writer.join()
    return seconds


def _slow(scene: Scene) -> None:
    scene.study("nowhere", epochs=60)


PHASES: dict[str, Callable[[Services, Scene], float]] = {
    "training": partial(_at_work, where="training"),
    "scoring": partial(_at_work, where="scoring"),
    **{
        phase: partial(_locked, statement=lock, study=_slow)
        for phase, lock in LOCKS.items()
    },
    "waiting": _waiting,
    "confirming": _confirming,
    "keeping": _keeping,
    "dashboard": _dashboard,
    "busy database": _busy,
}
"""Phase -> the function that reaches and measures it."""


def main(wanted: list[str]) -> int:
    """Try phases; the exit status."""
    is_late = False
    with tempfile.TemporaryDirectory() as folder:
        services = Services(Path(folder))
        Path(folder).chmod(0o755)
        for phase in wanted or PHASES:
            try:
                services.compose("up", "--wait", "postgres")
                services.compose("run", "--rm", "role")
                scene = Scene(services.url, Path(folder))
                seconds = PHASES[phase](services, scene)
                scene.storage.close()
            finally:
                services.compose("down", "--volumes", "--timeout=5")
            said = f"{phase:<16}{seconds:6.1f} s"
            if seconds >= LIMIT_S:
                said += "  LATE"
                is_late = True
            print(said, flush=True)
    return int(is_late)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
