"""The worker's loop: claim, work, settle, until the work is done or somebody stops
it."""

from __future__ import annotations

import logging
import os
import platform
import time
from contextlib import suppress
from itertools import groupby
from operator import itemgetter

from hpo import logs, objectives, settings
from hpo.contract import (
    ExitedError,
    UnavailableError,
    calling,
    explain_broken_host,
    list_damage,
)
from hpo.errors import (
    HpoError,
    SpecError,
    StorageError,
    StudyError,
    advise,
    printable,
)
from hpo.ledger.claim_records import Claim, LeaseLostError, Over, Wait
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.postgres.retry import (
    DATABASE_ERRORS,
    Patience,
    may_come_back,
    outage_text,
    said_by,
)
from hpo.search import options
from hpo.study.spec import StudySpec
from hpo.study.trials import Phase, WorkerState
from hpo.worker import notifier, provenance, repeats
from hpo.worker.crew import new_name
from hpo.worker.function_run import FunctionRun
from hpo.worker.heartbeat import Heartbeat, StoppedError, WorkerOptions
from hpo.worker.notifier import Notifier
from hpo.worker.trial import TrialRun

log = logging.getLogger(__name__)

PATIENCE_S = 3600.0
"""Longest wait of a worker for an unreachable database, or one that refuses it."""
STOP_PATIENCE_S = 3.0
"""Longest such wait after a request to stop; unwritten work is repeated later."""

TRIES = 3
"""Attempts of one slot at the baselines of its study, since these may kill a worker."""
AFTER_EXIT_S = 0.5
"""Time for others to take the trial whose objective has tried to end this process."""
_POLL_S = (0.1, 2.0)
_LONGEST_NAME = 200


def _concerns_one_study(error: Exception) -> bool:
    """Return whether an error concerns one study alone, so that others can be
    served."""
    if isinstance(error, StorageError | StoppedError):
        return False
    return not may_come_back(error)


class DamagedError(HpoError):
    """An objective has changed this process in a way that cannot be put back."""


def _explain_exit(claim: Claim, error: ExitedError) -> str:
    """Say what the objective of a claimed slot did, and what to do."""
    spec = claim.spec
    accept = advise(
        f"hpo resume {spec.name} --accept-code",
        f"hpo.load({spec.name!r}).accept_code()",
    )
    return (
        f"{spec.objective} {error} in a trial. Let it return, or raise an exception if"
        f" it fails; then: {accept}"
    )


def _module_of(spec: StudySpec) -> str:
    """Return the name of the module of an objective, for ``calling``."""
    if spec.is_function:
        return str(spec.script.path)
    return objectives.module_of(spec.objective)


def _refuse_damage(claim: Claim) -> None:
    """Refuse to go on in a process that an objective has changed for good.

    Raises:
        DamagedError: it has.
    """
    damage = list_damage()
    if damage:
        raise DamagedError(
            f"{claim.spec.objective} has changed {damage[0]} of this process, which"
            " cannot be put back: the worker ends, and the next one goes on"
        )


