"""Why a database refuses a connection: what libpq says, and what to do about it."""

from __future__ import annotations

import re

import sqlalchemy as sa

from hpo.errors import StorageError

# In the order of asking: libpq gives no error code when a connection fails.
_REFUSALS = (
    (
        r"no pg_hba\.conf entry .*no encryption",
        "the server must let this user in from this host without encryption",
        "Add ?sslmode=verify-full&sslrootcert=CA.crt to the URL if its pg_hba.conf says hostssl, "
        "else ask its administrator for such a line.",
    ),
    (
        r"no pg_hba\.conf entry",
        "the server must let this user in from this host",
        "Ask its administrator for a line in pg_hba.conf.",
    ),
    (
        r"authentication failed|no password supplied|role .* does not exist|not permitted to log",
        "user and password must be right",
        "Correct them in the URL (write special characters as in %40 for @), or the password in "
        "the file that HPO_STORAGE_PASSWORD_FILE names.",
    ),
    (
        r"database .* does not exist",
        "the database must exist",
        "Create it with `createdb`, or correct its name in the URL.",
    ),
    (
        r"does not match host name",
        "the server's certificate must be made for the host name in the URL",
        "Write the name that the certificate bears, or have one made for this name "
        "(subjectAltName). Do not lower sslmode: this may be another server.",
    ),
    (
        r"certificate verify failed",
        "the server's certificate must be valid, and signed by the CA that sslrootcert names",
        "Get ca.crt from the server's administrator; if it is the right one, the certificate may "
        "have expired. Do not lower sslmode: this may be another server.",
    ),
    (
        r"root certificate file",
        "sslrootcert must name a readable file with the certificate of the server's CA",
        "Copy ca.crt from the server to this host, and give its path in the URL.",
    ),
    (
        r"support SSL|SSL was required",
        "the server must offer TLS, since sslmode in the URL asks for it",
        "Switch it on in its postgresql.conf (ssl = on, ssl_cert_file, ssl_key_file); nothing was "
        "sent in plain text.",
    ),
    (
        r"certificate|SSL error: (?!unexpected eof)",
        "an encrypted connection must be possible as asked for",
        "Check sslmode, sslrootcert and the like in the URL, or ask the server's administrator.",
    ),
    (
        r"invalid connection option|invalid \w+ value|bad value for",
        "what follows the ? must be options of libpq",
        "Correct or remove the option in the URL.",
    ),
)


def is_lasting(error: Exception) -> bool:
    """Whether a connection was refused for a reason that no time mends."""
    return any(re.search(pattern, said_by(error)) for pattern, _, _ in _REFUSALS)


def explained(error: Exception, place: str, timeout_s: float) -> StorageError:
    """What is wrong with a connection that failed within ``timeout_s``, and what to do.

    The error is psycopg's, or SQLAlchemy's around it; ``place`` is the database, for people.
    """
    words = said_by(error)
    for pattern, rule, remedy in _REFUSALS:
        if re.search(pattern, words):
            return StorageError(f"{place}: {rule}, but got: {words}. {remedy}")
    return StorageError(
        f"{place}: the server must accept connections within {timeout_s} s, but got: {words}. "
        "Check host and port in the URL, that the server runs, and that no firewall is between."
    )


def said_by(error: Exception) -> str:
    """What the driver said, on one line, without its advice: some of it is not to be followed."""
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig else error
    words = re.sub(r"Is the server running[^?]*\?|Either provide the file.*", "", str(cause))
    return " ".join(words.split())[:500].rstrip(".")
