"""``hpo storage``: manage the database, its tables, and the embedded server."""

from __future__ import annotations

import argparse
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from hpo.cli.common import looking, tell
from hpo.console import JSON, STORAGE, Parser, argument, command
from hpo.errors import NothingYetError

if TYPE_CHECKING:
    from hpo.study.trials import Event

_EVENTS = 1000
"""Number of events in ``hpo storage log``, the newest."""


def _check(parser: Parser, arguments: argparse.Namespace) -> None:
    for option, action in (("force", "stop"), ("hold", "url")):
        if getattr(arguments, option) and arguments.action != action:
            parser.error(
                f"argument --{option}: only allowed with `hpo storage {action}`"
            )


@command(
    argument(
        "action", choices=["status", "log", "stop", "url", "migrate"], help="what to do"
    ),
    argument(
        "--force", action="store_true", help="stop: even if processes use the server"
    ),
    argument(
        "--hold", action="store_true", help="url: keep the server running until Ctrl-C"
    ),
    STORAGE,
    JSON,
    check=_check,
)
def storage(arguments: argparse.Namespace) -> int:
    """Show the database, print its URL, create its tables, or stop the embedded server.

    The embedded server ends 2 s after its last user. To use its URL in other programs,
    keep a launch, `hpo dashboard`, or `hpo storage url --hold` running in another
    terminal. Without --hold nothing is created.

    Examples:
        hpo storage status
            show which database is used, and the state of the embedded server; starts
            nothing
        hpo storage log
            show who submitted, stopped, extended or deleted which study, also deleted
            studies
        psql "$(hpo storage url | sed s/+psycopg//)"
            print only the URL, for other programs
        hpo storage migrate --storage postgresql://owner@server/hpo
            create the tables; docker/worker-role.sql creates a role for workers, which
            cannot alter tables
    """
    actions = {
        "status": _status,
        "log": _log,
        "stop": _stop,
        "url": _url,
        "migrate": _migrate,
    }
    return actions[arguments.action](arguments)


def _status(arguments: argparse.Namespace) -> int:
    from hpo import settings

    url = arguments.storage or settings.storage_url()
    if not url:
        return _embedded_status(arguments)
    from hpo.postgres.connect import open_storage

    with open_storage(url, creates=False) as storage:
        database = storage.describe()
    return tell(arguments, {"storage": "url", "database": database}, database)


def _embedded_status(arguments: argparse.Namespace) -> int:
    from hpo import settings
    from hpo.postgres import embedded

    server = embedded.status(settings.home())
    state = "not running; starts when needed"
    if server.running:
        state = f"running, pid {server.pid}"
    users = "unknown"
    if server.users is not None:
        users = ", ".join(map(str, server.users)) or "none"
    rows = {
        "embedded server": state,
        "PostgreSQL": server.version or "not yet set up",
        "home": server.home,
        "data": server.data_directory,
        "log": server.log,
        "used by pids": users,
    }
    lines = [f"{name:<15}  {text}" for name, text in rows.items()]
    return tell(arguments, {"storage": "embedded", "server": server}, *lines)


def _log(arguments: argparse.Namespace) -> int:
    from hpo.views.terminal import status

    events: list[Event] = []
    with suppress(NothingYetError), looking(arguments) as ledger:
        events = ledger.events(_EVENTS)
    lines = status.event_lines(events) or ["no events yet"]
    return tell(arguments, {"events": events}, *lines)


def _stop(arguments: argparse.Namespace) -> int:
    """Stop the embedded server of this user."""
    from hpo import settings
    from hpo.postgres import embedded

    home = settings.home()
    embedded.stop(home, force=arguments.force)
    text = f"the embedded server in {home} is stopped"
    return tell(arguments, {"stopped": True, "home": home}, text)


def _url(arguments: argparse.Namespace) -> int:
    from hpo.postgres.connect import open_storage

    with open_storage(arguments.storage, creates=arguments.hold) as storage:
        tell(arguments, {"url": storage.url}, storage.url)
        sys.stdout.flush()
        if storage.embedded and not arguments.hold:
            print(
                "the embedded server ends 2 s after its last user; to use the URL in"
                " other programs, keep it running: hpo storage url --hold",
                file=sys.stderr,
            )
        if arguments.hold:
            print("the embedded server runs until Ctrl-C", file=sys.stderr)
            threading.Event().wait()
    return 0


def _migrate(arguments: argparse.Namespace) -> int:
    """Create missing tables, and reset what roles of workers have set for their
    sessions."""
    from hpo.ledger.schema import SCHEMA_VERSION, reset_roles, schema
    from hpo.postgres.connect import open_storage

    with open_storage(arguments.storage, prepare=schema) as storage:
        place = storage.place()
        with storage.engine.begin() as connection:
            names = reset_roles(connection)
    text = f"{place}: tables of version {SCHEMA_VERSION}"
    if names:
        text += f"; reset the session defaults of {', '.join(names)}"
    return tell(arguments, {"version": SCHEMA_VERSION, "reset": names}, text)
