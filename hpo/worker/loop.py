"""The worker's loop: claim, work, settle, until the work is done or it is told to stop."""

from __future__ import annotations

import logging
import os
import platform
import time
import uuid
from contextlib import suppress
from itertools import groupby
from operator import itemgetter

from hpo import objectives, settings
from hpo.console import later
from hpo.errors import HpoError, StorageError, StudyError, printable
from hpo.ledger.claims import Claim, LeaseLostError, Over, Wait
from hpo.ledger.ledger import Ledger
from hpo.objectives.contract import UnavailableError
from hpo.postgres.connect import Storage
from hpo.postgres.retry import DATABASE_ERRORS, Patience, is_passing, said_by
from hpo.search import options
from hpo.study.trials import Phase, WorkerState
from hpo.worker import notifier, provenance
from hpo.worker.heartbeat import Heartbeat, WorkerOptions
from hpo.worker.notifier import Notifier
from hpo.worker.trial import StoppedError, TrialRun

log = logging.getLogger(__name__)

PATIENCE_S = 3600.0
"""For so long a worker waits for a database that is away."""
STOP_PATIENCE_S = 3.0
"""For so long if it was told to stop; what it could not write down is done again."""

TRIES = 3
"""Attempts at the baselines of a study by workers of one slot: these may kill a worker."""
_POLL_S = (0.1, 2.0)
_LONGEST_NAME = 200


def _is_of_one_study(error: Exception) -> bool:
    """Whether it says nothing of the database, nor of this worker: other studies may be served."""
    return not (isinstance(error, StorageError | StoppedError) or is_passing(error))


