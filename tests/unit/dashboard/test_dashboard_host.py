"""What the dashboard needs of its host: its options, the file of its password, and a port."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from hpo.cli import main
from hpo.dashboard.passwords import read_password
from hpo.dashboard.server import _unusable, address_of, listen
from hpo.errors import HpoError


def test_the_password_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "password"
    for end in ("", "\n", "\r\n"):
        file.write_text("correct horse 123" + end, newline="")
        assert read_password(file) == "correct horse 123"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it must have at least 16 characters, but got FILE with 0."),
        (b"\n", "it must have at least 16 characters, but got FILE with 0."),
        (b"short\n", "it must have at least 16 characters, but got FILE with 5."),
        (b"two lines of\ntext here\n", "its file must hold one line without blanks around it, but"),
        (b"  blanks around  \n", "its file must hold one line without blanks around it, but got"),
        (b"\xff\xfe bytes of no text", "its file must be readable, but got FILE: it is no UTF-8"),
        (None, "its file must be readable, but got FILE: No such file or directory. Make one: "),
    ],
)
def test_a_file_without_a_password(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(HpoError) as caught:
        read_password(file)
    said = str(caught.value)
    assert said.startswith(f"dashboard password: {message}".replace("FILE", str(file)))
    assert said.endswith("Make one: (umask 077; openssl rand -base64 24 > dashboard-password)")


def test_a_port_that_is_taken() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        assert address_of(taken, "127.0.0.1") == f"http://127.0.0.1:{port}/"
        with pytest.raises(HpoError) as caught:
            listen("127.0.0.1", port)
    assert str(caught.value) == (
        f"dashboard at 127.0.0.1:{port}: the port must be free, but got: Address already in use. "
        f"Is another dashboard running there? Else choose one: --port {port + 1}."
    )


def test_a_port_that_only_root_may_open() -> None:
    assert _unusable(PermissionError(errno.EACCES, "Permission denied"), 80) == (
        "this user must be allowed to open the port",
        "Choose one above 1023: --port 8080.",
    )


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("192.0.2.77", "an address of this machine, but got: Cannot assign requested address"),
        ("no such name", "a name or an address of this machine, but got host=no such name: "),
    ],
)
def test_a_host_that_is_not_this_machine(host: str, text: str) -> None:
    with pytest.raises(HpoError) as caught:
        listen(host, 8080)
    assert str(caught.value).startswith(f"dashboard at {host}:8080: --host must be {text}")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["--port", "70000"], "argument --port: must be at most 65535, but got 70000"),
        (["--port", "-1"], "argument --port: must be at least 0, but got -1"),
        (
            ["--allowed-host", "labserver:8080"],
            "argument --allowed-host: must be a name without a port, but got 'labserver:8080'",
        ),
        (
            ["--trusted-proxy", "10.0.0.0/8"],
            "argument --trusted-proxy: must be an address in digits, but got '10.0.0.0/8'",
        ),
    ],
)
def test_what_the_command_line_refuses(
    capsys: pytest.CaptureFixture[str], line: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main(["dashboard", *line])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
