"""What the dashboard needs of its host: its options, the file of its password, and a
port."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpo.cli import main
from hpo.dashboard.password import read_password
from hpo.dashboard.server import address_of, listen
from hpo.errors import HpoError


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"\n", "another text of 0 characters"),
        (b"short\n", "another text of 5 characters"),
        (b"two lines of\ntext here\n", "another text of 22 characters"),
        (b"  blanks around  \n", "another text of 17 characters"),
        (b"\xff\xfe bytes of no text", "text that is not UTF-8"),
        (None, "No such file or directory"),
    ],
)
def test_the_password_is_one_line(
    tmp_path: Path, content: bytes | None, found: str
) -> None:
    file = tmp_path / "password"
    file.write_bytes(b"correct horse 123\r\n")
    assert read_password(file) == "correct horse 123"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(HpoError) as caught:
        read_password(file)
    assert (
        str(caught.value)
        == f"dashboard password in {file}: expected one line of at least 16 characters,"
        f" without spaces around it, got: {found}. Create one: (umask 077; openssl"
        " rand -base64 24 > dashboard-password)"
    )


def test_a_port_that_is_taken() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        assert address_of(taken, "127.0.0.1") == f"http://127.0.0.1:{port}/"
        with pytest.raises(HpoError) as caught:
            listen("127.0.0.1", port)
    assert (
        str(caught.value)
        == f"dashboard at 127.0.0.1:{port}: cannot listen: Address already in use. "
        "Use another port, or --port 0 for any free one."
    )


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("192.0.2.77", "Cannot assign requested address"),
        ("no such name", "Name or service not known"),
        ("x" * 64, ""),
    ],
)
def test_a_host_that_is_not_this_machine(host: str, found: str) -> None:
    with pytest.raises(HpoError) as caught:
        listen(host, 8080)
    assert str(caught.value).startswith(
        f"dashboard at {host}:8080: cannot listen: {found}"
    )


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--port", "70000", "expected a whole number from 0 to 65535, got '70000'"),
        (
            "--allowed-host",
            "bad host/",
            "expected a host such as labserver or [::1], got 'bad host/'",
        ),
        ("--trusted-proxy", "10.0.0.0/8", "invalid ip_address value"),
    ],
)
def test_what_the_command_line_refuses(
    capsys: pytest.CaptureFixture[str], option: str, value: str, message: str
) -> None:
    with pytest.raises(SystemExit):
        main.main(["dashboard", option, value])
    assert f"argument {option}: {message}" in capsys.readouterr().err
