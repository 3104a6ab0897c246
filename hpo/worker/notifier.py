"""Tells people of studies, beside the training: what is to be told is told once, by one worker."""

from __future__ import annotations

import logging
import os
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from hpo import config
from hpo.config import ConfigError, NotifyDefaults
from hpo.ledger.events import Notice, Notices
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.postgres.retry import is_passing
from hpo.views import json_records

log = logging.getLogger(__name__)

EVERY_S = 60.0
END_S = 5.0
"""A worker that ends waits so long until its last look is over: its launch kills it after 10 s."""
TIMEOUT_S = 8.0
"""Of an attempt."""
PAUSES_S = (1.0, 5.0, 0.0)
"""After each attempt, if it failed."""
_LONGEST = 300
"""Of a text, which may be the subject of a mail."""
_TEXTS = {Notice.DONE: "is done", Notice.FAILED: "has failed"}


def configured() -> NotifyDefaults | None:
    """Who is to be told, as far as ``hpo.toml`` and the environment say; else None."""
    try:
        notify = config.load().notify
    except ConfigError as error:  # trials can be trained without
        log.warning("nobody is notified: %s", error)
        return None
    return notify if notify.command or notify.webhook else None


class Notifier(threading.Thread):
    """Looks every minute, and when its worker ends, for what nobody has been told yet."""

    def __init__(
        self, storage: Storage, ledger: Ledger, notify: NotifyDefaults, study: str | None
    ) -> None:
        """A daemon thread; ``start`` begins. It tells of one study, or of all."""
        super().__init__(name="notifier", daemon=True)
        self._notify, self._study = notify, study
        self._notices, self._ledger = Notices(storage.engine), ledger.impatient()
        self._ended = threading.Event()

    def run(self) -> None:
        """Look until ``end``, and once more."""
        while not self._ended.wait(EVERY_S):
            self.look()
        self.look()

    def end(self) -> None:
        """Look a last time; training is over."""
        self._ended.set()
        if self.is_alive():
            self.join(END_S)

    def look(self) -> None:
        """Tell what is to be told; trouble is a line in the log."""
        try:
            for study, notice in self._notices.due(self._study):
                if self._notices.claim(study, notice):
                    self._notices.settle(study, notice, self._tell(study, notice))
        except Exception as error:
            if not is_passing(error):  # of a database that is away, the worker tells
                log.warning("nobody could be notified: %s", _why(error))

    def _tell(self, study: str, notice: Notice) -> bool:
        """Tell by every way that there is, holding no connection; whether all went well."""
        try:
            record = json_records.study(self._ledger.result(study))
        except Exception as error:
            if is_passing(error):
                raise  # who looks when the claim is over tries again
            log.warning("not notified: %s, %s: %s", study, notice, _why(error))
            return False
        text = " ".join(f"{study} {_TEXTS[notice]}: {record['verdict']}".split())[:_LONGEST]
        body = json_records.dumps({"event": notice, "text": text, **record})
        ways: list[Callable[[], object]] = []
        if self._notify.command:
            ways.append(partial(_run, self._notify.command, body, text))
        if self._notify.webhook:
            ways.append(partial(_post, self._notify.webhook, body))
        return all([self._went(way, f"{study}, {notice}") for way in ways])

    def _went(self, way: Callable[[], object], what: str) -> bool:
        """Go a way, again if it fails; whether that has worked."""
        for pause_s in PAUSES_S:
            try:
                _within(TIMEOUT_S + 1.0, way)
            except Exception as error:  # whatever it is, training goes on
                trouble = _why(error)
                self._ended.wait(pause_s)
            else:
                log.info("notified: %s", what)
                return True
        log.warning("not notified: %s: %s", what, trouble)
        return False


def _within(seconds: float, way: Callable[[], object]) -> None:
    """Go a way, and leave it if it hangs.

    Raises:
        TimeoutError: it has not ended by then.
    """
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="notice")
    try:
        pool.submit(way).result(seconds)
    finally:
        pool.shutdown(wait=False)


def _why(error: Exception) -> str:
    """What went wrong, without the command, which may hold what is secret."""
    if isinstance(error, subprocess.CalledProcessError):
        return f"exit status {error.returncode}"
    if isinstance(error, TimeoutError | subprocess.TimeoutExpired):
        return f"no end within {TIMEOUT_S:g} s"
    return " ".join(str(error).split())[:200]


def _run(command: str, body: str, text: str) -> None:
    """Run a command of the shell; what it says on stderr is in the worker's log."""
    subprocess.run(
        command,
        shell=True,
        input=body.encode(),
        stdout=subprocess.DEVNULL,
        env={**os.environ, "HPO_TEXT": text},
        timeout=TIMEOUT_S,
        check=True,
    )


def _post(address: str, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, body.encode(), headers)
    try:
        urllib.request.urlopen(request, timeout=TIMEOUT_S).close()
    except urllib.error.HTTPError as refusal:  # an open connection, too
        refusal.close()
        raise
