"""Ways to tell people that fail: with what is secret, or without an end."""

from __future__ import annotations

import subprocess

import pytest

from hpo.worker.notifier import _why

COMMAND = "curl -H 'Authorization: secret' https://example.org"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no such host"), "no such host"),
        (subprocess.TimeoutExpired(COMMAND, 8.0), "timed out after 8 s"),
        (TimeoutError(), "timed out after 8 s"),
        (subprocess.CalledProcessError(22, COMMAND), "exit status 22"),
    ],
)
def test_a_failure_is_logged_without_the_command(error: Exception, text: str) -> None:
    assert _why(error) == text
