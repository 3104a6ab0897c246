"""A way to tell people that hangs, or fails with what is secret."""

from __future__ import annotations

import subprocess
import threading
import time

import pytest

from hpo.worker.notifier import _why, _within

COMMAND = "curl -H 'Authorization: secret' https://example.org"


def test_a_way_that_hangs_is_left() -> None:
    release = threading.Event()
    began_s = time.monotonic()
    with pytest.raises(TimeoutError):
        _within(0.5, release.wait)
    assert time.monotonic() - began_s < 5.0
    release.set()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("no such host"), "no such host"),
        (TimeoutError(), "no end within 8 s"),
        (subprocess.TimeoutExpired(COMMAND, 8.0), "no end within 8 s"),
        (subprocess.CalledProcessError(22, COMMAND), "exit status 22"),
    ],
)
def test_why_it_failed_is_told_without_the_command_which_may_hold_a_token(
    error: Exception, told: str
) -> None:
    def way() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        _within(5.0, way)
    assert _why(caught.value) == told
