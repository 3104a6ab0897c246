"""A way to tell people that hangs, or fails with what is secret."""

from __future__ import annotations

import subprocess
import threading
import time

import pytest

from hpo.worker.notifier import _why, _within


def test_a_way_that_hangs_is_left() -> None:
    release = threading.Event()
    began_s = time.monotonic()
    with pytest.raises(TimeoutError) as caught:
        _within(0.5, release.wait)
    assert time.monotonic() - began_s < 5.0
    assert _why(caught.value) == "no end within 8 s"
    release.set()


def test_what_goes_wrong_on_the_way_is_raised() -> None:
    def way() -> None:
        raise ValueError("no such host")

    with pytest.raises(ValueError, match="no such host") as caught:
        _within(5.0, way)
    assert _why(caught.value) == "no such host"


def test_a_command_is_not_told_since_it_may_hold_a_token() -> None:
    command = "curl -H 'Authorization: secret' https://example.org"
    assert _why(subprocess.CalledProcessError(22, command)) == "exit status 22"
    assert _why(subprocess.TimeoutExpired(command, 8.0)) == "no end within 8 s"
