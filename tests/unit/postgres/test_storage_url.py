"""The URL of a database, its password in a file, and where the embedded server
lives."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hpo import settings
from hpo.errors import StorageError
from hpo.postgres.urls import parse_url, password_from_file, place


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_spelling_means_psycopg(scheme: str) -> None:
    url = parse_url(f" {scheme}://me:s%40cret@host:6000/studies?sslmode=require\n", "x")
    assert (
        url.render_as_string(hide_password=False)
        == "postgresql+psycopg://me:s%40cret@host:6000/studies?sslmode=require"
    )


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("mysql+pymysql://me:geheim@host/db", "scheme=mysql+pymysql"),
        ("/data/geheim.db", "no URL"),
        ("host=localhost password=geheim", "no URL"),
        ("", "no URL"),
    ],
)
def test_only_postgresql_is_taken(text: str, got: str) -> None:
    with pytest.raises(StorageError) as caught:
        parse_url(text, "HPO_STORAGE")
    assert (
        str(caught.value)
        == f"HPO_STORAGE: expected the URL of a PostgreSQL database, got {got}. Workers"
        " share a study through leases, which need row locks; files and other"
        " databases have none. Use a URL like"
        " postgresql://user:password@host:5432/database, or none for the embedded"
        " server."
    )


@pytest.mark.parametrize(
    "rest", ["me:ge@heim@host/db", "me@host:geheim/db", "me:1:geheim"]
)
def test_a_malformed_url_is_not_repeated(rest: str) -> None:
    with pytest.raises(StorageError) as caught:
        parse_url(f"postgresql://{rest}", "storage URL")
    assert (
        str(caught.value) == "storage URL: expected a URL like"
        " postgresql://user:password@host:5432/database, got one that cannot be"
        " parsed. Write special characters of the password as in %40 for @, %2F for"
        " / and %3A for :."
    )
    assert "heim" not in str(caught.value.__cause__)


def test_home_is_what_the_user_chose(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HPO_HOME", str(tmp_path / "a b"))
    assert settings.home() == tmp_path / "a b"
    monkeypatch.setenv("HPO_HOME", "relative")
    assert settings.home() == Path.cwd() / "relative"
    monkeypatch.delenv("HPO_HOME")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert settings.home() == Path("/var/lib/hpo")  # within reach of others
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert settings.home() == tmp_path / "hpo"


def test_a_service_of_a_file_is_named_and_no_default_address() -> None:
    url = parse_url("postgresql:///?service=lab", "x")
    assert place(url) == "the database of the service lab"


def test_an_empty_variable_is_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HPO_STORAGE", "HPO_SERVER_USER", "HPO_STORAGE_PASSWORD_FILE"):
        monkeypatch.setenv(name, "")
    assert settings.storage_url() is None
    assert settings.server_user() is None
    assert password_from_file(parse_url("postgresql://me@host/db", "x")) is None


# --- a password in a file ---


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HPO_STORAGE_PASSWORD_FILE", str(tmp_path / "password"))
    return tmp_path / "password"


@pytest.mark.parametrize("text", ["ge heim", "ge heim\n", "ge heim\r\n"])
def test_a_password_is_read_from_its_file(file: Path, text: str) -> None:
    file.write_text(text)
    assert password_from_file(parse_url("postgresql://me@host/db", "x")) == "ge heim"
    for own in (
        "me:own@host/db",
        "me@host/db?password=own",
        "me@host/db?passfile=/some/file",
    ):
        assert password_from_file(parse_url(f"postgresql://{own}", "x")) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            None,
            (
                "cannot read {}: No such file or directory. Correct the path, or let"
                " this user"
            ),
        ),
        (
            b"\xff\xfegeheim",
            "cannot read {}: not UTF-8 text. Correct the path, or let this user",
        ),
        (b" \n", "expected the password alone, on one line of {}, got an empty line."),
        (b"geheim\ngeheim\n", "alone, on one line of {}, got 2 lines."),
        (b"|", "of {}, got 0 lines. Write it again, as a plain file."),
    ],
)
def test_a_file_that_is_no_password_is_refused(
    file: Path, content: bytes | None, said: str
) -> None:
    if content == b"|":
        os.mkfifo(file)  # into which nobody writes
    elif content is not None:
        file.write_bytes(content)
    with pytest.raises(StorageError, match=r"^HPO_STORAGE_PASSWORD_FILE: ") as caught:
        password_from_file(parse_url("postgresql://me@host/db", "x"))
    assert said.format(file) in str(caught.value)
    assert "geheim" not in str(caught.value)
