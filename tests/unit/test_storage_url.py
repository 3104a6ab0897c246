from pathlib import Path

import pytest

from hpo import settings
from hpo.errors import StorageError
from hpo.storageurl import parse_url


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
    assert settings.server_user() == "nobody"
