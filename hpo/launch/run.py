"""The work of a launch: register the study, start workers, follow, report."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stderr, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from rich.console import Console

from hpo import config
from hpo.console import EXIT_ERROR, Terminated, later, storage_option
from hpo.errors import HpoError, SpecError, StorageError
from hpo.launch import executors, plan
from hpo.launch.executors import GRACE_S, LaunchOptions
from hpo.ledger import interventions
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage, open_storage
from hpo.postgres.retry import DATABASE_ERRORS, is_passing, retry
from hpo.search import options as search_options
from hpo.study import file
from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.trials import StudyState
from hpo.views.records import json_records
from hpo.views.sentences import formatting
from hpo.views.terminal import live, status
from hpo.views.terminal.live import QUIET_S, JsonView, LiveView, PlainView, View

if TYPE_CHECKING:
    from hpo.notebook import Study

POLL_S = (0.4, 10.0)
"""Shortest and longest pause between two queries of the study."""
PATIENCE_S = 120.0
"""How long the first and the last query retry while the database is unreachable."""


def run(arguments: Namespace, command: str) -> int:
    """Run a launch and return its exit status.

    Args:
        arguments: the parsed command line of ``hpo.launch.__main__``.
        command: the command line, to be typed again.

    Raises:
        HpoError: the study file, the database or the workers cannot be used.
    """
    options = {
        "name": arguments.name,
        "budget.trials": arguments.trials,
        "seed": arguments.seed,
    }
    values = {key: value for key, value in options.items() if value is not None}
    replaced = (
        values or arguments.overrides or arguments.quick or arguments.begin_from is None
    )
    overrides = [*arguments.overrides]
    if arguments.begin_from is not None:
        overrides.insert(
            0,
            "warm_start={study ="
            f" {json.dumps(arguments.begin_from, ensure_ascii=False)}}}",
        )
    spec = file.load(
        arguments.study, overrides=overrides, values=values, quick=arguments.quick
    )
    where = file.find(arguments.study)
    search_options.check(spec, str(where))
    launch = LaunchOptions.of_line(arguments, command)
    executors.check(launch)
    if arguments.dry_run:
        plan.show(plan.pinned(spec, launch.storage), str(where), launch)
        return 0
    with sigterm_as_interrupt(), open_storage(launch.storage) as storage:
        return Launch(launch, spec, storage, None if replaced else where).run()


def from_python(
    study: str | Path | Mapping[str, Any], *, workers: int | None, storage: str | None
) -> Study:
    """Run a launch from a notebook or script; see ``hpo.launch.launch``."""
    from hpo.notebook import load

    if isinstance(study, Mapping):
        where, again = "hpo.launch", "hpo.launch(…), with the same study"
        spec = file.read(_plain(study), base=Path(), where=where)
    else:
        where, again = str(study), f"hpo.launch({str(study)!r})"
        spec = file.load(where)
    search_options.check(spec, where)
    options = LaunchOptions(
        command=again,
        site=config.load({"workers": workers}),
        storage=storage,
        in_cell=Console().is_jupyter,
        writes_report=False,
    )
    executors.check(options)
    with sigterm_as_interrupt(), open_storage(storage) as opened:
        try:
            with redirect_stderr(sys.stdout) if options.in_cell else nullcontext():
                Launch(options, spec, opened).run()
        except Terminated:
            raise
        except KeyboardInterrupt:  # stopped in order, with a message
            pass
        return load(spec.name, storage)


def _plain(study: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a dict to the types of a study file, such as numbers of NumPy to plain
    numbers.

    Raises:
        SpecError: a value has no such type.
    """

    def plain(value: Any) -> Any:
        if hasattr(value, "tolist") or isinstance(value, Path):
            return value.tolist() if hasattr(value, "tolist") else str(value)
        raise SpecError(
            f"hpo.launch: expected numbers, strings, lists or dicts, got {value!r}. Use"
            " the value that a study file would have."
        )

    return dict(json.loads(json.dumps(study, default=plain)))


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
        self,
        options: LaunchOptions,
        spec: StudySpec,
        storage: Storage,
        path: Path | None = None,
    ) -> None:
        """Start nothing yet; ``path`` is the study file, where a warm start is
        stored."""
        self._options, self._spec, self._storage = options, spec, storage
        self._path = path
        self._data = plan.read(spec)
        self._option = storage_option(options.storage)
        self._patient = Ledger(
            storage,
            patience_s=PATIENCE_S,
            on_wait=lambda waited_s, _: (
                None if waited_s else _say("database unreachable, retrying")
            ),
        )
        self._ledger = self._patient.impatient()
        self._began_s = time.monotonic()
        self._latest: Result
        self._executor = executors.executor(options, spec.name, storage.url)

    def run(self) -> int:
        """Run the study to its end, and return the exit status.

        Raises:
            HpoError: another study has this name, it failed or was stopped, or no
                worker can run.
        """
        how = self._patient.register(self._spec)
        first = self._latest = self._patient.result(self._spec.name)
        if self._is_over(first):
            end = {
                StudyState.FAILED: "failed, until `hpo resume`",
                StudyState.STOPPED: "stopped, until `hpo resume`",
            }.get(first.state, "finished already")
            _say(f"{self._spec.name}: {end}; nothing left to run")
            if (
                first.state == StudyState.DONE
            ):  # if its last worker died before this step
                from hpo.worker import notifier

                with suppress(Exception):
                    notifier.show_in_optuna(self._storage, self._spec.name)
            return self._result(first.state)
        workers = self._workers(first)
        place = retry(self._storage.describe, patience_s=PATIENCE_S)
        _say(f"{self._spec.name}: {how} in {place}")
        for line in self._beginning(first.spec, new=how == "created"):
            _say(line)
        for line in plan.describe(self._spec, self._data):
            _say(line)
        if workers:
            _say(self._executor.where(workers))
        elif not first.snapshot.helpers:
            _say(self._how_to_start_a_worker(first))
        view = self._view(first)
        try:
            try:
                self._start(workers, first.spec, new=how == "created")
                outcome = self._follow(view)
            finally:
                view.close()
            return self._result(outcome)
        except KeyboardInterrupt as wish:
            self._interrupted(wish)
            raise
        except Exception as error:
            if isinstance(error, StorageError) or not isinstance(error, HpoError):
                self._leave()  # the workers did not cause it
            raise
        finally:
            self._executor.stop()

    def _start(self, workers: int, spec: StudySpec, *, new: bool) -> None:
        try:
            self._executor.start(workers)
        except HpoError:
            with suppress(
                HpoError, *DATABASE_ERRORS
            ):  # else shared workers would run it
                if new and interventions.withdraw(self._ledger, self._spec.name):
                    _say(
                        f"{self._spec.name}: removed again, since no worker could start"
                    )
            raise
        if (
            new and self._path and spec.warm_start
        ):  # not before: a removed study leaves no trace
            why = (
                "not written (the file has one, or is read-only): use --begin-from next"
                " time"
            )
            how = "written" if file.keep_warm_start(spec, self._path) else why
            _say(f"{self._path}: [warm_start] {how}")

    def _beginning(self, spec: StudySpec, *, new: bool) -> Iterator[str]:
        """Yield where the search begins, or could begin."""
        if spec.warm_start is not None:
            yield formatting.warm_start_text(spec)
        elif new and (studies := self._ledger.earlier(spec)):
            name, score = studies[0]
            best = f"the best trial of {name} ({formatting.score_text(spec, score)})"
            yield (
                f"{best} lies in this space; to begin there: --begin-from {name}"
                " --name NEW"
            )

    def _is_over(self, result: Result) -> bool:
        searched = result.progress.settled >= result.progress.trials
        return result.state != StudyState.OPEN or (
            not self._options.confirm and searched
        )

    def _workers(self, first: Result) -> int:
        workers = self._options.site.launch.workers
        if workers is not None:
            return workers
        helpers = 0 if self._storage.embedded else len(first.snapshot.helpers)
        if helpers:
            _say(
                f"workers serve this study already ({helpers}): starting none here"
                " (--workers)"
            )
            return 0
        return plan.default_workers(self._spec)

    def _how_to_start_a_worker(self, result: Result) -> str:
        where = (
            "" if self._storage.embedded else "with HPO_STORAGE set to this database: "
        )
        refusing = [
            f"{worker.name} {why}" for worker, why in result.snapshot.refusing.items()
        ]
        what = "no worker serves this study;"
        if refusing:
            what = f"this study is refused by {refusing[0]}\nfix that, or"
        return f"{what} start some, {where}hpo worker {self._spec.name}"

    def _view(self, first: Result) -> View:
        """Return the view of the running study."""
        if self._options.json:
            return JsonView(first)
        place, console = self._storage.place(), Console(file=sys.stdout)
        if self._options.in_cell:
            return LiveView(
                first, storage=place, console=live.cell_console(), cell=live.Cell()
            )
        if sys.stdout.isatty() and not console.is_dumb_terminal:
            return LiveView(first, storage=place, console=console)
        return PlainView(first)

    def _follow(self, view: View) -> str:
        """Show the study to its end or the timeout, and return its state or
        ``timeout``."""
        timeout_s = self._options.timeout_s
        lonely_s = time.monotonic()
        away, refused = False, False
        while True:
            query_s = time.monotonic()
            result = self._query()
            if (result is None) != away:
                away = result is None
                view.note(
                    "database unreachable, retrying" if away else "the database is back"
                )
            if result is not None:
                self._latest = result
                view.update(result)
                if self._is_over(result):
                    return result.state
                for event in self._executor.poll():
                    view.note(event)
            now = time.monotonic()
            if timeout_s is not None and now - self._began_s >= timeout_s:
                return "timeout"
            if self._executor.alive or self._latest.snapshot.helpers:
                lonely_s, refused = now, False
            elif now - lonely_s >= QUIET_S or (
                self._latest.snapshot.refusing and not refused
            ):
                view.note(self._how_to_start_a_worker(self._latest))
                lonely_s, refused = now, bool(self._latest.snapshot.refusing)
            time.sleep(min(POLL_S[1], max(POLL_S[0], 10 * (now - query_s))))

    def _query(self) -> Result | None:
        """Return the study as it is now; None while the database is unreachable."""
        try:
            return self._ledger.result(self._spec.name)
        except Exception as error:
            if not is_passing(error):
                raise
            return None

    def _interrupted(self, wish: KeyboardInterrupt) -> None:
        """Stop in order: Ctrl-C waits for the workers' epochs, SIGTERM only briefly."""
        if isinstance(wish, Terminated) and not self._options.in_cell:
            later(3 * GRACE_S, os._exit, 143)  # even if something still blocks
        leaves = self._executor.outlives and not self._cancels(wish)
        if not leaves:
            _say(
                "stopping: each worker finishes its epoch and saves a checkpoint …"
                " (Ctrl-C again: stop at once)"
            )
            grace_s = GRACE_S if isinstance(wish, Terminated) else None
            try:
                with live.countdown(
                    self._latest, lambda: self._executor.alive, grace_s
                ):
                    self._executor.stop(grace_s)
            except KeyboardInterrupt:  # which has killed them
                _say("workers killed; nothing is lost")
        if self._options.json:
            self._print_record(
                self._patient.result(self._spec.name), "interrupted", None
            )
        if leaves:
            self._leave()
        else:
            _say(f"stopped. Resume with:\n  {self._options.command}")

    def _leave(self) -> None:
        """Let workers continue that can run without the launch."""
        if self._executor.outlives:
            _say(
                f"{self._executor.leave()}. Follow them with:\n "
                f" {self._options.command}"
            )

    def _cancels(self, wish: KeyboardInterrupt) -> bool:
        """Decide if workers that can run without the launch end with it."""
        choice = self._options.site.launch.on_cancel or "ask"
        if choice != "ask":
            return choice == "cancel"
        if isinstance(wish, Terminated) or not (
            sys.stdin.isatty() and sys.stderr.isatty()
        ):
            return False
        question = (
            f"leave the {self._executor.alive} workers running, or cancel them? [L/c] "
        )
        print(question, end="", file=sys.stderr, flush=True)
        try:
            return sys.stdin.readline().strip().lower().startswith("c")
        except KeyboardInterrupt:
            _say("")
            return False

    def _result(self, outcome: str) -> int:
        """Stop the workers, report, and return the exit status.

        Raises:
            HpoError: the study has failed, or was stopped.
        """
        name, again = self._spec.name, f"  {self._options.command}"
        complete = outcome not in ("timeout", StudyState.FAILED, StudyState.STOPPED)
        if outcome == "timeout" and self._options.site.launch.on_cancel == "leave":
            self._leave()
        self._executor.stop()
        result = self._patient.result(name, curves=complete)
        self._show(result, outcome, self._report(result) if complete else None)
        if outcome == "timeout":
            _say(
                f"error: {name}: stopped after {self._options.timeout_s:g} s"
                f" (--timeout); nothing is lost. Resume with:\n{again}"
            )
            return EXIT_ERROR
        if complete:
            return 0
        if outcome == StudyState.STOPPED:
            raise HpoError(
                f"{name}: stopped by {result.snapshot.reason}; nothing is lost. Resume"
                f" with:\n  hpo resume {shlex.quote(name)}{self._option}\n{again}"
            )
        step = status.next_step(result, self._option)
        raise HpoError(f"{name}: study failed: {result.snapshot.reason}\nnext: {step}")

    def _show(self, result: Result, outcome: str, page: Path | None) -> None:
        """Print the result; ``page`` is the report. In a cell, the study shows
        itself."""
        if self._options.json:
            self._print_record(result, outcome, page)
        if self._options.json or self._options.in_cell:
            return
        width = shutil.get_terminal_size().columns
        report = str(page) if page else None
        lines = status.of_launch(
            result, report=report, storage=self._option, width=width
        )
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
        from hpo.views.pages import report
        from hpo.worker import network

        if not self._options.writes_report:
            return None
        path = self._options.report or Path(f"{self._spec.name}-report.html")
        others = self._patient.overlays(result.spec)
        matrix = network.confusion(self._patient, result)
        try:
            return report.write(result, path, others, matrix)
        except HpoError as error:
            _say(f"the report: {error} See `hpo report --help`.")
            return None


def _say(text: str) -> None:
    """Print a message for the user on stderr, since programs read stdout."""
    print(text, file=sys.stderr, flush=True)
