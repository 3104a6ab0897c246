"""A way to the database over TCP."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa


@pytest.fixture
def proxy(database_url: str) -> Iterator[Callable[[str], str]]:
    """A way to the test's database over TCP: maps user:password to a URL."""
    url = sa.make_url(database_url)
    target = f"{url.query['host']}/.s.PGSQL.5432"
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_serve, args=(listener, target), daemon=True).start()
    yield lambda user: f"postgresql://{user}@127.0.0.1:{listener.getsockname()[1]}/{url.database}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


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
