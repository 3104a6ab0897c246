"""The server of the dashboard: socket, threads, shutdown."""

from __future__ import annotations

import errno
import ipaddress
import signal
import socket
import sys
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, create_server

from hpo.errors import HpoError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

THREADS = 16
CONNECTIONS = 800
"""The most open connections: a browser has up to six, mostly idle, and each needs a
file descriptor of usually 1,024. Beyond it, the longest idle connection is closed, so
that none blocks others."""
SILENCE_S = 60
"""A connection is closed if its client neither sends nor reads for this time."""
LARGEST_HEADERS = 32 * 1024
LARGEST_BODY = 64 * 1024
"""In bytes; nobody reads a body, since read-only requests need none."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
PATIENCE_S = 1
"""The shutdown waits this long for running answers."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at a name or an address; port 0 is any free port.

    Raises:
        HpoError: the host or the port cannot be used.
    """
    try:
        addresses = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        addresses.sort(key=lambda entry: entry[0] != socket.AF_INET)
        family, _, _, _, address = addresses[0]
        listening = socket.create_server(address, family=family, backlog=128)
    except (OSError, UnicodeError) as error:
        raise _cannot_listen(host, port, error) from error
    if sys.platform == "linux":
        # connections inherit it; waitress waits for slow readers
        listening.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * SILENCE_S
        )
    return listening


def _cannot_listen(host: str, port: int, error: OSError | UnicodeError) -> HpoError:
    reason = str(error)
    todo = "Omit --host to serve this machine only, or use --host 0.0.0.0 for all."
    if isinstance(error, OSError):
        reason = str(error.strerror).partition(" (")[0]
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            todo = "Use another port, or --port 0 for any free one."
    return HpoError(f"dashboard at {host}:{port}: cannot listen: {reason}. {todo}")


def is_loopback(listening: socket.socket) -> bool:
    """Return True if only this machine reaches a socket."""
    address, _, _ = listening.getsockname()[0].partition("%")
    return ipaddress.ip_address(address).is_loopback


def address_of(listening: socket.socket, host: str) -> str:
    """Return the URL of the dashboard."""
    port = listening.getsockname()[1]
    if host in ("0.0.0.0", "::", ""):
        host = "127.0.0.1"
    if ":" in host:
        host = f"[{host}]"
    return f"http://{host}:{port}/"


def end_at_signals() -> None:
    """Make SIGTERM and SIGINT raise SystemExit in the main thread, once.

    Process 1 of a container gets only signals that it handles.
    """

    def end(signum: int, frame: FrameType | None) -> None:
        """Ignore further signals, and end."""
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise SystemExit(0)

    for number in _SIGNALS:
        signal.signal(number, end)


class _Channel(HTTPChannel):
    """A connection without pipelining: it closes after the current answer if more
    requests wait.

    Otherwise eight clients that send requests and read nothing would block every
    thread.
    """

    def __init__(self, server: BaseWSGIServer, *rest: Any, **options: Any) -> None:
        """Close the longest idle connection if there are too many."""
        super().__init__(server, *rest, **options)
        channels = cast("dict[int, HTTPChannel]", server.active_channels).values()
        idle = [
            channel
            for channel in channels
            if not (channel.requests or channel.total_outbufs_len or channel.will_close)
        ]
        if len(idle) > CONNECTIONS:
            longest = min(idle, key=lambda channel: float(channel.last_activity))
            longest.will_close = True

    def service(self) -> None:
        """Answer one request."""
        if len(self.requests) > 1:
            cast("dict[str, str]", self.requests[0].headers)["CONNECTION"] = "close"
        super().service()


class Server:
    """A server that runs until SystemExit in its thread; see `end_at_signals`."""

    def __init__(
        self,
        app: WSGIApplication,
        listening: socket.socket,
        trusted_proxy: str | None = None,
    ) -> None:
        """Serve an application at a listening socket.

        Behind a trusted proxy, given by address, the client is the last in
        ``X-Forwarded-For``.
        """
        self._map: dict[int, Any] = {}
        server = create_server(
            app,
            map=self._map,
            sockets=[listening],
            threads=THREADS,
            ident=None,
            connection_limit=CONNECTIONS + 100,  # room for busy ones
            channel_timeout=SILENCE_S,
            max_request_header_size=LARGEST_HEADERS,
            max_request_body_size=LARGEST_BODY,
            trusted_proxy=trusted_proxy,
            trusted_proxy_headers={"x-forwarded-for"} if trusted_proxy else set(),
            clear_untrusted_proxy_headers=True,
            outbuf_overflow=64 << 20,  # keep compressed answers in memory
            expose_tracebacks=False,
        )
        assert isinstance(server, BaseWSGIServer)  # of one socket
        server.channel_class = _Channel
        self._server = server

    def run(self) -> None:
        """Answer requests until a signal ends the server."""
        try:
            wasyncore.loop(timeout=1, map=self._map, use_poll=True)
        except SystemExit:
            self._server.task_dispatcher.shutdown(timeout=PATIENCE_S)
            wasyncore.close_all(self._map, ignore_all=True)
