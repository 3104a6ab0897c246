"""A network between workers and the database: every byte arrives later, in both
directions.

    python -m benchmarks.service.delay /path/to/.s.PGSQL.5432 0.0005

prints the port on 127.0.0.1 that leads there, and serves it until its standard input
ends.
"""

from __future__ import annotations

import heapq
import itertools
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def delayed(target: str, one_way_s: float) -> Iterator[int]:
    """The port of such a network, in a process of its own, to the socket at
    ``target``."""
    command = [sys.executable, "-m", "benchmarks.service.delay", target, str(one_way_s)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:  # type: ignore[call-overload]
        yield int(process.stdout.readline())
        process.stdin.close()


def serve(listener: socket.socket, target: str, one_way_s: float) -> None:
    """Pass on what arrives, late, until standard input ends."""
    order = itertools.count()
    late: list[tuple[float, int, socket.socket, bytes]] = []
    with selectors.SelectSelector() as ready:  # epoll's clock ticks in milliseconds
        ready.register(listener, selectors.EVENT_READ)
        ready.register(sys.stdin, selectors.EVENT_READ)
        while True:
            wait_s = max(0.0, late[0][0] - time.monotonic()) if late else None
            for key, _ in ready.select(wait_s):
                if key.fileobj is sys.stdin:
                    return
                if key.fileobj is listener:
                    _connect(listener, target, ready)
                    continue
                data = _read(key.fileobj)  # type: ignore[arg-type]
                heapq.heappush(
                    late, (time.monotonic() + one_way_s, next(order), key.data, data)
                )
                if not data:
                    ready.unregister(key.fileobj)
            while late and late[0][0] <= time.monotonic():
                _, _, to, data = heapq.heappop(late)
                _write(to, data)


def _connect(
    listener: socket.socket, target: str, ready: selectors.BaseSelector
) -> None:
    client, _ = listener.accept()
    server = socket.socket(socket.AF_UNIX)
    server.connect(target)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ready.register(client, selectors.EVENT_READ, server)
    ready.register(server, selectors.EVENT_READ, client)


def _read(source: socket.socket) -> bytes:
    try:
        return source.recv(65536)
    except ConnectionError:
        return b""


def _write(to: socket.socket, data: bytes) -> None:
    with suppress(OSError):  # the other side has gone
        if data:
            to.sendall(data)
        else:
            to.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        print(listening.getsockname()[1], flush=True)
        serve(listening, sys.argv[1], float(sys.argv[2]))
