"""The work of a launch: register the study, start workers, follow, report."""

from __future__ import annotations

import shlex
import shutil
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from rich.console import Console

from hpo import config
from hpo.config import SiteConfig
from hpo.console import EXIT_ERROR, Terminated, storage_option
from hpo.errors import HpoError, StorageError
from hpo.launch import choose_executor, memory, plan
from hpo.launch.executors import GRACE_S, asked
from hpo.ledger import interventions
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage, open_storage
from hpo.postgres.retry import DATABASE_ERRORS, retry
from hpo.search import options
from hpo.study import file
from hpo.study.result import Result
from hpo.study.snapshot import StudyState
from hpo.study.spec import StudySpec
from hpo.views import json_records
from hpo.views.terminal import tables
from hpo.views.terminal.live import LiveView
from hpo.views.terminal.progress import QUIET_S, JsonView, PlainView, View

POLL_S = (0.4, 10.0)
"""Shortest and longest pause between two looks at the study."""
PATIENCE_S = 120.0
"""How long the first and the last look wait for a database that is away."""


def run(arguments: Namespace) -> int:
    """Run a launch and return its exit status.

    Raises:
        HpoError: the study file, the database or the workers are not as they must be.
    """
    given = {"name": arguments.name, "budget.trials": arguments.trials, "seed": arguments.seed}
    values = {key: value for key, value in given.items() if value is not None}
    spec = file.load(
        arguments.study, overrides=arguments.overrides, values=values, quick=arguments.quick
    )
    options.check(spec, str(file.find(arguments.study)))
    defaults = config.load(arguments)
    choose_executor.check(defaults)
    if arguments.dry_run:
        spec = plan.pinned(spec, arguments.storage)
        script = choose_executor.script(arguments, defaults, spec)
        plan.show(spec, arguments, defaults, script, plan.known_pace(spec, arguments.storage))
        return 0
    with sigterm_as_interrupt(), open_storage(arguments.storage) as storage:
        return Launch(arguments, defaults, spec, storage).run()


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """SIGTERM stops a launch just as Ctrl-C does."""

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
        self, arguments: Namespace, defaults: SiteConfig, spec: StudySpec, storage: Storage
    ) -> None:
        """Nothing is started yet; ``arguments`` are those of ``arguments.parser``."""
        self._arguments, self._spec, self._storage = arguments, spec, storage
        self._defaults, self._found = defaults.launch, plan.read(spec)
        self._option = storage_option(arguments.storage)
        self._patient = Ledger(
            storage,
            patience_s=PATIENCE_S,
            on_wait=lambda waited_s, _: (
                None if waited_s else _say("database unreachable, retrying")
            ),
        )
        self._ledger = self._patient.impatient()
        self._began_s = time.monotonic()
        self._executor = choose_executor.executor(arguments, defaults, spec, storage, self._ledger)

    def run(self) -> int:
        """Run it to its end; returns the exit status.

        Raises:
            HpoError: the study is another one, has failed or was stopped, or workers cannot live.
        """
        how = self._patient.register(self._spec)
        first = self._patient.result(self._spec.name)
        if self._is_over(first):
            end = {
                StudyState.FAILED: "failed, until `hpo retry` or `hpo resume`",
                StudyState.STOPPED: "stopped, until `hpo resume`",
            }.get(first.state, "finished already")
            _say(f"{self._spec.name}: {end}; nothing is left to run")
            return self._result(first.state)
        workers = self._workers(first)
        place = retry(self._storage.describe, patience_s=PATIENCE_S)
        _say(f"{self._spec.name}: {how} in {place}")
        for line in (*plan.data(self._spec, self._found), *self._memory_warning(workers)):
            _say(line)
        if workers:
            _say(self._executor.where(workers))
        elif not first.snapshot.helpers:
            _say(self._how_to_start_a_worker(first))
        view = self.view(first)
        try:
            try:
                self._start(workers, how)
                outcome = self._follow(view, first)
            finally:
                view.close()
            return self._result(outcome)
        except KeyboardInterrupt as wish:
            self._interrupted(wish)
            raise
        except Exception as error:
            if isinstance(error, StorageError) or not isinstance(error, HpoError):
                self._leave()  # the workers are not at fault
            raise
        finally:
            self._executor.stop()

    def _start(self, workers: int, how: str) -> None:
        try:
            self._executor.start(workers)
        except HpoError:
            with suppress(HpoError, *DATABASE_ERRORS):  # else the standing workers would take it
                if how == "created" and interventions.withdraw(self._ledger, self._spec.name):
                    _say(f"{self._spec.name}: withdrawn again, since no worker could be started")
            raise

    def _is_over(self, result: Result) -> bool:
        searched = result.progress.settled >= result.progress.trials
        return result.state != StudyState.OPEN or (self._arguments.no_confirm and searched)

    def _workers(self, first: Result) -> int:
        if self._defaults.workers is not None:
            return self._defaults.workers
        helpers = 0 if self._storage.embedded else len(first.snapshot.helpers)
        if helpers:
            there = "1 worker serves" if helpers == 1 else f"{helpers} workers serve"
            _say(f"{there} this study: starting none here (--workers)")
            return 0
        return plan.default_workers(self._spec)

    def _memory_warning(self, workers: int) -> list[str]:
        here = self._defaults.executor == "local"
        need = memory.need(self._spec, self._found, workers, here=here)
        return [said] if need and (said := need.warning()) else []

    def _how_to_start_a_worker(self, result: Result) -> str:
        where = "" if self._storage.embedded else "with HPO_STORAGE set to this database: "
        refusing = [f"{worker.name} {why}" for worker, why in result.snapshot.refusing.items()]
        what = "no worker serves this study;"
        if refusing:
            who = f"{len(refusing)} workers refuse" if len(refusing) > 1 else "1 worker refuses"
            what = f"{who} this study, such as {refusing[0]}\nmend that, or"
        return f"{what} start some, {where}hpo worker {self._spec.name}"

    def view(self, first: Result) -> View:
        """What shows the study while it runs."""
        if self._arguments.json:
            return JsonView(first)
        console = Console(file=sys.stdout)
        if sys.stdout.isatty() and not console.is_dumb_terminal:
            return LiveView(first, storage=self._storage.place(), console=console)
        return PlainView(first)

    def _follow(self, view: View, first: Result) -> str:
        """Show the study until it is over, or the time is; returns its state, or ``timeout``."""
        timeout_s = self._arguments.timeout
        lonely_s = time.monotonic()
        latest, away, refused = first, False, False
        while True:
            looked_s = time.monotonic()
            seen = asked(lambda: self._ledger.result(self._spec.name), None)
            if (seen is None) != away:
                away = seen is None
                view.note("database unreachable, retrying" if away else "the database is back")
            if seen is not None:
                latest = seen
                view.update(latest)
                if self._is_over(latest):
                    return latest.state
                for event in self._executor.poll():
                    view.note(event)
            now = time.monotonic()
            if timeout_s is not None and now - self._began_s >= timeout_s:
                return "timeout"
            if self._executor.alive or latest.snapshot.helpers:
                lonely_s, refused = now, False
            elif now - lonely_s >= QUIET_S or (latest.snapshot.refusing and not refused):
                view.note(self._how_to_start_a_worker(latest))
                lonely_s, refused = now, bool(latest.snapshot.refusing)
            time.sleep(min(POLL_S[1], max(POLL_S[0], 10 * (now - looked_s))))

    def _interrupted(self, wish: KeyboardInterrupt) -> None:
        """Stop in order: Ctrl-C waits for the workers' epochs, SIGTERM must not wait for long."""
        end = "stopped. Go on with"
        if self._executor.outlives and not self._cancels(wish):
            end = f"{self._executor.leave()}. Follow them again with"
        else:
            _say(
                "stopping the workers: each ends its epoch and keeps it safe, nothing is lost … "
                "(Ctrl-C again: at once)"
            )
            try:
                self._executor.stop(GRACE_S if isinstance(wish, Terminated) else None)
            except KeyboardInterrupt:  # on its way through it, it killed them
                _say("killed; still nothing is lost")
        if self._arguments.json:
            self._print_record(self._patient.result(self._spec.name), "interrupted", None)
        _say(f"{end}:\n  {self._arguments.command}")

    def _leave(self) -> None:
        """Let workers go on that can."""
        if self._executor.outlives and self._executor.alive:
            left = self._executor.leave()
            _say(f"{left}. Follow them again with:\n  {self._arguments.command}")

    def _cancels(self, wish: KeyboardInterrupt) -> bool:
        """Whether workers that could go on without the launch are to end with it."""
        choice = self._defaults.on_cancel or "ask"
        if choice != "ask":
            return choice == "cancel"
        if isinstance(wish, Terminated) or not (sys.stdin.isatty() and sys.stderr.isatty()):
            return False
        question = f"leave the {self._executor.alive} workers running, or cancel them? [L/c] "
        print(question, end="", file=sys.stderr, flush=True)
        try:
            return sys.stdin.readline().strip().lower().startswith("c")
        except KeyboardInterrupt:
            _say("")
            return False

    def _result(self, outcome: str) -> int:
        complete = outcome not in ("timeout", StudyState.FAILED, StudyState.STOPPED)
        if outcome == "timeout" and self._defaults.on_cancel == "leave":
            self._leave()
        if not complete:
            self._executor.stop()
        result = self._patient.result(self._spec.name, curves=complete)
        page = self._report(result) if complete else None
        if complete:
            self._executor.stop()
        self.show_result(result, outcome, page)
        if outcome == "timeout":
            _say(
                f"error: {self._spec.name}: stopped after {self._arguments.timeout:g} s, as "
                f"--timeout says; nothing is lost. Go on with:\n  {self._arguments.command}"
            )
        step, reason = tables.next_step(result, self._option), result.snapshot.reason
        if outcome in (StudyState.STOPPED, StudyState.FAILED) and result.state != outcome:
            raise HpoError(
                f"{self._spec.name}: was {outcome}, and is {result.state} again: somebody "
                f"resumed it meanwhile. Nothing is lost; go on with:\n  {self._arguments.command}"
            )
        if outcome == StudyState.STOPPED:
            raise HpoError(
                f"{self._spec.name}: stopped by {reason}; nothing is lost. Go on with:\n"
                f"  hpo resume {shlex.quote(self._spec.name)}{self._option}\n"
                f"  {self._arguments.command}"
            )
        if outcome == StudyState.FAILED:
            raise HpoError(f"{self._spec.name}: study failed: {reason}\nnext: {step}")
        return 0 if complete else EXIT_ERROR

    def show_result(self, result: Result, outcome: str, page: Path | None) -> None:
        """Print what came out of it; ``page`` is the report."""
        if self._arguments.json:
            self._print_record(result, outcome, page)
            return
        width = shutil.get_terminal_size().columns
        report = str(page) if page else None
        lines = tables.result(result, report=report, storage=self._option, width=width)
        print("\n".join(lines), flush=True)

    def _print_record(self, result: Result, outcome: str, report: Path | None) -> None:
        record = {
            "event": "result",
            "outcome": outcome,
            **json_records.study(result),
            "seconds": time.monotonic() - self._began_s,
            "report": report,
        }
        print(json_records.dumps(record), flush=True)

    def _report(self, result: Result) -> Path | None:
        from hpo.views.report import page  # plotly, which most of a launch does not need
        from hpo.worker import replay

        if self._arguments.no_report:
            return None
        path = self._arguments.report or Path(f"{self._spec.name}-report.html")
        try:
            others = self._patient.overlays(result.spec)
            matrix = replay.confusion(self._patient, result)
            return page.write(result, path, others, matrix)
        except OSError as error:
            _say(f"the report cannot be written: {error}; see `hpo report --help`")
            return None


def _say(text: str) -> None:
    """A word to the user, out of the way of what a program reads."""
    print(text, file=sys.stderr, flush=True)
