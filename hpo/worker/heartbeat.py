"""The heartbeat of a worker: renews its lease and receives requests while it trains."""

from __future__ import annotations

import logging
import math
import os
import sys
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from hpo.config import NotifyDefaults
from hpo.console import later
from hpo.ledger.claim_records import Claim, LeaseLostError
from hpo.ledger.ledger import Ledger
from hpo.postgres.retry import may_come_back, said_by
from hpo.settings import BEATS_PER_LEASE, LEASE_S
from hpo.study.trials import WorkerState
from hpo.worker.crew import ALONE_S, IN_ORDER, RELEASE_S, SPOILED
from hpo.worker.refusals import Refusals

log = logging.getLogger(__name__)
REFUSAL_S = 300.0
"""Time that a worker skips a study that its host cannot serve, for instance for missing
data; after running out of memory it waits no longer than this."""


class StoppedError(Exception):
    """The worker has a request to stop; the slot is saved and free for the next
    worker."""


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """Options of a worker."""

    study: str | None = None
    """Serve this study until it is over; None serves every open study for ever."""
    confirm: bool = True
    """Run confirmation trainings, too."""
    lease_s: float = LEASE_S
    parent_pid: int | None = None
    """Stop when this process is gone."""
    heartbeat_file: Path | None = None
    """File that each heartbeat touches if it reached the database, for health
    checks."""
    refusal_s: float = REFUSAL_S
    log: str | None = None
    """File that its output goes to, as `hpo status` shows it."""
    notify: NotifyDefaults | None = None
    """Where notifications go; None sends none."""
    standing: bool = False
    """Wait for missing roles and rights from the beginning."""
    hung_s: float = math.inf
    """A worker without progress for this long ends itself: its objective hangs."""


def _list_stacks() -> str:
    """Return where each thread of this process is."""
    frames = sys._current_frames()
    stacks = []
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        lines = traceback.format_stack(frame) if frame else []
        stacks.append(f"Thread {thread.name}:\n{''.join(lines)}")
    return "\n".join(stacks)


