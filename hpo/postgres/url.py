"""The address of a database, and its password if that is kept in a file."""

from __future__ import annotations

import re
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import URL

from hpo import settings
from hpo.errors import StorageError

EXAMPLE = "postgresql://user:password@host:5432/database"
_FILES = {"sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile"}
"""Options of libpq that are paths; it takes `~` for a directory of that name."""
SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")


def parse_url(text: str, source: str = "storage URL") -> URL:
    """Return `text` as the URL of a PostgreSQL database, reached through psycopg 3.

    Args:
        text: a URL that starts with `postgresql://`, `postgres://` or `postgresql+psycopg://`.
        source: where the text comes from, for the message.

    Raises:
        StorageError: it is anything else. The message never repeats the text, which may hold a
            password.

    >>> parse_url("postgres://me:secret@db.example.org/studies")
    postgresql+psycopg://me:***@db.example.org/studies
    """
    scheme, separator, _ = text.strip().partition("://")
    if not separator or scheme not in SCHEMES:
        got = f"scheme={scheme}" if re.fullmatch(r"[a-z0-9+.]+", scheme) and separator else "no URL"
        raise StorageError(
            f"{source}: the storage must be a PostgreSQL database, but got {got}. Many workers "
            "share a study, and their leases need row locks, which files and other databases "
            f"do not give. Use a URL like {EXAMPLE}, or none for the embedded server."
        )
    try:
        url = sa.make_url(text.strip())
    except (sa.exc.ArgumentError, ValueError):
        url = None
    if url is None or "@" in (url.host or ""):
        raise StorageError(
            f"{source}: the URL must read like {EXAMPLE}, but got one that cannot be taken apart. "
            "Write special characters of the password as in %40 for @, %2F for / and %3A for :."
        ) from None  # the cause would show the text
    return _with_whole_paths(url).set(drivername="postgresql+psycopg")


def _with_whole_paths(url: URL) -> URL:
    """The URL with its files by absolute paths: workers may be started from another directory."""
    paths = {name: url.query[name] for name in _FILES & url.query.keys()}
    whole = {
        name: str(Path(path).expanduser().absolute())
        for name, path in paths.items()
        if isinstance(path, str) and path not in ("", "system")
    }
    return url.update_query_dict(whole)


def password_from_file(url: URL) -> str | None:
    """Return what the file of `HPO_STORAGE_PASSWORD_FILE` holds, None where the URL needs none.

    The end of its line does not belong to the password; messages never repeat it.

    Raises:
        StorageError: it cannot be read, or is not one line of text.
    """
    path = settings.storage_password_file()
    if path is None or url.password or {"password", "passfile"} & set(url.query):
        return None
    where = "HPO_STORAGE_PASSWORD_FILE: the file must"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise StorageError(
            f"{where} be readable, but got {path}: {why}. Correct the path, or let this user read "
            "it."
        ) from None  # the cause may show a part of the password
    if len(lines) != 1 or not lines[0].strip():
        found = "an empty line" if len(lines) == 1 else f"{len(lines)} lines"
        raise StorageError(
            f"{where} hold the password and nothing else, on one line, but got {path} with "
            f"{found}. Write it anew."
        )
    return lines[0]


def place(url: URL) -> str:
    """Return which database a URL leads to, for people: without any password."""
    host = _host(url) or "the default host"
    database, user = url.database or "(default)", url.username or "(default)"
    return f"database {database} at {host}:{url.port or 5432}, user {user}"


def is_of_this_host(url: URL) -> bool:
    """Whether no other host reaches the database by this URL: a socket, or the loopback address.

    Examples:
        >>> is_of_this_host(parse_url("postgresql://me@127.0.0.1/hpo"))
        True
        >>> is_of_this_host(parse_url("postgresql://me@db.lab.example/hpo"))
        False
    """
    return (_host(url) or "/").startswith(("/", "127.", "::1", "localhost"))


def _host(url: URL) -> str:
    return str(url.host or url.query.get("host") or "")
