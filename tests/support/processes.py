"""Python programs as real processes, which tests start, talk to and kill."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ENTER = (
    "import sys; from pathlib import Path; "
    "from hpo.postgres.embedded import Embedded, status, stop\n"
)
HOLD = "print('ready', flush=True); sys.stdin.read()\n"
USER = ENTER + "url = Embedded(Path(sys.argv[1])).acquire()\n" + HOLD

_started: list[subprocess.Popen[str]] = []


def of_this_test(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    """A process that is killed when the test is over, should it run then."""
    _started.append(process)
    return process


def kill_all() -> None:
    """Kill what runs of the test that is over: it failed, and a later one would be
    warned of it."""
    while _started:
        process = _started.pop()
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()


def start(
    code: str, *arguments: object, python: str = sys.executable, **options: Any
) -> subprocess.Popen[str]:
    """Start `code`; its streams are pipes."""
    return of_this_test(
        subprocess.Popen(
            [python, "-c", code, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Let `process` end, and return what it printed; fail with its trace if it
    failed."""
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


@contextmanager
def running(
    code: str, *arguments: object, **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """A process that has printed "ready", and is killed at the end."""
    with start(code, *arguments, **options) as process:
        try:
            if process.stdout.readline() != "ready\n":
                finish(process)
                raise AssertionError("it ended without getting ready")
            yield process
        finally:
            process.kill()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def listens(port: int) -> bool:
    """Tell whether a process listens on a port of this host."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def script(path: Path, body: str) -> None:
    """Write a program of the shell."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
