"""What commands have in common."""

from __future__ import annotations

import subprocess
import sys

FULL = """
import resource
with open("/proc/self/statm") as file:
    size = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size, size))
"""
LATER = """
import time
from hpo.console import later
{before}
later(0.1, print, "called")
print("goes on", flush=True)
time.sleep(1.0)
"""


def say(before: str) -> list[str]:
    line = [sys.executable, "-c", LATER.format(before=before)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split("\n")[:-1]


def test_a_process_goes_on_where_memory_suffices_for_no_thread() -> None:
    assert say("") == ["goes on", "called"]
    assert say(FULL) == ["goes on"]
