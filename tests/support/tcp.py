"""A way to a server's socket over TCP, which the embedded server itself does not
offer."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class _Way(socketserver.ThreadingTCPServer):
    daemon_threads = True
    target: str


class _Client(socketserver.BaseRequestHandler):
    server: _Way

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as there:
            there.connect(self.server.target)
            threading.Thread(
                target=_pump, args=(there, self.request), daemon=True
            ).start()
            _pump(self.request, there)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


@contextmanager
def forwarded(target: str) -> Iterator[int]:
    """The port on 127.0.0.1 that leads to the socket at `target`."""
    with _Way(("127.0.0.1", 0), _Client) as way:
        way.target = target
        threading.Thread(target=way.serve_forever, args=(0.05,), daemon=True).start()
        yield way.server_address[1]
        way.shutdown()
