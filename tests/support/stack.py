"""The services of docker-compose.yml, started for real beside what else runs on this
machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from processes import free_port
from required import missing
from workers import wait_until

from hpo.provenance import source

ROOT = Path(__file__).parents[2]
SERVICES = ("postgres", "migrate", "role", "workers", "dashboard")
IMAGE = "hpo-dynamics-test"
BUILD_S = 1500
NEEDED_GB = 20.0
"""Free space that building the image takes at most."""


def require_engine() -> None:
    """Skip the test where the services cannot be started, or fail it if they must."""
    require_client()
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        done = subprocess.run(
            ["timeout", "30", *command], capture_output=True, text=True
        )
        if done.returncode != 0:
            missing(
                "docker", f"`{' '.join(command)}` says: {done.stderr.strip()[-300:]}"
            )
    built = subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True)
    free_gb = shutil.disk_usage("/var").free / 1e9
    if built.returncode != 0 and free_gb < NEEDED_GB:
        missing(
            "docker",
            f"the image takes {NEEDED_GB:g} GB of disk to build, of {free_gb:.0f} GB",
        )


def require_client() -> None:
    """Skip the test where there is no Docker at all, or fail it if there must be."""
    if shutil.which("docker") is None:
        missing("docker", "no Docker was found in PATH")


class Stack:
    """One instance: own project name, image tag, ports and secrets."""

    def __init__(self, directory: Path, workers: int) -> None:
        """Make its secrets; nothing is built or started."""
        self.directory, self.workers = directory, workers
        self.project = f"hpo-test-{os.getpid()}"
        self.port, self.dashboard_port = free_port(), free_port()
        secrets = [str(ROOT / "docker/secrets.sh")]
        subprocess.run(secrets, cwd=directory, check=True, capture_output=True)
        self.environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": self.project,
            "HPO_IMAGE": IMAGE,
            "HPO_PORT": str(self.port),
            "HPO_DASHBOARD_PORT": str(self.dashboard_port),
            "HPO_SECRETS": str(directory / "secrets"),
            "HPO_WORKERS": str(workers),
        }

    @property
    def url(self) -> str:
        """The database as workers on this machine reach it; the password is in a
        file."""
        return f"postgresql://hpo_worker@127.0.0.1:{self.port}/hpo"

    @property
    def secrets(self) -> dict[str, str]:
        """Every password by name."""
        files = sorted((self.directory / "secrets").iterdir())
        return {path.name: path.read_text() for path in files}

    def compose(self, *line: str, timeout_s: float = 300) -> str:
        """``docker compose``, to its end; returns what it printed."""
        settings = str(self.directory / ".env")
        return self._run(
            "docker", "compose", "--env-file", settings, *line, timeout_s=timeout_s
        )

    def shell(self, line: str) -> None:
        """Run a documented line with ``docker compose`` in it, in a directory of its
        own."""
        files = f"--file '{ROOT}/docker-compose.yml' --env-file '{self.directory}/.env'"
        line = line.replace("docker compose", f"docker compose {files}")
        subprocess.run(
            ["bash", "-c", line],
            cwd=self.directory,
            env=self.environment,
            check=True,
            timeout=120,
        )

    def docker(self, *line: str) -> str:
        """``docker``, to its end; returns what it printed."""
        return self._run("docker", *line, timeout_s=120)

    def build(self) -> None:
        """Build the image from the sources as they are now."""
        self.source = source.checkout_revision(ROOT)
        self.compose("build", timeout_s=BUILD_S)

    def up(self, *services: str) -> None:
        """Start services, and wait until they are healthy."""
        self.compose("up", "--wait", *services)

    def containers(self, service: str) -> list[str]:
        """Ids of the containers of a service, those that ended, too."""
        return self.compose("ps", "--all", "--quiet", service).split()

    def inspect(self, container: str) -> dict[str, Any]:
        """Return Docker's description of a container."""
        containers: list[dict[str, Any]] = json.loads(self.docker("inspect", container))
        return containers[0]

    def restarts(self) -> dict[str, int]:
        """Return the number of restarts of each container by Docker itself."""
        containers = [c for service in SERVICES for c in self.containers(service)]
        return {c: int(self.inspect(c)["RestartCount"]) for c in containers}

    def kill(self, container: str) -> None:
        """``kill -9`` of what the container runs, from within; Docker starts it
        again."""
        before = self.restarts()[container]
        self.docker(
            "exec", container, "sh", "-c", "kill -9 $(cat /proc/1/task/1/children)"
        )
        wait_until(lambda: self.restarts()[container] > before, 120)

    def shell_in(self, service: str, line: str) -> str:
        """Run a line of the shell in the first container of a service; what it
        printed."""
        return self.docker("exec", self.containers(service)[0], "sh", "-c", line)

    def ask(
        self, path: str, *, method: str = "GET", password: str | None = ""
    ) -> tuple[int, bytes]:
        """Ask the dashboard; returns status and body. The password is the right one if
        empty."""
        address = f"http://127.0.0.1:{self.dashboard_port}{path}"
        request = urllib.request.Request(address, method=method)
        if password is not None:
            request.add_header(
                "Authorization", f"Bearer {password or self.secrets['dashboard']}"
            )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, b""

    def remove(self) -> None:
        """Stop all, and delete the volumes; the image stays, for the next time."""
        self.compose("down", "--volumes", "--timeout", "5")

    def _run(self, *command: str, timeout_s: float) -> str:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, (
            f"{command}: {done.stdout[-4000:]}{done.stderr[-4000:]}"
        )
        return done.stdout
