"""Does a study's first network repeat? Two processes train it for a few epochs."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from tempfile import TemporaryFile

from hpo.errors import one_line
from hpo.study.spec import StudySpec

log = logging.getLogger(__name__)

LONGEST_S = 600.0
"""Longest time that both may take; then nothing is known."""
_POLL_S = 0.1


def find_differences(
    spec: StudySpec, should_stop: Callable[[], bool]
) -> list[str] | None:
    """Return what differs between two trainings of the first network, in words; None if
    they cannot be made, or once ``should_stop`` returns True."""
    order = {"study": spec.stored(), "about": spec.about.stored()}
    with TemporaryFile() as given, TemporaryFile() as found, TemporaryFile() as said:
        given.write(json.dumps(order).encode())
        given.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "hpo.check.repeats"],
            stdin=given,
            stdout=found,
            stderr=said,
            start_new_session=True,
        )
        ended = _wait(process, should_stop)
        if not ended:
            return None
        found.seek(0)
        said.seek(0)
        text = found.read().decode()
        if process.returncode == 0 and text:
            differences: list[str] = json.loads(text)
            return differences
        why = one_line(said.read().decode(errors="replace")[-300:])
        log.warning("cannot compare two trainings of %s: %s", spec.name, why)
        return None


def _wait(process: subprocess.Popen[bytes], should_stop: Callable[[], bool]) -> bool:
    """Wait for the end of a process; kill it, and those it has started, if it is to
    stop or takes too long. Return whether it has ended by itself."""
    deadline_s = time.monotonic() + LONGEST_S
    while process.poll() is None:
        if should_stop() or time.monotonic() > deadline_s:
            os.killpg(process.pid, 9)
            process.wait()
            return False
        time.sleep(_POLL_S)
    return True
