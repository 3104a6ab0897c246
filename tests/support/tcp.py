"""A way to a server's socket over TCP, which the embedded server itself does not offer."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def forwarded(target: str) -> Iterator[int]:
    """The port on 127.0.0.1 that leads to the socket at `target`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, target), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, target: str) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:  # the test is over
            return
        threading.Thread(target=_pump, args=(client, target), daemon=True).start()


def _pump(client: socket.socket, target: str) -> None:
    with client, socket.socket(socket.AF_UNIX) as server, selectors.DefaultSelector() as ready:
        server.connect(target)
        ready.register(client, selectors.EVENT_READ, server)
        ready.register(server, selectors.EVENT_READ, client)
        while True:
            for key, _ in ready.select():
                try:
                    data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    key.data.sendall(data)
                except ConnectionError:
                    return
                if not data:
                    return
