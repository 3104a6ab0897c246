"""A command at a terminal of 24 lines by 80 characters."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from typing import Any


class Terminal:
    """A process at a terminal; ``start`` gets its three streams."""

    def __init__(self, start: Callable[..., subprocess.Popen[Any]]) -> None:
        """Start the process."""
        self._end, its_end = pty.openpty()
        fcntl.ioctl(its_end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = start(stdin=its_end, stdout=its_end, stderr=its_end)
        os.close(its_end)
        self.said, self._read = "", 0

    def shows(self, text: str, timeout_s: float = 60.0) -> bool:
        """Read on until a text appears after the last one, or fail."""
        deadline = time.monotonic() + timeout_s
        while (place := self.said.find(text, self._read)) < 0:
            assert time.monotonic() < deadline, self.said[-3000:]
            if select.select([self._end], [], [], 0.2)[0]:
                self.said += os.read(self._end, 65536).decode(errors="replace")
        self._read = place + len(text)
        return True

    def write(self, text: str) -> None:
        """Type a text."""
        os.write(self._end, text.encode())

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        os.close(self._end)