class Heartbeat(threading.Thread):
    """Thread that renews the lease beside the training: three times per lease, or as
    often as with the default lease if that is shorter, since requests to stop arrive
    this way."""

    def __init__(self, worker: str, options: WorkerOptions) -> None:
        """Create a daemon thread, which ``begin`` starts."""
        super().__init__(name="heartbeat", daemon=True)
        self.worker = worker
        self.options = options
        self._claim: Claim | None = None
        self._beat_s = min(options.lease_s, LEASE_S) / BEATS_PER_LEASE
        self._ended = threading.Event()
        self._mutex = threading.Lock()
        self.stop_requested = threading.Event()
        self.lost = False
        """Another worker holds the lease of the claim now."""
        self.closed = False
        """The study of the claim was stopped, or has failed."""
        self.refusals = Refusals(options.refusal_s)
        self._away = False
        self._alone = False
        self._state = WorkerState.IDLE
        self._doing = "starting"
        self._silent_s = 0.0
        self._heard_s = time.monotonic()
        self._cut_off_s = self._heard_s
        self._clock: datetime | None = None

    @property
    def stopping(self) -> bool:
        """Return whether the worker should save a checkpoint and give up its slot."""
        return self.stop_requested.is_set() or self.closed

    def say(self, text: str, state: WorkerState = WorkerState.WORKING) -> None:
        """Set what views show: what the worker does, and which studies it refuses."""
        if self.refusals.reasons:
            text += f"; refuses {', '.join(self.refusals.reasons)}"
        self._state = state
        self._doing = text
        self._silent_s = 0.0

    def say_waiting(self, what: str) -> None:
        """Set what views show while the worker waits in the middle of its work."""
        text = f"waits: {what}"
        if self._claim is not None:
            text = f"{self._claim}; {text}"
        self.say(text, WorkerState.WAITING)

    def in_touch(self, clock: datetime | None = None) -> bool:
        """Return whether this worker could reach the database for a whole lease.

        A worker that was paused may ask before its next beat, so the time since the
        last answer counts, too. With ``clock``, the database's time, also check that it
        was not set since the last beat: other workers have not renewed their leases by
        the new time.
        """
        now = time.monotonic()
        lease_s = self.options.lease_s
        if now - self._heard_s > lease_s or now - self._cut_off_s <= lease_s:
            return False
        return clock is None or self._is_steady(clock)

    def _is_steady(self, clock: datetime) -> bool:
        """Return whether the database's clock and this host's agree to a heartbeat."""
        if self._clock is None:
            return True
        passed_s = time.monotonic() - self._heard_s
        database_s = (clock - self._clock).total_seconds()
        return abs(database_s - passed_s) <= self.options.lease_s / BEATS_PER_LEASE

    def begin(self, ledger: Ledger) -> None:
        """Start to beat; ``ledger`` should raise at once if the database is
        unreachable."""
        self._ledger = ledger
        self._heard()
        self.start()

    def hold(self, claim: Claim | None) -> None:
        """Renew this claim from now on, or none; wait for a beat in progress."""
        with self._mutex:
            self._claim = claim
            self.lost = False
            self.closed = False

    def run(self) -> None:
        """Beat until ``end``."""
        while not self._ended.wait(self._beat_s):
            self._beat()
            self._silent_s += self._beat_s  # while paused, it does not grow
            if self._silent_s > self.options.hung_s:
                silent = f"no sign of life for {self._silent_s:,.0f} s"
                self.end_all(f"{silent} (HPO_EPOCH_LIMIT)", SPOILED)
            if self.options.parent_pid not in (None, os.getppid()) and not self._alone:
                log.warning("the launcher is gone; stopping")
                self._alone = True
                self.stop_within(ALONE_S)

    def stop_within(self, seconds: float) -> None:
        """Request to stop; end the process after this time, even if it still waits."""
        self.stop_requested.set()
        status = 0 if self.options.parent_pid is None else IN_ORDER
        later(seconds, self.end_all, f"not stopped within {seconds:g} s", status)

    def end_all(self, what: str, status: int) -> NoReturn:
        """End the process at once and free its slot: as lost if ``status`` says so."""
        later(RELEASE_S, os._exit, status)
        log.critical(
            "%s from %s: ending. Where it hangs:\n%s", what, self._doing, _list_stacks()
        )
        with self._mutex, suppress(Exception):  # otherwise it is lost without a reason
            if self._claim is not None and status == SPOILED:
                self._ledger.lose(self._claim, what)
            elif self._claim is not None:
                self._ledger.release(self._claim)
        os._exit(status)

    def _beat(self) -> None:
        with self._mutex:
            try:
                self._renew()
            except LeaseLostError as error:
                log.warning("%s", error)
                self.lost = True
                self._clock = None
            except Exception as error:
                # training goes on, and the next beat tries again
                passes = may_come_back(error)
                if not self._away or not passes:  # one line per outage
                    why = said_by(error)[:200]
                    log.warning("no heartbeat: %s", why, exc_info=not passes)
                self._away = True
                self._cut_off_s = time.monotonic()
                return
        if self._away:
            log.info("the database answers again")
        self._away = False
        self._heard()

    def _renew(self) -> None:
        is_open, clock = self._ledger.renew(
            self.worker,
            self._claim,
            doing=self._doing,
            lease_s=self.options.lease_s,
            state=self._state,
            refuses=dict(self.refusals.reasons),
        )
        self.closed = not is_open
        if not self._is_steady(clock):
            log.warning("the database's clock was set; not taking over running trials")
            self._cut_off_s = time.monotonic()
        self._clock = clock

    def _heard(self) -> None:
        """Note that the database has answered, and touch the heartbeat file."""
        now = time.monotonic()
        if now - self._heard_s > self.options.lease_s:
            self._cut_off_s = now  # it hung, or this process was paused
        self._heard_s = now
        if self.options.heartbeat_file is not None:
            self.options.heartbeat_file.touch()

    def end(self) -> None:
        """Stop beating."""
        self._ended.set()
        if self.is_alive():
            self.join(timeout=self.options.lease_s)
