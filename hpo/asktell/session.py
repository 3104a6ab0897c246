"""The trials that one process evaluates itself: ``study.ask()`` and ``study.tell()``.

A process may hold several trials, each as a client of its own: ``user@host-1``, and so
on. A lock on a file keeps two processes from being the same client; it ends with its
process, so that the next one takes over what that had asked.
"""

from __future__ import annotations

import os
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from hpo.asktell.client import LEASE_S, Asked, Client
from hpo.errors import StudyError, expected
from hpo.ledger import events
from hpo.postgres import locks
from hpo.postgres.connect import Storage
from hpo.study.ask_and_tell import AskedSlot
from hpo.study.tables import ParamValue
from hpo.study.trials import SlotState

POLL_S = (0.1, 2.0)
"""Shortest and longest pause while other clients must tell first."""
_STATES = (SlotState.COMPLETE, SlotState.FAILED, SlotState.PRUNED)


@dataclass(frozen=True)
class AskedTrial:
    """A trial that you evaluate yourself; ``study.ask()`` returns it."""

    number: int
    """Number of the trial of the search."""
    params: Mapping[str, ParamValue]
    repetition: int | None
    """Which repetition of the trial it is, from 1, if it confirms it; else None."""
    lease_s: float
    """Seconds until another client may be asked for it."""
    _client: Client

    def renew(self, lease_s: float = LEASE_S) -> None:
        """Keep the trial for some seconds from now on.

        Raises:
            StudyError: another client has it now, or its value is told.
        """
        self._client.renew(self.slot, lease_s)

    @property
    def slot(self) -> AskedSlot:
        """Which trial it is."""
        return AskedSlot(self.number, self.repetition)


class Session:
    """What this process has asked of a study, and not told yet."""

    def __init__(self, storage: Storage, study: str) -> None:
        """Ask for nothing yet."""
        self._storage = storage
        self._study = study
        self._free: list[Client] = []
        self._held: dict[AskedSlot, Client] = {}
        self._locks: list[int] = []
        weakref.finalize(self, _close, self._locks)

    @property
    def n_held(self) -> int:
        """Number of trials that are asked, and not told."""
        return len(self._held)

    def ask(self, lease_s: float = LEASE_S) -> AskedTrial | None:
        """Return the next trial, None if the study is done; wait while other clients
        must tell first.

        Raises:
            StudyError: this process must tell first; the study has failed or was
                stopped; or workers evaluate it.
        """
        client = self._free.pop() if self._free else self._new_client()
        shortest_s, longest_s = POLL_S
        pause_s = shortest_s
        try:
            while True:
                asked = client.ask(lease_s)
                if isinstance(asked, Asked):
                    self._held[asked.slot] = client
                    return _trial(asked, client)
                if asked.done:
                    return None
                if self._held:
                    told = ", ".join(map(str, self._held))
                    raise StudyError(
                        f"{asked.reason}. Tell the values of what you have asked first:"
                        f" trial {told}."
                    )
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, longest_s)
        finally:
            if client not in self._held.values():
                self._free.append(client)

    def _new_client(self) -> Client:
        """Return the first client that no living process is."""
        for number in count(1):
            name = f"{events.name_user()}-{number}"
            file = f"hpo-{os.getuid()}-{self._study}-{number}.lock"
            lock = locks.try_lock(Path(tempfile.gettempdir(), file))
            if lock is not None:
                self._locks.append(lock)
                return Client(self._storage, self._study, name)
        raise AssertionError

    def tell(
        self,
        trial: AskedTrial | int | str,
        values: float | Sequence[float] | None,
        *,
        sd: float | None,
        state: str | None,
    ) -> None:
        """Tell the values of a trial; see ``Study.tell``."""
        slot = _slot(trial)
        ended = state or SlotState.COMPLETE
        if ended not in _STATES:
            rule = '"complete", "failed" or "pruned"'
            raise StudyError(expected("tell: state", rule, repr(state), "Change it."))
        if values is None:
            told: tuple[float, ...] = ()
        elif isinstance(values, Sequence):
            told = tuple(map(float, values))
        else:
            told = (float(values),)
        client = self._held.get(slot)
        if client is None:
            client = Client(self._storage, self._study)
        client.tell(slot, told, sd=sd, state=SlotState(ended))
        if slot in self._held:
            self._free.append(self._held.pop(slot))


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _trial(asked: Asked, client: Client) -> AskedTrial:
    return AskedTrial(
        number=asked.slot.number,
        params=dict(asked.params),
        repetition=asked.slot.repetition,
        lease_s=asked.lease_s,
        _client=client,
    )


def _slot(trial: AskedTrial | int | str) -> AskedSlot:
    """Return the slot of a trial, or of its number.

    Raises:
        StudyError: it is neither.
    """
    if isinstance(trial, AskedTrial):
        return trial.slot
    try:
        return AskedSlot.read(str(trial))
    except ValueError:
        rule = 'a trial of study.ask(), or its number, such as 17 or "7.3"'
        raise StudyError(expected("tell", rule, repr(trial), "Change it.")) from None
