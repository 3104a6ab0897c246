"""``hpo storage``: the database, its tables and roles, and the embedded server behind it."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from hpo.console import Parser, answer

_EXAMPLES = """\
hpo storage status
    which database is used, and what the embedded server is doing; starts nothing
hpo storage stop
    shut the embedded server down; --force also while processes use it
hpo storage url --hold
    print a URL for other programs, and keep the embedded server running until Ctrl-C
psql "$(hpo storage url | sed s/+psycopg//)"
    the URL alone; the embedded server ends 2 s after its last user, so let a launch, `hpo
    dashboard`, or `hpo storage url --hold` in another terminal, run until psql has started
hpo storage migrate --storage postgresql://owner@server/hpo
    create the tables, or upgrade those of an older version
hpo storage migrate --worker-role hpo_worker --worker-password-file secrets/worker
    the same, and a role for workers that may neither create, alter nor drop anything; run
    again, it sets the role's rights and password again"""


_GOES_WITH = {
    "force": "stop",
    "hold": "url",
    "worker_role": "migrate",
    "worker_password_file": "migrate",
}
"""Option -> the action that it belongs to."""


def parser() -> Parser:
    """The command line."""
    p = Parser(
        "hpo storage",
        "Look at the database, print its URL, make its tables and roles, stop the embedded server.",
        _EXAMPLES,
    )
    p.add_argument("action", choices=["status", "stop", "url", "migrate"], help="what to do")
    p.add_argument("--force", action="store_true", help="stop: although processes use it")
    p.add_argument("--hold", action="store_true", help="url: keep the server until Ctrl-C")
    p.add_argument(
        "--worker-role", metavar="NAME", help="migrate: the role that workers connect as"
    )
    p.add_argument(
        "--worker-password-file",
        metavar="FILE",
        type=Path,
        help="migrate: its password, alone on one line (default: it keeps what it has)",
    )
    p.add_storage()
    p.add_json()
    return p


def main(argv: Sequence[str]) -> int:
    """Parse, act, and return the exit status."""
    p = parser()
    arguments = p.parse_args(argv)
    for option, action in _GOES_WITH.items():
        if getattr(arguments, option) and arguments.action != action:
            p.error(f"--{option.replace('_', '-')} goes with `hpo storage {action}`")
    if arguments.worker_password_file and not arguments.worker_role:
        p.error("--worker-password-file goes with --worker-role")
    actions = {"status": _status, "stop": _stop, "url": _url, "migrate": _migrate}
    return answer(lambda: actions[arguments.action](arguments))


def _status(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from hpo import settings
    from hpo.postgres.embedded import client
    from hpo.views import records
    from hpo.views.terminal import tables

    url = arguments.storage or settings.storage_url()
    server = client.status(settings.home())
    if arguments.json:
        chosen = "url" if url else "embedded"
        print(records.dumps({"storage": chosen, "server": asdict(server)}))
        return 0
    if url:
        from hpo.postgres.connect import open_storage

        with open_storage(url) as storage:
            print(storage.describe())
        return 0
    state = f"running, pid {server.pid}" if server.running else "not running; starts when needed"
    users = "unknown" if server.users is None else ", ".join(map(str, server.users)) or "none"
    rows = [
        ["embedded server", state],
        ["PostgreSQL", server.version or "not yet set up"],
        ["home", str(server.home)],
        ["data", f"{server.data_directory} ({server.size_bytes / 1e6:.0f} MB)"],
        ["log", str(server.log)],
        ["used by pids", users],
    ]
    print("\n".join(tables.columns(rows)))
    return 0


def _stop(arguments: argparse.Namespace) -> int:
    from hpo import settings
    from hpo.postgres.embedded import client
    from hpo.views import records

    home = settings.home()
    client.stop(home, force=arguments.force)
    if arguments.json:
        print(records.dumps({"stopped": True, "home": home}))
    else:
        print(f"the embedded server in {home} is stopped")
    return 0


def _url(arguments: argparse.Namespace) -> int:
    from hpo.postgres.connect import open_storage
    from hpo.views import records

    with open_storage(arguments.storage) as storage:
        print(records.dumps({"url": storage.url}) if arguments.json else storage.url, flush=True)
        if arguments.hold:
            print("Ctrl-C ends it; the embedded server runs until then", file=sys.stderr)
            threading.Event().wait()
        elif storage.embedded:
            print("the server ends 2 s after its last user; --hold keeps it", file=sys.stderr)
    return 0


def _migrate(arguments: argparse.Namespace) -> int:
    from hpo.ledger import roles
    from hpo.ledger.tables import SCHEMA_VERSION, schema
    from hpo.postgres.connect import open_storage
    from hpo.postgres.url import password_in
    from hpo.views import records

    role, file = arguments.worker_role, arguments.worker_password_file
    password = password_in(file, "--worker-password-file") if file else None
    with open_storage(arguments.storage, prepare=schema) as storage:
        if role:
            roles.set_up(storage, role, password)
        place = storage.place()
    if arguments.json:
        print(records.dumps({"version": SCHEMA_VERSION, "worker_role": role}))
    else:
        print(f"{place}: tables of version {SCHEMA_VERSION}")
        if role:
            print(f"workers connect as {role}")
    return 0
