"""Who makes the artifacts of a finished study: one worker, once, between two trials."""

from __future__ import annotations

import logging
import traceback

from hpo.errors import HpoError, StorageError, StudyError
from hpo.ledger.artifacts import ArtifactStore, Edition
from hpo.ledger.ledger import Ledger
from hpo.postgres.retry import is_passing
from hpo.worker.artifacts import make
from hpo.worker.heartbeat import Heartbeat
from hpo.worker.trial import StoppedError
from objectives.contract import UnavailableError

log = logging.getLogger(__name__)

_MESSAGE_CHARS = 4000
_LACKING = (HpoError, UnavailableError, OSError, MemoryError)
"""What says that another host may have what this one lacks: data, a GPU, room on its disk."""


class ArtifactMaker:
    """Makes the artifacts of finished studies for one worker."""

    def __init__(self, ledger: Ledger, store: ArtifactStore, heart: Heartbeat) -> None:
        """Nothing is made yet; artifacts will go into the ``store``, in the ledger's database."""
        self._ledger, self._store, self._heart = ledger, store, heart
        self._worker = heart.worker
        self._refused: set[str] = set()
        self._doing = ""

    def keep(self, study: str | None = None) -> bool:
        """Make the artifacts of a study that is finished; whether it worked at any.

        Of this ``study`` alone; without it, of the first one that nobody else is at.
        """
        for name in self._store.due():
            wanted = study in (None, name) and name not in self._refused
            if wanted and self._keep_alone(name):
                return True
        return False

    def _keep_alone(self, name: str) -> bool:
        try:
            edition = self._store.begin(name, self._worker, self._heart.options.lease_s)
        except StudyError as error:
            self._refuse(name, error)
            return False
        if edition is None:
            return False
        try:
            self._keep(edition)
        finally:
            self._store.release(edition)
        return True

    def _keep(self, edition: Edition) -> None:
        name = edition.name
        try:
            snapshot = self._ledger.result(name, curves=True)
            self._doing = f"keeps the {make.what(snapshot.spec)} of {name}"
            self._heart.say(self._doing)
            made = make.make(snapshot, self._ledger.overlays(snapshot.spec), self._say)
            kept = self._store.replace(edition, made)
            what = f"{len(made)} artifacts" if kept else "it has gone on meanwhile"
            log.info("%s: %s", name, what)
        except StoppedError:
            log.info("%s: its artifacts are left to the next worker", name)
            self._store.leave(edition)
        except StorageError:
            raise
        except _LACKING as error:
            self._refuse(name, error)
            why = f"{self._worker}: {str(error) or type(error).__name__}"
            self._store.leave(edition, why)
        except Exception as error:
            if is_passing(error):
                raise
            why = traceback.format_exc()[-_MESSAGE_CHARS:]
            log.exception("%s: its artifacts cannot be made", name)
            self._store.fail(edition, why)

    def _refuse(self, name: str, error: Exception) -> None:
        log.warning("%s: its artifacts are left to other hosts: %s", name, error)
        self._refused.add(name)

    def _say(self, text: str) -> None:
        self._heart.say(self._doing)
        if self._heart.stopping:
            raise StoppedError