class Worker:
    """One worker: it holds one slot at a time."""

    def __init__(self, storage: Storage, options: WorkerOptions, name: str | None = None) -> None:
        """Nothing happens before ``run``.

        Raises:
            StudyError: it cannot be called so.
        """
        self._options, self._storage = options, storage
        self._gave_up = False
        whose = f"{options.study}@" if options.study else ""  # without @: serves every study
        host = platform.node()
        self.name = name or f"{whose}{host}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        if not self.name.isprintable() or len(self.name) > _LONGEST_NAME:
            raise StudyError(
                f"worker: its name must have at most {_LONGEST_NAME} characters, all of which can "
                f"be printed, but got name={self.name[:80]!r}. Give it another one: --name NAME."
            )
        self._heart = Heartbeat(self.name, options)
        self._numerics: str = provenance.of_this_process()["numerics"]
        patience = Patience(patience_s=PATIENCE_S, on_wait=self._database_away, pause=self._pause)
        self._ledger = Ledger(storage, **patience)
        told, study = options.notify, options.study
        self._notifier = None if told is None else Notifier(storage, self._ledger, told, study)

    def stop(self, grace_s: float | None = None) -> None:
        """Ask it to stop: it keeps its training safe, releases its slot and returns.

        With ``grace_s``, end this process after that time, whatever it waits for.
        """
        self._heart.stop_requested.set()
        if grace_s is not None:
            why = f"not stopped within {grace_s:g} s"
            later(grace_s, self._heart.end_all, why, 0)

    def run(self) -> None:
        """Work until the work is over, or ``stop``.

        Raises:
            StudyError: there is no such study, or this host cannot serve it.
        """
        refusal: str | None = None
        try:
            if self._notifier is not None:
                self._notifier.start()
            about = {"host": platform.node(), "pid": os.getpid(), "job": settings.job()}
            about |= {"numerics": self._numerics, "log": self._options.log}
            about |= {"lease_s": self._options.lease_s, "serves": self._options.study}
            self._ledger.register_worker(self.name, **about)
            self._heart.begin(self._ledger.impatient())
            refusal = self._loop()
            self._heart.end()
            self._ledger.deregister_worker(self.name, refused=refusal)
        except StoppedError:
            log.warning("stopped while the database is away: the lease will run out")
        except StudyError as error:  # deleted, or refused: this worker ends, it is not lost
            self._heart.end()
            self._ledger.deregister_worker(self.name, refused=printable(str(error), "\n"))
            raise
        finally:
            self._heart.end()
            if self._notifier is not None:
                self._notifier.end()
        if refusal is not None:
            raise StudyError(refusal)

    def _loop(self) -> str | None:
        """Work; returns why this host refuses the one study that it was to serve, if it does."""
        pause_s, only = _POLL_S[0], self._options.study
        while not self._heart.stop_requested.is_set():
            found = self._claim_fairly() if only is None else self._claim_from(only)
            if isinstance(found, Claim):
                self._work(found)
                if only in self._heart.left_out:
                    return f"refuses {only}: {self._heart.left_out[only][0]}"
                pause_s = _POLL_S[0]
            elif isinstance(found, Over):
                log.info("%s", found.reason)
                return None
            else:
                self._heart.say(f"waits: {found.reason}", WorkerState.WAITING)
                self._heart.stop_requested.wait(pause_s)
                pause_s = _POLL_S[0] if found.stale else min(2 * pause_s, _POLL_S[1])
        return None

    def _claim_fairly(self) -> Claim | Wait:
        waits, stale, studies = [], False, self._ledger.open_studies()
        self._heart.left_out = {
            name: self._heart.left_out[name] for name, *_ in studies if name in self._heart.left_out
        }
        for _, equals in groupby(studies, itemgetter(2)):
            for name, at_work, _ in equals:
                found = self._claim_unless_refused(name, at_work)
                if isinstance(found, Claim):
                    return found
                if isinstance(found, Wait):
                    waits.append(found.reason)
                    stale = stale or found.stale
            if stale:  # there may be work still of a higher priority than of those that are left
                break
        return Wait("; ".join(waits) or "no study is open", stale)

    def _claim_unless_refused(self, study: str, at_work: int) -> Claim | Wait | Over:
        refusal, until_s = self._heart.left_out.get(study, ("", 0.0))
        if time.monotonic() < until_s:
            return Over(refusal)
        try:
            found = self._claim_from(study, at_work)
        except Exception as error:  # this host, or nobody, can read it; or it was deleted meanwhile
            if not _is_of_one_study(error):
                raise
            if not isinstance(error, HpoError):  # nobody has foreseen it: its traceback is wanted
                log.exception("study %s cannot be claimed from", study)
            self._heart.leave_out(study, str(error))
            return Over(str(error))
        self._heart.left_out.pop(study, None)
        return found

    def _claim_from(self, study: str, at_work: int | None = None) -> Claim | Wait | Over:
        found = self._ledger.claim(
            study,
            self.name,
            lease_s=self._options.lease_s,
            confirm=self._options.confirm,
            in_touch=self._heart.in_touch,
            at_work=at_work,
            numerics=self._numerics,
        )
        if isinstance(found, Over) and found.ended:
            self._show(study)
        return found

    def _show(self, study: str) -> None:
        """Show the result of a study that this worker has found finished to Optuna's tools."""
        try:
            notifier.show_in_optuna(self._storage, study)
        except Exception as error:  # whatever it is, the result stands in the ledger
            log.warning("%s is not shown in Optuna's tables: %s", study, said_by(error)[:200])

    def _work(self, claim: Claim) -> None:
        self._heart.hold(claim)
        begun, pause_s = time.monotonic(), 0.0
        try:
            self._look_after_baselines(claim)
            self._heart.say(str(claim))
            TrialRun(self._ledger, claim, self._heart).run()
            log.info("%s settled after %.1f s", claim, time.monotonic() - begun)
        except StoppedError:
            log.info("%s is left to the next worker", claim)
        except LeaseLostError as error:
            log.warning("%s; its result is not needed, taking other work", error)
        except UnavailableError as error:
            self._heart.leave_out(claim.spec.name, str(error))
        except (HpoError, *DATABASE_ERRORS) as error:
            if self._options.study is not None or not _is_of_one_study(error):
                raise
            with suppress(HpoError, *DATABASE_ERRORS):  # else its lease runs out, as of one lost
                self._ledger.release(claim)
            self._heart.leave_out(claim.spec.name, str(error))
        except MemoryError:
            pause_s = self._options.lease_s
            log.warning("%s: out of memory; leaving it to others for %.0f s", claim, pause_s)
            self._heart.say("waits: out of memory", WorkerState.WAITING)
        finally:
            self._heart.hold(None)
        self._heart.stop_requested.wait(pause_s)

    def _look_after_baselines(self, claim: Claim) -> None:
        """Work out the baselines of a study before its first trial, on which none depends.

        If that failed, the first fresh seed of a confirmation is the next chance.
        """
        number = claim.number if claim.phase == Phase.SEARCH else claim.fresh_seed
        if number > 0 or claim.attempt > TRIES or not self._ledger.lacks_baselines(claim.study_id):
            return
        self._heart.say(f"{claim}; the baselines of its study come first")
        spec, stops = claim.spec, lambda: self._heart.stopping
        networks = map(spec.params, options.extremes(spec))
        about = spec.objective_impl, networks, spec.task_params, spec.seed
        if (found := objectives.attempt_baselines(*about, stops)) is not None:
            self._ledger.store_baselines(claim.study_id, found)

    def _database_away(self, seconds: float, error: Exception) -> None:
        self._heart.say(f"waits: database unreachable for {seconds:.0f} s", WorkerState.WAITING)
        if seconds == 0.0:  # one line per outage
            log.warning("database unreachable for %.0f s: %s", seconds, said_by(error)[:200])
        if self._heart.stop_requested.is_set() and (self._gave_up or seconds >= STOP_PATIENCE_S):
            self._gave_up = True  # what else there is to write down is not waited for, either
            raise StoppedError from error

    def _pause(self, seconds: float) -> None:
        """Sleep, but wake up when told to stop, and ask the database more often then."""
        if self._heart.stop_requested.is_set():
            time.sleep(min(seconds, _POLL_S[0]))
        else:
            self._heart.stop_requested.wait(seconds)
