"""A user's code in our process: what it does to the process ends with it.

It may end the process, fork, handle signals, and set rounding, limits or the
environment. Here, its attempts to end the process are errors, a process that it forks
ends with the block, and everything else is put back. What a module sets as it is
imported is set again while its functions run, and only then.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from hpo.contract.process_state import Interruptions, Settings, in_main_thread

_end_process = os._exit
_inside: list[tuple[int, int]] = []
"""Process and thread of each block in progress."""
_kept: dict[str, Settings] = {}
"""What each module has set as it was imported."""
_damage: list[str] = []


class ExitedError(Exception):
    """A user's code has tried to end the process; the text says how."""


class _LeavingError(BaseException):
    """Leaves the user's code, which may catch ``Exception``."""


@contextmanager
def importing(module: str) -> Iterator[None]:
    """Contain the import of a user's module, and keep its settings for ``calling``.

    Raises:
        ExitedError: the module tried to end the process.
    """
    with _putting_back(), _keeping_alive():
        yield
        _kept[module] = Settings.read()


@contextmanager
def calling(module: str) -> Iterator[None]:
    """Contain a call of what a user's module defines, with the settings of the module.

    Raises:
        ExitedError: the code tried to end the process.
    """
    with _putting_back(), _keeping_alive():
        if module in _kept:
            _kept[module].apply()
        yield


def list_damage() -> list[str]:
    """Return what could not be put back in this process, in words."""
    return list(_damage)


@contextmanager
def _putting_back() -> Iterator[None]:
    settings = Settings.read()
    interruptions = Interruptions.read() if in_main_thread() else None
    try:
        yield
    finally:
        _damage.extend(settings.apply())
        if interruptions is not None:
            _damage.extend(interruptions.apply())


@contextmanager
def _keeping_alive() -> Iterator[None]:
    """Make errors of attempts to end this process; end a process that was forked."""
    process = os.getpid()
    status = 0
    os._exit = _leave_or_end
    block = (process, threading.get_ident())
    _inside.append(block)
    try:
        yield
    except _LeavingError as error:
        raise ExitedError(str(error)) from None
    except SystemExit as error:
        status = _read_status(error)
        raise ExitedError(f"called sys.exit({error.code!r})") from error
    except KeyboardInterrupt:
        status = 1
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            raise  # somebody has pressed Ctrl-C
        raise ExitedError("raised KeyboardInterrupt") from None
    except BaseException:
        status = 1
        raise
    finally:
        if os.getpid() != process:
            sys.stdout.flush()
            _end_process(status)
        _inside.remove(block)


def _leave_or_end(status: int) -> NoReturn:
    """Leave the user's code that calls ``os._exit``; end the process for others."""
    if (os.getpid(), threading.get_ident()) in _inside:
        raise _LeavingError(f"called os._exit({status})")
    _end_process(status)


def _read_status(error: SystemExit) -> int:
    """Return the status with which a process would end."""
    if isinstance(error.code, int):
        return error.code
    return int(error.code is not None)
