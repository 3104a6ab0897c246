"""The work of a launch: register the study, start workers, follow, report."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stderr, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from rich.console import Console

from hpo.console import Terminated
from hpo.errors import HpoError, StorageError, advise
from hpo.launch import executors, from_data, plan
from hpo.launch.ending import LaunchEnd, say
from hpo.launch.options import ChosenStudy, LaunchOptions
from hpo.ledger import interventions
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import FULL, Storage, open_storage
from hpo.postgres.retry import (
    DATABASE_ERRORS,
    Outage,
    outage_text,
    retry,
)
from hpo.script import refuse_while_imported
from hpo.study import file
from hpo.study.python_values import address
from hpo.study.result import Result
from hpo.study.trials import StudyState, WorkerInfo
from hpo.views.sentences import formatting, refusals
from hpo.views.terminal import status
from hpo.views.terminal.live import QUIET_S, JsonView, PlainView, View
from hpo.views.terminal.screen import Cell, LiveView, TerminalScreen

if TYPE_CHECKING:
    from hpo.notebook import Study

POLL_S = (0.4, 10.0)
STARTED_S = 10.0
"""Time after which workers that have started are at work, if they can connect."""
"""Shortest and longest pause between two queries of the study."""
PATIENCE_S = 120.0
"""How long the first and the last query retry while the database is unreachable."""


def run(arguments: Namespace) -> int:
    """Run a launch and return its exit status.

    Args:
        arguments: the parsed command line of ``hpo.launch.__main__``.

    Raises:
        HpoError: the study file, the database or the workers cannot be used.
    """
    study = ChosenStudy.of_line(arguments)
    study.check()
    options = LaunchOptions.of_line(arguments)
    executors.check(options.site)
    if arguments.dry_run:
        plan.DryRun(study, options).show()
        return 0
    with sigterm_as_interrupt(), open_storage(options.storage) as storage:
        return Launch(options, study, storage).run()


def from_python(
    study: str | Path | Mapping[str, Any] | Callable[..., Any] | None,
    tables: Mapping[str, Any],
    *,
    data: Any,
    workers: int | None,
    storage: str | None,
) -> Study:
    """Run a launch from a notebook or script; see ``hpo.launch.launch``."""
    from hpo import notebook

    refuse_while_imported()
    if callable(study):
        study = address(study, "hpo.launch")
    with from_data.added(study, tables, data) as given:
        chosen = ChosenStudy.of_call(study, given)
        chosen.check()
    again = f"hpo.launch({chosen.where!r})"
    if tables or data is not None or isinstance(study, Mapping):
        again = "hpo.launch(…), with the same study"
    options = LaunchOptions.of_call(again, workers=workers, storage=storage)
    executors.check(options.site)
    with sigterm_as_interrupt(), open_storage(storage) as opened:
        try:
            with redirect_stderr(sys.stdout) if options.in_cell else nullcontext():
                Launch(options, chosen, opened).run()
        except Terminated:
            raise
        except KeyboardInterrupt:  # stopped in order, with a message
            pass
        return notebook.load(chosen.spec.name, storage)


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM stop a launch as Ctrl-C does, if this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(signum: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Launch:
    """One launch on an open database."""

    def __init__(
        self, options: LaunchOptions, study: ChosenStudy, storage: Storage
    ) -> None:
        """Start nothing yet."""
        self._options = options
        self._study = study
        self._spec = study.spec
        self._name = study.spec.name
        self._storage = storage
        self._patient = Ledger(storage, patience_s=PATIENCE_S, on_wait=_database_away)
        self._ledger = self._patient.impatient()
        self._executor = executors.executor(options, self._name, storage.url)
        self._ending = LaunchEnd(options, self._name, self._patient, self._executor)
        self._latest: Result
        self._may_take_over = False
        """Whether it began without workers, since those of others serve the study."""
        self._told_cancelled = False
        self._told_limit = False
        self._looks_s = math.inf
        """Monotonic time to look for workers that no connection is left to."""
        self._trouble: Exception | None = None
        """The error of the last query."""
        self._outage = Outage(math.inf, standing=True)

    def run(self) -> int:
        """Run the study to its end, and return the exit status.

        Raises:
            HpoError: another study has this name, it failed or was stopped, or no
                worker can run.
        """
        data = plan.describe_data(self._spec)
        how = self._patient.register(self._spec)
        self._patient.stand()
        first = self._latest = self._patient.result(self._name)
        if self._is_over(first):
            return self._nothing_to_run(first)
        is_new = how == "created"
        place = retry(self._storage.describe, patience_s=PATIENCE_S, standing=True)
        if self._spec.is_ask_and_tell:
            say(f"{self._name}: {how} in {place}")
            say(f"next: {status.next_step(first, self._options.storage_option)}")
            return 0
        workers = self._workers(first)
        say(f"{self._name}: {how} in {place}")
        for line in self._beginning(first, is_new=is_new):
            say(line)
        for line in data:
            say(line)
        if workers:
            say(self._executor.where(workers))
        elif not first.snapshot.helpers:
            say(self._how_to_start_a_worker(first))
        view = self._view(first)
        try:
            try:
                self._start(workers, is_new=is_new)
                outcome = self._follow(view)
            finally:
                view.close()
            return self._ending.finish(outcome)
        except KeyboardInterrupt as wish:
            self._ending.interrupt(wish, self._latest)
            raise
        except Exception as error:
            if isinstance(error, StorageError) or not isinstance(error, HpoError):
                self._ending.leave()  # the workers did not cause it
            raise
        finally:
            self._executor.stop()

    def _nothing_to_run(self, first: Result) -> int:
        """Report on a study that is over, and show it in Optuna's tools."""
        end = "finished already"
        if first.state in (StudyState.FAILED, StudyState.STOPPED):
            end = f"{first.state}, until `{advise('hpo resume', 'study.resume()')}`"
        say(f"{self._name}: {end}; nothing left to run")
        if first.state == StudyState.DONE:  # if its last worker died before this step
            from hpo.worker import notifier

            with suppress(Exception):
                notifier.show_in_optuna(self._storage, self._name)
        return self._ending.finish(first.state)

    def _start(self, workers: int, *, is_new: bool) -> None:
        """Start workers, and write into the file of a new study where it begins.

        Raises:
            HpoError: workers cannot run; a new study is removed again.
        """
        self._looks_s = time.monotonic() + STARTED_S
        try:
            self._executor.start(workers)
        except HpoError:
            if is_new:  # else shared workers would run it
                with suppress(HpoError, *DATABASE_ERRORS):
                    if interventions.withdraw(self._ledger, self._name):
                        say(f"{self._name}: removed again, since no worker could start")
            raise
        spec = self._latest.spec
        if is_new and self._study.keeps_beginning:
            # not before: a removed study leaves no trace
            table = file.keep_beginning(spec, Path(self._study.where))
            what = f"[{table}] written"
            if table is None:
                what = (
                    "--begin-from not written (the file has one, or is read-only): use"
                    " it next time, too"
                )
            say(f"{self._study.where}: {what}")

    def _beginning(self, first: Result, *, is_new: bool) -> Iterator[str]:
        """Yield where the search begins, or could begin."""
        spec = first.spec
        text = formatting.beginning_text(spec)
        if text:
            yield text
        if text or not is_new:
            return
        for name, score, is_same_task in self._patient.find_earlier(spec)[:1]:
            task = "this task" if is_same_task else "another task"
            best = formatting.score_text(spec, score)
            table = f"warm_start={{'study': {name!r}}}"
            if spec.can_transfer:
                table = f"transfer={{'studies': {name!r}}}"
            begin = advise(f"--begin-from {name} --name NEW", f"{table}, name='other'")
            yield f"{name} has searched {task} (best: {best}); to begin there: {begin}"

    def _is_over(self, result: Result) -> bool:
        if result.state != StudyState.OPEN:
            return True
        searched = result.progress.finished >= result.progress.trials
        return searched and not self._options.confirm

    def _workers(self, first: Result) -> int:
        """Return the number of workers to start; none where others serve the study."""
        workers = self._options.site.launch.workers
        if workers is not None:
            return workers
        helpers = len(self._helpers(first))
        if helpers:
            say(
                f"workers serve this study already ({helpers}): starting none here"
                f" ({advise('--workers', 'workers=')})"
            )
            self._may_take_over = self._storage.embedded
            return 0
        return plan.default_workers(self._spec)

    def _helpers(self, result: Result) -> list[WorkerInfo]:
        """Return the workers of others that serve the study.

        Those on the embedded server are processes of this host: one that was killed
        counts no more, though its last heartbeat is recent.
        """
        helpers = result.snapshot.helpers
        if not self._storage.embedded:
            return helpers
        return [worker for worker in helpers if _is_running(worker.pid)]

    def _how_to_start_a_worker(self, result: Result) -> str:
        command = f"hpo worker {self._name}"
        if not self._storage.embedded:
            command = f"with HPO_STORAGE set to this database: {command}"
        refused = refusals.refusals(self._name, result.snapshot.workers)
        if refused:
            lines = [f"{self._name}: {text}" for text in refused]
            return "\n".join([*lines, f"fix that, or start some, {command}"])
        return f"no worker serves this study; start some, {command}"

    def _view(self, first: Result) -> View:
        """Return the view of the running study."""
        if self._options.json:
            return JsonView(first)
        place = self._storage.place()
        if self._options.in_cell:
            return LiveView(first, Cell(), storage=place)
        console = Console(file=sys.stdout)
        if sys.stdout.isatty() and not console.is_dumb_terminal:
            return LiveView(first, TerminalScreen(console), storage=place)
        return PlainView(first)

    def _follow(self, view: View) -> str:
        """Show the study to its end or the timeout, and return its state or
        ``timeout``."""
        deadline_s = self._ending.deadline_s
        lonely_s = time.monotonic()
        outages = _Outages(self._storage)
        refused = False
        while True:
            query_s = time.monotonic()
            result = self._query()
            for event in outages.tell(self._trouble):
                view.note(event)
            if result is not None:
                self._latest = result
                view.update(result)
                if self._is_over(result):
                    return result.state
                for event in [*self._poll(result), *self._take_over(result)]:
                    view.note(event)
                for event in self._count_connections(result):
                    view.note(event)
            now = time.monotonic()
            if now >= deadline_s:
                return "timeout"
            snapshot = self._latest.snapshot
            if self._executor.alive or snapshot.helpers:
                lonely_s = now
                refused = False
            elif now - lonely_s >= QUIET_S or (snapshot.refusing and not refused):
                view.note(self._how_to_start_a_worker(self._latest))
                lonely_s = now
                refused = bool(snapshot.refusing)
            pause_s = 30 * (now - query_s)  # 3 % of a core
            time.sleep(min(POLL_S[1], max(POLL_S[0], pause_s)))

    def _poll(self, result: Result) -> list[str]:
        """Look after the workers, and return events.

        Raises:
            HpoError: workers cannot run; or their jobs were cancelled, and no other
                worker serves the study.
        """
        try:
            return self._executor.poll()
        except executors.CancelledError as error:
            if not result.snapshot.helpers:
                raise
            if self._told_cancelled:
                return []
            self._told_cancelled = True
            return [f"{error} Other workers still serve the study."]

    def _take_over(self, result: Result) -> Iterator[str]:
        """Start workers, and say so, once those that served the study are gone.

        Workers elsewhere may come back; those on the embedded server were of this host.
        """
        if not self._may_take_over or result.snapshot.helpers:
            return
        self._may_take_over = False
        workers = plan.default_workers(self._spec)
        self._executor.start(workers)
        where = self._executor.where(workers)
        yield f"the workers that served this study are gone: {where}"

    def _count_connections(self, result: Result) -> Iterator[str]:
        """Say once that workers wait since this user may have no more connections."""
        if self._told_limit or time.monotonic() < self._looks_s:
            return
        self._looks_s = time.monotonic() + STARTED_S
        waiting = self._executor.alive - len(result.snapshot.helpers)
        if waiting <= 0:
            return
        limit = None
        with suppress(*DATABASE_ERRORS):
            limit = self._storage.limit_reached()
        if limit is None:
            return
        self._told_limit = True
        workers = formatting.plural(self._executor.alive, "worker")
        yield (
            f"no connection is left to this user (its limit is {limit}): {waiting} of"
            f" {workers} cannot begin, and try again. Start fewer workers, raise the"
            " limit (docker/worker-role.sql -v connections=N), or put a pooler in"
            " front."
        )

    def _query(self) -> Result | None:
        """Return the study as it is now; None during an outage, however long, or an
        hour at most without rights."""
        try:
            result = self._ledger.result(self._name)
        except Exception as error:
            self._outage.check(error)
            self._trouble = error
            return None
        self._trouble = None
        self._outage = Outage(math.inf, standing=True)
        return result


class _Outages:
    """Tells once that the database is away or has no room, and once that it is back."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._told = ""

    def tell(self, outage: Exception | None) -> Iterator[str]:
        """Yield what has changed, by the error of the last query."""
        full = self._storage.full_disk()
        now = ""
        if outage is not None:
            now = f"{outage_text(outage)}, retrying"
        elif full is not None:
            now = f"{full}: {FULL}"
        if now != self._told:
            self._told = now
            yield now or "the database is back"


def _is_running(pid: int) -> bool:
    """Return whether a process of this host runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def _database_away(waited_s: float, error: Exception) -> None:
    if not waited_s:
        say(f"{outage_text(error)}, retrying")
