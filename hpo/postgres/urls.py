"""The URL of a database, and its password."""

from __future__ import annotations

import re
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import URL

from hpo import settings
from hpo.errors import StorageError

EXAMPLE = "postgresql://user:password@host:5432/database"
SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")
"""Options of libpq that are paths; libpq does not expand `~`."""


def parse_url(text: str, source: str = "storage URL") -> URL:
    """Return `text` as the URL of a PostgreSQL database, reached through psycopg 3.

    Args:
        text: a URL that starts with `postgresql://`, `postgres://` or
            `postgresql+psycopg://`.
        source: where the text comes from, for the message.

    Raises:
        StorageError: the text is anything else. The message never repeats it, since it
            may hold a password.

    >>> parse_url("postgres://me:secret@db.example.org/studies")
    postgresql+psycopg://me:***@db.example.org/studies
    """
    scheme, separator, _ = text.strip().partition("://")
    if not separator or scheme not in SCHEMES:
        got = "no URL"
        if separator and re.fullmatch(r"[a-z0-9+.]+", scheme):
            got = f"scheme={scheme}"
        raise StorageError(
            f"{source}: expected the URL of a PostgreSQL database, got {got}. Workers"
            " share a study through leases, which need row locks; files and other"
            f" databases have none. Use a URL like {EXAMPLE}, or none for the embedded"
            " server."
        )
    try:
        url = sa.make_url(text.strip())
    except (sa.exc.ArgumentError, ValueError):
        url = None
    if url is None or "@" in (url.host or ""):
        raise StorageError(
            f"{source}: expected a URL like {EXAMPLE}, got one that cannot be parsed."
            " Write special characters of the password as in %40 for @, %2F for / and"
            " %3A for :."
        ) from None  # the cause would show the text
    return _make_paths_absolute(url).set(drivername="postgresql+psycopg")


def _make_paths_absolute(url: URL) -> URL:
    """Return the URL with absolute paths: workers may start in another directory."""
    for option in _FILES:
        path = str(url.query.get(option, ""))
        if path not in ("", "system"):
            whole = str(Path(path).expanduser().absolute())
            url = url.update_query_dict({option: whole})
    return url


def password_from_file(url: URL) -> str | None:
    """Return the password in the file `HPO_STORAGE_PASSWORD_FILE`, None if the URL
    needs none.

    The line break does not belong to the password; messages never repeat the password.

    Raises:
        StorageError: the file cannot be read, or is not one line of text.
    """
    path = settings.file("HPO_STORAGE_PASSWORD_FILE")
    if path is None or url.password or {"password", "passfile"} & set(url.query):
        return None
    where = "HPO_STORAGE_PASSWORD_FILE:"
    lines: list[str] = []
    try:
        if not path.is_fifo():
            lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise StorageError(
            f"{where} cannot read {path}: {why}. Correct the path, or let this user"
            " read the file."
        ) from None  # the cause may show a part of the password
    if len(lines) == 1 and lines[0].strip():
        return lines[0]
    got = "an empty line" if len(lines) == 1 else f"{len(lines)} lines"
    raise StorageError(
        f"{where} expected the password alone, on one line of {path}, got {got}."
        " Write it again, as a plain file."
    )


def place(url: URL) -> str:
    """Return the database that a URL leads to, for people and without any password."""
    if "service" in url.query:  # its file has what the URL lacks
        return f"the database of the service {url.query['service']}"
    host = _host(url) or "the default host"
    database = url.database or "(default)"
    user = url.username or "(default)"
    return f"database {database} at {host}:{url.port or 5432}, user {user}"


def is_of_this_host(url: URL) -> bool:
    """Return whether the URL leads to this very host: a socket, or the loopback
    address.

    Examples:
        >>> is_of_this_host(parse_url("postgresql://me@127.0.0.1/hpo"))
        True
        >>> is_of_this_host(parse_url("postgresql://me@db.lab.example/hpo"))
        False
    """
    return (_host(url) or "/").startswith(("/", "127.", "::1", "localhost"))


def _host(url: URL) -> str:
    return str(url.host or url.query.get("host") or "")