class Worker:
    """One worker: it holds one slot at a time."""

    def __init__(
        self, storage: Storage, options: WorkerOptions, name: str | None = None
    ) -> None:
        """Create a worker, which does nothing before ``run``.

        Raises:
            StudyError: its name is too long, or has characters that cannot be printed.
        """
        self._options = options
        self._storage = storage
        self._gave_up = False
        self._lost: str | None = None
        """Why the last slot was lost, if it was."""
        self.name = name or new_name(options.study)
        if not self.name.isprintable() or len(self.name) > _LONGEST_NAME:
            raise StudyError(
                f"worker: expected a name of at most {_LONGEST_NAME} printable"
                f" characters, got {self.name[:80]!r}. Choose another: --name NAME."
            )
        logs.of_worker(self.name)
        self._heart = Heartbeat(self.name, options)
        self._refusals = self._heart.refusals
        self._numerics: str = provenance.of_this_process()["numerics"]
        patience = Patience(
            patience_s=PATIENCE_S,
            on_wait=self._database_away,
            pause=self._pause,
            standing=options.standing,
        )
        self._ledger = Ledger(storage, **patience)
        self._outage = ""
        self._notifier: Notifier | None = None
        if options.notify is not None:
            self._notifier = Notifier(self._ledger, options.notify, options.study)

    def stop(self, grace_s: float | None = None) -> None:
        """Ask the worker to stop: it saves a checkpoint, releases its slot and returns.

        With ``grace_s``, end this process after that time, even if it still waits.
        """
        if grace_s is None:
            self._heart.stop_requested.set()
        else:
            self._heart.stop_within(grace_s)

    def run(self) -> None:
        """Work until there is nothing left to do, or ``stop`` is called.

        Raises:
            SpecError: its objective cannot be imported here.
            StudyError: there is no such study, this host cannot serve it, or its
                objective ends processes.
            DamagedError: this process should compute nothing more; another one may.
        """
        refusal: str | None = None
        try:
            if self._notifier is not None:
                self._notifier.start()
            self._ledger.register_worker(
                self.name,
                host=platform.node(),
                pid=os.getpid(),
                lease_s=self._options.lease_s,
                serves=self._options.study,
                job=settings.job(),
                log=self._options.log,
                numerics=self._numerics,
            )
            self._ledger.stand()
            self._heart.begin(self._ledger.impatient())
            self._leave_out_lost()
            refusal = self._loop()
            self._heart.end()
            self._ledger.deregister_worker(self.name, refused=refusal)
        except StoppedError:
            log.warning(
                "stopped while the database is unreachable; the lease will run out"
            )
        except (SpecError, StudyError, DamagedError) as error:
            # deleted, or refused: this worker ends, it is not lost
            self._heart.end()
            refused = printable(str(error), "\n")
            self._ledger.deregister_worker(self.name, refused=refused)
            raise
        finally:
            self._heart.end()
            if self._notifier is not None:
                self._notifier.end()
        if refusal is not None:
            raise StudyError(refusal)

    def _loop(self) -> str | None:
        """Claim and train slots; return why this host refuses its only study, or what
        ended its last slot, else None."""
        shortest_s, longest_s = _POLL_S
        pause_s = shortest_s
        only = self._options.study
        if only is not None:
            self._ledger.refuse_ask_and_tell(only)
        while not self._heart.stop_requested.is_set():
            if only in self._refusals.reasons:
                return f"refuses {only}: {self._refusals.reasons[only]}"
            answer = self._claim_fairly() if only is None else self._claim_from(only)
            if isinstance(answer, Claim):
                with logs.of_trial(answer.spec.name, answer.number):
                    self._work(answer)
                _refuse_damage(answer)
                pause_s = shortest_s
            elif isinstance(answer, Over):
                log.info("%s", answer.reason)
                return self._lost if answer.failed else None
            else:
                self._heart.say(f"waits: {answer.reason}", WorkerState.WAITING)
                self._heart.stop_requested.wait(pause_s)
                pause_s = min(2 * pause_s, longest_s)
                if answer.stale:
                    pause_s = shortest_s
        return None

    def _claim_fairly(self) -> Claim | Wait:
        waits = []
        stale = False
        studies = self._ledger.open_studies()
        self._refusals.keep([name for name, *_ in studies])
        for _, equals in groupby(studies, itemgetter(2)):
            for name, at_work, _, sources in equals:
                self._refusals.note_accepted(name, sources)
                answer = self._claim_unless_refused(name, at_work)
                if isinstance(answer, Claim):
                    return answer
                if isinstance(answer, Wait):
                    waits.append(answer.reason)
                    stale = stale or answer.stale
            # work of this priority may remain: look again before serving a lower one
            if stale:
                break
        return Wait("; ".join(waits) or "no study is open", stale)

    def _claim_unless_refused(self, study: str, at_work: int) -> Claim | Wait | Over:
        if self._refusals.lasts(study):
            return Over(self._refusals.reasons[study])
        try:
            answer = self._claim_from(study, at_work)
        except Exception as error:
            # unreadable, on this host or on any; or deleted meanwhile
            if not _concerns_one_study(error):
                raise
            if not isinstance(error, HpoError):  # unexpected: log its traceback
                about = {"study": study}
                log.exception("cannot claim from study %s", study, extra=about)
            self._refusals.add(study, str(error))
            return Over(str(error))
        self._refusals.forget(study)
        return answer

    def _claim_from(
        self, study: str, at_work: int | None = None
    ) -> Claim | Wait | Over:
        answer = self._ledger.claim(
            study,
            self.name,
            lease_s=self._options.lease_s,
            confirm=self._options.confirm,
            in_touch=self._heart.in_touch,
            at_work=at_work,
            numerics=self._numerics,
        )
        if isinstance(answer, Over) and answer.ended:
            self._show(study)
        return answer

    def _show(self, study: str) -> None:
        """Show the result of a study that has just finished in Optuna's tools."""
        try:
            notifier.show_in_optuna(self._storage, study)
        except Exception as error:  # of any kind: the result is safe in the ledger
            log.warning(
                "cannot show %s in Optuna's tables: %s", study, said_by(error)[:200]
            )

    def _work(self, claim: Claim) -> None:
        """Run a claimed slot to its end, or leave it to others."""
        self._heart.hold(claim)
        begun_s = time.monotonic()
        pause_s = 0.0
        try:
            with calling(_module_of(claim.spec)):
                self._compare_trainings(claim)
                self._compute_baselines(claim)
                self._heart.say(str(claim))
                run = FunctionRun if claim.spec.is_function else TrialRun
                run(self._ledger, claim, self._heart).run()
            self._lost = None
            log.info("%s finished after %.1f s", claim, time.monotonic() - begun_s)
        except ExitedError as error:
            self._lost = _explain_exit(claim, error)
            log.warning("%s is lost: %s", claim, self._lost)
            with suppress(LeaseLostError):
                self._ledger.lose(claim, self._lost)
            self._leave_out_lost()
            pause_s = AFTER_EXIT_S
        except StoppedError:
            log.info("%s is left to the next worker", claim)
        except LeaseLostError as error:
            log.warning("%s; taking other work", error)
        except UnavailableError as error:
            self._release(claim)
            self._leave_out(claim.spec.name, str(error))
        except (HpoError, *DATABASE_ERRORS) as error:
            if self._options.study is not None or not _concerns_one_study(error):
                raise
            self._release(claim)
            self._refusals.add(claim.spec.name, str(error))
        except MemoryError:
            pause_s = min(self._options.lease_s, self._options.refusal_s)
            log.warning(
                "%s: out of memory; leaving it to others for %.0f s", claim, pause_s
            )
            self._heart.say("waits: out of memory", WorkerState.WAITING)
            self._leave_out_lost()
        except Exception as error:
            lacks = explain_broken_host(error)
            if lacks is None:
                raise
            self._release(claim)
            self._leave_out(claim.spec.name, lacks)
        finally:
            self._heart.hold(None)
        self._heart.stop_requested.wait(pause_s)

    def _release(self, claim: Claim) -> None:
        """Leave a slot to hosts that may have what is missing here."""
        with suppress(HpoError, *DATABASE_ERRORS):  # otherwise its lease runs out
            self._ledger.release(claim)

    def _leave_out_lost(self) -> None:
        """Leave out the studies whose trials this host loses, and others finish."""
        lost = self._ledger.explain_losses_of(platform.node(), self._options.refusal_s)
        for study, why in lost.items():
            if self._options.study in (None, study):
                self._leave_out(study, why)

    def _leave_out(self, study: str, why: str) -> None:
        """Leave out a study that this host cannot serve; say so in its events."""
        self._refusals.add(study, why)
        with suppress(HpoError, *DATABASE_ERRORS):  # the log has it
            self._ledger.note_left_out(study, self._refusals.reasons[study])

    def _compare_trainings(self, claim: Claim) -> None:
        """Find out before the first trial whether its first network repeats; no trial
        depends on it."""
        is_first = claim.phase == Phase.SEARCH and claim.number == 0
        if not (is_first and claim.spec.has_class and settings.compares_trainings()):
            return
        if claim.attempt > 1 or not self._ledger.lacks_differences(claim.study_id):
            return

        def should_stop() -> bool:
            self._heart.say(f"{claim}; training its first network twice, to compare")
            return self._heart.stopping

        try:
            found = repeats.find_differences(claim.spec, should_stop)
        except OSError as error:  # no process or no file can be made
            log.warning("cannot compare two trainings of %s: %s", claim, error)
            return
        if found is not None:
            self._ledger.store_differences(claim.study_id, found)

    def _compute_baselines(self, claim: Claim) -> None:
        """Compute the baselines of a study before its first trial; no trial depends on
        them.

        If that fails, the first fresh seed of a confirmation tries again.
        """
        number = claim.number if claim.phase == Phase.SEARCH else claim.fresh_seed
        if number > 0 or claim.attempt > TRIES or claim.spec.is_function:
            return
        if not self._ledger.lacks_baselines(claim.study_id):
            return
        self._heart.say(f"{claim}; computing the baselines of its study first")
        spec = claim.spec
        splits = 1
        if spec.confirm is not None:
            splits = spec.confirm.splits
        baselines = objectives.attempt_baselines(
            spec.objective_impl,
            map(spec.params, options.extremes(spec)),
            [spec.task_params.on_split(k) for k in range(splits)],
            spec.seed,
            lambda: self._heart.stopping,
        )
        if baselines is not None:
            self._ledger.store_baselines(claim.study_id, baselines)

    def _database_away(self, seconds: float, error: Exception) -> None:
        """Say that the database is unreachable, or refuses this worker.

        Raises:
            StoppedError: a worker that was asked to stop has waited long enough.
        """
        outage = outage_text(error)
        waits = f"{outage} for {seconds:.0f} s"
        self._heart.say_waiting(waits)
        if seconds == 0.0 or outage != self._outage:  # one line per kind of outage
            self._outage = outage
            log.warning("%s: %s", waits, said_by(error)[:200])
        if not self._heart.stop_requested.is_set():
            return
        if self._gave_up or seconds >= STOP_PATIENCE_S:
            self._gave_up = True  # later writes do not wait, either
            raise StoppedError from error

    def _pause(self, seconds: float) -> None:
        """Sleep, but wake up on a request to stop, and then ask the database more
        often."""
        if self._heart.stop_requested.is_set():
            time.sleep(min(seconds, _POLL_S[0]))
        else:
            self._heart.stop_requested.wait(seconds)
