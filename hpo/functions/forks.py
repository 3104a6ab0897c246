"""Processes that a function forks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ending_forks() -> Iterator[None]:
    """End a process that the function has forked, and that would go on as the worker
    does."""
    worker = os.getpid()
    status = 0
    try:
        yield
    except SystemExit as error:
        status = int(error.code is not None)
        if isinstance(error.code, int):
            status = error.code
        raise
    except BaseException:
        status = 1
        raise
    finally:
        if os.getpid() != worker:
            sys.stdout.flush()
            os._exit(status)
