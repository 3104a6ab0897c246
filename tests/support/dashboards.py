"""Real `hpo dashboard` processes, and requests to them."""

from __future__ import annotations

import http.client
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Got:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed as JSON."""
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        """The reason for a refusal."""
        return str(self.json["reason"])


class Dashboard:
    """A running dashboard."""

    def __init__(
        self,
        process: subprocess.Popen[str],
        url: str,
        said: list[str],
        reader: threading.Thread,
    ) -> None:
        self.process, self.url, self._said, self._reader = process, url, said, reader
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 0

    def get(
        self, path: str, method: str = "GET", body: str = "", **headers: str
    ) -> Got:
        """Send a request; header names have _ for -."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=120)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body or None, named)
            response = connection.getresponse()
            return Got(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def send(self, text: bytes) -> bytes:
        """Send bytes as they are, and return all that comes back."""
        with socket.create_connection((self.host, self.port), timeout=30) as connection:
            got = b""
            with suppress(
                ConnectionError
            ):  # it had not read all when it had answered and closed
                connection.sendall(text)
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)
                while part := connection.recv(65536):
                    got += part
        return got

    def end(self, signum: int = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal; return the exit status and the seconds until the end."""
        began_s = time.monotonic()
        self.process.send_signal(signum)
        status = self.process.wait(timeout=60)
        took_s = time.monotonic() - began_s
        self._reader.join(timeout=10)
        return status, took_s

    @property
    def errors(self) -> str:
        """The output on stderr so far."""
        return "".join(self._said)


class Clock:
    """A clock that a test sets."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@contextmanager
def dashboard(*arguments: str, **environment: str) -> Iterator[Dashboard]:
    """A dashboard at a free port, killed at the end if it still runs.

    Args:
        arguments: more of its command line.
        environment: HPO_STORAGE or HPO_HOME, say.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "hpo", "dashboard", "--port", "0", *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        said: list[str] = []
        reader = threading.Thread(
            target=said.extend, args=(process.stderr,), daemon=True
        )
        reader.start()
        lines: queue.Queue[str] = queue.Queue()
        out = process.stdout
        threading.Thread(target=lambda: lines.put(out.readline()), daemon=True).start()
        try:
            line = lines.get(timeout=120)
            assert line.startswith("http://"), (
                f"{line!r}, and on stderr: {''.join(said)}"
            )
            yield Dashboard(process, line.split()[0].rstrip("/"), said, reader)
        finally:
            process.kill()
