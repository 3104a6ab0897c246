"""The heartbeat of a worker: its lease is prolonged, and orders reach it, while it trains."""

from __future__ import annotations

import faulthandler
import logging
import math
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from hpo.config import NotifyDefaults
from hpo.console import later
from hpo.errors import printable
from hpo.ledger.claims import Claim, LeaseLostError
from hpo.ledger.ledger import Ledger
from hpo.postgres.retry import is_passing, said_by
from hpo.settings import LEASE_S
from hpo.study.trials import WorkerState
from hpo.worker.crew import ALONE_S, HUNG, RELEASE_S

log = logging.getLogger(__name__)
REFUSAL_S = 300.0
"""For so long a worker leaves out a study that its host cannot serve, such as for missing data."""


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """What a worker is asked to do."""

    study: str | None = None
    """Work for this study until it is over; without one, serve every open study for ever."""
    confirm: bool = True
    """Whether to run confirmation trainings, too."""
    lease_s: float = LEASE_S
    parent_pid: int | None = None
    """Stop when this process is gone."""
    heartbeat_file: Path | None = None
    """Touched by every heartbeat that reached the database, for whoever watches the process."""
    refusal_s: float = REFUSAL_S
    log: str | None = None
    """The file that its output goes to, for whoever looks for it."""
    notify: NotifyDefaults | None = None
    """Who is told of studies."""
    hung_s: float = math.inf
    """A worker that says nothing for so long, while it beats, ends itself: its objective hangs."""


class Heartbeat(threading.Thread):
    """Tells the database that the worker lives, beside the training: three times per lease, and no
    less often where leases are long, for orders reach it so."""

    def __init__(self, worker: str, options: WorkerOptions) -> None:
        """A daemon thread; ``begin`` starts it."""
        super().__init__(name="heartbeat", daemon=True)
        self.worker, self.options = worker, options
        self._claim: Claim | None = None
        self._beat_s = min(options.lease_s, LEASE_S) / 3
        self._ended = threading.Event()
        self._mutex = threading.Lock()
        self.stop_requested = threading.Event()
        self.lost = False
        """Whether the lease of the claim has passed to another worker."""
        self.closed = False
        """Whether the study of the claim was stopped, or has failed."""
        self.left_out: dict[str, tuple[str, float]] = {}
        """Studies that this host cannot serve: why, and until when they are not tried again, in
        monotonic time."""
        self._away = self._alone = False
        self._state, self._doing = WorkerState.IDLE, "starting"
        self._silent_s = 0.0
        self._heard_s = self._cut_off_s = time.monotonic()
        self._clock: datetime | None = None

    @property
    def stopping(self) -> bool:
        """Whether the worker is to keep its training safe, and to give up its slot."""
        return self.stop_requested.is_set() or self.closed

    def say(self, text: str, state: WorkerState = WorkerState.WORKING) -> None:
        """Say what the worker does, and what it does not: of interest to who waits for a study."""
        refused = (f"refuses {study}: {why}" for study, (why, _) in self.left_out.items())
        self._state, self._doing = state, "; ".join([text, *refused])
        self._silent_s = 0.0

    def leave_out(self, study: str, why: str) -> None:
        """Claim none of a study's slots for a while: other hosts may have what this one lacks."""
        why = printable(why, "\n")  # it goes into the database, which takes no other text
        log.warning("leaving out study %s: %s", study, why)
        self.left_out[study] = why, time.monotonic() + self.options.refusal_s

    def in_touch(self, clock: datetime | None = None) -> bool:
        """Whether this worker lives, and could reach the database, for a whole lease.

        One that was paused may ask before its heart has noticed: not having heard counts, too. With
        the time by the database's ``clock``, also whether that was not set since the last beat: the
        others have not renewed their leases by it.
        """
        now, lease_s = time.monotonic(), self.options.lease_s
        in_touch = now - self._cut_off_s > lease_s >= now - self._heard_s
        return in_touch and (clock is None or self._is_steady(clock))

    def _is_steady(self, clock: datetime) -> bool:
        """Whether the database's clock went on as this host's did, to a third of a lease."""
        passed_s = time.monotonic() - self._heard_s
        by_it_s = (clock - (self._clock or clock)).total_seconds()
        return self._clock is None or abs(by_it_s - passed_s) <= self.options.lease_s / 3

    def begin(self, ledger: Ledger) -> None:
        """Beat from now on, in this ledger; it should raise at once if the database is away."""
        self._ledger = ledger
        self._heard()
        self.start()

    def hold(self, claim: Claim | None) -> None:
        """Renew this claim from now on; None holds nothing. Waits for a beat under way."""
        with self._mutex:
            self._claim, self.lost, self.closed = claim, False, False

    def run(self) -> None:
        """Beat until ``end``."""
        while not self._ended.wait(self._beat_s):
            self._beat()
            self._silent_s += self._beat_s  # while paused, it does not grow
            if self._silent_s > self.options.hung_s:
                silent = f"no sign of life for {self._silent_s:,.0f} s (HPO_EPOCH_LIMIT)"
                self.end_all(silent, HUNG)
            if self.options.parent_pid not in (None, os.getppid()) and not self._alone:
                log.warning("the launcher is gone: stopping")
                self._alone = True
                self.stop_requested.set()
                later(ALONE_S, self.end_all, f"not stopped within {ALONE_S:g} s", 0)

    def end_all(self, what: str, status: int) -> NoReturn:
        """End the process, whatever it does, and leave its slot to others: as lost, unless 0."""
        later(RELEASE_S, os._exit, status)
        log.critical("%s from %s: ending. Where it hangs:", what, self._doing)
        faulthandler.dump_traceback(all_threads=True)
        with self._mutex, suppress(Exception):  # else it is lost without a reason
            if self._claim is not None and status:
                self._ledger.lose(self._claim, what)
            elif self._claim is not None:
                self._ledger.release(self._claim)
        os._exit(status)

    def _beat(self) -> None:
        with self._mutex:
            try:
                is_open, clock = self._ledger.renew(
                    self.worker,
                    self._claim,
                    doing=self._doing,
                    lease_s=self.options.lease_s,
                    state=self._state,
                    refuses={study: why for study, (why, _) in self.left_out.items()},
                )
                self.closed = not is_open
                if not self._is_steady(clock):
                    log.warning("the database's clock was set: running trials are left alone")
                    self._cut_off_s = time.monotonic()
                self._clock = clock
            except LeaseLostError as error:
                log.warning("%s", error)
                self.lost, self._clock = True, None
            except Exception as error:  # training goes on, and the next beat tries again
                if not (self._away and is_passing(error)):  # told once: the worker waits, too
                    unknown = not is_passing(error)
                    log.warning("no heartbeat: %s", said_by(error)[:200], exc_info=unknown)
                self._away, self._cut_off_s = True, time.monotonic()
                return
        if self._away:
            log.info("the database answers again")
        self._away = False
        self._heard()

    def _heard(self) -> None:
        now = time.monotonic()
        if now - self._heard_s > self.options.lease_s:  # it hung, or this process was paused
            self._cut_off_s = now
        self._heard_s = now
        if self.options.heartbeat_file is not None:
            self.options.heartbeat_file.touch()

    def end(self) -> None:
        """Stop beating."""
        self._ended.set()
        if self.is_alive():
            self.join(timeout=self.options.lease_s)
