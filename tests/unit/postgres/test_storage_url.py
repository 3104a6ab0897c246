from pathlib import Path

import pytest

from hpo import settings
from hpo.errors import StorageError
from hpo.postgres.url import parse_url, password_from_file


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_spelling_means_psycopg(scheme: str) -> None:
    url = parse_url(f" {scheme}://me:s%40cret@host:6000/studies?sslmode=require\n")
    assert url.drivername == "postgresql+psycopg"
    assert (url.username, url.password, url.host, url.port) == ("me", "s@cret", "host", 6000)
    assert (url.database, url.query) == ("studies", {"sslmode": "require"})


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("sqlite:///studies.db", "scheme=sqlite"),
        ("mysql+pymysql://me:geheim@host/db", "scheme=mysql+pymysql"),
        ("redis://:geheim@host", "scheme=redis"),
        ("postgresql+psycopg2://me:geheim@host/db", "scheme=postgresql+psycopg2"),
        ("/data/geheim.db", "no URL"),
        ("geheim", "no URL"),
        ("host=localhost password=geheim", "no URL"),
        ("", "no URL"),
    ],
)
def test_only_postgresql_is_taken(text: str, got: str) -> None:
    with pytest.raises(StorageError) as caught:
        parse_url(text, "HPO_STORAGE")
    assert str(caught.value) == (
        f"HPO_STORAGE: the storage must be a PostgreSQL database, but got {got}. Many workers "
        "share a study, and their leases need row locks, which files and other databases do not "
        "give. Use a URL like postgresql://user:password@host:5432/database, or none for the "
        "embedded server."
    )


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:ge@heim@host/db",
        "postgresql://me@host:geheim/db",
        "postgresql://me:1:geheim",
    ],
)
def test_a_malformed_url_is_not_repeated(text: str) -> None:
    with pytest.raises(StorageError) as caught:
        parse_url(text)
    assert str(caught.value) == (
        "storage URL: the URL must read like postgresql://user:password@host:5432/database, but "
        "got one that cannot be taken apart. Write special characters of the password as in %40 "
        "for @, %2F for / and %3A for :."
    )
    assert "heim" not in str(caught.value.__cause__)


def test_home_is_what_the_user_chose(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HPO_HOME", str(tmp_path / "a b"))
    assert settings.home() == tmp_path / "a b"
    monkeypatch.setenv("HPO_HOME", "relative")
    assert settings.home() == Path.cwd() / "relative"


def test_the_default_home_of_root_is_within_reach_of_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HPO_HOME", raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert settings.home() == Path("/var/lib/hpo")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert settings.home() == tmp_path / "hpo"


def test_an_empty_variable_is_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPO_STORAGE", "")
    monkeypatch.setenv("HPO_SERVER_USER", "")
    assert settings.storage_url() is None
    assert settings.server_user() is None


# --- a password in a file ------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HPO_STORAGE_PASSWORD_FILE", str(tmp_path / "password"))
    return tmp_path / "password"


@pytest.mark.parametrize("text", ["ge heim", "ge heim\n", "ge heim\r\n"])
def test_a_password_is_read_from_its_file(file: Path, text: str) -> None:
    file.write_text(text)
    assert password_from_file(parse_url("postgresql://me@host/db")) == "ge heim"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:own@host/db",
        "postgresql://me@host/db?password=own",
        "postgresql://me@host/db?passfile=/some/file",
    ],
)
def test_a_password_of_the_url_needs_no_file(file: Path, url: str) -> None:
    assert password_from_file(parse_url(url)) is None


def test_without_the_variable_there_is_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPO_STORAGE_PASSWORD_FILE", "")
    assert password_from_file(parse_url("postgresql://me@host/db")) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "0 lines"), (b"  \n", "an empty line"), (b"geheim\nsehr geheim\n", "2 lines")],
)
def test_a_file_that_is_no_password_is_refused(file: Path, content: bytes, said: str) -> None:
    file.write_bytes(content)
    with pytest.raises(StorageError) as caught:
        password_from_file(parse_url("postgresql://me@host/db"))
    assert str(caught.value) == (
        "HPO_STORAGE_PASSWORD_FILE: the file must hold the password and nothing else, on one line, "
        f"but got {file} with {said}. Write it anew."
    )


@pytest.mark.parametrize("content", [None, b"\xff\xfegeheim"])
def test_a_file_that_cannot_be_read_is_refused(file: Path, content: bytes | None) -> None:
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(StorageError) as caught:
        password_from_file(parse_url("postgresql://me@host/db"))
    why = "No such file or directory" if content is None else "not UTF-8 text"
    assert str(caught.value) == (
        f"HPO_STORAGE_PASSWORD_FILE: the file must be readable, but got {file}: {why}. Correct the "
        "path, or let this user read it."
    )
