"""``hpo dashboard``: show the studies in a browser, on this machine or for a group."""

from __future__ import annotations

import argparse
import ipaddress
import logging
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from hpo import logs, settings
from hpo.console import OPEN, STORAGE, argument, at_least, command, storage_option
from hpo.errors import HpoError

if TYPE_CHECKING:
    import socket

    from hpo.dashboard.password import PasswordCheck

_IN_THE_OPEN = (
    "note: the password and the pages cross the network unencrypted: put a reverse"
    " proxy with TLS before the dashboard, or serve at 127.0.0.1 and use an SSH tunnel"
    " (ssh -L)"
)


_BEHIND_A_PROXY = (
    "note: there is no password: anyone who reaches a proxy before the dashboard sees"
    " everything; let the proxy ask for a password, or use --password-file FILE"
)


def _host(text: str) -> str:
    """Check an argument that is a host name or address, as in the URL of a page."""
    from hpo.dashboard.guard import host_name

    name = host_name(text)
    if not name:
        raise argparse.ArgumentTypeError(
            f"expected a host such as labserver or [::1], got {text!r}"
        )
    return name


@command(
    STORAGE,
    argument(
        "--host",
        default="127.0.0.1",
        help="address to serve at (default: 127.0.0.1, this machine only)",
    ),
    argument(
        "--port",
        type=at_least(0, at_most=65535),
        default=8080,
        help="port (default: 8080; 0: any free one)",
    ),
    argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help=(
            "password of 16 characters or more (default: $HPO_DASHBOARD_PASSWORD_FILE)"
        ),
    ),
    argument(
        "--allowed-host",
        type=_host,
        action="append",
        default=[],
        metavar="NAME",
        help="host name that browsers may use besides localhost; may be repeated",
    ),
    argument(
        "--trusted-proxy",
        type=ipaddress.ip_address,
        metavar="ADDRESS",
        help="reverse proxy whose X-Forwarded-For names the client",
    ),
    OPEN,
)
def dashboard(arguments: argparse.Namespace) -> int:
    r"""Show the studies in the browser: a home page, and a live report of each.

    The dashboard is read-only: start, stop, extend and delete studies with `hpo`. The
    database itself refuses writes from the dashboard. SIGTERM ends it within two
    seconds with exit status 0, as systemd and containers expect. /api/studies is for
    programs, /metrics for Prometheus; /healthz needs no password and reveals nothing.

    A password crosses the network unencrypted: put a reverse proxy with TLS on the same
    machine, which keeps the Host header (nginx: proxy_pass http://127.0.0.1:8080;
    proxy_set_header Host $host;). With --trusted-proxy 127.0.0.1, and X-Forwarded-For
    $remote_addr, wrong passwords are counted by client.

    Examples:
        hpo dashboard --open
            show the studies of the embedded server at http://127.0.0.1:8080/ until
            Ctrl-C; from another machine: ssh -L 8080:127.0.0.1:8080 HOST
        (umask 077; openssl rand -base64 24 > dashboard-password)
        hpo dashboard --host 0.0.0.0 --password-file dashboard-password \
            --allowed-host labserver
            serve other machines, which need the password (with any user name)
        curl -H "Authorization: Bearer $(cat dashboard-password)" \
            http://labserver:8080/api/studies
            list the studies for a program
    """
    from hpo.dashboard import server
    from hpo.dashboard.password import HOW, PasswordCheck, read_password

    server.end_at_signals()
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    logs.begin(logging.WARNING)
    file = arguments.password_file or settings.file("HPO_DASHBOARD_PASSWORD_FILE")
    gate = None
    if file is not None:
        gate = PasswordCheck(read_password(file))
    with server.listen(arguments.host, arguments.port) as listening:
        if gate is None and not server.is_loopback(listening):
            raise HpoError(
                f"dashboard at {arguments.host}: a password is required, since"
                f" other machines can reach this address. {HOW}; then use"
                " --password-file dashboard-password. Or leave out --host, and use"
                " `ssh -L 8080:127.0.0.1:8080 THIS_MACHINE`."
            )
        _serve(arguments, gate, listening)
    return 0


def _tell(text: str, stream: TextIO) -> None:
    """Print a text as it is, or as a line of a log of JSON."""
    if settings.logs_json():
        logs.say(text)
    else:
        print(text, file=stream, flush=True)


def _serve(
    arguments: argparse.Namespace,
    gate: PasswordCheck | None,
    listening: socket.socket,
) -> None:
    """Print the URL, and serve until a signal."""
    import optuna

    from hpo.dashboard import server
    from hpo.dashboard.app import DashboardApp
    from hpo.dashboard.guard import Guard, host_name
    from hpo.postgres.connect import open_storage

    # it warns of trials without a plot
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    names = {*arguments.allowed_host, host_name(arguments.host)} - {""}
    proxy = None
    if arguments.trusted_proxy is not None:
        proxy = str(arguments.trusted_proxy)
    site = DashboardApp(
        # its pages say what is wrong at once, and load again
        lambda: open_storage(arguments.storage, creates=False, patience_s=0.0),
        option=storage_option(arguments.storage),
    )
    try:
        site.open()
        guard = Guard(site, frozenset(names), gate)
        serving = server.Server(guard, listening, proxy)
        url = server.address_of(listening, arguments.host)
        _tell(f"{url}  (Ctrl-C ends it)", sys.stdout)
        if not server.is_loopback(listening):
            _tell(_IN_THE_OPEN, sys.stderr)
        elif arguments.allowed_host and gate is None:
            _tell(_BEHIND_A_PROXY, sys.stderr)
        if arguments.open:
            webbrowser.open(url)
        serving.run()
    finally:
        site.close()
