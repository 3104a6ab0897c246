"""``hpo storage``: the database, its tables, and the embedded server behind it."""

from __future__ import annotations

import argparse
import sys
import threading

from hpo.cli.common import opened, tell
from hpo.console import JSON, STORAGE, Parser, argument, command

_EVENTS = 1000
"""So many are told, the newest."""


def _check(parser: Parser, arguments: argparse.Namespace) -> None:
    for option, action in (("force", "stop"), ("hold", "url")):
        if getattr(arguments, option) and arguments.action != action:
            parser.error(f"argument --{option}: goes with `hpo storage {action}`")


@command(
    argument("action", choices=["status", "log", "stop", "url", "migrate"], help="what to do"),
    argument("--force", action="store_true", help="stop: although processes use it"),
    argument("--hold", action="store_true", help="url: keep the server until Ctrl-C"),
    STORAGE,
    JSON,
    check=_check,
)
def storage(arguments: argparse.Namespace) -> int:
    """Look at the database, print its URL, make its tables, stop the embedded server.

    The embedded server ends 2 s after its last user: let a launch, `hpo dashboard`, or `hpo storage
    url --hold` in another terminal, run while other programs begin to use its URL.

    Examples:
        hpo storage status
            which database is used, and what the embedded server is doing; starts nothing
        hpo storage log
            who submitted, stopped, extended or deleted which study, those that are gone, too
        psql "$(hpo storage url | sed s/+psycopg//)"
            the URL alone, for other programs
        hpo storage migrate --storage postgresql://owner@server/hpo
            create the tables; docker/worker-role.sql makes a role that may work, and change no
            table
    """
    actions = {"status": _status, "log": _log, "stop": _stop, "url": _url, "migrate": _migrate}
    return actions[arguments.action](arguments)


def _status(arguments: argparse.Namespace) -> int:
    from hpo import settings

    if url := arguments.storage or settings.storage_url():
        from hpo.postgres.connect import open_storage

        with open_storage(url) as storage:
            database = storage.describe()
        return tell(arguments, {"storage": "url", "database": database}, database)
    from hpo.postgres import embedded

    server = embedded.status(settings.home())
    state = f"running, pid {server.pid}" if server.running else "not running; starts when needed"
    users = "unknown" if server.users is None else ", ".join(map(str, server.users)) or "none"
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

    with opened(arguments) as ledger:
        events = ledger.events(_EVENTS)
    lines = status.event_lines(events) or ["nothing is written down yet"]
    return tell(arguments, {"events": events}, *lines)


def _stop(arguments: argparse.Namespace) -> int:
    from hpo import settings
    from hpo.postgres import embedded

    home = settings.home()
    embedded.stop(home, force=arguments.force)
    said = f"the embedded server in {home} is stopped"
    return tell(arguments, {"stopped": True, "home": home}, said)


def _url(arguments: argparse.Namespace) -> int:
    from hpo.postgres.connect import open_storage

    with open_storage(arguments.storage) as storage:
        tell(arguments, {"url": storage.url}, storage.url)
        sys.stdout.flush()
        if arguments.hold:
            print("Ctrl-C ends it; the embedded server runs until then", file=sys.stderr)
            threading.Event().wait()
    return 0


def _migrate(arguments: argparse.Namespace) -> int:
    from hpo.ledger.schema import SCHEMA_VERSION, reset_roles, schema
    from hpo.postgres.connect import open_storage

    with open_storage(arguments.storage, prepare=schema) as storage:
        place = storage.place()
        with storage.engine.begin() as connection:
            names = reset_roles(connection)
    said = f"{place}: tables of version {SCHEMA_VERSION}"
    said += f"; reset what {', '.join(names)} had set for later sessions" if names else ""
    return tell(arguments, {"version": SCHEMA_VERSION, "reset": names}, said)
